# shellcheck shell=bash
#
# What the parts of test/bench.sh share: servers, people, clients, records.
#
# A part records each value that it measures, one for each round.  Values of
# the same round are compared with each other (report.pl), so that a machine
# that is slower for a while is so for both.

: "${rounds:?} ${seconds:?} ${results:?}"	# of bench.sh

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@" </dev/null; }
note() { printf '   %s\n' "$*" >&2; }

# ---------------------------------------------------------------- records

echo part,contender,scale,figure,unit,value >"$results/values.csv"
: >"$results/goals.tsv"

# record PART CONTENDER SCALE FIGURE UNIT VALUE: one value of one round.
record() {
	[[ $6 =~ ^-?[0-9.]+(e[-+]?[0-9]+)?$ ]] || die "not a figure of $1, $2, $3, $4: '$6'"
	(IFS=,; echo "$*" >>"$results/values.csv")
}

# absent PART CONTENDER REASON: it could not be measured; the table says why.
absent() { echo "$1,$2,,absent,,${3//,/;}" >>"$results/values.csv"; }

# goal TEXT OPERATOR LIMIT UNIT EXPRESSION: one line of the table of goals.  In
# the expression, [part|contender|scale|figure] is the value of a round; it is
# evaluated for each round, and its median is what was measured.
#	goal 'a hit beside a miss' '<=' 0.1 x '[p|hit|6 kB|latency] / [p|miss|6 kB|latency]'
goal() { (IFS=$'\t'; echo "$*" >>"$results/goals.tsv"); }

# interleave ROUNDS COMMAND...: A B C, C B A, B C A, ... each command with the
# round's number as its last argument.
interleave() {
	local times=$1 round i n
	shift
	n=$#
	local commands=("$@")
	for ((round = 0; round < times; round++)); do
		for ((i = 0; i < n; i++)); do
			if [ $((round % 2)) = 0 ]; then
				${commands[(round / 2 + i) % n]} "$round"
			else
				${commands[(round / 2 + 2 * n - 1 - i) % n]} "$round"
			fi
		done
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
		autovacuum = off
		shared_buffers = 512MB
		max_wal_size = 8GB
		checkpoint_timeout = 1h
		include '$tmp/part.conf'
	CONF
	sql -c "CREATE ROLE app LOGIN BYPASSRLS"
}

# restart_with SETTINGS: lines of postgresql.conf, in place of those before.
restart_with() {
	printf '%s\n' "$1" >"$tmp/part.conf"
	pg_ctl -D "$tmp/pg" -l "$tmp/postgres.log" -m fast -w -s restart ||
		{ tail -n 20 "$tmp/postgres.log"; die "PostgreSQL did not start"; }
}

# Until the next restart_with.
set_redis_url() {
	sed -i '/redis_url/d' "$tmp/part.conf"
	echo "clarify_cache.redis_url = '$1'" >>"$tmp/part.conf"
	sql -c 'SELECT pg_reload_conf()' >/dev/null
	until [ "$(sql -c 'SHOW clarify_cache.redis_url')" = "$1" ]; do sleep 0.05; done
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

# load_people DATABASE PEOPLE: Clarify's schema and people, the extension set up
# with sections that live for a day (what expires during a measurement would not
# be a hit), five queries by hand, and a table of finished contexts.
load_people() {
	local database=$1 people=$2
	sql -c "CREATE DATABASE $database"
	sql -d "$database" -v people="$people" -f test/clarify/schema.sql -f test/clarify/data.sql \
		-f test/clarify/plain.sql -f test/bench/bench.sql
	set_up "$database"
	# Contexts of 6 kB.
	sql -d "$database" -c "UPDATE dreams SET description = (SELECT left(string_agg(md5(id::text || n), ' '), 780) FROM generate_series(1, 24) n)"
	finish "$database"
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

set_up() {
	sql -d "$1" -c 'CREATE EXTENSION clarify_cache' -c 'SELECT clarify_cache.setup()' >/dev/null
	sql -d "$1" -c "
		CREATE TABLE definition AS SELECT * FROM clarify_cache.section;
		SELECT clarify_cache.drop_section(name) FROM definition ORDER BY ordinal;
		SELECT clarify_cache.add_section(name, query, '1 day', single_row, max_items)
		FROM (SELECT * FROM definition ORDER BY ordinal) d" >/dev/null
	sql -d "$1" -c 'GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO app' \
		-c 'GRANT EXECUTE ON FUNCTION clarify_cache.invalidate(uuid) TO app'
}

finish() {
	sql -d "$1" -c 'CREATE UNLOGGED TABLE finished (user_id uuid PRIMARY KEY, context json NOT NULL)' \
		-c 'INSERT INTO finished SELECT id, clarify_context(id) FROM users' \
		-c 'GRANT SELECT ON finished TO app'
}

# ---------------------------------------------------------------- clients

# Person :n, one of those who are asked for: "people" of them, each "step"th.
people=1000
step=1
person="md5('user ' || :n)::uuid"
choose='\set n :step * random(1, :people)'

# bench_client CLIENTS SECONDS SCRIPT DATABASE [OPTIONS]: pgbench, prepared
# statements over the server's socket, as an ordinary role.
bench_client() {
	local clients=$1 time=$2 script=$3 database=$4
	shift 4
	printf '%s\n%s\n' "$choose" "$script" >"$tmp/query.sql"
	pgbench -n -M prepared -U app -D people="$people" -D step="$step" -c "$clients" \
		-j "$((clients < 2 ? 1 : 2))" -T "$time" -f "$tmp/query.sql" "$@" "$database" 2>&1 ||
		die "pgbench failed: $script"
}

# The mean latency of a script, in us, as a client sees it.  The first second is
# left out: backends start, and load catalogs and plans.
latency() {
	local clients=$1 time=$2
	shift 2
	bench_client "$clients" $((time + 1)) "$@" -P 1 |
		awk -v clients="$clients" '/^progress/ && $2 > 1.5 { sum += $4; n++ }
			END { if (sum) printf "%.2f\n", clients * 1e6 * n / sum }'
}

# Likewise, of the script's last statement only.
last_latency() {
	local clients=$1 time=$2
	shift 2
	bench_client "$clients" $((time + 1)) "$@" -r |
		awk '/^statement latencies/ { on = 1 } on && $1 ~ /^[0-9.]+$/ { ms = $1 } END { printf "%.1f\n", ms * 1000 }'
}

# sources DATABASE: sections so far from the local tier, Redis, by building,
# by bypassing.
sources() {
	sql -d "$1" -F ' ' -c 'SELECT sum(local_hits), sum(redis_hits), sum(builds) - sum(bypasses), sum(bypasses) FROM clarify_cache.stats'
}

# share_of SOURCE "BEFORE AFTER": how many of the sections between two looks at
# the sources came from this one, in percent.
share_of() {
	echo "$2" | awk -v source="$1" '
		{ for (i = 1; i <= 4; i++) { n[i] = $(i + 4) - $i; all += n[i] } }
		END { split("local redis build bypass", names)
			for (i in names) if (names[i] == source) printf "%.3f\n", all ? 100 * n[i] / all : 0 }'
}

# measured PART CONTENDER SCALE SOURCE DATABASE COMMAND...: record the latency
# that the command prints; and how many of the sections meanwhile came from
# where the contender's name says (local, redis, build, bypass), in percent.
measured() {
	local part=$1 contender=$2 scale=$3 source=$4 database=$5 before share
	shift 5
	before=$(sources "$database")
	record "$part" "$contender" "$scale" latency us "$("$@")"
	share=$(share_of "$source" "$before $(sources "$database")")
	record "$part" "$contender" "$scale" 'as named' % "$share"
}
