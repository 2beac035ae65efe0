/**
 * Live feeds: the subscriptions of one connection, between the protocol and the live room.
 *
 *     subscribe, next_batch, unsubscribe ─ feed ─ live room
 *     writer ─ frames ─ messages ─ feed ─ events of the live room
 *
 * Who authenticated by a message never asks for batches (browsers): those are pushed, the next when the one before has left. The others ask.
 *
 * Laws: an event is sent only if the feed's table says so. A batch is in work for few feeds at a time and none while much is queued (`isFull`), so
 * what a connection holds is bounded by that, whatever its client asks for. Nothing here calls the room from inside of `deliver`.
 */
import type {DbError} from '@kalamdb/protocol/errors.ts';
import type {
  Encoding,
  ErrorMessage,
  NextBatchMessage,
  SubscribeMessage,
  SubscribeOptions,
} from '@kalamdb/protocol/messages.ts';
import type {LiveConnection, LiveEvent, SubscribeOptions as LiveOptions, Subscription} from '../live/live.ts';
import {liveCode} from '../live/live.ts';
import type {Seq} from '../model/names.ts';
import {emptyBatch, errorText, messagesOf} from './live-encoder.ts';
import {frameOf, type Message, textFrame} from './live-frames.ts';
import {sharedRun, shareRun} from './live-runs.ts';
import {FEED_TABLE, type FeedAction, type FeedEvent, type FeedState} from './live-states.ts';
import type {Frame, LiveWriter} from './live-writer.ts';

/** Feeds whose rows are being read, or wait for a turn to be. */
const LOADING_MAX = 4;

export interface FeedsOptions {
  readonly room: LiveConnection;
  readonly writer: LiveWriter;
  readonly encoding: Encoding;
  /** The client never asks for batches. */
  readonly isPushed: boolean;
  readonly queuedBytesMax: number;
  /** What every error becomes before it is told; a bug is logged there. */
  expected(thrown: unknown): DbError;
}

interface Feed {
  readonly id: string;
  readonly subscription: Subscription;
  state: FeedState;
  /** Of the batch that was sent last. */
  lastSeq: Seq | null;
}

export class Feeds {
  readonly #options: FeedsOptions;
  readonly #feeds = new Map<string, Feed>();
  #loading = 0;
  /** Pushed feeds whose next batch is due. */
  #due: Feed[] = [];

  constructor(options: FeedsOptions) {
    this.#options = options;
  }

  /** Nothing more should be asked for now. */
  get isFull(): boolean {
    const {writer, queuedBytesMax} = this.#options;
    return this.#loading >= LOADING_MAX || writer.queuedBytes > queuedBytesMax;
  }

  get hasDue(): boolean {
    return this.#due.length > 0;
  }

  subscribe({subscription: {id, sql, options, progress = false}}: SubscribeMessage): void {
    try {
      const subscription = this.#options.room.subscribe({
        id,
        sql,
        wantsProgress: progress,
        options: this.#liveOptions(options ?? undefined),
        ...(options == null ? {} : {optionsText: JSON.stringify(options)}),
      });
      // Not before: what is refused replaces nothing.
      const replaced = this.#feeds.get(id);
      if (replaced !== undefined) this.#move(replaced, 'close');
      this.#feeds.set(id, {id, subscription, state: 'opening', lastSeq: null});
      this.#loading++;
    } catch (thrown) {
      const error = this.#options.expected(thrown);
      // What fails before a row was looked at is wrong in the query.
      const code = error.code === 'SQL_EXECUTION_ERROR' ? 'INVALID_SQL' : liveCode(error);
      this.sendError({subscription_id: id, code, message: error.message});
    }
  }

  /** A cursor behind what was sent says that the question was asked before. */
  nextBatch({subscription_id: id, last_seq_id: lastSeq}: NextBatchMessage): void {
    const feed = this.#feeds.get(id);
    if (feed === undefined) return;
    const isStale = lastSeq !== undefined && BigInt(lastSeq) !== feed.lastSeq;
    this.#move(feed, isStale ? 'staleNext' : 'next');
  }

  unsubscribe(id: string): void {
    const feed = this.#feeds.get(id);
    if (feed !== undefined) this.#move(feed, 'close');
  }

  /** Asks for the batches that are due, as long as there is room. */
  push(): void {
    while (this.#due.length > 0 && !this.isFull) this.#move(this.#due.shift()!, 'next');
  }

  /** Throws if the room breaks its contract. */
  deliver(events: readonly LiveEvent[]): void {
    const {encoding, writer} = this.#options;
    const shared = this.#areAllLive(events) ? sharedRun(events, encoding) : undefined;
    if (shared !== undefined) writer.send([[shared]], shared.length);
    else this.#deliverEach(events);
  }

  #deliverEach(events: readonly LiveEvent[]): void {
    const {encoding, writer} = this.#options;
    const frames: Frame[] = [];
    let bytes = 0;
    const add = (message: Message) => {
      frames.push(frameOf(message, encoding.compression === 'gzip'));
      bytes += message.head.length + message.tail.bytes.length;
    };
    let sentCount = 0;
    for (const event of events) {
      const feed = this.#feeds.get(event.subscription.id);
      if (feed?.subscription !== event.subscription || this.#move(feed, feedEvent(event)) !== 'send') continue;
      sentCount++;
      if (event.kind === 'end') frames.push(textFrame(errorText(endError(event))));
      else for (const message of this.#messages(feed, event)) add(message);
    }
    const sent = writer.send(frames, bytes);
    if (sent !== undefined && sentCount === events.length) shareRun(events, encoding, sent);
  }

  /** The feeds of all these events would send them, and stay as they are. */
  #areAllLive(events: readonly LiveEvent[]): boolean {
    for (const {kind, subscription} of events) {
      if (kind !== 'changes') return false;
      const feed = this.#feeds.get(subscription.id);
      if (feed?.subscription !== subscription || feed.state !== 'live') return false;
    }
    return true;
  }

  sendError(error: Omit<ErrorMessage, 'type'>): void {
    this.#options.writer.send([textFrame(errorText(error))], 0);
  }

  #messages(feed: Feed, event: Exclude<LiveEvent, {kind: 'end'}>): Message[] {
    const {isPushed, encoding} = this.#options;
    const messages = messagesOf(event, encoding.serialization);
    if (event.kind === 'batch') {
      feed.lastSeq = event.control.lastSeq;
      if (isPushed && event.control.hasMore) this.#due.push(feed);
    }
    if (event.kind === 'ack' && event.start === 'resume' && !isPushed)
      messages.push(emptyBatch(feed.id, encoding.serialization));
    return messages;
  }

  #move(feed: Feed, event: FeedEvent): FeedAction {
    const wasLoading = isLoading(feed.state);
    const [next, action] = FEED_TABLE[feed.state][event];
    if (action === 'fault') throw new Error(`The live room sent ${event} to a subscription that is ${feed.state}.`);
    feed.state = next;
    this.#loading += Number(isLoading(next)) - Number(wasLoading);
    if (next === 'ended' && this.#feeds.get(feed.id) === feed) this.#feeds.delete(feed.id);
    if (action === 'ask') feed.subscription.next();
    if (action === 'close') feed.subscription.close();
    return action;
  }

  #liveOptions(options: SubscribeOptions | undefined): LiveOptions | undefined {
    if (options === undefined) return undefined;
    const {batch_size: batchSize, last_rows: lastRows, from} = options;
    return {
      ...(this.#options.isPushed ? {batchSize: Number.POSITIVE_INFINITY} : batchSize === undefined ? {} : {batchSize}),
      ...(lastRows === undefined ? {} : {lastRows}),
      ...(from === undefined ? {} : {from: BigInt(from)}),
    };
  }
}

function isLoading(state: FeedState): boolean {
  return state === 'opening' || state === 'loading';
}

function feedEvent(event: LiveEvent): FeedEvent {
  switch (event.kind) {
    case 'ack':
      return event.start === 'snapshot' || event.start === 'resync' ? 'ackLoading' : 'ack';
    case 'batch':
      return event.control.hasMore ? 'batch' : 'lastBatch';
    case 'changes':
    case 'end':
      return event.kind;
    default:
      throw new TypeError(`unknown event ${event satisfies never}`);
  }
}

function endError({subscription, error, isResumable}: Extract<LiveEvent, {kind: 'end'}>): Omit<ErrorMessage, 'type'> {
  return {
    subscription_id: subscription.id,
    code: liveCode(error),
    message: error.message,
    ...(isResumable ? {seq: String(subscription.resumeFrom)} : {}),
  };
}
