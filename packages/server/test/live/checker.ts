/**
 * Checker: clients of live queries against SELECT, in one random history.
 *
 * Writers move rows in and out of filters, tables are flushed, compacted and altered, streams expire, the server restarts, dies and loses power; clients
 * subscribe, read slowly, break off, lose what was on its way and resume from the last seq they have. Whenever events were delivered to a client that
 * takes them at once, each of its live answers is compared with what SELECT answers in that very turn; in the end all of them are (R4, I9, I10).
 * One seed gives one history.
 */
import assert from 'node:assert/strict';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {quiet, TICK_MS, toTheEnd, turn, World} from '../sim/compact-world.ts';
import type {Result} from '../test-database.ts';
import {SimClient} from './sim-client.ts';
import type {Answer, Cells} from './subscriber.ts';

const USERS = ['ana', 'ben'];
export const TABLES = ['app.mine', 'app.board'];
const TTL_S = 2;
/** A wheel of 250 ms fires that late. */
const EXPIRY_SLACK_MS = 600;
const CLIENTS = 8;

/** How often what matters came up: a test that meets nothing proves nothing. */
export interface Met {
  compared: number;
  resumed: number;
  resynced: number;
  paged: number;
  slow: number;
  leaves: number;
  cold: number;
  evicted: number;
  altered: number;
  deaths: number;
  transactions: number;
  rights: number;
  marks: number;
}

export function newMet(): Met {
  return {
    compared: 0,
    resumed: 0,
    resynced: 0,
    paged: 0,
    slow: 0,
    leaves: 0,
    cold: 0,
    evicted: 0,
    altered: 0,
    deaths: 0,
    transactions: 0,
    rights: 0,
    marks: 0,
  };
}

export class Checker {
  readonly trace: string[] = [];
  readonly met: Met;
  readonly random: () => number;
  readonly world: World;
  readonly #clients: SimClient[] = [];
  #checks: Promise<void>[] = [];
  #writes: Promise<unknown>[] = [];
  isPrivate = false;
  #counter = 0;
  #columns = 0;

  constructor(seed: number, met: Met) {
    this.met = met;
    this.random = seededRandom(seed);
    this.world = new World(seed, {
      isPaced: true,
      retentionHours: seed % 3 === 0 ? 0 : 1,
      checkpointLogBytes: seed % 4 === 0 ? 4096 : 64 * 1024 * 1024,
      compaction: {checkMs: seed % 2 === 0 ? 700 : 0, minSegments: 3, deadPercent: 20},
      live: {
        subscriptionsMax: 1000,
        connectionSubscriptionsMax: 100,
        userSubscriptionsMax: 1000,
        queuedBytesMax: 2000,
        slowMs: 20_000,
        snapshotIdleMs: 20_000,
        // So few that it is not enough now and then.
        historyRowsMax: seed % 5 === 0 ? 40 : 400,
        historyMs: 5000,
        progressMs: 1000,
      },
    });
  }

  async run(steps: number): Promise<void> {
    await this.world.start();
    await this.sql('CREATE NAMESPACE app');
    const columns = '(id BIGINT PRIMARY KEY, room TEXT, n INT, note TEXT)';
    await this.sql(`CREATE USER TABLE app.mine ${columns}`);
    await this.sql(`CREATE SHARED TABLE app.board ${columns} WITH (ACCESS_LEVEL = 'PUBLIC')`);
    await this.sql(`CREATE STREAM TABLE app.pulse (room TEXT, n INT, at BIGINT) WITH (TTL_SECONDS = ${TTL_S})`);
    for (let i = 0; i < CLIENTS; i++)
      this.#clients.push(new SimClient(this, USERS[i % 2]!, i % 4 < 2 ? 'user' : 'service'));
    for (let step = 0; step < steps; step++) {
      await this.#step();
      if (this.#writes.length > 3 || this.random() < 0.3) await this.settle();
      if (this.random() < 0.03) await this.#agree();
    }
    await this.#agree();
    await this.world.close();
  }

  say(text: string): void {
    this.trace.push(text);
    if (this.trace.length > 400) this.trace.splice(0, 200);
  }

  sql(text: string, user = 'root'): Promise<Result | undefined> {
    return this.world.settle(this.world.sql(text, {user}));
  }

  int(below: number): number {
    return Math.floor(this.random() * below);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)]!;
  }

  /** What runs is done. */
  async settle(): Promise<void> {
    const work = [...this.#writes, ...this.#checks];
    this.#writes = [];
    this.#checks = [];
    await this.world.settle(Promise.all(work));
  }

  /** SELECT in this very turn must answer what the client holds in it. */
  compare(answer: Answer, query: string, user: string): void {
    const held = answer.sorted();
    const {lastSeq} = answer;
    const told = `${answer.start} ${answer.told.join()}`;
    const nowMs = this.world.nowMs;
    const check = this.world.sql(query, {user}).then(result => {
      this.met.compared++;
      const shown = (row: Cells) => JSON.stringify(result.columns.map(name => row[name]));
      const expected = result.rows.map(row => JSON.stringify(row)).sort();
      // What is past its time may be on its way out.
      const isDue = (row: Cells) => query.includes('pulse') && msOf(row) + TTL_S * 1000 < nowMs;
      const due = held.filter(isDue);
      for (const row of due) {
        const ms = nowMs - msOf(row);
        assert.ok(
          ms <= TTL_S * 1000 + EXPIRY_SLACK_MS,
          `${user}: ${query}: a stream lets go in time, of ${JSON.stringify(row)} after ${ms} ms, told ${told}`,
        );
      }
      const actual = held
        .filter(row => !isDue(row))
        .map(shown)
        .sort();
      assert.deepEqual(actual, expected, `${user}: ${query} after ${lastSeq}, told ${told}`);
    });
    check.catch(() => undefined);
    this.#checks.push(check);
  }

  async #step(): Promise<void> {
    const dice = this.random();
    if (dice < 0.43) this.#write();
    else if (dice < 0.5) this.#transaction();
    else if (dice < 0.56) this.#streamWrite();
    else if (dice < 0.9) this.pick(this.#clients).act();
    else if (dice < 0.92) this.#job(`FLUSH TABLE ${this.pick(TABLES)}`);
    else if (dice < 0.94) this.#job(`STORAGE COMPACT TABLE ${this.pick(TABLES)}`);
    else if (dice < 0.965) await this.#wait();
    else if (dice < 0.97) await this.#alter();
    else if (dice < 0.985) await this.#restart();
    else if (dice < 0.99) await this.#setAccess();
    else await turn();
  }

  #write(): void {
    const table = this.pick(TABLES);
    const note = this.random() < 0.2 ? 'NULL' : `'w${++this.#counter}'`;
    const [id, room, n] = [this.int(12), this.pick(['a', 'b', 'c', 'ana']), this.int(5)];
    const where = this.pick([`id = ${id}`, `id = ${id}`, `id >= ${id} AND id < ${id + 3}`, `room = '${room}'`]);
    const text = this.pick([
      `INSERT INTO ${table} (id, room, n, note) VALUES (${id}, '${room}', ${n}, ${note})`,
      `INSERT INTO ${table} (id, room, n, note) VALUES (${id}, '${room}', ${n}, ${note}), (${id + 12}, 'a', 1, ${note})`,
      `INSERT INTO ${table} (id, room, n) VALUES (${id}, '${room}', ${n}), (${id + 1}, 'b', 2) ON CONFLICT (id) DO UPDATE SET room = excluded.room, n = ${n}`,
      `UPDATE ${table} SET room = '${room}' WHERE ${where}`,
      `UPDATE ${table} SET n = ${n}, note = ${note} WHERE ${where}`,
      `DELETE FROM ${table} WHERE ${where}`,
      `BEGIN; UPDATE ${table} SET room = '${room}' WHERE ${where}; DELETE FROM ${this.pick(TABLES)} WHERE id = ${id}; INSERT INTO ${table} (id, room, n) VALUES (${id + 12}, 'b', ${n}) ON CONFLICT DO NOTHING; COMMIT`,
    ]);
    this.#background(text, this.pick(USERS));
  }

  /** Several statements that come as one commit, or not at all. */
  #transaction(): void {
    const table = this.pick(TABLES);
    const note = `t${++this.#counter}`;
    const statements = Array.from({length: 2 + this.int(3)}, () => {
      const id = this.int(12);
      return this.pick([
        `UPDATE ${table} SET room = '${this.pick(['a', 'b', 'c'])}', note = '${note}' WHERE id = ${id}`,
        `INSERT INTO ${table} (id, room, n) VALUES (${id}, 'a', 2) ON CONFLICT (id) DO UPDATE SET n = ${this.int(5)}`,
        `DELETE FROM ${table} WHERE id = ${id}`,
      ]);
    });
    this.met.transactions++;
    const end = this.random() < 0.8 ? 'COMMIT' : 'ROLLBACK';
    this.#background(['BEGIN', ...statements, end].join('; '), this.pick(USERS));
  }

  /** Who is no service loses the shared table, or gets it back. */
  async #setAccess(): Promise<void> {
    this.isPrivate = !this.isPrivate;
    this.met.rights++;
    this.say(`board is ${this.isPrivate ? 'private' : 'public'}`);
    await this.settle();
    await this.sql(`ALTER TABLE app.board SET ACCESS LEVEL ${this.isPrivate ? 'PRIVATE' : 'PUBLIC'}`);
  }

  #streamWrite(): void {
    const rows = Array.from({length: 1 + this.int(3)}, () => {
      return `('${this.pick(['a', 'b'])}', ${this.int(5)}, ${this.world.nowMs})`;
    });
    const text =
      this.random() < 0.8
        ? `INSERT INTO app.pulse (room, n, at) VALUES ${rows.join()}`
        : `DELETE FROM app.pulse WHERE n = ${this.int(5)}`;
    this.#background(text, this.pick(USERS));
  }

  /** Beside whatever else runs. */
  #background(text: string, user: string): void {
    this.say(`${user}: ${text}`);
    this.#writes.push(this.#ofThisLife(this.world.sql(text, {user})));
  }

  #job(text: string): void {
    this.say(text);
    if (text.startsWith('FLUSH')) this.met.cold++;
    this.#writes.push(this.#ofThisLife(toTheEnd(this.world, text)));
  }

  /** What fails because the life has ended is nobody's fault. */
  async #ofThisLife(work: Promise<unknown>): Promise<void> {
    const life = this.met.deaths;
    await work.catch(error => {
      if (life === this.met.deaths) ignoreExpected(error);
    });
  }

  async #wait(): Promise<void> {
    const ms = this.random() < 0.9 ? this.int(2 * TICK_MS) : this.int(30 * TICK_MS);
    this.say(`wait ${ms} ms`);
    await this.settle();
    await this.world.advance(ms);
  }

  async #alter(): Promise<void> {
    const table = this.pick(TABLES);
    this.met.altered++;
    this.say(`alter ${table}`);
    await this.settle();
    const column = `c${++this.#columns}`;
    await this.sql(`ALTER TABLE ${table} ADD COLUMN ${column} INT DEFAULT ${this.int(9)}`);
    const more = [`RENAME COLUMN ${column} TO ${column}x`, `DROP COLUMN ${column}`, `MODIFY COLUMN ${column} BIGINT`];
    if (this.random() < 0.7) await this.sql(`ALTER TABLE ${table} ${this.pick(more)}`);
  }

  async #restart(): Promise<void> {
    const how = this.pick(['close', 'kill', 'power'] as const);
    this.say(`restart after ${how}`);
    this.met.deaths++;
    if (how === 'close') await this.settle();
    for (const client of this.#clients) client.lose();
    if (how === 'close') await this.world.close();
    else this.world.end(how);
    this.#writes = [];
    this.#checks = [];
    if (this.random() < 0.3) this.world.skip(3_700_000);
    await this.world.start();
  }

  /** Everybody reads to the end; then all hold what SELECT answers. */
  async #agree(): Promise<void> {
    await this.settle();
    this.say('all agree');
    // Who is live may have something in its outbox until the end of the turn.
    for (let [looks, calm] = [0, 0]; calm < 3; looks++) {
      assert.ok(looks < 2000, 'a client never catches up');
      calm = this.#clients.every(client => client.isSettled()) ? calm + 1 : 0;
      if (calm === 0) for (const client of this.#clients) client.readAll();
      await turn();
      if (looks % 50 === 49) await this.world.advance(100);
    }
    for (const client of this.#clients) client.compareAll();
    await this.settle();
    if (this.random() < 0.1) await quiet(this.world);
  }
}

function msOf(row: Cells): number {
  return Number(row['at']);
}

function ignoreExpected(error: unknown): void {
  const isExpected =
    error instanceof DbError &&
    (/already exists|already running|was altered|was dropped/.test(error.message) ||
      ['SHUTTING_DOWN', 'WRITE_CONFLICT'].includes(error.code));
  if (!isExpected) throw error;
}
