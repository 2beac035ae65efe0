/**
 * Field order: CREATE TABLE order, later ADDs behind the user's columns, system columns last; in every place that shows columns, at every age
 * of a table. The names are such that no sorting by name gives the same order; each value begins with the name of the column it was written for.
 */
import assert from 'node:assert/strict';
import {globSync, readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {parquetMetadata} from 'hyparquet';
import {flush, openTestDatabase, type TestDatabase} from '../test-database.ts';

const DEFINED = ['zeta', 'id', 'alpha', 'm10', 'm9', 'beta'];
const SYSTEM = ['_seq', '_deleted'];

interface Place {
  readonly name: string;
  /** The stored definition and the scan know the user's columns only. */
  readonly showsSystem: boolean;
  read(database: TestDatabase): Promise<readonly string[]>;
}

const PLACES: readonly Place[] = [
  {
    name: 'SELECT *',
    showsSystem: true,
    read: async database => (await database.sql('SELECT * FROM app.t')).columns,
  },
  {
    name: 'the values of SELECT *',
    showsSystem: true,
    async read(database) {
      const {columns, rows} = await database.sql("SELECT * FROM app.t WHERE id = 'id 1'");
      return rows[0]!.map((value, i) => (SYSTEM.includes(columns[i]!) ? columns[i]! : firstWord(value)));
    },
  },
  {
    name: 'the stored definition',
    showsSystem: false,
    async read(database) {
      const columns = await json(database, "SELECT columns FROM system.schemas WHERE table_id = 'app:t' AND is_latest");
      assert.deepEqual(
        columns.map(column => column.ordinal_position),
        columns.map((_, i) => i + 1),
      );
      return columns.map(column => column.column_name);
    },
  },
  {
    name: 'system.table_schemas',
    showsSystem: true,
    async read(database) {
      const newest =
        "SELECT arrow_schema FROM system.table_schemas WHERE table_id = 'app:t' ORDER BY version DESC LIMIT 1";
      return (await json(database, newest)).map(column => column.column_name);
    },
  },
  {
    name: 'DESCRIBE TABLE',
    showsSystem: true,
    read: async database => (await database.sql('DESCRIBE TABLE app.t')).rows.map(([name]) => String(name)),
  },
  {name: 'the projection of EXPLAIN', showsSystem: true, read: database => plan(database, /Projection: (.*)$/m)},
  {name: 'the scan of EXPLAIN', showsSystem: false, read: database => plan(database, /columns=\[(.*)\]/)},
  {
    name: 'the columns that INSERT means without a list',
    showsSystem: false,
    async read(database) {
      const given = (await database.sql('SELECT * FROM app.t')).columns.filter(name => !SYSTEM.includes(name));
      await database.sql(`INSERT INTO app.t VALUES (${given.map(name => `'${name} given'`).join()})`);
      const {rows} = await database.sql(`SELECT ${given.join()} FROM app.t WHERE id = 'id given'`);
      await database.sql("DELETE FROM app.t WHERE id = 'id given'");
      return rows[0]!.map(firstWord);
    },
  },
];

function firstWord(value: unknown): string {
  return String(value).split(' ')[0]!;
}

async function json(database: TestDatabase, sql: string): Promise<{column_name: string; ordinal_position: number}[]> {
  const {rows} = await database.sql(sql);
  return JSON.parse(String(rows[0]![0]));
}

async function plan(database: TestDatabase, pattern: RegExp): Promise<string[]> {
  const {rows} = await database.sql('EXPLAIN SELECT * FROM app.t');
  return pattern.exec(rows.map(([, text]) => text).join('\n'))![1]!.split(', ');
}

function parquetColumns({directory}: TestDatabase): string[] {
  const files = globSync('storage/app/t/**/*.parquet', {cwd: directory}).map(path => join(directory, path));
  const newest = files.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0]!;
  const bytes = new Uint8Array(readFileSync(newest));
  return parquetMetadata(bytes.buffer)
    .schema.slice(1)
    .map(element => element.name);
}

const row = (columns: readonly string[], n: number) => columns.map(name => `'${name} ${n}'`).join();
const definitions = DEFINED.map(name => `${name} TEXT${name === 'id' ? ' PRIMARY KEY' : ''}`).join();

/** What happens to the table, and its columns afterwards. Old rows read a later column as its default. */
const ADDED = [...DEFINED, 'aa'];
const AGAIN = ['zeta', 'id', 'm10', 'm9', 'beta', 'aa', 'alpha'];
const MOMENTS: readonly [
  moment: string,
  columns: readonly string[],
  happens: (database: TestDatabase) => Promise<unknown>,
][] = [
  ['written', DEFINED, database => database.sql(`INSERT INTO app.t VALUES (${row(DEFINED, 1)})`)],
  ['flushed', DEFINED, flushed],
  ['restarted', DEFINED, database => database.restart()],
  ['after ALTER ADD', ADDED, database => database.sql("ALTER TABLE app.t ADD COLUMN aa TEXT DEFAULT 'aa default'")],
  ['written after ALTER ADD', ADDED, database => database.sql(`INSERT INTO app.t VALUES (${row(ADDED, 2)})`)],
  ['flushed after ALTER ADD', ADDED, flushed],
  ['restarted after ALTER ADD', ADDED, database => database.restart()],
  [
    'after ALTER DROP',
    ADDED.filter(name => name !== 'alpha'),
    database => database.sql('ALTER TABLE app.t DROP COLUMN alpha'),
  ],
  [
    'after ALTER ADD of the old name',
    AGAIN,
    database => database.sql("ALTER TABLE app.t ADD alpha TEXT DEFAULT 'alpha default'"),
  ],
  [
    'written and flushed at last',
    AGAIN,
    database => database.sql(`INSERT INTO app.t VALUES (${row(AGAIN, 3)})`).then(() => flushed(database)),
  ],
  ['restarted at last', AGAIN, database => database.restart()],
];

async function flushed(database: TestDatabase): Promise<void> {
  const wanted = (await database.sql('SELECT * FROM app.t')).columns;
  await flush(database, 'app.t');
  assert.deepEqual(parquetColumns(database), wanted, 'Parquet');
}

for (const kind of ['USER', 'SHARED']) {
  test(`every place shows the columns of a ${kind} table in the same order, at every age`, async () => {
    const database = await openTestDatabase();
    try {
      await database.sql(`CREATE NAMESPACE app; CREATE ${kind} TABLE app.t (${definitions})`);
      for (const [moment, columns, happens] of MOMENTS) {
        await happens(database);
        for (const {name, showsSystem, read} of PLACES) {
          const wanted = showsSystem ? [...columns, ...SYSTEM] : columns;
          assert.deepEqual(await read(database), wanted, `${name}, ${moment}`);
        }
      }
    } finally {
      await database.stop();
    }
  });
}
