#!/bin/bash
#
# Measure what the cache costs and saves: test/bench/run.sh [rounds]
#
# Not a test: it prints figures, and judges nothing.  All of it on a private
# PostgreSQL and Redis; what is compared is measured alternately, in as many
# rounds as asked for (5), and the medians are shown.  A figure is only as good
# as the machine is idle.

# shellcheck source=test/lib.sh
. "$(dirname "$0")/../lib.sh"
enter "$@"

rounds=${1:-5}
people=100			# whom the reading measurements ask for
calls=20			# calls for each of them in one round
write_seconds=3		# of one run of pgbench
read_seconds=2		# likewise

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@" </dev/null; }
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
maximum() { sort -n | tail -n 1; }
quotient() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f\n", a / b }'; }
note() { printf '   %s\n' "$*" >&2; }

table=()
row() { table+=("$(printf '%-49s %12s %12s %9s   %s' "$@")"); }

set_redis_url() {
	sql -c "ALTER SYSTEM SET clarify_cache.redis_url = '$1'" -c 'SELECT pg_reload_conf()' >/dev/null
	until [ "$(sql -c 'SHOW clarify_cache.redis_url')" = "$1" ]; do sleep 0.05; done
}

# ------------------------------------------------------------ the two servers

prepare() {
	say "building with $("$PG_CONFIG" --version)"
	# shellcheck disable=SC2119	# our arguments are not for make
	build
	# shellcheck disable=SC2046	# words
	run gcc -O2 -o "$tmp/mget" test/bench/mget.c $(pkg-config --cflags --libs hiredis 2>/dev/null || echo -lhiredis)

	say "starting a private PostgreSQL and Redis"
	start_redis
	start_postgres <<-CONF
		shared_preload_libraries = 'clarify_cache'
		clarify_cache.redis_url = '$(redis_url)'
		clarify_cache.local_cache_size = 0
		max_connections = 200
		synchronous_commit = off
		autovacuum = off
		shared_buffers = 512MB
		max_wal_size = 8GB
		checkpoint_timeout = 1h
	CONF

	say "loading 1,000 people, with the extension and without"
	for database in cached plain; do
		sql -c "CREATE DATABASE $database"
		sql -d "$database" -f test/clarify/schema.sql -f test/clarify/data.sql \
			-f test/clarify/plain.sql -f test/bench/bench.sql -f test/bench/bulk.sql
	done
	sql -d cached -c 'CREATE EXTENSION clarify_cache' -c 'SELECT clarify_cache.setup()' \
		-c "SELECT clarify_cache.attach('bulk')" >/dev/null
	# What expires during a measurement would not be a hit.
	sql -d cached -c "
		CREATE TABLE definition AS SELECT * FROM clarify_cache.section;
		SELECT clarify_cache.drop_section(name) FROM definition ORDER BY ordinal;
		SELECT clarify_cache.add_section(name, query, '1 day', single_row, max_items)
		FROM (SELECT * FROM definition ORDER BY ordinal) d" >/dev/null
	# Contexts of 6 kB, and a table that holds them ready.
	sql -d cached -c "UPDATE dreams SET description = (SELECT left(string_agg(md5(id::text || n), ' '), 780) FROM generate_series(1, 24) n)" \
		-c 'CREATE UNLOGGED TABLE finished (user_id uuid PRIMARY KEY, context json NOT NULL)' \
		-c 'INSERT INTO finished SELECT id, clarify_context(id) FROM users' \
		-c "CREATE ROLE app LOGIN BYPASSRLS" -c 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO app'
	note "a context has $(sql -d cached -c 'SELECT round(avg(octet_length(context::text))) FROM finished') bytes on average"
	sql -d cached -c 'VACUUM ANALYZE' && sql -d plain -c 'VACUUM ANALYZE'
	sql -c CHECKPOINT
}

# ------------------------------------------------------------------- reading

# One line of keys for each person, as clarify_context() asks for them.
write_keys() {
	local instance
	instance=$(sql -d cached -c 'SELECT id FROM clarify_cache.instance')
	sql -d cached -c "
		SELECT string_agg('clarify:$instance:{' || md5('user ' || n)::uuid || '}:' || section, ' ' ORDER BY ordinal)
		FROM generate_series(1, $people) n, clarify_cache.sections GROUP BY n" >"$tmp/keys"
}

measure_hits() {
	local i hits
	say "Redis hits against raw MGETs"
	# Entries must outlive a round; the counters show that they did.
	for ((i = 0; i < rounds; i++)); do
		sql -d cached -c "SELECT clarify_cache.invalidate_all()" >/dev/null
		sql -d cached -c "SELECT mean_us('context', $people, 1)" >/dev/null
		hits=$(sql -d cached -c 'SELECT sum(redis_hits) FROM clarify_cache.stats')
		sql -d cached -c "SELECT mean_us('context', $people, $calls)" >>"$tmp/hit"
		hits=$(($(sql -d cached -c 'SELECT sum(redis_hits) FROM clarify_cache.stats') - hits))
		[ $hits = $((5 * people * (calls + 1))) ] || note "only $hits of $((5 * people * (calls + 1))) were hits"
		"$tmp/mget" "$tmp/redis.sock" "$calls" <"$tmp/keys" >>"$tmp/raw"
	done
	local hit raw
	hit=$(median <"$tmp/hit") raw=$(median <"$tmp/raw")
	row 'Redis hit / raw MGET, us' "$hit" "$raw" \
		"$(awk -v a="$hit" -v b="$raw" 'BEGIN { printf "%+.1f", a - b }')" '<= +30 us'
}

measure_builds() {
	local i build hand
	say "full builds against a hand-written function"
	[ "$(sql -d cached -c "SELECT bool_and(clarify_context(id)::jsonb = by_hand(id)::jsonb) FROM users")" = t ] ||
		die "the hand-written function says something else"
	for ((i = 0; i < rounds; i++)); do
		sql -d cached -c 'SET clarify_cache.enabled = off' \
			-c "SELECT mean_us('context', $people, $calls)" >>"$tmp/build"
		sql -d cached -c "SELECT mean_us('by hand', $people, $calls)" >>"$tmp/hand"
	done
	build=$(median <"$tmp/build") hand=$(median <"$tmp/hand")
	row 'full build (bypass) / hand-written, us' "$build" "$hand" "$(quotient "$build" "$hand")" '<= 1.25'

	for ((i = 0; i < rounds; i++)); do
		sql -d cached -c "CALL mean_miss_us($people, $calls, 0)" >>"$tmp/miss"
	done
	row 'miss: read, build, guard, fill / hand-written, us' "$(median <"$tmp/miss")" "$hand" \
		"$(quotient "$(median <"$tmp/miss")" "$hand")" ''
}

# ------------------------------------------------------------------- writing

tps() { pgbench -n -M prepared -c 1 -T "$write_seconds" -f "$tmp/write.sql" "$1" | sed -n 's/^tps = \([0-9.]*\).*/\1/p'; }

# A round: cached and plain, in alternating order.
measure_writes() {
	local name=$1 i order database rates=$tmp/rates.$1
	echo "\\set n random(1, 1000)
UPDATE users SET total_reflections = total_reflections + 1 WHERE id = md5('user ' || :n)::uuid;" >"$tmp/write.sql"
	: >"$rates"
	for ((i = 0; i < rounds; i++)); do
		declare -A rate=()
		order='cached plain'
		[ $((i % 2)) = 0 ] || order='plain cached'
		for database in $order; do
			sql -d "$database" -c VACUUM
			rate[$database]=$(tps "$database")
		done
		echo "$(quotient "${rate[plain]}" "${rate[cached]}") ${rate[cached]} ${rate[plain]}" >>"$rates"
	done
	row "single-row UPDATE, $name, us" \
		"$(awk '{ print 1e6 / $2 }' "$rates" | median | cut -c 1-6)" \
		"$(awk '{ print 1e6 / $3 }' "$rates" | median | cut -c 1-6)" \
		"$(median <"$rates")" '<= 1.10'
}

# The same number of dead rows in both, so the tables look alike.
bulk_ms() {
	sql -d "$1" -c 'VACUUM bulk' -c 'CHECKPOINT' -c 'CREATE TEMP TABLE t AS SELECT clock_timestamp() AS at' \
		-c 'UPDATE bulk SET n = n + 1' \
		-c 'SELECT round(extract(epoch FROM clock_timestamp() - at) * 1e3) FROM t'
}

measure_bulk() {
	local i order database
	say "UPDATEs of a million rows"
	for ((i = 0; i < rounds; i++)); do
		order='cached plain'
		[ $((i % 2)) = 0 ] || order='plain cached'
		for database in $order; do
			bulk_ms "$database" >>"$tmp/bulk.$database"
		done
		quotient "$(tail -n 1 "$tmp/bulk.cached")" "$(tail -n 1 "$tmp/bulk.plain")" >>"$tmp/bulk"
	done
	row 'UPDATE of a million rows, ms' "$(median <"$tmp/bulk.cached")" "$(median <"$tmp/bulk.plain")" \
		"$(median <"$tmp/bulk")" '<= 1.15'
}

# ------------------------------------------------------------- a frozen Redis

signal_redis() { kill "-$1" "$(cat "$tmp/main.redis.pid")"; }

breaker_rests() {
	until [ "$(sql -d cached -c "SELECT clarify_context(md5('user 1')::uuid) IS NOT NULL AND breaker = 'closed' FROM clarify_cache.status")" = t ]; do
		sleep 0.2
	done
}

measure_frozen() {
	local i tries
	say "a frozen Redis, command_timeout = 25ms, eight backends"
	for ((i = 0; i < rounds; i++)); do
		breaker_rests
		: >"$tmp/calls"
		signal_redis STOP
		for j in {1..8}; do
			for _ in {1..5}; do
				echo "SELECT call_ms(md5('user $j')::uuid);"
			done | psql -X -q -A -t -d cached >>"$tmp/calls" &
		done
		# shellcheck disable=SC2046	# words
		wait $(jobs -p)
		signal_redis CONT
		maximum <"$tmp/calls" >>"$tmp/frozen"
		awk '$1 >= 20' "$tmp/calls" | wc -l >>"$tmp/tries"
	done
	row 'frozen Redis: slowest call, ms' "$(maximum <"$tmp/frozen")" 25 '' '<= 30 + a cold build'
	tries=$(maximum <"$tmp/tries")
	row 'frozen Redis: calls that waited, of 40' "$tries" '' '' '3 tries'

	# One warm backend, so a build costs next to nothing.
	: >"$tmp/calls"
	for ((i = 0; i < rounds; i++)); do
		breaker_rests
		psql -X -q -A -t -d cached >"$tmp/out" <<-SQL
			SELECT call_ms(md5('user ' || n)::uuid) FROM generate_series(1, 20) n \g /dev/null
			\\! kill -STOP $(cat "$tmp/main.redis.pid")
			SELECT call_ms(md5('user 1')::uuid);
			SELECT call_ms(md5('user 1')::uuid);
			SELECT call_ms(md5('user 1')::uuid);
			SELECT call_ms(md5('user 1')::uuid);
			\\! kill -CONT $(cat "$tmp/main.redis.pid")
		SQL
		head -n 3 "$tmp/out" >>"$tmp/calls"
		tail -n 1 "$tmp/out" >>"$tmp/open"
	done
	row 'frozen Redis: a try in a warm backend, ms' "$(median <"$tmp/calls")" 25 \
		"$(awk -v a="$(maximum <"$tmp/calls")" 'BEGIN { printf "%+.1f", a - 25 }')" '<= +5 ms (the slowest)'
	row 'frozen Redis: with the breaker open, ms' "$(median <"$tmp/open")" '' '' ''
}

# statement_timeout cancels as a person would, at a time that we know.
measure_cancel() {
	local i
	say "a cancel during the wait for a frozen Redis"
	for ((i = 0; i < rounds * 4; i++)); do
		breaker_rests
		psql -X -q -A -t -d cached 2>/dev/null <<-SQL | tail -n 1 >>"$tmp/cancel"
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
	done
	row 'cancel takes effect after, ms (and the slowest)' "$(median <"$tmp/cancel")" '' "$(maximum <"$tmp/cancel")" '<= 10 ms'
}

# -------------------------------------------------------------- the local tier

set_local_cache_size() {
	sql -c "ALTER SYSTEM SET clarify_cache.local_cache_size = '$1'" >/dev/null
	pg_ctl -D "$tmp/pg" -l "$tmp/postgres.log" -w -s restart
}

# The latency that a client sees, in us, of a query that may use :n.  The first
# second is left out: backends start, and load catalogs and plans.
latency() {
	local clients=$1 query=$2 seconds=$read_seconds
	[ "$clients" = 1 ] || seconds=$((read_seconds * 4))
	printf '\\set n random(1, 1000)\n%s;\n' "$query" >"$tmp/query.sql"
	pgbench -n -M prepared -U app -c "$clients" -j 2 -P 1 -T $((seconds + 1)) -f "$tmp/query.sql" cached 2>&1 |
		awk -v clients="$clients" '/^progress/ && $2 > 1.5 { sum += $4; n++ }
			END { printf "%.1f\n", clients * 1e6 * n / sum }'
}

bare="SELECT md5('user ' || :n)::uuid"
hit="SELECT clarify_context(md5('user ' || :n)::uuid)"
hand="SELECT by_hand(md5('user ' || :n)::uuid)"
finished="SELECT context FROM finished WHERE user_id = md5('user ' || :n)::uuid"

beyond_bare() { paste -d ' ' "$1" "$tmp/bare" | awk '{ print $1 - $2 }'; }

measure_local() {
	local i
	say "local hits, as a client sees them"
	sql -d cached -U app -c "SELECT count(clarify_context(md5('user ' || n)::uuid)) FROM generate_series(1, 1000) n" >/dev/null
	for ((i = 0; i < rounds; i++)); do
		latency 1 "$bare" >>"$tmp/bare"
		latency 1 "$hit" >>"$tmp/local"
		latency 1 "$hand" >>"$tmp/byhand"
		latency 1 "$finished" >>"$tmp/finished"
	done
	local extra_hit extra_hand extra_finished
	extra_hit=$(beyond_bare "$tmp/local" | median)
	extra_hand=$(beyond_bare "$tmp/byhand" | median)
	extra_finished=$(beyond_bare "$tmp/finished" | median)
	row 'local hit / hand-written, us beyond a bare SELECT' "$extra_hit" "$extra_hand" \
		"$(quotient "$extra_hand" "$extra_hit")" '>= 12'
	row 'local hit / finished row of an unlogged table' "$extra_hit" "$extra_finished" \
		"$(quotient "$extra_hit" "$extra_finished")" '< 1'
}

measure_chat_turn() {
	local i
	say "chat turns: a message, then the context"
	for ((i = 0; i < rounds; i++)); do
		# Each turn leaves a dead row of the same session; autovacuum is off.
		sql -d cached -c 'VACUUM clarify_sessions, clarify_messages, clarify_cache.version'
		sql -d cached -c "CALL mean_turn_us($people, 5, 0)" >>"$tmp/turn"
		sql -d cached -c 'SET clarify_cache.enabled = off' \
			-c "SELECT mean_us('context', $people, $calls)" >>"$tmp/full"
	done
	row 'context after a chat turn / full build, us' "$(median <"$tmp/turn")" "$(median <"$tmp/full")" \
		"$(quotient "$(median <"$tmp/turn")" "$(median <"$tmp/full")")" '<= 0.333'
}

# The same bytes from a bare statement.
measure_clients() {
	local i bytes
	say "64 clients"
	bytes=$(sql -d cached -c "SELECT round(avg(octet_length(context::text))) FROM finished")
	for ((i = 0; i < rounds; i++)); do
		latency 64 "$hit" >>"$tmp/hit64"
		latency 64 "SELECT repeat('x', $bytes), md5('user ' || :n)::uuid" >>"$tmp/bare64"
	done
	row '64 clients: local hit / SELECT of as many bytes, us' "$(median <"$tmp/hit64")" "$(median <"$tmp/bare64")" \
		"$(quotient "$(median <"$tmp/bare64")" "$(median <"$tmp/hit64")")" '>= 0.8 of its throughput'
}

# All in Redis.
measure_batch() {
	local i single batch
	say "a hundred users at once"
	sql -d cached -U app -c "SELECT count(clarify_context(md5('user ' || n)::uuid)) FROM generate_series(1, 1000) n" >/dev/null
	for ((i = 0; i < rounds; i++)); do
		latency 1 "$hit" >>"$tmp/single"
		latency 1 "SELECT * FROM clarify_contexts((SELECT array_agg(md5('user ' || n)::uuid) FROM generate_series(1, 100) n))" >>"$tmp/batch"
	done
	single=$(awk -v a="$(median <"$tmp/single")" 'BEGIN { print 100 * a }') batch=$(median <"$tmp/batch")
	row 'clarify_contexts, 100 in Redis / 100 calls, us' "$batch" "$single" "$(quotient "$batch" "$single")" '<= 0.1'
}

# ----------------------------------------------------------------------- all

prepare
sql -d cached -c "SELECT count(clarify_context(md5('user ' || n)::uuid)) FROM generate_series(1, $people) n" >/dev/null
write_keys
measure_hits
measure_builds
say "writes of single rows"
measure_writes 'with Redis'
set_redis_url ''
measure_writes 'without Redis'
set_redis_url "$(redis_url)"
measure_bulk
sql -c "ALTER SYSTEM SET clarify_cache.breaker_recovery = '1s'" -c 'SELECT pg_reload_conf()' >/dev/null
measure_frozen
measure_cancel
measure_batch
set_local_cache_size 64MB
set_redis_url ''
measure_local
measure_chat_turn
measure_clients

printf '\n%-49s %12s %12s %9s   %s\n' '' 'with cache' 'without' 'ratio' 'wanted'
printf '%s\n' "${table[@]}"
