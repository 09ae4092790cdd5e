# What callgrind counted, by function: callgrind.pl N FILE [LEAST [CALLERS]]
#
# N is how many statements the file is about; all figures are of one of them.
# Prints the total, then the functions that cost LEAST (10) or more with what
# they call ("inclusive"): instructions with and without that, and how often each
# is called; and with CALLERS, from where, where that costs so much or more.
# "name'2" is a function that was called by itself.
#
# callgrind_annotate shows the same, but no counts of calls beside the costs.

use strict;
use warnings;

my ($n, $file, $least, $callers) = @ARGV;
$least ||= 10;
open my $in, '<', $file or die "$file: $!\n";

my (%name, %object, %self, %inclusive, %calls, %edge);
my ($object, $callee_object, $function, $callee, $pending) = ('', '', '');
my $total = 0;

# Names are written once, with a number that stands for them from then on.
sub name_of
{
	my ($kind, $text) = @_;
	my ($number, $name) = $text =~ /^\((\d+)\)(?: (.*))?$/ or return $text;
	$name{$kind}{$number} = $name if defined $name;
	return $name{$kind}{$number};
}

# A function without a name is told by its file and address.
sub label
{
	my ($name, $object) = @_;
	return $name unless $name =~ /^0x0*([0-9a-f]+)(.*)/;
	return "$1$2 in " . $object =~ s{.*/}{}r;
}

while (<$in>)
{
	chomp;
	if (/^ob=(.*)/) { $object = name_of('ob', $1); $callee_object = $object; }
	elsif (/^cob=(.*)/) { $callee_object = name_of('ob', $1); }
	elsif (/^fn=(.*)/) { $function = label(name_of('fn', $1), $object); $callee_object = $object; }
	elsif (/^cfn=(.*)/) { $callee = label(name_of('fn', $1), $callee_object); }
	elsif (/^calls=(\d+)/) { $pending = $1; }
	elsif (/^[-+*\d]\S* (\d+)$/)
	{
		$inclusive{$function} += $1;
		if (defined $pending)
		{
			$calls{$callee} += $pending;
			$edge{$callee}{$function}[0] += $pending;
			$edge{$callee}{$function}[1] += $1;
			undef $pending;
			$callee_object = $object;
		}
		else
		{
			$self{$function} += $1;
			$total += $1;
		}
	}
}

printf "%10.0f instructions\n\n%10s %10s %8s  %s\n", $total / $n, 'inclusive', 'exclusive', 'calls', 'function';
for my $name (sort { $inclusive{$b} <=> $inclusive{$a} || $a cmp $b } keys %inclusive)
{
	last if $inclusive{$name} / $n < $least;
	printf "%10.0f %10.0f %8.2f  %s\n", $inclusive{$name} / $n, ($self{$name} // 0) / $n, ($calls{$name} // 0) / $n, $name;
	next unless $callers;
	my $from = $edge{$name} // {};
	for my $caller (sort { $from->{$b}[1] <=> $from->{$a}[1] } keys %$from)
	{
		my ($calls, $cost) = @{ $from->{$caller} };
		printf "%10s   <- %10.0f %8.2f  from %s\n", '', $cost / $n, $calls / $n, $caller if $cost / $n >= $callers;
	}
}
