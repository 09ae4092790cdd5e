# shellcheck shell=bash
#
# What a writer pays for the triggers, and for what is written before a commit.
#
# Two databases of one server, with the extension and without, have the same
# people; what is compared is measured in turn, and the tables are vacuumed
# before each turn.  With Redis, a writer also tells it at the commit what to
# remove.

: "${rounds:?} ${seconds:?} ${person:?}"	# of bench.sh and common.sh

writers_update="UPDATE users SET total_reflections = total_reflections + 1 WHERE id = $person;"
writers_unread="UPDATE users SET last_sign_in_at = now() WHERE id = $person;"
writers_insert="INSERT INTO reflections (user_id, tone) VALUES ($person, 'gentle');"

# writers_contender CONTENDER: the database, and Redis or not; there may be none.
writers_database() {
	case $1 in
		'without the extension') echo writers_plain ;;
		*) echo writers ;;
	esac
}

writers_redis() {
	case $1 in
		'with Redis') set_redis_url "$(redis_url)" ;;
		*) set_redis_url '' ;;
	esac
}
