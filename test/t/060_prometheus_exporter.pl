# A real prometheus-postgres-exporter with monitoring/queries.yaml and a role that
# nothing was granted to: each number of the views is in its /metrics, and no other;
# whatever state the cache, Redis and the tables are in, the scrape is well.  And
# monitoring/grafana.json asks for metrics and labels that are there, and for all of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use ExporterTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'prometheus-postgres-exporter is not installed' unless exporter_program();

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis, local => '1MB', conf => <<'CONF');
clarify_cache.breaker_recovery = '1h'
clarify_cache.connect_timeout = '2s'
clarify_cache.command_timeout = '2s'
CONF
$node->safe_psql('postgres', 'CREATE ROLE prometheus LOGIN');

sub as_exporter
{
	my ($ret, $out, $err) = $node->psql('postgres', $_[0], extra_params => [ '-U', 'prometheus' ]);
	return $ret == 0 ? $out : $err;
}

# What the views say, as a superuser sees them, by the names of the metrics.

my @tiers = qw(local redis);
my %of_section = (
	builds => 'builds_total',
	fills => 'fills_total',
	fill_failures => 'fill_failures_total',
	version_mismatches => 'version_mismatches_total',
	corrupt_entries => 'corrupt_entries_total',
	audited => 'audited_total',
	audit_mismatches => 'audit_mismatches_total');
my %of_server = (
	commands => 'redis_commands_total',
	errors => 'redis_errors_total',
	timeouts => 'redis_timeouts_total',
	connects => 'redis_connects_total',
	reconnects => 'redis_reconnects_total',
	breaker_openings => 'breaker_openings_total',
	breaker_failures => 'breaker_failures',
	local_size => 'local_size_bytes',
	local_used => 'local_used_bytes',
	local_entries => 'local_entries',
	local_evictions => 'local_evictions_total');
my %breaker_state = (closed => 0, 'half-open' => 1, open => 2);

sub rows
{
	my ($view) = @_;
	return @{ decode_json($node->safe_psql('postgres', "SELECT json_agg(v) FROM clarify_cache.$view v")) };
}

sub expect_section
{
	my ($row) = @_;
	my $labels = "{datname=\"postgres\",section=\"$row->{section}\"";
	my %e;
	$e{"section_hits_total$labels,tier=\"$_\"}"} = $row->{"${_}_hits"} for @tiers;
	$e{"section_$of_section{$_}$labels}"} = $row->{$_} for keys %of_section;
	$e{"section_build_seconds_total$labels}"} = $row->{build_time} / 1000;
	$e{"section_counted$labels}"} = 1;
	for my $reason (keys %{ $row->{bypass_reasons} })
	{
		my $key = $labels =~ s/,/,reason="$reason",/r;
		$e{"section_bypasses_total$key}"} = $row->{bypass_reasons}{$reason};
	}
	return %e;
}

sub expect_calls
{
	my ($row) = @_;
	my $labels = '{datname="postgres"';
	my @bounds = ((map { $_ / 1000 } @{ $row->{latency_bounds} }), '+Inf');
	my %e = (
		"call_waits_total$labels}" => $row->{waits},
		"call_duration_seconds_sum$labels}" => $row->{call_time} / 1000,
		"call_duration_seconds_count$labels}" => $row->{calls});
	@e{ map { "call_duration_seconds_bucket$labels,le=\"$_\"}" } @bounds } =
	  (@{ $row->{latency_counts} }, $row->{calls});
	return %e;
}

sub expect_server
{
	my ($row) = @_;
	my %e = map { ($of_server{$_} => $row->{$_}) } grep { exists $row->{$_} } keys %of_server;
	return %e unless exists $row->{breaker};
	return (
		%e,
		breaker_state => $breaker_state{ $row->{breaker} },
		redis_configured => defined $row->{redis_address} ? 1 : 0,
		'enabled{datname="postgres"}' => $row->{enabled} ? 1 : 0,
		'preloaded{datname="postgres"}' => $row->{preloaded} ? 1 : 0);
}

sub expected
{
	my %e = (
		(map { expect_section($_) } rows('stats')),
		(map { expect_calls($_) } rows('call_stats')),
		(map { expect_server($_) } rows('redis_stats'), rows('status')),
		(map { ("section_cacheable{datname=\"postgres\",section=\"$_->{section}\"}" => $_->{cacheable} ? 1 : 0) }
			  rows('sections')));
	return { map { ("clarify_cache_$_" => $e{$_} + 0) } keys %e };
}

my $exporter;

sub is_well
{
	my ($metrics, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($metrics->value('pg_exporter_last_scrape_error'), 0, "$name: no scrape error");
	is_deeply([ values %{ $metrics->series('pg_exporter_user_queries_load_error') } ], [0], "$name: the file was read");
	is($exporter->complaints, '', "$name: the exporter complains of nothing");
}

# The scrape, if it shows what the views show.
sub is_shown
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $metrics = $exporter->scrape;
	is_well($metrics, $name);
	is_deeply($metrics->series('clarify_cache_'), expected(), "$name: the numbers of the views, and no others");
	return $metrics;
}

sub of_dreams
{
	my ($metrics, $name, @labels) = @_;
	return $metrics->value("clarify_cache_section_$name", datname => 'postgres', section => 'dreams', @labels);
}

# Some of everything.  A restart forgets the counters and the local tier, not Redis.

context($node, user_id($_)) for 1 .. 3;
my ($patterns) = grep { /\{@{[user_id(3)]}\}:patterns$/ } $redis->entries;
$redis->put($patterns, 'not an entry');
$node->restart;
$node->safe_psql('postgres',
	"SET clarify_cache.enabled = off; UPDATE dreams SET title = title || '!' WHERE user_id = '@{[user_id(2)]}'");
context($node, user_id($_)) for 1 .. 5, 4, 5;
$node->safe_psql('postgres', "SET clarify_cache.audit_rate = 1; SELECT clarify_context('@{[user_id(4)]}')");
$node->safe_psql('postgres', "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT clarify_context('@{[user_id(1)]}')");
$node->safe_psql('postgres', "SET clarify_cache.enabled = off; SELECT clarify_context('@{[user_id(1)]}')") for 1, 2;

$exporter = start_exporter($node, user => 'prometheus');
my $metrics = is_shown('at work');
is(of_dreams($metrics, 'hits_total', tier => 'redis'), 2, 'at work: hits of Redis');
is(of_dreams($metrics, 'hits_total', tier => 'local'), 3, 'at work: hits of the local tier');
is(of_dreams($metrics, 'builds_total'), 6, 'at work: builds');
is(of_dreams($metrics, 'version_mismatches_total'), 1, 'at work: a version mismatch');
is(of_dreams($metrics, 'bypasses_total', reason => 'serializable'), 1, 'at work: a bypass');
is(of_dreams($metrics, 'bypasses_total', reason => 'disabled'), 2, 'at work: two for another reason');
is($metrics->value('clarify_cache_section_corrupt_entries_total', datname => 'postgres', section => 'patterns'), 1,
	'at work: a corrupt entry');
is(of_dreams($metrics, 'audited_total'), 1, 'at work: an audit');
is(of_dreams($metrics, 'audit_mismatches_total'), 0, 'at work: of a right answer');
is($metrics->value('clarify_cache_breaker_state'), 0, 'at work: the breaker is closed');
is($metrics->value('clarify_cache_call_duration_seconds_count', datname => 'postgres'), 11, 'at work: calls');
is($metrics->value('clarify_cache_call_duration_seconds_bucket', datname => 'postgres', le => '+Inf'), 11,
	'at work: all calls are in the histogram');
my @buckets = map { $_->[1] } sort { $a->[0] <=> $b->[0] }
  map { [ $_ =~ /le="(.*?)"/ ? $1 =~ s/\+Inf/9e9/r : die($_), $metrics->series('')->{$_} ] }
  keys %{ $metrics->series('clarify_cache_call_duration_seconds_bucket') };
is_deeply([ sort { $a <=> $b } @buckets ], \@buckets, 'at work: which is cumulative');

# The role.

like(as_exporter('SELECT * FROM clarify_cache.version'), qr/permission denied/, 'the role may not read versions');
like(as_exporter('SELECT * FROM dreams'), qr/permission denied/, 'nor tables');
like(as_exporter('SHOW clarify_cache.redis_url'), qr/permission denied|must be superuser|must have privileges/,
	'nor see redis_url');
$node->safe_psql('postgres', 'GRANT pg_monitor TO prometheus');
is(as_exporter('SHOW clarify_cache.redis_url'), $redis->url, 'which a member of pg_monitor may');
is_shown('as a member of pg_monitor');
$node->safe_psql('postgres', 'REVOKE pg_monitor FROM prometheus');

# Redis dies, and comes back.

$redis->kill9;
context($node, user_id($_)) for 11 .. 14;
$metrics = is_shown('Redis is dead');
is($metrics->value('clarify_cache_breaker_state'), 2, 'Redis is dead: the breaker is open');
is($metrics->value('clarify_cache_breaker_openings_total'), 1, 'Redis is dead: it opened once');
cmp_ok($metrics->value('clarify_cache_redis_errors_total'), '>=', 3, 'Redis is dead: there were errors');

$node->safe_psql('postgres', "ALTER SYSTEM SET clarify_cache.breaker_recovery = '100ms'");
$node->reload;
ok(wait_for(sub { $exporter->scrape->value('clarify_cache_breaker_state') == 1 }),
	'the recovery period is over: half-open');
$redis->start;
$node->safe_psql('postgres', "SELECT clarify_context('@{[user_id(15)]}')");
$metrics = is_shown('Redis is back');
is($metrics->value('clarify_cache_breaker_state'), 0, 'Redis is back: closed');

# Sections that can't be cached, or about which the role can't tell.

$node->safe_psql('postgres', 'ALTER TABLE dreams DISABLE TRIGGER USER');
context($node, user_id(1));
$metrics = is_shown('a hole');
is(of_dreams($metrics, 'cacheable'), 0, 'a hole: the section is not cacheable');
is(of_dreams($metrics, 'bypasses_total', reason => 'hole'), 1, 'a hole: which is the reason of a bypass');
is($metrics->value('clarify_cache_section_cacheable', datname => 'postgres', section => 'patterns'), 1,
	'a hole: another is');
$node->safe_psql('postgres', 'ALTER TABLE dreams ENABLE TRIGGER USER');
$node->safe_psql('postgres', 'SELECT clarify_cache.repair()');
is(of_dreams(is_shown('repaired'), 'cacheable'), 1, 'repaired: the section is cacheable');

my $ddl = open_session($node);
$ddl->query('BEGIN; LOCK TABLE dreams');
$metrics = $exporter->scrape;
is_well($metrics, 'DDL under way');
is(of_dreams($metrics, 'cacheable'), 0, 'DDL under way: the scrape does not wait for it');
$ddl->query('ROLLBACK');
$ddl->close;

$node->safe_psql('postgres', q{
	CREATE SCHEMA hidden;
	CREATE TABLE hidden.notes (user_id uuid, body text);
	SELECT clarify_cache.attach('hidden.notes');
	SELECT clarify_cache.add_section('notes', 'SELECT body FROM hidden.notes WHERE user_id = $1 ORDER BY body')});
my @notes = ('clarify_cache_section_cacheable', datname => 'postgres', section => 'notes');
$metrics = $exporter->scrape;
is_well($metrics, 'a schema without USAGE');
is($metrics->value(@notes), 'NaN', 'a schema without USAGE: who knows');
$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA hidden TO prometheus');
is(is_shown('a schema with USAGE')->value(@notes), 1, 'a schema with USAGE: cacheable');

# The query file, the metrics and the dashboard are about the same.

my %declared = query_file_metrics();
is_deeply($metrics->types('clarify_cache_'), \%declared, 'each column of the query file is a metric of its type');
is_deeply([ grep { (/_total$/ ? 1 : 0) != ($declared{$_} eq 'counter' ? 1 : 0) } keys %declared ],
	[], 'counters, and only they, end in _total');
check_dashboard($metrics, \%declared);

# Another database, for whose sections no counters are left.

sub in_many_databases
{
	$node->safe_psql('postgres', 'CREATE DATABASE full_1');
	$node->safe_psql('full_1', q{
		CREATE EXTENSION clarify_cache;
		CREATE TABLE notes (user_id uuid, body text);
		SELECT clarify_cache.attach('notes');
		SELECT clarify_cache.add_section('notes_' || n, 'SELECT body FROM notes WHERE user_id = $1 ORDER BY body')
		FROM generate_series(1, 64) n});
	$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE full_1") for qw(full_2 full_3 full_4 late);
	$node->safe_psql("full_$_", 'SELECT count(*) FROM clarify_cache.stats') for 1 .. 4;
}

in_many_databases();
is($node->safe_psql('late', 'SELECT count(*), count(builds) FROM clarify_cache.stats'), '64|0', 'no counters are left');
is($node->safe_psql('late', 'SELECT calls IS NULL FROM clarify_cache.call_stats'), 't', 'nor for calls');
$exporter->stop;
$exporter = start_exporter($node, user => 'prometheus',
	args => [ '--auto-discover-databases', '--include-databases=postgres,late' ]);
$metrics = $exporter->scrape;
is_well($metrics, 'two databases');
my %shown = %{ $metrics->series('clarify_cache_') };
my %late = map { $_ => delete $shown{$_} } grep { /datname="late"/ } keys %shown;
is_deeply(\%shown, expected(), 'two databases: of the first, and of the server, as before');
is_deeply(
	\%late,
	{
		'clarify_cache_enabled{datname="late"}' => 1,
		'clarify_cache_preloaded{datname="late"}' => 1,
		map {
			my $labels = "{datname=\"late\",section=\"notes_$_\"}";
			("clarify_cache_section_cacheable$labels" => 1, "clarify_cache_section_counted$labels" => 0)
		} 1 .. 64
	},
	'two databases: of the second, what is known without counters');

$exporter->stop;
$node->stop;
done_testing();

# name => type of all metrics that the query file declares.
sub query_file_metrics
{
	my %type = (COUNTER => 'counter', GAUGE => 'gauge', HISTOGRAM => 'histogram');
	my ($namespace, $column, %metrics);
	for (split /\n/, slurp_file(monitoring_file('queries.yaml')))
	{
		$namespace = $1 if /^(\w+):$/;
		$column = $1 if /^    - (\w+):$/;
		next unless /^        usage: "(\w+)"$/ && $1 ne 'LABEL';
		$metrics{"${namespace}_$column"} = $type{$1};
	}
	return %metrics;
}

# Everything in the dashboard that is a PromQL expression: of each panel's
# targets, and of the variables.
sub check_dashboard
{
	my ($metrics, $declared) = @_;
	my $dashboard = eval { decode_json(slurp_file(monitoring_file('grafana.json'))) };
	ok($dashboard, 'the dashboard is JSON') or return diag $@;
	my @panels = map { ($_, @{ $_->{panels} // [] }) } @{ $dashboard->{panels} };
	my (%ids, %used, @faults);

	$ids{ $_->{id} }++ for @panels;
	is_deeply([ grep { $ids{$_} > 1 } keys %ids ], [], 'ids of panels are unique');
	push @faults, overlaps(@{ $dashboard->{panels} });
	for my $panel (grep { $_->{type} ne 'row' } @panels)
	{
		my @missing = grep { !length($panel->{$_} // '') } qw(title description);
		push @missing, 'unit' unless $panel->{fieldConfig}{defaults}{unit};
		push @missing, 'targets' unless @{ $panel->{targets} };
		push @faults, map { "panel $panel->{id} has no $_" } @missing;
		for my $target (@{ $panel->{targets} })
		{
			my ($used, @wrong) = check_expression($metrics, $target->{expr}, $target->{legendFormat});
			$used{$_} = 1 for @$used;
			push @faults, map { "$panel->{title}: $_" } @wrong;
		}
	}
	for my $variable (grep { $_->{type} eq 'query' } @{ $dashboard->{templating}{list} })
	{
		my ($expression, $label) = $variable->{query}{query} =~ /^label_values\((.*), (\w+)\)$/;
		my ($used, @wrong) = check_expression($metrics, $expression, "{{$label}}");
		push @faults, map { "variable $variable->{name}: $_" } @wrong;
	}
	is_deeply(\@faults, [], 'panels are complete, their metrics and labels exist');
	is_deeply([ grep { !$used{$_} } sort keys %$declared ], [], 'each metric of the query file is in a panel');
}

sub overlaps
{
	my (@panels) = @_;
	my (%taken, @faults);
	for my $panel (@panels)
	{
		my ($x, $y, $w, $h) = @{ $panel->{gridPos} }{qw(x y w h)};
		push @faults, "panel $panel->{id} is too wide" if $x + $w > 24;
		for my $place (map { my $c = $_; map { "$c $_" } $y .. $y + $h - 1 } $x .. $x + $w - 1)
		{
			push @faults, "panel $panel->{id} is over panel $taken{$place}" if $taken{$place};
			$taken{$place} //= $panel->{id};
		}
	}
	return @faults;
}

# The metrics of an expression, histograms by the names they are declared under,
# and what is wrong with it.
sub check_expression
{
	my ($metrics, $expression, $legend) = @_;
	my $rest = $expression =~ s/"(?:[^"\\]|\\.)*"/""/gr;
	my (@used, @faults, %labels, %by);    # labels of each metric; and of by (...)

	while ($rest =~ s/\b(\w+)\s*\{([^{}]*)\}/ /)
	{
		my ($name, $matchers) = ($1, $2);
		my %of_metric = (%{ $metrics->labels($name) // {} }, instance => 1);    # Prometheus adds it
		push @faults, "no metric $name" unless $metrics->labels($name);
		push @faults, map { "$name has no label $_" } grep { !$of_metric{$_} } $matchers =~ /(\w+)\s*[=!]/g;
		$labels{$name} = \%of_metric;
		push @used, $name =~ s/_(?:bucket|sum|count)$//r if $name =~ /_seconds_/;
		push @used, $name;
	}
	push @faults, 'no metric at all' unless @used;
	while ($rest =~ s/\bby\s*\(([^()]*)\)/ /)
	{
		for my $label (split /\s*,\s*/, $1)
		{
			$by{$label} = 1;
			push @faults, map { "$_ has no label $label" } grep { !$labels{$_}{$label} } keys %labels;
		}
	}
	my %left = $rest =~ /\b(?:sum|max|min|count)\b/ ? %by : map { %$_ } values %labels;
	push @faults, map { "the legend has $_, the expression has not" }
	  grep { !$left{$_} } $legend =~ /\{\{(\w+)\}\}/g;
	$rest =~ s/\[\$__rate_interval\]//g;
	push @faults, map { "what is $_ in $expression" }
	  grep { !/^(?:sum|max|min|count|rate|increase|histogram_quantile|clamp_min|vector|or)$/ }
	  $rest =~ /\b([a-zA-Z_]\w*)\b/g;
	return (\@used, @faults);
}
