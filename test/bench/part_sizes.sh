# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317,SC2329	# of and for common.sh; called by name
#
# Contexts of 1, 6 and 64 kB.

measure_sizes() {
	local size
	start_memcached
	for size in 1 6 64; do
		say "sizes: $size kB"
		restart_with "$(preload)"
		load_people "sizes_$size" 1000 $size
		sizes_database=sizes_$size
		sizes_scale="$size kB"
		record sizes 'in all ways' "$sizes_scale" 'size of a context' B \
			"$(sql -d "$sizes_database" -c 'SELECT round(avg(octet_length(context::text))) FROM finished')"
		if [ -z "$memcached_absent" ]; then
			memcached_fill "$sizes_database"
		else
			absent sizes pgmemcache "$memcached_absent"
		fi
		interleave "$rounds" sizes_local sizes_redis
		sql -c "DROP DATABASE $sizes_database"
	done
}

sizes_local() {
	local round=$1 ids=(bare bytes five plpgsql finished off local)
	[ -n "$memcached_absent" ] || ids+=(memcached_unix)
	restart_with "$(preload)
clarify_cache.local_cache_size = 256MB"
	warm "$sizes_database"
	in_turn "$round" "${ids[@]/#/sizes_one }"
}

sizes_redis() {
	local round=$1
	restart_with "$(redis_only)"
	warm "$sizes_database"
	in_turn "$round" 'sizes_one redis_unix' 'sizes_one miss'
}

sizes_one() {
	[ "$1" != redis_unix ] || warm "$sizes_database"
	contend sizes "$sizes_scale" 1 "$sizes_database" "$1"
}
