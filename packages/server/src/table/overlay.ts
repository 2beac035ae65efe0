/**
 * Overlay: one hot snapshot over another, as one: of a key that both have, the upper row counts. So whoever reads hot rows reads a transaction's own
 * ones with them, and need not know.
 */
import type {HotSnapshot, KeyRange} from '../hot/hot.ts';
import {compareKeys} from '../model/key-codec.ts';
import type {RowBytes} from '../model/row.ts';
import {HotCursor} from './merge.ts';

type KeyedBytes = {readonly key: Uint8Array; readonly row: RowBytes};

export function overlay(base: HotSnapshot, upper: HotSnapshot): HotSnapshot {
  if (upper.rowCount === 0) return base;
  return {
    // Of keys that both have one too many.
    rowCount: base.rowCount + upper.rowCount,
    bytes: base.bytes + upper.bytes,
    get: key => upper.get(key) ?? base.get(key),
    scan(range, reverse, visit) {
      for (const {key, row} of merged(base, upper, range, reverse)) if (!visit(row, key)) return key;
      return undefined;
    },
    rows: (range = {}) => merged(base, upper, range, false),
  };
}

function* merged(base: HotSnapshot, upper: HotSnapshot, range: KeyRange, reverse: boolean): Generator<KeyedBytes> {
  const [lower, higher] = [new HotCursor(base, range, reverse), new HotCursor(upper, range, reverse)];
  const direction = reverse ? -1 : 1;
  for (;;) {
    const [below, above] = [lower.key, higher.key];
    if (below === undefined && above === undefined) return;
    const order = below === undefined ? -1 : above === undefined ? 1 : compareKeys(above, below) * direction;
    const from = order <= 0 ? higher : lower;
    yield {key: from.key!, row: from.row};
    if (order === 0) lower.next();
    from.next();
  }
}
