package ClarifyLook;

=pod

=head1 NAME

ClarifyLook - what the TAP tests about servers share: is the answer exact, and
where did it come from?

=head1 SYNOPSIS

  load_look($node);                    # once for each database
  is_look($node, user_id(1), BUILT, 'the first call is built');
  is_look($node, user_id(1), HIT, 'the second is served');

=cut

use strict;
use warnings;

use ClarifyTest;
use Exporter 'import';
use IPC::Run ();
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(load_look look is_look served is_served open_session lines HIT BUILT BYPASSED);

# Clarify's context has five sections.
use constant HIT => 'exact: 5 hits, 0 built, 0 bypassed, 0 filled';
use constant BUILT => 'exact: 0 hits, 5 built, 0 bypassed, 5 filled';
use constant BYPASSED => 'exact: 0 hits, 5 built, 5 bypassed, 0 filled';

=over

=item load_look(node, db = 'postgres')

The function look(person): calls clarify_context() and plain_context() in one
statement, and says whether they agree and where the sections came from.  A last
call makes sure that Redis has what was sent, before another session looks.
It needs the extension on its search_path.  And served(person), below.

=cut

sub load_look
{
	my ($node, $db) = @_;
	$node->safe_psql($db // 'postgres', q{
		CREATE FUNCTION look_counters(OUT hits int, OUT builds int, OUT bypasses int, OUT fills int)
		LANGUAGE sql AS $$
			SELECT sum(s.local_hits + s.redis_hits), sum(s.builds), sum(s.bypasses), sum(s.fills)
			FROM clarify_cache.stats s
		$$;
		CREATE FUNCTION look(person uuid, session uuid DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
		DECLARE
			before record;
			after record;
			exact bool;
		BEGIN
			SELECT * INTO before FROM look_counters();
			SELECT clarify_context(person, session)::text IS NOT DISTINCT FROM plain_context(person, session)
				INTO exact;
			SELECT * INTO after FROM look_counters();
			PERFORM clarify_context(person, session);
			RETURN format('%s: %s hits, %s built, %s bypassed, %s filled',
						  CASE WHEN exact THEN 'exact' ELSE 'WRONG' END,
						  after.hits - before.hits, after.builds - before.builds,
						  after.bypasses - before.bypasses, after.fills - before.fills);
		END $$;
		CREATE FUNCTION served_counters(OUT local int, OUT redis int, OUT builds int, OUT corrupt int)
		LANGUAGE sql AS $$
			SELECT sum(local_hits), sum(redis_hits), sum(s.builds), sum(corrupt_entries)
			FROM clarify_cache.stats s
		$$;
		CREATE FUNCTION served(person uuid) RETURNS text LANGUAGE plpgsql AS $$
		DECLARE
			before record;
			after record;
			exact bool;
		BEGIN
			SELECT * INTO before FROM served_counters();
			SELECT clarify_context(person)::text IS NOT DISTINCT FROM plain_context(person) INTO exact;
			SELECT * INTO after FROM served_counters();
			RETURN format('%s: %s local, %s redis, %s built',
						  CASE WHEN exact THEN 'exact' ELSE 'WRONG' END, after.local - before.local,
						  after.redis - before.redis, after.builds - before.builds)
				|| CASE WHEN after.corrupt > before.corrupt
					THEN format(', %s corrupt', after.corrupt - before.corrupt) ELSE '' END;
		END $$;
	});
}

=item look(node, user, db = 'postgres')

What look() says, in a session of its own.

=item is_look(node, user, wanted, test name, db = 'postgres')

Test that it says that.

=cut

sub look
{
	my ($node, $user, $db) = @_;
	return $node->safe_psql($db // 'postgres', "SELECT look('$user')");
}

sub is_look
{
	my ($node, $user, $wanted, $name, $db) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(look($node, $user, $db), $wanted, $name);
}

=item served(node, user, db = 'postgres'), is_served(node, user, wanted, test name, db = 'postgres')

The same of one call only, by tier: "exact: 0 local, 5 redis, 0 built", and
how many entries were not ours, if any.

=cut

sub served
{
	my ($node, $user, $db) = @_;
	return $node->safe_psql($db // 'postgres', "SELECT served('$user')");
}

sub is_served
{
	my ($node, $user, $wanted, $name, $db) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(served($node, $user, $db), $wanted, $name);
}

=item open_session(node, db = 'postgres')

A psql that stays.  Its query(sql) returns what psql prints, errors included;
look(user) and served(user) are as above; send(sql) does not wait for the answer, which the next
query() returns with its own; close() ends it.

=cut

sub open_session { return ClarifyLook::Session->new(@_); }

# Lines of text in one string.
sub lines { return join "\n", @_; }

package ClarifyLook::Session;

my $count = 0;

sub new
{
	my ($class, $node, $db) = @_;
	my $self = bless { in => '', out => '' }, $class;
	$self->{harness} = IPC::Run::start(
		[ 'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr($db // 'postgres') ],
		'<', \$self->{in}, '>', \$self->{out}, '2>&1', IPC::Run::timeout(180));
	$self->query("SET client_min_messages = warning");
	return $self;
}

sub send
{
	my ($self, $sql) = @_;
	$self->{in} .= "$sql;\n";
	$self->{harness}->pump_nb while length $self->{in};
}

sub query
{
	my ($self, $sql) = @_;
	my $marker = 'answer ' . ++$count . ' ends';
	$self->{in} .= ($sql // '') . ";\n\\echo $marker\n";
	# psql ends when the server ends the connection.
	eval { $self->{harness}->pump until $self->{out} =~ /^\Q$marker\E$/m; 1 }
	  or $@ =~ /ended prematurely/
	  or die $@;
	my $answer = $self->{out};
	$self->{out} = '';
	$answer =~ s/\n?^\Q$marker\E\n//m;
	return $answer;
}

sub look { my ($self, $user) = @_; return $self->query("SELECT look('$user')"); }
sub served { my ($self, $user) = @_; return $self->query("SELECT served('$user')"); }

sub close
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	eval { $self->{harness}->finish };
}

=back

=cut

1;
