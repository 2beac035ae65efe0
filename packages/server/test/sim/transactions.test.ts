/**
 * Transactions on a disk that fails and in lives that end: each writes balances in two tables and a line of a journal, so that what is there tells which
 * of them happened, and that those happened whole.
 *
 *     KALAMDB_TRANSACTION_SEED=7 KALAMDB_TRANSACTION_HISTORIES=50 node scripts/test.ts packages/server/test/sim/transactions.test.ts
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {developmentSession} from '../../src/auth/sessions.ts';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {isPlanned, SimWorld, turn} from './sim-world.ts';

const FIRST_SEED = Number(process.env['KALAMDB_TRANSACTION_SEED'] ?? 1);
const HISTORIES = Number(process.env['KALAMDB_TRANSACTION_HISTORIES'] ?? 12);
const LIVES = 6;
const CLIENTS = 6;
const EACH_CLIENT = 6;
const ACCOUNTS = 4;
const START = 1000;
const TABLES = ['app.a', 'app.b'] as const;
const USER = 'ana';

/** What a journal line says; with it stands or falls what the transaction did. */
interface Transfer {
  readonly id: number;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

class History {
  readonly seen = new Set<string>();
  readonly #random: () => number;
  readonly #world: SimWorld;
  readonly #told = new Map<number, Transfer>();
  /** By what their callers heard; those that are in neither may have happened or not. */
  readonly #done = new Set<number>();
  readonly #not = new Set<number>();
  #counter = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const options = {
      durability: 'D2',
      slabBytes: 8 * 1024,
      smallScopeRows: 2,
      logSegmentBytes: 64 * 1024,
      checkpointLogBytes: this.#pick([16, 1024]) * 1024,
      compaction: {checkMs: this.#pick([0, 200]), minSegments: 2, deadPercent: 20},
    } as const;
    this.#world = new SimWorld(seed, options, {isSlow: this.#random() < 0.5, isPaced: true});
  }

  async run(): Promise<void> {
    const world = this.#world;
    assert.ok(await world.start());
    await this.#must('CREATE NAMESPACE app');
    const rows = Array.from({length: ACCOUNTS}, (_, i) => `(${i}, ${START})`).join();
    // One of the user's, one of all: two places.
    await this.#must(`CREATE USER TABLE app.a (id INT PRIMARY KEY, v INT); INSERT INTO app.a VALUES ${rows}`);
    await this.#must(`CREATE SHARED TABLE app.b (id INT PRIMARY KEY, v INT); INSERT INTO app.b VALUES ${rows}`);
    await this.#must('CREATE USER TABLE app.journal (id INT PRIMARY KEY, source TEXT, target TEXT, amount INT)');
    for (let life = 0; life < LIVES; life++) {
      await this.#storm();
      if (!world.life.isOver) world.end(this.#pick(['kill', 'power'] as const));
      this.seen.add(world.lastEnding!);
      while (!(await world.start()));
      await this.#reckon();
    }
    await world.close();
  }

  async #storm(): Promise<void> {
    const {life} = this.#world;
    if (this.#random() < 0.8) this.#world.planEnd(this.#pick(['kill', 'power'] as const), this.#below(600));
    const clients = Array.from({length: CLIENTS}, () => this.#client());
    await this.#world.settle(Promise.all([...clients, this.#flusher(), this.#reader()]));
    if (life.isOver) this.seen.add('ended in the storm');
  }

  async #client(): Promise<void> {
    const {life} = this.#world;
    for (let i = 0; i < EACH_CLIENT && !life.isOver; i++) {
      for (let turns = this.#below(30); turns > 0; turns--) await turn();
      const id = ++this.#counter;
      const [from, to] = [this.#account(), this.#account()];
      const transfer = {id, from, to, amount: 1 + this.#below(50)};
      const isRolledBack = this.#random() < 0.15;
      this.#told.set(id, transfer);
      const sql = this.#textOf(transfer, isRolledBack);
      try {
        await this.#world.sql(sql, {user: USER});
        if (life.isOver) return;
        (isRolledBack ? this.#not : this.#done).add(id);
        this.seen.add(isRolledBack ? 'rolled back' : 'committed');
      } catch (error) {
        if (life.isOver) return;
        assert.ok(error instanceof DbError || isPlanned(error), String(error));
        const {code} = error as DbError;
        assert.ok(code === 'WRITE_CONFLICT', `${code}: ${(error as Error).message}`);
        this.seen.add(code);
        this.#not.add(id);
      }
    }
  }

  #textOf({id, from, to, amount}: Transfer, isRolledBack: boolean): string {
    const move = (account: string, change: string) => {
      const [table, row] = account.split(' ');
      return this.#random() < 0.5
        ? `UPDATE ${table} SET v = v ${change} WHERE id = ${row}`
        : `INSERT INTO ${table} AS t VALUES (${row}, 0) ON CONFLICT (id) DO UPDATE SET v = t.v ${change}`;
    };
    const statements = [
      `INSERT INTO app.journal VALUES (${id}, '${from}', '${to}', ${amount})`,
      move(from, `- ${amount}`),
      move(to, `+ ${amount}`),
    ];
    if (this.#random() < 0.3)
      statements.splice(1 + this.#below(3), 0, 'SAVEPOINT s', 'DELETE FROM app.b WHERE id >= 0', 'ROLLBACK TO s');
    return ['BEGIN', ...statements, isRolledBack ? 'ROLLBACK' : 'COMMIT'].join('; ');
  }

  async #flusher(): Promise<void> {
    const {life} = this.#world;
    for (let i = 0; i < 4 && !life.isOver; i++) {
      for (let turns = this.#below(60); turns > 0; turns--) await turn();
      const table = this.#pick([...TABLES, 'app.journal']);
      await this.#world.sql(`STORAGE FLUSH TABLE ${table}`, {user: USER}).catch(error => {
        if (!life.isOver) throw error;
      });
    }
  }

  /** Whoever reads all of it at one moment sees whole transactions only. */
  async #reader(): Promise<void> {
    const {life} = this.#world;
    for (let i = 0; i < 6 && !life.isOver; i++) {
      for (let turns = this.#below(40); turns > 0; turns--) await turn();
      const doneBefore = new Set(this.#done);
      const found = await this.#readAll().catch(error => {
        if (!life.isOver) throw error;
        return undefined;
      });
      if (found === undefined || life.isOver) return;
      this.#check(found, doneBefore);
    }
  }

  async #readAll(): Promise<{balances: Map<string, number>; journal: number[]} | undefined> {
    const session = developmentSession(USER);
    const sql = `BEGIN; SELECT id FROM app.journal; SELECT id, v FROM app.a; SELECT id, v FROM app.b; COMMIT`;
    const {signal} = new AbortController();
    const results = await this.#world.life.database!.runSql({sql, params: [], namespace: undefined, session, signal});
    const [journal, a, b] = results
      .filter(({rows}) => rows !== undefined)
      .map(({rows}) => rows!.map(row => JSON.parse(row) as number[]));
    const balances = new Map<string, number>();
    for (const [id, v] of a!) balances.set(`app.a ${id}`, v!);
    for (const [id, v] of b!) balances.set(`app.b ${id}`, v!);
    return {balances, journal: journal!.map(([id]) => id!)};
  }

  async #reckon(): Promise<void> {
    const found = await this.#world.settle(this.#readAll());
    assert.ok(found !== undefined, 'nobody ends this life');
    this.#check(found, this.#done);
    for (const id of this.#told.keys()) {
      if (this.#done.has(id) || this.#not.has(id)) continue;
      const isThere = found.journal.includes(id);
      this.seen.add(isThere ? 'kept an unanswered one' : 'lost an unanswered one');
      (isThere ? this.#done : this.#not).add(id);
    }
  }

  #check({balances, journal}: {balances: Map<string, number>; journal: number[]}, done: ReadonlySet<number>): void {
    const expected = new Map(
      TABLES.flatMap(table => Array.from({length: ACCOUNTS}, (_, i) => [`${table} ${i}`, START])),
    );
    for (const id of journal) {
      const {from, to, amount} = this.#told.get(id)!;
      expected.set(from, expected.get(from)! - amount);
      expected.set(to, expected.get(to)! + amount);
    }
    assert.deepEqual(balances, expected, 'balances are those of the transactions that the journal tells of');
    for (const id of done) assert.ok(journal.includes(id), `transaction ${id} was answered and is lost`);
    for (const id of journal) assert.ok(!this.#not.has(id), `transaction ${id} did not happen and is there`);
  }

  async #must(sql: string): Promise<void> {
    await this.#world.settle(this.#world.sql(sql, {user: USER}));
    assert.ok(!this.#world.life.isOver);
  }

  #account(): string {
    return `${this.#pick(TABLES)} ${this.#below(ACCOUNTS)}`;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!;
  }
}

test('a transaction is whole or absent after any death, and readers see only whole ones', async () => {
  const seen = new Set<string>();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORIES; seed++) {
    const history = new History(seed);
    try {
      await history.run();
    } catch (error) {
      throw new Error(`seed ${seed}`, {cause: error});
    }
    for (const what of history.seen) seen.add(what);
  }
  const wanted = ['committed', 'rolled back', 'WRITE_CONFLICT', 'kill', 'power', 'ended in the storm'];
  wanted.push('kept an unanswered one', 'lost an unanswered one');
  if (HISTORIES >= 12) assert.deepEqual([...seen].sort(), wanted.sort(), 'the histories met everything');
});
