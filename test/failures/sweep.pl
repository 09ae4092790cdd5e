# The sweep: in each scenario, one point of failure after the other raises; the
# work is rolled back and repeated, and then nothing may be amiss.
#
# sweep.pl --phase NAME --seconds N [--all] [--only SCENARIO] [--seed S]
#
# It expects the test build (build.sh), and a server, found by PGHOST, that is set
# as the phase says (run.sh).  Each error is met in three ways:
#
#	savepoint	ROLLBACK TO a savepoint, the work again, COMMIT
#	block		a PL/pgSQL block catches it, the work again, COMMIT
#	whole		the transaction fails, at its commit perhaps; the same again
#
# Afterwards all people's contexts are compared with plain queries in this session
# and in another one, which has left old entries in the cache; nobody may be trying
# Redis, no setting may be pinned, nothing may have been called where nothing may
# raise; and one more change must be seen by both.
#
# First the points of a scenario are passed without an error, to learn from which
# places in the extension there are any.  With --all, all points are tried.  Else
# one of each place, unless another scenario has; but of a scenario with few
# places, as changes have, one of each in any case.  Then others at random, until
# the scenario's share of the time is over.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use FindBin;
use Getopt::Long;
use IO::Socket::UNIX;
use IPC::Open2;
use List::Util qw(shuffle);
use Time::HiRes qw(sleep time);

my %opt = (seconds => 20, seed => 1 + int rand 1e6);
GetOptions(\%opt, 'phase=s', 'redis=s', 'seconds=i', 'all', 'only=s', 'seed=i') or die;
print "seed $opt{seed}\n";
srand $opt{seed};

use constant PEOPLE => 20;
use constant FEW_PLACES => 20;
sub person { return "md5('user $_[0]')::uuid"; }
my $everybody = 'ARRAY(SELECT md5(\'user \' || n)::uuid FROM generate_series(1, ' . PEOPLE . ') n)';

my $other;		# the other session
my $redis;		# a connection of our own
my $standing;	# what settings are when none is pinned

# --------------------------------------------------------------- sessions

package Psql;

sub new
{
	my ($class, @first) = @_;
	my $self = bless {}, $class;
	$self->{pid} = IPC::Open2::open2($self->{out}, $self->{in}, 'exec psql -XAtq -v VERBOSITY=verbose 2>&1');
	$self->{in}->autoflush(1);
	$self->run(@first) if @first;
	return $self;
}

# What the statements print, as lines; undef if the session has ended.
sub run
{
	my ($self, @statements) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $in = $self->{in};
	my $out = $self->{out};
	print $in join('', map { "$_;\n" } @statements), "\\echo \@done\n";
	my @lines;
	while (defined(my $line = <$out>))
	{
		chomp $line;
		return @lines if $line eq '@done';
		push @lines, $line;
	}
	die "the session has ended:\n" . join("\n", @statements, @lines) . "\n";
}

sub end
{
	my ($self) = @_;
	close $self->{in};
	waitpid $self->{pid}, 0;
}

package main;

# ------------------------------------------------------------------ scenarios

# What is done to make a difference, with a number that is another each time.
my $round = 0;

sub change_dreams { my ($from, $to) = @_; return "UPDATE dreams SET title = 'round $round' WHERE user_id = ANY (ARRAY(SELECT md5('user ' || n)::uuid FROM generate_series($from, $to) n))"; }
sub change_user { my ($n) = @_; return "UPDATE users SET name = 'round $round' WHERE id = " . person($n); }
sub read_one { my ($n) = @_; return 'SELECT length(clarify_context(' . person($n) . ')::text)'; }
sub if_attached { my ($not, $do) = @_; return "SELECT clarify_cache.$do('extra') WHERE $not EXISTS (SELECT FROM clarify_cache.attached_table WHERE table_id = 'extra'::regclass)"; }
my ($attached, $detached) = (if_attached('NOT', 'attach'), if_attached('', 'detach'));
my $read_many = "SELECT count(context) FROM clarify_contexts($everybody)";

# name; phases; work: the statements; and what else there may be:
#	before: statements of the other session, each time before
#	first: statements of the session itself, once
#	fresh: each time in a new session
#	ways: other than all three
#	after: to put things right again
#	settled: 0 if a repetition may rightly fail
my @scenarios = (
	{
		name => 'seventeen users, the last of another table',
		work => sub { change_dreams(1, 16), change_user(17), 'UPDATE reflections SET tone = tone WHERE user_id = ' . person(18), "UPDATE clarify_patterns SET content = 'round $round' WHERE user_id = " . person(19) },
	},
	{
		name => 'twenty users in one statement',
		work => sub { change_dreams(1, 20) },
	},
	{
		name => 'more users than are tracked',
		first => ['SET clarify_cache.max_tracked_keys = 5'],
		work => sub { change_dreams(1, 8), change_user(9) },
	},
	{
		name => 'the first change of a session',
		fresh => 1,
		work => sub { change_dreams(1, 2), change_user(3) },
	},
	{
		name => 'the first call of a session',
		fresh => 1,
		work => sub { read_one(1) },
	},
	{
		name => 'the first call of a session, a miss',
		fresh => 1,
		before => sub { 'SELECT clarify_cache.invalidate(' . person(1) . ')' },
		work => sub { read_one(1) },
	},
	{
		name => 'hits',
		work => sub { read_one(2), read_one(3) },
	},
	{
		name => 'a miss',
		before => sub { 'SELECT clarify_cache.invalidate(' . person(1) . ')' },
		work => sub { read_one(1) },
	},
	{
		name => 'many users, some missed',
		before => sub { 'SELECT clarify_cache.invalidate(' . person(2) . ')', 'SELECT clarify_cache.invalidate(' . person(4) . ')' },
		work => sub { $read_many },
	},
	{
		name => 'a call after a change of its own',
		work => sub { change_dreams(1, 1), read_one(1), read_one(2), change_user(1), read_one(1) },
	},
	{
		name => 'audits',
		first => ['SET clarify_cache.audit_rate = 1'],
		work => sub { read_one(5) },
	},
	{
		name => 'prompts and explanations',
		work => sub { 'SELECT length(clarify_prompt(' . person(6) . '))', 'SELECT count(*) FROM clarify_cache.explain(' . person(6) . ')' },
	},
	{
		name => 'views',
		work => sub { 'SELECT count(*) FROM clarify_cache.status', 'SELECT count(*) FROM clarify_cache.stats', 'SELECT count(*) FROM clarify_cache.sections' },
	},
	{
		name => 'a caller under a policy',
		before => sub { 'SELECT clarify_cache.invalidate(' . person(7) . ')' },
		work => sub { 'SET LOCAL ROLE guest', read_one(7), 'RESET ROLE' },
	},
	{
		name => 'invalidate',
		work => sub { 'SELECT clarify_cache.invalidate(' . person(8) . ')', change_user(8) },
	},
	{
		name => 'invalidate_all',
		work => sub { 'SELECT clarify_cache.invalidate_all()', change_user(8) },
	},
	{
		name => 'compact',
		before => sub { ('BEGIN ISOLATION LEVEL REPEATABLE READ', change_user(9), 'COMMIT') x 2 },
		work => sub { change_user(9), 'SELECT clarify_cache.compact()' },
	},
	{
		name => 'attach',
		before => sub { $detached },
		work => sub { 'SELECT clarify_cache.attach(\'extra\')', 'INSERT INTO extra VALUES (' . person(1) . ", $round)" },
		after => sub { $attached },
	},
	{
		name => 'detach',
		before => sub { $attached },
		work => sub { 'SELECT clarify_cache.detach(\'extra\')', 'INSERT INTO extra VALUES (' . person(1) . ", $round)" },
		after => sub { $attached },
	},
	{
		name => 'sections defined',
		before => sub { $attached },
		work => sub { "SELECT clarify_cache.add_section('extra', 'SELECT n FROM extra WHERE user_id = \$1 ORDER BY n')", read_one(1), 'SELECT clarify_cache.drop_section(\'extra\')' },
	},
	{
		name => 'sections redefined',
		work => sub { "UPDATE clarify_cache.section SET ttl = interval '1 h' + interval '1 s' * $round WHERE name = 'dreams'", read_one(1), read_one(2) },
	},
	{
		name => 'a hole repaired',
		before => sub { 'ALTER TABLE dreams DISABLE TRIGGER ALL', change_dreams(10, 10), 'ALTER TABLE dreams ENABLE TRIGGER ALL' },
		work => sub { 'SELECT clarify_cache.repair()', change_dreams(11, 11) },
		after => sub { 'SELECT clarify_cache.repair()' },
	},
	{
		name => 'a section that can not be built',
		before => sub {
			'DROP TABLE extra', 'CREATE TABLE extra (user_id uuid, n int)', $attached,
			"SELECT clarify_cache.add_section('extra', 'SELECT n FROM extra WHERE user_id = \$1 ORDER BY n')",
			'ALTER TABLE extra DROP COLUMN n'
		},
		work => sub { q(SELECT count(*) FROM clarify_cache.sections WHERE reason <> ''), q(SELECT clarify_cache.drop_section('extra')), 'ALTER TABLE extra ADD COLUMN n int' },
	},
	{
		name => 'columns altered, a table truncated',
		work => sub { 'ALTER TABLE dreams ALTER COLUMN priority TYPE bigint', change_dreams(12, 12), 'ALTER TABLE dreams ALTER COLUMN priority TYPE int', 'TRUNCATE extra' },
	},
	{
		name => 'triggers disabled',
		work => sub { 'ALTER TABLE dreams DISABLE TRIGGER ALL', change_dreams(13, 13), 'ALTER TABLE dreams ENABLE TRIGGER ALL' },
		after => sub { 'SELECT clarify_cache.repair()' },
	},
	{
		name => 'tables dropped',
		before => sub { $attached },
		work => sub { 'DROP TABLE extra', change_user(14), 'CREATE TABLE extra (user_id uuid, n int)' },
		after => sub { $attached },
	},
	{
		name => 'a prepared transaction',
		ways => [qw(savepoint whole)],
		work => sub { change_dreams(1, 16), change_user(17) },
		commit => [ "PREPARE TRANSACTION 'failures'", "COMMIT PREPARED 'failures'" ],
	},
	{
		name => 'REPEATABLE READ',
		begin => 'BEGIN ISOLATION LEVEL REPEATABLE READ',
		ways => [qw(savepoint whole)],
		work => sub { read_one(1), change_dreams(1, 3), read_one(4) },
	},
);

sub prepare_database
{
	my $s = Psql->new;
	my @lines = $s->run(
		'CREATE EXTENSION clarify_cache',
		"\\i $FindBin::RealBin/functions.sql\n",
		'SELECT clarify_cache.setup()',
		'GRANT USAGE ON SCHEMA clarify_cache TO PUBLIC',
		q(UPDATE clarify_cache.section SET ttl = '1 h'),
		'CREATE TABLE extra (user_id uuid, n int)',
		'SELECT clarify_cache.attach(\'extra\')',
		q(CREATE FUNCTION failures.attempt(n bigint, statements text[]) RETURNS text LANGUAGE plpgsql AS $$
			DECLARE
				statement text;
				said text;
			BEGIN
				BEGIN
					PERFORM failures.arm(n);
					FOREACH statement IN ARRAY statements LOOP
						EXECUTE statement;
					END LOOP;
				EXCEPTION WHEN OTHERS THEN
					said := format('ERROR:  %s: %s', SQLSTATE, SQLERRM);
				END;
				IF said IS NULL THEN
					RETURN 'REPORT ' || failures.report();
				END IF;
				said := said || E'\nREPORT ' || failures.report();
				FOREACH statement IN ARRAY statements LOOP
					EXECUTE statement;
				END LOOP;
				RETURN said;
			END $$),
		# A policy whose function has a subtransaction of its own.
		'DO $$ BEGIN CREATE ROLE guest; EXCEPTION WHEN duplicate_object THEN END $$',
		'GRANT SELECT ON users, dreams, clarify_patterns, clarify_sessions, reflections TO guest',
		q(CREATE FUNCTION may_see(text) RETURNS bool LANGUAGE plpgsql STABLE AS $$
			BEGIN
				PERFORM 1 / (length($1) - length($1));
				RETURN false;
			EXCEPTION WHEN division_by_zero THEN
				RETURN true;
			END $$),
		'ALTER TABLE reflections ENABLE ROW LEVEL SECURITY',
		'CREATE POLICY guests ON reflections TO guest USING (may_see(tone))');
	die join "\n", @lines if grep { /ERROR/ } @lines;
	$s->end;
}

# ------------------------------------------------------------------ judging

my ($passed, $failed) = (0, 0);
my @problems;
sub problem { push @problems, @_; }

my @pinned = qw(search_path TimeZone DateStyle IntervalStyle extra_float_digits bytea_output lc_monetary lc_numeric lc_time default_text_search_config
  quote_all_identifiers xmlbinary xmloption array_nulls timezone_abbreviations transform_null_equals standard_conforming_strings gin_fuzzy_search_limit lock_timeout role);
my $settings = 'SELECT concat_ws(\'|\', ' . join(', ', map { "current_setting('$_')" } @pinned) . ')';

# How many of them are not answered as by plain queries?
sub differences
{
	my ($people) = @_;
	return "SELECT 'DIFFERENT ' || count(*) || coalesce(': ' || min(u::text), '') FROM unnest($people) u WHERE clarify_context(u)::text IS DISTINCT FROM plain_context(u)";
}

# By this session and by the other one.  Nobody changes anything meanwhile, so plain
# queries are asked once.
sub compare
{
	my ($when, $s, $people) = @_;
	my @other = $other->run("SELECT count(*) FILTER (WHERE c IS DISTINCT FROM p), md5(string_agg(p, '')), min(u::text) FILTER (WHERE c IS DISTINCT FROM p)
		FROM (SELECT u, clarify_context(u)::text c, plain_context(u) p FROM unnest($people) u OFFSET 0) s");
	return problem("another session$when: ", @other) if $other[0] =~ /ERROR:/;
	my ($different, $plain, $first) = split /\|/, $other[0], 3;
	problem("another session$when: $different answers differ, of $first") if $different ne '0';
	my @this = $s->run("SELECT md5(string_agg(clarify_context(u)::text, '')) FROM unnest($people) u");
	return if $this[0] eq ($plain // '');
	problem("this session$when: ", $s->run(differences($people)));
}

# Errors that are not the injected one; returns whether that is among them.
sub judge_errors
{
	my ($allowed, @lines) = @_;
	my $raised = 0;
	for (grep { /(?:ERROR|FATAL|PANIC|WARNING):/ } @lines)
	{
		if (/injected failure/ && $allowed) { $raised = 1; }
		elsif (/ 25P02: / && $allowed) { }
		else { problem($_); }
	}
	return $raised;
}

# What report() said: points passed, where it raised, tries, findings.
sub judge_report
{
	my ($report) = grep { /^REPORT / } @_;
	return problem('no report'), {} if !$report;
	my ($passed, $where, $tries, $finding) = split /\|/, substr($report, 7), -1;
	problem("tries of Redis under way: $tries") if $tries;
	problem("$finding: called where nothing may raise") if $finding ne '';
	return { passed => $passed, where => $where };
}

my $report = q(SELECT 'REPORT ' || failures.report());

# ------------------------------------------------------------------ one point


# Returns what was reported.
sub by_savepoint
{
	my ($scenario, $s, $n, @work) = @_;
	my $begin = $scenario->{begin} // 'BEGIN';
	my @lines = $s->run($begin, 'SAVEPOINT a', "SELECT failures.arm($n)", @work);
	my $raised = judge_errors(1, @lines);
	my @then = $raised ? $s->run('ROLLBACK TO a', $report, @work) : $s->run($report);
	judge_errors(0, @then);
	judge_errors(0, $s->run(differences('ARRAY[' . person(1) . ']'), @{ $scenario->{commit} // ['COMMIT'] }));
	return judge_report(@then);
}

sub by_block
{
	my ($scenario, $s, $n, @work) = @_;
	my $array = 'ARRAY[' . join(', ', map { my $w = $_; $w =~ s/'/''/g; "'$w'" } @work) . ']';
	my @lines = $s->run('BEGIN', "SELECT failures.attempt($n, $array)", 'COMMIT');
	judge_errors(1, @lines);
	return judge_report(@lines);
}

sub by_whole
{
	my ($scenario, $s, $n, @work) = @_;
	my @commit = @{ $scenario->{commit} // ['COMMIT'] };
	my $begin = $scenario->{begin} // 'BEGIN';
	my @lines = $s->run($begin, "SELECT failures.arm($n)", @work, $commit[0]);
	my $raised = judge_errors(1, @lines);
	my @then = $s->run($report);
	judge_errors(0, @then);
	judge_errors(0, $raised ? $s->run($begin, @work, @commit) : @commit > 1 ? $s->run($commit[1]) : ());
	return judge_report(@then);
}

my %by = (savepoint => \&by_savepoint, block => \&by_block, whole => \&by_whole);

# Is there an entry of the person in Redis?  A writer tells Redis to remove it.
sub is_in_redis
{
	my ($n) = @_;
	my $pattern = '*{' . md5_hex("user $n") =~ s/^(.{8})(.{4})(.{4})(.{4})/$1-$2-$3-$4-/r . '}:user';
	printf $redis "*2\r\n\$4\r\nKEYS\r\n\$%d\r\n%s\r\n", length $pattern, $pattern;
	$redis->flush;
	my ($found) = <$redis> =~ /^\*(\d+)/;
	<$redis> for 1 .. 2 * $found;
	return $found;
}

sub try_point
{
	my ($scenario, $way, $s, $n) = @_;
	@problems = ();
	$round++;
	judge_errors(0, $other->run($scenario->{before}->())) if $scenario->{before};
	$s = Psql->new(@{ $scenario->{first} // [] }) if $scenario->{fresh};

	my $did = $by{$way}->($scenario, $s, $n, $scenario->{work}->());
	judge_errors(0, $s->run($scenario->{after}->())) if $scenario->{after};
	compare('', $s, $everybody);

	# One change more is seen, and Redis told.
	my $n1 = 1 + $round % PEOPLE;
	$s->run("UPDATE users SET name = 'later $round' WHERE id = " . person($n1));
	my $patience = time + 2;
	sleep 0.001 while is_in_redis($n1) && time < $patience;
	problem('Redis was not told to forget the last change') if is_in_redis($n1);
	compare(', later', $s, 'ARRAY[' . person($n1) . ']');
	my ($now) = $s->run($settings);
	problem("settings: $now") if $now ne $standing;
	$s->end if $scenario->{fresh};
	return $did;
}

# ------------------------------------------------------------------ the sweep

# Places, each with its first and last point.
sub places_of
{
	my ($scenario, $way, $s) = @_;
	# Once, so that the session and the cache are as they will be.
	try_point($scenario, $way, $s, 0);
	$round++;
	$other->run($scenario->{before}->()) if $scenario->{before};
	$s = Psql->new(@{ $scenario->{first} // [] }) if $scenario->{fresh};
	my @commit = @{ $scenario->{commit} // ['COMMIT'] };
	my @places = $s->run($scenario->{begin} // 'BEGIN', ($way eq 'savepoint' ? 'SAVEPOINT a' : ()),
		'SELECT failures.arm(-1)', $scenario->{work}->(),
		($way eq 'whole' ? ($commit[0], q(SELECT 'PLACES ' || failures.places()), @commit[ 1 .. $#commit ])
			: (q(SELECT 'PLACES ' || failures.places()), @commit)));
	judge_errors(0, $s->run($scenario->{after}->())) if $scenario->{after};
	$s->end if $scenario->{fresh};
	my ($places) = map { /^PLACES (.*)/ ? $1 : () } @places;
	die "no places:\n" . join("\n", @places) . "\n" if !defined $places;
	my %places;
	$places{$1} = [ $2, $3 ] while $places =~ /(\S+) (\d+) (\d+) /g;
	return %places;
}

my %tried;	# places

sub sweep
{
	my ($scenario, $way, $until) = @_;
	my $s = Psql->new(@{ $scenario->{first} // [] });
	my %places = places_of($scenario, $way, $s);
	my ($last) = (sort { $b <=> $a } map { $_->[1] } values %places)[0] // 0;
	my @fresh = grep { !$tried{$_} || keys %places <= FEW_PLACES } sort keys %places;
	my @n = $opt{all} ? (1 .. $last) : map { $places{$_}[ rand 2 ] } @fresh;
	my $must = @n;
	push @n, shuffle(1 .. $last) if !$opt{all};
	@tried{@fresh} = (1) x @fresh;
	my ($tried, $bad) = (0, 0);
	for my $n (@n)
	{
		last if $tried >= $must && time > $until;
		my $did = try_point($scenario, $way, $s, $n);
		$tried++;
		if (@problems)
		{
			$bad++;
			print "not ok - $scenario->{name}, $way, point $n", $did->{where} ? " at $did->{where}" : '', "\n", map { "\t$_\n" } @problems[ 0 .. ($#problems < 5 ? $#problems : 5) ]
			  if $bad <= 5;
		}
	}
	printf "%-50s %-10s %5d points, %4d places, %5d tried, %d failed\n", $scenario->{name}, $way, $last, scalar keys %places, $tried, $bad;
	$passed += $tried - $bad;
	$failed += $bad;
	$s->end;
}

$| = 1;
$redis = IO::Socket::UNIX->new(Peer => $opt{redis}) // die "no Redis: $!";
print $redis "FLUSHALL\r\n";	# what another phase has left
$redis->flush;
<$redis>;
prepare_database();
$other = Psql->new;
($standing) = $other->run($settings);
my @todo;
for my $scenario (@scenarios)
{
	next if $opt{only} && $scenario->{name} !~ /$opt{only}/;
	push @todo, map { [ $scenario, $_ ] } @{ $scenario->{ways} // [qw(savepoint block whole)] };
}
my $end = time + $opt{seconds};
while (my $next = shift @todo)
{
	sweep(@$next, time + ($end - time) / (1 + @todo));
}
$other->end;
printf "%s: %d passed, %d failed\n", $opt{phase}, $passed, $failed;
exit($failed ? 1 : 0);
