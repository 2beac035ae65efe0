/**
 * Function expressions: random trees of calls.
 *
 * Every part of one is evaluated for every row, so an error of one side must be an error of the other; parts that are evaluated only sometimes (of
 * CASE, COALESCE) are columns and literals.
 */
import {AGGREGATE_CALLS, CALLS, LAZY_CALLS} from './function-calls.ts';
import {CALL_COLUMNS, CALL_SQL_TYPES, CALL_VALUES, type CallType} from './function-world.ts';
import {type Node, node} from './node.ts';
import type {Random} from './random.ts';

export class CallExpressions {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  of(type: CallType, depth: number): Node {
    if (depth <= 0) return this.leaf(type);
    const isLazy = this.#random.chance(0.12);
    const calls = (isLazy ? LAZY_CALLS : CALLS).filter(call => call[0] === type);
    if (calls.length === 0) return this.leaf(type);
    const [, args, ...forms] = this.#random.pick(calls);
    // Beside a NULL what stands behind it is not computed by us, so it must not fail.
    const isShallow = isLazy || args.length > 2;
    const inner = () => (isShallow || this.#random.chance(0.4) ? 0 : depth - 1);
    return node(
      type,
      this.#random.pick(forms),
      args.map(arg => this.of(arg, inner())),
    );
  }

  leaf(type: CallType): Node {
    const columns = CALL_COLUMNS.filter(column => column[1] === type);
    return this.#random.chance(0.85) ? node(type, this.#random.pick(columns)[0]) : this.literal(type);
  }

  literal(type: CallType): Node {
    return node(type, `CAST(${this.#random.pick(CALL_VALUES[type])} AS ${CALL_SQL_TYPES[type]})`);
  }

  /** Whose value depends on no order. */
  aggregate(): Node {
    const [type, args, ...forms] = this.#random.pick(AGGREGATE_CALLS);
    const filter = this.#random.chance(0.2) ? ` FILTER (WHERE #${args.length})` : '';
    // DuckDB computes what a filter leaves out as well; beside a NULL the other argument is not computed.
    const depth = filter === '' && args.length === 1 ? 2 : 0;
    const parts = args.map(arg => this.of(arg, this.#random.below(depth + 1)));
    return node(type, this.#random.pick(forms) + filter, filter === '' ? parts : [...parts, this.leaf('boolean')]);
  }
}
