# The tables: report.pl FOLDER, with the values.csv, notes.tsv and goals.tsv of a
# run.
#
# For each part, scale and figure the median, least and greatest of the rounds
# of each contender; its ratio to the bare statement and to the PL/pgSQL
# function, where these were measured along with it (the median of the rounds'
# ratios); and its time beyond the bare statement.

use strict;
use warnings;

my ($dir) = @ARGV;
die "usage: report.pl FOLDER\n" unless defined $dir;

my (%rounds, %unit, %seen, @parts, %scales, %figures, %contenders, %notes);

sub once
{
	my ($list, $key, $item) = @_;
	push @$list, $item unless $seen{"$key\0$item"}++;
}

open my $values, '<', "$dir/values.csv" or die "$dir/values.csv: $!\n";
<$values>;
while (my $line = <$values>)
{
	chomp $line;
	my ($part, $contender, $scale, $figure, $unit, $value) = split /,/, $line, 6;
	once(\@parts, 'part', $part);
	push @{ $rounds{"$part|$contender|$scale|$figure"} }, $value;
	next if $figure eq 'as named';
	once($scales{$part} //= [], "scale $part", $scale);
	once($figures{$part} //= [], "figure $part", $figure);
	once($contenders{"$part|$scale|$figure"} //= [], "contender $part $scale $figure", $contender);
	$unit{"$part|$figure"} = $unit;
}

if (open my $notes, '<', "$dir/notes.tsv")
{
	while (my $line = <$notes>)
	{
		chomp $line;
		my ($part, $text) = split /\t/, $line, 2;
		once(\@parts, 'part', $part);
		once($notes{$part} //= [], "note $part", $text);
	}
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return undef unless @sorted;
	return ($sorted[ $#sorted / 2 ] + $sorted[ @sorted / 2 ]) / 2;
}

sub bounds
{
	my @sorted = sort { $a <=> $b } @_;
	return @sorted[ 0, -1 ];
}

# Three significant digits, at least.
sub show
{
	my ($value) = @_;
	return '' unless defined $value;
	return sprintf abs $value >= 100 ? '%.0f' : abs $value >= 10 ? '%.1f' : '%.2f', $value;
}

# An operation on the rounds of two contenders; where they have not as many
# rounds, on their medians.
sub combine
{
	my ($code, @lists) = @_;
	my %lengths = map { scalar @$_ => 1 } @lists;
	@lists = map { [ median(@$_) ] } @lists if keys %lengths > 1;
	return map { my $i = $_; $code->(map { $_->[$i] } @lists) } 0 .. $#{ $lists[0] };
}

sub ratio
{
	my ($mine, $other) = @_;
	return '' unless $other && median(@$other);
	return show(median(combine(sub { $_[1] ? $_[0] / $_[1] : 0 }, $mine, $other)));
}

if (open my $machine, '<', "$dir/machine.txt") { print while <$machine>; print "\n"; }
print <<'LEGEND';
Median, least and greatest of the rounds.  "x" is how many times as long as
another it takes, "- bare" what it takes beyond the bare statement, and "beyond
bare" the ratio of that to the PL/pgSQL function's: each the median of the rounds'
own.
LEGEND

for my $part (@parts)
{
	print "\n== $part\n";
	for my $figure (@{ $figures{$part} // [] })
	{
		for my $scale (@{ $scales{$part} })
		{
			my $contenders = $contenders{"$part|$scale|$figure"} or next;
			my ($bare, $hand) = map { $rounds{"$part|$_|$scale|$figure"} } 'bare', 'PL/pgSQL function';
			my $unit = $unit{"$part|$figure"};
			printf "\n%-44s %9s %9s %9s", "$scale: $figure, $unit", 'median', 'least', 'greatest';
			printf ' %8s %8s', 'x bare', '- bare' if $bare;
			printf ' %10s', 'x PL/pgSQL' if $hand;
			printf ' %11s', 'beyond bare' if $bare && $hand;
			print "\n";
			for my $contender (@$contenders)
			{
				my $mine = $rounds{"$part|$contender|$scale|$figure"};
				printf '%-44s %9s %9s %9s', $contender, map { show($_) } median(@$mine), bounds(@$mine);
				if ($bare)
				{
					printf ' %8s %8s', ratio($mine, $bare),
					  show(median(combine(sub { $_[0] - $_[1] }, $mine, $bare)));
				}
				printf ' %10s', ratio($mine, $hand) if $hand;
				if ($bare && $hand)
				{
					printf ' %11s', $contender eq 'bare' ? ''
					  : show(median(combine(sub { $_[1] > $_[2] ? ($_[0] - $_[2]) / ($_[1] - $_[2]) : 0 },
								$mine, $hand, $bare)));
				}
				print "\n";
			}
		}
	}
	print "\n";
	print "$_\n" for @{ $notes{$part} // [] };

	# Was a hit a hit?
	for my $key (sort grep { /^\Q$part\E\|.*\|as named$/ } keys %rounds)
	{
		my ($least) = bounds(@{ $rounds{$key} });
		my (undef, $contender, $scale) = split /\|/, $key;
		printf "%s, %s: in one round only %s %% of the sections were that\n", $contender, $scale, $least
		  if $least < 99.9;
	}
}

# ------------------------------------------------------------------- goals

my %holds = ('<=' => sub { $_[0] <= $_[1] }, '>=' => sub { $_[0] >= $_[1] },
	'<' => sub { $_[0] < $_[1] }, '>' => sub { $_[0] > $_[1] });
my @goals;
if (open my $file, '<', "$dir/goals.tsv") { @goals = <$file>; }
print "\n== goals\n" if @goals;
printf "\n%-82s %12s %9s %9s %9s\n", '', 'wanted', 'measured', 'least', 'greatest' if @goals;
for my $line (@goals)
{
	chomp $line;
	my ($text, $operator, $limit, $unit, $expression) = split /\t/, $line;
	my (@lists, %index, @missing);
	$expression =~ s/\[([^\]]+)\]/
		push @missing, $1 unless $rounds{$1};
		push @lists, $rounds{$1} unless exists $index{$1};
		$index{$1} \/\/= $#lists;
		"\$_[$index{$1}]"/ge;
	die "not an expression: $expression\n" unless $expression =~ m{^([-+*/(), .\d]|\$_\[|\])*$};
	my $wanted = "$operator $limit $unit";
	if (@missing) { printf "%-82s %12s %9s   %s\n", $text, $wanted, '-', "not measured: $missing[0]"; next; }
	my $code = eval "sub { $expression }" or die $@;
	my @values = combine($code, @lists);
	my $measured = median(@values);
	printf "%-82s %12s %9s %9s %9s   %s\n", $text, $wanted, show($measured), map({ show($_) } bounds(@values)),
	  $holds{$operator}->($measured, $limit) ? 'met' : 'NOT MET';
}
