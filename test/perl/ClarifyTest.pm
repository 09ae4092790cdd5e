package ClarifyTest;

=pod

=head1 NAME

ClarifyTest - what the TAP tests share: a Redis, real or fake, a server with
Clarify's people, and the exact context to compare with

=head1 SYNOPSIS

  use FindBin;
  use lib "$FindBin::RealBin/../perl";
  use ClarifyTest;
  use Test::More;

  my $redis = start_redis();                    # or start_fake()
  my $node = clarify_node('main', redis => $redis);
  is_exact($node, user_id(3), 'the first call is exact');
  $redis->freeze;
  is_exact($node, user_id(3), 'a frozen Redis changes nothing');
  done_testing();

=cut

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::MD5 qw(md5_hex);
use Exporter 'import';
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(
  start_redis
  start_fake
  redis_command
  new_node
  load_clarify
  clarify_node
  user_id
  row_id
  context
  plain
  is_exact
  counters
  wait_for
  slowness
);

my $test_dir = abs_path(dirname(__FILE__) . '/..');

# At a test's end servers are stopped at once, and with them backends that have
# not yet written what they count for coverage.sh.
if (($ENV{COPT} // '') =~ /--coverage/)
{
	no warnings 'redefine';
	*PostgreSQL::Test::Cluster::teardown_node = sub {
		my ($self) = @_;
		$self->stop('fast', fail_ok => 1) || $self->stop('immediate');
	};
}

=head1 SERVERS

=over

=item start_redis(tcp => 0, password => undef, conf => {})

A redis-server of its own, on a Unix socket (or, with C<tcp>, on a free port of
127.0.0.1), without persistence; C<conf> are further settings.  The program is
$ENV{CLARIFY_REDIS_SERVER}, or redis-server.  Its methods are below.

=cut

sub start_redis
{
	my (%opt) = @_;
	my $self = ClarifyTest::Redis->new(%opt);
	$self->start;
	return $self;
}

=item start_fake(tcp => 0, password => undef, backlog => undef)

A fake_redis.pl; see there for its modes.  C<backlog> is how many connections may
wait to be accepted; further ones are neither made nor refused.

=cut

sub start_fake
{
	my (%opt) = @_;
	my $self = ClarifyTest::Fake->new(%opt);
	$self->start;
	return $self;
}

=item new_node(name, preload => 1, redis => undef, local => undef, conf => '', ...)

A running PostgreSQL::Test::Cluster with the library preloaded or not, and
redis_url pointing to C<redis>.  C<local> is the local_cache_size; what has a
Redis has by default no local tier, or Redis would seldom be asked.  It has 2 s
for an answer, so that a busy machine does not turn hits into misses.  Other options go to its init(); C<extra> there
is for initdb, and by default says locale C and encoding UTF8.

=cut

sub new_node
{
	my ($name, %opt) = @_;
	my ($preload, $redis, $local, $conf) = delete @opt{qw(preload redis local conf)};
	$local //= 0 if $redis;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--locale=C', '--encoding=UTF8' ], %opt);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'clarify_cache'\n")
	  if $preload // 1;
	$node->append_conf('postgresql.conf',
		"max_prepared_transactions = 10\n"
		. "autovacuum = off\n"
		. "clarify_cache.connect_timeout = '2s'\nclarify_cache.command_timeout = '2s'\n"
		. ($redis ? "clarify_cache.redis_url = '" . $redis->url . "'\n" : '')
		. (defined $local ? "clarify_cache.local_cache_size = '$local'\n" : '')
		. ($conf // ''));
	$node->start;
	return $node;
}

=item load_clarify(node, db => 'postgres', people => 20, setup => 1)

Clarify's schema with people in it, the tests' plain_context(), and, if
C<setup>, the extension with Clarify's tables and sections.  A minute is not
enough for some tests on a busy machine, so their entries last for an hour.

=cut

sub load_clarify
{
	my ($node, @opt) = @_;
	my %opt = (db => 'postgres', people => 20, setup => 1, @opt);
	my $clarify = "$test_dir/clarify";
	$node->safe_psql($opt{db},
		"\\set people $opt{people}\n\\i $clarify/schema.sql\n"
		. "\\i $clarify/data.sql\n\\i $clarify/plain.sql\n");
	$node->safe_psql($opt{db}, q{CREATE EXTENSION clarify_cache; SELECT clarify_cache.setup();
		UPDATE clarify_cache.section SET ttl = '1 h'})
	  if $opt{setup};
}

=item clarify_node(name, ...)

new_node() and load_clarify() in one; takes the options of both.

=cut

sub clarify_node
{
	my ($name, %opt) = @_;
	my %load = map { exists $opt{$_} ? ($_ => delete $opt{$_}) : () } qw(db people setup);
	my $node = new_node($name, %opt);
	load_clarify($node, %load);
	return $node;
}

=back

=head1 PEOPLE AND CONTEXTS

=over

=item user_id(n), row_id(kind, i, n)

The ids of data.sql: person n, and the i-th dream, session, message, pattern
or reflection of person n.

=cut

sub _uuid
{
	my $hex = md5_hex(@_);
	$hex =~ s/^(.{8})(.{4})(.{4})(.{4})(.{12})$/$1-$2-$3-$4-$5/;
	return $hex;
}

sub user_id { return _uuid("user $_[0]"); }
sub row_id { return _uuid("$_[0] $_[1] of $_[2]"); }

=item context(node, user, session = NULL, db = 'postgres')

=item plain(node, user, session = NULL, db = 'postgres')

The context from the extension; and what it must be, from plain queries.  Each
in a backend and a transaction of its own.  In a session of your own, use
C<SELECT clarify_context(...)> and C<SELECT plain_context(...)>.

=cut

sub _call
{
	my ($function, $node, $user, $session, $db) = @_;
	my $args = join ', ', map { defined $_ ? "'$_'" : 'NULL' } $user, $session;
	return $node->safe_psql($db // 'postgres', "SELECT $function($args)");
}

sub context { return _call('clarify_context', @_); }
sub plain { return _call('plain_context', @_); }

=item is_exact(node, user, test name, session = NULL, db = 'postgres')

Test that both are the same.

=cut

sub is_exact
{
	my ($node, $user, $name, @rest) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(context($node, $user, @rest), plain($node, $user, @rest), $name);
}

=item counters(node, section, db = 'postgres')

The row of clarify_cache.stats as a reference to a hash.  Without a section,
the sums over all.  Only of a preloaded library do they outlive a session.

=cut

sub counters
{
	my ($node, $section, $db) = @_;
	my @names = qw(local_hits redis_hits builds bypasses fills);
	my $row = $node->safe_psql($db // 'postgres',
		'SELECT ' . join(', ', map { "coalesce(sum($_), 0)" } @names)
		. ' FROM clarify_cache.stats'
		. (defined $section ? " WHERE section = '$section'" : ''));
	my %counters;
	@counters{@names} = split /\|/, $row;
	return \%counters;
}

=item slowness()

How much longer than usual to go on with what is to happen often enough: under
sanitizers everything is slow.

=cut

sub slowness { return $ENV{CLARIFY_SANITIZE} ? 5 : 1; }

=item wait_for(condition, seconds = 30)

Wait until a sub returns true; returns whether it did.

=cut

sub wait_for
{
	my ($condition, $seconds) = @_;
	my $end = Time::HiRes::time() + ($seconds // 30);
	until ($condition->())
	{
		return 0 if Time::HiRes::time() > $end;
		Time::HiRes::usleep(10_000);
	}
	return 1;
}

=item redis_command(address, command, argument, ...)

Send one command to the Unix socket or host:port and return the reply: a
string, undef, or a reference to an array.  Dies on an error reply.

=cut

sub redis_command
{
	my ($address, @words) = @_;
	my $socket =
	  $address =~ m{^/}
	  ? IO::Socket::UNIX->new(Peer => $address)
	  : IO::Socket::INET->new(PeerAddr => $address);
	die "cannot connect to $address: $!" unless $socket;
	print $socket '*' . @words . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @words;
	$socket->flush;
	return _read_reply($socket);
}

sub _read_reply
{
	my ($socket) = @_;
	my $line = <$socket> // die 'Redis closed the connection';
	$line =~ s/\r\n$//;
	my ($type, $rest) = $line =~ /^([-+:\$*])(.*)$/ or die 'not the protocol';
	die "Redis: $rest" if $type eq '-';
	return $rest if $type eq '+' || $type eq ':';
	return undef if $rest < 0;
	return [ map { _read_reply($socket) } 1 .. $rest ] if $type eq '*';
	read $socket, my $bytes, $rest + 2;
	return substr $bytes, 0, $rest;
}

=back

=head1 METHODS OF BOTH SERVERS

=over

=item start, stop, kill9

Start again on the same address; end with SIGTERM; with SIGKILL.

=item freeze, thaw

SIGSTOP and SIGCONT.

=item url, address

For clarify_cache.redis_url (the password included), and for redis_command().

=item command(command, ...)

redis_command() to this server.  (It does not know the password.)

=item entries, get(key), put(key, value)

The keys of all entries; an entry; and put one there behind the extension's back.

=back

=head1 METHODS OF THE FAKE

=over

=item mode(mode, on => COMMAND or undef, argument)

Misbehave from now on: C<mode('late', undef, 100)>, C<mode('error', 'SET', 'OOM')>,
C<mode('normal')>.

=item log_lines

All lines of the log so far.

=item count(command, ...)

How many of these commands it was sent since the last clear_log().  CONNECT and
CLOSE count connections.

=item clear_log

Count from here.

=back

=cut

package ClarifyTest::Redis;

use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes ();

my @all;

sub new
{
	my ($class, %opt) = @_;
	my $self = bless {%opt}, $class;
	$self->{dir} = PostgreSQL::Test::Utils::tempdir_short();
	$self->{socket} = "$self->{dir}/redis.sock" unless $self->{tcp};
	push @all, $self;
	return $self;
}

sub argv
{
	my ($self) = @_;
	$self->{port} //= PostgreSQL::Test::Cluster::get_free_port() if $self->{tcp};
	my %conf = (
		dir => $self->{dir},
		pidfile => "$self->{dir}/test.redis.pid",
		logfile => "$self->{dir}/redis.log",
		save => '',
		appendonly => 'no',
		bind => '127.0.0.1',
		port => $self->{port} // 0,
		($self->{socket} ? (unixsocket => $self->{socket}) : ()),
		(defined $self->{password} ? (requirepass => $self->{password}) : ()),
		%{ $self->{conf} // {} });
	return ($ENV{CLARIFY_REDIS_SERVER} || 'redis-server',
		map { ("--$_", $conf{$_}) } sort keys %conf);
}

sub start
{
	my ($self) = @_;
	my @argv = $self->argv;
	$self->{pid} = fork // die "fork: $!";
	if (!$self->{pid})
	{
		exec @argv or POSIX::_exit(127);
	}
	ClarifyTest::wait_for(sub {
		die "$argv[0] did not start, see $self->{dir}" if waitpid($self->{pid}, POSIX::WNOHANG());
		return $self->is_up;
	}) or die "$argv[0] does not answer";
}

sub is_up
{
	my ($self) = @_;
	return 1 if eval { $self->command('PING') };
	return $@ =~ /NOAUTH/;
}

sub _end
{
	my ($self, $signal) = @_;
	my $pid = delete $self->{pid} or return;
	kill $signal, $pid;
	kill 'CONT', $pid;
	waitpid $pid, 0;
	unlink $self->{socket} if $self->{socket};
}

sub stop { $_[0]->_end('TERM'); }
sub kill9 { $_[0]->_end('KILL'); }
sub freeze { kill 'STOP', $_[0]{pid}; }
sub thaw { kill 'CONT', $_[0]{pid}; }

sub address { my ($self) = @_; return $self->{socket} // "127.0.0.1:$self->{port}"; }

sub url
{
	my ($self) = @_;
	my $auth = defined $self->{password} ? ":$self->{password}@" : '';
	return $self->{socket} ? "unix://$auth$self->{socket}" : "redis://$auth" . $self->address;
}

sub command { my ($self, @words) = @_; return ClarifyTest::redis_command($self->address, @words); }
sub entries
{
	my ($self) = @_;
	my @keys = sort @{ $self->command('KEYS', '*') };
	return @keys;
}

sub get { my ($self, $key) = @_; return $self->command('GET', $key); }
sub put { my ($self, $key, $value) = @_; return $self->command('SET', $key, $value); }

END
{
	local $?;
	$_->kill9 for @all;
}

package ClarifyTest::Fake;

our @ISA = ('ClarifyTest::Redis');

sub argv
{
	my ($self) = @_;
	$self->mode(@{ $self->{mode} // ['normal'] });
	return ($^X, "$test_dir/fake_redis.pl",
		'--log', "$self->{dir}/log",
		'--control', "$self->{dir}/control",
		($self->{socket} ? ('--socket', $self->{socket}) : ('--port-file', "$self->{dir}/port")),
		(defined $self->{password} ? ('--password', $self->{password}) : ()),
		(defined $self->{backlog} ? ('--backlog', $self->{backlog}) : ()));
}

# It says so in its log; a question might get no answer, or be counted.
sub is_up
{
	my ($self) = @_;
	return 0 unless grep { / LISTEN $self->{pid}$/ } $self->log_lines;
	return 0 if -e "$self->{dir}/control";
	$self->{port} = PostgreSQL::Test::Utils::slurp_file("$self->{dir}/port") if $self->{tcp};
	return 1;
}

# What was sent before is answered in the mode before; with the return, all that
# is sent meets this one.
sub mode
{
	my ($self, $mode, $on, $argument) = @_;
	$self->{mode} = [ $mode, $on, $argument ];
	my $control = "$self->{dir}/control";
	open my $file, '>', "$control.new" or die $!;
	print $file join(' ', $mode, defined $on ? "on=$on" : (), $argument // ()), "\n";
	close $file;
	rename "$control.new", $control or die $!;
	return if !$self->{pid};
	kill 'USR1', $self->{pid};
	my $end = Time::HiRes::time() + 30;
	while (-e $control)
	{
		die 'the mode does not change' if Time::HiRes::time() > $end;
		Time::HiRes::usleep(500);
	}
}

sub log_lines
{
	my ($self) = @_;
	return () unless -e "$self->{dir}/log";
	return split /\n/, PostgreSQL::Test::Utils::slurp_file("$self->{dir}/log");
}

sub clear_log { my ($self) = @_; $self->{seen} = () = $self->log_lines; }

sub count
{
	my ($self, @commands) = @_;
	my $commands = join '|', @commands;
	my @lines = $self->log_lines;
	splice @lines, 0, $self->{seen} // 0;
	return scalar grep { /^\S+ \d+ (?:$commands)(?: |$)/ } @lines;
}

1;
