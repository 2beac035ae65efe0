/**
 * Fixture story: what happens in the data directory that `make-fixture.ts` writes, and what is asked of it afterwards.
 *
 * It touches everything a data directory can hold: each type at its limits, each encoding of a key, USER and SHARED tables, rows of several
 * schema versions in both tiers, updated and deleted flushed rows (deletion vectors, tombstones, in memory and flushed), a key that came
 * back, dropped tables, one of them made again under its name.
 */

export type Step = {readonly user: string; readonly sql: string} | {readonly flush: string};

export interface Question {
  readonly user: string;
  readonly sql: string;
}

const by =
  (user: string) =>
  (sql: string): Step => ({user, sql});
const root = by('root');
const ana = by('ana');
const ben = by('ben');
/** An id that must be escaped in paths. */
const ODD_USER = 'ü:shared %2F';
const odd = by(ODD_USER);

/** Whose last flush the kill interrupts. */
export const INTERRUPTED_TABLE = 'app.notes';

const TYPES_COLUMNS = `name TEXT PRIMARY KEY, b BOOLEAN, s SMALLINT, i INT, l BIGINT, f FLOAT, d DOUBLE, n DECIMAL(38, 10), m DECIMAL(6, 2),
  t TEXT, ts TIMESTAMP, dt DATETIME, da DATE, ti TIME, j JSON, x BYTES, u UUID`;

const LOWEST = `('lowest', false, -32768, -2147483648, -9223372036854775808, -3.4028234e38, -1.7976931348623157e308,
  -9999999999999999999999999999.9999999999, -9999.99, '', '0001-01-01 00:00:00', '0001-01-01 00:00:00', '0001-01-01', '00:00:00', 'null',
  X'', '00000000-0000-0000-0000-000000000000')`;
const HIGHEST = `('highest', true, 32767, 2147483647, 9223372036854775807, 3.4028234e38, 1.7976931348623157e308,
  9999999999999999999999999999.9999999999, 9999.99, '𝄞 𐍈 end', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999', '9999-12-31',
  '23:59:59.999999', '{"deep":[[[{"a":null,"b":1.50}]]],"text":"tab\\t"}', X'00FF7F80', 'ffffffff-ffff-ffff-ffff-ffffffffffff')`;
const ORDINARY = `('ordinary', true, -1, 42, 9007199254740993, 0.1, 0.1, 1.0000000001, 0.05, 'it''s "quoted" \\ back
slashed', '1969-12-31 23:59:59.999999', '2026-11-25 12:00:00', '2024-02-29', '12:30:00.5', '[1, 2, {"k": "v"}]', X'6B616C616D',
  '0188d0f0-7a3c-7000-8000-000000000001')`;
const NULLS = `('nulls', ${Array.from({length: 16}, () => 'NULL').join(', ')})`;

/** Keys of the encodings that the other tables do not have, and 64 bits; in order, the last one in memory at the end. */
const KEYS: readonly [type: string, low: string, middle: string, high: string][] = [
  ['boolean', 'false', 'true', ''],
  ['bigint', '-9223372036854775808', '0', '9223372036854775807'],
  ['double', '-1e300', '0', '1e-300'],
  ['decimal', '-0.5', '0', '12345678901234567890.5'],
  ['bytes', "X''", "X'00'", "X'FF'"],
  [
    'uuid',
    "'00000000-0000-0000-0000-000000000000'",
    "'7fffffff-0000-0000-0000-000000000000'",
    "'80000000-0000-0000-0000-000000000000'",
  ],
];

function keyTables(from: 'low' | 'high'): Step[] {
  return KEYS.flatMap(([type, low, middle, high]): Step[] => {
    const table = `app.by_${type}`;
    if (from === 'high') return high === '' ? [] : [root(`INSERT INTO ${table} VALUES (${high}, 'high')`)];
    return [
      root(`CREATE SHARED TABLE ${table} (k ${type.toUpperCase()} PRIMARY KEY, v TEXT)`),
      root(`INSERT INTO ${table} VALUES (${middle}, 'middle'), (${low}, 'low')`),
      {flush: table},
    ];
  });
}

export const BEFORE_CHECKPOINT: readonly Step[] = [
  root('CREATE NAMESPACE app'),
  root('CREATE NAMESPACE gone'),
  root('CREATE NAMESPACE idle'),
  root(
    `CREATE SHARED TABLE app.types (${TYPES_COLUMNS}) WITH (ACCESS_LEVEL = 'public', FLUSH_POLICY = 'rows:5000,interval:3600')`,
  ),
  root(`INSERT INTO app.types VALUES ${LOWEST}, ${ORDINARY}`),
  {flush: 'app.types'},
  ...keyTables('low'),

  root(
    'CREATE USER TABLE app.notes (body TEXT, id INT PRIMARY KEY, at TIMESTAMP DEFAULT NOW(), owner TEXT DEFAULT CURRENT_USER())',
  ),
  ana(
    "INSERT INTO app.notes (id, body) VALUES (1, 'flushed'), (2, 'flushed'), (3, 'flushed'), (4, 'flushed'), (5, 'flushed'), (6, 'flushed')",
  ),
  ben("INSERT INTO app.notes (id, body) VALUES (1, 'of ben'), (2, 'of ben')"),
  odd("INSERT INTO app.notes (id, body) VALUES (1, 'of an odd id')"),
  {flush: 'app.notes'},
  ana("UPDATE app.notes SET body = 'updated, then flushed' WHERE id = 2"),
  ana('DELETE FROM app.notes WHERE id = 3 OR id = 6'),
  ana("INSERT INTO app.notes (id, body) VALUES (7, 'deleted before it was ever flushed')"),
  ana('DELETE FROM app.notes WHERE id = 7'),
  {flush: 'app.notes'},
  ana("INSERT INTO app.notes (id, body) VALUES (3, 'came back')"),
  ana("UPDATE app.notes SET body = 'updated in memory' WHERE id = 4"),
  ana('DELETE FROM app.notes WHERE id = 5'),

  root(
    'CREATE SHARED TABLE app.items (id BIGINT PRIMARY KEY DEFAULT SNOWFLAKE_ID(), name TEXT NOT NULL, price DECIMAL(10, 2))',
  ),
  root(
    "INSERT INTO app.items (id, name, price) VALUES (1, 'version 1, flushed', 1.10), (2, 'version 1, flushed', 2.20)",
  ),
  {flush: 'app.items'},
  root("INSERT INTO app.items (id, name, price) VALUES (3, 'version 1, in memory', 3.30)"),
  root("ALTER TABLE app.items ADD COLUMN colour TEXT DEFAULT 'grey'"),
  root(
    "INSERT INTO app.items (id, name, price, colour) VALUES (4, 'version 2', 4.40, 'red'), (5, 'version 2', 5.50, NULL)",
  ),
  root('ALTER TABLE app.items DROP COLUMN price'),

  root('CREATE SHARED TABLE app.dropped (id INT PRIMARY KEY)'),
  root('INSERT INTO app.dropped VALUES (1)'),
  {flush: 'app.dropped'},
  root('DROP TABLE app.dropped'),
  root('CREATE USER TABLE app.again (id INT PRIMARY KEY, was TEXT)'),
  ana("INSERT INTO app.again VALUES (1, 'of the first table')"),
  {flush: 'app.again'},
  root('CREATE STREAM TABLE app.events (id TEXT, what TEXT) WITH (TTL_SECONDS = 3600)'),
  ana("INSERT INTO app.events VALUES ('1', 'gone with the process')"),
  root('DROP NAMESPACE gone'),
  root('CREATE SHARED TABLE app.counter (id INT PRIMARY KEY, n INT, filler TEXT)'),
  root("INSERT INTO app.counter VALUES (1, 0, '')"),
];

export const AFTER_CHECKPOINT: readonly Step[] = [
  root(`INSERT INTO app.types VALUES ${HIGHEST}, ${NULLS}`),
  ...keyTables('high'),

  ben("UPDATE app.notes SET body = 'of ben, changed after the checkpoint' WHERE id = 1"),
  ben('DELETE FROM app.notes WHERE id = 2'),
  odd("INSERT INTO app.notes (id, body) VALUES (2, 'after the checkpoint')"),

  root('ALTER TABLE app.items ADD COLUMN price DOUBLE'),
  root("INSERT INTO app.items (id, name, price) VALUES (6, 'version 4, flushed', 6.5)"),
  root("UPDATE app.items SET colour = 'blue' WHERE id = 1"),
  {flush: 'app.items'},
  root("INSERT INTO app.items (name, price) VALUES ('version 4, a key of the server', -0.5)"),
  root("UPDATE app.items SET name = 'version 1, updated in memory' WHERE id = 2"),

  root('DROP TABLE app.again'),
  root('CREATE SHARED TABLE app.again (name TEXT PRIMARY KEY, size BIGINT)'),
  root("INSERT INTO app.again VALUES ('of the second table', 9007199254740993)"),
  root('CREATE USER TABLE app.empty (id UUID PRIMARY KEY DEFAULT UUID_V7())'),
];

const SHARED_TABLES = [...KEYS.map(([type]) => `by_${type}`), 'types', 'items', 'counter', 'again'];
const USERS = ['ana', 'ben', ODD_USER];

/** Answered the same whatever tier the rows lie in. */
export const TABLE_QUESTIONS: readonly Question[] = [
  ...SHARED_TABLES.map(table => ({user: 'root', sql: `SELECT * FROM app.${table}`})),
  ...USERS.flatMap(user => ['notes', 'empty'].map(table => ({user, sql: `SELECT * FROM app.${table}`}))),
  {user: 'ana', sql: 'SELECT id, body FROM app.notes WHERE _deleted OR NOT _deleted ORDER BY id'},
  {user: 'root', sql: 'SELECT id, name, colour FROM app.items WHERE price > 0 ORDER BY name DESC'},
];

export const SYSTEM_QUESTIONS: readonly Question[] = [
  "SELECT name FROM system.namespaces WHERE name <> 'system' ORDER BY name",
  "SELECT table_name, table_type, schema_version FROM system.tables WHERE namespace = 'app' ORDER BY table_name",
  'SELECT user_id, role FROM system.users ORDER BY user_id',
  `SELECT job_id, job_type, status, message, created_at, finished_at FROM system.jobs WHERE table_name <> '${INTERRUPTED_TABLE}' ORDER BY job_id`,
  'DESCRIBE TABLE app.items HISTORY',
  'DESCRIBE TABLE app.types',
  'DESCRIBE TABLE app.events',
].map(sql => ({user: 'root', sql}));
