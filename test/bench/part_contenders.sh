# shellcheck shell=bash
measure_contenders() {
	say "contenders"
	restart_with "clarify_cache.redis_url = '$(redis_url)'"
	load_people contenders 1000
	contender_bare() { record contenders bare '1 client' latency us "$(latency 1 "$seconds" "SELECT $person;" contenders)"; }
	contender_hand() { record contenders 'PL/pgSQL function' '1 client' latency us "$(latency 1 "$seconds" "SELECT by_hand($person);" contenders)"; }
	contender_local() { measured contenders local '1 client' local contenders latency 1 "$seconds" "SELECT clarify_context($person);" contenders; }
	interleave "$rounds" contender_bare contender_hand contender_local
	absent contenders pgmemcache 'not there, yet'
	goal 'local hit: times as fast as the PL/pgSQL function, beyond bare' '>=' 12 x \
		'([contenders|PL/pgSQL function|1 client|latency] - [contenders|bare|1 client|latency]) / ([contenders|local|1 client|latency] - [contenders|bare|1 client|latency])'
}
