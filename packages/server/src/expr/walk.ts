/**
 * Walks over syntax trees by an explicit stack, so that no tree is too deep.
 */
import type {Delete, Expr, Insert, Select, Update} from '../parser/ast.ts';

/** Visits every node of the trees, parents first. */
export function walk(roots: Iterable<Expr>, visit: (expr: Expr) => void): void {
  const stack = [...roots];
  for (let expr = stack.pop(); expr !== undefined; expr = stack.pop()) {
    visit(expr);
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
    case 'unsupported':
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
      return present(...expr.args, expr.filter);
    default:
      return expr satisfies never;
  }
}

/** The expressions a statement holds. */
export function expressionsOf(statement: Select | Insert | Update | Delete): Expr[] {
  switch (statement.kind) {
    case 'select': {
      const items = statement.items.map(item => (item.kind === 'expr' ? item.expr : undefined));
      const orders = statement.orderBy.map(item => item.expr);
      const {where, groupBy, having, limit, offset} = statement;
      return present(...items, where, ...groupBy, having, ...orders, limit, offset);
    }
    case 'insert':
      return statement.rows.flatMap(row => row.filter(value => value !== 'default'));
    case 'update':
      return present(...statement.set.map(({value}) => (value === 'default' ? undefined : value)), statement.where);
    case 'delete':
      return present(statement.where);
    default:
      return statement satisfies never;
  }
}

/** The highest `$n` of a statement: how many parameters it needs. */
export function maxParam(statement: Select | Insert | Update | Delete): number {
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
