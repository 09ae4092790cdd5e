# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317,SC2329	# of and for common.sh; called by name
#
# More data than memory.  The server has 64 MB for pages, and no other: drop.c
# takes what it reads out of the system's page cache again, every 10 ms, so
# what is not among shared_buffers comes from the disk.  (A limit of a control
# group would take root.)
#
# Asked for are 10,000 of 100,000 people who lie far apart.  Their entries fill 22
# MB; the pages with their finished rows 80 MB, those with the rows that a context
# is made of ten times as much.  The local tier has 32 MB, and shared_buffers
# that much less.  A hit has to read the person's versions: a page of the index,
# and one of the table.

measure_memory() {
	say "memory"
	run gcc -O2 -o "$tmp/drop" test/bench/drop.c
	restart_with ''
	load_many memory 100000
	finish memory
	people=10000 step=10
	note "the data: $(sql -d memory -c 'SELECT pg_size_pretty(pg_database_size(current_database()))')"
	interleave "$rounds" memory_without memory_local memory_redis
	memory_goals
	sql -c 'DROP DATABASE memory'
	people=1000 step=1
}

memory_without() {
	local round=$1
	memory_restart 64 0 ''
	in_turn "$round" 'memory_one bare' 'memory_one five' 'memory_one plpgsql' 'memory_one finished'
}

# Filled from Redis.
memory_local() {
	memory_restart 32 32 "$(redis_url)"
	warm memory
	memory_one local
}

memory_redis() {
	memory_restart 64 0 "$(redis_url)"
	warm memory
	memory_one redis_unix
}

memory_restart() {
	restart_with "shared_buffers = ${1}MB
clarify_cache.local_cache_size = ${2}MB
clarify_cache.command_timeout = '2s'
clarify_cache.redis_url = '$3'"
}

memory_one() {
	local pid before after contexts
	sql -c CHECKPOINT
	"$tmp/drop" "$tmp/pg/$(sql -d memory -c "SELECT 'base/' || oid FROM pg_database WHERE datname = 'memory'")" 10 &
	pid=$!
	before=$(memory_reads)
	contend memory '100000 users' 1 memory "$1"
	sleep 0.2	# a backend tells what it has read when it exits
	after=$(memory_reads)
	contexts=$(sed -n 's/^number of transactions actually processed: //p' "$tmp/pgbench.log")
	record memory "${name_of[$1]}" '100000 users' 'pages read' 'for each context' \
		"$(awk -v pages=$((after - before)) -v n="$contexts" 'BEGIN { printf "%.2f\n", pages / n }')"
	kill "$pid"
	wait "$pid" || true
}

memory_reads() { sql -c "SELECT blks_read FROM pg_stat_database WHERE datname = 'memory'"; }

memory_goals() {
	local id
	one() { echo "[memory|${name_of[$1]}|100000 users|latency]"; }
	for id in plpgsql five finished; do
		goal "too little memory: local hit / ${name_of[$id]}" '<' 1 x "$(one local) / $(one "$id")"
	done
}
