#!/bin/bash
#
# The model of the version protocol: it must find nothing, and it must find each
# of the mistakes in mutations.h.  Needs a C compiler and 300 MB of memory.
#
#   test/model/run.sh            # the model, then each mutation; about a minute
#   test/model/run.sh -a         # and what the invariants do not need; three
#   test/model/run.sh NAME       # one mutation, and how it leads to a wrong answer
#   test/model/run.sh NAME exact # the same, only wrong answers count

set -euo pipefail
cd "$(dirname "$0")"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/clarify_model.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
"${CC:-cc}" -std=c11 -O2 -Wall -Wextra -Werror -Wno-missing-field-initializers \
	-o "$tmp/model" ./*.c
export -n MODEL_SIZES

if [ $# != 0 ] && [ "$1" != -a ]; then
	"$tmp/model" "$@"
	exit
fi

passed=0 failed=0

# Exit code that is wanted, what to call it, arguments of the model.
check() {
	local wanted=$1 name=$2 status=0 result
	shift 2
	"$tmp/model" "$@" >"$tmp/log" 2>&1 || status=$?
	result=$(tail -n 1 "$tmp/log")
	if [ $status = 1 ]; then
		result="$(tail -n 2 "$tmp/log" | sed -n '1s/^ *\([A-Z]*\):.*/\1/p'), $result"
	fi
	if [ $status = "$wanted" ]; then
		printf 'ok      %-22s %s\n' "$name" "$result"
		passed=$((passed + 1))
	else
		printf 'FAILED  %-22s %s\n' "$name" "$result"
		[ $status = 0 ] || cat "$tmp/log"
		failed=$((failed + 1))
	fi
}

check 0 '(nothing mutated)'
for name in $("$tmp/model" -l); do
	case $name in
		-*) [ "${1:-}" != -a ] || check 0 "(${name#-})" "${name#-}" ;;
		*) check 1 "$name" "$name" ;;
	esac
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
