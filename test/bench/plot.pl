# Diagrams: plot.pl FOLDER, with the values.csv of a run.  By gnuplot, into the
# same folder.
#
#	PART_SCALE.png			latency by contender: medians as bars, least and greatest
#	PART_throughput.png		where the scales are numbers of clients
#	PART_FIGURE.png			a figure by scale, where there are several, and they are numbers

use strict;
use warnings;

my ($dir) = @ARGV;
die "usage: plot.pl FOLDER\n" unless defined $dir;

my (%rounds, %unit, %contenders, %scales, %seen, @charts);

open my $values, '<', "$dir/values.csv" or die "$dir/values.csv: $!\n";
<$values>;
while (my $line = <$values>)
{
	chomp $line;
	my ($part, $contender, $scale, $figure, $unit, $value) = split /,/, $line, 6;
	next if $figure eq 'as named' || $figure =~ /^size/ || $unit eq 'times';
	my $chart = "$part,$figure";
	push @charts, $chart unless $seen{$chart}++;
	push @{ $scales{$chart} }, $scale unless $seen{"$chart,$scale"}++;
	push @{ $contenders{$chart} }, $contender unless $seen{"$chart,,$contender"}++;
	push @{ $rounds{"$chart,$scale,$contender"} }, $value;
	$unit{$chart} = $unit;
}

# Median, least, greatest.
sub summary
{
	my @sorted = sort { $a <=> $b } @_;
	return (($sorted[ $#sorted / 2 ] + $sorted[ @sorted / 2 ]) / 2, @sorted[ 0, -1 ]);
}

sub gnuplot
{
	my ($name, $height, @commands) = @_;
	$name =~ s/[^A-Za-z0-9.]+/_/g;
	open my $pipe, '|-', 'gnuplot' or die "gnuplot: $!\n";
	print $pipe join "\n", "set terminal pngcairo size 1000,$height font 'sans,10' noenhanced",
	  "set output '$dir/$name.png'", 'set grid back lc rgb "#dddddd"', @commands, '';
	close $pipe or die "gnuplot failed at $name\n";
}

sub bars
{
	my ($chart, $scale) = @_;
	my ($part, $figure) = split /,/, $chart;
	my @rows;
	for my $contender (@{ $contenders{$chart} })
	{
		my $list = $rounds{"$chart,$scale,$contender"} or next;
		push @rows, [ $contender, summary(@$list) ];
	}
	# The fastest on top.  A bar needs a place to begin, on a scale without zero.
	@rows = sort { $b->[1] <=> $a->[1] } @rows;
	return if @rows < 2;
	my ($least, $n) = ($rows[-1][2], 0);
	return if $least <= 0;
	my $start = 10**int(log($least) / log(10) - ($least < 1 ? 1 : 0));
	$start /= 2 if $least < 1.5 * $start;
	gnuplot("${part}_$scale" . ($figure eq 'latency' ? '' : "_$figure"), 120 + 26 * @rows,
		'$data << END', (map { my $row = $_; join ' ', $n++, "\"$row->[0]\"", map { sprintf '%.3f', $_ } @$row[ 1 .. 3 ] } @rows),
		'END',
		"set title '$part, $scale: $figure, $unit{$chart} (median, least and greatest of the rounds)'",
		'set logscale x', "set xrange [$start:" . 2 * $rows[0][3] . ']', "set yrange [-0.7:" . ($n - 0.3) . ']', 'unset key',
		'set style fill solid 0.6 noborder', 'set offsets 0, 0, 0, 0',
		"plot \$data using 3:1:($start):3:(\$1-0.35):(\$1+0.35):ytic(2) with boxxyerror lc rgb '#4477aa', "
		  . "\$data using 3:1:4:5 with xerrorbars pt 0 lw 1.5 lc rgb 'black', "
		  . "\$data using 5:1:(sprintf(\$3 < 10000 ? '  %.4g' : '  %.0f', \$3)) with labels left");
}

# One line for each contender; what a value is turned into is a matter of the scale.
sub lines
{
	my ($chart, $name, $title, $value, @settings) = @_;
	my (@data, @plots, @lines, $n);
	my @scales = @{ $scales{$chart} };
	for my $contender (@{ $contenders{$chart} })
	{
		my @points;
		for my $i (0 .. $#scales)
		{
			my $list = $rounds{"$chart,$scales[$i],$contender"} or next;
			push @points, [ $i, summary(map { $value->($_, $scales[$i]) } @$list) ];
		}
		push @lines, [ $contender, @points ] if @points > 1;
	}
	# In the order in which they end.
	for my $line (sort { $b->[-1][1] <=> $a->[-1][1] } @lines)
	{
		my ($contender, @points) = @$line;
		$n++;
		push @data, "\$data$n << END", (map { sprintf '%d %.3f %.3f %.3f', @$_ } @points), 'END';
		push @plots, sprintf "\$data$n using 1:2:3:4 with yerrorlines lw 1.5 lc %d pt %d dt %d title '%s'",
		  1 + ($n - 1) % 8, 1 + $n % 13, 1 + ($n - 1) / 8, $contender;
	}
	return unless @plots;
	my $ticks = join ', ', map { "\"$scales[$_]\" $_" } 0 .. $#scales;
	gnuplot($name, 640, @data, "set title '$title'", "set xtics ($ticks)", "set xrange [-0.2:$#scales + 0.2]",
		'set key outside right', @settings, 'plot ' . join ', ', @plots);
}

for my $chart (@charts)
{
	my ($part, $figure) = split /,/, $chart;
	my @scales = @{ $scales{$chart} };
	if ($figure eq 'latency' && $scales[0] =~ /^\d+ clients?$/)
	{
		bars($chart, $_) for @scales;
		lines($chart, "${part}_throughput", "$part: contexts a second, by clients (medians, least and greatest)",
			sub { my ($clients) = $_[1] =~ /(\d+)/; return $clients * 1e6 / $_[0] }, 'set logscale y');
	}
	# What is no number has no order.
	elsif (@scales == 1 || grep { !/^[\d.]+(?: \w+)?$/ } @scales) { bars($chart, $_) for @scales; }
	else
	{
		lines($chart, "${part}_$figure", "$part: $figure, $unit{$chart} (medians, least and greatest)",
			sub { $_[0] }, 'set logscale y');
	}
}
