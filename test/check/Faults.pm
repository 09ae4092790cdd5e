package Faults;

# What goes wrong around the sessions, by name.
#
# The extension connects to the socket redis.sock, a symbolic link: to the one
# Redis, to its replica after a failover, or to a proxy.  One process makes all
# faults, one after the other.  While a file "down" exists, sessions do not
# connect: the server is being restarted.

use strict;
use warnings;

use Choose;
use Cwd qw(abs_path);
use File::Basename;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

my $proxy = abs_path(dirname(__FILE__) . '/../proxy.pl');

our $tmp;		# where the servers are
our $dir;		# of this run
our $standby;	# its socket's folder, if there is one
our %banked;	# counters of the server before its crashes

my %done;		# how often each fault was made,
my %asked;		# and tried
my %redis;		# name => { port, pid, proxy }
my $current = 'a';	# who is written to
my $replica;		# who replicates it, if anybody
my $put_back = {};	# older values
my %children;	# that run, by pid

# ------------------------------------------------------------------ servers

sub quietly { return system("@_ >>'$tmp/faults.log' 2>&1"); }

sub query
{
	my ($sql, $host) = @_;
	local $ENV{PGHOST} = $host if $host;
	local $ENV{PGAPPNAME} = 'faults';
	open my $fh, '-|', 'sh', '-c', 'exec psql -XAtq -c "$1" 2>>"$2"', 'sh', $sql, "$tmp/faults.log" or return '';
	my $answer = do { local $/; <$fh> } // '';
	close $fh;
	chomp $answer;
	return $answer;
}

# Hits and more, as the server has counted.  What the owners of hostile.sql show of their
# own tables may differ from one moment to the next, also to an audit.
sub counters
{
	my ($host) = @_;
	my %counters;
	@counters{qw(local redis builds bypasses fills outdated foreign audited differed opened)} = split /\|/,
	  query(q{SELECT sum(local_hits), sum(redis_hits), sum(builds), sum(bypasses), sum(fills), sum(version_mismatches), sum(corrupt_entries), sum(audited), sum(audit_mismatches) FILTER (WHERE section NOT IN ('mallory', 'trudy', 'named')), min(breaker_openings) FROM clarify_cache.stats, clarify_cache.status}, $host);
	$_ ||= 0 for values %counters;
	for (split /\n/, query(q{SELECT key || '=' || sum(value::bigint) FROM clarify_cache.stats, jsonb_each_text(bypass_reasons) GROUP BY key}, $host))
	{
		my ($reason, $n) = split /=/;
		$counters{"bypass $reason"} = $n;
	}
	return \%counters;
}

# A free port; the server that gets it is told at once.
sub free_port
{
	my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "no free port: $!";
	return $socket->sockport;
}

# A program of ours that runs until it is killed; lib.sh finds what is left over.
sub spawn
{
	my ($name, @command) = @_;
	my $pid = fork // die;
	if ($pid == 0)
	{
		chdir $tmp;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', "$tmp/faults.log";
		open STDERR, '>>', "$tmp/faults.log";
		exec @command or POSIX::_exit(1);
	}
	$children{$pid} = 1;
	open my $fh, '>', "$tmp/$name.redis.pid" or die;
	print $fh "$pid\n";
	close $fh;
	return $pid;
}

sub end_process
{
	my ($pid) = @_;
	return unless $pid && $children{$pid};
	kill 'KILL', $pid;
	waitpid $pid, 0;
	delete $children{$pid};
}

# The name that the extension knows; renamed into place, so it is always there.
sub point_to
{
	my ($socket) = @_;
	symlink $socket, "$tmp/link.$$";
	rename "$tmp/link.$$", "$tmp/redis.sock";
}

sub wait_for_socket
{
	my ($path) = @_;
	for (1 .. 1000)
	{
		return 1 if IO::Socket::UNIX->new(Peer => $path);
		sleep 0.02;
	}
	return 0;
}

sub start_redis
{
	my ($name, $rdb) = @_;
	my $folder = "$tmp/redis_$name";
	mkdir $folder;
	unlink "$folder/dump.rdb", "$tmp/$name.sock";
	quietly("cp '$rdb' '$folder/dump.rdb'") if $rdb && -e $rdb;
	my $redis = $redis{$name} //= {};
	for (1 .. 3)
	{
		# Another port each time: somebody else may have taken the last one.
		$redis->{port} = free_port();
		$redis->{pid} = spawn($name, 'redis-server', '--port', $redis->{port}, '--bind', '127.0.0.1',
			'--unixsocket', "$tmp/$name.sock", '--unixsocketperm', '700', '--dir', $folder,
			'--save', '', '--appendonly', 'no', '--repl-diskless-sync', 'yes',
			'--repl-diskless-sync-delay', '0', '--logfile', "$tmp/redis_$name.log");
		return if wait_for_socket("$tmp/$name.sock");
		end_process($redis->{pid});
	}
	die "Redis did not start\n";
}

# The other one replicates the current one, half a second late.
sub start_replica
{
	$replica = $current eq 'a' ? 'b' : 'a';
	my $port = free_port();
	end_process($redis{$replica}{$_}) for qw(pid proxy);
	start_redis($replica);
	$redis{$replica}{proxy} = spawn("proxy_$replica", $^X, $proxy, '--listen', "127.0.0.1:$port",
		'--to', "127.0.0.1:$redis{$current}{port}", '--delay', '200-500');
	sleep 0.2;
	command($replica, 'REPLICAOF', '127.0.0.1', $port);
}

# ---------------------------------------------------- what Redis is told

sub read_reply
{
	my ($socket) = @_;
	my $line = <$socket> // return;
	$line =~ s/\r\n$//;
	return $1 if $line =~ /^[+:](.*)/;
	return undef if $line !~ /^([\$*])(\d+)/;
	return [ map { read_reply($socket) } 1 .. $2 ] if $1 eq '*';
	my $length = $2 + 2;
	read($socket, my $data, $length) == $length or return undef;
	return substr $data, 0, -2;
}

# One command to one of them; undefined if there is no answer.
sub command
{
	my ($name, @words) = @_;
	my $reply;
	eval {
		local $SIG{ALRM} = sub { die "no answer\n" };
		alarm 3;
		my $socket = IO::Socket::UNIX->new(Peer => "$tmp/$name.sock") or die "no connection\n";
		print $socket "*" . @words . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @words;
		$socket->flush;
		$reply = read_reply($socket);
		alarm 0;
	};
	alarm 0;
	return $reply;
}

sub some_keys
{
	my ($n) = @_;
	my %keys = map { (command($current, 'RANDOMKEY') // '') => 1 } 1 .. $n;
	delete $keys{''};
	return keys %keys;
}

# For a while, give or take.
sub a_while { sleep $_[0] * (0.2 + rand); }

# --------------------------------------------------------- faults of Redis

sub kill_redis
{
	end_process($redis{$current}{pid});
	a_while(0.5);
	start_redis($current);
	start_replica() if $replica;
}

sub restart_redis
{
	my ($rdb) = @_;
	end_process($redis{$current}{pid});
	start_redis($current, $rdb);
	start_replica() if $replica;
}

# With what it had when this was done last.
sub restart_with_old_data
{
	command($current, 'SAVE');
	quietly("cp '$tmp/redis_$current/dump.rdb' '$tmp/new.rdb'");
	restart_redis("$dir/old.rdb");
	rename "$tmp/new.rdb", "$dir/old.rdb";
	return 1;
}

sub freeze
{
	kill 'STOP', $redis{$current}{pid};
	a_while(0.4);
	kill 'CONT', $redis{$current}{pid};
}

# What the primary has not sent yet is lost; the replica goes on without.  Undefined
# if it has not caught up with the beginning yet.
sub fail_over
{
	my ($old, $new) = ($current, $replica);
	return undef if (command($new, 'INFO', 'replication') // '') !~ /master_link_status:up/;
	end_process($redis{$old}{pid});
	end_process(delete $redis{$new}{proxy});
	command($new, 'REPLICAOF', 'NO', 'ONE');
	$current = $new;
	point_to("$tmp/$new.sock");
	a_while(0.3);
	start_replica();
	return 1;
}

sub for_a_while
{
	my ($setting, $bad, $good) = @_;
	my $done = command($current, 'CONFIG', 'SET', $setting, $bad);
	a_while(0.5);
	for (1 .. 20) { last if command($current, 'CONFIG', 'SET', $setting, $good); }
	return $done;
}

# A replica of nobody: it serves what it has, and refuses writes.
sub read_only
{
	my $done = command($current, 'REPLICAOF', '127.0.0.1', '1');
	a_while(0.5);
	for (1 .. 20) { last if command($current, 'REPLICAOF', 'NO', 'ONE'); }
	return $done;
}

# What some keys had some time ago, and remember others for the next time.
sub put_back
{
	my $done = grep { defined command($current, 'SET', $_, $put_back->{$_}, 'PX', 60000) } keys %$put_back;
	$put_back = {};
	for my $key (some_keys(40))
	{
		my $value = command($current, 'GET', $key);
		$put_back->{$key} = $value if defined $value;
	}
	return $done || undef;
}

# One user's entry under another's key, or one section's under another's.
sub swap
{
	my @keys = some_keys(20);
	my $done = 0;
	for (1 .. 20)
	{
		my ($one, $other) = (one_of(@keys), one_of(@keys));
		$done += command($current, 'COPY', $one, $other, 'REPLACE') // 0 if $one && $one ne $other;
	}
	return $done || undef;
}

sub spoil
{
	my ($how) = @_;
	my $done = 0;
	for my $key (some_keys(15))
	{
		my $value = command($current, 'GET', $key) // next;
		$done++ if command($current, 'SET', $key, $how->($value), 'KEEPTTL');
	}
	return $done || undef;
}

sub flip { my ($value) = @_; substr($value, rand length $value, 1) ^= chr(1 << int rand 8) if length $value; return $value; }
sub garbage { return join '', map { chr int rand 256 } 1 .. rand 300; }

sub wrong_type
{
	my $done = 0;
	for my $key (some_keys(15))
	{
		command($current, 'DEL', $key);
		$done++ if command($current, one_of([ 'RPUSH', $key, 'x' ], [ 'HSET', $key, 'x', 'y' ], [ 'SADD', $key, 'x' ])->@*);
	}
	return $done || undef;
}

sub through_proxy
{
	my (@how) = @_;
	unlink "$tmp/proxy.sock";
	my $pid = spawn('proxy', $^X, $proxy, '--listen', "$tmp/proxy.sock", '--to', "$tmp/$current.sock", @how);
	my $done = wait_for_socket("$tmp/proxy.sock");
	point_to("$tmp/proxy.sock");
	command($current, 'CLIENT', 'KILL', 'TYPE', 'normal');
	a_while(1);
	point_to("$tmp/$current.sock");
	end_process($pid);
	return $done || undef;
}

# ---------------------------------------------------- faults of PostgreSQL

# Around a restart: what was counted before, and set right after.
sub while_down
{
	my ($counters, $stop_and_start) = @_;
	open my $fh, '>', "$dir/down" or die;
	close $fh;
	my $has_stopped = $stop_and_start->();
	# When all sessions are gone, no change is under way.
	my $left = '';
	for (1 .. 900)
	{
		$left = query(q{SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
			AND backend_type = 'client backend' AND application_name <> 'faults'});
		last if $left eq '0';
		sleep 0.1;
	}
	die "the server did not come back\n" if $left eq '';
	query($_) for split(/\n/, query(q{SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts
			WHERE gid LIKE 'own%' AND database = current_database()})),
	  (map { "WITH s AS MATERIALIZED (SELECT 1 + greatest((SELECT last_value FROM ${_}_started),
			(SELECT last_value FROM ${_}_ended)) AS m)
			SELECT setval('${_}_started', m), setval('${_}_ended', m) FROM s" } qw(ddl rights rewrites)),
	  'CHECKPOINT';
	unlink "$dir/down";
	$banked{$_} += $counters->{$_} for $has_stopped ? keys %$counters : ();
}

sub crash
{
	while_down(counters(), sub {
		quietly("pg_ctl -D '$tmp/pg' -m immediate -w -s stop");
		quietly("pg_ctl -D '$tmp/pg' -l '$tmp/postgres.log' -w -t 120 -s start");
		return 1;
	});
}

# One that waits for Redis, while it is frozen; undefined if there is none.
sub end_waiting
{
	my ($how) = @_;
	my $victim;
	kill 'STOP', $redis{$current}{pid};
	for (1 .. 60)
	{
		$victim = query(q{SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Extension'
			AND wait_event IN ('Extension', 'ClarifyCacheRedis') AND application_name ~ '^(reader|writer)' LIMIT 1}) || undef;
		last if $victim;
		sleep 0.01;
	}
	$how->($victim) if $victim;
	kill 'CONT', $redis{$current}{pid};
	return $victim;
}

sub kill_backend
{
	my $counters = counters();
	return end_waiting(sub {
		my ($victim) = @_;
		while_down($counters, sub { my $killed = kill 'KILL', $victim; sleep 0.3; return $killed; });
	});
}

# From now on there are two servers, with the same past and the same Redis.
sub promote
{
	quietly("pg_ctl -D '$tmp/standby' -w -s promote") == 0 or die "the standby was not promoted\n";
	open my $fh, '>', "$dir/promoted" or die;
	close $fh;
}

# The standby lags.
sub pause_replay
{
	return undef if -e "$dir/promoted";
	query('SELECT pg_wal_replay_pause()', $standby);
	a_while(2);
	query('SELECT pg_wal_replay_resume()', $standby);
	return 1;
}

# -------------------------------------------------------------------- all

# name => [how often, what to do: undefined if it could not be done]
my %faults = (
	kill => [ 4, sub { kill_redis(); 1 } ],
	freeze => [ 6, sub { freeze(); 1 } ],
	empty => [ 3, sub { restart_redis(); 1 } ],
	old_data => [ 3, \&restart_with_old_data ],
	flushall => [ 4, sub { command($current, 'FLUSHALL') } ],
	failover => [ 4, \&fail_over ],
	oom => [ 5, sub { for_a_while('maxmemory', 1, 0) } ],
	readonly => [ 5, \&read_only ],
	few_replicas => [ 2, sub { for_a_while('min-replicas-to-write', 3, 0) } ],
	older => [ 10, \&put_back ],
	swapped => [ 10, \&swap ],
	truncated => [ 5, sub { spoil(sub { substr $_[0], 0, rand length $_[0] }) } ],
	flipped => [ 5, sub { spoil(\&flip) } ],
	garbage => [ 5, sub { spoil(\&garbage) } ],
	wrong_type => [ 5, \&wrong_type ],
	latency => [ 5, sub { through_proxy('--delay', one_of('1', '1-5', '5-20', '20', '10-40', '100', '1-500', '500')) } ],
	cut => [ 6, sub { through_proxy('--cut', one_of(0.5, 0.05, 0.01)) } ],
	disconnect => [ 4, sub { command($current, 'CLIENT', 'KILL', 'TYPE', 'normal') } ],
	sigterm => [ 5, sub { end_waiting(sub { kill 'TERM', $_[0] }) } ],
	sigkill => [ 2, \&kill_backend ],
	crash => [ 2, sub { crash(); 1 } ],
	lag => [ 10, \&pause_replay ],
	promote => [ 0, sub { promote(); 1 } ],);

sub names { return sort keys %faults; }

sub make
{
	my ($name) = @_;
	open my $fh, '>>', "$tmp/faults.log";
	printf $fh "%.3f %s\n", time, $name;
	close $fh;
	$done{$name}++ if defined $faults{$name}[1]->();
	$asked{$name}++;
}

# A process: one Redis, empty; then, between "go" and the deadline it says, the
# faults named.
sub run
{
	my (@names) = @_;
	start_redis($current);
	point_to("$tmp/$current.sock");
	start_replica() if grep { $_ eq 'failover' } @names;
	sleep 0.05 while !-e "$dir/go";
	open my $go, '<', "$dir/go" or die;
	my $deadline = <$go>;
	my $restarted = time - 8;
	# What some faults put back later.
	if (grep { $_ eq 'older' } @names) { sleep 1; put_back(); }
	if (grep { $_ eq 'old_data' } @names) { command($current, 'SAVE'); quietly("cp '$tmp/redis_$current/dump.rdb' '$dir/old.rdb'"); }
	my $half = time + ($deadline - time) / 2;
	my $promote = grep { $_ eq 'promote' } @names;
	my @choice = map { ($faults{$_}[0] => $_) } grep { $_ ne 'promote' } @names;
	while (time < $deadline)
	{
		sleep 0.1 + rand 0.5;
		if ($promote && time > $half) { make('promote'); $promote = 0; }
		elsif (@choice && time < $deadline - 1)
		{
			my $name = weighted(@choice);
			# A restart takes seconds, in which nothing is read.
			next if $name =~ /^(crash|sigkill)$/ && time - $restarted < 10;
			make($name);
			$restarted = time if $name =~ /^(crash|sigkill)$/;
		}
	}
	open my $fh, '>', "$dir/count.faults" or die;
	print $fh "$done{$_}\tfault $_\n" for keys %done;
	print $fh "$asked{$_}\ttried $_\n" for keys %asked;
	print $fh "$banked{$_}\tcounted $_\n" for keys %banked;
	close $fh;
}

# Stop what is left.  Another process started it: a pid counts if its working
# directory is ours.
sub end
{
	for my $file (glob "$tmp/*.redis.pid")
	{
		open my $fh, '<', $file or next;
		my $pid = <$fh> // 0;
		chomp $pid;
		if ($pid && (readlink("/proc/$pid/cwd") // '') =~ /^\Q$tmp\E/)
		{
			kill 'KILL', $pid;
			for (1 .. 100) { waitpid $pid, WNOHANG; last unless kill 0, $pid; sleep 0.02; }
		}
		unlink $file;
	}
}

1;
