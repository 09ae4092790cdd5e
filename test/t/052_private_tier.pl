# Not preloaded: every backend has a local tier of its own, of 4 MB.  It hits
# what it has built itself, sees what others change, and evicts when it is full.
#
# Each backend's own memory shows only in sessions that stay, on a server of
# that kind; and that its size is no setting of a session's, only there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $node = clarify_node('main', preload => 0, conf => "log_min_messages = warning\n");
load_look($node);
my ($user, $other) = (user_id(1), user_id(2));
my $built = 'exact: 0 hits, 5 built, 0 bypassed, 0 filled';
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';
my $status = 'SELECT local_size, local_used > 0, local_entries, local_evictions FROM clarify_cache.status';

my ($a, $b) = (open_session($node), open_session($node));
is($a->query($status), '4194304|f|0|0', 'a backend\'s own tier has 4 MB');
is($a->look($user), BUILT, 'a first call builds');
is($a->look($user), HIT, 'and the same backend hits');
is($a->query($status), '4194304|t|5|0', 'as it has the entries');
is($b->query($status), '4194304|f|0|0', 'another backend has none of them');
is($b->look($user), BUILT, 'and builds');
is($b->look($user), HIT, 'and then hits');

# Changes
$b->query("UPDATE dreams SET title = 'by another' WHERE user_id = '$user'");
is($a->look($user), $one_built, 'a change by another backend is seen');
is($b->look($user), $one_built, 'by that backend, too');
is($a->look($user), HIT, 'and kept');
$a->query("BEGIN; UPDATE dreams SET title = 'never' WHERE user_id = '$user'");
is($a->look($user), 'exact: 4 hits, 1 built, 1 bypassed, 0 filled', 'an own change is bypassed');
$a->query('ROLLBACK');
is($a->look($user), HIT, 'and rolled back nothing is lost');
$b->query('TRUNCATE reflections');
is($a->look($user), $one_built, 'TRUNCATE by another backend is seen');
$a->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM users');
$b->query("UPDATE users SET name = 'later' WHERE id = '$user'");
is($a->look($user), HIT, 'an old snapshot has its own entries');
$a->query('COMMIT');
is($a->look($user), $one_built, 'which a new one does not take');

# An error in the middle leaves it in order.
like($a->query("SELECT clarify_context('$user') FROM (SELECT 1/(n - 3) FROM generate_series(1, 5) n) t(x) WHERE x IS NOT NULL"),
	qr/division by zero/, 'an error after some calls');
is($a->look($user), HIT, 'and a hit after it');

# More than fits: a context of nobody is five blocks of 256 bytes.
is($a->query("SELECT count(*) FROM (SELECT md5('nobody ' || n)::uuid AS id FROM generate_series(1, 5000) n) t
	WHERE clarify_context(id)::text IS DISTINCT FROM plain_context(id)"), '0', '5,000 more users: exact');
is($a->query('SELECT local_used <= local_size, local_used > 0.9 * local_size, local_evictions > 0,
	local_entries + local_evictions > 25000 FROM clarify_cache.status'), 't|t|t|t', 'the tier is full, and no more');
is($a->query("SELECT count(*) FROM users WHERE clarify_context(id)::text <> plain_context(id)"), '0', 'all people: exact');
is($b->query('SELECT local_evictions FROM clarify_cache.status'), '0', 'another backend\'s tier is not');

# The setting: on or off, by the configuration.
my $error = qr/parameter "clarify_cache.local_cache_size" cannot be changed now/;
like($a->query('SET clarify_cache.local_cache_size = 0'), $error, 'no SET');
like($a->query("SELECT set_config('clarify_cache.local_cache_size', '0', false)"), $error, 'no set_config()');
like($a->query('ALTER ROLE CURRENT_USER SET clarify_cache.local_cache_size = 0'), $error, 'no ALTER ROLE');
like($a->query('ALTER DATABASE postgres SET clarify_cache.local_cache_size = 0'), $error, 'no ALTER DATABASE');
like($a->query("ALTER SYSTEM SET clarify_cache.local_cache_size = '-1'"), qr/-1 .*is outside the valid range/, 'none below 0');
like($a->query("ALTER SYSTEM SET clarify_cache.local_cache_size = '1 parsec'"), qr/invalid value for parameter/, 'none without sense');
my ($ret, $out, $err) = $node->psql('postgres',
	"SET clarify_cache.local_cache_size = 0; LOAD 'clarify_cache'; SELECT local_size FROM clarify_cache.status");
is($out, '4194304', 'nor one from before the library came');
like($err, qr/WARNING:.*$error/, 'with a warning');

sub reload
{
	my ($sql, $value) = @_;
	$b->query($sql);
	$b->query('SELECT pg_reload_conf()');
	for my $session ($a, $b)
	{
		wait_for(sub { $session->query('SHOW clarify_cache.local_cache_size') eq $value }) or die "not $value";
	}
}
reload('ALTER SYSTEM SET clarify_cache.local_cache_size = 0', '0');
is($a->look($user), $built, 'off: built');
is($a->look($user), $built, 'off: and not kept');
is($a->query($status), '0|f|0|0', 'off: status says so');
my $c = open_session($node);
is($c->look($user), $built, 'off: a new session, too');
$b->query("UPDATE dreams SET title = 'while off' WHERE user_id = '$user'");
reload('ALTER SYSTEM RESET clarify_cache.local_cache_size', '64MB');
is($a->query('SELECT local_size FROM clarify_cache.status'), '4194304', 'on again: 4 MB, whatever the setting');
is(($a->look($user) =~ /^exact: \d hits, \d built, 0 bypassed, \d filled$/) ? 1 : 0, 1, 'on again: what changed meanwhile is seen');
is($a->look($user), HIT, 'on again: kept');
is($c->look($user), BUILT, 'on again: a session that began without, too');
is($c->look($user), HIT, 'and keeps it');

$_->close for $a, $b, $c;
$node->stop;
done_testing();
