#!/usr/bin/perl
#
# The lines that no test ran, by file and function, from the trace that lcov
# makes: uncovered.pl TRACE FOLDER LEAST, where the source text is under FOLDER.
# Fails if less than LEAST percent of the lines were run.
#
# Lines that follow each other are one range, also when lines without code are
# between them; of a range the first lines are shown.

use strict;
use warnings;

my $shown = 3;

my ($trace, $folder, $least) = @ARGV;
die "usage: uncovered.pl TRACE FOLDER LEAST\n" unless defined $least;

# Of the file at hand: where functions begin, how often lines were run.
my ($file, @functions, %count);
my ($lines, $run) = (0, 0);

sub source
{
	open my $handle, '<', $file or die "$file: $!\n";
	my @text = <$handle>;
	return @text;
}

sub function_at
{
	my ($line) = @_;
	my ($name) = ('');
	foreach my $function (sort { $a->[0] <=> $b->[0] } @functions)
	{
		$name = $function->[1] if $function->[0] <= $line;
	}
	return $name;
}

sub print_range
{
	my ($first, $last, $text) = @_;
	my $name = $file =~ s,^\Q$folder\E/,,r;
	my $lines = $first == $last ? $first : "$first-$last";
	printf "%s:%s: %s()\n", $name, $lines, function_at($first);
	my @text = @$text[ $first - 1 .. $last - 1 ];
	splice @text, $shown, @text - $shown, "\t...\n" if @text > $shown + 1;
	print @text;
}

sub print_file
{
	my @text = source();
	my ($first, $last);
	foreach my $line (sort { $a <=> $b } keys %count)
	{
		$lines++;
		$run++ if $count{$line} > 0;
		if ($count{$line} == 0)
		{
			if (defined $first && function_at($first) ne function_at($line))
			{
				print_range($first, $last, \@text);
				undef $first;
			}
			$first //= $line;
			$last = $line;
		}
		elsif (defined $first)
		{
			print_range($first, $last, \@text);
			undef $first;
		}
	}
	print_range($first, $last, \@text) if defined $first;
}

open my $in, '<', $trace or die "$trace: $!\n";
while (<$in>)
{
	if (/^SF:(.*)/)
	{
		$file = $1;
		@functions = ();
		%count = ();
	}
	elsif (/^FN:(\d+),(?:\d+,)?(.*)/)
	{
		push @functions, [ $1, $2 ];
	}
	elsif (/^DA:(\d+),(\d+)/)
	{
		$count{$1} = $2;
	}
	elsif (/^end_of_record/)
	{
		print_file();
	}
}

printf "\n%d of %d lines were run, %.1f %%\n", $run, $lines, 100 * $run / $lines;
die "less than $least %\n" if $run * 100 < $least * $lines;
