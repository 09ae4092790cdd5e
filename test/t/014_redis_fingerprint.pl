# What an entry's fingerprint stands for, of all that no version in the data tells
# of: the definition, the C library's version, and the versions of the collations
# that the query compares by.  An entry of a primary whose library has another
# version is none of a standby's.
#
# The server's libraries are told to say that they are of other versions
# (OutsideTest.pm).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use OutsideTest;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $redis = start_redis();
my $node = redis_node('main', redis => $redis);
my $has_icu = has_icu();
my $user = user_id(1);

# The collation of "named" is ICU's, if the server has it; else it is the C
# library's.
my $collation = $has_icu ? 'de-x-icu' : 'C';
$node->safe_psql('postgres', <<"SQL");
CREATE TABLE things (id int PRIMARY KEY, user_id uuid NOT NULL, doc jsonb, name text);
SELECT clarify_cache.attach('things', 'user_id');
SELECT clarify_cache.add_section('one', 'SELECT id FROM things WHERE user_id = \$1', '2 hours', true);
SELECT clarify_cache.add_section('named', 'SELECT id FROM things WHERE user_id = \$1 ORDER BY name COLLATE "$collation", id', '1 hour');
SQL

sub fingerprints
{
	$redis->command('FLUSHALL');
	$node->safe_psql('postgres', "SELECT clarify_context('$user')");
	return { map {
		my ($section) = /:(\w+)$/;
		($section => $redis->get($_) =~ / f=([0-9a-f]+) / && $1)
	} $redis->entries };
}

# The names of those that differ.
sub differing
{
	my ($before, $after) = @_;
	return join ' ', grep { $before->{$_} ne $after->{$_} } sort keys %$before;
}

sub restart_with
{
	my (%outside) = @_;
	with_outside(sub { $node->restart }, %outside);
	return fingerprints();
}

my $first = fingerprints();
my $all = join ' ', sort keys %$first;
like($all, qr/named.* one/, 'there is an entry of each section');
is(differing($first, fingerprints()), '', 'another session has the same fingerprints');
is(differing($first, restart_with()), '', 'and so has a restarted server');
is(differing($first, restart_with(libc => '1.2.3')), $all,
	'another version of the C library is another fingerprint of all');
SKIP:
{
	skip 'the server is built without ICU', 1 unless $has_icu;
	is(differing($first, restart_with(icu => 1)), 'named',
		"another version of ICU's collations, of those that compare by one");
}
is(differing($first, restart_with()), '', 'the same versions are the same fingerprints again');

# Definitions

sub redefine
{
	my ($arguments) = @_;
	$node->safe_psql('postgres', "BEGIN; SELECT clarify_cache.drop_section('one');
		SELECT clarify_cache.add_section('one', $arguments); COMMIT");
	return fingerprints();
}

my $query = q('SELECT id FROM things WHERE user_id = $1');
is(differing($first, redefine("$query, '1 hour', true")), 'one', 'another ttl');
is(differing($first, redefine("$query, '2 hours'")), 'one', 'rows, not one object');
is(differing($first, redefine(q('SELECT id AS ID FROM things WHERE user_id = $1 AND true', '2 hours', true))),
	'one', 'another query');
is(differing($first, redefine("$query, '2 hours', true")), '', 'the same definition again');

done_testing();
