/*
 * An application's own ways to a person's context, in Node.js.
 *
 *	node app.js WAY CLIENTS SECONDS
 *
 * Prints the mean latency in microseconds of so many concurrent loops, after a
 * second that does not count.  The ways:
 *
 *	bare		a SELECT of the id
 *	five		the five queries at once, over a pool
 *	get			the five sections by GETs from Redis, at once; what is not there
 *				by its query, and then SET
 *	mget		the same by one MGET
 *	cache		SELECT clarify_context()
 *	turn_get	get, after a message was inserted and the sessions' key DELeted
 *	turn_cache	cache, after a message was inserted
 *
 * All end with an object.  "check" instead fills Redis, and fails unless the ways
 * give the same for everybody.  From the environment: PGHOST, PGUSER, PGDATABASE,
 * REDIS_PORT, and PEOPLE, STEP: whom to ask for.
 */
import assert from 'node:assert';
import { createHash } from 'node:crypto';
import Redis from 'ioredis';
import pg from 'pg';

const [way, clients, seconds] = [process.argv[2], Number(process.argv[3] ?? 1), Number(process.argv[4] ?? 1)];
const people = Number(process.env.PEOPLE), step = Number(process.env.STEP);
const ids = Array.from({ length: people }, (_, i) => {
	const hex = createHash('md5').update(`user ${step * (i + 1)}`).digest('hex');
	return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
});

// Five queries of each client can run at once; more than some dozens help nobody.
const pool = new pg.Pool({ max: Math.min(5 * clients, 40) });
const redis = /get|check/.test(way) ? new Redis({ host: '127.0.0.1', port: Number(process.env.REDIS_PORT) }) : null;

// Named, so that pg prepares them once in each connection.
const sections = {
	user: `SELECT name, tier, total_reflections, total_clarify_sessions
		FROM users WHERE id = $1`,
	dreams: `SELECT id, title, description, status, category
		FROM dreams WHERE user_id = $1 AND status = 'active'
		ORDER BY updated_at DESC, id LIMIT 5`,
	patterns: `SELECT id, user_id, pattern_type, content, strength
		FROM clarify_patterns WHERE user_id = $1 AND strength >= 3
		ORDER BY strength DESC, id LIMIT 10`,
	sessions: `SELECT id, title, created_at, message_count
		FROM clarify_sessions WHERE user_id = $1 AND status = 'active'
		ORDER BY last_message_at DESC, id LIMIT 3`,
	reflections: `SELECT id, tone, created_at
		FROM reflections WHERE user_id = $1
		ORDER BY created_at DESC, id LIMIT 3`,
};
const names = Object.keys(sections);
let misses = 0;

async function querySection(name, id)
{
	const { rows } = await pool.query({ name, text: sections[name], values: [id] });
	return name === 'user' ? rows[0] ?? null : rows;
}

const key = (id, name) => `context:${process.env.PGDATABASE}:${id}:${name}`;

async function missedSection(name, id)
{
	misses++;
	const section = await querySection(name, id);
	await redis.set(key(id, name), JSON.stringify(section), 'EX', 86400);
	return section;
}

const assemble = (id, values) => Promise.all(names.map((name, i) =>
	values[i] === null ? missedSection(name, id) : JSON.parse(values[i])))
	.then((parts) => Object.fromEntries(names.map((name, i) => [name, parts[i]])));

const addMessage = (id) => pool.query({
	name: 'message',
	text: `INSERT INTO clarify_messages (session_id, role, content)
		SELECT id, 'user', 'A message.' FROM clarify_sessions WHERE user_id = $1 LIMIT 1`,
	values: [id],
});

const ways = {
	bare: (id) => pool.query({ name: 'bare', text: 'SELECT $1::uuid', values: [id] }),
	five: async (id) => {
		const parts = await Promise.all(names.map((name) => querySection(name, id)));
		return Object.fromEntries(names.map((name, i) => [name, parts[i]]));
	},
	get: async (id) => assemble(id, await Promise.all(names.map((name) => redis.get(key(id, name))))),
	mget: async (id) => assemble(id, await redis.mget(names.map((name) => key(id, name)))),
	// pg makes an object of json.
	cache: async (id) => {
		const { rows } = await pool.query({ name: 'cache', text: 'SELECT clarify_context($1) AS context', values: [id] });
		return rows[0].context;
	},
};

// What comes before the time of a chat turn is taken.
const before = {
	turn_get: async (id) => { await addMessage(id); await redis.del(key(id, 'sessions')); },
	turn_cache: addMessage,
};

const now = () => Number(process.hrtime.bigint()) / 1000;

async function measure()
{
	const prepare = before[way], call = ways[way.replace('turn_', '')];
	const start = now() + 1e6, end = start + seconds * 1e6;
	let sum = 0, count = 0;

	await Promise.all(Array.from({ length: clients }, async () => {
		for (;;)
		{
			const id = ids[Math.floor(Math.random() * people)];
			if (prepare)
				await prepare(id);
			const called = now();
			await call(id);
			const returned = now();
			if (returned > end)
				break;
			if (called >= start)
			{
				sum += returned - called;
				count++;
			}
		}
	}));
	assert(misses === 0 || prepare, `${misses} sections were not in Redis`);
	console.log((sum / count).toFixed(2));
}

// Times are Dates in rows, and text in JSON, of another form than JavaScript's.
const plain = (context) => JSON.parse(JSON.stringify(context), (name, value) =>
	name === 'created_at' ? new Date(value).toISOString() : value);

async function check()
{
	for (const id of ids)
	{
		const expected = plain(await ways.cache(id));
		for (const other of ['five', 'get', 'get', 'mget'])
			assert.deepStrictEqual(plain(await ways[other](id)), expected, `${other} of ${id}`);
	}
	assert.equal(misses, names.length * people);
}

await (way === 'check' ? check() : measure());
redis?.disconnect();
await pool.end();
