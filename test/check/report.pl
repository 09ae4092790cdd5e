# Adds up what the runs of check.sh counted (lines "n<tab>what"), and says it.
# Fails if the cache made more serialization failures than there are without, or if
# there was too little of something to tell.

use strict;
use warnings;

my %total;
/^(\d+)\t(.*)/ and $total{$2} += $1 while <>;
sub n { my ($what) = @_; return $total{$what} // 0; }
sub sum { my ($pattern) = @_; my $n = 0; $n += $total{$_} for grep { /$pattern/ } keys %total; return $n; }
sub list
{
	my ($prefix) = @_;
	return map { [ $total{$_}, s/^$prefix //r ] } sort { $total{$b} <=> $total{$a} || $a cmp $b } grep { /^$prefix / } keys %total;
}

print "errors, of the kinds that plain PostgreSQL raises among such sessions:\n";
printf "%8d  %s\n", @$_ for list('error');
printf "faults: %s\n", join(', ', map { "$_->[1] $_->[0]" } list('fault')) || 'none';
printf "tried in vain: %s\n", join(', ', map { $_->[0] - n("fault $_->[1]") ? "$_->[1] " . ($_->[0] - n("fault $_->[1]")) : () } list('tried')) || 'none';
printf "connections lost to faults: %d\n", n('connections lost');

printf "answers read and checked: %d; %d strictly, %d by section beside changes that are not MVCC-safe, %d not to be judged beside these\n",
  n('reads'), n('read, judged strictly'), n('read, judged by section'), n('read, judged not at all');
printf "of these on a standby, or what was one: %d, sections there from the local tier: %d, from Redis: %d\n",
  n('reads on the standby'), n('counted local on the standby'), n('counted redis on the standby')
  if n('reads on the standby');
printf "different beside such changes, and not to be judged: %d, and %d within statements\n",
  n('different, judged not at all'), n('within a statement, not to be judged')
  if n('read, judged not at all');
printf "by a role whose rights change: %d served, %d denied, %d not to be judged\n",
  n('guest served'), n('guest denied'), n('guest not judged')
  if sum('^guest');
printf "sections from the local tier: %d, from Redis: %d, built: %d, of these bypassed: %d\n",
  map { n("counted $_") } qw(local redis builds bypasses);
printf "of those from a tier, in answers that were judged: at least %d\n", n('hits judged');
printf "bypassed: %s\n", join(', ', map { "$_->[1] $_->[0]" } list('counted bypass'));
printf "entries found outdated: %d, foreign or damaged: %d; breaker openings: %d\n",
  map { n("counted $_") } qw(outdated foreign opened);

printf "audited by the extension itself: %d, different: %d\n", map { n("counted $_") } qw(audited differed);

my $bad = 0;
sub bad { print "$_[0]\n"; $bad = 1; }

# What would pass because nothing was looked at.
bad('no answer was read') if !n('reads') && !sum('^looked at');
bad('hardly anything could be judged') if n('reads') && n('read, judged strictly') < 0.1 * n('reads');
bad('no damaged entry was met')
  if !n('counted foreign') && sum('^fault (swapped|truncated|flipped|garbage)$') >= 10;
if (my %slices = map { $_ => 1 } map { /^slice (\S+)/ ? $1 : () } keys %total)
{
	my ($cached, $plain) = map { [ sum("^slice .* $_ refused"), sum("^slice .* $_ transactions") || 1 ] } qw(cached plain);
	my ($p, $q) = map { $_->[0] / $_->[1] } $cached, $plain;
	# How far the difference of two ratios may be off (a standard deviation), as its parts scatter
	# from second to second, or from ten to ten, and no less than if all were independent.
	my $all = ($cached->[0] + $plain->[0]) / ($cached->[1] + $plain->[1]);
	my $variance = $all * (1 - $all) * (1 / $cached->[1] + 1 / $plain->[1]);
	for my $width (1, 10)
	{
		my %off;
		for my $slice (keys %slices)
		{
			my ($c, $r) = map { my ($tag, $rate, $all) = @$_; (n("slice $slice $tag refused") - $rate * n("slice $slice $tag transactions")) / $all }
			  [ 'cached', $p, $cached->[1] ], [ 'plain', $q, $plain->[1] ];
			my ($run, $second) = $slice =~ /(.*)\.(\d+)$/;
			$off{ "$run." . int($second / $width) } += $c - $r;
		}
		next if $width > 1 && keys %off < 10;
		my $scatter = 0;
		$scatter += $_**2 for values %off;
		$variance = $scatter if $scatter > $variance;
	}
	my $noise = sqrt($variance);
	printf "serialization failures: %.2f %% of %d transactions with the cache, %.2f %% of %d without; the difference has a standard deviation of %.2f\n",
	  100 * $p, $cached->[1], 100 * $q, $plain->[1], 100 * $noise;
	# Four deviations, and what a run's chances differ by anyway.
	bad('the cache makes more serialization failures') if $p - $q > 4 * $noise + 0.1 * $q;
	bad('too few transactions collided to tell') if $cached->[1] < 100 || $plain->[0] < 1 || 4 * $noise > $q;
	printf "looks at the invariant: %d\n", sum('^looked at');
}
printf "mismatches: %d\n", n('mismatches');
exit $bad;
