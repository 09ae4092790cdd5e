package ExporterTest;

=pod

=head1 NAME

ExporterTest - a real prometheus-postgres-exporter, and what it shows

=head1 SYNOPSIS

  plan skip_all => 'no exporter' unless exporter_program();
  my $exporter = start_exporter($node, user => 'prometheus');
  my $metrics = $exporter->scrape;
  is($metrics->value('clarify_cache_breaker_state'), 0, 'closed');

=cut

use strict;
use warnings;

use Cwd qw(abs_path);
use ClarifyTest;
use Exporter 'import';
use File::Basename;
use HTTP::Tiny;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(exporter_program start_exporter monitoring_file);

my $monitoring = abs_path(dirname(__FILE__) . '/../../monitoring');

=over

=item monitoring_file(name)

The path of a file in monitoring/.

=cut

sub monitoring_file { return "$monitoring/$_[0]"; }

=item exporter_program()

$ENV{CLARIFY_POSTGRES_EXPORTER}, else what is in PATH, or undef.

=cut

sub exporter_program
{
	return $ENV{CLARIFY_POSTGRES_EXPORTER} if $ENV{CLARIFY_POSTGRES_EXPORTER};
	my ($found) = grep { -x } map { "$_/prometheus-postgres-exporter" } split /:/, $ENV{PATH};
	return $found;
}

=item start_exporter(node, user => role, db => 'postgres', args => [])

The exporter with monitoring/queries.yaml, connected to the node, listening on
a free port of 127.0.0.1.  It ends with the test, unless that is killed; then
whoever runs the tests finds its pid in the log folder, in *.exporter.pid.

=cut

my @all;

sub start_exporter
{
	my ($node, %opt) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $self = bless { url => "http://127.0.0.1:$port/metrics" }, 'ExporterTest::Process';
	$self->{log} = "$PostgreSQL::Test::Utils::log_path/exporter_$port.log";
	my @argv = (exporter_program(), "--web.listen-address=127.0.0.1:$port",
		'--extend.query-path=' . monitoring_file('queries.yaml'), @{ $opt{args} // [] });
	push @all, $self;

	$self->{pid} = fork // die "fork: $!";
	if (!$self->{pid})
	{
		$ENV{DATA_SOURCE_NAME} = join ' ', 'host=' . $node->host, 'port=' . $node->port,
		  "user=$opt{user}", 'dbname=' . ($opt{db} // 'postgres');
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', $self->{log};
		open STDERR, '>&', \*STDOUT;
		exec @argv or POSIX::_exit(127);
	}
	$self->{pid_file} = "$PostgreSQL::Test::Utils::log_path/$port.exporter.pid";
	PostgreSQL::Test::Utils::append_to_file($self->{pid_file}, "$self->{pid}\n");
	wait_for(sub {
		die "$argv[0] did not start, see $self->{log}" if waitpid($self->{pid}, POSIX::WNOHANG());
		return HTTP::Tiny->new(http_proxy => undef, timeout => 60)->get($self->{url})->{success};
	}, 60) or die "$argv[0] does not answer, see $self->{log}";
	return $self;
}

=back

=head1 METHODS OF THE EXPORTER

=over

=item scrape

What it shows now.  Dies if it shows nothing.

=item complaints

The lines of its log that tell of an error with our metrics.  It logs, and leaves
out, a column that it can make nothing of, and yet says that the scrape was well.
(With metrics of its own it may have trouble: it is older than some servers.)

=item stop

=back

=head1 METHODS OF A SCRAPE

=over

=item value(name, label => value, ...)

Of the one series with exactly these labels, without the exporter's own label
"server"; undef if there is none.

=item series(prefix)

All series whose names begin so, as name{label="value",...} => value.  The value
is a number, or 'NaN'.

=item types(prefix)

The names of the metrics and their types.

=item labels(name)

The names of a metric's labels, as keys of a hash; undef if there is no such metric.
Of a histogram, under the names with _bucket, _sum and _count.

=back

=cut

package ExporterTest::Process;

sub scrape
{
	my ($self) = @_;
	my $response = HTTP::Tiny->new(http_proxy => undef, timeout => 60)->get($self->{url});
	die "no metrics: $response->{status} $response->{content}" unless $response->{success};
	return ExporterTest::Scrape->new($response->{content});
}

sub complaints
{
	my ($self) = @_;
	return join '', grep { /level=(?:warn|error)|err=/ && /\bclarify(?:_cache\w*)?\b(?![.])/ }
	  map { "$_\n" } split /\n/, PostgreSQL::Test::Utils::slurp_file($self->{log});
}

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	kill 'KILL', $pid;
	waitpid $pid, 0;
	unlink $self->{pid_file};
}

# A signal that ends the test at once would leave the exporter behind.
$SIG{$_} = sub { die "ended by a signal\n" } for qw(INT TERM HUP);

END
{
	local $?;
	$_->stop for @all;
}

package ExporterTest::Scrape;

sub new
{
	my ($class, $text) = @_;
	my $self = bless { text => $text, series => {}, types => {}, labels => {} }, $class;
	for (split /\n/, $text)
	{
		$self->{types}{$1} = $2 if /^# TYPE (\S+) (\S+)$/;
		next if /^#/;
		my ($name, $rest, $value) = /^(\w+)(?:\{(.*)\})? (\S+)$/ or die "not a sample: $_";
		my %labels = ($rest // '') =~ /(\w+)="((?:[^"\\]|\\.)*)"/g;
		delete $labels{server};
		$self->{labels}{$name}{$_} = 1 for keys %labels;
		$self->{labels}{$name} //= {};
		$self->{series}{ _key($name, %labels) } = $value eq 'NaN' ? $value : $value + 0;
	}
	return $self;
}

sub _key
{
	my ($name, %labels) = @_;
	return $name unless %labels;
	return "$name\{" . join(',', map { "$_=\"$labels{$_}\"" } sort keys %labels) . '}';
}

sub value { my ($self, @key) = @_; return $self->{series}{ _key(@key) }; }

sub _beginning
{
	my ($hash, $prefix) = @_;
	return { map { $_ => $hash->{$_} } grep { /^\Q$prefix\E/ } keys %$hash };
}

sub series { my ($self, $prefix) = @_; return _beginning($self->{series}, $prefix); }
sub types { my ($self, $prefix) = @_; return _beginning($self->{types}, $prefix); }
sub labels { my ($self, $name) = @_; return $self->{labels}{$name}; }

1;
