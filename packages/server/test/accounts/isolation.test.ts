/**
 * Isolation: what one user does is answered as if the other were not there.
 *
 *     a world with both       ana's statement ┬ the same answer, to the character
 *     a world with ana alone  ana's statement ┘             and so for bob
 *
 * The tables are a (USER, hot), b (USER, flushed and written again) and c (STREAM); s is SHARED and the same in all worlds. Statements are random
 * ones of every shape: queries of `test/sql/wide.ts`, through views, in EXECUTE AS, in batches, with keys that both use, and changes of rows of every kind. Rows, counts,
 * messages, codes and texts of errors are compared, so none of them can tell of the other; and at the end each has the rows they would have alone.
 *
 *     KALAMDB_ISOLATION_STATEMENTS=100000 node --test packages/server/test/accounts/isolation.test.ts     more statements
 *     KALAMDB_ISOLATION_SEED=7 node --test packages/server/test/accounts/isolation.test.ts                another sequence
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {UserId} from '../../src/model/names.ts';
import type {Session} from '../../src/model/session.ts';
import {Random} from '../sql/random.ts';
import {WIDE_DDL, WideQueries, wideRow} from '../sql/wide.ts';
import {flush, openTestDatabase, type TestDatabase} from '../test-database.ts';

const STATEMENTS = Number(process.env['KALAMDB_ISOLATION_STATEMENTS'] ?? 250);
const SEED = Number(process.env['KALAMDB_ISOLATION_SEED'] ?? 1);
const FLUSH_EVERY = 100;
/** Queries that run on DuckDB, which take most of the time. */
const WIDE = 0.1;
const KEYED = 0.1;
/** Of a user; fewer than are kept. */
const KEYS_MAX = 900;
const USERS = ['ana', 'bob'] as const;
type User = (typeof USERS)[number];

let both: TestDatabase;
let alone: Record<User, TestDatabase>;

before(async () => {
  // Of an answer that is cut no order says which rows are left, so only that it was cut is compared.
  const open = () => openTestDatabase({defaultRows: 5000, maxRows: 5000});
  both = await open();
  alone = {ana: await open(), bob: await open()};
  for (const world of worlds()) {
    await world.sql(`
      CREATE NAMESPACE w;
      CREATE USER TABLE w.a (${WIDE_DDL});
      CREATE USER TABLE w.b (${WIDE_DDL});
      CREATE STREAM TABLE w.c (${WIDE_DDL}) WITH (TTL_SECONDS = 86400);
      CREATE SHARED TABLE w.s (${WIDE_DDL}) WITH (ACCESS_LEVEL = 'public');
      CREATE SHARED TABLE w.secret (${WIDE_DDL});
      CREATE VIEW w.va AS SELECT * FROM w.a;
      CREATE VIEW w.vab AS SELECT a.id, b.t, a.n FROM w.a JOIN w.b ON a.n = b.n;
      INSERT INTO w.s VALUES (1, 1, 1, 'shared', TRUE, 1.25, NULL)`);
  }
});
after(() => Promise.all(worlds().map(world => world.stop())));

test(`${STATEMENTS} random statements of two users tell neither of the other`, {
  timeout: 60_000 + STATEMENTS * 400,
}, async () => {
  const random = new Random(SEED);
  const counts = {answers: 0, errors: 0};
  for (const user of USERS) await fill(user, random);
  await flushAll();
  for (const user of USERS) {
    for (const world of [both, alone[user]])
      await answer(world, user, "UPDATE w.b SET t = 'hot again' WHERE id IN (2, 3)");
  }
  for (let i = 0; i < STATEMENTS; i++) {
    const user = random.pick(USERS);
    const {sql, key} = maybeKeyed(random, user, statement(random, user), i);
    const [seen, expected] = await Promise.all([answer(both, user, sql, key), answer(alone[user], user, sql, key)]);
    if (seen !== expected) {
      const said = `${sql}${key === undefined ? '' : ` with the key ${key}`}`;
      assert.fail(`seed ${SEED}, statement ${i} of ${user}: ${said}\n${difference(seen, expected)}`);
    }
    counts[seen.startsWith('error') ? 'errors' : 'answers']++;
    if (i % FLUSH_EVERY === FLUSH_EVERY - 1) await flushAll();
  }
  for (const user of USERS) {
    for (const table of ['a', 'b', 'c']) {
      const sql = `SELECT id, n, m, t, f, x, d FROM w.${table}`;
      assert.equal(await answer(both, user, sql), await answer(alone[user], user, sql), `${table} of ${user}`);
    }
  }
  // If nearly all were errors, equal errors would prove little.
  assert.ok(counts.answers > counts.errors * 2, JSON.stringify(counts));
});

function worlds(): TestDatabase[] {
  return [both, alone.ana, alone.bob];
}

/** Where they part, and what follows. */
function difference(seen: string, expected: string): string {
  let at = 0;
  while (seen[at] === expected[at]) at++;
  const part = (text: string) => text.slice(Math.max(0, at - 100), at + 300);
  return `beside the other: ${part(seen)}\nalone: ${part(expected)}`;
}

function flushAll(): Promise<unknown> {
  return Promise.all(worlds().map(world => flush(world, 'w.b')));
}

/** Each has keys that the other has too, and values of their own. */
async function fill(user: User, random: Random): Promise<void> {
  const rows = (from: number, count: number) =>
    Array.from({length: count}, (_, i) => wideRow(random, from + i)).join(', ');
  const texts = ['a', 'b', 'c'].map(table => `INSERT INTO w.${table} VALUES ${rows(1, 12 + random.below(8))}`);
  for (const world of [both, alone[user]]) {
    for (const sql of texts) await answer(world, user, sql);
  }
}

function statement(random: Random, user: User): string {
  const query = () => new WideQueries(random).next().sql;
  const other = user === 'ana' ? 'bob' : 'ana';
  const table = random.pick(['w.a', 'w.b']);
  const id = 1 + random.below(30);
  if (random.chance(WIDE)) return query();
  switch (random.below(21)) {
    case 0:
      return `INSERT INTO ${random.pick(['w.a', 'w.b', 'w.c'])} VALUES ${wideRow(random, 20 + random.below(60))}`;
    case 1:
      return `UPDATE ${table} SET n = ${random.below(5)}, t = '${user} was here' WHERE id = ${id}`;
    case 2:
      return `DELETE FROM ${table} WHERE id = ${id} AND n IS NOT NULL OR id > 100`;
    case 3:
      return `UPDATE ${table} SET m = (SELECT count(*) FROM w.b) WHERE id IN (SELECT id FROM w.a WHERE n = ${random.below(4)})`;
    case 4:
      return `INSERT INTO ${table} (id, n, t) SELECT id + ${100 + random.below(900)}, n, t FROM w.c WHERE n = ${random.below(4)}`;
    case 5:
      return `SELECT count(*), sum(n), max(t) FROM ${random.pick(['w.a', 'w.b', 'w.c', 'w.va', 'w.vab'])}`;
    case 6:
      return `SELECT id, t FROM ${random.pick(['w.va', 'w.vab'])} WHERE id BETWEEN ${id} AND ${id + 5} ORDER BY id, t`;
    case 7:
      return `EXECUTE AS USER '${user}' (${random.chance(WIDE) ? query() : random.pick([`SELECT count(*) FROM ${table}`, `DELETE FROM ${table} WHERE id = ${id}`])})`;
    case 8:
      return random.pick([
        `EXECUTE AS '${other}' (SELECT count(*) FROM w.a)`,
        ...['SELECT * FROM system.users', 'SELECT * FROM w.secret', 'EXPLAIN SELECT * FROM w.a', 'DROP TABLE w.a'],
        `SELECT * FROM w.a WHERE id IN (SELECT count(*) FROM system.jobs)`,
        `INSERT INTO w.s VALUES (${id}, 1, 1, 'x', TRUE, 1, NULL)`,
      ]);
    case 9:
      return `INSERT INTO ${table} (id, t) VALUES (${id}, '1'); SELECT count(*) FROM ${table}; UPDATE ${table} SET t = t || '2' WHERE id = ${id}`;
    case 10:
      return random.pick([
        'SHOW TABLES',
        'SHOW STATS FOR TABLE w.b',
        'DESCRIBE TABLE w.a',
        'SELECT CURRENT_USER, CURRENT_ROLE',
      ]);
    case 11:
      return `INSERT INTO ${table} (id, n, t) VALUES (${id}, ${random.below(5)}, '${user}') ON CONFLICT (id) DO UPDATE SET t = excluded.t || w.${table.slice(2)}.t RETURNING id, t`;
    case 12:
      return `DELETE FROM ${table} WHERE id = ${id} RETURNING id, n, t`;
    case 13:
      return `BEGIN; UPDATE ${table} SET n = n + 1 WHERE id <= ${id}; SELECT count(*), sum(n) FROM ${table}; INSERT INTO w.a (id) VALUES (${id}); ${random.pick(['COMMIT', 'ROLLBACK'])}`;
    case 14:
      return `BEGIN; DELETE FROM ${table} WHERE id <= ${id}; SAVEPOINT s; INSERT INTO ${table} (id, t) VALUES (${id}, 'in it'); ROLLBACK TO SAVEPOINT s; SELECT count(*) FROM ${table}; COMMIT`;
    case 15:
      return random.pick([
        `DELETE FROM ${table} USING w.b o WHERE o.id = ${table}.id AND o.n = ${random.below(4)} RETURNING ${table}.id`,
        `DELETE FROM ${table} WHERE id IN (SELECT id FROM w.s)`,
        `INSERT INTO ${table} (id, t) SELECT id + ${id}, t FROM w.s ON CONFLICT DO NOTHING RETURNING id`,
      ]);
    case 16:
      return random.pick([
        `SELECT s.t, x.t, count(*) OVER () FROM w.s s LEFT JOIN ${table} x ON x.n = s.n`,
        `SELECT (SELECT count(*) FROM w.a), (SELECT max(t) FROM w.b), (SELECT sum(n) FROM w.c), s.id FROM w.s s`,
        `WITH RECURSIVE r(i, k) AS (SELECT 1, count(*) FROM ${table} UNION ALL SELECT i + 1, k FROM r WHERE i < 3) SELECT * FROM r`,
      ]);
    case 17:
      return random.pick([
        'SHOW MANIFEST',
        'SHOW STATS FOR TABLE w.a',
        'SHOW STATS FOR TABLE w.c',
        'SELECT table_schema, table_name FROM information_schema.tables ORDER BY 1, 2',
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'w' ORDER BY table_name, ordinal_position",
        'SELECT * FROM system.transactions',
        `SUBSCRIBE TO ${table} WHERE n = ${random.below(4)}`,
        'SUBSCRIBE TO w.secret',
        "ALTER USER 'bob' SET EMAIL 'x@example.org'",
      ]);
    case 18:
      return `UPDATE ${table} SET m = o.m FROM w.b o WHERE o.id = ${table}.id AND o.n = ${random.below(4)}`;
    case 19:
      return random.pick([
        `WITH gone AS (DELETE FROM ${table} WHERE id = ${id} RETURNING id, n, t) INSERT INTO w.a (id, n, t) SELECT id + ${100 + random.below(900)}, n, t FROM gone RETURNING id, t`,
        `WITH more AS (UPDATE ${table} SET n = n + 1 WHERE n = ${random.below(4)} RETURNING id, n) SELECT count(*), sum(n), (SELECT count(*) FROM w.b) FROM more`,
        `WITH made AS (INSERT INTO ${table} (id, t) VALUES (${id}, '${user}') ON CONFLICT DO NOTHING RETURNING id) SELECT (SELECT count(*) FROM made), max(t) FROM w.a`,
        `WITH made AS (INSERT INTO w.s (id) VALUES (${id}) RETURNING id) SELECT * FROM made`,
      ]);
    default:
      return `SELECT id, n, t FROM ${table} WHERE n ${random.pick(['<', '>=', '<>'])} ${random.below(5)} ORDER BY t DESC, id LIMIT ${id}`;
  }
}

interface Request {
  readonly sql: string;
  readonly key?: string;
}

const sent: Record<User, Request[]> = {ana: [], bob: []};

/** Some carry an Idempotency-Key: a new one, one that the other has used too, or one of their own once more. */
function maybeKeyed(random: Random, user: User, sql: string, index: number): Request {
  if (!random.chance(KEYED)) return {sql};
  const own = sent[user];
  if (own.length >= KEYS_MAX || (own.length > 0 && random.chance(0.3))) return random.pick(own);
  const others = sent[user === 'ana' ? 'bob' : 'ana'];
  const key = others.length > 0 && random.chance(0.5) ? random.pick(others).key! : `key-${index}`;
  own.push({sql, key});
  return {sql, key};
}

/** Everything the caller sees, in an order of its own where the statement gives none. */
async function answer(world: TestDatabase, user: User, sql: string, idempotencyKey?: string): Promise<string> {
  const session: Session = {userId: user as string as UserId, role: 'user', proof: {kind: 'development'}};
  const signal = new AbortController().signal;
  try {
    const results = await world.runSql({sql, params: [], namespace: 'w', session, signal, idempotencyKey});
    const seen = results.map(({rows, ...rest}) => ({
      ...rest,
      rows: rows === undefined || rest.isTruncated ? null : shown(sql, rows),
    }));
    return JSON.stringify(seen).replace(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g, 'some transaction');
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    return `error ${error.code} ${error.message} ${error.details ?? ''}`;
  }
}

/** Without what differs between worlds by itself: times, and names that are random. */
function shown(sql: string, rows: readonly string[]): string[] {
  const texts = rows.map(row => {
    if (sql === 'SHOW TABLES') return row.replace(/\d{16}/, 'then');
    if (sql === 'SHOW MANIFEST') return JSON.stringify(JSON.parse(row).slice(0, 4));
    return row.replace(/"sub-w-(\w+)-[\da-f]{32}"/, '"sub-w-$1"');
  });
  return texts.sort();
}
