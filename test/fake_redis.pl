#!/usr/bin/perl
#
# A Redis server that misbehaves on demand.
#
# fake_redis.pl --log FILE --control FILE [--password WORD] [--backlog N] (--socket PATH | --port-file FILE)
#
# Listens on a Unix socket, or on a TCP port of 127.0.0.1 that it writes to
# FILE.  The control file is one line,
#
#	mode [on=COMMAND,...] [argument]
#
# and is looked for before every wait for something to read, which SIGUSR1 ends.
# First all that was sent before is read, but what deaf and slow_accept leave
# alone, and answered as the mode before would have it; then the mode is the new
# one, and the file is taken away.  So who waits for that, as each must before
# the next, knows which commands meet which mode, however slow this is.
# The mode applies to the commands named, or to all:
#
#	normal
#	hang_before_reply	the reply is held back until the mode changes
#	hang_mid_reply		its second half is held back until the mode changes
#	late MS				replies come after MS milliseconds
#	drip MS				replies come a byte at a time, one each MS milliseconds
#	garbage				bytes that are not the protocol
#	error TEXT			-TEXT, as in "error on=SET OOM command not allowed"
#	close				the connection is closed instead of a reply
#	close_mid_reply		... after half of the reply
#	wrong_type KIND		integer, status, bulk, nil, short, long (arrays one off),
#						nested, integers (an array of them)
#	huge KIND			a header that announces a bulk, or an array, of 2 GB
#	extra_reply			the reply comes twice
#	extra_half			half of it comes once more
#	extra_later MS		... and the second time after MS milliseconds
#	deaf				after the reply, nothing more is read until the mode changes
#	wrong_key			MGET and GET answer with another user's value
#	swap				MGET answers with its values one place on
#	old					MGET and GET answer with the first value ever SET
#	forget				SET says OK and stores nothing
#	slow_accept			connections wait in the queue; commands work as usual
#
# The log has a line for each connection, command and close:
#	seconds.micros connection-number CONNECT|CLOSE|command [first argument]
# and one with LISTEN and the process id when it is ready.

use strict;
use warnings;

use Getopt::Long;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOMAXCONN);
use Time::HiRes qw(time);

my %opt;
GetOptions(\%opt, 'log=s', 'control=s', 'password=s', 'backlog=i', 'socket=s', 'port-file=s')
  or die "bad options\n";

# After a restart, the port that it had.
sub last_port
{
	open my $file, '<', $opt{'port-file'} or return 0;
	return <$file>;
}

$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = $SIG{INT} = sub { exit 0 };
$SIG{USR1} = sub { };

open my $log, '>>', $opt{log} or die "$opt{log}: $!";
$log->autoflush(1);

my $listener = $opt{socket}
  ? IO::Socket::UNIX->new(Local => $opt{socket}, Listen => $opt{backlog} // SOMAXCONN)
  : IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	LocalPort => last_port(),
	ReuseAddr => 1,
	Listen => $opt{backlog} // SOMAXCONN);
die "cannot listen: $!" unless $listener;
if ($opt{'port-file'})
{
	# Renamed into place, so whoever sees the file sees all of it.
	open my $file, '>', "$opt{'port-file'}.new" or die $!;
	print $file $listener->sockport;
	close $file;
	rename "$opt{'port-file'}.new", $opt{'port-file'} or die $!;
}

my %store;    # key => [value, expiry or 0]
my %first;    # key => the first value ever SET, also if it was deleted
my %clients;  # fileno => { number, socket, in, out => [[due, bytes, close]], authorized }
my $connections = 0;
my ($mode, $on, $argument) = ('normal', undef, '');

sub note
{
	my ($client, @words) = @_;
	printf $log "%.6f %d %s\n", time, $client->{number}, join ' ', @words;
}

# The line that the control file has, if there is one, and it is whole.
sub new_mode
{
	open my $file, '<', $opt{control} or return;
	my $line = <$file> // '';
	return $line =~ s/\n$// ? $line : ();
}

sub change_mode
{
	my ($line) = @_;
	my ($word, $rest) = $line =~ /^(\S+)\s*(.*)$/ or die "mode?";
	$mode = $word;
	$on = $rest =~ s/^on=(\S+)\s*// ? { map { uc $_ => 1 } split /,/, $1 } : undef;
	$argument = $rest;
	$_->{deaf} = 0 for values %clients;
	unlink $opt{control};
}

sub bulk { my ($v) = @_; return defined $v ? '$' . length($v) . "\r\n$v\r\n" : "\$-1\r\n"; }
sub array { return '*' . @_ . "\r\n" . join '', @_; }

sub value
{
	my ($key) = @_;
	my $entry = $store{$key} or return undef;
	if ($entry->[1] && $entry->[1] <= time)
	{
		delete $store{$key};
		return undef;
	}
	return $entry->[0];
}

# The value of the same section (what follows the last colon) of another user.
sub other_value
{
	my ($key) = @_;
	my ($section) = $key =~ /([^:]*)$/;
	for my $other (sort keys %store)
	{
		return value($other) if $other ne $key && $other =~ /:\Q$section\E$/;
	}
	return undef;
}

sub values_for
{
	my @keys = @_;
	return map { other_value($_) } @keys if $mode eq 'wrong_key';
	return @first{@keys} if $mode eq 'old';
	my @values = map { value($_) } @keys;
	push @values, shift @values if $mode eq 'swap';
	return @values;
}

# What a Redis in good health says.
sub reply
{
	my ($client, $name, @args) = @_;

	if ($name eq 'AUTH')
	{
		return "-WRONGPASS invalid username-password pair\r\n"
		  if ($opt{password} // '') ne ($args[-1] // '');
		$client->{authorized} = 1;
		return "+OK\r\n";
	}
	return "-NOAUTH Authentication required.\r\n"
	  if $opt{password} && !$client->{authorized};
	return "+PONG\r\n" if $name eq 'PING';
	return "+OK\r\n" if $name eq 'SELECT' || $name eq 'CLIENT';
	return bulk(values_for($args[0])) if $name eq 'GET';
	return array(map { bulk($_) } values_for(@args)) if $name eq 'MGET';
	if ($name eq 'SET')
	{
		my ($key, $value, %how) = @args;
		my $ms = $how{PX} // $how{px};
		$first{$key} //= $value;
		$store{$key} = [ $value, $ms ? time + $ms / 1000 : 0 ] unless $mode eq 'forget';
		return "+OK\r\n";
	}
	return ':' . (grep { defined delete $store{$_} } @args) . "\r\n"
	  if $name eq 'UNLINK' || $name eq 'DEL';
	if ($name eq 'FLUSHALL' || $name eq 'FLUSHDB')
	{
		%store = ();
		return "+OK\r\n";
	}
	if ($name eq 'KEYS')
	{
		my $pattern = join '.*', map { quotemeta } split /\*/, $args[0] // '*', -1;
		return array(map { bulk($_) } grep { /^$pattern$/ && defined value($_) } sort keys %store);
	}
	return "-ERR unknown command '$name'\r\n";
}

my %wrong_type = (
	integer => sub { ":42\r\n" },
	status => sub { "+OK\r\n" },
	bulk => sub { bulk('clarify') },
	nil => sub { "*-1\r\n" },
	short => sub { array(map { bulk(value($_)) } @_[ 1 .. $#_ ]) },
	long => sub { array(map { bulk(value($_)) } @_, @_) },
	nested => sub { array(map { array(bulk(value($_))) } @_) },
	integers => sub { array(map { ":42\r\n" } @_) });

# Queue what this mode makes of the reply to a command.
sub answer
{
	my ($client, $name, @args) = @_;
	my $applies = !$on || $on->{$name};
	# A command refused is not carried out; one whose reply is spoilt is.
	my $reply = $applies && $mode eq 'error' ? "-$argument\r\n" : reply($client, $name, @args);
	my $half = int(length($reply) / 2);
	my $send = sub { push @{ $client->{out} }, [@_] };    # due, bytes, close

	# What is held back is due when the mode is no longer this one.
	my $now = time;
	my $held = $mode;
	if (!$applies) { $send->(0, $reply) }
	elsif ($mode eq 'hang_before_reply') { $send->($held, $reply) }
	elsif ($mode eq 'hang_mid_reply')
	{
		$send->(0, substr($reply, 0, $half));
		$send->($held, substr($reply, $half));
	}
	elsif ($mode eq 'late') { $send->($now + $argument / 1000, $reply) }
	elsif ($mode eq 'drip')
	{
		my $due = $now;
		$send->($due += $argument / 1000, $_) for split //, $reply;
	}
	elsif ($mode eq 'garbage') { $send->(0, "\x00\xff%PDF-1.7\r\n\r\n{}") }
	elsif ($mode eq 'close') { $send->(0, '', 1) }
	elsif ($mode eq 'close_mid_reply') { $send->(0, substr($reply, 0, $half), 1) }
	elsif ($mode eq 'wrong_type') { $send->(0, ($wrong_type{$argument} || die "wrong_type?")->(@args)) }
	elsif ($mode eq 'huge')
	{
		$send->(0, $argument eq 'array' ? "*2147483647\r\n" : '*' . @args . "\r\n\$2147483647\r\n");
	}
	elsif ($mode eq 'extra_reply') { $send->(0, $reply . $reply) }
	elsif ($mode eq 'extra_half') { $send->(0, $reply . substr($reply, 0, $half)) }
	elsif ($mode eq 'extra_later')
	{
		$send->(0, $reply);
		$send->($now + $argument / 1000, $reply);
	}
	elsif ($mode eq 'deaf')
	{
		$send->(0, $reply);
		$client->{deaf} = 1;
	}
	else { $send->(0, $reply) }
}

# Take one whole command off the front of the input, as a list, or nothing.
sub next_command
{
	my ($client) = @_;
	my $in = \$client->{in};
	pos($$in) = 0;
	$$in =~ /\G\*(\d+)\r\n/gc or return;
	my ($count, @words) = ($1);
	for (1 .. $count)
	{
		$$in =~ /\G\$(\d+)\r\n/gc or return;
		my $start = pos $$in;
		return if length($$in) < $start + $1 + 2;
		push @words, substr($$in, $start, $1);
		pos($$in) = $start + $1 + 2;
	}
	substr($$in, 0, pos $$in) = '';
	return @words;
}

sub hang_up
{
	my ($client) = @_;
	note($client, 'CLOSE');
	delete $clients{ fileno $client->{socket} };
	close $client->{socket};
}

# Send what is due, in order: what is held back holds back what follows it.
sub flush_client
{
	my ($client) = @_;
	my $out = $client->{out};
	while (@$out)
	{
		my $due = $out->[0][0];
		return if $due =~ /^hang/ ? $due eq $mode : $due > time;
		if (length $out->[0][1])
		{
			my $sent = syswrite $client->{socket}, $out->[0][1];
			if (!defined $sent)
			{
				hang_up($client) unless $!{EAGAIN} || $!{EINTR};
				return;
			}
			substr($out->[0][1], 0, $sent) = '';
			next if length $out->[0][1];
		}
		return hang_up($client) if $out->[0][2];
		shift @$out;
	}
}

# Accept and answer what has come, or what comes within so many seconds; whether
# there was anything.
sub listen_for
{
	my ($seconds) = @_;
	my @heard = grep { $mode ne 'deaf' || !$_->{deaf} } values %clients;
	my $select = IO::Select->new(map { $_->{socket} } @heard);
	$select->add($listener) unless $mode eq 'slow_accept';
	my @ready = $select->can_read($seconds);
	for my $socket (@ready)
	{
		if ($socket == $listener)
		{
			my $new = $listener->accept or next;
			$new->blocking(0);
			my $client = { number => ++$connections, socket => $new, in => '', out => [] };
			$clients{ fileno $new } = $client;
			note($client, 'CONNECT');
			next;
		}
		my $client = $clients{ fileno $socket } or next;
		my $got = sysread $socket, $client->{in}, 65536, length $client->{in};
		if (!$got)
		{
			hang_up($client) if defined $got || !($!{EAGAIN} || $!{EINTR});
			next;
		}
		while (my ($name, @args) = next_command($client))
		{
			$name = uc $name;
			note($client, $name, grep { defined } $name eq 'AUTH' ? () : $args[0]);
			answer($client, $name, @args);
		}
	}
	return scalar @ready;
}

note({ number => 0 }, 'LISTEN', $$);
while (1)
{
	if (defined(my $line = new_mode()))
	{
		1 while listen_for(0);
		change_mode($line);
	}
	flush_client($_) for values %clients;
	# Look for a new mode and for replies that are due, even if all is quiet.
	my $quiet = !grep { @{ $_->{out} } } values %clients;
	listen_for($quiet ? 0.02 : 0.001);
}
