#!/bin/bash
#
# Figures: what the cache saves and costs, beside what else one could do.
#
# test/bench.sh [--rounds N] [--parts LIST] [--users LIST] [--seconds N] [--out FOLDER]
#
# All of it on private servers, in one run: what is compared is measured in
# turn, round by round (7).  Each part is a file test/bench/part_NAME.sh;
# without --parts all are run.  --users are the scales of the part "users",
# --seconds how long one measurement lasts.  Prints tables, and a table of goals
# with what was measured; raw values, tables and diagrams go to the folder
# (./bench-results).  A figure is only as good as the machine is idle.

# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"

rounds=7
parts=
users=1000,100000,1000000
seconds=1
out=bench-results
given=("$@")
usage() { die "usage: bench.sh [--rounds N] [--parts LIST] [--users LIST] [--seconds N] [--out FOLDER]"; }
while [ $# -gt 0 ]; do
	[ $# -gt 1 ] || usage
	case $1 in
		--rounds) rounds=$2 ;;
		--parts) parts=$2 ;;
		--users) users=$2 ;;
		--seconds) seconds=$2 ;;
		--out) out=$2 ;;
		*) usage ;;
	esac
	shift 2
done
for number in "$rounds" "$seconds" ${users//,/ }; do
	case $number in '' | 0* | *[!0-9]*) usage ;; esac
done
all_parts=
for part in contenders pinned users sizes memory network writers trouble callgrind; do
	[ ! -e "$source_dir/test/bench/part_$part.sh" ] || all_parts+=" $part"
done
parts=${parts:-$all_parts}
for part in ${parts//,/ }; do
	[[ " $all_parts " == *" $part "* ]] || die "no part is named $part; there are:$all_parts"
done

# The copy can't write here: what it has found comes through a pipe.
if [ "$source_dir" != "${CLARIFY_TMP:-}/src" ]; then
	mkdir -p "$out"
	exec 3> >(exec tar -x --no-same-owner -C "$out" 2>/dev/null)
fi
# shellcheck disable=SC2034	# lib.sh reads them
programs=(gnuplot:gnuplot-nox valgrind)
# shellcheck disable=SC2034
optional=(memcached "/usr/share/postgresql/%v/extension/pgmemcache.control:postgresql-%v-pgmemcache"
	/usr/sbin/pgpool:pgpool2 node:nodejs npm)
enter "${given[@]}"
PATH=$PATH:/usr/sbin

results=$tmp/results
mkdir "$results"
# However it ends, so that a run which fails late was not for nothing.
send_results() {
	local status=$?
	set +e
	tar -C "$results" -c . >&3 2>/dev/null
	exec 3>&-
	return $status
}
trap 'send_results; leave' EXIT

# shellcheck source=test/bench/common.sh
. test/bench/common.sh
for part in ${parts//,/ }; do
	# shellcheck disable=SC1090	# one of those above
	. "test/bench/part_$part.sh"
done

start_servers
describe_machine >"$results/machine.txt"
for part in ${parts//,/ }; do
	started=$SECONDS
	"measure_$part"
	note "$part took $((SECONDS - started)) s"
done

say "results"
perl test/bench/report.pl "$results" | tee "$results/report.txt"
perl test/bench/plot.pl "$results"
