/**
 * Walks over syntax trees by an explicit stack, so that no tree is too deep. Queries inside expressions are walked through.
 */
import type {
  ChangingWith,
  Delete,
  Expr,
  FromItem,
  Insert,
  OrderItem,
  Query,
  Select,
  SelectItem,
  SetClause,
  TableRef,
  Update,
  WindowSpec,
  With,
} from '../parser/ast.ts';

/** What no closure over one row can answer; the query around it does, by `override`, or nobody. */
export const WIDER_NAMES = {
  window: 'window functions',
  subquery: 'subqueries',
  exists: 'subqueries',
  inQuery: 'subqueries',
  quantified: 'subqueries',
  row: 'row constructors; JSON_BUILD_ARRAY makes an array of values',
} as const;

/** Visits every node of the trees, parents first; what stands below a node is left out when `visit` answers 'skip'. */
export function walk(roots: Iterable<Expr>, visit: (expr: Expr) => unknown): void {
  const stack = [...roots];
  for (let expr = stack.pop(); expr !== undefined; expr = stack.pop()) {
    if (visit(expr) === 'skip') continue;
    for (const child of children(expr)) stack.push(child);
  }
}

export function someExpr(roots: Iterable<Expr>, test: (expr: Expr) => boolean): boolean {
  let isFound = false;
  walk(roots, expr => {
    isFound ||= test(expr);
  });
  return isFound;
}

const present = (...exprs: (Expr | undefined)[]): Expr[] => exprs.filter(expr => expr !== undefined);

function children(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'null':
    case 'boolean':
    case 'number':
    case 'string':
    case 'bytes':
    case 'typed':
    case 'param':
    case 'column':
      return [];
    case 'unary':
    case 'isNull':
    case 'isBoolean':
    case 'cast':
    case 'extract':
      return [expr.operand];
    case 'binary':
    case 'isDistinct':
      return [expr.left, expr.right];
    case 'logic':
      return expr.terms;
    case 'in':
      return [expr.operand, ...expr.list];
    case 'between':
      return [expr.operand, expr.low, expr.high];
    case 'like':
      return present(expr.operand, expr.pattern, expr.escape);
    case 'case':
      return present(expr.operand, expr.otherwise, ...expr.branches.flatMap(({when, then}) => [when, then]));
    case 'call':
      return present(...expr.args, ...ordered(expr.orderBy), expr.filter);
    default:
      return widerChildren(expr);
  }
}

function widerChildren(expr: Extract<Expr, {kind: keyof typeof WIDER_NAMES}>): readonly Expr[] {
  switch (expr.kind) {
    case 'window':
      return [expr.call, ...('name' in expr.over ? [] : windowParts(expr.over))];
    case 'subquery':
    case 'exists':
      return expressionsOf(expr.query);
    case 'inQuery':
      return [expr.operand, ...expressionsOf(expr.query)];
    case 'quantified':
      return [expr.left, ...expressionsOf(expr.query)];
    case 'row':
      return expr.items;
    default:
      return expr satisfies never;
  }
}

const ordered = (items: readonly OrderItem[]): Expr[] => items.map(item => item.expr);

export function windowParts({partitionBy, orderBy, frame}: WindowSpec): Expr[] {
  const bounds = [frame?.from, frame?.to].map(bound =>
    bound !== undefined && 'offset' in bound ? bound.offset : undefined,
  );
  return present(...partitionBy, ...ordered(orderBy), ...bounds);
}

type Tree = Query | Insert | Update | Delete | ChangingWith;

const partsOf = ({changes, last}: ChangingWith) => [...changes.map(({change}) => change), last];

/** The expressions a statement holds, those of the queries below WITH, FROM and UNION with them. */
export function expressionsOf(statement: Tree): Expr[] {
  switch (statement.kind) {
    case 'changingWith':
      return partsOf(statement).flatMap(part => expressionsOf(part));
    case 'select':
    case 'set':
    case 'values': {
      const exprs: Expr[] = [];
      eachQuery(statement, query => {
        exprs.push(...ownExpressions(query));
      });
      return exprs;
    }
    case 'insert': {
      const {query, rows, onConflict, returning} = statement;
      const named = withExpressions(statement.with);
      const values = query === undefined ? rows.flat().filter(value => value !== 'default') : expressionsOf(query);
      const update = onConflict?.update;
      const changes = update === undefined ? [] : [...assigned(update), ...present(update.where)];
      return [...named, ...values, ...changes, ...shown(returning)];
    }
    case 'update':
      return [...assigned(statement), ...changeExpressions(statement)];
    case 'delete':
      return changeExpressions(statement);
    default:
      return statement satisfies never;
  }
}

/** What a SET says, but for DEFAULT. */
export const assigned = ({set, setRows}: SetClause): Expr[] =>
  [...set, ...setRows].map(({value}) => value).filter(value => value !== 'default');

const shown = (items: readonly SelectItem[]): Expr[] =>
  present(...items.map(item => (item.kind === 'expr' ? item.expr : undefined)));

/** Of the queries of a WITH that stands before a change of rows. */
function withExpressions(clause: With | undefined): Expr[] {
  return (clause?.tables ?? []).flatMap(({query}) => expressionsOf(query));
}

function changeExpressions({with: clause, from, where, returning}: Update | Delete): Expr[] {
  const sources = withExpressions(clause);
  eachFromItem(from, item => {
    if (item.kind === 'query') sources.push(...expressionsOf(item.query));
  });
  return [...sources, ...fromExpressions(from), ...present(where), ...shown(returning)];
}

/** The query and all that stand below its WITH, FROM and set operations; queries inside expressions are not among them. */
function eachQuery(root: Query, visit: (query: Query) => void): void {
  const stack = [root];
  for (let query = stack.pop(); query !== undefined; query = stack.pop()) {
    visit(query);
    for (const table of query.with?.tables ?? []) stack.push(table.query);
    if (query.kind === 'set') stack.push(query.left, query.right);
    else if (query.kind === 'select')
      eachFromItem(query.from, item => {
        if (item.kind === 'query') stack.push(item.query);
      });
  }
}

/** Every table that the statement names, wherever it does; names of WITH queries are among them. */
export function tablesOf(statement: Tree): TableRef[] {
  if (statement.kind === 'changingWith') return partsOf(statement).flatMap(part => tablesOf(part));
  const found: TableRef[] = [];
  const addFrom = (items: readonly FromItem[]) =>
    eachFromItem(items, item => {
      if (item.kind === 'table') found.push(item.table);
      else if (item.kind === 'query') addQuery(item.query);
    });
  // Queries below FROM, WITH and set operations are visited by `eachQuery` alone.
  const addQuery = (root: Query) =>
    eachQuery(root, query => {
      if (query.kind !== 'select') return;
      eachFromItem(query.from, item => {
        if (item.kind === 'table') found.push(item.table);
      });
    });
  if (statement.kind === 'select' || statement.kind === 'set' || statement.kind === 'values') addQuery(statement);
  else {
    found.push(statement.table);
    for (const {query} of statement.with?.tables ?? []) addQuery(query);
    if (statement.kind !== 'insert') addFrom(statement.from);
    else if (statement.query !== undefined) addQuery(statement.query);
  }
  walk(expressionsOf(statement), expr => {
    if ('query' in expr) addQuery(expr.query);
  });
  return found;
}

/** Items of FROM, joins before their sides. */
function eachFromItem(items: readonly FromItem[], visit: (item: FromItem) => void): void {
  const stack = [...items];
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    visit(item);
    if (item.kind === 'join') stack.push(item.left, item.right);
  }
}

function ownExpressions(query: Query): Expr[] {
  const tail = present(...ordered(query.orderBy), query.limit, query.offset);
  if (query.kind === 'set') return tail;
  if (query.kind === 'values') return [...query.rows.flat(), ...tail];
  return [...selectExpressions(query), ...tail];
}

function selectExpressions(select: Select): Expr[] {
  const {distinctOn, items, from, where, groupBy, having, windows, qualify} = select;
  const joins = fromExpressions(from);
  const groups = groupBy.flatMap(item => ('sets' in item ? item.sets.flat() : [item]));
  const specs = windows.flatMap(({spec}) => windowParts(spec));
  return present(...distinctOn, ...shown(items), ...joins, where, ...groups, having, ...specs, qualify);
}

/** Calls and conditions of joins; queries are walked apart. */
function fromExpressions(from: readonly FromItem[]): Expr[] {
  const exprs: Expr[] = [];
  eachFromItem(from, item => {
    if (item.kind === 'function') exprs.push(item.call);
    else if (item.kind === 'join' && item.on !== undefined) exprs.push(item.on);
  });
  return exprs;
}

/** The highest `$n` of a statement: how many parameters it needs. */
export function maxParam(statement: Tree): number {
  let most = 0;
  walk(expressionsOf(statement), expr => {
    if (expr.kind === 'param') most = Math.max(most, expr.index);
  });
  return most;
}

/** Text under which two expressions are the same expression: no positions, columns without qualifiers. */
export function exprKey(expr: Expr): string {
  return JSON.stringify(expr, (name, value) => {
    if (name === 'start' || name === 'end') return undefined;
    if (value !== null && typeof value === 'object' && value.kind === 'column')
      return {kind: 'column', name: value.column.name};
    return value;
  });
}
