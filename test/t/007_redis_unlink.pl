# What a commit removes from Redis: the entries of the users it changed, of just
# the sections that read the changed tables; nothing on a rollback.  This is
# hygiene (memory, deleted personal data), so the tests of exactness would not
# notice if it were missing.
#
# It needs to look into Redis, which SQL can't.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $redis = start_redis();
my $node = redis_node('main', redis => $redis);
my $s = session($node);
my $instance = $node->safe_psql('postgres', 'SELECT id FROM clarify_cache.instance');

# The sections that have an entry of a person, once Redis has seen all that
# this session has sent: its connection is used in order.
sub entries_of
{
	my ($session, $n) = @_;
	look($session, 20);
	return join ' ', grep { $redis->command('EXISTS', "clarify:$instance:{" . user_id($n) . "}:$_") }
	  qw(user dreams patterns sessions reflections);
}

sub fill_both
{
	for my $n (1, 2)
	{
		look($s, $n);
		look($s, $n) eq 'exact: 5 hits, 0 built, 0 bypassed, 0 filled' or die 'not filled';
	}
}

my $all = 'user dreams patterns sessions reflections';
my ($one, $two) = map { "'" . user_id($_) . "'" } 1, 2;
fill_both();
is(entries_of($s, 1), $all, 'before: all sections have entries');

# What is changed, and which sections' entries are left of persons 1 and 2.
for my $case (
	[ "UPDATE users SET name = 'x' WHERE id = $one", 'dreams patterns sessions reflections', $all ],
	[ "UPDATE dreams SET title = 'x' WHERE user_id = $one", 'user patterns sessions reflections', $all ],
	[ "UPDATE dreams SET title = 'y' WHERE user_id IN ($one, $two)", ('user patterns sessions reflections') x 2 ],
	[ "DELETE FROM clarify_patterns WHERE user_id = $one", 'user dreams sessions reflections', $all ],
	[ "INSERT INTO clarify_sessions (user_id) VALUES ($one)", 'user dreams patterns reflections', $all ],
	# its trigger counts in the session
	[ "INSERT INTO clarify_messages (session_id, role, content) SELECT id, 'user', 'x' FROM clarify_sessions WHERE user_id = $one LIMIT 1",
		'user dreams patterns reflections', $all ],
	# its trigger counts in the dream, in a column that no section reads
	[ "DELETE FROM reflections WHERE user_id = $one", 'user dreams patterns sessions', $all ],
	[ "UPDATE users SET last_sign_in_at = now() WHERE id = $one", $all, $all ],
	[ "UPDATE dreams SET user_id = $two WHERE id = (SELECT id FROM dreams WHERE user_id = $one LIMIT 1)",
		('user patterns sessions reflections') x 2 ],
	# all that the transaction did, together
	[ "BEGIN; UPDATE users SET name = 'y' WHERE id = $one; UPDATE users SET name = 'z' WHERE id = $one; COMMIT",
		'dreams patterns sessions reflections', $all ],
	# in a savepoint that is released
	[ "BEGIN; SAVEPOINT a; UPDATE users SET name = 'v' WHERE id = $one; RELEASE a; COMMIT",
		'dreams patterns sessions reflections', $all ],
	[ "SELECT clarify_cache.invalidate($one)", '', $all ],
	# not changed at all
	[ "UPDATE users SET name = 'x' WHERE false", $all, $all ],
	[ "BEGIN; UPDATE users SET name = 'w' WHERE id = $one; ROLLBACK", $all, $all ],
	[ "BEGIN; DELETE FROM users WHERE id = $one; ROLLBACK", $all, $all ],
	[ "UPDATE users SET name = (1 / 0)::text WHERE id = $one", $all, $all, qr/division by zero/ ],
	[ "BEGIN; UPDATE users SET name = 'w' WHERE id = $one; PREPARE TRANSACTION 'a'", $all, $all ],
	[ "ROLLBACK PREPARED 'a'", $all, $all ])
{
	my ($sql, $left, $left_of_other, $error) = @$case;
	my ($name) = $sql =~ s/'[0-9a-f-]{36}'/'...'/gr;
	fill_both();
	like($s->error($sql), $error // qr/^$/, $name);
	is(entries_of($s, 1), $left, '... leaves these entries of that person');
	is(entries_of($s, 2), $left_of_other, '... and these of another');
	like(look($s, 2), qr/^exact/, '... exact for another');
	like(look($s, 1), qr/^exact/, '... and for that person');
}

# By cascade: of a deleted person, nothing is left.
is_hit($s, 3, 'a third person') if look($s, 3);
is(entries_of($s, 3), $all, 'a third person: all entries');
$s->query("DELETE FROM users WHERE id = '" . user_id(3) . "'");
is(entries_of($s, 3), '', 'a deleted person: no entries');
is(entries_of($s, 2), $all, 'a deleted person: those of others are left');

# A backend that has no connection yet makes one to tell.
fill_both();
my $t = session($node);
is(status($t, 'connected'), 'f', 'a session without a connection');
$t->query("UPDATE dreams SET title = 'z' WHERE user_id = $two");
is(entries_of($t, 2), 'user patterns sessions reflections', 'a first write removes entries, too');

# A section that another session has added since.
look($s, 2);
$t->query(q[SELECT clarify_cache.add_section('titles', 'SELECT title FROM dreams WHERE user_id = $1 ORDER BY id')]);
my $titles = "clarify:$instance:{" . user_id(2) . '}:titles';
$s->query("SELECT clarify_context($two)") for 1, 2;
is($redis->command('EXISTS', $titles), 1, 'a new section: it has an entry');
$s->query("UPDATE dreams SET title = 'v' WHERE user_id = $two");
is(entries_of($s, 2), 'user patterns sessions reflections', 'a new section: what it reads is changed');
is($redis->command('EXISTS', $titles), 0, 'a new section: its entry is removed, too');
$t->query(q[SELECT clarify_cache.drop_section('titles')]);

# A table that concerns every user when it changes: entries just expire.
fill_both();
$s->query('TRUNCATE reflections');
is(entries_of($s, 2), $all, 'TRUNCATE: no entry is looked for');
is_look($s, 2, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled, 1 of other data', 'TRUNCATE: exact, and replaced');

# More users than are tracked.
fill_both();
$s->query("SET clarify_cache.max_tracked_keys = 2; UPDATE users SET name = 'many'; RESET clarify_cache.max_tracked_keys");
like(look($s, 2), qr/^exact: 4 hits, 1 built, 0 bypassed, 1 filled/, 'too many users: exact');

is(status($s, 'breaker, breaker_failures, breaker_openings'), 'closed|0|0', 'no failure in all this');
$_->quit for $s, $t;

done_testing();
