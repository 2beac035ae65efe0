/** Trees that no statement wrote: queries that stand for a part of one. */
import type {Node, Select} from '../parser/ast.ts';

/** Nothing stands behind the query. */
export const NO_CLAUSES = {
  with: undefined,
  orderBy: [],
  limit: undefined,
  offset: undefined,
  isWithTies: false,
} as const;

export function selectOf(
  {start, end}: Node,
  {items, from, where}: Pick<Select, 'items' | 'from'> & Partial<Pick<Select, 'where'>>,
): Select {
  return {
    ...NO_CLAUSES,
    kind: 'select',
    start,
    end,
    isDistinct: false,
    distinctOn: [],
    items,
    from,
    where,
    groupBy: [],
    having: undefined,
    windows: [],
    qualify: undefined,
  };
}
