/**
 * Random lives of a table whose columns change names and types, against a map of its rows: rows of every version, moved by flushes, compactions and
 * restarts, read by both executors.
 *
 *     KALAMDB_SIM_SEED=7 node scripts/test.ts packages/server/test/e2e/evolution.test.ts
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../../src/model/datatype.ts';
import {carried, fits} from '../../src/model/evolution.ts';
import {resolveType, sameType, sqlName} from '../../src/model/type-table.ts';
import {fromJson, parseText, toJson, valueText} from '../../src/model/values.ts';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {compact, flush, openTestDatabase, type TestDatabase} from '../test-database.ts';

const only = process.env['KALAMDB_SIM_SEED'];
const SEEDS = only === undefined ? Array.from({length: 6}, (_, i) => i + 1) : [Number(only)];
const STEPS = 60;
const KEYS = 8;

/** What columns may be, and texts of values of each; few enough that types often fit each other. */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  SMALLINT: ['0', '7', '-7', '32767'],
  INT: ['0', '7', '-7', '70000', '-2147483648'],
  BIGINT: ['0', '7', '5000000000', '9223372036854775807'],
  FLOAT: ['0', '7', '0.1', '-2.5'],
  DOUBLE: ['0', '7', '0.1', '-2.5', '1e300'],
  'DECIMAL(5, 2)': ['0', '7', '-0.50', '999.99'],
  'DECIMAL(20, 4)': ['0', '7', '-0.5', '123456789.0001'],
  TEXT: ['', '0', '7', '07', 'say "no"\n', '2020-01-02', 'true', '{"a":1}', '\\x0aff'],
  BOOLEAN: ['true', 'false'],
  DATE: ['2020-01-02', '1969-12-31'],
  TIMESTAMP: ['2020-01-02 00:00:00', '2020-01-02 03:04:05.678901'],
  DATETIME: ['2020-01-02 00:00:00', '1969-12-31 23:59:59.9'],
  TIME: ['00:00:00', '03:04:05.000001'],
  JSON: ['7', '{"a":1}', '"text"'],
  UUID: ['00000000-0000-0000-0000-00000000000a'],
  BYTES: ['\\x', '\\x00ff', '\\x00000000000000000000000000000007'],
  'EMBEDDING(2)': ['[0.5,-1]', '[0,0.1]'],
};
const TYPES = Object.keys(TEXTS).map(name => resolveType(/\w+/.exec(name)![0], name.match(/\d+/g) ?? []));

interface Column {
  name: string;
  type: DataType;
}

class Life {
  readonly trace: string[] = [];
  readonly seen = new Set<string>();
  readonly #db: TestDatabase;
  readonly #random: () => number;
  readonly #rows = new Map<number, Map<Column, Value>>();
  #columns: Column[] = [];
  #names = 0;

  constructor(db: TestDatabase, seed: number) {
    this.#db = db;
    this.#random = seededRandom(seed);
  }

  async run(): Promise<void> {
    await this.#sql('CREATE NAMESPACE app');
    await this.#sql('CREATE SHARED TABLE app.t (id INT PRIMARY KEY)');
    for (let step = 0; step < STEPS; step++) {
      const dice = this.#random();
      if (dice < 0.4) await this.#write();
      else if (dice < 0.85 || this.#columns.length === 0) await this.#alter();
      else await this.#move();
      if (step % 3 === 0) await this.#compare();
    }
    await this.#compare();
  }

  async #write(): Promise<void> {
    const id = this.#below(KEYS);
    if (this.#random() < 0.2) {
      await this.#sql(`DELETE FROM app.t WHERE id = ${id}`);
      this.#rows.delete(id);
      return;
    }
    const texts = this.#columns.map(({type}) => (this.#random() < 0.2 ? undefined : this.#pick(TEXTS[sqlName(type)]!)));
    const literals = texts.map(text => (text === undefined ? 'NULL' : literal(text)));
    if (this.#rows.has(id)) {
      if (this.#columns.length === 0) return;
      const sets = this.#columns.map(({name}, i) => `${name} = ${literals[i]}`);
      await this.#sql(`UPDATE app.t SET ${sets.join(', ')} WHERE id = ${id}`);
    } else {
      const names = ['id', ...this.#columns.map(({name}) => name)];
      await this.#sql(`INSERT INTO app.t (${names.join(', ')}) VALUES (${[id, ...literals].join(', ')})`);
    }
    const values = this.#columns.map(
      (column, i) => [column, texts[i] === undefined ? null : parseText(column.type, texts[i])] as const,
    );
    this.#rows.set(id, new Map(values));
  }

  async #alter(): Promise<void> {
    const dice = this.#random();
    if (this.#columns.length < 3 || (dice < 0.15 && this.#columns.length < 6)) return await this.#add();
    const column = this.#pick(this.#columns);
    if (dice < 0.25) {
      await this.#sql(`ALTER TABLE app.t DROP COLUMN ${column.name}`);
      this.#columns = this.#columns.filter(one => one !== column);
    } else if (dice < 0.4) {
      const name = this.#freeName();
      await this.#sql(`ALTER TABLE app.t RENAME COLUMN ${column.name} TO ${name}`);
      column.name = name;
    } else await this.#retype(column);
  }

  async #add(): Promise<void> {
    const type = this.#pick(TYPES);
    const text = this.#random() < 0.4 ? undefined : this.#pick(TEXTS[sqlName(type)]!);
    const column = {name: this.#freeName(), type};
    const preset = text === undefined ? '' : ` DEFAULT ${literal(text)}`;
    await this.#sql(`ALTER TABLE app.t ADD COLUMN ${column.name} ${sqlName(type)}${preset}`);
    if (text !== undefined) await this.#sql(`ALTER TABLE app.t ALTER COLUMN ${column.name} DROP DEFAULT`);
    const initial = text === undefined ? null : parseText(type, text);
    for (const row of this.#rows.values()) row.set(column, initial);
    this.#columns.push(column);
  }

  async #retype(column: Column): Promise<void> {
    const {type: from} = column;
    const to = this.#pick(TYPES);
    const values = [...this.#rows.values()].map(row => row.get(column)!);
    // Texts of their own values are all that becomes a text; elsewhere the way back decides.
    const isRight = to.name === 'text' || values.every(value => fits(value, from, to));
    const sql = `ALTER TABLE app.t MODIFY COLUMN ${column.name} ${sqlName(to)}`;
    if (!isRight) {
      await assert.rejects(this.#sql(sql), error => error instanceof DbError && /does not fit/.test(error.message));
      this.seen.add('refused');
      return;
    }
    await this.#sql(sql);
    if (!sameType(from, to)) this.seen.add('retyped');
    for (const row of this.#rows.values()) row.set(column, carried(row.get(column)!, [from, to]));
    column.type = to;
  }

  async #move(): Promise<void> {
    const move = this.#pick([flush, flush, compact, (db: TestDatabase) => db.restart()]);
    this.trace.push(move.name || 'restart');
    await move(this.#db, 'app.t');
  }

  async #compare(): Promise<void> {
    const expected = [...this.#rows]
      .toSorted(([a], [b]) => a - b)
      .map(([id, row]) => [id, ...this.#columns.map(column => shown(column.type, row.get(column)!))]);
    for (const executor of ['direct', 'analytic'] as const) {
      const names = ['id', ...this.#columns.map(({name}) => name)].join(', ');
      const {json} = await this.#db.sql(`SELECT ${names} FROM app.t ORDER BY id`, {executor});
      const found = json.map(text => JSON.parse(text) as unknown[]);
      assert.deepEqual(found, expected, executor);
    }
    await this.#find();
  }

  /** What a segment's bounds say of a column that was something else must not hide its rows. */
  async #find(): Promise<void> {
    const [id, row] = this.#pick([...this.#rows, [-1, new Map()] as const]);
    const column = this.#columns.find(one => row.get(one) != null && !['json', 'embedding'].includes(one.type.name));
    if (column === undefined) return;
    const value = row.get(column)!;
    const sql = `SELECT id FROM app.t WHERE ${column.name} = CAST(${literal(valueText(column.type, value))} AS ${sqlName(column.type)})`;
    for (const executor of ['direct', 'analytic'] as const) {
      const {rows} = await this.#db.sql(sql, {executor});
      assert.ok(
        rows.some(([found]) => found === id),
        `${executor} finds row ${id}: ${sql}`,
      );
    }
  }

  async #sql(sql: string): Promise<void> {
    this.trace.push(sql);
    await this.#db.sql(sql);
  }

  #freeName(): string {
    this.#names++;
    // Names come again, for other columns.
    const free = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].filter(name =>
      this.#columns.every(column => column.name !== name),
    );
    return free[this.#names % free.length]!;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!;
  }
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function shown(type: DataType, value: Value): unknown {
  const fragment = toJson(type, value);
  assert.deepEqual(fromJson(type, fragment), value);
  return JSON.parse(fragment);
}

test('rows of every version read as if each ALTER had rewritten them, wherever they lie and whoever reads', async () => {
  const seen = new Set<string>();
  for (const seed of SEEDS) {
    const db = await openTestDatabase();
    const life = new Life(db, seed);
    try {
      await life.run();
      for (const one of life.seen) seen.add(one);
    } catch (error) {
      throw new Error(`seed ${seed}:\n${life.trace.slice(-40).join('\n')}`, {cause: error});
    } finally {
      await db.stop();
    }
  }
  if (only === undefined) assert.deepEqual([...seen].sort(), ['refused', 'retyped']);
});
