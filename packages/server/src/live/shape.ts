/**
 * Shape: what live queries that differ only in literals have in common, compiled once.
 *
 *     tree + schema ─ literals that columns are compared with become parameters ─ shape key
 *                   ─ condition, key facts, cells to show                          compiled, and again after an ALTER that leaves them as they are
 *
 * Laws: the condition means exactly what it means in SELECT: it is compiled by the same code. A literal becomes a parameter only where both are
 * read in the type of the column. What a shape shows and asks for is known by column ids: an ALTER that leaves those columns alone is not seen
 * by its subscribers, and any other ends them (`isSame`).
 */
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Env, Eval, Param} from '../expr/expr.ts';
import type {KeyFacts} from '../expr/key-range.ts';
import {isNumeric} from '../expr/numbers.ts';
import {findColumn} from '../expr/sources.ts';
import {exprKey, someExpr} from '../expr/walk.ts';
import type {Seq} from '../model/names.ts';
import type {Row} from '../model/row.ts';
import {DELETED_INDEX, type Schema, SEQ_COLUMN, SEQ_INDEX} from '../model/schema.ts';
import {sameType} from '../model/type-table.ts';
import type {Expr} from '../parser/ast.ts';
import {columnsRead, planSelect} from '../query/plan.ts';
import type {DirectSelect} from '../query/wider.ts';
import type {RowColumn} from './live.ts';
import {CALLER_FUNCTIONS, type LiveSelect} from './live-query.ts';

const COMPARISONS: ReadonlySet<string> = new Set(['=', '<>', '<', '<=', '>', '>=']);

/** Cells of one row, in the order of the shape's row columns. */
export type Cells = (string | undefined)[];

export interface Compiled {
  readonly schema: Schema;
  /** Of the select list. */
  readonly columns: readonly ResultColumn[];
  /** Of each row: the select list, then the key and `_seq` if they are not in it. */
  readonly rowColumns: readonly RowColumn[];
  /** Per cell the index of its column, SEQ_INDEX or DELETED_INDEX. */
  readonly cells: readonly number[];
  /** The cell of the primary key; -1 in a table without one. */
  readonly keyCell: number;
  readonly seqCell: number;
  readonly where: Eval | undefined;
  readonly facts: (env: Env) => KeyFacts;
  /** Columns that a scan reads. */
  readonly reads: readonly number[];
}

export interface ShapeQuery {
  readonly key: string;
  readonly tree: DirectSelect;
  readonly text: string;
  readonly params: readonly Param[];
  /** Its answer depends on who asks. */
  readonly asksCaller: boolean;
}

/** The query as a shape and its parameters. */
export function shapeQuery({tree, text}: LiveSelect, schema: Schema): ShapeQuery {
  const params: Param[] = [];
  const where = tree.where && parameterised(tree.where, schema, params);
  const items = tree.items.map(item => (item.kind === 'star' ? '*' : exprKey(item.expr)));
  const asksCaller = tree.where !== undefined && someExpr([tree.where], isOfCaller);
  const key = `${items.join()}\n${where === undefined ? '' : exprKey(where)}`;
  return {key, tree: {...tree, where}, text, params, asksCaller};
}

function isOfCaller(expr: Expr): boolean {
  return expr.kind === 'call' && CALLER_FUNCTIONS.has(expr.name);
}

/** Terms joined by AND that compare a column with a literal of its kind take it as a parameter. */
function parameterised(expr: Expr, schema: Schema, params: Param[]): Expr {
  if (expr.kind === 'logic' && expr.op === 'and') {
    return {...expr, terms: expr.terms.map(term => parameterised(term, schema, params))};
  }
  if (expr.kind !== 'binary' || !COMPARISONS.has(expr.op) || expr.left.kind !== 'column') return expr;
  const type = findColumn(schema, expr.left.column.name)?.type;
  const {right} = expr;
  if (type === undefined) return expr;
  if (right.kind === 'string' && (type.name === 'text' || type.name === 'uuid')) params.push(right.value);
  else if (right.kind === 'number' && isNumeric(type)) params.push({number: right.text});
  else return expr;
  return {...expr, right: {kind: 'param', index: params.length, start: right.start, end: right.end}};
}

/** Throws what SELECT would. */
export function compileShape({tree, text}: ShapeQuery, schema: Schema): Compiled {
  const plan = planSelect(tree, schema, {text});
  const cells = plan.outputs.map(output => output.column!);
  const {primaryKey, kind} = schema;
  // A table without a key has -1 there, which is also the index of `_seq`; and rows of a stream may have the same key.
  const isKeyed = primaryKey >= 0 && kind !== 'stream';
  const rowColumns: RowColumn[] = plan.columns.map(({name, data_type}, i) => {
    return {name, type: data_type, isKey: isKeyed && cells[i] === primaryKey};
  });
  if (primaryKey >= 0 && !cells.includes(primaryKey)) {
    const {name} = schema.columns[primaryKey]!;
    const [key] = planSelect(keyOnly(tree, name), schema, {text}).columns;
    cells.push(primaryKey);
    rowColumns.push({name, type: key!.data_type, isKey: isKeyed});
  }
  if (!cells.includes(SEQ_INDEX)) {
    cells.push(SEQ_INDEX);
    rowColumns.push({name: SEQ_COLUMN, type: 'BigInt', isKey: false});
  }
  return {
    schema,
    columns: isKeyed ? plan.columns : plan.columns.map(withoutKey),
    rowColumns,
    cells,
    keyCell: primaryKey < 0 ? -1 : cells.indexOf(primaryKey),
    seqCell: cells.indexOf(SEQ_INDEX),
    where: plan.where,
    facts: plan.facts,
    reads: [...new Set([...plan.reads, ...(primaryKey < 0 ? [] : [primaryKey])])].sort((a, b) => a - b),
  };
}

/** Nobody may take it for what tells rows apart. */
function withoutKey(column: ResultColumn): ResultColumn {
  return column.flags === undefined ? column : {...column, flags: ['nn']};
}

function keyOnly(tree: DirectSelect, name: string): DirectSelect {
  const node = {start: tree.start, end: tree.end};
  const column = {...node, name, text: name, isQuoted: false};
  const expr: Expr = {...node, kind: 'column', qualifier: [], column};
  return {...tree, items: [{...node, kind: 'expr', expr, alias: undefined}], where: undefined};
}

/** Do both versions of a table have the columns that the shape shows and asks for, by name, id, type and null? */
export function isSame(tree: DirectSelect, before: Schema, after: Schema): boolean {
  if (before === after) return true;
  const used = usedColumns(tree, before);
  const now = usedColumns(tree, after);
  if (used.length !== now.length || before.kind !== after.kind) return false;
  return used.every((column, i) => {
    const other = now[i]!;
    const isShown = column.id === other.id && column.name === other.name && column.isNullable === other.isNullable;
    return isShown && sameType(column.type, other.type);
  });
}

function usedColumns(tree: DirectSelect, schema: Schema) {
  const isStar = tree.items.some(item => item.kind === 'star');
  const exprs = tree.items.flatMap(item => (item.kind === 'expr' ? [item.expr] : []));
  if (tree.where !== undefined) exprs.push(tree.where);
  const used = new Set(isStar ? schema.columns.map((_, i) => i) : columnsRead(exprs, schema));
  if (schema.primaryKey >= 0) used.add(schema.primaryKey);
  return [...used].map(i => schema.columns[i]!).sort((a, b) => a.id - b.id);
}

/** What is shown of a row. `seq`: of what took the row away, in place of its own. */
export function cellsOf({cells}: Compiled, row: Row, seq: Seq = row.seq): Cells {
  return cells.map(column => {
    if (column === SEQ_INDEX) return `"${seq}"`;
    return column === DELETED_INDEX ? String(row.isTombstone) : row.json(column);
  });
}

/** What names a row, and nothing else. */
export function keyCells({cells, keyCell, seqCell}: Compiled, keyJson: string | undefined, seq: Seq): Cells {
  const shown: Cells = cells.map(() => undefined);
  if (keyCell >= 0) shown[keyCell] = keyJson;
  shown[seqCell] = `"${seq}"`;
  return shown;
}

/** Of a changed row: the cells that were different before, and the key. */
export function oldCells({keyCell, seqCell}: Compiled, before: Cells, after: Cells): Cells {
  return before.map((cell, i) => (i !== seqCell && (i === keyCell || cell !== after[i]) ? cell : undefined));
}
