# shellcheck shell=bash
#
# What the parts of test/bench.sh share: servers, people, clients, records.
#
# A part records each value that it measures, one for each round.  Values of
# the same round are compared with each other (report.pl), so that a machine
# that is slower for a while is so for both.

# Of lib.sh and bench.sh.
: "${tmp:?} ${rounds:?} ${seconds:?} ${results:?}"

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@" </dev/null; }
note() { printf '   %s\n' "$*" >&2; }

# ---------------------------------------------------------------- records

echo part,contender,scale,figure,unit,value >"$results/values.csv"
: >"$results/goals.tsv"
: >"$results/notes.tsv"

# record PART CONTENDER SCALE FIGURE UNIT VALUE: one value of one round; no commas.
record() {
	[[ "$1$2$3$4$5" != *,* ]] || die "a comma in a name: $*"
	[[ $6 =~ ^-?[0-9.]+(e[-+]?[0-9]+)?$ ]] || die "not a figure of $1, $2, $3, $4: '$6'"
	(IFS=,; echo "$*" >>"$results/values.csv")
}

# absent PART CONTENDER REASON: it could not be measured; the table says why.
absent() { printf '%s\tnot measured: %s: %s\n' "$@" >>"$results/notes.tsv"; }

# remark PART TEXT: what one should know besides the figures.
remark() { printf '%s\t%s\n' "$@" >>"$results/notes.tsv"; }

# goal TEXT OPERATOR LIMIT UNIT EXPRESSION: one line of the table of goals.  In
# the expression, [part|contender|scale|figure] is the value of a round; it is
# evaluated for each round, and its median is what was measured.
#	goal 'a hit beside a miss' '<=' 0.1 x '[p|hit|6 kB|latency] / [p|miss|6 kB|latency]'
goal() { (IFS=$'\t'; echo "$*" >>"$results/goals.tsv"); }

# in_turn ROUND COMMAND...: A B C, then C B A, B C A, A C B, ... in the rounds;
# each command with the round's number as its last argument.
in_turn() {
	local round=$1 i n
	shift
	local commands=("$@")
	n=$#
	for ((i = 0; i < n; i++)); do
		if [ $((round % 2)) = 0 ]; then
			${commands[(round / 2 + i) % n]} "$round"
		else
			${commands[(round / 2 + 2 * n - 1 - i) % n]} "$round"
		fi
	done
}

interleave() {
	local times=$1 round
	shift
	for ((round = 0; round < times; round++)); do
		in_turn "$round" "$@"
	done
}

# ---------------------------------------------------------------- servers

free_port() {
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

# The settings that all measurements have; restart_with adds to them.
start_servers() {
	say "building with $("$PG_CONFIG" --version)"
	# shellcheck disable=SC2119	# our arguments are not for make
	build
	# shellcheck disable=SC2046	# words
	run gcc -O2 -o "$tmp/mget" test/bench/mget.c $(pkg-config --cflags --libs hiredis 2>/dev/null || echo -lhiredis)

	say "starting a private PostgreSQL and Redis"
	redis_port=$(free_port)
	start_redis --port "$redis_port" --bind 127.0.0.1
	: >"$tmp/part.conf"
	start_postgres <<-CONF
		shared_preload_libraries = 'clarify_cache'
		max_connections = 200
		synchronous_commit = off
		timezone = 'UTC'	# sections are built in it; what is compared with them must be
		autovacuum = off
		shared_buffers = 512MB
		max_wal_size = 8GB
		checkpoint_timeout = 1h
		include '$tmp/part.conf'
	CONF
	sql -c "CREATE ROLE app LOGIN BYPASSRLS"
}

preload() {
	if [ -z "$memcached_absent" ]; then
		echo "shared_preload_libraries = 'clarify_cache, pgmemcache'"
	fi
}

# restart_with SETTINGS: lines of postgresql.conf, in place of those before.
restart_with() {
	printf '%s\n' "$1" >"$tmp/part.conf"
	pg_ctl -D "$tmp/pg" -l "$tmp/postgres.log" -m fast -w -s restart ||
		{ tail -n 20 "$tmp/postgres.log"; die "PostgreSQL did not start"; }
}

# For restart_with: no local tier, so that Redis is asked; and time enough, as with
# 64 clients on a few cores nobody is served soon.
redis_only() {
	echo "clarify_cache.local_cache_size = 0
clarify_cache.command_timeout = '2s'
clarify_cache.redis_url = '${1:-$(redis_url)}'"
}

# Until the next restart_with.
set_redis_url() {
	local loaded
	sed -i '/redis_url/d' "$tmp/part.conf"
	echo "clarify_cache.redis_url = '$1'" >>"$tmp/part.conf"
	loaded=$(sql -c 'SELECT pg_conf_load_time()')
	sql -c 'SELECT pg_reload_conf()' >/dev/null
	while [ "$(sql -c 'SELECT pg_conf_load_time()')" = "$loaded" ]; do sleep 0.05; done
}

describe_machine() {
	sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort | uniq -c | sed 's/^ *\([0-9]*\) /\1 x /'
	sed -n 's/^MemTotal: */memory: /p' /proc/meminfo
	echo "kernel: $(uname -sr)"
	sed -n 's/^PRETTY_NAME="\(.*\)"/system: \1/p' /etc/os-release
	echo "PostgreSQL: $(postgres --version | sed 's/^[^0-9]*//')"
	echo "Redis: $(redis-server --version | sed 's/.* v=\([0-9.]*\).*/\1/')"
	echo "load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
	echo "rounds: $rounds of $seconds s each"
}

# ---------------------------------------------------------------- people

# Of test/clarify, between 5 and 10 rows of each kind; the size is that of their
# contexts in kB (1, 6 or 64; 6 if it is left out).
load_people() {
	local database=$1 people=$2 size=${3:-6}
	sql -c "CREATE DATABASE $database"
	sql -d "$database" -v people="$people" -f test/clarify/schema.sql -f test/clarify/data.sql
	set_up "$database"
	case $size in
		1) sql -d "$database" -f test/bench/small.sql ;;
		64) sql -d "$database" -c "UPDATE clarify_patterns SET content = (SELECT left(string_agg(md5(id::text || n), ' '), 10400) FROM generate_series(1, 316) n)" ;;&
		*) sql -d "$database" -c "UPDATE dreams SET description = (SELECT left(string_agg(md5(id::text || n), ' '), 780) FROM generate_series(1, 24) n)" ;;
	esac
	finish "$database"
}

# Many, with a few rows each.
load_many() {
	local database=$1 people=$2
	sql -c "CREATE DATABASE $database"
	sql -d "$database" -f test/clarify/schema.sql
	set_up "$database"
	sql -d "$database" -v people="$people" -f test/bench/many.sql >/dev/null
	sql -d "$database" -c 'VACUUM ANALYZE'
	sql -c CHECKPOINT
}

# load_plain DATABASE PEOPLE: the same people without the extension.
load_plain() {
	sql -c "CREATE DATABASE $1"
	sql -d "$1" -v people="$2" -f test/clarify/schema.sql -f test/clarify/data.sql \
		-c 'GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO app'
	sql -d "$1" -c 'VACUUM ANALYZE'
}

# The extension, with sections that live for a day: what expires during a
# measurement would not be a hit.
set_up() {
	sql -d "$1" -c 'CREATE EXTENSION clarify_cache' -c 'SELECT clarify_cache.setup()' \
		-f test/bench/bench.sql >/dev/null
	sql -d "$1" -c "
		CREATE TABLE definition AS SELECT * FROM clarify_cache.section;
		SELECT clarify_cache.drop_section(name) FROM definition ORDER BY ordinal;
		SELECT clarify_cache.add_section(name, query, '1 day', single_row, max_items)
		FROM (SELECT * FROM definition ORDER BY ordinal) d" >/dev/null
	sql -d "$1" -c 'GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO app' \
		-c 'GRANT EXECUTE ON FUNCTION clarify_cache.invalidate(uuid) TO app'
}

# The finished contexts in a table; all ways that there are must give the same.
finish() {
	local same
	sql -d "$1" -c 'CREATE UNLOGGED TABLE finished (user_id uuid PRIMARY KEY, context json NOT NULL)' \
		-c 'INSERT INTO finished SELECT id, clarify_context(id) FROM users' \
		-c 'GRANT SELECT ON finished TO app' -c 'VACUUM ANALYZE'
	sql -c CHECKPOINT
	same=$(sql -d "$1" -c 'SELECT bool_and(clarify_context(id)::text = context::text
		AND by_hand(id)::jsonb = context::jsonb AND by_sql(id)::jsonb = context::jsonb)
		FROM users JOIN finished ON user_id = id')
	[ "$same" = t ] || die "the contexts of $1 are not the same everywhere"
	note "$1: a context has $(sql -d "$1" -c 'SELECT round(avg(octet_length(context::text))) FROM finished') bytes on average"
}

# ---------------------------------------------------------------- triggers

build_triggers() {
	run gcc -O2 -shared -fPIC "-I$("$PG_CONFIG" --includedir-server)" -o "$tmp/triggers.so" test/bench/triggers.c
}

# add_trigger DATABASE TABLE FUNCTION [ARGUMENT]: one of noted.sql, or of triggers.c.
add_trigger() {
	local function=$3
	case $function in
		empty_trigger | note_trigger)
			sql -d "$1" -c "CREATE OR REPLACE FUNCTION $function() RETURNS trigger AS '$tmp/triggers' LANGUAGE c" ;;
	esac
	sql -d "$1" -c "CREATE TRIGGER added AFTER INSERT OR UPDATE ON $2 FOR EACH ROW EXECUTE FUNCTION $function(${4:-})"
}

# ---------------------------------------------------------------- clients

# Person :n, one of those who are asked for: "people" of them, each "step"th.
people=1000
step=1
person="md5('user ' || :n)::uuid"
cores=$(nproc)
choose='\set n :step * random(1, :people)'
client_prefix=()	# what pgbench is run by (part_pinned.sh)

# bench_client CLIENTS SECONDS SCRIPT DATABASE [OPTIONS]: pgbench, prepared
# statements over the server's socket, as an ordinary role.
bench_client() {
	local clients=$1 time=$2 script=$3 database=$4
	shift 4
	printf '%s\n%s\n' "$choose" "$script" >"$tmp/query.sql"
	"${client_prefix[@]}" pgbench -n -M prepared -U app -D people="$people" -D step="$step" -c "$clients" \
		-j "$((clients < cores ? clients : cores))" -T "$time" -f "$tmp/query.sql" "$@" "$database" >"$tmp/pgbench.log" 2>&1 ||
		die "pgbench failed on $script: $(tail -n 3 "$tmp/pgbench.log")"
}

# The mean latency of a script's transactions in us, as a client sees it, without
# the beginning, when backends start, and load catalogs and plans.
latency() {
	local clients=$1 time=$2 skip=0.3
	shift 2
	if [ "$clients" -gt 8 ]; then
		time=$((time + 1))
		skip=1
	fi
	rm -f "$tmp"/transactions.*
	bench_client "$clients" "$time" "$@" -l --log-prefix="$tmp/transactions"
	sort -n -k 5 -k 6 "$tmp"/transactions.* | awk -v skip=$skip '
		{ at[NR] = $5 + $6 / 1e6; us[NR] = $3 }
		END {
			# On a busy machine many clients take long to begin.
			if (skip > (at[NR] - at[1]) / 2) skip = (at[NR] - at[1]) / 2
			for (i = 1; i <= NR; i++) if (at[i] - at[1] >= skip) { sum += us[i]; n++ }
			printf "%.2f\n", sum / n
		}'
}

# Likewise, of the script's last statement; by what pgbench tells of statements,
# which is of the beginning as well, so it takes longer.
last_latency() {
	local clients=$1 time=$(($2 + 1))
	shift 2
	bench_client "$clients" "$time" "$@" -r
	awk '/^statement latencies/ { on = 1 } on && $1 ~ /^[0-9.]+$/ { ms = $1 }
		END { printf "%.1f\n", ms * 1000 }' "$tmp/pgbench.log"
}

# pgbench_mean [N]: the mean latency of the transactions of the last pgbench, in us;
# a N-th of it.
pgbench_mean() { awk -v n="${1:-1}" '/^latency average/ { print $4 * 1000 / n }' "$tmp/pgbench.log"; }

# Sections so far from the local tier, Redis, by building, by bypassing.
sources() {
	sql -d "$1" -F ' ' -c 'SELECT sum(local_hits), sum(redis_hits), sum(builds) - sum(bypasses), sum(bypasses) FROM clarify_cache.stats'
}

# share_of SOURCE "BEFORE AFTER": how many of the sections between two looks at
# the sources came from there, in percent: local, redis, build, bypass, or several
# with "+".  100 for "-" if none was asked for.
share_of() {
	echo "$2" | awk -v source="$1" '
		{ for (i = 1; i <= 4; i++) { n[i] = $(i + 4) - $i; all += n[i] } }
		END { split("local redis build bypass", names)
			for (i in names) if (index("+" source "+", "+" names[i] "+")) right += n[i]
			if (source == "-") printf "%d\n", all ? 0 : 100
			else printf "%.3f\n", all ? 100 * right / all : 0 }'
}

# measured PART CONTENDER SCALE SOURCE DATABASE COMMAND...: record the latency
# that the command prints; and how many of the sections meanwhile came from
# where the contender's name says, in percent (share_of).
measured() {
	local part=$1 contender=$2 scale=$3 source=$4 database=$5 before share
	shift 5
	before=$(sources "$database")
	record "$part" "$contender" "$scale" latency us "$("$@")"
	share=$(share_of "$source" "$before $(sources "$database")")
	record "$part" "$contender" "$scale" 'as named' % "$share"
}

# Every entry that the server's settings let it have.
warm() {
	sql -d "$1" -U app -c "SELECT count(clarify_context(md5('user ' || $step * n)::uuid)) FROM generate_series(1, $people) n" >/dev/null
}

# One line of keys for each of the first hundred people, as clarify_context()
# asks for them.
write_keys() {
	local instance
	instance=$(sql -d "$1" -c 'SELECT id FROM clarify_cache.instance')
	sql -d "$1" -c "
		SELECT string_agg('clarify:$instance:{' || md5('user ' || n)::uuid || '}:' || section, ' ' ORDER BY ordinal)
		FROM generate_series(1, 100) n, clarify_cache.sections GROUP BY n" >"$tmp/keys"
}

# ---------------------------------------------------------------- places

# A client that sleeps until the server answers, on another processor, waits for
# that processor to wake up, and so does the server; on a virtual machine this
# takes longer than what is compared, and where the kernel puts a process makes a
# difference of as much.  So some is measured with the server and its client on one
# processor, Redis and memcached on another.
pinned_processors=()
can_pin() {
	# shellcheck disable=SC2207	# words
	pinned_processors=($(allowed_processors | head -n 2))
	[ "${#pinned_processors[@]}" = 2 ] && command -v taskset >/dev/null && [ -e "/proc/$$/task/$$/children" ]
}

# Processors that we may use, a line each.
allowed_processors() {
	sed -n 's/^Cpus_allowed_list:\s*//p' /proc/$$/status | tr , '\n' |
		awk -F - '{ for (i = $1; i <= $NF; i++) print i }'
}

# on_processor LIST PID...: these processes, all of their threads.
on_processor() {
	local where=$1 pid
	shift
	for pid in "$@"; do
		taskset -a -c -p "$where" "$pid" >/dev/null
	done
}

cache_servers() { cat "$tmp"/main.redis.pid "$tmp"/memcached_*.daemon.pid 2>/dev/null; }

# After each start of the server; backends are where it is.
pin_processes() {
	local server
	server=$(head -n 1 "$tmp/pg/postmaster.pid")
	on_processor "${pinned_processors[0]}" "$server"
	# shellcheck disable=SC2046	# words
	on_processor "${pinned_processors[0]}" $(cat "/proc/$server/task/$server/children")
	# shellcheck disable=SC2046
	on_processor "${pinned_processors[1]}" $(cache_servers)
	client_prefix=(taskset -c "${pinned_processors[0]}")
}

unpin_processes() {
	# shellcheck disable=SC2046
	on_processor "$(allowed_processors | paste -s -d ,)" $(cache_servers)
	client_prefix=()
}

# ---------------------------------------------------------------- contenders

# Their names in the tables.
declare -A name_of=(
	[bare]='bare' [bytes]='bare (as many bytes)'
	[five]='five queries' [pipeline]='five queries (in a pipeline)'
	[view]='one statement' [sql]='SQL function' [plpgsql]='PL/pgSQL function' [finished]='finished row'
	[memcached_tcp]='pgmemcache (TCP)' [memcached_unix]='pgmemcache (Unix socket)'
	[pgpool]='pgpool-II' [pgpool_five]='pgpool-II: five queries'
	[node_bare]='Node.js: bare' [node_five]='Node.js: five queries'
	[node_get]='Node.js: ioredis GETs' [node_mget]='Node.js: ioredis MGET'
	[node_turn_get]='Node.js: ioredis GETs (chat turn)'
	[node_cache]='Node.js: this extension (local)' [node_turn_cache]='Node.js: this extension (chat turn)'
	[off]='off' [miss]='miss' [miss_local]='miss (without Redis)'
	[redis_tcp]='Redis (TCP)' [redis_unix]='Redis (Unix socket)' [local]='local'
	[turn]='chat turn' [turn_plpgsql]='PL/pgSQL function (chat turn)' [turn_off]='off (chat turn)'
	[mget]='raw MGET (without PostgreSQL)'
	[mget_paced]='raw MGET (as often as the hits)' [mget_paced_tcp]='raw MGET over TCP (as often as the hits)'
	[mget_missed]='raw MGET (as often as a miss wakes Redis)'
	[miss_plpgsql]='PL/pgSQL function (after a change)'
	[miss_plpgsql_local]='PL/pgSQL function (after a change without Redis)'
	[memcached_here]='pgmemcache (Unix socket on the processor of the server)'
	[redis_here]='Redis (Unix socket on the processor of the server)')

five_queries="
SELECT name, tier, total_reflections, total_clarify_sessions FROM users WHERE id = $person;
SELECT id, title, description, status, category FROM dreams WHERE user_id = $person AND status = 'active' ORDER BY updated_at DESC, id LIMIT 5;
SELECT id, user_id, pattern_type, content, strength FROM clarify_patterns WHERE user_id = $person AND strength >= 3 ORDER BY strength DESC, id LIMIT 10;
SELECT id, title, created_at, message_count FROM clarify_sessions WHERE user_id = $person AND status = 'active' ORDER BY last_message_at DESC, id LIMIT 3;
SELECT id, tone, created_at FROM reflections WHERE user_id = $person ORDER BY created_at DESC, id LIMIT 3;"
add_message="INSERT INTO clarify_messages (session_id, role, content) SELECT id, 'user', 'A message.' FROM clarify_sessions WHERE user_id = $person LIMIT 1;"

declare -A memcached_role=([memcached_tcp]=mem_tcp [memcached_unix]=mem_unix [memcached_here]=mem_unix)

# contend PART SCALE CLIENTS DATABASE CONTENDER: measure one.
contend() {
	local part=$1 scale=$2 clients=$3 database=$4 contender=$5 source=- how=latency script options=()
	case $contender in
		bare) script="SELECT $person;" ;;
		bytes) script="SELECT repeat('x', $(sql -d "$database" -c 'SELECT round(avg(octet_length(context::text))) FROM finished')), $person;" ;;
		five) script=$five_queries ;;
		pipeline) script="\\startpipeline$five_queries
\\endpipeline" ;;
		view) script="SELECT context FROM contexts WHERE user_id = $person;" ;;
		sql) script="SELECT by_sql($person);" ;;
		plpgsql) script="SELECT by_hand($person);" ;;
		finished) script="SELECT context FROM finished WHERE user_id = $person;" ;;
		memcached_*) script="SELECT memcache_get('context_' || :n);" options=(-U "${memcached_role[$contender]}") ;;
		off | redis_* | local) script="SELECT clarify_context($person);" source=${contender%_*} ;;
		miss_plpgsql*) script="SELECT clarify_cache.invalidate($person);
SELECT by_hand($person);" how=last_latency ;;
		miss*) script="SELECT clarify_cache.invalidate($person);
SELECT clarify_context($person);" source=build how=last_latency ;;
		turn) script="$add_message
SELECT clarify_context($person);" source=local+build how=last_latency ;;
		turn_plpgsql) script="$add_message
SELECT by_hand($person);" how=last_latency ;;
		node_*cache) source=local+build ;;&
		node_*)
			measured "$part" "${name_of[$contender]}" "$scale" "$source" "$database" \
				node_client "${contender#node_}" "$clients" "$database"
			return ;;
		*) die "no such contender: $contender" ;;
	esac
	[ "$source" != off ] || source=bypass
	if [ "$contender" = off ]; then
		local -x PGOPTIONS='-c clarify_cache.enabled=off'
	fi
	measured "$part" "${name_of[$contender]}" "$scale" "$source" "$database" \
		"$how" "$clients" "$seconds" "$script" "$database" "${options[@]}"
}

# ---------------------------------------------------------------- memcached

# Two, as one listens at one kind of address only; a role for each, whose
# setting says where.
memcached_absent=
start_memcached() {
	local kind where port
	if ! command -v memcached >/dev/null; then
		memcached_absent='memcached is not installed'
	elif [ ! -e "$("$PG_CONFIG" --sharedir)/extension/pgmemcache.control" ]; then
		memcached_absent='there is no pgmemcache for this server'
	fi
	[ -z "$memcached_absent" ] || return 0
	[ ! -e "$tmp/memcached.sock" ] || return 0
	port=$(free_port)
	for kind in tcp unix; do
		where=(-l 127.0.0.1 -p "$port" -U 0)
		[ $kind = tcp ] || where=(-s "$tmp/memcached.sock")
		memcached "${where[@]}" -m 512 >"$tmp/memcached.log" 2>&1 &
		echo $! >"$tmp/memcached_$kind.daemon.pid"
		disown
	done
	until [ -S "$tmp/memcached.sock" ]; do sleep 0.05; done
	sql -c 'CREATE ROLE mem_tcp LOGIN' -c "ALTER ROLE mem_tcp SET pgmemcache.default_servers = '127.0.0.1:$port'" \
		-c 'CREATE ROLE mem_unix LOGIN' -c "ALTER ROLE mem_unix SET pgmemcache.default_servers = '$tmp/memcached.sock'"
}

# The finished contexts.
memcached_fill() {
	local kind same
	sql -d "$1" -c 'CREATE EXTENSION IF NOT EXISTS pgmemcache' -c 'GRANT SELECT ON finished TO mem_tcp, mem_unix' 2>>"$tmp/load.log"
	for kind in tcp unix; do
		sql -d "$1" -U mem_$kind -c "SELECT count(memcache_set('context_' || n, context::text))
			FROM generate_series(1, $people) n JOIN finished ON user_id = md5('user ' || n)::uuid" >/dev/null
		same=$(sql -d "$1" -U mem_$kind -c "SELECT bool_and(memcache_get('context_' || n) IS NOT DISTINCT FROM context::text)
			FROM generate_series(1, $people) n JOIN finished ON user_id = md5('user ' || n)::uuid")
		[ "$same" = t ] || die "what pgmemcache gives is not the same ($kind)"
	done
}

# ---------------------------------------------------------------- Node.js

node_absent=
node_is_set_up() {
	[ -z "$node_absent" ] || return 1
	[ ! -d "$tmp/node/node_modules" ] || return 0
	if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
		node_absent='node and npm are not installed'
	elif [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 16 ]; then
		node_absent="node is of version $(node --version)"
	else
		cp -R test/bench/node "$tmp/node"
		(cd "$tmp/node" && npm ci --ignore-scripts --no-audit --no-fund >"$tmp/npm.log" 2>&1) || {
			node_absent='npm could not install pg and ioredis'
			note "$node_absent: $(tail -n 3 "$tmp/npm.log")"
			rm -rf "$tmp/node"
		}
	fi
	[ -z "$node_absent" ]
}

node_app() {
	env -C "$tmp/node" PGDATABASE="$database" PGUSER=app REDIS_PORT="${node_redis_port:-$redis_port}" \
		PEOPLE="$people" STEP="$step" node app.js "$@"
}

node_client() {
	local way=$1 clients=$2 database=$3
	node_app "$way" "$clients" "$seconds"
}

# Fill Redis, and look that all ways give the same.
node_fill() {
	local database=$1
	node_app check >"$tmp/node.log" 2>&1 || { cat "$tmp/node.log"; die "the contexts of app.js are not the same"; }
}
