# A proxy that delays what it passes on, and cuts connections.
#
#	proxy.pl --listen ADDRESS --to ADDRESS [--delay ms[-ms]] [--cut p]
#
# An address is a socket's path or 127.0.0.1:port.  Each piece of data, in either
# direction, arrives the delay later, random within a range, and never before an
# earlier one.  With --cut, each piece is with probability p cut somewhere in
# its middle and the last of its connection.  Prints "ready" once it listens.

use strict;
use warnings;

use Getopt::Long;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

my ($listen, $to, $delay, $cut) = ('', '', '0', 0);
GetOptions('listen=s' => \$listen, 'to=s' => \$to, 'delay=s' => \$delay, 'cut=f' => \$cut)
  or die "usage: proxy.pl --listen ADDRESS --to ADDRESS [--delay ms[-ms]] [--cut p]\n";
my ($least, $most) = $delay =~ /^([\d.]+)(?:-([\d.]+))?$/ or die "--delay takes ms or ms-ms\n";
$most //= $least;
$SIG{PIPE} = 'IGNORE';

# Linux lets an ordinary process sleep 50 us longer than it asks for.
if (open my $slack, '>', '/proc/self/timerslack_ns') { print $slack 1; }

sub open_socket
{
	my ($address, $server) = @_;
	my $socket;
	if ($address =~ m{^/})
	{
		unlink $address if $server;
		$socket = IO::Socket::UNIX->new($server ? (Local => $address, Listen => 50) : (Peer => $address));
	}
	else
	{
		$socket = IO::Socket::INET->new($server ? (LocalAddr => $address, Listen => 50, ReuseAddr => 1)
			: (PeerAddr => $address, Timeout => 2));
		setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1 if $socket && !$server;
	}
	$socket->blocking(0) if $socket;
	return $socket;
}

my $server = open_socket($listen, 1) or die "cannot listen at $listen: $!\n";
my $readers = IO::Select->new($server);
my %peer;	# by file number: the other end
my %queue;	# by file number: pieces for it, as [when, data, last?]

sub accept_one
{
	my $client = $server->accept or return;
	my $upstream = open_socket($to) or do { close $client; return; };
	$client->blocking(0);
	setsockopt $client, IPPROTO_TCP, TCP_NODELAY, 1 unless $listen =~ m{^/};
	$peer{ fileno $client } = $upstream;
	$peer{ fileno $upstream } = $client;
	$readers->add($client, $upstream);
}

sub close_both
{
	my ($socket) = @_;
	my $other = $peer{ fileno $socket } or return;
	for ($socket, $other)
	{
		$readers->remove($_);
		delete $peer{ fileno $_ };
		delete $queue{ fileno $_ };
	}
	close $_ for $socket, $other;
}

# Take what one end has sent, for the other end later.
sub receive
{
	my ($socket) = @_;
	my $other = $peer{ fileno $socket } or return;
	my $got = sysread $socket, my $data, 65536;
	return if !defined $got && $!{EAGAIN};
	my $last = !$got;
	if ($got && $cut && rand() < $cut)
	{
		$data = substr $data, 0, int rand length $data;
		$last = 1;
	}
	my $queue = $queue{ fileno $other } //= [];
	# rand(0) is rand(1)
	my $when = time + ($least + ($most > $least ? rand($most - $least) : 0)) / 1000;
	$when = $queue->[-1][0] if @$queue && $queue->[-1][0] > $when;
	push @$queue, [ $when, $data // '', $last, $other ];
	$readers->remove($socket) if $last;
}

# Give what is due; the seconds until the next is, if there is one.
sub deliver
{
	my $wait;
	for my $fd (keys %queue)
	{
		while (my $queue = $queue{$fd})
		{
			my ($when, $data, $last, $socket) = @{ $queue->[0] // last };
			my $left = $when - time;
			if ($left > 0)
			{
				$wait = $left if !defined $wait || $left < $wait;
				last;
			}
			my $sent = length $data ? syswrite $socket, $data : 0;
			$sent = 0 if !defined $sent && $!{EAGAIN};
			if (!defined $sent || ($last && $sent == length $data)) { close_both($socket); last; }
			if ($sent < length $data)
			{
				$queue->[0][1] = substr $data, $sent;
				$wait = 0.001 if !defined $wait || 0.001 < $wait;
				last;
			}
			shift @$queue;
		}
	}
	return $wait;
}

$| = 1;
print "ready\n";
while (1)
{
	my $wait = deliver();
	for my $socket ($readers->can_read($wait))
	{
		if ($socket == $server) { accept_one(); }
		else { receive($socket); }
	}
}
