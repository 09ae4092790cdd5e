-- skew.sql's duties, by the extension.
SELECT clarify_cache.attach('duty');
SELECT clarify_cache.add_section('duty', 'SELECT id, is_on FROM duty WHERE user_id = $1 ORDER BY id');
