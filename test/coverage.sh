#!/bin/bash
#
# Which lines of src/ the tests run: test/coverage.sh [the arguments of run.sh]
#
# Builds with the compiler's counters, runs test/run.sh, prints how many lines,
# branches and functions were run, and which lines were not.  Without arguments
# (so, of the whole suite) it fails below 90 % of the lines.  The README says
# what is not run, and why.

# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"

least=90

# Not optimized, so that each line has code of its own.  The server's headers
# ask for a fortified library, which says each time that it can't be.
COPT='-O0 --coverage -Wno-cpp'
export COPT
programs=(lcov prometheus-postgres-exporter)
enter "$@"

status=0
run bash test/run.sh "$@" || status=$?

# A process adds to the counters when it exits.  Those of one that was killed,
# or ended by an immediate stop, are lost.
say "counting"
trace=$tmp/coverage.info
lcov -q --capture --directory . --no-external --rc lcov_branch_coverage=1 \
	--output-file "$trace.files" 2>"$tmp/lcov.log" || { cat "$tmp/lcov.log"; die "lcov failed"; }
# A header has as many counters as there are files that include it.
lcov -q --add-tracefile "$trace.files" --rc lcov_branch_coverage=1 --output-file "$trace"
lcov --list "$trace" --rc lcov_branch_coverage=1

say "not run"
[ $# = 0 ] || least=0
perl test/uncovered.pl "$trace" "$source_dir" $least || status=1
exit $status
