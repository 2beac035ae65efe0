/**
 * Progress: tells who asked for it how far they have come, where for a while nothing else did.
 *
 * A client whose query nothing concerns would keep its first cursor, and find it below the resume floor when it comes back after long quiet.
 *
 * Law: a mark is a change of no row, whose seq is one up to which everything that concerns the query was told. Nobody is told the same seq twice, nor
 * anything while the socket has no room.
 */
import type {Wheel} from '../std/wheel.ts';
import type {Connection} from './connection.ts';

export class Progress {
  readonly #wheel: Wheel;
  readonly #everyMs: number;

  constructor(wheel: Wheel, everyMs: number) {
    this.#wheel = wheel;
    this.#everyMs = everyMs;
  }

  /** One of its subscriptions asks to be told. Each connection has its own time, so that not all are told in one turn. */
  plan(connection: Connection): void {
    connection.progress ??= this.#wheel.after(this.#everyMs, () => {
      connection.progress = undefined;
      let isAsked = false;
      for (const subscription of connection.subscriptions.values()) {
        isAsked ||= subscription.wantsProgress;
        if (connection.hasRoom(0)) subscription.mark();
      }
      if (isAsked) this.plan(connection);
    });
  }
}
