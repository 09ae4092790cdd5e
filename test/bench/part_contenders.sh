# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317,SC2329	# of and for common.sh; called by name
#
# All ways to a context that there are, one beside the other: contexts of 6 kB,
# 1,000 people, by 1, 8 and 64 clients.

measure_contenders() {
	local id
	say "contenders"
	start_memcached
	restart_with "$(preload)"
	load_people contenders 1000 6
	load_people turns 1000 6	# where messages are added
	[ -n "$memcached_absent" ] || memcached_fill contenders
	if node_is_set_up; then
		node_fill contenders
		node_fill turns
	fi
	write_keys contenders

	for id in memcached_tcp memcached_unix; do
		[ -z "$memcached_absent" ] || absent contenders "${name_of[$id]}" "$memcached_absent"
	done
	for id in node_bare node_five node_get node_mget node_turn_get node_cache node_turn_cache; do
		[ -z "$node_absent" ] || absent contenders "${name_of[$id]}" "$node_absent"
	done
	interleave "$rounds" contenders_local contenders_redis
	[ -z "$pgpool_absent" ] || absent contenders pgpool-II "$pgpool_absent"
	remark contenders 'finished row: as it was made. To be kept fresh it takes triggers on all five tables that build it again in each writer, and writers of one person then wait for each other.'
	remark contenders 'pgmemcache: as it was filled. Its own README has triggers that delete; they do so before the commit, and after a rollback all the same.'
	remark contenders 'pgpool-II: a view, which it caches only if told so, and then until it expires: it does not see changes of the tables below.'
	remark contenders 'Node.js: ioredis GETs: the application deletes keys after its own writes; writes by others, and reads between a write and its delete, are not seen to.'
	remark contenders 'Node.js: its client takes longer than pgbench, so compare its rows with each other. They end with an object, the others with text.'
	contenders_goals
	sql -c 'DROP DATABASE contenders' -c 'DROP DATABASE turns'
}

# Those that need no local_cache_size = 0.
contenders_local() {
	local round=$1 clients ids=(bare bytes five pipeline view sql plpgsql finished off local miss_local)
	[ -n "$memcached_absent" ] || ids+=(memcached_tcp memcached_unix)
	[ -n "$node_absent" ] || ids+=(node_bare node_five node_get node_mget node_cache)
	restart_with "$(preload)"
	warm contenders
	warm turns
	start_pgpool
	[ -n "$pgpool_absent" ] || ids+=(pgpool pgpool_five)
	for clients in 1 8 64; do
		contenders_by "$clients" "$round" "${ids[@]}"
	done
	ids=(turn turn_plpgsql)
	[ -n "$node_absent" ] || ids+=(node_turn_get node_turn_cache)
	in_turn "$round" "${ids[@]/#/contenders_turn }"
	stop_pgpool

	# In a loop in the server, without a client.
	in_server contenders local "SELECT mean_us('context', 100, 20)"
	in_server contenders off "SELECT mean_us('context', 100, 20)" -c 'SET clarify_cache.enabled = off'
	in_server contenders 'PL/pgSQL function' "SELECT mean_us('by hand', 100, 20)"
	in_turn "$round" 'contenders_turn_in_server turn' 'contenders_turn_in_server turn_off' \
		'contenders_turn_in_server turn_plpgsql'
}

contenders_redis() {
	local round=$1 clients
	restart_with "$(redis_only)"
	warm contenders
	for clients in 1 8 64; do
		contenders_by "$clients" "$round" redis_unix redis_tcp miss miss_plpgsql
	done
	contenders_batch
	warm contenders
	contenders_raw
	in_server contenders 'miss' 'CALL mean_miss_us(100, 5, 0)'
}

contenders_by() {
	local clients=$1 round=$2
	shift 2
	local ids=("$@")
	in_turn "$round" "${ids[@]/#/contenders_one $clients }"
}

contenders_one() {
	local clients=$1 id=$2 scale="$1 clients"
	[ "$clients" != 1 ] || scale='1 client'
	case $id in
		miss | miss_plpgsql) set_redis_url "$(redis_url)" ;;
		redis_unix) set_redis_url "$(redis_url)" && warm contenders ;;
		redis_tcp) set_redis_url "redis://127.0.0.1:$redis_port" && warm contenders ;;
		local | node_cache) warm contenders ;;
	esac
	case $id in
		pgpool*) contend_pgpool "$scale" "$clients" "$id" ;;
		*) contend contenders "$scale" "$clients" contenders "$id" ;;
	esac
	if [ "$id $clients" = 'miss 1' ]; then
		miss_period=$(pgbench_mean 2)
	fi
}

contenders_turn() {
	# Each turn leaves a dead row of the same session; autovacuum is off.
	sql -d turns -c 'VACUUM clarify_sessions, clarify_messages, clarify_cache.version'
	warm turns
	contend contenders '1 client' 1 turns "$1"
}

contenders_turn_in_server() {
	local name=${name_of[$1]}
	sql -d turns -c 'VACUUM clarify_sessions, clarify_messages, clarify_cache.version'
	case $1 in
		turn) in_server turns "$name" "CALL mean_turn_us('context', 100, 5, 0)" ;;
		turn_off) in_server turns "$name" "CALL mean_turn_us('context', 100, 5, 0)" -c 'SET clarify_cache.enabled = off' ;;
		turn_plpgsql) in_server turns "$name" "CALL mean_turn_us('by hand', 100, 5, 0)" ;;
	esac
}

# A hit, and what a raw MGET takes: one after the other, as often as the hits, and
# as often as a client's misses wake Redis (for the removal, and for the MGET).
contenders_raw() {
	local scale='loop of 100 people' hit
	hit=$(sql -d contenders -c "SELECT mean_us('context', 100, 20)")
	record contenders "${name_of[redis_unix]}" "$scale" 'in the server' us "$hit"
	record contenders "${name_of[mget]}" "$scale" 'in the server' us "$("$tmp/mget" "$tmp/redis.sock" 20 <"$tmp/keys")"
	record contenders "${name_of[mget_paced]}" "$scale" 'in the server' us "$("$tmp/mget" "$tmp/redis.sock" 20 "$hit" <"$tmp/keys")"
	record contenders "${name_of[mget_missed]}" "$scale" 'in the server' us "$("$tmp/mget" "$tmp/redis.sock" 20 "$miss_period" <"$tmp/keys")"
}

in_server() {
	local database=$1 name=$2 call=$3
	shift 3
	record contenders "$name" 'loop of 100 people' 'in the server' us "$(sql -d "$database" "$@" -c "$call")"
}

# A hundred contexts by one call.
contenders_batch() {
	local name=${name_of[redis_unix]} before
	set_redis_url "$(redis_url)"
	warm contenders
	before=$(sources contenders)
	record contenders "$name" '1 client' 'a hundred contexts by one call' us "$(latency 1 "$seconds" \
		"SELECT * FROM clarify_contexts((SELECT array_agg(md5('user ' || n)::uuid) FROM generate_series(1, 100) n));" contenders)"
	record contenders "$name" '1 client' 'as named' % "$(share_of redis "$before $(sources contenders)")"
}

# ---------------------------------------------------------------- pgpool-II

# With its own cache of results in shared memory.  It caches a view only if told
# so, and then knows nothing of changes of the view's tables.
pgpool_absent=
pgpool_dir=$tmp/pgpool
start_pgpool() {
	local i
	if ! command -v pgpool >/dev/null; then
		pgpool_absent='pgpool-II is not installed'
		return
	fi
	mkdir -p "$pgpool_dir/oid"
	pgpool_port=$(free_port)
	: >"$pgpool_dir/pcp.conf"
	: >"$pgpool_dir/pool_hba.conf"
	cat >"$pgpool_dir/pgpool.conf" <<-CONF
		backend_clustering_mode = 'raw'
		backend_hostname0 = '$tmp'
		backend_port0 = 5432
		backend_flag0 = 'DISALLOW_TO_FAILOVER'
		listen_addresses = ''
		port = $pgpool_port
		socket_dir = '$pgpool_dir'
		pcp_listen_addresses = ''
		pcp_port = $(free_port)
		pcp_socket_dir = '$pgpool_dir'
		wd_ipc_socket_dir = '$pgpool_dir'
		pid_file_name = '$pgpool_dir/pgpool.pid'
		logdir = '$pgpool_dir'
		pool_passwd = ''
		sr_check_period = 0
		num_init_children = 70
		max_pool = 1
		memory_cache_enabled = on
		memqcache_method = 'shmem'
		memqcache_oiddir = '$pgpool_dir/oid'
		cache_safe_memqcache_table_list = 'contexts'
	CONF
	pgpool -n -f "$pgpool_dir/pgpool.conf" -F "$pgpool_dir/pcp.conf" -a "$pgpool_dir/pool_hba.conf" \
		>"$pgpool_dir/pgpool.log" 2>&1 &
	echo $! >"$tmp/pgpool.daemon.pid"
	disown
	for ((i = 0; i < 200; i++)); do
		! sql -h "$pgpool_dir" -p "$pgpool_port" -d contenders -U app -c 'SELECT 1' >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	tail -n 5 "$pgpool_dir/pgpool.log" >&2
	pgpool_absent='pgpool-II did not start'
}

stop_pgpool() {
	local pid
	[ -e "$tmp/pgpool.daemon.pid" ] || return 0
	pid=$(cat "$tmp/pgpool.daemon.pid")
	kill -INT "$pid" 2>/dev/null || true
	while works_here "$pid"; do sleep 0.05; done
	rm "$tmp/pgpool.daemon.pid"
}

# Hits, and SELECTs that were none, so far.
pgpool_counts() {
	sql -h "$pgpool_dir" -p "$pgpool_port" -d contenders -U app -F ' ' -c 'SHOW POOL_CACHE' |
		tr -d '\0' | head -n 1 | cut -d ' ' -f 1,2
}

# It knows a result by the text of the statement and its parameters.
pgpool_fill() {
	printf '\\set n :n + 1\n%s\n' "$1" >"$tmp/fill.sql"
	pgbench -n -M prepared -U app -h "$pgpool_dir" -p "$pgpool_port" -D n=0 -t "$people" -f "$tmp/fill.sql" contenders \
		>"$tmp/pgbench.log" 2>&1 || die "pgbench failed by way of pgpool: $(tail -n 3 "$tmp/pgbench.log")"
}

pgpool_five_absent=
contend_pgpool() {
	local scale=$1 clients=$2 id=$3 script="SELECT context FROM contexts WHERE user_id = $person;" before value share
	if [ "$id" = pgpool_five ]; then
		[ -z "$pgpool_five_absent" ] || return 0
		script=$five_queries
	fi
	local via=("$script" contenders -h "$pgpool_dir" -p "$pgpool_port")
	pgpool_fill "$script"
	before=$(pgpool_counts)
	value=$(latency "$clients" "$seconds" "${via[@]}")
	share=$(echo "$before $(pgpool_counts)" |
		awk '{ hits = $3 - $1; all = hits + $4 - $2; printf "%.3f\n", all ? 100 * hits / all : 0 }')
	if [ "$id" = pgpool_five ] && [ "$share" = 0.000 ]; then
		pgpool_five_absent="none of its results came from the cache: it caches no tables with row-level security"
		absent contenders "${name_of[pgpool_five]}" "$pgpool_five_absent"
		return
	fi
	record contenders "${name_of[$id]}" "$scale" latency us "$value"
	record contenders "${name_of[$id]}" "$scale" 'as named' % "$share"
}

# ---------------------------------------------------------------- goals

contenders_goals() {
	local id bare='[contenders|bare|1 client|latency]' clients
	one() { echo "[contenders|${name_of[$1]}|1 client|latency]"; }
	beyond() { echo "($(one "$1") - $bare)"; }
	server() { echo "[contenders|$1|loop of 100 people|in the server]"; }
	ratio_goal() { goal "$1" "$2" "$3" x "$4 / $5"; }

	goal 'local hit, beyond bare' '<=' 18 us "$(beyond local)"
	ratio_goal 'PL/pgSQL function / local hit, beyond bare' '>=' 12 "$(beyond plpgsql)" "$(beyond local)"
	ratio_goal 'PL/pgSQL function / local hit, without a client' '>=' 12 "$(server 'PL/pgSQL function')" "$(server local)"
	for id in five pipeline view sql plpgsql finished memcached_tcp memcached_unix pgpool; do
		ratio_goal "local hit / ${name_of[$id]}" '<' 1 "$(one local)" "$(one "$id")"
	done
	for id in node_five node_get node_mget; do
		ratio_goal "local hit from Node.js / ${name_of[$id]}" '<' 1 "$(one node_cache)" "$(one "$id")"
	done
	goal 'Redis hit, beyond a raw MGET (both without a client)' '<=' 30 us \
		"$(server "${name_of[redis_unix]}") - $(server "${name_of[mget]}")"
	goal 'the same, the MGET as often as the hits, and polled' '<=' 30 us \
		"$(server "${name_of[redis_unix]}") - $(server "${name_of[mget_paced]}")"
	for id in unix tcp; do
		ratio_goal "Redis hit / pgmemcache ($id)" '<' 1 "$(one redis_$id)" "$(one memcached_$id)"
	done
	goal 'miss, beyond bare and 1.25 x PL/pgSQL function and a raw MGET' '<=' 0 us \
		"$(beyond miss) - 1.25 * $(beyond plpgsql) - $(server "${name_of[mget]}")"
	goal 'miss, beyond bare and 1.25 x PL/pgSQL function (after a change) and a raw MGET as often' '<=' 0 us \
		"$(beyond miss) - 1.25 * $(beyond miss_plpgsql) - $(server "${name_of[mget_missed]}")"
	ratio_goal 'off / PL/pgSQL function, beyond bare' '<=' 1.10 "$(beyond off)" "$(beyond plpgsql)"
	ratio_goal 'off / PL/pgSQL function, without a client' '<=' 1.10 "$(server off)" "$(server 'PL/pgSQL function')"
	ratio_goal 'context after a chat turn / off after one, without a client' '<=' 0.333 \
		"$(server "${name_of[turn]}")" "$(server "${name_of[turn_off]}")"
	for clients in 8 64; do
		ratio_goal "$clients clients: throughput of local hits / of as many bytes" '>=' 0.8 \
			"[contenders|${name_of[bytes]}|$clients clients|latency]" "[contenders|local|$clients clients|latency]"
	done
	goal 'clarify_contexts() of 100 / 100 calls, in Redis' '<=' 0.1 x \
		"[contenders|${name_of[redis_unix]}|1 client|a hundred contexts by one call] / 100 / $(one redis_unix)"
}
