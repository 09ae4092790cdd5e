#!/bin/bash
#
# What does an error leave behind, wherever it comes from?
#
# test/failures/run.sh [--all | --seconds N] [--phase NAME] [--only SCENARIO] [--seed S]
#
# Raises an error at one call of the server after the other, in the scenarios of
# sweep.pl, and looks whether the cache is as exact afterwards as before.  In N
# seconds (default 75), from each place in the extension; with --all, each time
# that it is passed.

# shellcheck source=test/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=test/failures/build.sh
. "$(dirname "$0")/build.sh"
enter "$@"

seconds=75
phases=(local redis private)
args=()
usage() { die "usage: run.sh [--all | --seconds N] [--phase NAME] [--only SCENARIO] [--seed S]"; }
while [ $# -gt 0 ]; do
	case $1 in
		--all) args+=(--all); shift; continue ;;
		--seconds) seconds=${2:?} ;;
		--phase) phases=("${2:?}") ;;
		--only | --seed) args+=("$1" "${2:?}") ;;
		*) usage ;;
	esac
	shift 2
done

say "building with $("$PG_CONFIG" --version)"
# shellcheck disable=SC2119	# our arguments are not for make
build
build_failing
start_redis
start_postgres <<-CONF
	shared_preload_libraries = 'clarify_cache'
	clarify_cache.redis_url = '$(redis_url)'
	clarify_cache.command_timeout = '10s'
	clarify_cache.connect_timeout = '10s'
	max_prepared_transactions = 5
	autovacuum = off
	jit = off
	synchronous_commit = off
	log_min_messages = fatal	# there will be errors
CONF

passed=0
failed=0
for phase in "${phases[@]}"; do
	say "$phase"
	case $phase in
		local) ;;	# hits from the local tier, and a Redis beside it
		redis) echo 'clarify_cache.local_cache_size = 0' ;;
		private) printf '%s\n' "shared_preload_libraries = ''" 'clarify_cache.local_cache_size = 4MB' ;;
		*) usage ;;
	esac >>"$tmp/pg/postgresql.conf"
	pg_ctl -D "$tmp/pg" -l "$tmp/postgres.log" -w -s restart
	createdb "$phase"
	export PGDATABASE=$phase
	psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -v people=20 -f test/clarify/schema.sql \
		-f test/clarify/data.sql -f test/clarify/plain.sql
	status=0
	# shellcheck disable=SC2016	# the inner shell expands
	run bash -c 'set -o pipefail; log=$1; shift; "$@" 2>&1 | tee "$log"' - "$tmp/sweep.log" \
		perl test/failures/sweep.pl --phase "$phase" --redis "$tmp/redis.sock" \
		--seconds $((seconds / ${#phases[@]})) "${args[@]}" || status=$?
	read -r ok bad < <(sed -n "s/^$phase: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p" "$tmp/sweep.log") || { ok=0 bad=1; }
	[ $status = 0 ] || [ "$bad" != 0 ] || bad=1
	passed=$((passed + ok))
	failed=$((failed + bad))
	export PGDATABASE=postgres
done
printf '\n%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]
