# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317,SC2329	# of and for common.sh; called by name
#
# Redis at a distance: none (TCP on this machine), and a round trip of 0.2 and of
# 1 ms more, by a proxy that delays each piece by half of that.  The proxy itself
# takes its time, too: what a round trip of the same bytes really takes, the raw
# MGET says.

measure_network() {
	local id
	say "network"
	restart_with ''
	load_people network 1000 6
	write_keys network
	if node_is_set_up; then
		node_fill network
	fi
	for id in node_get node_mget; do
		[ -z "$node_absent" ] || absent network "${name_of[$id]}" "$node_absent"
	done
	restart_with "$(redis_only)"
	declare -gA network_port=([0]=$redis_port)
	for delay in 0.2 1; do
		network_port[$delay]=$(free_port)
		perl test/proxy.pl --listen "127.0.0.1:${network_port[$delay]}" --to "127.0.0.1:$redis_port" \
			--delay "$(awk -v ms=$delay 'BEGIN { print ms / 2 }')" >"$tmp/proxy_$delay.log" 2>&1 &
		echo $! >"$tmp/proxy_$delay.redis.pid"
		disown
		until grep -q -s ready "$tmp/proxy_$delay.log"; do sleep 0.05; done
	done
	interleave "$rounds" 'network_at 0' 'network_at 0.2' 'network_at 1'
	network_goals
	sql -c 'DROP DATABASE network'
}

network_at() {
	local round=$2 ids=(mget redis_tcp miss)
	[ "$1" != 0 ] || ids+=(bare plpgsql)	# which do not ask Redis
	[ -n "$node_absent" ] || ids+=(node_get node_mget)
	network_scale="$1 ms"
	node_redis_port=${network_port[$1]}
	set_redis_url "redis://127.0.0.1:$node_redis_port"
	in_turn "$round" "${ids[@]/#/network_one }"
	node_redis_port=
}

network_one() {
	case $1 in
		mget)
			warm network
			record network "${name_of[mget]}" "$network_scale" latency us "$("$tmp/mget" "$node_redis_port" 5 <"$tmp/keys")"
			return ;;
		redis_tcp) warm network ;;
	esac
	contend network "$network_scale" 1 network "$1"
}

network_goals() {
	local ms
	one() { echo "[network|${name_of[$1]}|$2 ms|latency]"; }
	for ms in 0 0.2 1; do
		goal "Redis at $ms ms: hit, beyond bare and a raw MGET" '<=' 30 us "$(one redis_tcp $ms) - $(one bare 0) - $(one mget $ms)"
		goal "Redis at $ms ms: miss, beyond bare and 1.25 x PL/pgSQL function and a raw MGET" '<=' 0 us \
			"($(one miss $ms) - $(one bare 0)) - 1.25 * ($(one plpgsql 0) - $(one bare 0)) - $(one mget $ms)"
	done
}
