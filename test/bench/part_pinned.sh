# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317,SC2329	# of and for common.sh; called by name
#
# One client, with every process kept in its place: the server and its client on
# one processor, Redis and memcached on another.
#
# A client that sleeps until the server answers, on another processor, waits for
# that processor to wake up, and so does the server; on a virtual machine this
# takes longer than what is compared, and where the kernel puts a process makes a
# difference of as much.  Here it is the same for all, so that a few microseconds
# can be told apart.

measure_pinned() {
	if [ "$cores" -lt 2 ] || ! command -v taskset >/dev/null; then
		absent pinned 'all of it' 'it takes two processors, and taskset'
		return
	fi
	say "one client, processes kept in their places"
	start_memcached
	restart_with "$(preload)"
	load_people pinned 1000 6
	load_plain pinned_plain 1000
	sql -c 'CREATE DATABASE pinned_noted TEMPLATE pinned_plain'
	sql -c 'CREATE DATABASE pinned_trigger TEMPLATE pinned_plain'
	sql -d pinned_noted -f test/bench/noted.sql
	build_triggers
	add_trigger pinned_trigger users "C 'empty_trigger'"
	add_trigger pinned_noted users "C 'note_trigger'" "'id'"
	if [ -z "$memcached_absent" ]; then
		memcached_fill pinned
	else
		absent pinned pgmemcache "$memcached_absent"
	fi
	write_keys pinned
	local database
	for database in pinned pinned_plain pinned_trigger pinned_noted; do
		sql -d $database -c 'UPDATE users SET total_reflections = total_reflections + 1' -c 'VACUUM ANALYZE'
	done
	interleave "$rounds" pinned_local pinned_redis
	unpin_processes
	pinned_goals
	for database in pinned pinned_plain pinned_trigger pinned_noted; do sql -c "DROP DATABASE $database"; done
}

# on_processor N PID...: these processes, all of their threads.
on_processor() {
	local where=$1 pid
	shift
	for pid in "$@"; do
		taskset -a -c -p "$where" "$pid" >/dev/null
	done
}

# After each start of the server.
pin_processes() {
	local server
	server=$(head -n 1 "$tmp/pg/postmaster.pid")
	# shellcheck disable=SC2046	# words
	on_processor 0 "$server" $(cat "/proc/$server/task/$server/children")
	# shellcheck disable=SC2046
	on_processor 1 $(cat "$tmp"/main.redis.pid "$tmp"/memcached_*.daemon.pid 2>/dev/null)
	client_prefix=(taskset -c 0)
}

unpin_processes() {
	# shellcheck disable=SC2046
	on_processor "0-$((cores - 1))" $(cat "$tmp"/main.redis.pid "$tmp"/memcached_*.daemon.pid 2>/dev/null)
	client_prefix=()
}

pinned_local() {
	local round=$1 ids=(bare bytes five pipeline view plpgsql finished off local miss_local miss_plpgsql)
	[ -n "$memcached_absent" ] || ids+=(memcached_tcp memcached_unix)
	restart_with "$(preload)"
	pin_processes
	warm pinned
	in_turn "$round" "${ids[@]/#/pinned_one }"
	in_turn "$round" 'pinned_write pinned_plain' 'pinned_write pinned_trigger' 'pinned_write pinned_noted' 'pinned_write pinned'
}

pinned_redis() {
	local round=$1
	restart_with "$(redis_only)"
	pin_processes
	in_turn "$round" 'pinned_one redis_unix' 'pinned_one redis_tcp' 'pinned_one miss'
}

# A context; and with Redis, an MGET of the same keys as often.
pinned_one() {
	local id=$1
	case $id in
		redis_unix | miss) set_redis_url "$(redis_url)" ;;
		redis_tcp) set_redis_url "redis://127.0.0.1:$redis_port" ;;
	esac
	case $id in local | redis_*) warm pinned ;; esac
	contend pinned '1 client' 1 pinned "$id"
	case $id in
		redis_unix) pinned_raw mget_paced "$tmp/redis.sock" ;;
		redis_tcp) pinned_raw mget_paced_tcp "$redis_port" ;;
		miss) warm pinned && pinned_raw mget_missed "$tmp/redis.sock" ;;
	esac
}

# pinned_raw ID ADDRESS: at the pace of what pgbench did last.
pinned_raw() {
	record pinned "${name_of[$1]}" '1 client' latency us \
		"$("${client_prefix[@]}" "$tmp/mget" "$2" 20 "$(pgbench_mean)" <"$tmp/keys")"
}

declare -A pinned_writer=([pinned_plain]='UPDATE without the extension' [pinned_trigger]='UPDATE with an empty trigger'
	[pinned_noted]='UPDATE with a row noted in C' [pinned]='UPDATE with the extension')
pinned_write() {
	sql -d "$1" -c VACUUM
	record pinned "${pinned_writer[$1]}" '1 client' latency us "$(latency 1 "$seconds" \
		"UPDATE users SET total_reflections = total_reflections + 1 WHERE id = $person;" "$1")"
}

pinned_goals() {
	local id
	value() { echo "[pinned|${name_of[$1]}|1 client|latency]"; }
	beyond() { echo "($(value "$1") - $(value "${2:-bare}"))"; }
	goal 'pinned: PL/pgSQL function / local hit, beyond bare' '>=' 12 x "$(beyond plpgsql) / $(beyond local)"
	goal 'pinned: the same, beyond as many bytes' '>=' 12 x "$(beyond plpgsql bytes) / $(beyond local bytes)"
	for id in five pipeline view plpgsql finished memcached_tcp memcached_unix; do
		goal "pinned: local hit / ${name_of[$id]}" '<' 1 x "$(value local) / $(value $id)"
	done
	goal 'pinned: Redis hit, beyond bare and a raw MGET as often' '<=' 30 us \
		"$(beyond redis_unix) - $(value mget_paced)"
	goal 'pinned: Redis hit / pgmemcache (unix)' '<' 1 x "$(value redis_unix) / $(value memcached_unix)"
	goal 'pinned: Redis hit / pgmemcache (tcp)' '<' 1 x "$(value redis_tcp) / $(value memcached_tcp)"
	goal 'pinned: miss, beyond bare and 1.25 x PL/pgSQL function (after a change) and a raw MGET as seldom' '<=' 0 us \
		"$(beyond miss) - 1.25 * $(beyond miss_plpgsql) - $(value mget_missed)"
	goal 'pinned: miss (without Redis) / PL/pgSQL function (after a change), beyond bare' '<=' 1.25 x \
		"$(beyond miss_local) / $(beyond miss_plpgsql)"
	goal 'pinned: off / PL/pgSQL function, beyond bare' '<=' 1.10 x "$(beyond off) / $(beyond plpgsql)"
	for id in plain noted; do
		goal "pinned: UPDATE of a row: with the extension / ${pinned_writer[pinned_$id]#UPDATE }" '<=' 1.10 x \
			"[pinned|${pinned_writer[pinned]}|1 client|latency] / [pinned|${pinned_writer[pinned_$id]}|1 client|latency]"
	done
}
