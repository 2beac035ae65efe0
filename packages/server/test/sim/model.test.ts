/**
 * Model: seeded histories against a plain Map per scope.
 *
 * A history is a row of steps: a storm of concurrent statements on few keys, or one statement that changes many rows, with flushes, compactions,
 * ALTERs and readers beside them; between steps now and then a restart or DROP + CREATE. After each step every scope is read whole and must be the model:
 * columns in order (I11), values and key order, no key twice (I3), `_seq` unique, unchanged for unchanged rows and grown for changed ones (I4),
 * a new table empty for ever (I14). In a storm the order of writers is free, but some order must explain every answer and the final row (I1).
 *
 * KALAMDB_MODEL_SEEDS=500 runs more histories, KALAMDB_MODEL_SEED=7 replays the choices of one; when the disk answers remains the machine's.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Param} from '../../src/expr/expr.ts';
import type {Disk} from '../../src/std/disk.ts';
import {realDisk} from '../../src/std/real-disk.ts';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {systemClock} from '../../src/std/system-clock.ts';
import {type Cell, compact, flush, jobEnd, jobIdOf, openTestDatabase, type TestDatabase} from '../test-database.ts';

const SEEDS_FAST = 8;
const STEPS = 24;
const FILE = 'packages/server/test/sim/model.test.ts';

const only = process.env['KALAMDB_MODEL_SEED'];
const first = only === undefined ? 1 : Number(only);
const count = only === undefined ? Number(process.env['KALAMDB_MODEL_SEEDS'] ?? SEEDS_FAST) : 1;

test(`I1, I3, I4, I11, I14: ${count} histories equal their model`, async () => {
  for (let seed = first; seed < first + count; seed++) {
    const history = new History(seed);
    try {
      await history.run();
    } catch (error) {
      const replay = `KALAMDB_MODEL_SEED=${seed} node --test ${FILE}`;
      throw new Error(`Seed ${seed} failed. Replay: ${replay}\n${history.trace.slice(-12).join('\n')}`, {cause: error});
    }
  }
});

type ModelRow = Readonly<Record<string, Cell>>;

interface Scope {
  readonly table: Table;
  readonly user: string;
  rows: Map<string, ModelRow>;
  seqs: Map<string, bigint>;
  newestSeq: bigint;
}

interface Table {
  readonly name: string;
  readonly kind: 'USER' | 'SHARED';
  readonly keyType: 'TEXT' | 'BIGINT';
  readonly keys: readonly string[];
  columns: string[];
}

/** One statement on one key, and what the model says it does. */
interface Write {
  readonly sql: string;
  readonly params: readonly Param[];
  readonly key: string;
  /** The row afterwards and the row count, or `exists`. */
  apply(before: ModelRow | undefined): {after: ModelRow | undefined; answer: number | string};
}

/** Log segments that fill up, so that a restart replays several. */
const SHORT_LOG = {logSegmentBytes: 64 * 1024};

const TEXT_KEYS = ['', 'Z', 'a', 'a:b', 'aa', 'ünï', '\uffff', '😀'];
const BIGINT_KEYS = ['-9223372036854775808', '-1', '0', '1', '255', '256', '9007199254740993', '9223372036854775807'];

class History {
  readonly trace: string[] = [];
  readonly #random: () => number;
  readonly #isShortLog: boolean;
  readonly #tables: Table[];
  readonly #scopes: Scope[] = [];
  #db!: TestDatabase;
  #counter = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#isShortLog = seed % 3 === 0;
    const types = seed % 2 === 0 ? (['TEXT', 'BIGINT'] as const) : (['BIGINT', 'TEXT'] as const);
    this.#tables = (['USER', 'SHARED'] as const).map((kind, i) => ({
      name: `app.${kind.toLowerCase()}_rows`,
      kind,
      keyType: types[i]!,
      keys: types[i] === 'TEXT' ? TEXT_KEYS : BIGINT_KEYS,
      columns: [],
    }));
  }

  async run(): Promise<void> {
    this.#db = await openTestDatabase({disk: unevenDisk(this.#random), ...(this.#isShortLog ? SHORT_LOG : {})});
    try {
      await this.#db.sql('CREATE NAMESPACE app');
      for (const table of this.#tables) {
        await this.#create(table);
        for (const user of table.kind === 'USER' ? ['ana', 'ben'] : ['ana'])
          this.#scopes.push({table, user, rows: new Map(), seqs: new Map(), newestSeq: 0n});
      }
      for (let step = 0; step < STEPS; step++) await this.#step();
      await this.#restart();
      for (const scope of this.#scopes) await this.#check(scope);
    } finally {
      await this.#db.stop();
    }
  }

  async #step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.1) await this.#restart();
    else if (dice < 0.16) await this.#recreate(this.#pick(this.#tables));
    else if (dice < 0.3) await this.#wide(this.#pick(this.#scopes));
    else await this.#storm();
    for (const scope of this.#scopes) await this.#check(scope);
  }

  /** Many writers on the same keys, with a flush, an ALTER and readers beside them. */
  async #storm(): Promise<void> {
    const byKey = new Map<string, {scope: Scope; writes: Write[]; answers: Promise<number | string>[]}>();
    const others: Promise<unknown>[] = [];
    const size = 1 + this.#below(24);
    const fewKeys = 1 + this.#below(8);
    this.#say(`storm of ${size} on ${fewKeys} keys`);
    for (let i = 0; i < size; i++) {
      const scope = this.#pick(this.#scopes);
      const key = scope.table.keys[this.#below(fewKeys)]!;
      const id = `${this.#scopes.indexOf(scope)} ${key}`;
      const entry = byKey.get(id) ?? {scope, writes: [], answers: []};
      byKey.set(id, entry);
      if (entry.writes.length < 5) {
        const write = this.#write(scope.table, key);
        this.#say(`  ${scope.user}: ${write.sql} ${JSON.stringify(write.params)}`);
        entry.writes.push(write);
        entry.answers.push(this.#answer(scope, write));
      }
      if (this.#random() < 0.1) others.push(this.#flush(this.#pick(this.#tables)));
      if (this.#random() < 0.05) others.push(this.#compact(this.#pick(this.#tables)));
      if (this.#random() < 0.05) others.push(this.#readAlone(this.#pick(this.#scopes)));
      if (this.#random() < 0.3) await new Promise(resolve => setImmediate(resolve));
    }
    if (this.#random() < 0.25) others.push(this.#alter(this.#pick(this.#tables)));
    const settled = await Promise.allSettled([...others, ...[...byKey.values()].flatMap(entry => entry.answers)]);
    for (const one of settled) if (one.status === 'rejected') throw one.reason;
    for (const {scope, writes, answers} of byKey.values()) {
      const key = writes[0]!.key;
      const found = (await this.#select(scope, 'WHERE id = $1', [param(scope.table, key)])).get(key)?.row;
      const before = scope.rows.get(key);
      const explained = isExplained(before, found, writes, await Promise.all(answers));
      assert.ok(
        explained,
        `no order of ${JSON.stringify(writes)} with answers ${JSON.stringify(await Promise.all(answers))} leads from ${JSON.stringify(before)} to ${JSON.stringify(found)}`,
      );
      if (found === undefined) scope.rows.delete(key);
      else scope.rows.set(key, found);
    }
  }

  #write(table: Table, key: string): Write {
    const v = `v${++this.#counter}`;
    const n = this.#below(100);
    const id = param(table, key);
    const dice = this.#random();
    if (dice < 0.4) {
      const row = {...this.#blank(table), v, id: key, n};
      return {
        sql: `INSERT INTO ${table.name} (v, id, n) VALUES ($1, $2, $3)`,
        params: [v, id, {number: String(n)}],
        key,
        apply: before => (before === undefined ? {after: row, answer: 1} : {after: before, answer: 'exists'}),
      };
    }
    if (dice < 0.75) {
      return {
        sql: `UPDATE ${table.name} SET n = n + 1, v = $1 WHERE id = $2`,
        params: [v, id],
        key,
        apply: before => ({
          after: before && {...before, v, n: Number(before['n']) + 1},
          answer: before === undefined ? 0 : 1,
        }),
      };
    }
    return {
      sql: `DELETE FROM ${table.name} WHERE id = $1`,
      params: [id],
      key,
      apply: before => ({after: undefined, answer: before === undefined ? 0 : 1}),
    };
  }

  /** One statement over many rows, with a flush beside it. */
  async #wide(scope: Scope): Promise<void> {
    const {table, user} = scope;
    const limit = this.#below(100);
    const isDelete = this.#random() < 0.3;
    const sql = isDelete
      ? `DELETE FROM ${table.name} WHERE n < ${limit}`
      : `UPDATE ${table.name} SET n = n + 7 WHERE n < ${limit}`;
    this.#say(`${user}: ${sql}`);
    const flushed = this.#random() < 0.5 ? this.#flush(table) : undefined;
    const result = await this.#db.sql(sql, {user});
    let hit = 0;
    for (const [key, row] of scope.rows) {
      if (Number(row['n']) >= limit) continue;
      hit++;
      if (isDelete) scope.rows.delete(key);
      else scope.rows.set(key, {...row, n: Number(row['n']) + 7});
    }
    assert.equal(result.rowCount, hit, sql);
    await flushed;
  }

  async #alter(table: Table): Promise<void> {
    const added = table.columns.filter(name => name.startsWith('c'));
    const dropped = added.length > 0 && this.#random() < 0.5 ? this.#pick(added) : undefined;
    if (dropped !== undefined) {
      this.#say(`  drop ${table.name}.${dropped}`);
      await this.#db.sql(`ALTER TABLE ${table.name} DROP COLUMN ${dropped}`);
      table.columns = table.columns.filter(name => name !== dropped);
    } else {
      const name = ['c1', 'c2', 'c3'].find(one => !table.columns.includes(one));
      if (name === undefined) return;
      const initial = this.#random() < 0.5 ? ++this.#counter : null;
      this.#say(`  add ${table.name}.${name} ${initial}`);
      const clause = initial === null ? '' : ` DEFAULT ${initial}`;
      await this.#db.sql(`ALTER TABLE ${table.name} ADD COLUMN ${name} INT${clause}`);
      table.columns = [...table.columns, name];
      this.#initials.set(`${table.name}.${name}`, initial);
    }
    for (const scope of this.#scopes) {
      if (scope.table !== table) continue;
      for (const [key, row] of scope.rows) scope.rows.set(key, {...this.#blank(table), ...within(row, table.columns)});
    }
  }

  readonly #initials = new Map<string, number | null>();

  #blank(table: Table): ModelRow {
    return Object.fromEntries(table.columns.map(name => [name, this.#initials.get(`${table.name}.${name}`) ?? null]));
  }

  async #flush(table: Table): Promise<void> {
    this.#say(`  flush ${table.name}`);
    try {
      await flush(this.#db, table.name);
    } catch (error) {
      if (!(error instanceof DbError && error.message.includes('already running'))) throw error;
    }
  }

  async #compact(table: Table): Promise<void> {
    this.#say(`  compact ${table.name}`);
    try {
      await compact(this.#db, table.name);
    } catch (error) {
      if (!(error instanceof DbError && error.message.includes('already running'))) throw error;
    }
  }

  async #restart(): Promise<void> {
    this.#say('restart');
    if (this.#random() < 0.5) await this.#db.sql(`FLUSH TABLE ${this.#pick(this.#tables).name}`);
    await this.#db.restart();
  }

  async #recreate(table: Table): Promise<void> {
    this.#say(`drop and create ${table.name}`);
    if (this.#random() < 0.5) await this.#db.sql(`FLUSH TABLE ${table.name}`);
    const dropped = await this.#db.sql(`DROP TABLE ${table.name}`);
    await this.#create(table);
    if (this.#random() < 0.5) await jobEnd(this.#db, jobIdOf(dropped));
    for (const scope of this.#scopes) if (scope.table === table) scope.rows = new Map();
  }

  async #create(table: Table): Promise<void> {
    await this.#db.sql(`CREATE ${table.kind} TABLE ${table.name} (v TEXT, id ${table.keyType} PRIMARY KEY, n INT)`);
    table.columns = ['v', 'id', 'n'];
  }

  async #answer({user}: Scope, {sql, params}: Write): Promise<number | string> {
    try {
      return (await this.#db.sql(sql, {user, params})).rowCount;
    } catch (error) {
      if (error instanceof DbError) return error.message.includes('already exists') ? 'exists' : error.message;
      throw error;
    }
  }

  /** A reader beside writers: whatever it sees, no key is there twice and they are in order. */
  async #readAlone(scope: Scope): Promise<void> {
    await this.#select(scope, '', []);
  }

  async #check(scope: Scope): Promise<void> {
    const found = await this.#select(scope, '', []);
    const expected = [...scope.rows.keys()].sort(keyOrder(scope.table));
    assert.deepEqual([...found.keys()], expected, `keys of ${scope.table.name} for ${scope.user}`);
    const seqs = new Map<string, bigint>();
    for (const [key, {row, seq}] of found) {
      assert.deepEqual(row, scope.rows.get(key), `row ${key} of ${scope.table.name} for ${scope.user}`);
      const before = scope.seqs.get(key);
      assert.ok(seq === before || seq > scope.newestSeq, `_seq of ${key} went from ${before} to ${seq}`);
      seqs.set(key, seq);
    }
    assert.equal(new Set(seqs.values()).size, seqs.size, '_seq is unique');
    scope.seqs = seqs;
    for (const seq of seqs.values()) if (seq > scope.newestSeq) scope.newestSeq = seq;
  }

  async #select({table, user}: Scope, where: string, params: readonly Param[]) {
    const {columns, rows} = await this.#db.sql(`SELECT * FROM ${table.name} ${where}`, {user, params});
    const names = columns.slice(0, -2);
    if (where === '' && params.length === 0 && names.length === table.columns.length)
      assert.deepEqual(columns, [...table.columns, '_seq', '_deleted']);
    const found = new Map<string, {row: ModelRow; seq: bigint}>();
    for (const cells of rows) {
      const row = Object.fromEntries(names.map((name, i) => [name, cells[i]!]));
      const key = String(row['id']);
      assert.ok(!found.has(key), `key ${key} is there twice`);
      found.set(key, {row, seq: BigInt(String(cells[names.length]))});
    }
    assert.deepEqual([...found.keys()], [...found.keys()].sort(keyOrder(table)), 'rows come in key order');
    return found;
  }

  #say(text: string): void {
    this.trace.push(text);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!;
  }
}

/** Whether some order of the writes gives each of them its answer and ends in `found`. */
function isExplained(
  row: ModelRow | undefined,
  found: ModelRow | undefined,
  writes: readonly Write[],
  answers: readonly (number | string)[],
): boolean {
  if (writes.length === 0) return sameCore(row, found);
  return writes.some((write, i) => {
    const {after, answer} = write.apply(row);
    const rest = (_: unknown, k: number) => k !== i;
    return answer === answers[i] && isExplained(after, found, writes.filter(rest), answers.filter(rest));
  });
}

/** The columns that writes name; the others follow ALTER and are compared by the check after the step. */
function sameCore(a: ModelRow | undefined, b: ModelRow | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a['v'] === b['v'] && a['id'] === b['id'] && a['n'] === b['n'];
}

function within(row: ModelRow, columns: readonly string[]): ModelRow {
  return Object.fromEntries(Object.entries(row).filter(([name]) => columns.includes(name)));
}

/** Segments are sometimes slow to open, so that reads of them and flushes overlap in many ways. */
function unevenDisk(random: () => number): Disk {
  return {
    ...realDisk,
    async open(path, mode) {
      if (path.includes('.parquet') && random() < 0.2) await systemClock.sleep(random() * 6);
      return await realDisk.open(path, mode);
    },
  };
}

function param(table: Table, key: string): Param {
  return table.keyType === 'TEXT' ? key : {number: key};
}

function keyOrder({keyType}: Table): (a: string, b: string) => number {
  if (keyType === 'TEXT') return (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  return (a, b) => (BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0);
}
