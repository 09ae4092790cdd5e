package RedisTest;

=pod

=head1 NAME

RedisTest - what the tests of the Redis tier share: sessions that stay open,
and where their answers came from

=head1 SYNOPSIS

  use ClarifyTest;
  use RedisTest;

  my $redis = start_redis();
  my $node = redis_node('main', redis => $redis);
  my $s = session($node);
  is_filled($s, 3, 'the first call builds and fills');
  is_hit($s, 3, 'the second call is served from Redis');

=cut

use strict;
use warnings;

use ClarifyTest;
use Exporter 'import';
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(
  redis_node
  session
  look
  is_look
  is_hit
  is_filled
  is_built
  status
  log_count
  set_conf
  edit_dream
);

=head1 FUNCTIONS

=over

=item redis_node(name, ...)

clarify_node() with look() in it.  The breaker opens after three failures, as
by default, but stays open for an hour unless C<conf> says otherwise, so that
no test depends on how fast it runs; and time-outs are long enough not to pass
by themselves on a busy machine.

=cut

sub redis_node
{
	my ($name, %opt) = @_;
	my $node = clarify_node(
		$name, %opt,
		conf => "clarify_cache.connect_timeout = '2s'\n"
		  . "clarify_cache.command_timeout = '2s'\n"
		  . "clarify_cache.breaker_recovery = '1h'\n"
		  . ($opt{conf} // ''));
	create_look($node, $opt{db} // 'postgres') if $opt{setup} // 1;
	return $node;
}

# Both contexts in one statement, so under one snapshot; and what was counted.
sub create_look
{
	my ($node, $db) = @_;
	$node->safe_psql($db, <<'SQL');
CREATE FUNCTION counted(OUT hits int, OUT builds int, OUT bypasses int, OUT fills int,
	OUT other int, OUT corrupt int) LANGUAGE sql AS $$
	SELECT sum(redis_hits), sum(s.builds), sum(s.bypasses), sum(s.fills),
		sum(version_mismatches), sum(corrupt_entries) FROM clarify_cache.stats s
$$;
CREATE FUNCTION look(person uuid, current_session uuid DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before record;
	after record;
	start timestamptz;
	exact bool;
BEGIN
	SELECT * INTO before FROM counted();
	start := clock_timestamp();
	SELECT clarify_context(person, current_session)::text
		IS NOT DISTINCT FROM plain_context(person, current_session) INTO exact;
	PERFORM set_config('test.ms', (1000 * extract(epoch FROM clock_timestamp() - start))::text, false);
	SELECT * INTO after FROM counted();
	RETURN format('%s: %s hits, %s built, %s bypassed, %s filled',
				  CASE WHEN exact THEN 'exact' ELSE 'WRONG' END,
				  after.hits - before.hits, after.builds - before.builds,
				  after.bypasses - before.bypasses, after.fills - before.fills)
		|| CASE WHEN after.other > before.other
			THEN format(', %s of other data', after.other - before.other) ELSE '' END
		|| CASE WHEN after.corrupt > before.corrupt
			THEN format(', %s corrupt', after.corrupt - before.corrupt) ELSE '' END;
END $$;
SQL
}

=item session(node, db = 'postgres', ...)

A psql that stays open, with the methods below; more arguments are psql's.

=cut

sub session
{
	my ($node, $db, @params) = @_;
	return RedisTest::Session->new($node, $db // 'postgres', @params);
}

=item look(session, n)

Ask for person n's context and for the same from plain queries, and say whether
they agree and where the five sections came from:

  exact: 4 hits, 1 built, 0 bypassed, 1 filled

and, if there were any, entries that were of other data, and entries that were
not ours.  $session->{ms} is how long it took.

=cut

sub look
{
	my ($session, $n) = @_;
	my ($look, $ms) = split /\|/,
	  $session->query("SELECT look('" . user_id($n) . "'), current_setting('test.ms')");
	$session->{ms} = $ms;
	return $look;
}

=item is_look(session, n, expected, test name)

=item is_hit, is_filled, is_built (session, n, test name)

Test that the answer is exact, and comes from Redis as a whole; or from the
tables, and was sent to Redis; or from the tables, and was not.

=cut

sub is_look
{
	my ($session, $n, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(look($session, $n), $expected, $name);
}

sub _is_look
{
	my ($expected, $session, $n, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 2;
	return is(look($session, $n), $expected, $name);
}

sub is_hit { return _is_look('exact: 5 hits, 0 built, 0 bypassed, 0 filled', @_); }
sub is_filled { return _is_look('exact: 0 hits, 5 built, 0 bypassed, 5 filled', @_); }
sub is_built { return _is_look('exact: 0 hits, 5 built, 0 bypassed, 0 filled', @_); }

=item status(session, columns = 'breaker, breaker_failures')

Of the view clarify_cache.status, as this session sees it.

=cut

sub status
{
	my ($session, $columns) = @_;
	$columns //= 'breaker, breaker_failures';
	return $session->query("SELECT $columns FROM clarify_cache.status");
}

=item log_count(node, regular expression)

How often it is in the server's log.

=cut

sub log_count
{
	my ($node, $pattern) = @_;
	my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
	return scalar(() = $log =~ /$pattern/g);
}

=item set_conf(node, name, value)

Change a setting, reload, and wait until a new session sees it.  Sessions that
are idle take it with their next command.

=cut

my $reloads = 0;

sub set_conf
{
	my ($node, $name, $value) = @_;
	$reloads++;
	$node->append_conf('postgresql.conf', "$name = '$value'\ntest.reload = $reloads\n");
	$node->reload;
	ClarifyTest::wait_for(sub {
		return $node->safe_psql('postgres',
			q(SELECT current_setting('test.reload', true))) eq $reloads;
	}) or die 'the server does not reload';
}

=item edit_dream(session, n)

Change the first active dream of person n (which the section shows) in a
transaction of its own.

=cut

sub edit_dream
{
	my ($session, $n) = @_;
	$session->query("UPDATE dreams SET title = title || '!' WHERE id = ("
		. "SELECT id FROM dreams WHERE user_id = '" . user_id($n) . "' AND status = 'active'"
		. ' ORDER BY updated_at DESC, id LIMIT 1)');
}

=back

=head1 METHODS OF A SESSION

=over

=item query(sql)

The rows, as of psql -At.  Dies on an error.

=item error(sql)

What psql said of an error, or the empty string.

=item send(sql), receive

Start a query and do not wait; wait for it, and return its rows, with what
psql said of an error at their end.

=item pid

The backend's process id.

=item quit

End the session.

=back

=cut

package RedisTest::Session;

sub new
{
	my ($class, $node, $db, @params) = @_;
	my $psql = $node->background_psql($db, on_error_stop => 0, @params);
	my $self = bless { psql => $psql, sent => 0 }, $class;
	$self->{pid} = $self->query('SELECT pg_backend_pid()');
	return $self;
}

sub pid { return $_[0]{pid}; }

sub send
{
	my ($self, $sql) = @_;
	my $end = 'end of query ' . ++$self->{sent};
	$self->{end} = $end;
	$self->{psql}{stdin} .= "$sql\n;\n\\echo '$end'\n\\warn '$end'\n";
	# stdin is empty when all of it is on its way
	$self->{psql}{run}->pump_nb while length $self->{psql}{stdin};
}

sub _take
{
	my ($self) = @_;
	my $psql = $self->{psql};
	my $end = qr/$self->{end}\n/;
	$psql->{timeout}->start($PostgreSQL::Test::Utils::timeout_default);
	until ($psql->{stdout} =~ $end && $psql->{stderr} =~ $end)
	{
		$psql->{run}->pump;
		die 'the query does not end' if $psql->{timeout}->is_expired;
	}
	my ($rows, $error) = @{$psql}{qw(stdout stderr)};
	$psql->{stdout} = $psql->{stderr} = '';
	s/\n?$end//, s/\n$// for $rows, $error;
	return ($rows, $error);
}

sub receive { return join '', $_[0]->_take; }

sub query
{
	my ($self, $sql) = @_;
	$self->send($sql);
	my ($rows, $error) = $self->_take;
	die "$sql\n$error" if $error =~ /(?:ERROR|FATAL|PANIC):/;
	return $rows;
}

sub error
{
	my ($self, $sql) = @_;
	$self->send($sql);
	my ($rows, $error) = $self->_take;
	return $error;
}

sub quit { $_[0]{psql}->quit; }

1;
