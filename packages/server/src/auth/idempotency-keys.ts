/**
 * Idempotency keys: a request that carries a key of its caller is run once, however often it comes.
 *
 *     key known, the same request     the answer that was kept
 *     key known, another request      refused
 *     key new                         the statements as one transaction; in the batch of its rows: the key with the answer
 *
 * Laws: rows and key are one batch of the log, so after a crash both are there or neither, and whoever got no answer may ask again. A request that
 * failed has changed nothing and keeps nothing: with the same key it is run again. Keys are their user's own. They are kept for a time and in a
 * number that are settings; where there is no room for one more the request is refused, and none is forgotten early.
 */
import {createHash} from 'node:crypto';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {textKey} from '../catalog/ddl.ts';
import type {Hot} from '../hot/hot.ts';
import type {ScopeKey, UserId} from '../model/names.ts';
import {encodeRow, RowView} from '../model/row-codec.ts';
import type {Clock} from '../std/clock.ts';
import {IDEMPOTENCY_KEYS, type IdempotencyRecord} from '../system/idempotency-keys.ts';
import type {Commit, WriteRow} from '../table/commit.ts';

export interface IdempotencyLimits {
  readonly keepMs: number;
  readonly keysPerUserMax: number;
  readonly keysMax: number;
}

export interface KeyedRequest {
  readonly userId: UserId;
  readonly key: string;
  /** All that decides what it does. */
  readonly asked: readonly unknown[];
}

/** Makes the row that keeps the results, for the batch of what the request wrote. Throws LIMIT_EXCEEDED if they are too long. */
export type KeepResults = (results: unknown) => WriteRow;

const RESULTS_BYTES_MAX = 8 * 1024;
const REMOVED_AT_ONCE = 1000;
const {schema} = IDEMPOTENCY_KEYS;

export class IdempotencyKeys {
  readonly #hot: Hot;
  readonly #commit: Commit;
  readonly #clock: Clock;
  readonly #limits: IdempotencyLimits;
  readonly #running = new Set<string>();
  readonly #view = new RowView(schema, () => schema);

  constructor(options: {hot: Hot; commit: Commit; clock: Clock; limits: IdempotencyLimits}) {
    this.#hot = options.hot;
    this.#commit = options.commit;
    this.#clock = options.clock;
    this.#limits = options.limits;
  }

  /** The results of `run`, which commits the row that it has made of them; or those of when the request came before. They are JSON. */
  async once<Results>(
    {userId, key, asked}: KeyedRequest,
    run: (keep: KeepResults) => Promise<Results>,
  ): Promise<Results> {
    const scope = scopeOf(userId);
    const hash = createHash('sha256').update(JSON.stringify(asked)).digest('hex');
    const kept = this.#recordOf(scope, key);
    if (kept !== undefined && this.#isLive(kept)) return resultsOf(kept, hash) as Results;
    const name = nameOf(scope, key);
    if (this.#running.has(name))
      throw new DbError('IDEMPOTENCY_KEY_IN_USE', 'A request with this Idempotency-Key is running; try again.');
    this.#checkRoom(scope);
    this.#running.add(name);
    try {
      return await run(results => this.#row(scope, key, hash, results));
    } finally {
      this.#running.delete(name);
    }
  }

  /** Removes what nobody may ask for any more. */
  async removeExpired(signal: AbortSignal): Promise<void> {
    const sinceMs = this.#clock.nowMs() - this.#limits.keepMs;
    const old = [...this.#hot.scopes(schema.incarnation)].filter(({oldestMs}) => oldestMs <= sinceMs);
    for (const {scope} of old) await this.#remove(scope, record => !this.#isLive(record), signal);
  }

  /** Removes all of a user who is gone: whoever gets the id is not answered what somebody else was. */
  async forget(userId: UserId, signal: AbortSignal): Promise<void> {
    await this.#remove(scopeOf(userId), () => true, signal);
  }

  async #remove(scope: ScopeKey, isOver: (record: IdempotencyRecord) => boolean, signal: AbortSignal): Promise<void> {
    const keys: string[] = [];
    this.#hot.snapshot(scope).scan({}, false, row => {
      const record = IDEMPOTENCY_KEYS.fromRow(this.#view.at(row));
      if (isOver(record)) keys.push(record.key);
      return true;
    });
    for (let i = 0; i < keys.length; i += REMOVED_AT_ONCE) {
      if (signal.aborted) return;
      // Some may have been used again since, or be on their way to the log just now.
      const over = keys.slice(i, i + REMOVED_AT_ONCE).filter(key => {
        const record = this.#recordOf(scope, key);
        return record !== undefined && isOver(record) && !this.#running.has(nameOf(scope, key));
      });
      const removes = over.map(key => ({scope, key: textKey(key)}));
      if (removes.length > 0) await this.#commit.write({removes, isUrgent: true});
    }
  }

  #recordOf(scope: ScopeKey, key: string): IdempotencyRecord | undefined {
    const row = this.#hot.get(scope, textKey(key));
    return row && IDEMPOTENCY_KEYS.fromRow(this.#view.at(row));
  }

  #isLive({kept_at: keptMicros}: IdempotencyRecord): boolean {
    return Number(keptMicros / 1000n) + this.#limits.keepMs > this.#clock.nowMs();
  }

  #checkRoom(scope: ScopeKey): void {
    const {keysPerUserMax, keysMax} = this.#limits;
    const full = (whose: string, max: number, setting: string) =>
      new DbError(
        'RATE_LIMIT_EXCEEDED',
        `${whose} has as many Idempotency-Keys as are kept: ${max} (${setting}). Send the request without one, or later.`,
      );
    if ((this.#hot.scopeStats(scope)?.rowCount ?? 0) >= keysPerUserMax)
      throw full('The user', keysPerUserMax, 'idempotency.max_keys_per_user');
    if (this.#hot.tableRows(schema.incarnation) >= keysMax) throw full('The server', keysMax, 'idempotency.max_keys');
  }

  #row(scope: ScopeKey, key: string, hash: string, answered: unknown): WriteRow {
    const results = JSON.stringify(answered);
    const bytes = Buffer.byteLength(results);
    if (bytes > RESULTS_BYTES_MAX) {
      throw new DbError(
        'LIMIT_EXCEEDED',
        `The answer has ${bytes} bytes; that of a request with Idempotency-Key is kept, and has ${RESULTS_BYTES_MAX} at most. Nothing was changed; ask for less with RETURNING or SELECT.`,
      );
    }
    const record = {key, request_hash: hash, results, kept_at: BigInt(this.#clock.nowMs()) * 1000n};
    return {scope, key: textKey(key), row: encodeRow(schema, IDEMPOTENCY_KEYS.toValues(record), 0)};
  }
}

function scopeOf(userId: UserId): ScopeKey {
  return {incarnation: schema.incarnation, owner: userId};
}

/** A key has no line break in it. */
function nameOf({owner}: ScopeKey, key: string): string {
  return `${owner}\n${key}`;
}

function resultsOf({request_hash: hash, results}: IdempotencyRecord, asked: string): unknown {
  if (hash === asked) return JSON.parse(results);
  throw new DbError(
    'IDEMPOTENCY_KEY_REUSED',
    'This Idempotency-Key was sent with another request; each request needs a key of its own.',
  );
}
