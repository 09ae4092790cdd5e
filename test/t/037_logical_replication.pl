# Logical replication between two databases that both have the extension, with
# FOR ALL TABLES: what is applied on the subscriber makes its entries outdated,
# by initial copy, row changes and TRUNCATE alike; the publisher's tokens,
# instance and definitions do not arrive and forge nothing; and a read in the
# middle of an apply builds.
#
# Statement triggers do not fire in an apply worker, and it has a role of its
# own for triggers, which no other session can imitate.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $redis = start_redis();
my $publisher = clarify_node('publisher', redis => $redis, allows_streaming => 'logical');
my $subscriber = clarify_node('subscriber', redis => $redis, people => 0,
	conf => "wal_retrieve_retry_interval = 100ms\n");
load_look($_) for $publisher, $subscriber;
my $user = user_id(1);
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';

sub on_publisher { return $publisher->safe_psql('postgres', $_[0]); }
sub on_subscriber { return $subscriber->safe_psql('postgres', $_[0]); }
sub catch_up { $publisher->wait_for_catchup('subscription', 'replay', $publisher->lsn('flush')); }

# The extension's rows on a server, but for its versions of changes.
sub own_rows
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{
		SELECT id, encode(secret, 'hex') FROM clarify_cache.instance;
		SELECT * FROM clarify_cache.attached_table ORDER BY 1;
		SELECT * FROM clarify_cache.section ORDER BY 1;
		SELECT * FROM clarify_cache.version WHERE kind = 'c' ORDER BY tables;});
}
sub tokens { return split /\n/, $_[0]->safe_psql('postgres', 'SELECT unnest(tokens) FROM clarify_cache.version'); }
sub no_foreign_tokens
{
	my ($what) = @_;
	my %published = map { $_ => 1 } tokens($publisher);
	ok(!(grep { $published{$_} } tokens($subscriber)), "$what: none of the publisher's tokens arrived");
}

# A definition that the subscriber does not have, and tokens, before it starts.
on_publisher(q{
	SELECT clarify_cache.attach('clarify_messages', NULL);
	SELECT clarify_cache.add_section('messages', 'SELECT count(*) FROM clarify_messages WHERE false');
	SELECT clarify_cache.drop_section('messages');
	SELECT clarify_cache.invalidate_all();});
on_publisher("SELECT clarify_cache.invalidate('$user')");
my $own = own_rows($subscriber);
is_look($subscriber, $user, BUILT, 'the subscriber, before: nobody there');
is_look($subscriber, $user, HIT, 'which is cached');

# Initial copy

on_publisher('CREATE PUBLICATION publication FOR ALL TABLES');
my $connection = $publisher->connstr . " dbname=postgres";
on_subscriber("CREATE SUBSCRIPTION subscription CONNECTION '$connection' PUBLICATION publication");
ok(wait_for(sub {
	on_subscriber("SELECT count(*) FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')") eq '0'
}, 120), 'all tables are copied');
catch_up();
is(on_subscriber("SELECT name FROM users WHERE id = '$user'"), on_publisher("SELECT name FROM users WHERE id = '$user'"),
	'the user has arrived');
is_look($subscriber, $user, BUILT, 'the initial copy is seen');
is_look($subscriber, $user, HIT, 'and cached');
is(own_rows($subscriber), $own, 'the subscriber has its own instance, definitions and coverage');
no_foreign_tokens('initial copy');

# Changes

for my $change (
	[ 'UPDATE', "UPDATE users SET name = 'applied' WHERE id = '$user'" ],
	[ 'UPDATE again', "UPDATE users SET name = 'applied again' WHERE id = '$user'" ],
	[ 'INSERT', "INSERT INTO dreams (user_id, title) VALUES ('$user', 'applied')" ],
	[ 'DELETE', "DELETE FROM clarify_patterns WHERE user_id = '$user'" ],
	[ 'TRUNCATE', 'TRUNCATE reflections' ])
{
	my ($what, $sql) = @$change;
	look($publisher, $user);
	is_look($publisher, $user, HIT, "$what: the publisher serves");
	on_publisher($sql);
	is_look($publisher, $user, $one_built, "$what: the publisher's writer works, and is seen");
	catch_up();
	is_look($subscriber, $user, $one_built, "$what: applied, it is seen on the subscriber");
	is_look($subscriber, $user, HIT, "$what: and cached there");
	no_foreign_tokens($what);
}

# What no section reads
look($publisher, $user);
on_publisher("UPDATE users SET last_sign_in_at = now(), email = email || '.org' WHERE id = '$user'");
is_look($publisher, $user, HIT, 'unread columns: the publisher goes on serving');
catch_up();
is(on_subscriber("SELECT email FROM users WHERE id = '$user'"), on_publisher("SELECT email FROM users WHERE id = '$user'"),
	'unread columns: applied');
is_look($subscriber, $user, HIT, 'unread columns: the subscriber goes on serving');
on_publisher("UPDATE users SET last_sign_in_at = now(), name = 'beside' WHERE id = '$user'");
catch_up();
is_look($subscriber, $user, $one_built, 'one that a section reads beside one that none does: applied, it is seen');

# The chat turn: the trigger that updates the session does not fire in the apply
# worker, its row comes from the publisher.
on_publisher("INSERT INTO clarify_messages (session_id, role, content, created_at)
	SELECT id, 'user', 'hello', '2026-06-01' FROM clarify_sessions WHERE user_id = '$user' LIMIT 1");
catch_up();
is_look($subscriber, $user, $one_built, 'a chat turn on the publisher rebuilds one section on the subscriber');

# Definitions and tokens of the publisher

on_publisher(q{
	SELECT clarify_cache.add_section('extra', 'SELECT count(*) FROM users WHERE id = $1');
	SELECT clarify_cache.drop_section('dreams');
	SELECT clarify_cache.detach('clarify_messages');
	SELECT clarify_cache.repair();
	SELECT clarify_cache.invalidate_all();});
catch_up();
is(own_rows($subscriber), $own, 'redefined, detached and repaired on the publisher: nothing of it on the subscriber');
no_foreign_tokens('definitions');
is_look($subscriber, $user, HIT, 'which goes on serving');

# And the subscriber changes its own, which it can.
on_subscriber(q{
	SELECT clarify_cache.invalidate_all();
	SELECT clarify_cache.drop_section('patterns');
	SELECT clarify_cache.add_section('patterns', 'SELECT id FROM clarify_patterns WHERE false AND user_id = $1');});
like(context($subscriber, $user), qr/"patterns":\[\]/, "the subscriber's own definition holds");
on_subscriber(q{
	SELECT clarify_cache.drop_section('patterns');
	SELECT clarify_cache.drop_section('sessions');
	SELECT clarify_cache.drop_section('reflections');
	SELECT clarify_cache.setup();});

# A read in the middle of an apply

on_subscriber(q{
	SET search_path = public;
	CREATE TABLE seen (name text, exact bool, hits int, builds int, bypasses int, fills int);
	CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
	DECLARE
		before record;
		after record;
		person uuid := CASE tg_table_name WHEN 'users' THEN to_jsonb(new) ->> 'id' ELSE to_jsonb(new) ->> 'user_id' END;
		exact bool;
	BEGIN
		SELECT * INTO before FROM look_counters();
		SELECT clarify_context(person)::text = plain_context(person) INTO exact;
		SELECT * INTO after FROM look_counters();
		INSERT INTO seen VALUES (clarify_context(person) -> 'user' ->> 'name', exact,
			after.hits - before.hits, after.builds - before.builds,
			after.bypasses - before.bypasses, after.fills - before.fills);
		RETURN new;
	END $$;
	CREATE TRIGGER see AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION see();
	CREATE TRIGGER see_before BEFORE INSERT ON dreams FOR EACH ROW EXECUTE FUNCTION see();
	ALTER TABLE users ENABLE REPLICA TRIGGER see;
	ALTER TABLE dreams ENABLE REPLICA TRIGGER see_before;
	ALTER FUNCTION plain_context SET search_path = public;});
look($subscriber, $user);
is_look($subscriber, $user, HIT, 'a trigger on the subscriber reads contexts; cached before');
on_publisher("BEGIN; UPDATE users SET name = 'one' WHERE id = '$user';
	INSERT INTO dreams (user_id, title) VALUES ('$user', 'a'), ('$user', 'b');
	UPDATE users SET name = 'two' WHERE id = '$user'; COMMIT");
catch_up();
is(on_subscriber('SELECT * FROM seen'), lines(
	'one|t|0|5|5|0', 'one|t|0|5|5|0', 'one|t|0|5|5|0', 'two|t|0|5|5|0'),
	'it reads what the apply has done so far, by building');
is_look($subscriber, $user, 'exact: 3 hits, 2 built, 0 bypassed, 2 filled', 'committed, the others see it');
is_look($subscriber, $user, HIT, 'and are served');

$subscriber->stop;
$publisher->stop;
done_testing();
