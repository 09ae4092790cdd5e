# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317,SC2329	# of and for common.sh; called by name
#
# One client, with every process kept in its place (pin_processes of common.sh), so
# that a few microseconds can be told apart.
#
# Who asks a server on another processor still waits for that one to wake up, and
# pgmemcache, which sleeps meanwhile, to be woken itself; the extension polls.  So
# both are measured once more with memcached and Redis on the server's processor.

measure_pinned() {
	local database
	if ! can_pin; then
		absent pinned 'all of it' 'it takes Linux, with two processors, and taskset'
		return
	fi
	say "one client, processes kept in their places"
	start_memcached
	restart_with "$(preload)"
	load_people pinned 1000 6
	load_plain pinned_plain 1000
	if [ -z "$memcached_absent" ]; then
		memcached_fill pinned
	else
		absent pinned pgmemcache "$memcached_absent"
	fi
	write_keys pinned

	# Where rows are changed; the first UPDATE finds no room, those after it do.
	sql -c 'CREATE DATABASE pinned_with TEMPLATE pinned'
	sql -c 'CREATE DATABASE pinned_noted TEMPLATE pinned_plain' -c 'CREATE DATABASE pinned_trigger TEMPLATE pinned_plain'
	sql -d pinned_noted -f test/bench/noted.sql
	build_triggers
	add_trigger pinned_trigger users empty_trigger
	add_trigger pinned_noted users note_trigger 1
	for database in pinned_with pinned_plain pinned_trigger pinned_noted; do
		sql -d $database -c 'UPDATE users SET total_reflections = total_reflections + 1' -c 'VACUUM ANALYZE'
	done

	interleave "$rounds" pinned_local pinned_redis
	unpin_processes
	pinned_goals
	for database in pinned pinned_with pinned_plain pinned_trigger pinned_noted; do sql -c "DROP DATABASE $database"; done
}

pinned_local() {
	local round=$1 ids=(bare bytes five pipeline view plpgsql finished off local miss_local miss_plpgsql_local)
	[ -n "$memcached_absent" ] || ids+=(memcached_tcp memcached_unix memcached_here)
	restart_with "$(preload)"
	pin_processes
	sql -d pinned -c VACUUM
	warm pinned
	in_turn "$round" "${ids[@]/#/pinned_one }"
	in_turn "$round" 'pinned_write plain' 'pinned_write trigger' 'pinned_write noted' 'pinned_write with'
}

pinned_redis() {
	local round=$1
	restart_with "$(redis_only)"
	pin_processes
	sql -d pinned -c VACUUM
	in_turn "$round" 'pinned_one redis_unix' 'pinned_one redis_tcp' 'pinned_one redis_here' \
		'pinned_one miss' 'pinned_one miss_plpgsql'
}

# A context; and with Redis, an MGET of the same keys as often.
pinned_one() {
	local id=$1
	case $id in
		redis_tcp) set_redis_url "redis://127.0.0.1:$redis_port" ;;
		redis_* | miss | miss_plpgsql) set_redis_url "$(redis_url)" ;;
	esac
	case $id in local | redis_*) warm pinned ;; esac
	# shellcheck disable=SC2046	# words
	[[ $id != *_here ]] || on_processor "${pinned_processors[0]}" $(cache_servers)
	contend pinned '1 client' 1 pinned "$id"
	# shellcheck disable=SC2046
	[[ $id != *_here ]] || on_processor "${pinned_processors[1]}" $(cache_servers)
	case $id in
		redis_unix) pinned_raw mget_paced "$tmp/redis.sock" "$(pgbench_mean)" ;;
		redis_tcp) pinned_raw mget_paced_tcp "$redis_port" "$(pgbench_mean)" ;;
		miss)
			local pace
			pace=$(pgbench_mean 2)
			warm pinned
			pinned_raw mget_missed "$tmp/redis.sock" "$pace" ;;
	esac
}

# pinned_raw ID ADDRESS PERIOD
pinned_raw() {
	record pinned "${name_of[$1]}" '1 client' MGET us \
		"$("${client_prefix[@]}" "$tmp/mget" "$2" 20 "$3" <"$tmp/keys")"
}

declare -A pinned_writer=([plain]='without the extension' [trigger]='with an empty trigger'
	[noted]='with a row noted in C' [with]='with the extension')
pinned_write() {
	sql -d "pinned_$1" -c VACUUM
	record pinned "${pinned_writer[$1]}" '1 client' 'UPDATE of a row' us "$(latency 1 "$seconds" \
		"UPDATE users SET total_reflections = total_reflections + 1 WHERE id = $person;" "pinned_$1")"
}

pinned_goals() {
	local id
	value() { echo "[pinned|${name_of[$1]}|1 client|latency]"; }
	beyond() { echo "($(value "$1") - $(value "${2:-bare}"))"; }
	raw() { echo "[pinned|${name_of[$1]}|1 client|MGET]"; }
	goal 'pinned: PL/pgSQL function / local hit, beyond bare' '>=' 12 x "$(beyond plpgsql) / $(beyond local)"
	goal 'pinned: the same, beyond as many bytes' '>=' 12 x "$(beyond plpgsql bytes) / $(beyond local bytes)"
	for id in five pipeline view plpgsql finished memcached_tcp memcached_unix memcached_here; do
		goal "pinned: local hit / ${name_of[$id]}" '<' 1 x "$(value local) / $(value $id)"
	done
	goal 'pinned: Redis hit, beyond bare and a raw MGET as often' '<=' 30 us \
		"$(beyond redis_unix) - $(raw mget_paced)"
	for id in unix tcp here; do
		goal "pinned: ${name_of[redis_$id]} / pgmemcache there" '<' 1 x "$(value redis_$id) / $(value memcached_$id)"
	done
	goal 'pinned: miss, beyond bare and 1.25 x PL/pgSQL function (after a change) and a raw MGET as often' '<=' 0 us \
		"$(beyond miss) - 1.25 * $(beyond miss_plpgsql) - $(raw mget_missed)"
	goal 'pinned: miss (without Redis) / PL/pgSQL function (after a change), beyond bare' '<=' 1.25 x \
		"$(beyond miss_local) / $(beyond miss_plpgsql_local)"
	goal 'pinned: off / PL/pgSQL function, beyond bare' '<=' 1.10 x "$(beyond off) / $(beyond plpgsql)"
	for id in plain noted; do
		goal "pinned: UPDATE of a row: with the extension / ${pinned_writer[$id]}" '<=' 1.10 x \
			"[pinned|${pinned_writer[with]}|1 client|UPDATE of a row] / [pinned|${pinned_writer[$id]}|1 client|UPDATE of a row]"
	done
}
