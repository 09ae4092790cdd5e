#!/bin/bash
#
# Run the tests: test/run.sh [regress|isolation|tap [name...]|layers|check|failures]
#
# CLARIFY_KEEP=1 keeps the folder with all logs.  PG_CONFIG chooses the server.
# CLARIFY_SANITIZE=1 runs them under ASan and UBSan, see sanitizers.sh.
# COPT has more flags for the compiler; then warnings are no errors.

# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=test/sanitizers.sh
. "$(dirname "$0")/sanitizers.sh"

passed=0
failed=0

# Run a command, its output to the terminal and to a file.
logged() {
	local log=$1
	shift
	# shellcheck disable=SC2016	# the inner shell expands
	run bash -c 'set -o pipefail; log=$1; shift; "$@" 2>&1 | tee "$log"' - "$log" "$@"
}

count() { grep -a -c -E "$@" || true; }

# Add to the totals; a run that failed without a failed test counts as one.
add() {
	local status=$1 ok=$2 bad=$3
	[ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
	passed=$((passed + ok))
	failed=$((failed + bad))
	[ "$bad" = 0 ]
}

# Run one part of installcheck: the make variables that leave out the others,
# then ours with the names that were asked for, if any.
installcheck() {
	logged "$log" make -s installcheck with_llvm=no "$@"
}

# pg_regress stops at a test without an expected file; let it fail and go on.
expect_something() {
	local test expected
	for test in "$1"/*."$2"; do
		expected=$(basename "$test" ".$2").out
		[ -e "$3/$expected" ] || [ ! -e "$test" ] || : >"$3/$expected"
	done
}

# Settings that a restart brings into force.  After a crash the server may
# still be in recovery.
set_and_restart() {
	for _ in {1..300}; do
		! pg_isready -q || break
		sleep 0.2
	done
	psql -X -q -d postgres "$@" </dev/null
	pg_ctl -D "$tmp/pg" -l "$tmp/postgres.log" -w -s restart
}

# The regress and isolation tests run twice, with entries in Redis alone and in
# the local tier alone.  Whichever it is, they are to be found, or not, by the
# same callers, so the expected output is the same; but UNLINK takes away from
# Redis what some callers with an older snapshot could still have had, and for
# that test/isolation/expected_local has what differs.  These regress tests are
# about Redis.
needs_redis=(settings)

in_tier() {
	case $1 in
		redis)
			set_and_restart -c 'ALTER SYSTEM SET clarify_cache.local_cache_size = 0'
			;;
		local)
			set_and_restart -c 'ALTER SYSTEM RESET clarify_cache.local_cache_size' \
				-c "ALTER SYSTEM SET clarify_cache.redis_url = ''"
			cp test/isolation/expected_local/* test/isolation/expected/
			;;
	esac
}

run_regress() {
	local log=$tmp/regress_$tier.log status=0 name tests=()
	expect_something sql sql expected
	[ $# != 0 ] || set -- $(basename -s .sql sql/*.sql)
	for name in "$@"; do
		[ "$tier" = redis ] || [[ " ${needs_redis[*]} " != *" $name "* ]] || continue
		tests+=("$name")
	done
	say "regression tests, entries in: $tier"
	installcheck ISOLATION= TAP_TESTS= "REGRESS=${tests[*]}" || status=$?
	add_regress $status || cat regression.diffs 2>/dev/null || tail -n 50 "$tmp/postgres.log"
}

run_isolation() {
	local log=$tmp/isolation_$tier.log status=0
	expect_something test/isolation/specs spec test/isolation/expected
	[ $# = 0 ] || set -- "ISOLATION=$*"
	say "isolation tests, entries in: $tier"
	installcheck REGRESS= TAP_TESTS= "$@" || status=$?
	add_regress $status || cat output_iso/regression.diffs 2>/dev/null ||
		tail -n 50 "$tmp/postgres.log"
}

# Up to PostgreSQL 15 "test a ... ok", from 16 on "ok 1 - a".
add_regress() {
	add "$1" "$(count '^test .* \.\.\. ok|^ok [0-9]+ ' "$log")" \
		"$(count '^test .* \.\.\. (FAILED|failed)|^not ok [0-9]+ ' "$log")"
}

run_tap() {
	local log=$tmp/tap.log status=0 ok bad name
	[ $# = 0 ] || set -- "PROVE_TESTS=$(printf 'test/t/%s.pl ' "${@%.pl}")"
	CLARIFY_REDIS_SERVER=$(command -v redis-server)
	CLARIFY_POSTGRES_EXPORTER=$(command -v prometheus-postgres-exporter)
	export CLARIFY_REDIS_SERVER CLARIFY_POSTGRES_EXPORTER
	installcheck REGRESS= ISOLATION= "$@" PROVE_FLAGS='-j2 --timer' || status=$?

	# The tests' own logs have every result; prove names the files that ended
	# badly without one.
	cat /dev/null tmp_check/log/regress_log_* >"$tmp/results" 2>/dev/null || true
	ok=$(count '^(\[.*\]\(.*\) )?ok [0-9]+' "$tmp/results")
	bad=$(grep -a -v '# TODO' "$tmp/results" | count '^(\[.*\]\(.*\) )?not ok [0-9]+')
	bad=$((bad + $(count '\(Wstat: .* Failed: 0\)' "$log")))
	add $status "$ok" "$bad" && return

	while read -r name; do
		say "the end of the log of $name"
		tail -n 60 "tmp_check/log/regress_log_$name" || true
	done < <(sed -n 's,^test/t/\(.*\)\.pl *(Wstat.*,\1,p' "$log")
}

# The whole of it is one test.
run_layers() {
	say "who uses what in src/"
	if bash test/layers.sh; then add 0 1 0; else add 1 0 1 || true; fi
}

# A folder and servers of its own.
run_check() {
	local log=$tmp/check.log status=0
	say "random histories, with faults"
	logged "$log" env -u CLARIFY_TMP PG_CONFIG="$server_config" \
		bash test/check.sh --seconds 120 || status=$?
	add $status "$(count '^ok - ' "$log")" "$(count '^not ok - ' "$log")"
}

run_failures() {
	local log=$tmp/failures.log status=0 ok bad
	say "injected failures"
	logged "$log" env -u CLARIFY_TMP PG_CONFIG="$server_config" \
		bash test/failures/run.sh || status=$?
	read -r ok bad < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log") || true
	add $status "${ok:-0}" "${bad:-0}"
}

suite=${1:-all}
case $suite in
	all | regress | isolation | tap | layers | check | failures) ;;
	*) die "usage: $0 [regress|isolation|tap [name...]|layers|check|failures]" ;;
esac
case $suite in
	all | tap) programs=(prometheus-postgres-exporter) ;;
esac
enter "$@"
[ $# = 0 ] || shift

if [ "$suite" = all ] || [ "$suite" = layers ]; then
	run_layers
fi
server_config=$PG_CONFIG
say "building with $("$PG_CONFIG" --version)"
if [ -z "$CLARIFY_SANITIZE" ]; then
	build WERROR="$([ -n "${COPT:-}" ] || echo 1)"
else
	build_sanitized
fi

if [ "$suite" = all ] || [ "$suite" = regress ] || [ "$suite" = isolation ]; then
	say "starting PostgreSQL and Redis"
	start_redis
	start_postgres <<-CONF
		shared_preload_libraries = 'clarify_cache'
		clarify_cache.redis_url = '$(redis_url)'
		wal_level = logical
		max_prepared_transactions = 10
		autovacuum = off	# it takes locks, and invalidates, when it likes
		statement_timeout = '5min'	# so that a test that hangs ends
	CONF
	for tier in redis local; do
		in_tier $tier
		[ "$suite" = isolation ] || run_regress "$@"
		[ "$suite" = regress ] || run_isolation "$@"
	done
fi
if [ "$suite" = all ] || [ "$suite" = tap ]; then
	say "TAP tests"
	run_tap "$@"
fi
if [ "$suite" = all ] || [ "$suite" = check ]; then
	run_check
fi
if [ "$suite" = all ] || [ "$suite" = failures ]; then
	run_failures
fi

[ -z "$CLARIFY_SANITIZE" ] || add_findings
printf '\n%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]
