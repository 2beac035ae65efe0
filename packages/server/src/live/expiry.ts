/**
 * Expiry: rows of a watched stream go when their time is over, not when somebody looks.
 *
 * Laws: while a scope has subscribers its next expiry is planned. What it kept while nobody watched is gone before a subscriber is told what there is.
 */
import type {Incarnation} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import type {Scope} from '../model/session.ts';
import type {Wheel} from '../std/wheel.ts';
import type {ScopeWatch, TableWatch} from './matcher.ts';

export interface Evictions {
  /** Takes away what is past its time, in this turn. */
  evictScope(scope: Scope, schema: Schema): number;
  /** Until the next row is; undefined: there is none. */
  nextExpiryMs(scope: Scope, schema: Schema): number | undefined;
}

export class StreamExpiry {
  readonly #streams: Evictions;
  readonly #wheel: Wheel;
  readonly #tableOf: (incarnation: Incarnation) => TableWatch<unknown> | undefined;

  constructor(
    streams: Evictions,
    wheel: Wheel,
    tableOf: (incarnation: Incarnation) => TableWatch<unknown> | undefined,
  ) {
    this.#streams = streams;
    this.#wheel = wheel;
    this.#tableOf = tableOf;
  }

  /** Somebody subscribes. */
  look(watch: ScopeWatch<unknown>): void {
    const {table, scope} = watch;
    if (table.schema.kind !== 'stream') return;
    this.#streams.evictScope(scope, table.schema);
    this.plan(watch);
  }

  plan(watch: ScopeWatch<unknown>): void {
    const {table, scope} = watch;
    if (table.schema.kind !== 'stream' || watch.isExpiryPlanned || watch.groups.size === 0) return;
    const ms = this.#streams.nextExpiryMs(scope, table.schema);
    if (ms === undefined) return;
    watch.isExpiryPlanned = true;
    this.#wheel.after(ms, () => {
      watch.isExpiryPlanned = false;
      if (this.#tableOf(scope.incarnation) !== table) return;
      this.#streams.evictScope(scope, table.schema);
      this.plan(watch);
    });
  }
}
