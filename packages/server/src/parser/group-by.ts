/**
 * GROUP BY: expressions, ROLLUP, CUBE and GROUPING SETS.
 *
 * GROUPING SETS become one flat list: sets inside sets are lifted, ROLLUP and CUBE among them are written out as the sets they mean.
 */
import type {Expr, GroupItem} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {parseExpression, parseExpressions} from './expression.ts';
import {enter, leave} from './nesting.ts';

/** As PostgreSQL. */
const CUBE_MAX = 12;
/** What one ROLLUP or CUBE may be written out to. */
const WRITTEN_MAX = 64;

type Sets = readonly (readonly Expr[])[];

/** Stands behind GROUP BY. */
export function parseGroupBy(cursor: TokenCursor): GroupItem[] {
  if (cursor.isKeyword('ALL') || cursor.isKeyword('DISTINCT'))
    throw cursor.notSupported('GROUP BY ALL and DISTINCT; name the columns');
  const items: GroupItem[] = [];
  do items.push(...groupItems(cursor));
  while (cursor.acceptSymbol(','));
  return items;
}

/** One item; a row is as many as it has values. */
function groupItems(cursor: TokenCursor): readonly GroupItem[] {
  const {start} = cursor;
  const kind = setsKind(cursor);
  if (kind === undefined) return plainSet(parseExpression(cursor));
  const sets = kind === 'groupingSets' ? groupingSets(cursor) : steps(cursor, kind);
  return [{kind, start, end: cursor.previousEnd, sets}];
}

/** Which list of sets stands here; `()` is one too. */
function setsKind(cursor: TokenCursor): 'rollup' | 'cube' | 'groupingSets' | undefined {
  if (cursor.isSymbol('(', 1)) {
    if (cursor.isKeyword('ROLLUP')) return 'rollup';
    if (cursor.isKeyword('CUBE')) return 'cube';
  }
  const isEmpty = cursor.isSymbol('(') && cursor.isSymbol(')', 1);
  return isEmpty || (cursor.areKeywords('GROUPING', 'SETS') && cursor.isSymbol('(', 2)) ? 'groupingSets' : undefined;
}

function plainSet(expr: Expr): readonly Expr[] {
  return expr.kind === 'row' && expr.items.length > 0 ? expr.items : [expr];
}

/** `ROLLUP (a, (b, c))` */
function steps(cursor: TokenCursor, kind: 'rollup' | 'cube'): Sets {
  const {start} = cursor;
  cursor.next();
  cursor.expectSymbol('(');
  const sets = parseExpressions(cursor).map(plainSet);
  cursor.expectSymbol(')');
  if (kind === 'cube' && sets.length > CUBE_MAX) {
    throw cursor.limitExceeded(`CUBE takes at most ${CUBE_MAX} expressions`, start);
  }
  return sets;
}

/** `()` or `GROUPING SETS (a, (b, c), (), ROLLUP (…), …)` */
function groupingSets(cursor: TokenCursor): Sets {
  if (cursor.acceptSymbol('(')) {
    cursor.expectSymbol(')');
    return [[]];
  }
  cursor.expectKeywords('GROUPING', 'SETS');
  const outside = enter(cursor, 'Query');
  cursor.expectSymbol('(');
  const sets: (readonly Expr[])[] = [];
  do {
    for (const set of memberSets(cursor)) sets.push(set);
  } while (cursor.acceptSymbol(','));
  cursor.expectSymbol(')');
  leave(cursor, outside);
  return sets;
}

function memberSets(cursor: TokenCursor): Sets {
  const {start} = cursor;
  const kind = setsKind(cursor);
  if (kind === undefined) return [plainSet(parseExpression(cursor))];
  if (kind === 'groupingSets') return groupingSets(cursor);
  const of = steps(cursor, kind);
  if ((kind === 'cube' ? 2 ** of.length : of.length + 1) > WRITTEN_MAX) {
    throw cursor.limitExceeded(`${kind.toUpperCase()} inside GROUPING SETS makes more than ${WRITTEN_MAX} sets`, start);
  }
  return kind === 'cube' ? cubed(of) : rolledUp(of);
}

/** The longest first, the empty one last. */
function rolledUp(of: Sets): Sets {
  return [...of, []].map((_, i) => of.slice(0, of.length - i).flat());
}

function cubed(of: Sets): Sets {
  const all = 2 ** of.length - 1;
  return Array.from({length: all + 1}, (_, i) =>
    of.filter((_set, at) => ((all - i) >> (of.length - 1 - at)) & 1).flat(),
  );
}
