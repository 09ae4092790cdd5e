# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317,SC2329	# of and for common.sh; called by name
#
# What a writer pays: for the triggers, for what they write before a commit, and
# with Redis for telling it what to remove.
#
# Databases of one server have the same people and the same million rows: without
# the extension; with the extension; with a trigger in C that does nothing, which
# is the least that any AFTER ROW trigger costs; with one that notes the change in
# a row of the user's, in C, which is about the least that a version of the data
# can cost; and the same in PL/pgSQL, as one would write it by hand.  They are
# measured in turn, and vacuumed before each turn.  An UPDATE changes a column that
# a section reads, or one that none reads.  With Redis, a writer tells it what to
# remove, of which nothing is there, as nobody has read since the last write.

writers_update="UPDATE users SET total_reflections = total_reflections + 1 WHERE id = $person;"
writers_unread="UPDATE users SET last_sign_in_at = now() WHERE id = $person;"
writers_insert="INSERT INTO dreams (user_id, title) VALUES ($person, 'A title');"
# Rows that are all of the first person.
writers_same_user='UPDATE bulk SET n = n + 1 WHERE id = 1000 * (:client_id + 1);'
writers_same_row="UPDATE users SET total_reflections = total_reflections + 1 WHERE id = md5('user 1')::uuid;"

writers_databases='writers writers_plain writers_trigger writers_noted writers_by_hand'

prepare_writers() {
	local database table
	build_triggers
	load_people writers 1000 6
	load_plain writers_plain 1000
	for database in writers writers_plain; do
		sql -d $database -v file="$tmp/bulk.copy" -f test/bench/bulk.sql -f test/bench/writers.sql
	done
	for table in bulk loaded; do
		sql -d writers -c "SELECT clarify_cache.attach('$table')" \
			-c "SELECT clarify_cache.add_section('$table', 'SELECT id, n FROM $table WHERE user_id = \$1 ORDER BY id', max_items => 10)" >/dev/null
	done
	# The first UPDATE finds no room, those after it do.
	for database in writers writers_plain; do
		sql -d $database -c 'UPDATE bulk SET n = n + 1' -c 'UPDATE users SET total_reflections = total_reflections + 1' -c 'VACUUM ANALYZE'
	done
	for database in writers_trigger writers_noted writers_by_hand; do
		sql -c "CREATE DATABASE $database TEMPLATE writers_plain"
		[ $database = writers_trigger ] || sql -d $database -f test/bench/noted.sql
	done
	for table in users dreams bulk loaded; do
		add_trigger writers_trigger $table empty_trigger
	done
	add_trigger writers_noted users note_trigger 1
	add_trigger writers_noted dreams note_trigger 2
	add_trigger writers_by_hand users note_user
	add_trigger writers_by_hand dreams note_row
	add_trigger writers_by_hand bulk note_row
}

# take_turn CONTENDER: make things ready for it, and say its database.
take_turn() {
	local url='' database
	case $1 in
		'without the extension') database=writers_plain ;;
		'with an empty trigger') database=writers_trigger ;;
		'with a row noted in C') database=writers_noted ;;
		'with a row noted by hand') database=writers_by_hand ;;
		'with the extension') database=writers ;;
		'with Redis') database=writers url=$(redis_url) ;;
	esac
	set_redis_url "$url"
	# So that all rounds begin alike.
	[ "$database" != writers ] || sql -d writers -c 'SELECT clarify_cache.compact()' >/dev/null
	sql -d "$database" -c VACUUM
	echo "$database"
}

# What writers_compare is about, by one contender.
writers_one() {
	local database rows
	database=$(take_turn "$1")
	rows=$(version_rows "$database")
	record writers "$1" "$writers_scale" latency us \
		"$(latency "$writers_clients" $((2 * seconds)) "$writers_statement" "$database")"
	if [ "$writers_clients" -gt 1 ] && [ "$database" = writers ]; then
		# Who finds the user's row of the version taken adds another, and a user
		# with thousands of them is not cached any more.
		rows=$(($(version_rows "$database") - rows))
		record writers "$1" "$writers_scale" 'rows added to versions by 100 writes' 1 \
			"$(cat "$tmp"/transactions.* | awk -v rows="$rows" 'END { printf "%.3f\n", 100 * rows / NR }')"
		record writers "$1" "$writers_scale" 'is the user bypassed now?' times \
			"$(sql -d writers -c "SELECT count(*) FILTER (WHERE reason = 'history') > 0 FROM clarify_cache.explain(${person/:n/1})" | tr tf 10)"
	fi
}
version_rows() {
	[ "$1" != writers ] || sql -d writers -c 'SELECT count(*) FROM clarify_cache.version'
}
writers_without() { writers_one 'without the extension'; }
writers_empty() { writers_one 'with an empty trigger'; }
writers_noted() { writers_one 'with a row noted in C'; }
writers_by_hand() { writers_one 'with a row noted by hand'; }
writers_with() { writers_one 'with the extension'; }
writers_with_redis() { writers_one 'with Redis'; }

# writers_compare SCALE CLIENTS STATEMENT [ALSO...]: and by these, besides those
# that are always there.
writers_compare() {
	writers_scale=$1 writers_clients=$2 writers_statement=$3
	shift 3
	say "$writers_scale"
	interleave "$rounds" writers_without writers_empty writers_with writers_with_redis "$@"
}

# writers_bulk_one CONTENDER SCALE DATABASE BEFORE STATEMENT: its time, and the
# processor's time of the backend.  All have the same number of dead rows.
writers_bulk_one() {
	local figures
	figures=$(sql -F ' ' -d "$3" -c "$4" -c CHECKPOINT \
		-c 'CREATE TEMP TABLE started AS SELECT clock_timestamp() AS at, cpu_ms()' -c "$5" \
		-c 'SELECT extract(epoch FROM clock_timestamp() - at) * 1e3, cpu_ms() - cpu_ms FROM started')
	record writers "$1" "$2" time ms "${figures% *}"
	record writers "$1" "$2" 'processor time' ms "${figures#* }"
}

bulk_scales=('UPDATE of a million rows' 'UPDATE of an unread column of a million rows' 'COPY of a million rows')

writers_bulk() {
	local database
	database=$(take_turn "$1")
	writers_bulk_one "$1" "${bulk_scales[0]}; fsync $bulk_sync" "$database" 'VACUUM bulk' 'UPDATE bulk SET n = n + 1'
	writers_bulk_one "$1" "${bulk_scales[1]}; fsync $bulk_sync" "$database" 'VACUUM bulk' 'UPDATE bulk SET unread = unread + 1'
	writers_bulk_one "$1" "${bulk_scales[2]}; fsync $bulk_sync" "$database" 'TRUNCATE loaded' "COPY loaded FROM '$tmp/bulk.copy'"
}
bulk_without() { writers_bulk 'without the extension'; }
bulk_empty() { writers_bulk 'with an empty trigger'; }
bulk_with() { writers_bulk 'with the extension'; }
bulk_with_redis() { writers_bulk 'with Redis'; }

# writers_goal SCALE FIGURE LIMIT [CONTENDER]
writers_goal() {
	local contender=${4:-with the extension}
	goal "$1: $contender / without" '<=' "$3" x "[writers|$contender|$1|$2] / [writers|without the extension|$1|$2]"
}

measure_writers() {
	local sync scale database
	say "loading people and a million rows"
	restart_with ''
	prepare_writers
	for sync in off on; do
		restart_with "fsync = $sync
			synchronous_commit = $sync"
		writers_compare "UPDATE of a row; fsync $sync" 1 "$writers_update" writers_noted writers_by_hand
		writers_compare "UPDATE of an unread column; fsync $sync" 1 "$writers_unread"
		writers_compare "INSERT of a row; fsync $sync" 1 "$writers_insert" writers_noted writers_by_hand
		writers_compare "16 writers; a row each of one user; fsync $sync" 16 "$writers_same_user" writers_by_hand
		writers_compare "16 writers; the same row; fsync $sync" 16 "$writers_same_row"
	done
	for bulk_sync in off on; do
		restart_with "fsync = $bulk_sync
			synchronous_commit = $bulk_sync"
		say "UPDATE and COPY of a million rows; fsync $bulk_sync"
		interleave "$rounds" bulk_without bulk_empty bulk_with bulk_with_redis
	done

	for scale in 'UPDATE of a row' 'UPDATE of an unread column' 'INSERT of a row'; do
		writers_goal "$scale; fsync off" latency 1.10
		writers_goal "$scale; fsync off" latency 1.10 'with Redis'
		writers_goal "$scale; fsync on" latency 1.02
		writers_goal "$scale; fsync on" latency 1.02 'with Redis'
	done
	for scale in "${bulk_scales[@]/%/; fsync off}" "${bulk_scales[@]/%/; fsync on}"; do
		writers_goal "$scale" time 1.15
		writers_goal "$scale" time 1.15 'with Redis'
		goal "$scale, processor time: with the extension / without" '<=' 1.15 x \
			"[writers|with the extension|$scale|processor time] / [writers|without the extension|$scale|processor time]"
	done
	for database in $writers_databases; do sql -c "DROP DATABASE $database"; done
}
