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
import {developmentSession} from '../../src/auth/sessions.ts';
import type {LiveConnection, LiveEvent, LiveSink, SubscribeOptions, Subscription} from '../../src/live/live.ts';
import type {LiveSubscription} from '../../src/live/subscription.ts';
import type {Role} from '../../src/model/session.ts';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {quiet, TICK_MS, toTheEnd, turn, World} from '../sim/compact-world.ts';
import type {Result} from '../test-database.ts';
import {Answer, type Cells} from './subscriber.ts';

const USERS = ['ana', 'ben'];
const TABLES = ['app.mine', 'app.board'];
const TTL_S = 2;
/** A wheel of 250 ms fires that late. */
const EXPIRY_SLACK_MS = 600;
const CLIENTS = 8;
const STREAM_QUERIES = ['SELECT * FROM app.pulse', "SELECT * FROM app.pulse WHERE room = 'a'"];
const CONDITIONS = [
  '',
  "WHERE room = 'a'",
  "WHERE room = 'b' AND n BETWEEN 1 AND 3",
  'WHERE n > 2',
  'WHERE n = 2',
  "WHERE 'c' = room OR note IS NULL",
  "WHERE room IN ('a', 'c') AND n <> 0",
  'WHERE id = 3',
  'WHERE id IN (1, 4, 6)',
  'WHERE id >= 5 AND id < 9',
  "WHERE note LIKE 'w1%'",
  'WHERE n % 2 = 0 AND room <> CURRENT_USER()',
  'WHERE FALSE',
];
const LISTS = ['*', 'id, room, n', 'note', 'note, id'];

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

/** A client over an unsure line: what was delivered waits in its inbox until it reads, and is lost when the line is. */
class SimClient implements LiveSink {
  readonly #checker: Checker;
  readonly #user: string;
  readonly #role: Role;
  #connection: LiveConnection | undefined;
  /** By its id: the query, and what is held of its answer, also while there is no line. */
  readonly #answers = new Map<string, {query: string; isWhole: boolean; answer: Answer | undefined}>();
  #inbox: LiveEvent[] = [];
  #isSlow = false;
  #names = 0;
  #lines = 0;
  queuedBytes = 0;

  constructor(checker: Checker, user: string, role: Role) {
    this.#checker = checker;
    this.#user = user;
    this.#role = role;
  }

  act(): void {
    const dice = this.#checker.random();
    if (this.#connection === undefined) this.#connect();
    else if (dice < 0.35) this.#subscribe();
    else if (dice < 0.45) this.#unsubscribe();
    else if (dice < 0.6) this.#next();
    else if (dice < 0.75) this.#read(1 + this.#checker.int(3));
    else if (dice < 0.85) this.#toggleSlow();
    else if (dice < 0.93) this.lose();
    else this.readAll();
  }

  deliver(events: readonly LiveEvent[]): void {
    for (const event of events) {
      this.#inbox.push(event);
      this.queuedBytes += event.kind === 'changes' ? event.group.bytes : 10;
    }
    if (this.#isSlow) return;
    this.#read(Number.POSITIVE_INFINITY, {isQuiet: true});
    if (this.#checker.random() < 0.4) this.compareAll();
  }

  close(error: DbError): void {
    this.#checker.say(`${this.#user}: closed, ${error.code}`);
    this.#drop();
  }

  /** The line is gone, with what was on its way. */
  lose(): void {
    this.#checker.say(`${this.#user}: loses its line`);
    const connection = this.#connection;
    this.#drop();
    connection?.close();
  }

  readAll(): void {
    if (this.#connection === undefined) this.#connect();
    this.#isSlow = false;
    this.#read(Number.POSITIVE_INFINITY);
    this.#next();
    for (const [id, one] of this.#answers) if (one.answer?.error !== undefined) this.#again(id, one.query, undefined);
  }

  isSettled(): boolean {
    return (
      this.#connection !== undefined &&
      this.#inbox.length === 0 &&
      [...this.#answers.values()].every(({answer}) => answer !== undefined && isLive(answer))
    );
  }

  compareAll(): void {
    for (const {query, isWhole, answer} of this.#answers.values()) {
      if (isWhole && answer !== undefined && isLive(answer)) this.#checker.compare(answer, query, this.#user);
    }
  }

  #drop(): void {
    this.#connection = undefined;
    this.#inbox = [];
    this.queuedBytes = 0;
  }

  #connect(): void {
    const {world} = this.#checker;
    this.#checker.say(`${this.#user}: connects`);
    this.#isSlow = false;
    const sink = this.#ofThisLine();
    this.#connection = world.live.connect({
      id: `${this.#lines}`,
      session: {...developmentSession(this.#user), role: this.#role},
      sink,
    });
    for (const [id, {query, answer}] of this.#answers) this.#again(id, query, answer);
  }

  /** What an ended life of the server still says reaches nobody. */
  #ofThisLine(): LiveSink {
    const line = ++this.#lines;
    const client = this;
    return {
      get queuedBytes() {
        return client.queuedBytes;
      },
      deliver: events => {
        if (this.#lines === line && this.#connection !== undefined) this.deliver(events);
      },
      close: error => {
        if (this.#lines === line && this.#connection !== undefined) this.close(error);
      },
    };
  }

  #subscribe(): void {
    if (this.#answers.size >= 4) this.#unsubscribe();
    const checker = this.#checker;
    const wide = `SELECT ${checker.pick(LISTS)} FROM ${checker.pick(TABLES)} ${checker.pick(CONDITIONS)}`.trim();
    const query = checker.random() < 0.2 ? checker.pick(STREAM_QUERIES) : wide;
    this.#again(`q${++this.#names}`, query, undefined);
  }

  #again(id: string, query: string, held: Answer | undefined): void {
    const {random, met} = this.#checker;
    const from = held?.error === undefined ? (held?.lastSeq ?? 0n) : 0n;
    const lastRows = from === 0n && random() < 0.1 ? 1 + this.#checker.int(3) : undefined;
    const options = {
      ...(random() < 0.5 ? {batchSize: 3 + this.#checker.int(3)} : {}),
      ...(from === 0n ? {} : {from}),
      ...(lastRows === undefined ? {} : {lastRows}),
    };
    this.#checker.say(
      `${this.#user}: ${id} ${query} ${JSON.stringify(options, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`,
    );
    const subscription = this.#allowed(id, query, options);
    if (subscription === undefined) return;
    const wasWhole = this.#answers.get(id)?.isWhole ?? true;
    const isWhole = from === 0n ? lastRows === undefined : wasWhole;
    this.#answers.set(id, {query, isWhole, answer: new Answer(subscription, from === 0n ? undefined : held)});
    if (from !== 0n) met.resumed++;
  }

  /** Who is refused gives up; who is not has the right. */
  #allowed(id: string, query: string, options: SubscribeOptions): Subscription | undefined {
    const mayNot = this.#checker.isPrivate && this.#role === 'user' && query.includes('app.board');
    try {
      const subscription = this.#connection!.subscribe({id, sql: query, options});
      assert.ok(!mayNot, 'the board is private');
      return subscription;
    } catch (error) {
      if (!mayNot || !(error instanceof DbError) || error.code !== 'PERMISSION_DENIED') throw error;
      this.#answers.delete(id);
      return undefined;
    }
  }

  #unsubscribe(): void {
    const [id] = [...this.#answers.keys()];
    if (id === undefined) return;
    this.#checker.say(`${this.#user}: unsubscribes ${id}`);
    this.#answers.get(id)!.answer?.subscription.close();
    this.#answers.delete(id);
    this.#inbox = this.#inbox.filter(({subscription}) => subscription.id !== id);
  }

  #next(): void {
    for (const {answer} of this.#answers.values()) {
      if (answer?.control?.hasMore !== true || answer.error !== undefined) continue;
      this.#checker.met.paged++;
      answer.subscription.next();
    }
  }

  #toggleSlow(): void {
    this.#isSlow = !this.#isSlow;
    this.#checker.say(`${this.#user}: reads ${this.#isSlow ? 'slowly' : 'at once'}`);
    if (this.#isSlow) this.#checker.met.slow++;
    else this.#read(Number.POSITIVE_INFINITY);
  }

  #read(count: number, {isQuiet = false} = {}): void {
    for (const event of this.#inbox.splice(0, count)) {
      const one = [...this.#answers.values()].find(({answer}) => answer?.subscription === event.subscription);
      if (one === undefined) continue;
      this.#count(event);
      if (event.kind === 'ack' && event.start === 'resync') one.isWhole = true;
      one.answer!.take(event);
    }
    if (this.#inbox.length > 0) return;
    this.queuedBytes = 0;
    // A socket never calls back while it is called.
    if (!isQuiet) this.#connection?.drained();
    else setImmediate(() => this.#inbox.length === 0 && this.#connection?.drained());
  }

  #count(event: LiveEvent): void {
    const {met} = this.#checker;
    if (event.kind === 'ack' && event.start === 'resync') met.resynced++;
    if (event.kind !== 'changes') return;
    for (const {reason, rows} of event.group.changes) {
      if (reason === 'leave') met.leaves += rows.length;
      if (reason === 'evicted') met.evicted += rows.length;
    }
  }
}

function isLive(answer: Answer): boolean {
  return (answer.subscription as LiveSubscription).state === 'live' && answer.start !== undefined && !answer.isPartial;
}
