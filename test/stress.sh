#!/bin/bash
#
# Random concurrency, hunting wrong answers.
#
# test/stress.sh [seconds [profile...]]: runs each profile (default: mvcc ddl
# standby) for that long (default 300), with a dozen sessions that write, read,
# redefine and maintain at random (stress.pl), few users, so that they meet, and
# a Redis that is killed, frozen, emptied, restarted with old data and lied to.
# Every look compares clarify_context() with plain queries in one statement.
# Fails on a wrong answer, an error that no plain query would have raised, a
# deadlock over the extension's tables, a crash, and if the cache was hardly
# used.  All errors are counted.  Not part of run.sh: it is as long as its
# patience, and what it finds depends on luck.  STRESS_SEED repeats the choices,
# though not the timing.
#
#	mvcc		writers of every kind and schema changes that are MVCC-safe:
#				any difference is wrong, at every isolation level
#	ddl			TRUNCATE, rewrites, partitions that come and go with rows as
#				well.  What such a change may look like from an older snapshot,
#				stress.pl says
#	standby		mvcc, with a hot standby on the same Redis, and readers on both

# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
STRESS_SEED=${STRESS_SEED:-}
if [ "$source_dir" != "${CLARIFY_TMP:-}/src" ] && [ -n "$STRESS_SEED" ]; then
	set -- "${1:-300}" "${@:2}" "seed=$STRESS_SEED"	# through lib.sh's clean environment
fi
enter "$@"

seconds=300
seed=$((RANDOM * 32768 + RANDOM))
profiles=()
for arg in "$@"; do
	case $arg in
		seed=*) seed=${arg#seed=} ;;
		mvcc | ddl | standby) profiles+=("$arg") ;;
		*[!0-9]* | '') die "usage: stress.sh [seconds [mvcc|ddl|standby...]]" ;;
		*) seconds=$arg ;;
	esac
done
[ ${#profiles[@]} -gt 0 ] || profiles=(mvcc ddl standby)

# --------------------------------------------------------- a Redis in trouble

redis() { redis-cli -s "$tmp/redis.sock" "$@" >>"$tmp/chaos.log" 2>&1 || true; }

# The server as it was when "old" was saved.
restart_redis_with_old_data() {
	local pid
	pid=$(cat "$tmp/main.redis.pid")
	kill -KILL "$pid"
	while works_here "$pid"; do sleep 0.01; done
	rm -f "$tmp/main.redis.pid" "$tmp/redis.sock" "$tmp/dump.rdb"
	[ ! -e "$tmp/old.rdb" ] || cp "$tmp/old.rdb" "$tmp/dump.rdb"
	start_redis
}

freeze_redis() {
	local pid
	pid=$(cat "$tmp/main.redis.pid")
	kill -STOP "$pid"
	sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
	kill -CONT "$pid"
}

# One user's entry under another's key, or one section's under another's.
swap_keys() {
	local from to
	from=$(redis-cli -s "$tmp/redis.sock" RANDOMKEY 2>/dev/null) || return 0
	to=$(redis-cli -s "$tmp/redis.sock" RANDOMKEY 2>/dev/null) || return 0
	[ -z "$from" ] || [ -z "$to" ] || redis COPY "$from" "$to" REPLACE
}

trouble_redis() {
	while [ ! -e "$tmp/calm" ]; do
		sleep "0.$((RANDOM % 8 + 1))"
		case $((RANDOM % 12)) in
			0) redis FLUSHALL ;;
			1 | 2) redis CLIENT KILL TYPE normal ;;
			3) freeze_redis ;;
			4) redis SAVE && cp "$tmp/dump.rdb" "$tmp/old.rdb" ;;
			5) restart_redis_with_old_data ;;
			6 | 7 | 8) swap_keys ;;
		esac
	done
}

# ------------------------------------------------------------------- servers

start_standby() {
	pg_basebackup -D "$tmp/standby" -R -c fast -X stream
	mkdir -p "$tmp/standby_socket"
	{
		echo "unix_socket_directories = '$tmp/standby_socket'"
		echo "hot_standby_feedback = on"
		echo "max_standby_streaming_delay = '2s'"
	} >>"$tmp/standby/postgresql.conf"
	pg_ctl -D "$tmp/standby" -l "$tmp/standby.log" -w -s start ||
		{ cat "$tmp/standby.log"; die "the standby did not start"; }
}

say "building with $("$PG_CONFIG" --version)"
# shellcheck disable=SC2119	# our arguments are not for make
build
start_redis
start_postgres <<-CONF
	shared_preload_libraries = 'clarify_cache'
	clarify_cache.redis_url = '$(redis_url)'
	clarify_cache.breaker_recovery = '100ms'
	clarify_cache.max_tracked_keys = 3
	max_prepared_transactions = 30
	synchronous_commit = off
	autovacuum_naptime = '1s'
	lock_timeout = '2s'
	deadlock_timeout = '100ms'
	log_lock_waits = on
	log_statement = all
	log_line_prefix = '%m [%p] %a %x '
CONF

# ----------------------------------------------------------------------- run

status=0
for profile in "${profiles[@]}"; do
	say "$profile: $seconds seconds, seed $seed"
	createdb "$profile"
	export PGDATABASE=$profile
	redis FLUSHALL
	standby=()
	if [ "$profile" = standby ]; then
		start_standby
		standby=(--standby "$tmp/standby_socket")
	fi
	rm -f "$tmp/calm"
	trouble_redis &
	trouble=$!
	run perl "$source_dir/test/stress.pl" --profile "$profile" --seconds "$seconds" \
		--seed "$seed" --dir "$tmp/$profile" --log "$tmp/postgres.log" "${standby[@]}" || status=1
	: >"$tmp/calm"
	wait "$trouble" || die "Redis did not survive its troubles"
	[ ${#standby[@]} = 0 ] || pg_ctl -D "$tmp/standby" -m fast -w -s stop
	export PGDATABASE=postgres
done

# Neither a crash nor a failed assertion is told to the session that caused it.
if grep -a -h -E 'PANIC:|TRAP:|was terminated by signal|exited with exit code [^01]' \
	"$tmp/postgres.log" "$tmp/standby.log" 2>/dev/null; then
	status=1
fi
[ "$status" = 0 ] || die "failed"
