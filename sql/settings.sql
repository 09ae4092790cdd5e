--
-- The settings: who may change them, within which bounds; and the URL of Redis,
-- whose password shows in no error, in no view, and to no ordinary role.
--
\pset format unaligned
\pset tuples_only
\set SHOW_CONTEXT never

SELECT name, context, vartype, unit, min_val, max_val, boot_val FROM pg_settings
WHERE name LIKE 'clarify_cache.%' ORDER BY name COLLATE "C";

-- out of range, of the wrong kind, unknown
SELECT attempt('SET clarify_cache.connect_timeout = 0');
SELECT attempt('SET clarify_cache.connect_timeout = ''61s''');
SELECT attempt('SET clarify_cache.command_timeout = -1');
SELECT attempt('SET clarify_cache.command_timeout = ''soon''');
SELECT attempt('SET clarify_cache.breaker_failures = 0');
SELECT attempt('SET clarify_cache.breaker_recovery = ''99ms''');
SELECT attempt('SET clarify_cache.ttl_jitter = 51');
SELECT attempt('SET clarify_cache.max_entry_size = 0');
SELECT attempt('SET clarify_cache.max_entry_size = ''1GB''');
SELECT attempt('SET clarify_cache.max_tracked_keys = 0');
SELECT attempt('SET clarify_cache.audit_rate = -0.1');
SELECT attempt('SET clarify_cache.audit_rate = 1.01');
SELECT attempt('SET clarify_cache.audit_rate = ''NaN''');
SELECT attempt('SET clarify_cache.audit_rate = ''often''');
SELECT attempt('SET clarify_cache.enabled = ''perhaps''');
SELECT attempt('SET clarify_cache.key_prefix = ''''');
SELECT attempt('SET clarify_cache.key_prefix = ''with space''');
SELECT attempt('SET clarify_cache.key_prefix = ''brace{s}''');
SELECT attempt('SET clarify_cache.key_prefix = ''colon:''');
SELECT attempt(format('SET clarify_cache.key_prefix = %L', repeat('x', 65)));
SELECT attempt('SET clarify_cache.no_such_setting = 1');
SELECT attempt('SET clarify_cache.redis_url = ''redis://localhost''');
SELECT attempt('SET clarify_cache.redis_url = ''redis://:geheim@localhost:0''');
SELECT count(*) FROM pg_settings WHERE name LIKE 'clarify_cache.%' AND source = 'session';

-- who may: anyone may go without the cache, all else is a superuser's
CREATE ROLE regress_ordinary;
SET ROLE regress_ordinary;
SELECT attempt('SET clarify_cache.enabled = off');
SELECT attempt('RESET clarify_cache.enabled');
SELECT attempt(format('SET %s = DEFAULT', name)) FROM pg_settings
WHERE name LIKE 'clarify_cache.%' AND name <> 'clarify_cache.enabled' ORDER BY name COLLATE "C";
SELECT attempt('ALTER SYSTEM SET clarify_cache.redis_url = ''redis://localhost''');
SELECT attempt('ALTER ROLE regress_ordinary SET clarify_cache.max_entry_size = 1');
SELECT attempt('SHOW clarify_cache.redis_url');
SELECT attempt('SELECT current_setting(''clarify_cache.redis_url'')');
SELECT count(*) FROM pg_settings WHERE name = 'clarify_cache.redis_url';
RESET ROLE;
DROP ROLE regress_ordinary;

-- Malformed URLs, each with its reason; none repeats any part of itself.
ALTER SYSTEM SET clarify_cache.redis_url = 'geheim';
\echo :LAST_ERROR_SQLSTATE
ALTER SYSTEM SET clarify_cache.redis_url = 'http://:geheim@localhost';
ALTER SYSTEM SET clarify_cache.redis_url = ' redis://:geheim@localhost';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis:/localhost:geheim';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://geheim@localhost';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@local host';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@localhost:port';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@localhost:0';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@localhost:65536';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@localhost:';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@localhost:6379/one';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@localhost/1/2';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@localhost/-1';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@localhost/99999999999999999999';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@localhost?db=1';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geh%eim@localhost';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geh%00eim@localhost';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim%@localhost';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@[::1';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@[::1]x';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@::1';
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:ge/heim@localhost';
ALTER SYSTEM SET clarify_cache.redis_url = 'unix://';
ALTER SYSTEM SET clarify_cache.redis_url = 'unix:///';
ALTER SYSTEM SET clarify_cache.redis_url = 'unix://relative/geheim';
ALTER SYSTEM SET clarify_cache.redis_url = 'unix:///run/geheim?db=';
ALTER SYSTEM SET clarify_cache.redis_url = 'unix:///run/geheim?db=x';
ALTER SYSTEM SET clarify_cache.redis_url = 'unix:///run/geheim?database=1';
ALTER SYSTEM SET clarify_cache.redis_url = 'unix:///run/geheim?db=1&db=2';
ALTER SYSTEM SET clarify_cache.redis_url = 'unix://geheim@/run/redis.sock';
ALTER SYSTEM SET clarify_cache.redis_url = 'unix://:geh%zzeim@/run/redis.sock';
ALTER SYSTEM SET clarify_cache.redis_url = 'unix:///run/geheim%2';
SELECT 'unix:///' || repeat('geheim', 18) AS url \gset
ALTER SYSTEM SET clarify_cache.redis_url = :'url';
SELECT 'redis://:' || repeat('geheim', 50) || '@localhost' AS url \gset
ALTER SYSTEM SET clarify_cache.redis_url = :'url';
SELECT 'redis://:geheim@' || repeat('host', 70) AS url \gset
ALTER SYSTEM SET clarify_cache.redis_url = :'url';
SELECT count(*) FROM pg_file_settings WHERE name = 'clarify_cache.redis_url' AND sourcefile LIKE '%auto.conf';

-- What is filled now, for the end.
SELECT redis_address AS own_address FROM clarify_cache.status \gset
SELECT clarify_cache.setup();
SELECT look(u(8));
SELECT look(u(8));

-- Well-formed ones: what "status" shows of them.  Nobody connects to any.
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://localhost';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('redis://localhost:6379/0') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://localhost:7000/';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('redis://localhost:7000/0') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://localhost:7000/3';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('redis://localhost:7000/3') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@10.0.0.5:6379/0';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('redis://10.0.0.5:6379/0') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://name:geheim@redis.example.org';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('redis://redis.example.org:6379/0') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://name:geh%40eim%3A%2F@redis.example.org/1';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('redis://redis.example.org:6379/1') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:ge@heim:@redis.example.org/2';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('redis://redis.example.org:6379/2') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:@localhost/4';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('redis://localhost:6379/4') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'redis://:geheim@[2001:db8::1]:6380/15';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('redis://[2001:db8::1]:6380/15') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'unix:///run/redis/redis.sock';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('unix:///run/redis/redis.sock') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'unix:///run/redis/redis.sock?db=2';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('unix:///run/redis/redis.sock?db=2') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'unix://:geheim@/run/redis/redis.sock?db=3';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('unix:///run/redis/redis.sock?db=3') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
ALTER SYSTEM SET clarify_cache.redis_url = 'unix://name:geheim@/run/with%20space%3F%ff.sock';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits('unix:///run/with%20space%3F%FF.sock') \gexec
\set ECHO all
SELECT redis_address FROM clarify_cache.status;
-- SHOW and pg_settings leave the password out, for a superuser as well
SHOW clarify_cache.redis_url;
SELECT count(*) FROM pg_settings WHERE setting ~ 'geheim';
-- an ordinary role may see the address, and no more
CREATE ROLE regress_ordinary;
SET ROLE regress_ordinary;
SELECT redis_address FROM clarify_cache.status;
SELECT count(*) FROM clarify_cache.status s WHERE s::text LIKE '%geheim%';
RESET ROLE;
DROP ROLE regress_ordinary;
-- none
ALTER SYSTEM SET clarify_cache.redis_url = '';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits(NULL) \gexec
\set ECHO all
SELECT enabled, preloaded, redis_address, breaker FROM clarify_cache.status;

-- Without Redis everything works: built, neither read nor filled.
SELECT look(u(8));
SELECT look(u(8));
UPDATE dreams SET title = 'Without Redis' WHERE user_id = u(8);
SELECT look(u(8));
SELECT look(NULL);
SELECT section, cacheable FROM clarify_cache.sections;

-- And back: what was filled before is there, but for what was changed since.
ALTER SYSTEM RESET clarify_cache.redis_url;
SELECT pg_reload_conf();
\set ECHO none
SELECT waits(:'own_address') \gexec
\set ECHO all

SELECT look(u(8));
SELECT look(u(8));
SELECT connected, breaker, breaker_failures FROM clarify_cache.status;
-- all the rest works without it, too
ALTER SYSTEM SET clarify_cache.redis_url = '';
SELECT pg_reload_conf();
\set ECHO none
SELECT waits(NULL) \gexec
\set ECHO all
SELECT clarify_cache.invalidate(u(8));
SELECT clarify_cache.invalidate_all();
SELECT clarify_cache.repair();
SELECT clarify_cache.drop_section('user');
SELECT clarify_cache.detach('users');
SELECT clarify_cache.setup();
SELECT clear();
SELECT clarify_cache.setup();
SELECT clarify_context(u(8))::json ->> 'user' IS NOT NULL;
ALTER SYSTEM RESET clarify_cache.redis_url;
SELECT pg_reload_conf();
\set ECHO none
SELECT waits(:'own_address') \gexec
\set ECHO all
SELECT look(u(8));
SELECT look(u(8));

-- Another prefix is another set of keys, another database's, say; back again,
-- the old keys are there.
SET clarify_cache.key_prefix = 'another';
SELECT look(u(8));
SELECT look(u(8));
RESET clarify_cache.key_prefix;
SELECT look(u(8));
SELECT clear();
