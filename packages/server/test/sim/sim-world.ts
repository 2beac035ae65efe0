/**
 * Sim world: a whole database on a simulated disk, one life after the other.
 *
 *     start ─ life ─ end(kill | power) ─ start …        `planEnd` ends a life, `planFault` fails an operation, at the n-th disk operation from now
 *
 * Laws: one seed gives one history: time, ids, the disk's pace and its fate at a power loss all come from it. What a dead life still says or
 * does reaches nobody. Whoever waits, waits for the life too: nothing can hang beyond a bounded number of turns.
 */
import {type Database, type DatabaseOptions, openDatabase} from '../../src/database.ts';
import {SimClock, SlowClock, seededIds, seededRandom} from '../../src/std/sim-clock.ts';
import {type DiskEvent, type DiskOperation, SimDisk} from '../../src/std/sim-disk.ts';
import {type Result, runOne, type SqlOptions, TEST_OPTIONS} from '../test-database.ts';
import {NO_TROUBLE, SimS3} from './sim-s3.ts';

export const DIRECTORY = 'data';
/** Between two looks whether it is over; then time goes on, for whoever sleeps. */
const TURNS_PER_LOOK = 40;
const LOOK_MS = 25;
const LOOKS_MAX = 4000;
/** A few looks: whoever waits for a silent service waits for all its tries. */
const S3_TIMEOUT_MS = 200;

/** How a life may end: by its own will, or not. */
export const ENDINGS = ['close', 'kill', 'power'] as const;
export type Ending = 'kill' | 'power';

export interface Life {
  readonly clock: SimClock;
  readonly over: PromiseWithResolvers<void>;
  isOver: boolean;
  database: Database | undefined;
}

/** A disk operation that fails because the history wants it to. */
export class PlannedFault extends Error {
  readonly code: string;

  constructor(code: string, path: string) {
    super(`${code}: planned, ${path}`);
    this.code = code;
  }
}

/** Whether the history's own doing is behind an error: a planned fault, or space that ran short. */
export function isPlanned(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error instanceof PlannedFault || (error as {code?: string}).code === 'ENOSPC' || isPlanned(error.cause);
}

interface PlannedFailure {
  readonly code: string;
  readonly isMeant: (event: DiskEvent) => boolean;
  countdown: number;
}

export class SimWorld {
  readonly disk: SimDisk;
  readonly s3: SimS3;
  /** Told of each effect on the disk, before anything planned happens. */
  onDisk: (event: DiskEvent) => void = () => {};
  /** What the database warned of. */
  readonly warnings: string[] = [];
  readonly #seed: number;
  /** Of the lives to come. */
  options: Partial<DatabaseOptions>;
  readonly #isSlow: boolean;
  readonly #fates: () => number;
  #lives = 0;
  #wallMs = Date.UTC(2026, 0, 1);
  #life: Life | undefined;
  #end: {kind: Ending; countdown: number; isCounted: (event: DiskEvent) => boolean} | undefined;
  #fault: PlannedFailure | undefined;
  #diskFaults = 0;
  #faultsBefore = 0;
  lastEnding: Ending | undefined;

  /** `isSlow`: syncs look slow, so they run in the background. `isPaced`: operations take more or less turns of the loop. */
  constructor(
    seed: number,
    options: Partial<DatabaseOptions>,
    {isSlow, isPaced, disk}: {isSlow: boolean; isPaced: boolean; disk?: SimDisk},
  ) {
    this.disk = disk ?? new SimDisk();
    this.#seed = seed;
    this.options = options;
    this.#isSlow = isSlow;
    this.#fates = seededRandom(seed * 7 + 1);
    this.s3 = new SimS3(seededRandom(seed * 7 + 3));
    const pace = seededRandom(seed * 7 + 2);
    if (isPaced) this.disk.pace = () => (pace() < 0.7 ? 0 : Math.floor(pace() * 12));
    this.disk.watch = event => this.#watch(event);
  }

  get life(): Life {
    if (this.#life === undefined) throw new Error('no life has begun');
    return this.#life;
  }

  /** False if the life ended before the database was open. */
  async start(): Promise<boolean> {
    this.#lives++;
    this.#faultsBefore = this.#faultCount;
    const clock = this.#isSlow ? new SlowClock(this.#wallMs) : new SimClock(this.#wallMs);
    const life: Life = {clock, over: Promise.withResolvers(), isOver: false, database: undefined};
    this.#life = life;
    const warn = (text: string) => {
      if (!life.isOver) this.warnings.push(text);
    };
    const opening = openDatabase({
      ...TEST_OPTIONS,
      ...this.options,
      directory: DIRECTORY,
      disk: this.disk.mount(),
      clock,
      ids: seededIds(this.#seed * 1000 + this.#lives),
      s3: {fetch: this.s3.mount(), timeoutMs: S3_TIMEOUT_MS},
      isLocked: false,
      inlineEncoding: true,
      logger: {info() {}, warn, error: warn},
    });
    const database = await this.settle(opening);
    if (life.isOver || database === undefined) return false;
    life.database = database;
    return true;
  }

  async sql(text: string, options?: SqlOptions): Promise<Result> {
    const {database} = this.life;
    if (database === undefined) throw new Error('the database is not open');
    return await runOne(database, text, options);
  }

  /** Lets the world run until the work is done or the life is over; undefined if it is over. Throws if nothing ever comes. */
  async settle<T>(work: Promise<T>): Promise<T | undefined> {
    const {life} = this;
    let isDone = false;
    const done = work.then(
      () => {
        isDone = true;
      },
      () => {
        isDone = true;
      },
    );
    for (let looks = 0; !isDone && !life.isOver; looks++) {
      if (looks > LOOKS_MAX) throw new Error('somebody waits for ever');
      for (let turns = 0; turns < TURNS_PER_LOOK && !isDone && !life.isOver; turns++) await turn();
      if (!isDone && !life.isOver) await life.clock.advance(LOOK_MS);
    }
    if (life.isOver) return undefined;
    await done;
    return await work;
  }

  /** Ends the life by the book. */
  async close(): Promise<void> {
    const {life} = this;
    await this.settle(life.database!.close());
    if (!life.isOver) this.end('kill');
  }

  end(kind: Ending): void {
    const {life} = this;
    life.isOver = true;
    this.#wallMs = life.clock.nowMs();
    this.forgetPlans();
    this.lastEnding = kind;
    if (kind === 'power') this.disk.crash(this.#fates);
    else this.disk.kill();
    this.s3.kill();
    life.over.resolve();
  }

  /** Whatever clock the next life finds. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  /** Each operation counts twice, before and after its effect. */
  planEnd(kind: Ending, afterEvents: number, isCounted: (event: DiskEvent) => boolean = () => true): void {
    this.#end = {kind, countdown: afterEvents, isCounted};
  }

  get isEndPlanned(): boolean {
    return this.#end !== undefined;
  }

  planFault(code: string, isMeant: (event: DiskEvent) => boolean, afterOperations: number): void {
    this.#fault = {code, isMeant, countdown: afterOperations};
  }

  /** Operations that are meant get no answer until the release. */
  hold(isMeant: (operation: DiskOperation, path: string) => boolean): {reached: Promise<void>; release(): void} {
    const {pace} = this.disk;
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    this.disk.pace = (operation, path) => {
      if (!isMeant(operation, path)) return pace(operation, path);
      reached.resolve();
      return released.promise;
    };
    const release = () => {
      this.disk.pace = pace;
      released.resolve();
    };
    return {reached: reached.promise, release};
  }

  /** Did the disk or a service fail since this life began to start? */
  get hasFaults(): boolean {
    return this.#faultCount > this.#faultsBefore;
  }

  get #faultCount(): number {
    return this.#diskFaults + this.s3.faultCount;
  }

  forgetPlans(): void {
    this.#end = undefined;
    this.#fault = undefined;
    this.s3.trouble = NO_TROUBLE;
  }

  #watch(event: DiskEvent): void {
    this.onDisk(event);
    const end = this.#end;
    if (end?.isCounted(event) && end.countdown-- <= 0) {
      this.end(end.kind);
      return;
    }
    const fault = this.#fault;
    if (fault === undefined || event.when !== 'before' || !fault.isMeant(event) || fault.countdown-- > 0) return;
    this.#fault = undefined;
    this.#diskFaults++;
    throw new PlannedFault(fault.code, event.path);
  }
}

export function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
