/**
 * Live query: the rows of a query as they are now, held in one immutable state that changes with each commit.
 *
 * It has the shape of a store: `state` is the same object until something changes, and `watch` tells when. React reads it as it is.
 *
 *     loading ─snapshot→ live ←→ stale (the connection is down; the rows are those of the last moment known)
 *                  any ─→ ended (closed, or the server refused: `error` says why)
 *
 * Law: `rows` are the answer of the query at one commit. Commits are told one by one, whole; what a reconnect brings, as one.
 */
import type {
  ChangeMessage,
  InitialDataBatchMessage,
  LiveRow,
  SubscriptionAckMessage,
} from '@kalamdb/protocol/messages.ts';
import type {KalamError} from './error.ts';
import {LiveRows, type RowsOptions} from './rows.ts';
import type {SubscriptionListener} from './subscription.ts';
import {tell} from './tell.ts';

export type LiveStatus = 'loading' | 'live' | 'stale' | 'ended';

export interface LiveState<Row> {
  readonly rows: readonly Row[];
  readonly status: LiveStatus;
  readonly error: KalamError | undefined;
}

export class LiveQuery<Row = LiveRow> implements SubscriptionListener {
  readonly #rows: LiveRows;
  readonly #watchers = new Set<(state: LiveState<Row>) => void>();
  #state: LiveState<Row> = {rows: [], status: 'loading', error: undefined};
  #isLoading = false;
  #end: () => void = () => {};

  constructor(options: RowsOptions) {
    this.#rows = new LiveRows(options);
  }

  get state(): LiveState<Row> {
    return this.#state;
  }

  /** Called after each change of `state`; the answer ends it. */
  watch(watcher: (state: LiveState<Row>) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Ends the subscription. The rows stay as they are. */
  close(): void {
    const end = this.#end;
    this.#end = () => {};
    end();
    if (this.#state.status !== 'ended') this.#become({status: 'ended'});
    this.#watchers.clear();
  }

  /** How it is ended; told once by the client that opened it. */
  endWith(end: () => void): void {
    this.#end = end;
  }

  onAck(ack: SubscriptionAckMessage): void {
    this.#rows.useSchema(ack.schema);
  }

  onLive(): void {
    this.#publish();
  }

  onSnapshotBegin(): void {
    this.#isLoading = true;
    this.#rows.beginSnapshot();
  }

  onBatch(batch: InitialDataBatchMessage): void {
    this.#rows.addBatch(batch.rows);
  }

  onSnapshotCommit(): void {
    this.#isLoading = false;
    this.#rows.commitSnapshot();
    this.#publish();
  }

  onSnapshotDrop(): void {
    this.#isLoading = false;
    this.#rows.dropSnapshot();
  }

  onChanges(changes: readonly ChangeMessage[]): void {
    for (const change of changes) this.#rows.apply(change);
    if (!this.#isLoading) this.#publish();
  }

  onDown(): void {
    if (this.#state.status === 'live') this.#become({status: 'stale'});
  }

  onEnd(error: KalamError): void {
    this.#become({status: 'ended', error});
  }

  #publish(): void {
    this.#become({rows: this.#rows.rows as readonly Row[], status: 'live'});
  }

  #become(change: Partial<LiveState<Row>>): void {
    this.#state = {...this.#state, ...change};
    for (const watcher of [...this.#watchers]) tell(watcher, this.#state);
  }
}
