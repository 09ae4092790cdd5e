#!/bin/bash
#
# Does one backend's memory stay flat over many calls?
#
# test/soak.sh [calls]: makes that many (default 100000), hits, misses after
# changes, and failures of Redis in every round, and reports the backend's
# memory and open sockets after each.  Fails if there is growth from the second
# round to the last.

# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
enter "$@"

calls=${1:-100000}
rounds=20
per_round=$((calls / rounds))

say "building with $("$PG_CONFIG" --version)"
# shellcheck disable=SC2119	# our arguments are not for make
build
say "starting PostgreSQL, Redis, and one that misbehaves"
start_redis
start_postgres <<-CONF
	shared_preload_libraries = 'clarify_cache'
	clarify_cache.redis_url = '$(redis_url)'
	clarify_cache.local_cache_size = '256kB'	# so that Redis is asked as well
	clarify_cache.breaker_recovery = '100ms'
	clarify_cache.command_timeout = '5ms'
	autovacuum_naptime = '5s'
CONF
start_fake_redis

psql -q -v people=200 -f "$source_dir/test/clarify/schema.sql" -f "$source_dir/test/clarify/data.sql" \
	-f "$source_dir/test/clarify/plain.sql" >"$tmp/load.log"
psql -q >>"$tmp/load.log" <<-'SQL'
	CREATE EXTENSION clarify_cache;
	SELECT clarify_cache.setup();
	CREATE PROCEDURE calls(times int, change_every int) LANGUAGE plpgsql AS $$
	DECLARE
		person uuid;
	BEGIN
		FOR i IN 1 .. times LOOP
			person := md5('user ' || 1 + (random() * 220)::int)::uuid;
			IF i % 50 = 0 THEN
				IF clarify_context(person)::text <> plain_context(person) THEN
					RAISE EXCEPTION 'wrong answer';
				END IF;
			ELSE
				PERFORM clarify_context(person);
			END IF;
			IF i % change_every = 0 THEN
				UPDATE users SET name = 'name ' || i WHERE id = person;
				UPDATE dreams SET title = 'title ' || i WHERE user_id = person;
			END IF;
			COMMIT;
		END LOOP;
	END $$;
SQL

# One session for all of it: a line in, lines out until "done".
coproc session { exec psql -XAtq -v ON_ERROR_STOP=1 2>&1; }
# shellcheck disable=SC2154	# coproc sets session and its pid
ask() {
	local line
	printf '%s;\n\\echo done\n' "$*" >&"${session[1]}"
	while read -r line <&"${session[0]}"; do
		[ "$line" != "done" ] || return 0
		case $line in
			*ERROR* | *FATAL*) die "$line" ;;
		esac
		echo "$line"
	done
	die "the session has ended: $*"
}
use() {
	psql -q -c "ALTER SYSTEM SET clarify_cache.redis_url = '$1'" -c 'SELECT pg_reload_conf()' >/dev/null
	until [ "$(psql -XAtq -c 'SHOW clarify_cache.redis_url')" = "$1" ]; do sleep 0.05; done
}
backend=$(ask 'SELECT pg_backend_pid()')
rss() { sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$backend/status"; }
sockets() { find "/proc/$backend/fd" -lname 'socket:*' -o -lname 'anon_inode:*' | wc -l; }
contexts() { ask 'SELECT (sum(total_bytes) / 1024)::int FROM pg_backend_memory_contexts'; }

round() {
	local n=$per_round pid kind
	ask "CALL calls($((n / 2)), 1000000)"	# hits
	ask "CALL calls($((n / 5)), 1)"	# misses
	pid=$(cat "$tmp/main.redis.pid")
	kill -STOP "$pid"
	ask "CALL calls($((n / 10)), 10)"	# time-outs, an open breaker, probes
	kill -CONT "$pid"
	stop_redis
	ask "CALL calls($((n / 10)), 10)"
	use "unix://$tmp/fake.sock"
	ask 'SET clarify_cache.breaker_failures = 1000'
	for kind in garbage close close_mid_reply 'error on=SET OOM' extra_reply; do
		mode "$kind"
		ask "CALL calls($((n / 50)), 10)"
		mode normal
		ask 'SELECT pg_sleep(0.11); CALL calls(1, 2)'	# the breaker closes
	done >/dev/null
	ask 'RESET clarify_cache.breaker_failures'
	start_redis
	use "$(redis_url)"
}

say "$calls calls in $rounds rounds"
printf '%8s %12s %12s %8s\n' calls 'RSS (kB)' 'contexts' sockets
first=
for ((i = 1; i <= rounds; i++)); do
	round
	rss=$(rss)
	printf '%8d %12d %12d %8d\n' $((i * per_round)) "$rss" "$(contexts)" "$(sockets)"
	[ $i != 2 ] || first=$rss
done

ask "SELECT 'hits ' || sum(local_hits) || ' local, ' || sum(redis_hits) || ' of Redis' || ', builds ' || sum(builds) || ', fills ' || sum(fills) ||
	', breaker opened ' || min(breaker_openings) || ' times' FROM clarify_cache.stats, clarify_cache.status"
grown=$((rss - first))
echo "grown by $grown kB since the second round"
[ $grown -lt 1024 ] || die "memory is not flat"
