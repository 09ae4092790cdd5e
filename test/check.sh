#!/bin/bash
#
# Is the cache exact?  Random histories, with faults, hunting a wrong answer.
#
# test/check.sh [--seconds N] [--faults LIST] [--profiles LIST] [--seed S]
#
# A dozen sessions write, read, redefine and maintain at random, few users, so
# that they meet.  Every read compares clarify_context() with plain queries in
# one statement.  Around them Redis and the servers fail (test/check/Faults.pm).
# Each profile runs for a minute at most, in a database of its own, and again
# until the time (default 300 seconds) is over.  Then the same is done to caches
# that are known to be wrong: they must be caught.
#
#	mvcc		writers of every kind, schema changes that are MVCC-safe, rights
#				that change: any difference is wrong, at every isolation level
#	ddl			TRUNCATE, rewrites, partitions that come and go with rows as
#				well.  What such a change may look like from an older snapshot,
#				test/check/Session.pm says
#	standby		a hot standby on the same Redis, and readers on both; it is
#				promoted while the old primary lives on
#	fleet		three standbys that the primary does not know of, one behind
#				another, and tables rewritten: what they read and the cache's own
#	hostile		owners of attached tables whose code runs when others plan
#	skew		SERIALIZABLE transactions that keep an invariant only if reads
#				through the cache count in conflicts
#	failures	as mvcc, with errors at random calls of the server (test/failures);
#				only if asked for, as it takes a build of its own
#
# --faults: all (default), none, or names, with commas.  Prints what was checked,
# served by which tier, the errors, and a wrong answer with its history.  Fails on a wrong answer,
# an error that no plain query would have raised, a deadlock over the extension's
# tables, a crash of its own, more serialization failures than without the cache,
# a cache that was hardly used, and a control that was not caught.  --seed
# repeats the choices, though not the timing.

# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
enter "$@"

seconds=300
seed=$((RANDOM * 32768 + RANDOM))
faults=all
profiles=mvcc,ddl,standby,fleet,hostile,skew
usage() { die "usage: check.sh [--seconds N] [--faults LIST] [--profiles LIST] [--seed S]"; }
while [ $# -gt 0 ]; do
	[ $# -gt 1 ] || usage
	case $1 in
		--seconds) seconds=$2 ;;
		--faults) faults=$2 ;;
		--profiles) profiles=$2 ;;
		--seed) seed=$2 ;;
		*) usage ;;
	esac
	shift 2
done
for number in "$seconds" "$seed"; do
	case $number in '' | 0?* | *[!0-9]*) usage ;; esac
done
if [ "$seconds" = 0 ] || [ -z "$profiles" ]; then usage; fi
IFS=, read -r -a profiles <<<"$profiles"
check_dir=$source_dir/test/check

all_faults=$(perl -I"$check_dir" -MFaults -e 'print join ",", Faults::names()')
case $faults in
	all) faults=$all_faults ;;
	none) faults= ;;
esac
for fault in ${faults//,/ }; do
	[[ ,$all_faults, == *,$fault,* ]] || die "no fault is named $fault; there are: $all_faults"
done

passed=0
failed=0
totals=$tmp/totals
: >"$totals"

# Those a profile can have: where there is no standby, none is promoted.
faults_of() {
	local names=()
	for fault in ${faults//,/ }; do
		case $fault in lag | promote) [ "$1" = standby ] || continue ;; esac
		names+=("$fault")
	done
	(IFS=,; echo "${names[*]}")
}

# The standbys of a profile: name, whom it follows, and what it is configured with.
standbys_of() {
	case $1 in
		standby) echo "standby $tmp hot_standby_feedback=on max_standby_streaming_delay=2s" ;;
		fleet)
			echo "standby $tmp max_standby_streaming_delay=30s"
			echo "standby_lagging $tmp max_standby_streaming_delay=30s"
			echo "standby_behind $tmp/standby_socket max_standby_streaming_delay=30s"
			;;
	esac
}

start_standbys() {
	local name upstream conf
	rm -rf "$tmp/backup"
	pg_basebackup -D "$tmp/backup" -R -c fast -X stream
	while read -r name upstream conf; do
		rm -rf "${tmp:?}/$name"
		cp -R "$tmp/backup" "$tmp/$name"
		mkdir -p "$tmp/${name}_socket"
		{
			echo "unix_socket_directories = '$tmp/${name}_socket'"
			echo "primary_conninfo = 'host=$upstream user=postgres'"
			echo "wal_retrieve_retry_interval = '200ms'"
			tr ' ' '\n' <<<"$conf"
		} >>"$tmp/$name/postgresql.auto.conf"
		pg_ctl -D "$tmp/$name" -l "$tmp/$name.log" -w -s start ||
			{ cat "$tmp/$name.log"; die "a standby did not start"; }
	done < <(standbys_of "$1")
}

# Neither a crash nor a failed assertion is told to the session that caused it.
# Signal 9 and its consequences are a fault's; a COPY's program ends with a cancel.
crashed() {
	local expected='was terminated by signal 9: Killed|exited with exit code 2$'
	[[ ,$faults, == *,sigkill,* || ,$faults, == *,crash,* ]] || expected='^$'
	grep -a -h -E 'PANIC:|TRAP:|was terminated by signal|exited with exit code [^01]' \
		"$tmp/postgres.log" "$tmp"/standby*.log 2>/dev/null | grep -a -v -E "$expected|  child process was"
}

# Of the run before.
drop_database() {
	psql -XAtq -d postgres -c "SELECT format('ROLLBACK PREPARED %L;', gid) FROM pg_prepared_xacts WHERE database = 'check'" >"$tmp/prepared.sql"
	[ ! -s "$tmp/prepared.sql" ] || psql -Xq -d check -f "$tmp/prepared.sql"
	dropdb --if-exists --force check 2>>"$tmp/drop.log" || { cat "$tmp/drop.log"; die "the database could not be dropped"; }
}

# A profile, with the extension or a control in its place, for some seconds, and
# with a local tier of so many kB.
run_profile() {
	local profile=$1 cache=$2 seconds=$3 local_kb=$4 dir status=0 name standbys=() with=
	number=$((number + 1))
	dir=$tmp/$number.$profile
	[ "$cache" != extension ] || with=$(faults_of "$profile")
	export PGDATABASE=check
	drop_database
	psql -q -d postgres -c "ALTER SYSTEM SET clarify_cache.local_cache_size = $local_kb"
	# Counters have a slot for each database until a restart.
	pg_ctl -D "$tmp/pg" -l "$tmp/postgres.log" -w -s restart
	: >"$tmp/postgres.log"
	rm -f "$tmp"/standby*.log
	createdb check
	[ -z "$(standbys_of "$profile")" ] || start_standbys "$profile"
	for name in $(standbys_of "$profile" | cut -d ' ' -f 1); do
		standbys+=(--standby "$tmp/${name}_socket")
	done
	run perl "$check_dir/check.pl" --profile "$profile" --cache "$cache" --seconds "$seconds" \
		--seed $((seed + 1000 * number)) --faults "$with" --dir "$dir" --log "$tmp/postgres.log" \
		--totals "$totals" --calm $(((number - 1) / ${#profiles[@]} % 2)) "${standbys[@]}" || status=$?
	for name in $(standbys_of "$profile" | cut -d ' ' -f 1); do
		pg_ctl -D "$tmp/$name" -m immediate -w -s stop
	done
	! crashed || status=3
	[ -n "${CLARIFY_KEEP:-}" ] || rm -rf "$dir"
	return $status
}

# One line each, in the form that counts.
result() {
	local status=$1
	shift
	if [ "$status" = 0 ]; then
		passed=$((passed + 1))
		echo "ok - $*"
	else
		failed=$((failed + 1))
		echo "not ok - $*"
	fi
}

say "building with $("$PG_CONFIG" --version)"
# shellcheck disable=SC2119	# our arguments are not for make
build
if [[ " ${profiles[*]} " == *" failures "* ]]; then
	# shellcheck source=test/failures/build.sh
	. test/failures/build.sh
	build_failing
fi
start_postgres <<-CONF
	shared_preload_libraries = 'clarify_cache'
	clarify_cache.redis_url = '$(redis_url)'
	clarify_cache.breaker_recovery = '100ms'
	clarify_cache.command_timeout = '100ms'	# so that a busy machine reads Redis, too
	clarify_cache.max_tracked_keys = 3
	clarify_cache.audit_rate = 0.05
	max_prepared_transactions = 30
	synchronous_commit = off
	autovacuum_naptime = '1s'
	lock_timeout = '2s'
	deadlock_timeout = '100ms'
	log_lock_waits = on
	jit = off
	log_statement = all
	log_line_prefix = '%m [%p] %a %x '
CONF

number=0
start=$SECONDS
# Twice round, at least: once busy, once calm.
share=$((seconds / ${#profiles[@]} / 2))
[ $share -le 60 ] || share=60
[ $share -ge 5 ] || share=5
# In turn, a local tier with room for all, for some, and none, so that Redis is asked.
sizes=(65536 256 0)
declare -A bad=() ran=()
while [ $((SECONDS - start)) -lt "$seconds" ] && [ ${#bad[@]} = 0 ]; do
	for profile in "${profiles[@]}"; do
		[ $((SECONDS - start)) -lt "$seconds" ] || [ -z "${ran[$profile]:-}" ] || break
		size=${sizes[(number + seed) % 3]}
		say "$profile: $share seconds, seed $seed, run $((number + 1)), local tier of $size kB"
		ran[$profile]=1
		run_profile "$profile" extension $share "$size" || { bad[$profile]=1; break; }
	done
done
elapsed=$((SECONDS - start))

say "controls: caches that are wrong"
createdb store
psql -q -d store -c 'CREATE UNLOGGED TABLE entries (key text PRIMARY KEY, value text NOT NULL)'
declare -A caught=()
for control in mvcc/deletes/0 guests/deletes/0 skew/deletes/0 fleet/versions/0 hostile/poisoned/0 mvcc/blind/65536 mvcc/blind/0 ddl/blind/65536; do
	IFS=/ read -r profile cache size <<<"$control"
	# On a busy machine little happens in that time.
	for _ in 1 2 3; do
		psql -q -d store -c 'TRUNCATE entries'
		status=0
		run_profile "$profile" "$cache" 20 "$size" || status=$?
		[ $status != 1 ] || { caught[$control]=1; break; }
	done
done

say "result: seed $seed, $number runs, $elapsed seconds without the controls"
enough=0
perl "$check_dir/report.pl" "$totals" || enough=1
for profile in "${!ran[@]}"; do
	result "${bad[$profile]:-0}" "$profile: no wrong answer, no error of the cache's making"
done
result $enough 'enough was checked, and serialization fails no more often than without the cache'
control() { result $((1 - ${caught[$1]:-0})) "control: $2 is caught"; }
control mvcc/deletes/0 'a cache whose keys triggers delete'
control guests/deletes/0 'a cache that asks for no privileges'
control skew/deletes/0 'a cache whose reads take no part in conflicts'
control fleet/versions/0 'a cache that trusts versions whose table was rewritten'
control hostile/poisoned/0 'a cache that builds with the settings of others'
control mvcc/blind/65536 'an outdated entry of the local tier'
control mvcc/blind/0 'an outdated entry of Redis'
control ddl/blind/65536 'an outdated entry beside changes that are not MVCC-safe'
printf '\n%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]
