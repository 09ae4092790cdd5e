# Two-phase commit across restarts: a prepared transaction's changes show in
# the context from COMMIT PREPARED on, and not before, whether the server was
# stopped cleanly in between or crashed.
#
# The tokens were written at PREPARE, by a backend that is long gone; only a
# restart shows that nothing of it was kept in memory.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis);
load_look($node);
my $user = user_id(1);
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';
my $one_bypassed = 'exact: 4 hits, 1 built, 1 bypassed, 0 filled';

for my $stop ('fast', 'immediate')
{
	for my $end ('COMMIT', 'ROLLBACK')
	{
		my $case = "$stop stop, $end PREPARED";
		look($node, $user);
		$node->safe_psql('postgres', qq{
			BEGIN;
			UPDATE users SET name = '$case' WHERE id = '$user';
			PREPARE TRANSACTION 'change';});
		is_look($node, $user, HIT, "$case: prepared, the change is not seen");
		$node->stop($stop);
		$node->start;
		is_look($node, $user, HIT, "$case: nor after the restart, when the entries still serve");
		$node->safe_psql('postgres', "$end PREPARED 'change'");
		is_look($node, $user, $end eq 'COMMIT' ? $one_built : HIT, "$case: then it is, or never was");
		is_look($node, $user, HIT, "$case: and is cached");
		is(plain($node, $user) =~ /"name":"\Q$case\E"/ ? 1 : 0, $end eq 'COMMIT' ? 1 : 0,
			"$case: the data is as the transaction ended");
	}

	# Two changes of one user, ended in the other order.
	look($node, $user);
	$node->safe_psql('postgres', qq{
		BEGIN; UPDATE users SET name = 'two ' || name WHERE id = '$user'; PREPARE TRANSACTION 'first';
		BEGIN; UPDATE dreams SET title = 'two' WHERE user_id = '$user'; PREPARE TRANSACTION 'second';});
	$node->stop($stop);
	$node->start;
	for my $name ('second', 'first')
	{
		$node->safe_psql('postgres', "COMMIT PREPARED '$name'");
		is_look($node, $user, $one_built, "$stop stop: the $name of two prepared");
	}

	# DDL under a weak lock: readers go on, until it is committed.
	$node->safe_psql('postgres', q{
		BEGIN; ALTER TABLE dreams DISABLE TRIGGER USER; PREPARE TRANSACTION 'ddl';});
	is_look($node, $user, HIT, "$stop stop: prepared DISABLE TRIGGER is not seen");
	$node->stop($stop);
	$node->start;
	is_look($node, $user, HIT, "$stop stop: nor after the restart");
	$node->safe_psql('postgres', "COMMIT PREPARED 'ddl'");
	$node->safe_psql('postgres', "UPDATE dreams SET title = 'unseen' WHERE user_id = '$user'");
	is_look($node, $user, $one_bypassed, "$stop stop: committed, the section is built on every call");
	$node->safe_psql('postgres', 'ALTER TABLE dreams ENABLE TRIGGER USER; SELECT clarify_cache.repair()');
	is_look($node, $user, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled',
		"$stop stop: repaired, it is cached again");
	is_look($node, $user, HIT, "$stop stop: and served");

	# DDL under AccessExclusiveLock, which the restart takes again.
	$node->safe_psql('postgres', qq{
		BEGIN; ALTER TABLE users ALTER COLUMN total_reflections TYPE int USING total_reflections + 1;
		PREPARE TRANSACTION 'rewrite';});
	$node->stop($stop);
	$node->start;
	is($node->safe_psql('postgres', qq{
		SET lock_timeout = '100ms';
		DO \$\$ BEGIN
			PERFORM clarify_context('$user');
			RAISE EXCEPTION 'not reached';
		EXCEPTION WHEN lock_not_available THEN
			CREATE TEMP TABLE refused AS SELECT 'lock timeout' AS what;
		END \$\$;
		SELECT what FROM refused;}),
		'lock timeout', "$stop stop: a section under prepared DDL waits as a plain query does");
	$node->safe_psql('postgres', "COMMIT PREPARED 'rewrite'");
	is_look($node, $user, $one_built, "$stop stop: committed, the new values are seen");
}

$node->stop;
done_testing();
