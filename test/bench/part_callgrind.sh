# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317,SC2329	# of and for common.sh; called by name
#
# Instructions, counted by Valgrind's callgrind in a backend that is warm.
#
# Unlike times they are the same on a busy machine, so small differences can be
# seen, and where they come from: for each statement a list of functions with
# what they cost goes to the folder, callgrind/*.txt.  What they are not is
# time.  The kernel's instructions are not among them (what a client is sent,
# Redis that is woken, WAL that is written), caches that are cold do not count,
# and Valgrind's processor has no instructions for SHA-256, so that the MACs of
# Redis' entries count more than they take.
#
# Functions of the server that are static have names if there are symbols for
# debugging (Debian: postgresql-15-dbgsym), else addresses.

counted_warm=100	# statements before those that are counted
counted=800

prepare_callgrind() {
	local database
	load_people counted 1000 6
	load_plain counted_plain 1000
	run gcc -O2 -shared -fPIC "-I$("$PG_CONFIG" --includedir-server)" -o "$tmp/callgrind.so" test/bench/callgrind.c
	for database in counted counted_plain; do
		sql -d "$database" -c "CREATE FUNCTION callgrind_mark() RETURNS void AS '$tmp/callgrind', 'callgrind_mark' LANGUAGE c"
	done
	cat >"$tmp/postgres_under_callgrind" <<-SCRIPT
		#!/bin/bash
		exec valgrind --tool=callgrind --quiet --instr-atstart=no --callgrind-out-file="$tmp/callgrind.%p" \
			"$(dirname "$PG_CONFIG")/postgres" "\$@"
	SCRIPT
	chmod +x "$tmp/postgres_under_callgrind"
	mkdir "$results/callgrind"
}

restart_under_callgrind() {
	printf '%s\n' "$1" >"$tmp/part.conf"
	pg_ctl -D "$tmp/pg" -m fast -w -t 300 -s stop
	pg_ctl -D "$tmp/pg" -l "$tmp/postgres.log" -p "$tmp/postgres_under_callgrind" -w -t 300 -s start ||
		{ tail -n 20 "$tmp/postgres.log"; die "PostgreSQL did not start under Valgrind"; }
}

# run_marked DATABASE STATEMENT: for one person after the other, none twice.
# The first mark is only there to be parsed.
run_marked() {
	cat >"$tmp/marked.sql" <<-SQL
		\\set i :i + 1
		\\set n 1 + :i % 1000
		\\if :i = 2 or :i = $counted_warm or :i = $((counted_warm + counted))
		SELECT callgrind_mark();
		\\endif
		$2;
	SQL
	rm -f "$tmp"/callgrind.[0-9]*
	pgbench -n -M prepared -U app -c 1 -t $((counted_warm + counted)) -D i=0 -f "$tmp/marked.sql" "$1" \
		>"$tmp/marked.log" 2>&1 || { cat "$tmp/marked.log"; die "pgbench failed: $2"; }
}

# count_statement CONTENDER SCALE DATABASE SOURCE STATEMENT: its instructions, what
# "measured" records of sections, and the list of functions.
count_statement() {
	local contender=$1 scale=$2 database=$3 source=$4 before
	profile="$results/callgrind/$scale, ${contender//\/}.txt"
	before=$(sources counted)
	run_marked "$database" "$5"
	perl test/bench/callgrind.pl "$counted" "$tmp"/callgrind.*.3 20 200 >"$profile"
	record callgrind "$contender" "$scale" instructions 1 "$(sed -n 's/ instructions$//p' "$profile" | tr -d ' ')"
	record callgrind "$contender" "$scale" 'as named' % "$(share_of "$source" "$before $(sources counted)")"
}

# The cost of functions in the last profile, those they call included.
of_functions() {
	local name=$1 scale=$2
	shift 2
	local IFS='|'
	awk -v functions="^($*)\$" '$1 != "<-" && $4 ~ functions { sum += $1; found = 1 } END { if (found) print sum }' "$profile" >"$tmp/of"
	if [ -s "$tmp/of" ]; then
		record callgrind "$name" "$scale" 'of them in' 1 "$(cat "$tmp/of")"
	else
		absent callgrind "$name" 'no such function is called, or it is part of another'
	fi
}

measure_callgrind() {
	local database
	local context="SELECT clarify_context($person)"
	local update="UPDATE users SET total_reflections = total_reflections + 1 WHERE id = $person"
	local unread="UPDATE users SET last_sign_in_at = now() WHERE id = $person"

	say "instructions"
	restart_with "clarify_cache.redis_url = ''"
	prepare_callgrind
	restart_under_callgrind "clarify_cache.redis_url = ''"
	warm counted
	count_statement bare context counted - "SELECT $person"
	count_statement 'finished row' context counted - "SELECT context FROM finished WHERE user_id = $person"
	count_statement 'PL/pgSQL function' context counted - "SELECT by_hand($person)"
	PGOPTIONS='-c clarify_cache.enabled=off' count_statement off context counted bypass "$context"
	count_statement local context counted local "$context"
	of_functions 'all of a local hit' 'local hit' clarify_context
	of_functions 'version probe' 'local hit' VersionOpen VersionProbe VersionClose
	of_functions 'sections: locks and versions and privileges' 'local hit' AcquireSections JudgeSections SectionsAcquire SectionLockAndAnalyze
	of_functions 'local tier' 'local hit' FindLocal
	of_functions 'the document' 'local hit' ContextAssemble
	# Once a user has a version, it is updated rather than inserted.
	for database in counted counted_plain; do
		sql -d $database -c 'UPDATE users SET total_reflections = total_reflections + 1' -c 'VACUUM'
	done
	count_statement 'without the extension' 'UPDATE of one row' counted_plain - "$update"
	count_statement 'with' 'UPDATE of one row' counted - "$update"
	of_functions 'trigger of a row' 'UPDATE of one row' clarify_track_change
	of_functions 'trigger of a statement' 'UPDATE of one row' clarify_mark_change
	of_functions 'before the commit' 'UPDATE of one row' OnTransactionEvent
	count_statement 'without the extension' 'UPDATE of an unread column' counted_plain - "$unread"
	count_statement 'with' 'UPDATE of an unread column' counted - "$unread"
	# The context after a message is what the second of these has beyond the first.
	sql -d counted -c "INSERT INTO clarify_messages (session_id, role, content)
		SELECT DISTINCT ON (user_id) id, 'user', 'A message.' FROM clarify_sessions"
	warm counted
	sql -d counted -c 'VACUUM'
	count_statement 'a message' 'chat turn' counted - "${add_message%;}"
	warm counted
	sql -d counted -c 'VACUUM'
	count_statement 'a message and the context' 'chat turn' counted local+build "$add_message
		$context"
	sql -d counted -c 'SELECT clarify_cache.invalidate_all()' >/dev/null
	count_statement 'miss (without Redis)' context counted build "$context"

	restart_under_callgrind "clarify_cache.redis_url = '$(redis_url)'
		clarify_cache.local_cache_size = 0"
	sql -d counted -c 'SELECT clarify_cache.invalidate_all()' >/dev/null
	count_statement miss context counted build "$context"
	warm counted
	count_statement 'Redis (Unix socket)' context counted redis "$context"
	count_statement 'with Redis' 'UPDATE of one row' counted - "$update"

	# A breaker that stays open.
	restart_under_callgrind "clarify_cache.redis_url = 'unix://$tmp/nobody.sock'
		clarify_cache.local_cache_size = 0
		clarify_cache.breaker_failures = 1
		clarify_cache.breaker_recovery = '1h'"
	warm counted
	count_statement 'breaker open' context counted build "$context"
	[ "$(sql -d counted -c 'SELECT breaker FROM clarify_cache.status')" = open ] || die "the breaker is not open"

	remark callgrind "by function: the folder's callgrind/*.txt; without the kernel's instructions, and with too many for the MACs of Redis' entries"

	# Parts after this one go on with a server as they know it.
	pg_ctl -D "$tmp/pg" -m fast -w -t 300 -s stop
	pg_ctl -D "$tmp/pg" -l "$tmp/postgres.log" -w -s start
}
