/**
 * Fake server: one table, whose rows in room 'a' are followed, and the server's side of the protocol, message by message.
 *
 * Nothing is sent by itself: messages lie in the outbox of a connection until a test delivers them, so that a connection can break before any.
 * It knows its whole history, and so the answer of the query at every commit.
 */
import type {ClientMessage, LiveRow, ServerMessage, SubscribeOptions} from '@kalamdb/protocol/messages.ts';
import type {FakeSocket} from './fake-world.ts';

export interface Row {
  readonly id: string;
  readonly room: string;
  readonly body: string | null;
  readonly _seq: string;
}

/** One version of a row; `after` undefined: deleted. */
interface Version {
  readonly seq: bigint;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
}

/** What a test decides about the server. */
export interface Quirks {
  batchRows: number;
  /** Further batches are sent unasked. */
  pushes: boolean;
  /** Before it resumes, so many commits that are known are said again, one by one. */
  overlap: number;
  /** The next request is dropped, since there were too many. */
  isBusy: boolean;
}

const SCHEMA = [
  {name: 'id', data_type: 'BigInt', index: 0, flags: ['nn', 'pk', 'uq']},
  {name: 'room', data_type: 'Text', index: 1},
  {name: 'body', data_type: 'Text', index: 2},
  {name: '_seq', data_type: 'BigInt', index: 3},
];

export const FIRST_SEQ = 7_188_000_000_000_000_000n;

export class FakeServer {
  readonly quirks: Quirks = {batchRows: 1000, pushes: true, overlap: 0, isBusy: false};
  readonly #rows = new Map<string, Row>();
  readonly #commits: Version[][] = [];
  #seq = FIRST_SEQ;
  /** Seqs below are not known any more. */
  #floor = 0n;
  #connection: FakeConnection | undefined;
  /** JSON of the rows in key order: before the first commit, and after each. */
  readonly answers: string[] = ['[]'];

  /** The ears of the server on a new socket. */
  attach(socket: FakeSocket): void {
    this.#connection = new FakeConnection(this, socket);
  }

  get connection(): FakeConnection | undefined {
    return this.#connection;
  }

  hangUp(): void {
    const socket = this.#connection?.socket;
    this.#connection = undefined;
    socket?.lose();
  }

  /** One commit of several writes; `undefined` deletes. Later writes of a key in one commit count as its only one. */
  commit(writes: ReadonlyMap<string, {room: string; body: string | null} | undefined>): void {
    const versions: Version[] = [];
    for (const [id, values] of writes) {
      const before = this.#rows.get(id);
      if (before === undefined && values === undefined) continue;
      const seq = ++this.#seq;
      const after = values === undefined ? undefined : {id, ...values, _seq: String(seq)};
      if (after === undefined) this.#rows.delete(id);
      else this.#rows.set(id, after);
      versions.push({seq, before, after});
    }
    this.#commits.push(versions);
    this.answers.push(JSON.stringify(this.#answer().toSorted(byId)));
    this.#connection?.committed(versions);
  }

  /** What happened so far can no longer be resumed. */
  forgetHistory(): void {
    this.#floor = this.#seq;
  }

  get seq(): bigint {
    return this.#seq;
  }

  get floor(): bigint {
    return this.#floor;
  }

  snapshot(): Row[] {
    return this.#answer().toSorted((a, b) => (BigInt(a._seq) < BigInt(b._seq) ? -1 : 1));
  }

  /** The newest version of every key that changed after `from`. */
  catchUp(from: bigint): Version[] {
    const newest = new Map<string, Version>();
    for (const version of this.#commits.flat())
      if (version.seq > from) newest.set((version.after ?? version.before)!.id, version);
    return [...newest.values()].sort((a, b) => (a.seq < b.seq ? -1 : 1));
  }

  /** The last commits that `from` includes whole. */
  known(from: bigint): Version[][] {
    const whole = this.#commits.filter(commit => commit.every(({seq}) => seq <= from));
    return this.quirks.overlap === 0 ? [] : whole.slice(-this.quirks.overlap);
  }

  #answer(): Row[] {
    return [...this.#rows.values()].filter(isFollowed);
  }
}

type Stage = 'loading' | 'live';

export class FakeConnection {
  readonly socket: FakeSocket;
  readonly outbox: ServerMessage[] = [];
  readonly #server: FakeServer;
  readonly #stages = new Map<string, Stage>();
  readonly #batches = new Map<
    string,
    {rows: Row[]; num: number; moment: bigint; isResync: boolean; pushes: boolean; held: Version[][]}
  >();

  constructor(server: FakeServer, socket: FakeSocket) {
    this.#server = server;
    this.socket = socket;
    socket.onsent = message => this.#receive(message);
  }

  /** One message goes out. False if there is none. */
  deliver(): boolean {
    const message = this.outbox.shift();
    if (message !== undefined) this.socket.say(message);
    return message !== undefined;
  }

  /** The server ends all subscriptions, for a reason that passes. */
  interrupt(): void {
    for (const id of this.#stages.keys())
      this.outbox.push({type: 'error', subscription_id: id, code: 'SCHEMA_CHANGED' as never, message: 'altered'});
    this.#stages.clear();
  }

  committed(versions: readonly Version[]): void {
    for (const [id, stage] of this.#stages) {
      if (stage === 'live') this.#sendVersions(id, versions, false);
      else this.#batches.get(id)!.held.push([...versions]);
    }
  }

  #receive(message: ClientMessage): void {
    const {quirks} = this.#server;
    if (quirks.isBusy && message.type !== 'authenticate') {
      quirks.isBusy = false;
      const text = {type: 'error', subscription_id: 'rate_limit', code: 'RATE_LIMIT_EXCEEDED', message: 'too many'};
      this.outbox.push(text as ServerMessage);
      return;
    }
    if (message.type === 'authenticate')
      this.outbox.push({
        type: 'auth_success',
        user: 'ana',
        role: 'user',
        protocol: {serialization: 'json', compression: 'none'},
      });
    if (message.type === 'subscribe')
      this.#subscribe(message.subscription.id, message.subscription.options ?? undefined);
    if (message.type === 'unsubscribe') this.#stages.delete(message.subscription_id);
    if (
      message.type === 'next_batch' &&
      this.#stages.get(message.subscription_id) === 'loading' &&
      this.#batches.get(message.subscription_id)?.pushes === false
    )
      this.#sendBatch(message.subscription_id);
  }

  #subscribe(id: string, options: SubscribeOptions | undefined): void {
    const from = options?.from === undefined ? undefined : BigInt(options.from);
    if (options === undefined || (from !== undefined && from >= this.#server.floor)) {
      this.#stages.set(id, 'live');
      this.#ack(id, {seq: String(from ?? this.#server.seq)});
      if (from === undefined) return;
      for (const versions of this.#server.known(from)) this.#sendVersions(id, versions, false);
      this.#sendVersions(id, this.#server.catchUp(from), true);
      return;
    }
    const isResync = from !== undefined;
    const all = this.#server.snapshot();
    const rows = isResync || options.last_rows === undefined ? all : all.slice(-options.last_rows);
    this.#stages.set(id, 'loading');
    this.#batches.set(id, {
      rows,
      num: 0,
      moment: this.#server.seq,
      isResync,
      pushes: this.#server.quirks.pushes,
      held: [],
    });
    this.#ack(id, isResync ? {resync: true} : {});
    this.#sendBatch(id);
  }

  #ack(id: string, more: {resync?: true; seq?: string}): void {
    const batch = this.#batches.get(id);
    const hasMore = batch !== undefined && batch.rows.length > this.#server.quirks.batchRows;
    this.outbox.push({
      type: 'subscription_ack',
      subscription_id: id,
      total_rows: 0,
      batch_control: {batch_num: 0, has_more: hasMore, status: hasMore ? 'loading' : 'ready', last_seq_id: null},
      schema: SCHEMA as never,
      ...more,
    });
  }

  #sendBatch(id: string): void {
    const batch = this.#batches.get(id)!;
    const rows = batch.rows.splice(0, this.#server.quirks.batchRows);
    const has_more = batch.rows.length > 0;
    const last_seq_id = rows.at(-1)?._seq ?? null;
    const status = has_more ? (batch.num === 0 ? 'loading' : 'loading_batch') : 'ready';
    this.outbox.push({
      type: 'initial_data_batch',
      subscription_id: id,
      rows: rows as unknown as LiveRow[],
      batch_control: {batch_num: batch.num++, has_more, status, last_seq_id},
      ...(batch.isResync ? {resync: true} : undefined),
      seq: has_more ? last_seq_id! : String(batch.moment),
    });
    if (has_more) {
      if (batch.pushes) this.#sendBatch(id);
      return;
    }
    this.#stages.set(id, 'live');
    for (const versions of batch.held) this.#sendVersions(id, versions, false);
  }

  /** One message per version: their kinds mix. */
  #sendVersions(id: string, versions: readonly Version[], isCatchUp: boolean): void {
    const changes = versions.flatMap(version => changeOf(version, isCatchUp) ?? []);
    for (const [i, change] of changes.entries()) {
      const more = i < changes.length - 1 ? {more: true as const} : {};
      this.outbox.push({type: 'change', subscription_id: id, ...change, ...more} as ServerMessage);
    }
  }
}

function changeOf({seq, before, after}: Version, isCatchUp: boolean): object | undefined {
  const stood = before !== undefined && isFollowed(before);
  const stands = after !== undefined && isFollowed(after);
  const text = String(seq);
  if (stands && stood) {
    const {id, body} = before;
    const old = isCatchUp ? undefined : [{id, ...(body === after.body ? undefined : {body})}];
    return {change_type: 'update', rows: [after], ...(old && {old_values: old}), seq: text};
  }
  if (stands) return {change_type: 'insert', rows: [after], seq: text};
  if (!stood && !isCatchUp) return undefined;
  const {id} = (before ?? after)!;
  return {change_type: 'delete', old_values: [isCatchUp ? {id, _seq: text} : {...before, _seq: text}], seq: text};
}

function isFollowed(row: Row): boolean {
  return row.room === 'a';
}

function byId(a: Row, b: Row): number {
  return BigInt(a.id) < BigInt(b.id) ? -1 : 1;
}
