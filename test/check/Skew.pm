package Skew;

# Transactions whose invariant holds if SERIALIZABLE does (skew.sql), through
# the cache and by plain queries.

use strict;
use warnings;

use Choose;
use Exporter 'import';
our @EXPORT = qw(taking_turns watching);

use constant { CROWDED => 15, EVERYBODY => 300 };
my %table = (true => 'duty', false => 'duty_plain');

sub person { return 1 + int(rand(chance(0.7) ? CROWDED : EVERYBODY)); }
sub pause { return sprintf '%.4f', rand(0.01); }

# Tags: what is counted under them, with the cache and without.
sub taking_turns
{
	my ($cached) = @_;
	my $tag = $cached eq 'true' ? 'cached' : 'plain';
	my ($n, $m) = (person(), person());
	my $turn = [ $tag, "SELECT take_turns($cached, $n, " . pause() . ')' ];
	# Where only SERIALIZABLE keeps the invariant, others only turn on.
	my $on = "UPDATE $table{$cached} SET is_on = true WHERE id = (SELECT id FROM $table{$cached}"
	  . " WHERE user_id = u($n) ORDER BY is_on, id LIMIT 1)";
	my $look = [ $tag, "SELECT duties($cached, $m)" ];
	my @commit = ([ $tag, 'COMMIT' ], [ "end_$tag", 'SELECT 1 WHERE false' ]);
	# Those that are not SERIALIZABLE may well wait for Redis; they are not compared.
	my @rest = map { [ 'other', $_ ] } "SELECT duties($cached, $m)", 'SELECT pg_sleep(' . pause() . ')', $on, 'COMMIT';
	return weighted(
		6 => sub { ([ $tag, 'BEGIN ISOLATION LEVEL SERIALIZABLE' ], $turn, @commit) },
		3 => sub { ([ $tag, 'BEGIN ISOLATION LEVEL SERIALIZABLE' ], $look, $turn, @commit) },
		3 => sub { ([ 'other', 'BEGIN ISOLATION LEVEL REPEATABLE READ' ], @rest) });
}

# SKEW|table|how many have no duty on
sub watching
{
	my ($cached) = @_;
	my $isolation = one_of('REPEATABLE READ', 'SERIALIZABLE READ ONLY');
	my $how = $cached eq 'true' ? 'clarify_context' : 'a query';
	return ([ 'watch', "BEGIN ISOLATION LEVEL $isolation" ],
		[ 'watch', "SELECT 'SKEW|$table{$cached}|' || count(*) FROM (SELECT FROM $table{$cached} GROUP BY user_id HAVING count(*) FILTER (WHERE is_on) = 0) s" ],
		[ 'look', "SELECT 'SKEW|$table{$cached}, by $how|' || count(*) FROM generate_series(1, " . CROWDED . ") n WHERE duties($cached, n) = 0" ],
		[ 'watch', 'COMMIT' ]);
}

1;
