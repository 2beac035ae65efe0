/**
 * Sim client: a client of the checker over an unsure line: what was delivered waits in its inbox until it reads, and is lost when the line is.
 */
import assert from 'node:assert/strict';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {developmentSession} from '../../src/auth/sessions.ts';
import type {LiveConnection, LiveEvent, LiveSink, SubscribeRequest, Subscription} from '../../src/live/live.ts';
import type {LiveSubscription} from '../../src/live/subscription.ts';
import type {Role} from '../../src/model/session.ts';
import {type Checker, TABLES} from './checker.ts';
import {Answer} from './subscriber.ts';

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

export class SimClient implements LiveSink {
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
    const wantsProgress = random() < 0.5;
    const known = random() < 0.5 ? held?.cursor : held?.lastSeq;
    const from = held?.error === undefined ? (known ?? 0n) : 0n;
    const lastRows = from === 0n && random() < 0.1 ? 1 + this.#checker.int(3) : undefined;
    const options = {
      ...(random() < 0.5 ? {batchSize: 3 + this.#checker.int(3)} : {}),
      ...(from === 0n ? {} : {from}),
      ...(lastRows === undefined ? {} : {lastRows}),
    };
    this.#checker.say(
      `${this.#user}: ${id} ${query} ${JSON.stringify(options, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`,
    );
    const subscription = this.#allowed({id, sql: query, options, wantsProgress});
    if (subscription === undefined) return;
    const wasWhole = this.#answers.get(id)?.isWhole ?? true;
    const isWhole = from === 0n ? lastRows === undefined : wasWhole;
    const answer = new Answer(subscription, from === 0n ? undefined : held);
    answer.cursor = from;
    this.#answers.set(id, {query, isWhole, answer});
    if (from !== 0n) met.resumed++;
  }

  /** Who is refused gives up; who is not has the right. */
  #allowed(request: SubscribeRequest): Subscription | undefined {
    const {id, sql} = request;
    const mayNot = this.#checker.isPrivate && this.#role === 'user' && sql.includes('app.board');
    try {
      const subscription = this.#connection!.subscribe(request);
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
      if (rows.length === 0) met.marks++;
      if (reason === 'leave') met.leaves += rows.length;
      if (reason === 'evicted') met.evicted += rows.length;
    }
  }
}

function isLive(answer: Answer): boolean {
  return (answer.subscription as LiveSubscription).state === 'live' && answer.start !== undefined && !answer.isPartial;
}
