/**
 * History: one seeded row of storms, faults, deaths and starts of a whole database, compared with the oracle after each.
 *
 *     storm   many statements, flushes, ALTERs, DROPs and readers at once; meanwhile the disk or a storage may fail, or the life may end
 *     rest    what every scope holds must be explained by what was answered; files, jobs and `_seq` must keep their laws
 *
 * What a start may have lost: at D2 nothing that was answered; at D1 that only if the power went, at D0 also if the process died: then what is found
 * must be what was there at some earlier moment, so a prefix of the commits, not older than the last moment known to be on disk.
 */
import assert from 'node:assert/strict';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Durability} from '../../src/log/log.ts';
import {seededRandom} from '../../src/std/sim-clock.ts';
import type {DiskEvent} from '../../src/std/sim-disk.ts';
import type {Result} from '../test-database.ts';
import {Auditor, type Versions} from './auditor.ts';
import {Ledger, type Loss} from './ledger.ts';
import {type Event, emptyState, isSame, NO_TABLE, type Scope, type Slot, type States, type Table} from './oracle.ts';
import {CREATE_STORAGE, cloudTrouble} from './sim-s3.ts';
import {ENDINGS, type Ending, SimWorld, turn} from './sim-world.ts';
import * as say from './statements.ts';
import {meaningOf, Storm} from './storm.ts';
import {EVICTED_MS, STREAM_OPTIONS, StreamWatch} from './stream-watch.ts';
import {witness} from './witness.ts';

const STEPS = 240;
const STORM_MAX = 14;
const STATEMENTS_PER_SLOT_MAX = 6;
/** Longer than the log may leave writes unsynced at D1. */
const LAZY_SYNC_MS = 1100;
/** Longer than the log waits before it tries again to make a segment. */
const HEAL_MS = 4000;
/** Time passes in slices; in each what woke is done, however slow the disk. */
const SLICES = 5;
const TURNS_PER_SLICE = 150;

export class History {
  readonly durability: Durability;
  readonly trace: string[] = [];
  /** What the history met, so that a run can show that it met everything. */
  readonly seen = new Set<string>();
  steps = 0;
  readonly #random: () => number;
  readonly #temper: {end: number; fault: number; cloud: number; restart: number; longRow: number};
  readonly #world: SimWorld;
  readonly #tables: Table[];
  readonly #scopes: Scope[];
  readonly #ledger: Ledger;
  readonly #auditor: Auditor;
  readonly #streams: StreamWatch;
  /** What the deaths since the last start may have taken. */
  #loss: Loss = 'nothing';
  #time = 0;
  #counter = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.durability = (['D2', 'D1', 'D2', 'D0'] as const)[seed % 4]!;
    this.#temper = {
      end: this.#pick([0.03, 0.2]),
      fault: this.#pick([0, 0.2]),
      cloud: this.#pick([0, 0.3]),
      restart: this.#pick([0.04, 0.12]),
      longRow: this.#pick([0.05, 0.4]),
    };
    this.#world = new SimWorld(seed, this.#options(), {isSlow: this.#random() < 0.5, isPaced: true});
    this.#world.onDisk = witness(this.#world.disk, this.seen);
    const types = this.#random() < 0.5 ? (['TEXT', 'BIGINT'] as const) : (['BIGINT', 'TEXT'] as const);
    const place = () => this.#pick(['local', 'cloud'] as const);
    this.#tables = (['USER', 'SHARED'] as const).map((kind, i) => say.newTable(kind, types[i]!, place()));
    this.#scopes = this.#tables.flatMap(table => table.scopes);
    this.#ledger = new Ledger(new Map(this.#slots().map(slot => [slot, emptyState(slot)])));
    this.#auditor = new Auditor(this.#world, this.#scopes);
    this.#streams = new StreamWatch(this.#world, seededRandom(seed * 7 + 4), this.seen);
  }

  async run(): Promise<void> {
    await this.#start();
    for (const sql of ['CREATE NAMESPACE app', CREATE_STORAGE, StreamWatch.create])
      await this.#must(this.#world.sql(sql));
    for (const table of this.#tables) await this.#must(this.#world.sql(say.createTable(table).sql));
    // The oracle begins with the tables: they must not be lost.
    await this.#restart('close');
    while (this.steps < STEPS) {
      if (this.#random() < this.#temper.restart) await this.#restart(this.#pick(ENDINGS));
      else await this.#storm();
    }
    await this.#restart(this.#pick(ENDINGS));
    this.#temper.cloud = 0;
    await this.#restart('close');
    this.#streams.checkDisk();
  }

  /** What two runs of one seed must have in common: all that was said and answered, and what it made the disk do. */
  get digest(): string {
    return `${this.trace.join('\n')}\n${this.#world.disk.operationCount} operations`;
  }

  /** Small everything: checkpoints, new segments, pressure and retries come within a few statements. */
  #options() {
    return {
      durability: this.durability,
      slabBytes: 8 * 1024,
      smallScopeRows: this.#pick([1, 3, 8]),
      logSegmentBytes: this.#pick([32, 64, 128]) * 1024,
      checkpointLogBytes: this.#pick([8, 32, 1024]) * 1024,
      jobs: {maxConcurrent: 4, maxRetries: this.#below(3), retryBackoffMs: 5, keepFinishedDays: 7},
      flushCheckMs: this.#pick([300, 3_600_000]),
      flushDefaultPolicy: this.#pick([null, {rows: 8}, {seconds: 2}]),
      memorySoftBytes: this.#pick([64 * 1024, 256 * 1024 * 1024]),
      compaction: {checkMs: this.#pick([0, 400]), minSegments: 2, deadPercent: 20},
      mirrorCheckMs: this.#pick([50, 3_600_000]),
      streams: {...STREAM_OPTIONS, tableBytesMax: this.#pick([4096, 1 << 20])},
      storageCacheBytes: this.#pick([2048, 1 << 20]),
    };
  }

  /** Everything at once, and then the reckoning. */
  async #storm(): Promise<void> {
    const {life} = this.#world;
    const storm = new Storm({
      altered: this.#random() < 0.2 ? this.#pick(this.#tables) : undefined,
      dropped: this.#random() < 0.12 ? this.#pick(this.#tables) : undefined,
    });
    this.#say('storm');
    const isRough = this.#planTrouble();
    for (const begin of this.#agenda(storm)) {
      await this.#turns(this.#pick([1, 4, 10]));
      if (!life.isOver) storm.add(begin());
    }
    if (this.#random() < this.#temper.end) {
      await this.#turns(30);
      if (!life.isOver) this.#planEnd(0);
    }
    await this.#world.settle(Promise.all(storm.work));
    for (const failure of storm.failures) throw failure;
    if (!life.isOver) this.#world.forgetPlans();
    // A full disk stays full for a while.
    const isLasting = this.#isShort && !storm.isLogBroken && this.#random() < 0.6;
    if (!life.isOver && isRough && !isLasting) await this.#calm(storm);
    if (life.isOver) {
      this.#mourn(this.#world.lastEnding!);
      await this.#start();
      await this.#recognise();
    } else if (storm.isLogBroken) await this.#leaveReadOnly();
    else await this.#rest();
  }

  /** What the storm is made of, in the order in which it begins. */
  #agenda(storm: Storm): (() => Promise<unknown>)[] {
    const agenda = this.#random() < 0.15 ? [this.#wide(storm)] : this.#singles(storm);
    const put = (work: () => Promise<unknown>) => agenda.splice(this.#below(agenda.length + 1), 0, work);
    const {altered, dropped} = storm;
    for (let i = this.#below(3); i > 0; i--) put(() => this.#job(storm, 'FLUSH TABLE', this.#pick(this.#tables)));
    if (this.#random() < 0.3) put(() => this.#job(storm, 'STORAGE COMPACT TABLE', this.#pick(this.#tables)));
    // Who reads just before the end may have seen what must then not be lost.
    const readersMax = this.#world.isEndPlanned ? 9 : 3;
    for (let i = this.#below(readersMax); i > 0; i--) put(() => this.#read(storm, this.#pick(this.#scopes)));
    for (let i = this.#below(4); i > 0; i--) put(() => this.#streams.act(error => this.#hear(storm, error)));
    if (altered !== undefined) put(() => this.#alter(storm, altered));
    if (dropped !== undefined) put(() => this.#recreate(storm, dropped));
    if (this.#random() < 0.2) put(() => this.#world.life.clock.advance(this.#below(3000)));
    return agenda;
  }

  /** Statements on few keys, so that they meet; not so many on one that their orders could not be tried. */
  #singles(storm: Storm): (() => Promise<unknown>)[] {
    const agenda: (() => Promise<unknown>)[] = [];
    const counts = new Map<Slot, number>();
    const fewSlots = 1 + this.#below(say.SINGLE_KEYS + 1);
    for (let i = 1 + this.#below(STORM_MAX); i > 0; i--) {
      const slot = this.#pick(this.#scopes).slots[this.#below(fewSlots)]!;
      const statement = this.#single(storm, slot);
      if ([...statement.slots].some(one => (counts.get(one) ?? 0) >= STATEMENTS_PER_SLOT_MAX)) continue;
      for (const one of statement.slots) counts.set(one, (counts.get(one) ?? 0) + 1);
      agenda.push(() => this.#tell(storm, statement));
    }
    return agenda;
  }

  #single(storm: Storm, slot: Slot): say.Statement {
    const isLong = this.#random() < (this.#isShort ? 0.7 : this.#temper.longRow);
    const tail = isLong ? 'x'.repeat(this.#below(6000)) : '';
    const v = `${slot.scope.user} ${++this.#counter} ${tail}`;
    const dice = this.#random();
    if (dice < 0.4) {
      const other = slot.scope.slots[this.#below(say.SINGLE_KEYS)]!;
      const slots = this.#random() < 0.35 && other !== slot ? [slot, other] : [slot];
      return say.insert(slots, {v, n: this.#below(100), extra: this.#extra(storm, slot)});
    }
    if (dice < 0.75) return say.update(slot, {v, extra: this.#extra(storm, slot)});
    return say.remove(slot);
  }

  /** A column that came by ALTER is named only while none comes or goes. */
  #extra(storm: Storm, slot: Slot): say.Extra {
    const {table} = slot.scope;
    const columns = this.#ledger.state(slot).columns ?? [];
    if (table === storm.altered || table === storm.dropped || columns.length === 0 || this.#random() < 0.5) return {};
    return {[this.#pick(columns)]: ++this.#counter};
  }

  /** One statement over a whole scope: no other changes rows, so the sum it answers is known. */
  #wide(storm: Storm): () => Promise<unknown> {
    const scope = this.#pick(this.#scopes);
    const limit = this.#below(110);
    const statement = say.wide(scope, {limit, isDelete: this.#random() < 0.3});
    const before = scope.slots.flatMap(slot => this.#ledger.state(slot).rows);
    const hitCount = before.filter(row => row !== undefined && row.n < limit).length;
    return async () => {
      const event = await this.#tell(storm, statement);
      if (storm.dropped !== scope.table && typeof event?.answer === 'number')
        assert.equal(event.answer, hitCount, `rows hit by ${statement.sql}`);
    };
  }

  async #alter(storm: Storm, table: Table): Promise<void> {
    const columns = this.#ledger.state(table.scopes[0]!.slots[0]!).columns ?? [];
    const statement = this.#pick(say.alterations(table, columns));
    const event = await this.#tell(storm, statement);
    if (event?.answer === 0) this.seen.add(`altered by ${/(\w+) COLUMN/.exec(statement.sql)![1]}`);
  }

  async #recreate(storm: Storm, table: Table): Promise<void> {
    const {life} = this.#world;
    const event = await this.#tell(storm, say.dropTable(table));
    if (event?.answer === 0) this.seen.add('dropped');
    if (!life.isOver) await this.#tell(storm, say.createTable(table));
  }

  async #job(storm: Storm, statement: string, table: Table): Promise<void> {
    this.steps++;
    this.#say(`  ${statement} ${table.name}`);
    const {life} = this.#world;
    try {
      await this.#world.sql(`${statement} ${table.name}`);
    } catch (error) {
      if (!life.isOver) this.#hear(storm, error);
    }
  }

  async #read(storm: Storm, scope: Scope): Promise<void> {
    const dice = this.#random();
    if (dice < 0.3) await this.#look(storm, [scope.slots[this.#below(say.SINGLE_KEYS)]!], 'WHERE id = $1');
    else await this.#look(storm, scope.slots, dice < 0.6 ? '' : 'WHERE _deleted OR NOT _deleted');
  }

  /** A read is an event that must meet what it saw. */
  async #look(storm: Storm, slots: readonly Slot[], where: string): Promise<void> {
    this.steps++;
    const {table, user} = slots[0]!.scope;
    const {life} = this.#world;
    const begun = ++this.#time;
    const params = where.includes('$1') ? [say.keyParam(table, slots[0]!.keys[0]!)] : [];
    this.#say(`  ${user} reads ${table.name} ${where}`);
    let found: States;
    try {
      const result = await this.#world.sql(`SELECT * FROM ${table.name} ${where}`, {user, params});
      if (life.isOver) return;
      found = say.statesOf(slots, result);
    } catch (error) {
      // Dropped while it ran, or failed: nothing is known of what there was.
      if (life.isOver || this.#hear(storm, error) !== 'gone' || storm.dropped === table) return;
      found = new Map(slots.map(slot => [slot, NO_TABLE]));
    }
    this.#ledger.add({
      text: `read ${where}`,
      begun,
      ended: ++this.#time,
      answer: 'as seen',
      isRead: true,
      slots: new Set(slots),
      apply: (state, slot) => ({state, answer: isSame(state, found.get(slot)!) ? 'as seen' : 'otherwise'}),
    });
  }

  /** Runs a statement and remembers it with what was answered; undefined if it certainly did nothing. */
  async #tell(storm: Storm, statement: say.Statement): Promise<Event | undefined> {
    this.steps++;
    const {life} = this.#world;
    const text = `${statement.user}: ${statement.sql} ${JSON.stringify(statement.params).slice(0, 60)}`;
    const event: Event = {
      text,
      begun: ++this.#time,
      ended: Number.POSITIVE_INFINITY,
      answer: undefined,
      isRead: false,
      slots: statement.slots,
      apply: (state, slot) => {
        // Which of several keys was taken, or which of two lives of the table was meant, is not said.
        if (event.answer === 'exists' && event.slots.size > 1) return {state, answer: 'exists'};
        if (event.answer === 'gone' && storm.dropped !== undefined) return {state, answer: 'gone'};
        return statement.apply(state, slot);
      },
    };
    this.#ledger.add(event);
    this.#say(`  ${text}`);
    const answer = await this.#world.sql(statement.sql, statement).then(
      result => result.rowCount,
      error => (life.isOver ? 'unknown' : this.#hear(storm, error)),
    );
    // Nobody hears what a dead life says.
    if (life.isOver || answer === 'unknown') return event;
    this.#say(`  → ${answer}: ${text}`);
    if (answer === 'failed') {
      this.#ledger.withdraw(event);
      return undefined;
    }
    event.answer = answer;
    event.ended = ++this.#time;
    return event;
  }

  #hear(storm: Storm, error: unknown): string {
    const code = error instanceof DbError ? error.code : '';
    if (code === 'COMMIT_UNKNOWN' || code === 'READ_ONLY') storm.isLogBroken = true;
    this.seen.add(code);
    return meaningOf(error);
  }

  /** True if the disk will not do what it should. */
  #planTrouble(): boolean {
    const {disk, s3} = this.#world;
    s3.trouble = cloudTrouble(this.#temper.cloud, this.#random);
    const dice = this.#random();
    if (dice < this.#temper.end) this.#planEnd(this.#below(200));
    else if (this.#isShort || dice < this.#temper.end + this.#temper.fault / 2) {
      disk.capacityBytes = Math.min(disk.capacityBytes, disk.usedBytes() + this.#below(60_000));
      this.#say('  space runs short');
      return true;
    } else if (dice < this.#temper.end + this.#temper.fault) {
      const area = this.#pick(['/log/', '/log/', '/storage/', '/storage/', '/checkpoint/', '/']);
      const isSync = this.#random() < 0.4;
      const isMeant = ({operation, path}: DiskEvent) =>
        path.includes(area) && operation !== 'close' && (!isSync || operation.startsWith('datasync'));
      this.#say(`  ${isSync ? 'a sync' : 'something'} in ${area} fails`);
      this.#world.planFault(this.#pick(['EIO', 'ENOSPC']), isMeant, this.#below(12));
      return true;
    }
    return this.#isShort;
  }

  get #isShort(): boolean {
    return this.#world.disk.capacityBytes !== Number.POSITIVE_INFINITY;
  }

  #planEnd(afterOperations: number): void {
    const kind = this.#pick<Ending>(['kill', 'power']);
    this.#say(`  ${kind} after ${afterOperations} operations`);
    this.#world.planEnd(kind, afterOperations);
  }

  /** The trouble ends: the database must find back by itself, unless its log is broken. */
  async #calm(storm: Storm): Promise<void> {
    this.#world.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await this.#pass(HEAL_MS);
    const sql = "SELECT metric_value FROM system.stats WHERE metric_name = 'log_state'";
    const state = (await this.#must(this.#world.sql(sql))).rows[0]![0];
    if (state === 'failed') storm.isLogBroken = true;
    else {
      assert.equal(state, 'open', 'a log that was full is open again once there is space');
      this.seen.add('healed');
    }
  }

  /** A broken log: reads go on, writes are refused, and a restart shows what became of the rest. */
  async #leaveReadOnly(): Promise<void> {
    const storm = new Storm();
    this.#say('the log is broken');
    for (const scope of this.#scopes) await this.#must(this.#look(storm, scope.slots, ''));
    const write = say.insert([this.#pick(this.#slots())], {v: 'refused', n: 0, extra: {}});
    const event = await this.#must(this.#tell(storm, write));
    assert.ok(typeof event?.answer !== 'number', 'a write was answered though the log is broken');
    if (this.durability === 'D0') this.#loss = 'answered writes';
    await this.#restart(this.#pick(ENDINGS));
  }

  async #restart(kind: (typeof ENDINGS)[number]): Promise<void> {
    this.steps++;
    this.#say(`restart by ${kind}`);
    if (kind === 'close') await this.#world.close();
    else this.#world.end(kind);
    this.#mourn(kind);
    await this.#start();
    await this.#recognise();
  }

  #mourn(kind: (typeof ENDINGS)[number]): void {
    this.seen.add(kind);
    this.#streams.forgetLife();
    if (this.#world.s3.ambiguousPutCount > 0) this.seen.add('a put that was done and not said so');
    if (this.durability === 'D1' && kind === 'power') this.#loss = 'answered writes';
    if (this.durability === 'D0' && kind !== 'close') this.#loss = 'answered writes';
  }

  /** However often it dies on the way. */
  async #start(): Promise<void> {
    const world = this.#world;
    world.disk.capacityBytes = Number.POSITIVE_INFINITY;
    for (;;) {
      world.jump(this.#pick([0, 0, 1000, 60_000, -5000]));
      if (this.#random() < 0.15) this.#planEnd(this.#below(80));
      world.s3.trouble = cloudTrouble(this.#temper.cloud, this.#random);
      if (await world.start()) break;
      this.#say('died starting');
      this.seen.add('died starting');
      this.#mourn(world.lastEnding!);
    }
    world.forgetPlans();
    if (world.hasFaults) this.seen.add('started without its storage');
  }

  /** After a start: what is there must be what was answered, or what may have become of it. */
  async #recognise(): Promise<void> {
    const found = await this.#readAll();
    for (const event of this.#ledger.begin(found.states, this.#loss)) this.seen.add(event);
    this.#auditor.begin(found.versions, this.#loss);
    this.#loss = 'nothing';
    await this.#auditor.check();
    await this.#mendTables();
  }

  /** Nothing is going on: every scope must hold what its events explain. */
  async #rest(): Promise<void> {
    const found = await this.#readAll();
    this.#ledger.rest(found.states);
    if (this.durability === 'D2') this.#ledger.forgetThePast();
    this.#auditor.note(found.versions);
    await this.#streams.rest();
    if (this.#random() < 0.3) await this.#auditor.check();
    if (this.#random() < 0.15) {
      const ms = LAZY_SYNC_MS + this.#below(4000);
      await this.#pass(ms);
      if (this.durability === 'D1') this.#ledger.forgetThePast();
      if (ms >= EVICTED_MS) await this.#streams.restLong();
    }
    await this.#mendTables();
  }

  /** A DROP whose CREATE was cut off or refused leaves no table. */
  async #mendTables(): Promise<void> {
    const missing = this.#tables.find(table => this.#ledger.state(table.scopes[0]!.slots[0]!).columns === undefined);
    if (missing === undefined) return;
    if (this.#isShort) await this.#calm(new Storm());
    await this.#must(this.#tell(new Storm(), say.createTable(missing)));
    await this.#rest();
  }

  async #readAll(): Promise<{states: States; versions: Versions}> {
    const states = new Map(this.#slots().map(slot => [slot, NO_TABLE]));
    const versions = new Map<Slot, readonly (bigint | undefined)[]>();
    for (const {table, user, slots} of this.#scopes) {
      const sql = `SELECT * FROM ${table.name} WHERE _deleted OR NOT _deleted`;
      const result: Result | undefined = await this.#must(this.#world.sql(sql, {user})).catch(error => {
        if (meaningOf(error) !== 'gone') throw error;
        return undefined;
      });
      if (result === undefined) continue;
      for (const [slot, state] of say.statesOf(slots, result)) states.set(slot, state);
      for (const [slot, seqs] of say.versionsOf(slots, result)) versions.set(slot, seqs);
    }
    return {states, versions};
  }

  /** Time goes by, and everybody does what he then has to. */
  async #pass(ms: number): Promise<void> {
    for (let slice = 0; slice < SLICES; slice++) {
      await this.#must(this.#world.life.clock.advance(Math.ceil(ms / SLICES)));
      for (let i = 0; i < TURNS_PER_SLICE; i++) await turn();
    }
  }

  /** In a life that nobody plans to end. */
  async #must<T>(work: Promise<T>): Promise<T> {
    const result = await this.#world.settle(work);
    assert.ok(!this.#world.life.isOver, 'nothing was planned, and yet the life ended');
    return result as T;
  }

  #slots(): Slot[] {
    return this.#scopes.flatMap(scope => scope.slots);
  }

  async #turns(countMax: number): Promise<void> {
    for (let count = this.#below(countMax); count > 0; count--) await turn();
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
