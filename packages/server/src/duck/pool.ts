/**
 * Pool: gives each request a child of its own, as long as it runs.
 *
 * Children are started when a request finds none idle, up to `maxChildren`; further requests wait in order, up to a bound. The child
 * that rested least is taken, so that the others can end. A child is replaced after QUERIES_MAX requests, after it ran out of memory, and when a
 * storage was added that it cannot reach.
 */
import {realpathSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {sep} from 'node:path';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {QueryChild} from './child-process.ts';
import type {Duck, DuckAnswer, DuckOptions, DuckRequest, DuckStats} from './duck.ts';
import type {ListedFile} from './file-check.ts';
import type {ChildSettings} from './frames.ts';

/** Memory that allocators do not give back goes with the child. */
const QUERIES_MAX = 20_000;
const WAITING_MAX = 256;
const CHECKED_FILES_MAX = 100_000;
/** More of them make small queries slower, and large ones no quicker where all are at work. */
const THREADS_MAX = 4;

export class Pool implements Duck {
  readonly #options: DuckOptions;
  readonly #children = new Set<QueryChild>();
  /** The one that rested least is last. */
  readonly #idle: QueryChild[] = [];
  readonly #idleTimers = new Map<QueryChild, NodeJS.Timeout>();
  readonly #waiting: (() => void)[] = [];
  readonly #checkedFiles = new Set<string>();
  readonly #closing = new AbortController();
  #running = 0;
  #queries = 0;
  #started = 0;
  #killed = 0;
  #lost = 0;

  constructor(options: DuckOptions) {
    this.#options = options;
  }

  async query(request: DuckRequest, signal: AbortSignal): Promise<DuckAnswer> {
    const anySignal = AbortSignal.any([signal, this.#closing.signal]);
    throwIfOver(anySignal);
    this.#queries++;
    try {
      await this.#turn(anySignal);
    } catch (error) {
      throwIfOver(anySignal);
      throw error;
    }
    try {
      throwIfOver(anySignal);
      return await this.#runOnChild(request, anySignal);
    } catch (error) {
      throwIfOver(anySignal);
      throw error;
    } finally {
      this.#leave();
    }
  }

  stats(): DuckStats {
    return {
      children: this.#children.size,
      pids: [...this.#children].flatMap(child => child.pid ?? []),
      running: this.#running,
      waiting: this.#waiting.length,
      queries: this.#queries,
      childrenStarted: this.#started,
      childrenKilled: this.#killed,
      childrenLost: this.#lost,
    };
  }

  async close(): Promise<void> {
    this.#closing.abort(new DbError('SHUTTING_DOWN', 'The server is stopping.'));
    for (const timer of this.#idleTimers.values()) clearTimeout(timer);
    const children = [...this.#children];
    for (const child of children) if (child.isRunning) child.kill();
    await Promise.all(children.map(child => child.end()));
  }

  /** Resolves when the request may run: with a place of its own among the running ones, given back by `#leave`. */
  #turn(signal: AbortSignal): Promise<void> {
    if (this.#running < this.#options.maxChildren) {
      this.#running++;
      return Promise.resolve();
    }
    if (this.#waiting.length >= WAITING_MAX) {
      throw new DbError('QUERY_UNAVAILABLE', `${WAITING_MAX} queries wait for the analytic executor; try again.`);
    }
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal.reason);
      };
      const enter = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      signal.addEventListener('abort', abort, {once: true});
      this.#waiting.push(enter);
    });
  }

  /** The place goes to whoever waits longest, so that nobody can slip in between. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }

  async #runOnChild(request: DuckRequest, signal: AbortSignal): Promise<DuckAnswer> {
    const unchecked = this.#uncheckedFiles(request);
    const child = this.#takeChild(request);
    try {
      const answer = await child.run(request, unchecked, signal);
      for (const {path} of unchecked) this.#checkedFiles.add(path);
      return answer;
    } finally {
      this.#giveBack(child);
    }
  }

  #uncheckedFiles({relations}: DuckRequest): ListedFile[] {
    if (this.#checkedFiles.size > CHECKED_FILES_MAX) this.#checkedFiles.clear();
    return relations.flatMap(({files}) =>
      files.filter(({path}) => !this.#checkedFiles.has(path)).map(({path, checksum}) => ({path, checksum})),
    );
  }

  #takeChild(request: DuckRequest): QueryChild {
    for (let child = this.#idle.pop(); child !== undefined; child = this.#idle.pop()) {
      clearTimeout(this.#idleTimers.get(child));
      this.#idleTimers.delete(child);
      if (!child.isSpent && reaches(child.settings.directories, request)) return child;
      void child.end();
    }
    return this.#startChild();
  }

  #startChild(): QueryChild {
    const {memoryBytes, tempDirectory, programModule, killAfterMs, directories, logger} = this.#options;
    const settings: ChildSettings = {
      memoryBytes,
      tempDirectory,
      programModule,
      threads: threadsFor(this.#options.maxChildren),
      directories: directories().flatMap(placesOf),
    };
    const child = new QueryChild({settings, killAfterMs, log: text => logger.warn(text)});
    this.#started++;
    this.#children.add(child);
    void child.gone.then(() => {
      this.#children.delete(child);
      const place = this.#idle.indexOf(child);
      if (place >= 0) this.#idle.splice(place, 1);
      if (child.wasKilled) this.#killed++;
      else if (!child.wasEnded) this.#lost++;
    });
    return child;
  }

  #giveBack(child: QueryChild): void {
    if (child.isSpent || child.queryCount >= QUERIES_MAX || this.#closing.signal.aborted) {
      void child.end();
      return;
    }
    this.#idle.push(child);
    const rest = (): void => {
      this.#idle.splice(this.#idle.indexOf(child), 1);
      this.#idleTimers.delete(child);
      void child.end();
    };
    this.#idleTimers.set(child, setTimeout(rest, this.#options.idleMs).unref());
  }
}

/** All children at work have a thread for each processor. */
function threadsFor(maxChildren: number): number {
  return Math.min(THREADS_MAX, Math.max(1, Math.floor(availableParallelism() / maxChildren)));
}

/** A directory as it is written and as it is without links: DuckDB compares what links lead to. */
function placesOf(directory: string): string[] {
  const whole = directory.endsWith(sep) ? directory : directory + sep;
  try {
    const real = realpathSync(directory) + sep;
    return real === whole ? [whole] : [whole, real];
  } catch {
    // It does not exist yet: no file lies there.
    return [];
  }
}

function reaches(directories: readonly string[], {relations}: DuckRequest): boolean {
  return relations.every(({files}) =>
    files.every(({path}) => directories.some(directory => path.startsWith(directory))),
  );
}

function throwIfOver({aborted, reason}: AbortSignal): void {
  if (!aborted) return;
  throw reason instanceof DbError ? reason : new DbError('STATEMENT_TIMEOUT', 'The statement was stopped.');
}
