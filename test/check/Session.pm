package Session;

# A session: a psql of its own, which gets a script at a time, and a judge of
# what it prints.
#
# A look is one statement with clarify_context() and the same content by plain
# queries, before or after it, or both.  Where no change is under way that is not
# MVCC-safe, all must be the same, whatever the isolation level.  Where there are
# such changes (TRUNCATE, rewrites, partitions with rows), they count themselves
# in two sequences, when they begin and when they have ended; a snapshot older
# than one of them may see either side:
#
#	- READ COMMITTED: the statement is not judged.
#	- REPEATABLE READ: each section must be the plain one of now, or that of
#	  the transaction's first look, where these two are known.
#
# An entry that a race left in the cache shows in the looks that follow.

use strict;
use warnings;

use Exporter 'import';
use IPC::Open2;
use Time::HiRes qw(sleep time);
our @EXPORT = qw(session failures);

our $dir;			# where failures and counts are written
our $log;			# the server's log
our $unsafe;		# are there changes that are not MVCC-safe?
our $faults;		# may the server or a backend be ended?
our $deadline;		# when to end
our $max_failures = 3;
our $run;			# a name for this run
our $failures;		# is an injected failure among the faults?
our $own_tables;	# their OIDs, as a pattern: the extension's tables

# What each section is called, in its place.
my @sections = qw(person notes events labelled joined variant);

my $name;
my ($in, $out, $psql);
my %count;
my @recent;
my $where;	# on which server
my $cancelled;	# has something of this script been?
my $in_the_way;	# has replay ended the session?

# ------------------------------------------------------------------- psql

# A server that is being restarted for a fault, and set right before anybody
# looks at it again.
sub wait_while_down { sleep 0.02 while -e "$dir/down" && time < $deadline; }

sub connect_psql
{
	my ($host, $user, @first) = @_;
	local $ENV{PGUSER} = $user if $user;
	local $ENV{PGAPPNAME} = 'starting';
	local $ENV{PGHOST} = $host if $host;
	wait_while_down();
	$psql = open2($out, $in, 'exec psql -XAtq -v VERBOSITY=verbose 2>&1');
	$in->autoflush(1);
	# (Nobody cancels these: they are not of a reader or writer yet.)
	print $in "SET statement_timeout = '60s';\n";
	print $in "$_;\n" for @first;
	print $in q{PREPARE look(int) AS WITH look AS MATERIALIZED (SELECT clarify_context(u($1))::text AS c, plain(u($1)) AS p) SELECT line($1, NULL, c, p) FROM look;}, "\n";
	print $in "SET application_name = '$name';\n";
}

# Run a script; its output as [tag, line], and whether the session is still there.
sub run
{
	my @lines;
	my $tag = '';
	my $text = join '', map { "\\echo \@$_->[0]\n$_->[1];\n" } @_;
	$SIG{PIPE} = 'IGNORE';
	print $in $text, "\\echo \@done\n";
	while (defined(my $line = <$out>))
	{
		chomp $line;
		return (\@lines, 1) if $line eq '@done';
		if ($line =~ /^\@(\w+)$/) { $tag = $1; push @lines, [ $tag, '@' ]; next; }
		if ($line =~ /^SNAPSHOT\|(.*)/)
		{
			open my $fh, '>', "$dir/snapshot.$$" or next;
			print $fh $1;
			close $fh;
			rename "$dir/snapshot.$$", "$dir/snapshot";
			next;
		}
		push @lines, [ $tag, $line ];
	}
	return (\@lines, 0);
}

# --------------------------------------------------------------- failures

sub failures { my @files = glob "$dir/failure.*"; return scalar @files; }

# Is the difference still there, and what does the database say about it?
sub diagnosis
{
	my $text = '';
	my ($lines) = run(
		[ 'ddl', 'ROLLBACK' ],
		(map { [ 'look', "SELECT CASE WHEN c = p THEN 'again: same' ELSE 'again: DIFFERENT ' || c END FROM (SELECT clarify_context(u(n))::text AS c, plain(u(n)) AS p FROM generate_series(1, 5) n OFFSET 0) s" ] } 1 .. 3),
		[ 'ddl', 'SELECT section, cacheable, reason FROM clarify_cache.sections' ],
		[ 'ddl', q{SELECT tables::regclass[], kind, key_hash, tokens, xmin, ctid FROM clarify_cache.version ORDER BY 1, 2, 3} ]);
	$text .= "$_->[1]\n" for @{ $lines // [] };
	return $text;
}

sub fail
{
	my ($what, $script) = @_;
	return if failures() >= $max_failures;
	my $log_end = `tail -n 400 '$log'`;
	open my $fh, '>', "$dir/failure.$$." . time or die;
	print $fh "$what\n\nsession: $name, ", $count{reads} // 0, " answers read so far\n\nscript:\n",
	  (map { "\t$_->[0]: $_->[1];\n" } @$script), "\nits output:\n",
	  (map { "\t$_->[0]: $_->[1]\n" } @recent), "\nafterwards:\n",
	  ($psql ? diagnosis() : ''), "\nthe server's log until then:\n$log_end";
	close $fh;
}

# Now and then an error at a random call of the server (test/failures), in a
# statement that is rolled back and repeated, or anywhere in the script.
sub with_failure
{
	my @script = @_;
	return @script unless $failures && rand() < 0.3;
	my $arm = [ 'failing', 'SELECT failures.arm(' . (1 + int exp rand log 2000) . ')' ];
	my @off = ([ 'failing', 'SELECT failures.arm(0)' ]);
	my ($begin) = grep { $script[$_][0] eq 'begin' } 0 .. $#script;
	my @places = grep { defined $begin && $_ > $begin && $script[$_][0] eq 'write' && $script[$_][1] !~ /SAVEPOINT|ROLLBACK/ } 0 .. $#script;
	return ($arm, @script, @off) unless @places && rand() < 0.8;
	my $at = $places[ rand @places ];
	splice @script, $at, 0, [ 'failing', 'SAVEPOINT failing' ], $arm, $script[$at], [ 'failing', 'ROLLBACK TO failing' ], @off;
	return @script;
}

# ------------------------------------------------------------------ errors

# SQLSTATEs that plain queries and writes raise among others of their kind:
# serialization, deadlock, lock_timeout, cancel, termination, aborted block.
my $common = qr/^(40001|40P01|55P03|57014|57P01|25P02)$/;
my %tolerated = (
	# FK and unique violations; no partition for a row; a table (partition) or savepoint that is not there
	write => qr/^(23503|23505|23514|22003|25006|38000|3B001)$/,
	snapshot => qr/^(22023|42704|55000)$/,
	end => qr/^(23503|23505|25006)$/,
	ddl => qr/^(?!XX)/,
	hostile => qr/^(?!XX)/,);

sub judge_error
{
	my ($tag, $lines, $i, $script) = @_;
	my ($severity, $code, $message) = $lines->[$i][1] =~ /^(ERROR|FATAL|PANIC|WARNING|INFO):  (\w{5}): (.*)/
	  or return;
	if ($severity eq 'INFO')
	{
		$count{asked}++ if $message eq 'LOOKING';
		return;
	}
	if ($severity eq 'WARNING')
	{
		return unless $message =~ /^WITHIN/;
		if ($unsafe) { $count{'within a statement, not to be judged'}++; return; }
		$count{mismatches}++;
		fail('WRONG, within a statement', $script);
		return;
	}
	fail("a statement took a minute at $tag:\n$message", $script) if $message =~ /statement timeout/;
	if ($failures && $message =~ /^injected failure/)
	{
		$count{"error $tag injected failure"}++;
		return;
	}
	return if $tag eq 'failing' && $code eq '3B001';	# the transaction had failed before
	my $rest = '';
	for (my $j = $i + 1; $j < @$lines && $lines->[$j][1] !~ /^(\@|ERROR|WARNING|LOOK|BULK|GUEST|EPOCH)/; $j++)
	{
		$rest .= "$lines->[$j][1]\n";
	}
	(my $what = $message) =~ s/"(p[\d.]+|[\dA-F]+-.*)"/.../g;
	$what =~ s/\d+/N/g;
	$count{"error $tag $code $what"}++ unless $code eq '25P02';
	$cancelled = 1 if $code eq '57014';
	slice('refused', $tag) if $code eq '40001' && $tag =~ /^(cached|plain)$/;
	# The server's own end, or this session's, is a fault's.
	return if $severity eq 'FATAL' && $code =~ /^57P0[123]$/ && $faults;
	$in_the_way = 1 if $severity eq 'FATAL' && $message =~ /due to conflict with recovery/;
	# attach() and repair() lock one of them to do one after the other, and then
	# tables: as any two transactions with DDL of several tables, they can deadlock.
	if ($code eq '40P01' && $own_tables && $rest =~ /waits for (?!ShareRowExclusive)\w+ on relation ($own_tables) /)
	{
		fail("deadlock over the extension's table:\n$message\n$rest", $script);
	}
	# GRANT and REVOKE take no lock on a table that others may be changing.
	elsif ($code eq 'XX000' && $tag eq 'ddl' && $message eq 'tuple concurrently updated') { }
	# After a cancel, what belongs to the statement that was cancelled.
	elsif ($cancelled && $code =~ /^(25P01|3B001|34000|26000)$/) { }
	elsif ($tag eq 'count' || $code !~ $common && !($tolerated{$tag} && $code =~ $tolerated{$tag}))
	{
		fail("unexpected error at $tag:\n$message\n$rest", $script);
	}
}

# ------------------------------------------------------------------- looks

sub parts
{
	my ($text) = @_;
	my $pattern = '^\{' . join(',', map { "\"$_\":(.*)" } @sections) . '\}$';
	return $text =~ /$pattern/;
}

sub wrong
{
	my ($isolation, $how, $n, $context, $after, $before, $first, $script) = @_;
	$count{mismatches}++;
	fail("WRONG ($isolation, judged $how), person $n:\ncontext\t$context\nplain\t$after\nbefore\t$before\nfirst\t$first", $script);
}

# Has nothing changed unsafely since the snapshot?  Since before the look?
sub judge_look
{
	my ($look, $clear, $now_clear, $first, $script) = @_;
	my ($n, $isolation, $context, $before, $after, $reads) = @$look;
	my $rr = $isolation ne 'read committed';

	$first->{$n} //= [ $clear, $after ] if $rr && defined $context;
	my ($first_clear, $first_answer) = $rr && $first->{$n} ? @{ $first->{$n} } : (0, '-');
	my $how = $clear ? 'strictly' : $first_clear && ($before ne '-' || $now_clear) ? 'by section' : 'not at all';
	if (!defined $context)
	{
		# of everybody: the first who differs
		$how = 'not at all' unless $clear;
		$count{"read, judged $how"} += $reads;
		wrong($isolation, $how, 'bulk', $after, '', '', '', $script) if $how eq 'strictly' && $after ne '';
		return;
	}
	$count{"read, judged $how"}++;
	return if $context eq $after && ($before eq '-' || $before eq $after);
	if (!$clear)
	{
		$count{"different, judged $how"}++;
		return if $how eq 'not at all';
		my @c = parts($context);
		# (Its own writes it sees later than its first look.)
		my @allowed = map { [ parts($_) ] } $after, ($before eq '-' ? () : $before),
		  (grep { $_->[0] eq 'write' } @$script) ? () : $first_answer;
		return if !grep { my $i = $_; !grep { $_->[$i] eq $c[$i] } @allowed } 0 .. $#sections;
	}
	wrong($isolation, $how, $n, $context, $after, $before, $first_answer, $script);
}

sub judge_guest
{
	my ($line, $script) = @_;
	my (undef, $n, $isolation, $context, $before, $after, $clear) = split /\|/, $line;
	my $judged = $clear eq 't' && $before eq $after;

	$count{ $judged ? 'read, judged strictly' : 'read, judged not at all' }++;
	$count{$judged ? $after eq 'denied' ? 'guest denied' : 'guest served' : 'guest not judged'}++;
	wrong($isolation, 'as guest', $n, $context, $after, $before, '', $script) if $judged && $context ne $after;
}

# What the report compares, by the second, as they are not independent of each other.
sub slice
{
	my ($what, $tag) = @_;
	$count{"slice $run." . int(time) . " $tag $what"}++;
}

# For how many contexts a statement asks, at most.  (look_within() says it itself.)
sub asked
{
	my ($sql) = @_;
	return 0 if $sql =~ /^DECLARE/;
	return 40 * $1 if $sql =~ /\bbulk\(\w+, (\d+)/;
	return 40 if $sql =~ /\bwarm\(/;
	return 5 if $sql =~ /generate_series\(1, 5\)/;
	return $1 eq 'ALL' ? 2 : $1 if $sql =~ /^FETCH (\w+)/;
	return $sql =~ /\b(look|look_now|look_as_guest|clarify_context)\(/ ? 1 : 0;
}

sub judge
{
	my ($lines, $script) = @_;
	my ($ended, $now, $first) = (-1, -1, {});	# unsafe changes ended before the snapshot, before the look
	my $cursor = grep { $_->[1] =~ /^DECLARE/ } @$script;
	my @pending;

	@recent = @$lines;
	$cancelled = $in_the_way = 0;
	$count{asked} += asked($_->[1]) for @$script;
	for (my $i = 0; $i < @$lines; $i++)
	{
		my ($tag, $line) = @{ $lines->[$i] };
		if ($tag eq 'begin' && $line eq '@') { $first = {}; }
		elsif ($line eq '@') { slice('transactions', $1) if $tag =~ /^end_(\w+)/; }
		elsif ($line =~ /^EPOCH\|(\d+)\|(\d+)/)
		{
			judge_look($_, $ended == $2, $now == $2, $first, $script) for @pending;
			$now = $1;
			my $rr = @pending && $pending[0][1] ne 'read committed';
			$ended = $1 unless $rr || $cursor;
			@pending = ();
		}
		elsif ($line =~ /^(LOOK|BULK)\|/)
		{
			my $look = $1 eq 'LOOK' ? [ (split /\|/, $line, 6)[ 1 .. 5 ], 1 ]
			  : do { my (undef, $n, $isolation, $differs) = split /\|/, $line, 4; [ 'bulk', $isolation, undef, '-', $differs // '', $n ] };
			$count{reads} += $look->[5];
			$count{"reads $where"} += $look->[5];
			if ($unsafe) { push @pending, $look; }
			else { judge_look($look, 1, 1, $first, $script); }
		}
		elsif ($line =~ /^GUEST\|/) { $count{reads}++; judge_guest($line, $script); }
		elsif ($line =~ /^SKEW\|(.*)\|(\d+)/)
		{
			$count{"looked at $1"}++;
			if ($2 > 0) { $count{mismatches}++; fail("BROKEN invariant: $2 without duty in $1", $script); }
		}
		else { judge_error($tag, $lines, $i, $script); }
	}
}

# ----------------------------------------------------------------- session

# Until the deadline: get a script from next->(), run it, judge it, rest.
sub session
{
	my ($job) = @_;
	my ($next, $rest, $host, $user) = @$job{qw(next rest host user)};
	my @first = @{ $job->{first} // [] };
	$name = $job->{name};
	$where = $host ? 'on the standby' : 'on the primary';
	sleep 0.1 while $job->{after} && !-e $job->{after} && time < $deadline;
	connect_psql($host, $user, @first);
	while (time < $deadline && failures() < $max_failures)
	{
		my @script = with_failure($next->());
		my ($lines, $still_there) = run(@script);
		$count{scripts}++;
		if (!$still_there)
		{
			waitpid $psql, 0;
			undef $psql;
			$count{'connections lost'}++;
			$count{asked} += 100;	# within a statement whose messages are lost
		}
		judge($lines, \@script);
		if (!$still_there)
		{
			fail('the session has ended', \@script) unless $faults || $in_the_way;
			sleep 0.05;
			connect_psql($host, $user, @first);
			next;
		}
		sleep rand $rest if $rest;
	}
	close $in if $in;
	waitpid $psql, 0 if $psql;
	open my $fh, '>', "$dir/count.$name" or die;
	print $fh "$count{$_}\t$_\n" for keys %count;
	close $fh;
}

1;
