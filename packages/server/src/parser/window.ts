/**
 * Windows: what stands behind OVER, the WINDOW clause, and frames.
 */
import type {Expr, Frame, FrameBound, Name, Select, WindowSpec} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {parseExpression, parseExpressions} from './expression.ts';
import {parseOrderBy} from './order.ts';

/** `name AS (spec), …`, behind WINDOW. */
export function parseWindows(cursor: TokenCursor): Select['windows'] {
  const windows: {name: Name; spec: WindowSpec}[] = [];
  do {
    const name = cursor.columnName('a window name');
    cursor.expectKeyword('AS');
    windows.push({name, spec: windowSpec(cursor)});
  } while (cursor.acceptSymbol(','));
  return windows;
}

/** Behind OVER. */
export function parseOver(cursor: TokenCursor): Name | WindowSpec {
  return cursor.isSymbol('(') ? windowSpec(cursor) : cursor.columnName('a window name');
}

/** `([base] [PARTITION BY …] [ORDER BY …] [frame])` */
function windowSpec(cursor: TokenCursor): WindowSpec {
  const {start} = cursor;
  cursor.expectSymbol('(');
  const isBase = cursor.isName() && !['PARTITION', ...Object.keys(UNITS)].some(word => cursor.isKeyword(word));
  const base = isBase ? cursor.columnName() : undefined;
  const partitionBy = cursor.keywords('PARTITION', 'BY') ? parseExpressions(cursor) : [];
  const orderBy = parseOrderBy(cursor);
  const frame = frameClause(cursor);
  cursor.expectSymbol(')');
  return {start, end: cursor.previousEnd, base, partitionBy, orderBy, frame};
}

const UNITS = {ROWS: 'rows', RANGE: 'range', GROUPS: 'groups'} as const;

function frameClause(cursor: TokenCursor): Frame | undefined {
  const {start} = cursor;
  const word = cursor.acceptOneOf('ROWS', 'RANGE', 'GROUPS');
  if (word === undefined) return undefined;
  const isBetween = cursor.acceptKeyword('BETWEEN');
  const from = frameBound(cursor);
  if (isBetween) cursor.expectKeyword('AND');
  const to = isBetween ? frameBound(cursor) : undefined;
  checkFrame(cursor, from, to);
  const exclude = cursor.acceptKeyword('EXCLUDE') ? exclusion(cursor) : undefined;
  return {start, end: cursor.previousEnd, unit: UNITS[word], from, to, exclude};
}

function frameBound(cursor: TokenCursor): FrameBound {
  const {start} = cursor;
  if (cursor.keywords('CURRENT', 'ROW')) return {kind: 'currentRow', start, end: cursor.previousEnd};
  if (cursor.acceptKeyword('UNBOUNDED')) {
    const side = cursor.expectOneOf('PRECEDING', 'FOLLOWING');
    return {kind: side === 'PRECEDING' ? 'unboundedPreceding' : 'unboundedFollowing', start, end: cursor.previousEnd};
  }
  const offset: Expr = parseExpression(cursor);
  const side = cursor.expectOneOf('PRECEDING', 'FOLLOWING');
  return {kind: side === 'PRECEDING' ? 'preceding' : 'following', start, end: cursor.previousEnd, offset};
}

/** From the start of the partition to its end. */
const PLACES: readonly FrameBound['kind'][] = [
  'unboundedPreceding',
  'preceding',
  'currentRow',
  'following',
  'unboundedFollowing',
];

function checkFrame(cursor: TokenCursor, from: FrameBound, to: FrameBound | undefined): void {
  if (from.kind === 'unboundedFollowing')
    throw cursor.fail('A frame cannot begin with UNBOUNDED FOLLOWING', from.start);
  if (to?.kind === 'unboundedPreceding') throw cursor.fail('A frame cannot end with UNBOUNDED PRECEDING', to.start);
  const last = to?.kind ?? 'currentRow';
  if (PLACES.indexOf(from.kind) > PLACES.indexOf(last)) {
    throw cursor.fail('A frame cannot end before it begins', (to ?? from).start);
  }
}

function exclusion(cursor: TokenCursor): Frame['exclude'] {
  if (cursor.keywords('CURRENT', 'ROW')) return 'currentRow';
  if (cursor.keywords('NO', 'OTHERS')) return undefined;
  const word = cursor.acceptOneOf('GROUP', 'TIES');
  if (word === undefined) throw cursor.expected('CURRENT ROW, GROUP, TIES or NO OTHERS');
  return word === 'GROUP' ? 'group' : 'ties';
}
