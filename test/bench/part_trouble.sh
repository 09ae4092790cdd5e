# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317,SC2329	# of and for common.sh; called by name
#
# What a caller notices while Redis is in trouble: the latency of each call, of
# eight clients that go on calling while it happens.
#
# One transaction in twenty is a write, so that with a local tier, too, calls
# miss and Redis is asked and told.  The breaker lets somebody try again after a
# second, not after fifteen, so that a run has more than one try.  A Redis that
# is slow is one behind a proxy that delays what it passes on (test/proxy.pl).

trouble_context="SELECT clarify_context($person);"
trouble_write="UPDATE users SET total_reflections = total_reflections + 1 WHERE id = $person;"

signal_redis() { kill "-$1" "$(cat "$tmp/main.redis.pid")"; }
start_it_again() { start_redis --port "$redis_port" --bind 127.0.0.1; }
kill_it() { signal_redis KILL; }
freeze_it() { signal_redis STOP; }
thaw_it() { signal_redis CONT; }

start_proxy() {
	perl test/proxy.pl --listen "$tmp/proxy.sock" --to "$tmp/redis.sock" "$@" >"$tmp/proxy.log" &
	echo $! >"$tmp/proxy.redis.pid"		# so that "leave" finds it
	disown
	until grep -q ready "$tmp/proxy.log"; do sleep 0.02; done
	set_redis_url "unix://$tmp/proxy.sock"
}
stop_proxy() {
	set_redis_url "$(redis_url)"
	kill "$(cat "$tmp/proxy.redis.pid")"
	rm "$tmp/proxy.redis.pid"
}

# Until the breaker is closed, by a call that asks Redis.
breaker_rests() {
	local i
	for ((i = 0; i < 150; i++)); do
		[ "$(sql -d trouble -c "SELECT clarify_cache.invalidate(${person/:n/1})" \
			-c "SELECT clarify_context(${person/:n/1}) IS NOT NULL AND breaker = 'closed' FROM clarify_cache.status" |
			tail -n 1)" != t ] || return 0
		sleep 0.2
	done
	die "the breaker does not close again"
}

# troubled CONTENDER [BEFORE [DURING [AFTER]]]: what is called before eight
# clients start, when they have run for a second, and when they are done.
troubled() {
	local contender=$1 before=${2:-:} during=${3:-:} after=${4:-:} client counters since
	breaker_rests
	warm trouble
	$before
	printf '%s\n%s\n' "$choose" "$trouble_context" >"$tmp/call.sql"
	printf '%s\n%s\n' "$choose" "$trouble_write" >"$tmp/write.sql"
	rm -f "$tmp"/calls.*
	counters=$(trouble_counters)
	PGOPTIONS=${trouble_options:-} pgbench -n -M prepared -U app -D people="$people" -D step="$step" -c 8 -j 2 -T $((1 + 3 * seconds)) \
		-l --log-prefix="$tmp/calls" -f "$tmp/call.sql@19" -f "$tmp/write.sql@1" trouble >"$tmp/troubled.log" 2>&1 &
	client=$!
	sleep 1
	since=$(date +%s.%N)
	$during
	wait "$client" || { cat "$tmp/troubled.log"; die "pgbench failed: $contender"; }
	$after
	record_calls "$contender" call 0 "$since"
	record_calls "$contender" write 1 "$since"
	record_counters "$contender" "$trouble_scale" "$counters $(trouble_counters)"
}

# Of those that ended since then.
record_calls() {
	local contender=$1 name=$2 script=$3 since=$4 figures
	figures=$(cat "$tmp"/calls.* | awk -v script="$script" -v since="$since" \
		'$4 == script && $5 + $6 / 1e6 >= since { print $3 / 1e3 }' | sort -n |
		awk '{ v[NR] = $1 } END { if (NR) print v[int(NR * 0.5 + 0.5)], v[int(NR * 0.99 + 0.99)], v[NR] }')
	# shellcheck disable=SC2086	# words
	set -- $figures
	record trouble "$contender" "$trouble_scale" "$name p50" ms "$1"
	record trouble "$contender" "$trouble_scale" "$name p99" ms "$2"
	record trouble "$contender" "$trouble_scale" "$name slowest" ms "$3"
}

trouble_counters() { sql -d trouble -F ' ' -c 'SELECT timeouts, breaker_openings FROM clarify_cache.redis_stats'; }
record_counters() {
	# shellcheck disable=SC2086	# words
	set -- "$1" "$2" $3
	record trouble "$1" "$2" 'time-outs' times $(($5 - $3))
	record trouble "$1" "$2" 'breaker opened' times $(($6 - $4))
}

trouble_off() { trouble_options='-c clarify_cache.enabled=off' troubled off; }
trouble_none() { troubled 'Redis well'; }
trouble_down() {
	troubled 'Redis killed' : kill_it start_it_again
	record_recovery 'killed and back'
}
trouble_frozen() {
	troubled 'Redis frozen' : freeze_it thaw_it
	record_recovery 'frozen and back'
}
trouble_slow() { troubled 'Redis slow; 10 ms' 'start_proxy --delay 5' : stop_proxy; }
trouble_too_slow() { troubled 'Redis slow; 100 ms' 'start_proxy --delay 50' : stop_proxy; }
trouble_cut() { troubled 'connections cut; 1 %' 'start_proxy --cut 0.01' : stop_proxy; }

# How long until a call has something from Redis again.
record_recovery() {
	local start
	[ "$trouble_tier" = 0 ] || return 0		# else Redis is rarely asked
	start=$(date +%s%N)
	until [ "$(sql -d trouble -c "SELECT clarify_context(${person/:n/1}) IS NULL" \
		-c "SELECT 'redis' = ANY (array_agg(served_from)) FROM clarify_cache.explain(${person/:n/1})" | tail -n 1)" = t ]; do
		sleep 0.02
	done
	record trouble "$1" "$trouble_scale" 'until Redis is used again' ms $((($(date +%s%N) - start) / 1000000))
}

# ---------------------------------------------------- the breaker open

# open_latency CONTENDER SOURCE STATEMENT
open_latency() {
	measured trouble "$1" '1 client; Redis is gone' "$2" trouble latency 1 $((2 * seconds)) "$3" trouble
}
open_bare() { open_latency bare - "SELECT $person;"; }
open_off() { PGOPTIONS='-c clarify_cache.enabled=off' open_latency off bypass "$trouble_context"; }
open_open() {
	[ "$(sql -d trouble -c "SELECT breaker FROM clarify_cache.status")" = open ] || die "the breaker is not open"
	open_latency 'breaker open' build "$trouble_context"
}
open_hand() { open_latency 'PL/pgSQL function' - "SELECT by_hand($person);"; }

measure_open() {
	local i
	say "the breaker open, and the cache off"
	restart_with "clarify_cache.redis_url = '$(redis_url)'
		clarify_cache.local_cache_size = 0
		clarify_cache.breaker_recovery = '1h'"
	kill_it
	for i in 1 2 3 4; do sql -d trouble -c "SELECT clarify_context(${person/:n/$i})" >/dev/null; done
	interleave "$rounds" open_bare open_off open_open open_hand
	start_it_again
	goal 'breaker open / cache off' '<=' 1.05 x \
		'[trouble|breaker open|1 client; Redis is gone|latency] / [trouble|off|1 client; Redis is gone|latency]'
}

# ---------------------------------------------------- frozen, and cancelled

# Eight backends that have never called, five calls each.
frozen_new() {
	local j before jobs=()
	breaker_rests
	: >"$tmp/calls"
	before=$(trouble_counters)
	signal_redis STOP
	for j in {1..8}; do
		for _ in {1..5}; do
			echo "SELECT call_ms(md5('user $j')::uuid);"
		done | psql -X -q -A -t -d trouble >>"$tmp/calls" &
		jobs+=($!)
	done
	wait "${jobs[@]}"
	signal_redis CONT
	record trouble '40 calls of 8 new backends' 'Redis frozen' 'slowest call' ms "$(sort -n "$tmp/calls" | tail -n 1)"
	record_counters '40 calls of 8 new backends' 'Redis frozen' "$before $(trouble_counters)"
}

# One backend that has called, so a build costs next to nothing.
frozen_warm() {
	breaker_rests
	psql -X -q -A -t -d trouble >"$tmp/calls" <<-SQL
		SELECT call_ms(md5('user ' || n)::uuid) FROM generate_series(1, 20) n \g /dev/null
		\\! kill -STOP $(cat "$tmp/main.redis.pid")
		SELECT call_ms(md5('user 1')::uuid);
		SELECT call_ms(md5('user 1')::uuid);
		SELECT call_ms(md5('user 1')::uuid);
		SELECT call_ms(md5('user 1')::uuid);
		\\! kill -CONT $(cat "$tmp/main.redis.pid")
	SQL
	record trouble 'a warm backend; three tries' 'Redis frozen' 'slowest call' ms "$(head -n 3 "$tmp/calls" | sort -n | tail -n 1)"
	record trouble 'a warm backend; then' 'Redis frozen' 'slowest call' ms "$(tail -n 1 "$tmp/calls")"
}

# statement_timeout cancels as a person would, at a time that we know.
frozen_cancel() {
	breaker_rests
	psql -X -q -A -t -d trouble 2>/dev/null >"$tmp/calls" <<-SQL
		SET clarify_cache.command_timeout = '20s';
		SELECT count(clarify_context(md5('user ' || n)::uuid)) FROM generate_series(1, 20) n \g /dev/null
		\\! kill -STOP $(cat "$tmp/main.redis.pid")
		CREATE TEMP TABLE t AS SELECT clock_timestamp() AS at;
		SET statement_timeout = '100ms';
		UPDATE t SET at = clock_timestamp();
		SELECT clarify_context(md5('user 1')::uuid);
		SELECT round(extract(epoch FROM clock_timestamp() - at) * 1e3 - 100, 2) FROM t;
	SQL
	signal_redis CONT
	record trouble 'a cancel; takes effect after' 'Redis frozen' 'slowest call' ms "$(tail -n 1 "$tmp/calls")"
}

measure_frozen() {
	say "a frozen Redis, and a cancel"
	restart_with "clarify_cache.redis_url = '$(redis_url)'
		clarify_cache.local_cache_size = 0
		clarify_cache.command_timeout = '25ms'
		clarify_cache.breaker_recovery = '1s'"
	interleave "$rounds" frozen_new frozen_warm frozen_cancel
	goal 'frozen Redis: a try in a warm backend beyond command_timeout (25 ms)' '<=' 5 ms \
		'[trouble|a warm backend; three tries|Redis frozen|slowest call] - 25'
	goal 'frozen Redis: calls of 40 that waited in vain' '<=' 3 times \
		'[trouble|40 calls of 8 new backends|Redis frozen|time-outs]'
	goal 'frozen Redis: a cancel takes effect after' '<=' 10 ms \
		'[trouble|a cancel; takes effect after|Redis frozen|slowest call]'
}

measure_trouble() {
	say "calls while Redis is in trouble"
	restart_with "clarify_cache.redis_url = '$(redis_url)'"
	load_people trouble 1000 6
	for trouble_tier in 0 64MB; do
		trouble_scale="8 clients; local tier $trouble_tier"
		note "$trouble_scale"
		restart_with "clarify_cache.redis_url = '$(redis_url)'
			clarify_cache.local_cache_size = $trouble_tier
			clarify_cache.command_timeout = '25ms'
			clarify_cache.breaker_recovery = '1s'"
		interleave "$rounds" trouble_off trouble_none trouble_down trouble_frozen trouble_slow trouble_too_slow trouble_cut
	done
	measure_open
	measure_frozen
	restart_with ''
	sql -c 'DROP DATABASE trouble'
}
