# A section that reads time zones gives what plain queries give in the same
# session, whichever time zone files the session, the server and other servers
# with the same Redis go by: those that it started with, or those that an update
# put in their place while it ran.
#
# The server's files are this test's own (OutsideTest.pm).  The "update" gives
# Berlin and Vienna the time of Tokyo: nine hours ahead of UTC, not two.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use OutsideTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $redis = start_redis();
my $files = copy_zones();
my $old_files = copy_zones();
settle();

my $primary = with_outside(sub { new_node('primary', redis => $redis, allows_streaming => 1,
	conf => "timezone = 'UTC'\nlog_timezone = 'UTC'\n") }, zones => $files);

# look() says which sections were hits, and whether all agree with plain queries.
my %sections = (
	fixed => q(at AT TIME ZONE 'Europe/Berlin'),
	by_column => q(at AT TIME ZONE zone),
	by_text => q(said::timestamptz),
	abbreviated => q(at AT TIME ZONE 'MSK'),
	in_utc => q(at AT TIME ZONE 'UTC'));
$primary->safe_psql('postgres', q{
	CREATE EXTENSION clarify_cache;
	CREATE TABLE visits (user_id uuid PRIMARY KEY, at timestamptz, zone text, said text);
	SELECT clarify_cache.attach('visits', 'user_id');
	CREATE TABLE plain_sections (section text, query text);
	CREATE FUNCTION plain(person uuid) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		section record;
		shown text;
		parts text[];
	BEGIN
		FOR section IN SELECT * FROM plain_sections ORDER BY section LOOP
			EXECUTE format('SELECT row_to_json(s) FROM (%s) s', section.query) INTO shown USING person;
			parts := parts || format('%s:%s', to_json(section.section), shown);
		END LOOP;
		RETURN format('{%s}', array_to_string(parts, ','));
	END $$;
	CREATE FUNCTION hits() RETURNS jsonb LANGUAGE sql AS
		$$ SELECT jsonb_object_agg(section, redis_hits) FROM clarify_cache.stats $$;
	CREATE FUNCTION look(person uuid) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		before jsonb := hits();
		exact bool;
		found text;
	BEGIN
		-- which of them loads the zones first must not matter; here it is the cache
		exact := clarify_context(person)::text = plain(person);
		SELECT string_agg(key, ' ' ORDER BY key) INTO found FROM jsonb_each(hits())
			WHERE value <> before -> key;
		PERFORM clarify_context(person);
		RETURN format('%s: %s', CASE WHEN exact THEN 'exact' ELSE 'WRONG' END, coalesce(found, 'no hits'));
	END $$;
});
for my $section (sort keys %sections)
{
	my $query = "SELECT $sections{$section} AS x FROM visits WHERE user_id = \$1";
	$primary->safe_psql('postgres', qq{
		SELECT clarify_cache.add_section('$section', '${\ ($query =~ s/'/''/gr)}', '1 hour', true);
		INSERT INTO plain_sections VALUES ('$section', '${\ ($query =~ s/'/''/gr)}')});
}
my ($user, $parisian) = (user_id(1), user_id(2));
$primary->safe_psql('postgres', qq{INSERT INTO visits VALUES
	('$user', '2024-07-01 13:00Z', 'Europe/Vienna', '2024-07-01 13:00 Europe/Vienna'),
	('$parisian', '2024-07-01 13:00Z', 'Europe/Paris', '2024-07-01 13:00 Europe/Paris')});

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);

my $all = 'exact: abbreviated by_column by_text fixed in_utc';
my $reasons = "SELECT string_agg(section || ': ' || reason, E'\\n' ORDER BY section)
	FROM clarify_cache.sections WHERE NOT cacheable";
my $fault = 'The time zone files have changed since the server started, and the query reads '
  . "names of zones from data or abbreviations; restart the server.";
my $faults = join "\n", map { "$_: $fault" } qw(abbreviated by_column by_text);

# With the files that the server started with

is_look($primary, $user, 'exact: no hits', 'the first call builds');
is_look($primary, $user, $all, 'and fills for all sessions');
is($primary->safe_psql('postgres', $reasons), '', 'all sections can be cached');
my $old = open_session($primary);
is($old->look($user), $all, 'a session that has loaded the zones');
my $elsewhere = open_session($primary);
is($elsewhere->look($parisian), 'exact: no hits', 'a session that has loaded some of them');
is($elsewhere->look($parisian), $all, 'and is served');

# They are replaced

put_zone($files, $_, 'Asia/Tokyo') for qw(Europe/Berlin Europe/Vienna);

is($old->look($user), 'exact: fixed in_utc', 'the old session goes by what it has loaded');
is($old->query($reasons), $faults, 'and says why it builds the others');
is($elsewhere->look($user), 'exact: fixed in_utc',
	'a session from before is not served what it would read anew');
is($elsewhere->query($reasons), $faults, 'and says so, too');
is_look($primary, $user, 'exact: in_utc', 'a new session has the new time in Berlin');
like(context($primary, $user), qr/"fixed":\{"x":"2024-07-01T22:00:00"}/, 'nine hours ahead of UTC');
is($primary->safe_psql('postgres', $reasons), $faults, 'new sessions, too, know the others from before');
is_look($primary, $user, 'exact: fixed in_utc', 'the next new session is served what that one built');
is($old->look($user), 'exact: in_utc', 'but the old session is not');
$_->close for $old, $elsewhere;

# The server is started anew

settle();
with_outside(sub { $primary->restart }, zones => $files);
is_look($primary, $user, 'exact: in_utc', 'a restarted server has no use for what the old session built');
is($primary->safe_psql('postgres', $reasons), '', 'all can be cached again');
is_look($primary, $user, $all, 'and is');

# Another server, with the files from before, and the same Redis

with_outside(sub { $standby->start }, zones => $old_files);
$primary->wait_for_catchup('standby', 'replay', $primary->lsn('flush'));
is_look($standby, $user, 'exact: in_utc', 'a standby with other files does not take it');
is_look($standby, $user, $all, 'but has its own');
like(context($standby, $user), qr/"fixed":\{"x":"2024-07-01T15:00:00"}/, 'two hours ahead of UTC');
is_look($primary, $user, 'exact: in_utc', 'which the primary does not take');
$standby->stop;
with_outside(sub { $standby->start }, zones => $files);
is_look($primary, $user, $all, 'the primary has its own again');
is_look($standby, $user, $all, 'which a standby with the same files takes');

# A file that is replaced in the middle of a statement: what is built after that
# is not what the digest of before stands for, so nobody else gets it.

sub fills { return counters($primary, $_[0])->{fills}; }

my ($holder, $builder) = map { open_session($primary) } 1 .. 2;
$primary->safe_psql('postgres', "UPDATE visits SET at = at + '1 hour'");
$holder->query('SELECT pg_advisory_lock(1)');
like($builder->look($parisian), qr/^exact: /, 'a session that knows the sections');
my %before = map { ($_ => fills($_)) } keys %sections;
$builder->send("SELECT clarify_context('$parisian')::text <> '' AND pg_advisory_xact_lock_shared(1) IS NOT NULL"
	. " AND clarify_context('$user')::text <> ''");
ok(wait_for(sub { $primary->safe_psql('postgres',
	q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'}) == 1 }),
	'a statement is between two calls');
put_zone($files, 'Europe/Vienna', 'Europe/Paris');
$holder->query('SELECT pg_advisory_unlock(1)');
is($builder->query('SELECT 1'), lines('t', 1), 'a file was replaced, and it goes on');
is(join(' ', map { "$_: " . (fills($_) - $before{$_}) } sort keys %sections),
	'abbreviated: 0 by_column: 0 by_text: 0 fixed: 1 in_utc: 1', 'but fills no more what names zones in data');
$_->close for $holder, $builder;

$standby->stop;
$primary->stop;
done_testing();
