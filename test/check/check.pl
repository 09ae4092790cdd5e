# One run of check.sh: the sessions of a profile, its faults, and the report.
#
#	check.pl --profile NAME --cache extension|deletes|blind|versions|poisoned --seconds N --seed S
#		--faults LIST --dir FOLDER --log FILE --totals FILE [--calm 1] [--standby FOLDER]...
#
# Exits with 1 if a wrong answer was found, with 2 if something else went wrong,
# also if the cache was hardly used.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use Getopt::Long;
use POSIX ();
use Time::HiRes qw(sleep time);

use lib abs_path(dirname(__FILE__));
use Faults;
use Fleet;
use Hostile;
use Session;
use Skew;
use Workload;

my %opt = (calm => 0, profile => 'mvcc', cache => 'extension', seconds => 60, seed => 1, faults => '');
GetOptions(\%opt, 'profile=s', 'cache=s', 'seconds=i', 'seed=i', 'faults=s', 'dir=s', 'log=s',
	'totals=s', 'calm=i', 'standby=s@') or die;
my $dir = $opt{dir};
my @standbys = @{ $opt{standby} // [] };
my $standby = $standbys[0];
my $control = $opt{cache} ne 'extension';
my $here = abs_path(dirname(__FILE__));
my $has_extension = !grep { $opt{cache} eq $_ } qw(deletes versions poisoned);
my @faults = split /,/, $opt{faults};
mkdir $dir;

$Workload::unsafe = $Session::unsafe = $opt{profile} =~ /^(ddl|fleet)$/;
$Workload::dir = $Session::dir = $Faults::dir = $dir;
$Session::log = $opt{log};
$Session::failures = $opt{profile} eq 'failures';
$Session::run = basename($dir);
$Session::faults = grep { /^(sigterm|sigkill|crash|promote)$/ } @faults;
$Faults::tmp = dirname($dir);
$Faults::standby = $standby;

# ------------------------------------------------------------------ sessions

# Who there is in each profile.  "rest": at most how long between two scripts.
# When it is calm, there are more hits; else, more that meet.
sub sessions_of
{
	my ($profile) = @_;
	my @readers = (
		(map { { name => "reader$_", next => \&reading, rest => 0.005 } } 1 .. 4),
		(map { { name => "reader_everybody$_", next => \&reading_everybody, rest => 0.002 } } 1 .. 3));
	my @writers = map { { name => "writer$_", next => \&writing, rest => $opt{calm} ? 0.4 : 0.04 } } 1 .. 5;
	my $impatient = "SET lock_timeout = '" . ($profile eq 'ddl' ? 100 : 300) . "ms'";
	my @keepers = (
		{ name => 'finisher', next => \&finishing, rest => 0.05 },
		{ name => 'keeper', next => \&keeping, rest => $opt{calm} ? 2 : 0.3, first => [$impatient] },
		{ name => 'switcher', next => \&untracked_changes, rest => $opt{calm} ? 6 : 1, first => [$impatient] });
	my @guests = (
		(map { { name => "reader_guest$_", next => \&reading_as_guest, rest => 0.02, first => ['SET ROLE guest'] } } 1 .. 2),
		{ name => 'rights', next => \&changing_rights, rest => $opt{calm} ? 2 : 0.3, first => [$impatient] });

	return @guests if $profile eq 'guests';
	return (hostile($impatient), @readers[ 4, 5 ], $control ? () : ($readers[0], @writers[ 0 .. 2 ], @keepers[ 0, 1 ])) if $profile eq 'hostile';
	return fleet($impatient, @writers[ 0 .. 2 ]) if $profile eq 'fleet';
	return (@readers, @writers) if $control && $profile ne 'skew';
	return (@readers, @writers, @keepers, @guests) if $profile eq 'mvcc';
	return (@readers, @writers, @keepers, @guests,
		map { { name => "ddl$_", next => \&unsafe, rest => $opt{calm} ? 4 : 1.5, first => [$impatient] } } 1 .. 2)
	  if $profile eq 'ddl';
	return (@readers, @writers, @keepers, @guests) if $profile eq 'failures';
	return (@readers, @writers[ 0 .. 2 ], @keepers,
		(map { { name => "reader_standby$_", next => sub { reading(1) }, rest => 0.005, host => $standby } } 1 .. 3),
		{ name => 'reader_standby_everybody', next => sub { reading_everybody(1) }, rest => 0.002, host => $standby },
		# once it is promoted
		{ name => 'finisher_promoted', next => \&finishing, rest => 0.05, host => $standby, after => "$dir/promoted" },
		(map { { name => "writer_promoted$_", next => \&writing, rest => 0.04, host => $standby, after => "$dir/promoted" } } 1 .. 2))
	  if $profile eq 'standby';
	return map {
		my $cached = $_;
		((map { { name => "turns_${cached}_$_", next => sub { taking_turns($cached) }, rest => 0.002 } } 1 .. 5),
			{ name => "watch_$cached", next => sub { watching($cached) }, rest => 0.1 })
	} qw(true false) if $profile eq 'skew';
	die "no profile $profile\n";
}

# Owners, and who lets them act: an application, a superuser, somebody with some rights.  For
# the control nobody writes, nor lacks rights, so that all is wrong by what they do.
sub hostile
{
	my ($impatient) = @_;
	return (
		(map { my $owner = $_; { name => "owner_$owner", next => sub { owning($owner) }, rest => 0.3, user => $owner, first => [$impatient] } } qw(mallory trudy)),
		(map { { name => "reader_hostile$_", next => \&calling, rest => 0.02, user => 'app' } } 1 .. 3),
		{ name => 'reader_superuser', next => \&calling, rest => 0.05 },
		{ name => 'reader_innocent', next => sub { reading(1) }, rest => 0.01, user => 'app' },
		$control ? () : (
			{ name => 'reader_clerk', next => \&calling_without_rights, rest => 0.1, user => 'clerk' },
			{ name => 'repairer', next => sub { [ 'own', 'SELECT clarify_cache.repair()' ] }, rest => 0.5, first => [$impatient] }));
}

# When it is calm, new snapshots read seldom, so that an old one may be the first to see,
# and to fill, what was changed.  (The control has nothing to keep in order.)
sub fleet
{
	my ($impatient, @writers) = @_;
	my $rest = $opt{calm} && !$control ? 2 : 0.01;
	return (@writers,
		(map { { name => "reader$_", next => \&reading_now, rest => $rest } } 1 .. 2),
		{ name => 'reader_late', next => \&reading_late, rest => 6 },
		{ name => 'finisher', next => \&finishing, rest => 0.05 },
		{ name => 'rewriter', next => \&rewriting, rest => $opt{calm} ? 6 : 2, first => [$impatient] },
		{ name => 'rewriter_own', next => sub { rewriting_own(!$control) }, rest => 0.4, first => [$impatient] },
		($control ? () : { name => 'keeper', next => \&keeping_fleet, rest => 1, first => [$impatient] }),
		{ name => 'lagging', next => \&lagging, rest => 3, host => $standbys[1] },
		map {
			my ($host, $n) = ($standbys[$_], $_ + 1);
			({ name => "reader_standby$n", next => sub { reading(1) }, rest => $rest, host => $host },
				{ name => "reader_standby_everybody$n", next => sub { reading_everybody(1) }, rest => 2 * $rest, host => $host },
				map { { name => "reader_standby_late${n}_$_", next => \&reading_late, rest => 0.1, host => $host } } 1 .. 2)
		} 0 .. $#standbys);
}

# ------------------------------------------------------------------- run

sub load
{
	for my $file (@_)
	{
		system("psql -Xq -v ON_ERROR_STOP=1 -f '$here/$file' >>'$dir/load.log' 2>&1") == 0
		  or die "$file could not be loaded: " . `tail -n 5 '$dir/load.log'`;
	}
}

sub child
{
	my ($number, $what) = @_;
	my $pid = fork // die;
	return $pid if $pid;
	srand($opt{seed} + $number);
	$what->();
	POSIX::_exit(0);
}

my @children;
my $main = $$;
END
{
	my $status = $?;
	if ($status && $$ == $main) { kill 'KILL', @children; Faults::end(); }
	$? = $status;
}
push @children, child(0, sub { Faults::run(@faults) });
for (1 .. 500) { last if -l "$Faults::tmp/redis.sock"; sleep 0.02; }

load('schema.sql');
my $skew = $opt{profile} eq 'skew';
load('skew.sql') if $skew;
load("$opt{profile}.sql") if $opt{profile} =~ /^(fleet|hostile)$/;
load(!$has_extension ? "$opt{cache}.sql" : $opt{profile} eq 'hostile' ? 'hostile_sections.sql' : 'sections.sql');
load($opt{cache} eq 'deletes' ? 'skew_deletes.sql' : 'skew_sections.sql') if $skew;
load('looks.sql');
load('hostile_looks.sql') if $opt{profile} eq 'hostile';
load('../failures/functions.sql') if $opt{profile} eq 'failures';
load('blind.sql') if $opt{cache} eq 'blind';
$Session::own_tables = Faults::query(q{SELECT string_agg(oid::text, '|') FROM pg_class WHERE relnamespace = 'clarify_cache'::regnamespace AND relkind = 'r'})
  if $has_extension;
for my $host (@standbys)
{
	for (1 .. 600) { last if Faults::query(q{SELECT to_regprocedure('look_within(int)') IS NOT NULL}, $host) eq 't'; sleep 0.1; }
}

my @sessions = sessions_of($opt{profile});
$Session::deadline = time + $opt{seconds};
open my $go, '>', "$dir/go.new" or die;
print $go $Session::deadline;
close $go;
rename "$dir/go.new", "$dir/go";
push @children, map { my $n = $_; child($n + 1, sub { session($sessions[$n]) }) } 0 .. $#sessions;
# A session that hangs ends with a failure, too.
my $died = 0;
local $SIG{ALRM} = sub {
	print "still at work, two minutes after the end:\n",
	  Faults::query(q{SELECT application_name, pid, state, wait_event_type, wait_event, left(query, 200) FROM pg_stat_activity WHERE datname = current_database()}), "\n";
	exit 2;
};
alarm $opt{seconds} + 120;
while (@children)
{
	waitpid $children[0], 0;
	$died++ if $?;
	shift @children;
}
alarm 0;

# ---------------------------------------------------------------- report

my %total;
for my $file (glob "$dir/count.*")
{
	open my $fh, '<', $file or die;
	/^(\d+)\t(.*)/ and $total{$2} += $1 while <$fh>;
}
my %share;	# of the sections, how many the cache had, by server
if ($has_extension)
{
	for my $host ($ENV{PGHOST}, @standbys)
	{
		my $counters = Faults::counters($host);
		my %sum = map { $_ => $counters->{$_} + ($host eq $ENV{PGHOST} ? $total{"counted $_"} // 0 : 0) } qw(local redis builds);
		$share{$host} = 100 * ($sum{local} + $sum{redis}) / ($sum{local} + $sum{redis} + $sum{builds} + 1);
		$total{"counted $_"} += $counters->{$_} for keys %$counters;
		$total{"counted $_ on the standby"} += $counters->{$_} for $host ne $ENV{PGHOST} ? qw(local redis) : ();
	}
}
Faults::end();

my $bad = failures() + $died;
if (!$control)
{
	# What was asked for and not judged may all have been hits.
	my $unjudged = ($total{asked} // 0) - ($total{'read, judged strictly'} // 0) - ($total{'read, judged by section'} // 0);
	my $sections = $opt{profile} eq 'hostile' ? 9 : 6;	# of a context
	my $judged = $skew ? 0 : $total{'counted local'} + $total{'counted redis'} - $sections * $unjudged;
	$total{'hits judged'} = $judged > 0 ? $judged : 0;
	open my $totals, '>>', $opt{totals} or die;
	print $totals "$total{$_}\t$_\n" for keys %total;
	close $totals;
	my $hits = $total{'counted local'} + $total{'counted redis'};
	my $made = 0;
	$made += $total{$_} for grep { /^fault / } keys %total;
	printf "%d answers read, %d sections out of the cache (%s), %d wrong, %d faults\n",
	  $total{reads} // 0, $hits, join(' and ', map { sprintf '%.0f %%', $_ } values %share), $total{mismatches} // 0, $made;
	if ($total{'counted differed'}) { print "the extension's own audits found a difference\n"; $bad++; }
	if ($opt{profile} ne 'skew' && grep { $_ < 2 } values %share) { print "the cache was hardly used\n"; $bad++; }
	# Readers never wait for the extension's tables.
	my @waits = $Session::own_tables ? grep { /reader\S* .*still waiting for AccessShareLock on relation ($Session::own_tables) / }
	  split /\n/, `grep -a 'still waiting for' '$opt{log}'` : ();
	if (@waits) { print "readers waited:\n", map { "$_\n" } @waits; $bad++; }
}
else
{
	printf "%d answers read, %d wrong\n", $total{reads} // 0, $total{mismatches} // 0;
}
if (!$control || !$total{mismatches})
{
	for my $file (glob "$dir/failure.*")
	{
		open my $fh, '<', $file or die;
		print "\n---- failure ----\n", <$fh>;
	}
}
exit($total{mismatches} ? 1 : $bad ? 2 : 0);
