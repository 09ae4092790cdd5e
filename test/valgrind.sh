#!/bin/bash
#
# Does the extension use memory that it should not, or lose any?  A look by
# Valgrind's memcheck, at one session with a bit of everything.
#
# test/valgrind.sh: hits in both tiers, misses, writes, DDL, errors, and a Redis
# that stops, dies, answers nonsense and comes back, then the exit of the
# backend.  Fails on each error that valgrind.supp does not explain, and on each
# block that is lost and was asked for by our code or hiredis.  The rest of what
# a server leaves behind at its exit is its own.
#
# Unlike the sanitizers (CLARIFY_SANITIZE=1 test/run.sh) this sees values that
# were never set, and what hiredis, and the server on our behalf, do with them.
# A memory context is one piece to it as well: the server is not built for it.

# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
programs=(valgrind)
enter "$@"

say "building with $("$PG_CONFIG" --version)"
# shellcheck disable=SC2119	# our arguments are not for make
build
say "starting PostgreSQL, Redis, and one that misbehaves"
start_redis
start_fake_redis

# What only prepares goes without Valgrind.
start_postgres <<-CONF
	shared_preload_libraries = 'clarify_cache'
	clarify_cache.redis_url = '$(redis_url)'
	clarify_cache.local_cache_size = '256kB'	# so that Redis is asked as well
	clarify_cache.connect_timeout = '10s'
	clarify_cache.command_timeout = '10s'
	clarify_cache.breaker_recovery = '100ms'
	max_prepared_transactions = 5
	autovacuum = off
	jit = off	# what it compiles is not worth the wait
	shared_buffers = 16MB
CONF
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
sql -v people=60 -f test/clarify/schema.sql -f test/clarify/data.sql \
	-f test/clarify/plain.sql >"$tmp/load.log"
sql -c 'CREATE EXTENSION clarify_cache' -c 'SELECT clarify_cache.setup()' >>"$tmp/load.log"
pg_ctl -D "$tmp/pg" -w -s stop

cat >"$tmp/postgres_under_valgrind" <<-SCRIPT
	#!/bin/bash
	exec valgrind --quiet --suppressions="$source_dir/test/valgrind.supp" \
		--log-file="$tmp/valgrind.%p" --fullpath-after= --num-callers=40 \
		--leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
		"$(dirname "$PG_CONFIG")/postgres" "\$@"
SCRIPT
chmod +x "$tmp/postgres_under_valgrind"
pg_ctl -D "$tmp/pg" -l "$tmp/postgres.log" -p "$tmp/postgres_under_valgrind" -w -t 300 -s start ||
	{ cat "$tmp/postgres.log" "$tmp"/valgrind.*; die "PostgreSQL did not start under Valgrind"; }

# --------------------------------------------------------------- the session

use() {
	cat <<-SQL
		ALTER SYSTEM SET clarify_cache.redis_url = '$1';
		SELECT pg_reload_conf() \\g /dev/null
		SELECT pg_sleep(0.5) \\g /dev/null
	SQL
}


steps() {
	cat <<-'SQL'
		CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT md5('user ' || n)::uuid $$;
		CREATE PROCEDURE look(n int) LANGUAGE plpgsql AS $$
		BEGIN
			IF clarify_context(u(n))::text IS DISTINCT FROM plain_context(u(n)) THEN
				RAISE EXCEPTION 'wrong answer for user %', n;
			END IF;
			COMMIT;
		END $$;
		CREATE PROCEDURE looks() LANGUAGE plpgsql AS $$
		BEGIN
			FOR n IN 1 .. 62 LOOP
				CALL look(n);
			END LOOP;
			FOR n IN 1 .. 5 LOOP
				CALL look(7);
			END LOOP;
		END $$;
		CALL looks();
		CALL looks();

		UPDATE users SET name = 'changed' WHERE id IN (SELECT u(n) FROM generate_series(1, 20) n);
		CALL looks();
		BEGIN;
		DELETE FROM dreams WHERE user_id = u(3);
		SELECT length(clarify_context(u(3))::text) > 0;
		SAVEPOINT s;
		UPDATE dreams SET title = 'undone' WHERE user_id = u(4);
		ROLLBACK TO s;
		UPDATE dreams SET user_id = u(6) WHERE user_id = u(5);
		PREPARE TRANSACTION 'changes';
		COMMIT PREPARED 'changes';
		TRUNCATE reflections CASCADE;
		CALL looks();

		SELECT count(*) FROM clarify_contexts((SELECT array_agg(u(n)) FROM generate_series(1, 70) n));
		SELECT clarify_cache.warm((SELECT array_agg(u(n)) FROM generate_series(1, 70) n)) >= 0;
		SELECT length(clarify_prompt(u(n))) > 0 FROM generate_series(1, 3) n;
		SELECT clarify_context(u(1), (SELECT id FROM clarify_sessions WHERE user_id = u(1) LIMIT 1)) IS NULL;
		SELECT count(*) FROM clarify_cache.explain(u(1));
		SELECT count(*) FROM clarify_cache.status, clarify_cache.stats, clarify_cache.sections;
		SELECT clarify_cache.invalidate(u(1)), clarify_cache.invalidate_all();
		SELECT clarify_cache.compact() >= 0;

		ALTER TABLE dreams ADD COLUMN more int;
		CALL looks();
		ALTER TABLE dreams DISABLE TRIGGER ALL;
		CALL look(1);
		SELECT clarify_cache.repair();
		CALL look(1);
		SELECT clarify_cache.add_section('more', 'SELECT d.id, d.more FROM dreams d WHERE d.user_id = $1 ORDER BY d.id');
		SELECT length(clarify_context(u(1))::text) > 0;
		SELECT clarify_cache.drop_section('more');
		SELECT clarify_cache.detach('dreams');
		SELECT clarify_cache.attach('dreams');
		CALL looks();

		\set ON_ERROR_STOP 0
		SELECT clarify_cache.add_section('bad', 'SELECT random()');
		SELECT clarify_cache.add_section('bad', 'SELECT id FROM dreams');
		SELECT clarify_cache.attach('pg_class');
		ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:no';
		SELECT clarify_context(u(1)), 1 / 0;
		SELECT clarify_context('no uuid');
		\set ON_ERROR_STOP 1
	SQL
	# A Redis that does not answer; a wait that is ended; then none at all.
	cat <<-SQL
		\\! kill -STOP $1
		SET clarify_cache.command_timeout = '100ms';
		CALL looks();
		SELECT pg_sleep(0.2);
		SET clarify_cache.command_timeout = '10s';
		SET statement_timeout = '300ms';
		\\set ON_ERROR_STOP 0
		UPDATE users SET name = 'changed again';
		SELECT clarify_context(u(1));
		\\set ON_ERROR_STOP 1
		RESET statement_timeout;
		\\! kill -CONT $1
		SELECT pg_sleep(0.2);
		CALL looks();
		\\! kill $1
		SELECT pg_sleep(0.5);
		CALL looks();
	SQL
	use "unix://$tmp/fake.sock"
	echo 'SET clarify_cache.breaker_failures = 1000;'
	echo "SET clarify_cache.command_timeout = '1s';"
	local kind
	local change="mv $tmp/control.new $tmp/control; for i in \$(seq 3000); do [ -e $tmp/control ] || exit; sleep 0.01; done; echo 'the mode does not change'"
	for kind in normal garbage 'error on=SET OOM' close close_mid_reply 'wrong_type nested' 'huge array' extra_reply \
		'extra_later 20' wrong_key swap 'drip 5'; do
		cat <<-SQL
			\\! echo '$kind' >$tmp/control.new && $change
			UPDATE users SET name = '$kind' WHERE id = u(1);
			CALL look(1);
			CALL look(2);
			CALL look(1);
			\\! echo normal >$tmp/control.new && $change
			SELECT pg_sleep(0.2);
			CALL look(3);
			SELECT clarify_cache.invalidate(u(3));
			CALL look(3);
		SQL
	done
	cat <<-'SQL'
		SELECT 'used: ' || (min(local_hits) > 100 AND min(redis_hits) > 100 AND min(builds) > 100
			AND sum(breaker_openings) > 0) FROM
			(SELECT sum(local_hits) AS local_hits, sum(redis_hits) AS redis_hits, sum(builds) AS builds
			FROM clarify_cache.stats) s, clarify_cache.status;
		SELECT * FROM clarify_cache.stats;
		SELECT * FROM clarify_cache.status;
	SQL
}

say "a session under Valgrind"
run bash -c 'psql -X -q -A -t -v ON_ERROR_STOP=1 -f "$1" >"$2" 2>&1' - \
	<(steps "$(cat "$tmp/main.redis.pid")") "$tmp/session.log" ||
	{ tail -n 20 "$tmp/session.log"; die "the session failed"; }
! grep -q 'the mode does not change' "$tmp/session.log" || die "the fake Redis does not change its mode"
grep -q '^used: true$' "$tmp/session.log" ||
	{ tail -n 20 "$tmp/session.log"; die "the cache was hardly used"; }
pg_ctl -D "$tmp/pg" -w -t 300 -s stop

# --------------------------------------------------------------- what it says

# Reports are divided by lines without text.  Blocks that are lost count if
# there is a frame of ours or of hiredis.
reports() {
	cat "$tmp"/valgrind.[0-9]* | sed -E 's/^==[0-9]+== ?//' | awk -v RS= -v ORS='\n\n' '
		!/ (at|by) 0x/ { next }
		/are definitely lost/ && !/\/src\/src\/|clarify_cache\.so|libhiredis/ { next }
		{ print }'
}
reports >"$tmp/valgrind.log"
cat "$tmp/valgrind.log"
number=$(grep -c '^[^ ]' "$tmp/valgrind.log" || true)
printf '\n%d processes, %d reports\n' "$(find "$tmp" -name 'valgrind.[0-9]*' | wc -l)" "$number"
[ "$number" = 0 ]
