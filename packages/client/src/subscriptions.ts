/**
 * Subscriptions: all that are open, over the one connection they share.
 *
 *     connection up → each asks      message → the one with its id      connection down → each waits
 *
 * Laws: a subscription outlives connections, and ends when the program or the server ends it, or when there will be no connection any more.
 *       Messages of a subscription that is not open go nowhere; the server is told so once per connection.
 */
import {
  type ClientMessage,
  ERROR_IDS,
  type ErrorMessage,
  type ServerMessage,
  type SubscribeOptions,
} from '@kalamdb/protocol/messages.ts';
import {Connection, type ConnectionListener, type ConnectionSettings, type TokenDoor} from './connection.ts';
import {KalamError} from './error.ts';
import type {Environment} from './std/environment.ts';
import {Subscription, type SubscriptionListener} from './subscription.ts';

/** The program, which is told of the connection. */
export interface ConnectionEvents {
  onConnect(): void;
  onDisconnect(error: KalamError | undefined): void;
  onError(error: KalamError): void;
  /** `text` makes the JSON of a message. */
  onReceive(text: () => string): void;
  onSend(text: string): void;
}

/** Requests that were dropped since there were too many are repeated after this time, unless the server names another. */
const RATE_LIMIT_MS = 1000;

export class Subscriptions {
  readonly environment: Environment;
  readonly connection: Connection;
  readonly #events: ConnectionEvents;
  readonly #open = new Map<string, Subscription>();
  readonly #strangers = new Set<string>();
  #count = 0;

  constructor(environment: Environment, tokens: TokenDoor, settings: ConnectionSettings, events: ConnectionEvents) {
    this.environment = environment;
    this.#events = events;
    const listener: ConnectionListener = {
      onUp: () => this.#up(),
      onDown: error => this.#down(error),
      onMessage: message => this.#receive(message),
      onError: (error, isFinal) => this.#failed(error, isFinal),
      onReceive: text => events.onReceive(text),
      onSend: text => events.onSend(text),
    };
    this.connection = new Connection(environment, tokens, settings, listener);
  }

  get size(): number {
    return this.#open.size;
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return this.#open.values();
  }

  get(id: string): Subscription | undefined {
    return this.#open.get(id);
  }

  /** Connects if there is no connection. `options` undefined: changes only. */
  open(sql: string, options: SubscribeOptions | undefined, listener: SubscriptionListener): Subscription {
    const subscription = new Subscription(`sub-${++this.#count}`, sql, options, this, listener);
    this.#open.set(subscription.id, subscription);
    const {state} = this.connection;
    if (state === 'ready') subscription.up();
    // While it is being made, or waits until it may be, another subscription is no reason to hurry.
    if (state === 'idle' || state === 'ended') {
      this.connection.connect().catch((error: KalamError) => {
        // After a disconnect it waits until the program connects again; of a failure all are told.
        if (this.connection.state === 'ended') subscription.fail(error);
      });
    }
    return subscription;
  }

  closeAll(): void {
    for (const subscription of [...this.#open.values()]) subscription.close();
  }

  /** For good. */
  end(): void {
    const error = new KalamError('CLOSED', 'The client was shut down.');
    this.connection.end();
    for (const subscription of [...this.#open.values()]) subscription.fail(error);
  }

  send(message: ClientMessage): void {
    this.connection.send(message);
  }

  remove(subscription: Subscription): void {
    if (this.#open.get(subscription.id) === subscription) this.#open.delete(subscription.id);
  }

  #up(): void {
    this.#strangers.clear();
    this.#events.onConnect();
    for (const subscription of [...this.#open.values()]) subscription.up();
  }

  #down(error: KalamError | undefined): void {
    for (const subscription of [...this.#open.values()]) subscription.down();
    this.#events.onDisconnect(error);
  }

  #failed(error: KalamError, isFinal: boolean): void {
    this.#events.onError(error);
    if (!isFinal) return;
    for (const subscription of [...this.#open.values()]) subscription.fail(error);
  }

  #receive(message: ServerMessage): void {
    if (message.type === 'auth_success' || message.type === 'auth_error') return;
    const subscription = this.#open.get(message.subscription_id);
    if (subscription !== undefined) subscription.receive(message);
    else if (message.type === 'error') this.#receiveError(message);
    else this.#refuse(message.subscription_id);
  }

  #receiveError({subscription_id, code, message, retry_after_ms}: ErrorMessage): void {
    if (subscription_id !== ERROR_IDS.rateLimit) {
      this.#events.onError(new KalamError(code, message));
      return;
    }
    // Which message was dropped is not told: whoever waits for an answer asks again.
    this.#strangers.clear();
    this.environment.setTimer(retry_after_ms ?? RATE_LIMIT_MS, () => {
      for (const subscription of [...this.#open.values()]) subscription.again();
    });
  }

  #refuse(id: string): void {
    if (this.#strangers.has(id)) return;
    this.#strangers.add(id);
    this.send({type: 'unsubscribe', subscription_id: id});
  }
}
