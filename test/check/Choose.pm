package Choose;

# Random choices.

use strict;
use warnings;

use Exporter 'import';
our @EXPORT = qw(one_of chance weighted text);

sub one_of { return $_[ int(rand @_) ]; }
sub chance { return rand() < $_[0]; }

# From (weight => thing, ...); a sub is called.
sub weighted
{
	my $total = 0;
	for (my $i = 0; $i < @_; $i += 2) { $total += $_[$i]; }
	my $at = rand $total;
	while (@_ > 2 && ($at -= $_[0]) >= 0) { splice @_, 0, 2; }
	return ref $_[1] eq 'CODE' ? $_[1]->() : $_[1];
}

# An SQL literal.
sub text { return "'" . join('', map { chr(97 + rand 26) } 1 .. 6) . "'"; }

1;
