# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317,SC2329	# of and for common.sh; called by name
#
# Does it matter how many people there are?  With a million of them the table of
# versions has a million rows, with tokens of five tables each.  Each person has a
# few rows in each table.  Asked for are 1,000 of them, who lie far apart, and again
# 10,000; processes are kept in their places, where they can be.

measure_users() {
	local count started
	start_users_server ''
	for count in ${users//,/ }; do
		say "users: $count"
		started=$SECONDS
		load_many "users_$count" "$count"
		note "loaded in $((SECONDS - started)) s; $(sql -d "users_$count" -F ' rows, ' -c "
			SELECT count(*), pg_size_pretty(pg_database_size(current_database())) || ' in all' FROM clarify_cache.version")"
	done
	interleave "$rounds" users_local users_redis
	! can_pin || unpin_processes
	users_goals
	for count in ${users//,/ }; do
		sql -c "DROP DATABASE users_$count"
	done
	people=1000 step=1
}

# among COMMAND ROUND: it, for each number of people, in an order that changes.
among() {
	local commands
	read -r -a commands <<<"${users//,/ }"
	in_turn "$2" "${commands[@]/#/users_of $1 }"
}
users_of() {
	users_all=$2
	users_database=users_$2
	users_scale="$2 users"
	"$1" "$3"
}

# A quarter of the memory for the server, as one would.
start_users_server() {
	local buffers
	buffers=$(awk '/^MemTotal/ { mb = $2 / 4096; printf "%d\n", (mb > 4096 ? 4096 : mb) }' /proc/meminfo)
	restart_with "shared_buffers = ${buffers}MB
clarify_cache.local_cache_size = 128MB
$1"
}

# active NUMBER: they are asked for.
active() {
	people=$(($1 < users_all ? $1 : users_all))
	step=$((users_all / people))
}

users_local() {
	start_users_server ''
	! can_pin || pin_processes
	among users_local_of "$1"
}
users_local_of() {
	active 10000
	warm "$users_database"
	sql -d "$users_database" -c "SELECT count(by_hand(md5('user ' || $step * n)::uuid)) FROM generate_series(1, $people) n" >/dev/null
	in_turn "$1" 'users_one bare' 'users_one plpgsql' 'users_one local' 'users_many local' users_probe
	# Last, as they make entries outdated.
	in_turn "$1" users_bump users_plain_update
}

users_redis() {
	start_users_server "$(redis_only)"
	! can_pin || pin_processes
	among users_redis_of "$1"
}
users_redis_of() {
	active 10000
	warm "$users_database"
	in_turn "$1" 'users_one redis_unix' 'users_many redis_unix'
}

users_one() {
	active 1000
	contend users "$users_scale" 1 "$users_database" "$1"
}

users_many() {
	[ "$users_all" -ge 10000 ] || return 0
	active 10000
	local -A name_of=([local]='local (10000 people)' [redis_unix]='Redis (10000 people)')
	contend users "$users_scale" 1 "$users_database" "$1"
}

# What a hit spends on its versions, as the extension itself has measured it.
users_probe() {
	local lines
	active 1000
	lines=$(wc -l <"$tmp/postgres.log")
	PGOPTIONS='-c clarify_cache.log_min_duration=0' bench_client 1 1 "SELECT clarify_context($person);" "$users_database" -U postgres
	record users 'local' "$users_scale" 'probe of the versions' us "$(tail -n +$((lines + 1)) "$tmp/postgres.log" |
		sed -n 's/.* versions_us=\([0-9]*\) .*/\1/p' | awk '{ sum += $1; n++ } END { printf "%.3f\n", sum / n }')"
}

users_bump() {
	active 10000
	measured users 'UPDATE of a column that a section reads' "$users_scale" - "$users_database" latency 1 "$seconds" \
		"UPDATE users SET total_reflections = total_reflections + 1 WHERE id = $person;" "$users_database"
}

users_plain_update() {
	active 10000
	measured users 'UPDATE of a column that none reads' "$users_scale" - "$users_database" latency 1 "$seconds" \
		"UPDATE users SET last_sign_in_at = now() WHERE id = $person;" "$users_database"
}

users_goals() {
	local count least=${users%%,*}
	for count in ${users//,/ }; do
		[ "$count" != "$least" ] || continue
		beyond() { echo "([users|$1|$2 users|latency] - [users|bare|$2 users|latency])"; }
		goal "local hit: $count users / $least users" '<=' 1.3 x "[users|local|$count users|latency] / [users|local|$least users|latency]"
		goal "local hit, beyond bare: $count users / $least users" '<=' 1.3 x "$(beyond local "$count") / $(beyond local "$least")"
		[ "$count" -lt 10000 ] || goal "local hit of 10,000 people, beyond bare: $count users / $least users" '<=' 1.3 x \
			"$(beyond 'local (10000 people)' "$count") / $(beyond local "$least")"
	done
}
