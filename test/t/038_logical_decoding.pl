# Logical decoding, which roles with REPLICATION may use, sees the extension
# being created but never the secret that authenticates entries: neither when
# it is drawn nor when its table is rewritten.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $redis = start_redis();
my $node = new_node('main', redis => $redis, allows_streaming => 'logical');
load_clarify($node, people => 2, setup => 0);
if (($node->psql('postgres', "SELECT pg_create_logical_replication_slot('slot', 'test_decoding')"))[0] != 0)
{
	$node->stop;
	plan(skip_all => 'this server has no test_decoding');
}

sub decoded
{
	return $node->safe_psql('postgres',
		"SELECT data FROM pg_logical_slot_get_changes('slot', NULL, NULL, 'include-rewrites', '1')");
}

$node->safe_psql('postgres', 'CREATE EXTENSION clarify_cache; SELECT clarify_cache.setup()');
load_look($node);
my $secret = $node->safe_psql('postgres', "SELECT encode(secret, 'hex') FROM clarify_cache.instance");
my $id = $node->safe_psql('postgres', 'SELECT id FROM clarify_cache.instance');
is(length($secret) >= 64 ? 1 : 0, 1, 'there is a secret');

my $changes = decoded();
like($changes, qr/clarify_cache\.section: INSERT/, 'the sections are decoded');
like($changes, qr/clarify_cache\.version: INSERT/, 'and the tokens');
unlike($changes, qr/clarify_cache\.instance: /, 'but nothing of the instance');
unlike($changes, qr/\Q$secret\E|\Q$id\E/i, 'nor secret and id anywhere');

is_look($node, user_id(1), BUILT, 'the cache fills');
is_look($node, user_id(1), HIT, 'and serves');
$node->safe_psql('postgres', "UPDATE users SET name = 'changed'");
like(decoded(), qr/clarify_cache\.version: INSERT/, 'a change is decoded with its tokens');
$node->safe_psql('postgres', "UPDATE users SET name = 'again'");
like(decoded(), qr/clarify_cache\.version: UPDATE/, 'and again, where the token is changed in place');

for my $rewrite (
	'VACUUM FULL clarify_cache.instance',
	'ALTER TABLE clarify_cache.instance SET (fillfactor = 50)')
{
	$node->safe_psql('postgres', $rewrite);
	unlike(decoded(), qr/\Q$secret\E/i, "not after $rewrite");
}
is_look($node, user_id(1), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'the cache goes on');
is_look($node, user_id(1), HIT, 'and serves');

$node->safe_psql('postgres', 'SELECT clarify_cache.detach(table_id) FROM clarify_cache.attached_table');
$node->safe_psql('postgres', 'DROP EXTENSION clarify_cache');
unlike(decoded(), qr/\Q$secret\E/i, 'nor when the extension is dropped');
$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('slot')});

$node->stop;
done_testing();
