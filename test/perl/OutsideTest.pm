package OutsideTest;

=pod

=head1 NAME

OutsideTest - a real server whose time zone files and libraries' versions a test
says

=head1 SYNOPSIS

  with_outside(sub { $node->start }, zones => $folder, libc => '9.9', icu => 1);

=head1 FUNCTIONS

=over

=item with_outside(sub, zones => undef, libc => undef, icu => undef)

Call the sub; the server that it starts has these (see section/outside.c).

=item has_icu()

Can C<icu> be said?

=item copy_zones()

A new folder with a copy of the server's time zones.

=item put_zone(folder, zone, other zone)

Replace a zone's file by another one's, as packages do: by a rename.

=item settle(folder)

Wait until a server that is started then is certainly younger than all that
was put in the folder.

=back

=cut

use strict;
use warnings;

use ClarifyTest;
use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename;
use File::Copy ();
use PostgreSQL::Test::Utils;

our @EXPORT = qw(with_outside has_icu copy_zones put_zone settle);

my $source = abs_path(dirname(__FILE__) . '/../outside/outside.c');
my ($library, $collation_version, $zones_of);

sub _zones_of
{
	my $configure = `pg_config --configure`;
	my $share = `pg_config --sharedir`;
	chomp $share;
	return $1 if $configure =~ /--with-system-tzdata=([^' ]+)/;
	return "$share/timezone";
}

sub _compile
{
	return if defined $library;
	my $bindir = `pg_config --bindir`;
	chomp $bindir;
	($collation_version) = `nm -D $bindir/postgres` =~ /\b(ucol_getVersion\w*)/;
	$library = PostgreSQL::Test::Utils::tempdir() . '/outside.so';
	$zones_of = _zones_of();
	system_or_bail($ENV{CC} || 'gcc', '-O1', '-fPIC', '-shared',
		($collation_version ? "-DUCOL_GET_VERSION=$collation_version" : ()),
		'-o', $library, $source, '-ldl');
}

sub has_icu { _compile(); return defined $collation_version; }

sub with_outside
{
	my ($sub, %outside) = @_;
	_compile();
	local $ENV{LD_PRELOAD} = join ' ', $ENV{LD_PRELOAD} // (), $library;
	local $ENV{OUTSIDE_ZONES} = $outside{zones} // '';
	local $ENV{OUTSIDE_ZONES_OF} = defined $outside{zones} ? $zones_of : '';
	local $ENV{OUTSIDE_LIBC} = $outside{libc};
	local $ENV{OUTSIDE_ICU} = $outside{icu} // 0;
	delete $ENV{OUTSIDE_LIBC} unless defined $outside{libc};
	return $sub->();
}

sub copy_zones
{
	_compile();
	my $folder = PostgreSQL::Test::Utils::tempdir();
	system_or_bail('cp', '-R', "$zones_of/.", $folder);
	return $folder;
}

sub put_zone
{
	my ($folder, $zone, $other) = @_;
	File::Copy::copy("$folder/$other", "$folder/$zone.new") or die "$other: $!";
	rename "$folder/$zone.new", "$folder/$zone" or die "$zone: $!";
}

sub settle
{
	my $now = time;
	wait_for(sub { time > $now + 2 });
}

1;
