/**
 * Stream watch: what a history does with a STREAM table, and what may be seen in it.
 *
 * A row is seen by its user from its INSERT until its TTL is over, it is deleted, newer ones take its place, or the life ends. When exactly a statement
 * took effect is not known, only between which moments: so of each row follows whether it must be seen, may be seen, or must not. What is certain is
 * forgotten, so the watch holds no more than the table may.
 * Laws: no row is seen past its TTL, twice, by another user, or in another life; rows come in the order of their `_seq`; a scope holds a bounded
 * number of rows; what is expired is freed; nothing of it reaches the disk.
 */
import assert from 'node:assert/strict';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Result} from '../test-database.ts';
import type {SimWorld} from './sim-world.ts';

const TABLE = 'app.events';
const TTL_MS = 2000;
const ROWS_MAX = 8;
const EVICT_MS = 500;
/** After this without an INSERT nothing is left, even if an eviction has to wait. */
export const EVICTED_MS = TTL_MS + 3 * EVICT_MS;
export const STREAM_OPTIONS = {scopeRowsMax: ROWS_MAX, evictMs: EVICT_MS};
/** Stands in every row, so that it can be looked for on the disk. */
const MARK = 'said and gone';
const USERS = ['ana', 'ben'] as const;
type User = (typeof USERS)[number];

/** Of a statement, in steps of the history and in time of the clock. */
interface Span {
  readonly begun: number;
  readonly begunMs: number;
  /** Infinity while nobody heard the answer. */
  ended: number;
  endedMs: number;
}

interface Insert extends Span {
  readonly user: User;
  /** Numbers that no other row has. */
  readonly numbers: readonly number[];
  /** Refused: it did nothing. */
  isRefused: boolean;
}

interface Removal extends Span {
  readonly user: User;
  readonly hits: (number: number) => boolean;
}

/** Says what a statement failed of, and throws what it cannot have failed of. */
type Hear = (error: unknown) => string;

export class StreamWatch {
  readonly #world: SimWorld;
  readonly #random: () => number;
  #inserts: Insert[] = [];
  #removals: Removal[] = [];
  #step = 0;
  #lastNumber = 0;
  readonly #seen: Set<string>;

  /** `seen` takes what came up. */
  constructor(world: SimWorld, random: () => number, seen: Set<string>) {
    this.#world = world;
    this.#random = random;
    this.#seen = seen;
  }

  static readonly create = `CREATE STREAM TABLE ${TABLE} (n BIGINT, body TEXT) WITH (TTL_SECONDS = ${TTL_MS / 1000})`;

  /** One statement, as a user says it among others. */
  async act(hear: Hear): Promise<void> {
    const user = USERS[this.#below(USERS.length)]!;
    const dice = this.#random();
    if (dice < 0.5) await this.#insert(user, hear);
    else if (dice < 0.65) await this.#remove(user, hear);
    else await this.#read(user, hear);
  }

  /** The life is over, and all rows with it. */
  forgetLife(): void {
    if (this.#inserts.some(insert => insert.ended < Number.POSITIVE_INFINITY)) this.#seen.add('stream rows were lost');
    this.#inserts = [];
    this.#removals = [];
  }

  /** Nothing is going on: all of it is looked at, and what can matter no more is forgotten. */
  async rest(): Promise<void> {
    const never: Hear = error => {
      throw error;
    };
    for (const user of USERS) {
      await this.#world.settle(this.#read(user, never));
      const held = await this.#held(user);
      assert.ok(held <= ROWS_MAX, `${user} holds ${held} rows in memory`);
    }
    const oldestMs = this.#world.life.clock.nowMs() - TTL_MS;
    this.#inserts = this.#inserts.filter(insert => insert.endedMs >= oldestMs && !insert.isRefused);
    const firstBegun = Math.min(...this.#inserts.map(insert => insert.begun));
    this.#removals = this.#removals.filter(removal => removal.ended >= firstBegun);
  }

  /** `EVICTED_MS` after the last INSERT. */
  async restLong(): Promise<void> {
    for (const user of USERS) assert.equal(await this.#held(user), 0, 'what is expired is freed');
    this.#seen.add('stream rows were evicted');
  }

  checkDisk(): void {
    for (const [path, bytes] of this.#world.disk.contents('')) {
      assert.ok(!bytes.includes(MARK), `a row of a stream lies in ${path}`);
    }
  }

  async #insert(user: User, hear: Hear): Promise<void> {
    const numbers = Array.from({length: 1 + this.#below(this.#random() < 0.1 ? 12 : 3)}, () => ++this.#lastNumber);
    const tail = 'y'.repeat(this.#below(this.#random() < 0.2 ? 900 : 20));
    const insert: Insert = {...this.#begin(), user, numbers, isRefused: false};
    this.#inserts.push(insert);
    const values = numbers.map(number => `(${number}, '${MARK} ${user} ${tail}')`).join(', ');
    const result = await this.#say(`INSERT INTO ${TABLE} VALUES ${values}`, user, hear, () => {
      insert.isRefused = true;
    });
    if (result === undefined) return;
    assert.equal(result.rowCount, numbers.length);
    this.#end(insert);
    if (numbers.length > ROWS_MAX) this.#seen.add('more stream rows than are kept');
  }

  async #remove(user: User, hear: Hear): Promise<void> {
    const [divisor, rest] = [1 + this.#below(4), this.#below(2)];
    const removal: Removal = {...this.#begin(), user, hits: number => number % divisor === rest};
    const before = this.#inserts.length;
    this.#removals.push(removal);
    const result = await this.#say(`DELETE FROM ${TABLE} WHERE n % ${divisor} = ${rest}`, user, hear, () => {
      this.#removals.splice(this.#removals.indexOf(removal), 1);
    });
    if (result === undefined) return;
    this.#end(removal);
    const others = this.#removals.filter(other => other !== removal);
    const possible = this.#inserts.filter(insert => insert.user === user && this.#mayShow(insert, removal));
    const hit = possible.flatMap(({numbers}) => numbers).filter(removal.hits);
    assert.ok(result.rowCount <= hit.length, `${result.rowCount} rows deleted, at most ${hit.length} were there`);
    const certain = this.#inserts
      .slice(0, before)
      .flatMap(insert =>
        insert.numbers.filter(
          number => removal.hits(number) && this.#mustShow({insert, number}, user, removal, others),
        ),
      );
    assert.ok(result.rowCount >= certain.length, `${result.rowCount} rows deleted, ${certain.length} were there`);
  }

  async #read(user: User, hear: Hear): Promise<void> {
    const read = this.#begin();
    const result = await this.#say(`SELECT n, _seq, body FROM ${TABLE}`, user, hear, () => undefined);
    if (result === undefined) return;
    this.#end(read);
    const of = new Map(this.#inserts.flatMap(insert => insert.numbers.map(number => [number, insert] as const)));
    const shown = result.rows.map(([number, seq, body]) => ({number: Number(number), seq: BigInt(seq!), body}));
    assert.ok(shown.length <= ROWS_MAX, `${shown.length} rows of ${user}`);
    for (const [i, {number, seq, body}] of shown.entries()) {
      const insert = of.get(number);
      const what = `row ${number} of ${user}, which ${insert?.user ?? 'nobody in this life'} inserted`;
      assert.ok(insert?.user === user && String(body).startsWith(`${MARK} ${user} `), what);
      assert.ok(this.#mayShow(insert, read), `${what}, is refused or past its TTL`);
      assert.ok(!this.#isSurelyRemoved(insert, number, read), `${what}, was deleted`);
      const before = shown[i - 1];
      if (before === undefined) continue;
      assert.ok(before.seq < seq, 'rows come in the order of their _seq, none twice');
      assert.ok(of.get(before.number)!.begun < insert.ended, `${what}, is older than the row before it`);
    }
    const numbers = new Set(shown.map(({number}) => number));
    for (const insert of this.#inserts) {
      for (const number of insert.numbers) {
        if (!this.#mustShow({insert, number}, user, read, this.#removals)) continue;
        assert.ok(numbers.has(number), `row ${number} of ${user} is not there`);
        this.#seen.add('a stream row that must be there');
      }
    }
    if (this.#inserts.some(insert => insert.user === user && read.begunMs - insert.endedMs > TTL_MS))
      this.#seen.add('a stream row past its TTL');
  }

  #mayShow(insert: Insert, {begunMs, ended}: Span): boolean {
    return !insert.isRefused && insert.begun < ended && begunMs - insert.endedMs <= TTL_MS;
  }

  #isSurelyRemoved(insert: Insert, number: number, read: Span): boolean {
    return this.#removals.some(
      removal =>
        removal.user === insert.user &&
        removal.hits(number) &&
        insert.ended < removal.begun &&
        removal.ended < read.begun,
    );
  }

  #mustShow(
    {insert, number}: {insert: Insert; number: number},
    user: User,
    read: Span,
    removals: readonly Removal[],
  ): boolean {
    if (insert.user !== user || insert.isRefused || insert.ended >= read.begun) return false;
    if (read.endedMs - insert.begunMs > TTL_MS) return false;
    if (
      removals.some(one => one.user === user && one.hits(number) && one.ended > insert.begun && one.begun < read.ended)
    )
      return false;
    const newer = this.#inserts
      .filter(
        other => other.user === user && !other.isRefused && other.ended > insert.begun && other.begun < read.ended,
      )
      .flatMap(({numbers}) => numbers)
      .filter(other => other !== number);
    const older = insert.numbers.indexOf(number);
    return newer.length - older < ROWS_MAX;
  }

  /** Undefined: nobody heard, or it was refused. */
  async #say(sql: string, user: User, hear: Hear, refused: () => void): Promise<Result | undefined> {
    const {life} = this.#world;
    try {
      const result = await this.#world.sql(sql, {user});
      return life.isOver ? undefined : result;
    } catch (error) {
      const isFull = error instanceof DbError && error.code === 'MEMORY_LIMIT';
      if (isFull) this.#seen.add('a full stream refused rows');
      if (!life.isOver && (isFull || hear(error) !== 'unknown')) refused();
      return undefined;
    }
  }

  /** Rows that memory holds, seen or not. */
  async #held(user: User): Promise<number> {
    const {rows} = (await this.#world.settle(this.#world.sql(`EXPLAIN SELECT n FROM ${TABLE}`, {user})))!;
    return Number(/hot rows: (\d+)/.exec(JSON.stringify(rows))![1]);
  }

  #begin(): Span {
    const never = Number.POSITIVE_INFINITY;
    return {begun: ++this.#step, begunMs: this.#world.life.clock.nowMs(), ended: never, endedMs: never};
  }

  #end(span: Span): void {
    span.ended = ++this.#step;
    span.endedMs = this.#world.life.clock.nowMs();
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}
