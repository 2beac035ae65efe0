/**
 * Nesting: how deep the parser stands, and how high the tree is that it has just made.
 *
 * Depth counts what is open to the right: brackets, operands, queries. Height counts all nodes that stand above each other, so those of
 * left-nested chains too, which are read in a loop.
 *
 * Laws: a tree is at most NESTING_MAX deep to the right and HEIGHT_MAX high in all, so whoever walks it may recurse.
 */
import type {TokenCursor} from './cursor.ts';

const NESTING_MAX = 256;
const HEIGHT_MAX = 2000;

/** Steps one level in. Hand the answer to `leave`. */
export function enter(cursor: TokenCursor, what: 'Expression' | 'Query'): number {
  if (cursor.depth === NESTING_MAX) throw cursor.limitExceeded(`${what} is nested too deeply (maximum ${NESTING_MAX})`);
  const outside = cursor.height;
  cursor.depth += 1;
  cursor.height = 0;
  return outside;
}

/** The height is then that of the tallest tree since the level outside began. */
export function leave(cursor: TokenCursor, outside: number): void {
  cursor.depth -= 1;
  if (cursor.height < outside) cursor.height = outside;
}

/** One more node on top of the tree. */
export function grow(cursor: TokenCursor, what: 'Expression' | 'Query'): void {
  cursor.height += 1;
  if (cursor.height > HEIGHT_MAX) {
    const parts = what === 'Expression' ? 'operators' : 'joins, set operations and operators';
    throw cursor.limitExceeded(`${what} is too long: at most ${HEIGHT_MAX} ${parts} may build on each other`);
  }
}
