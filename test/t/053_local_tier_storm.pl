# The local tier under many backends at once: 64 clients read and write the same
# few users and many others, and no answer is wrong; nor after a backend was
# killed in the middle, which makes the server begin anew with an empty tier;
# nor while backends are terminated and calls cancelled by the dozen.
#
# Each answer is compared with plain queries in the statement that asks for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

# Small enough that entries have to make room, too.
my $node = clarify_node('main', local => '1MB', people => 300,
	conf => "max_connections = 120\nrestart_after_crash = on\nlog_min_messages = warning\n");
load_look($node);

sub sql { return $node->safe_psql('postgres', @_); }
sub script
{
	my ($name, $sql) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir_short() . "/$name.sql";
	PostgreSQL::Test::Utils::append_to_file($file, $sql);
	return $file;
}

# A wrong answer is a division by zero; what the server says of it names no user.
my $compare = '1 / (clarify_context(u)::text IS NOT DISTINCT FROM plain_context(u))::int';
my $few = script('few', <<SQL);
\\set n random(1, 3)
SELECT $compare FROM CAST(md5('user ' || :n) AS uuid) u;
SQL
my $many = script('many', <<SQL);
\\set n random(1, 300)
SELECT $compare FROM CAST(md5('user ' || :n) AS uuid) u;
SQL
my $transaction = script('transaction', <<SQL);
\\set n random(1, 3)
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT $compare FROM CAST(md5('user ' || :n) AS uuid) u;
SELECT $compare FROM CAST(md5('user ' || :n) AS uuid) u;
COMMIT;
SQL
my $write_few = script('write_few', <<'SQL');
\set n random(1, 3)
\set length random(1, 200)
UPDATE dreams SET title = repeat('x', :length) WHERE id = md5('dream 1 of ' || :n)::uuid;
SQL
my $write_many = script('write_many', <<'SQL');
\set n random(1, 300)
\set length random(1, 2000)
UPDATE dreams SET description = repeat('x', :length) WHERE id = md5('dream 1 of ' || :n)::uuid;
SQL
my @scripts = ('-f', "$few\@20", '-f', "$many\@10", '-f', "$transaction\@5", '-f', "$write_few\@4", '-f', "$write_many\@4");

# Start pgbench; it runs beside the test until the end of its time, or until
# all of its clients have failed.
sub start_clients
{
	my ($clients, $seconds, $db, @own) = @_;
	my $self = { out => '', err => '' };
	local $ENV{PGAPPNAME} = 'pgbench';
	$self->{run} = IPC::Run::start([ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', $clients,
			'-j', 2, '-T', $seconds, @own ? @own : @scripts, $db // 'postgres' ],
		'<', \undef, '>', \$self->{out}, '2>', \$self->{err}, IPC::Run::timeout(120));
	return $self;
}
sub clients_are_running
{
	my ($wanted) = @_;
	my $running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'";
	return wait_for(sub { sql($running) >= $wanted });
}
# What its clients said in the end; a server that goes away is no wrong answer.
sub end_clients
{
	my ($self, $ignore) = @_;
	eval { $self->{run}->finish };
	return join '', grep { /ERROR|FATAL|abort/ && !($ignore && /$ignore/) } split /^/, $self->{err};
}
sub is_well
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql('SELECT count(*) FROM users WHERE clarify_context(id)::text IS DISTINCT FROM plain_context(id)'), '0', "$name: all people exact");
	look($node, user_id(1));
	is_look($node, user_id(1), HIT, "$name: and hit");
	is(sql('SELECT local_used <= local_size, local_entries > 100 FROM clarify_cache.status'), 't|t', "$name: a full tier");
	is(sql('SELECT count(*) FROM pg_locks WHERE objsubid = 25443'), '0', "$name: nobody leads any more");
}

# All together

my $clients = start_clients(64, 4 * slowness());
is(end_clients($clients), '', '64 clients: no wrong answer');
like($clients->{out}, qr/transactions actually processed: [1-9]\d\d/, '64 clients: and many right ones');
is(sql('SELECT bool_and(local_hits > 100) FROM clarify_cache.stats'), 't', '64 clients: hits of every section');
is_well('64 clients');

# Answers of 100 kB, hundreds of blocks each, of two users who change all the
# time: whoever read one while it is replaced would get a piece of either.

sql('CREATE DATABASE large');
$node->safe_psql('large', q{CREATE EXTENSION clarify_cache;
	CREATE TABLE large (user_id uuid PRIMARY KEY, body text);
	INSERT INTO large SELECT md5('user ' || n)::uuid, 'none' FROM generate_series(1, 2) n;
	SELECT clarify_cache.attach('large');
	SELECT clarify_cache.add_section('large', 'SELECT body FROM large WHERE user_id = $1');});
my $read_large = script('read_large', <<'SQL');
\set n random(1, 2)
SELECT 1 / (clarify_context(user_id)::text = '{"large":[{"body":"' || body || '"}]}')::int FROM large WHERE user_id = md5('user ' || :n)::uuid;
SQL
my $write_large = script('write_large', <<'SQL');
\set n random(1, 2)
\set letter random(65, 90)
UPDATE large SET body = repeat(chr(:letter), 100000) WHERE user_id = md5('user ' || :n)::uuid;
SQL
$clients = start_clients(16, 4 * slowness(), 'large', '-f', "$read_large\@10", '-f', "$write_large\@3");
is(end_clients($clients), '', 'large answers: none is wrong');
is($node->safe_psql('large', 'SELECT local_hits > 100 AND fills > 100 FROM clarify_cache.stats'), 't', 'large answers: hits, and fills');

# Terminated

for my $turn (1 .. 3)
{
	$clients = start_clients(16, 30);
	clients_are_running(16) or die 'no clients';
	sql(q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE application_name = 'pgbench'});
	is(end_clients($clients, qr/terminating connection|aborted in command|server closed the connection|Run was aborted/), '',
		"terminated, turn $turn: no wrong answer");
}
is_well('terminated');

# Cancelled: clients that catch it and go on, in subtransactions.

my @sessions = map { open_session($node) } 1 .. 8;
for my $session (@sessions)
{
	$session->query(q{SET application_name = 'cancelled'});
	$session->send(q{DO $$
		DECLARE
			cancelled int := 0;
			wrong int := 0;
			u uuid;
		BEGIN
			FOR i IN 1 .. 300 LOOP
				u := md5('user ' || i % 5 + 1)::uuid;
				BEGIN
					wrong := wrong + (SELECT (clarify_context(u)::text IS DISTINCT FROM plain_context(u))::int);
					IF i % 7 = 0 THEN
						UPDATE users SET tier = 'pro' WHERE id = md5('user ' || 10 + i % 50)::uuid;
					END IF;
				EXCEPTION WHEN query_canceled THEN
					cancelled := cancelled + 1;
				END;
			END LOOP;
			RAISE WARNING 'wrong: %', wrong;
		EXCEPTION WHEN query_canceled THEN
			RAISE WARNING 'wrong: %', wrong;
		END $$});
}
my $cancel = q{SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
	WHERE application_name = 'cancelled' AND state = 'active'};
my $cancelled = 0;
my $n;
my $main = open_session($node);
$cancelled += $n while ($n = $main->query($cancel)) > 0;
$main->close;
cmp_ok($cancelled, '>', 8, 'cancelled: some were');
my $said = join '', map { $_->query('SELECT 1') } @sessions;
$_->close for @sessions;
unlike($said, qr/wrong: [1-9]/, 'cancelled: no wrong answer');
like($said, qr/wrong: 0/, 'cancelled: and some right ones');
is_well('cancelled');
my $started = sql('SELECT pg_postmaster_start_time()');

# Killed: the server starts all over.

$clients = start_clients(32, 60);
clients_are_running(32) or die 'no clients';
my $victim = sql(q{SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench' AND state = 'active' LIMIT 1})
  || sql(q{SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench' LIMIT 1});
kill 'KILL', $victim;
is(end_clients($clients, qr/terminating connection|aborted in command|server closed the connection|Run was aborted/), '',
	'killed: no wrong answer');
ok(wait_for(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 }), 'killed: the server is back');
is(sql('SELECT local_size, local_used, local_entries, local_evictions FROM clarify_cache.status'), '1048576|0|0|0',
	'killed: the tier is empty');
is(sql('SELECT sum(local_hits) FROM clarify_cache.stats'), '0', 'killed: and nothing counted');
is(sql('SELECT pg_postmaster_start_time()'), $started, 'killed: it is the same server');
is_well('killed');
$clients = start_clients(32, 2);
is(end_clients($clients), '', 'killed: 32 new clients, no wrong answer');
is_well('killed, and used again');

$node->stop;
done_testing();
