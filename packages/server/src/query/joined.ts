/**
 * Joined: what RETURNING may show of the rows that FROM and USING join to a changed one.
 *
 *     UPDATE t … FROM s … RETURNING t.a, s.b      the query that decides asks for s.b too; behind the columns of t stand those of s
 *
 * Law: what is shown of a joined row is of the same row as the values that were written.
 */
import {notSupportedAt} from '../expr/coerce.ts';
import type {Source} from '../expr/expr.ts';
import {isOfSource} from '../expr/sources.ts';
import {walk} from '../expr/walk.ts';
import type {DataType, Value} from '../model/datatype.ts';
import type {Row} from '../model/row.ts';
import type {Schema} from '../model/schema.ts';
import {toJson} from '../model/values.ts';
import type {Delete, Expr, Name, Node, Update} from '../parser/ast.ts';
import {bindFrom, type FromSource} from './bind-from.ts';
import {bindWith} from './bind-with.ts';
import {Binder, type TableOf} from './bound.ts';
import type {PlanOptions} from './plan.ts';

export interface Joined {
  readonly sources: readonly Source[];
  /** What the query that decides is asked for, in this order. */
  readonly columns: readonly {readonly expr: Expr; readonly type: DataType}[];
  /** The changed row, and behind its columns the joined ones. */
  rowOf(row: Row, values: readonly Value[]): Row;
}

/** undefined: nothing is joined, or nothing shown. */
export function joinedBy(
  tree: Update | Delete,
  schema: Schema,
  options: PlanOptions,
  tableOf: TableOf,
): Joined | undefined {
  if (tree.from.length === 0 || tree.returning.length === 0) return undefined;
  const binder = new Binder(options, tableOf);
  const place = {outer: undefined, names: undefined};
  const names = tree.with && bindWith(binder, tree.with, place).names;
  const sources = bindFrom(binder, tree.from, {...place, names})?.sources ?? [];
  const isShown = shownBy(tree);
  const columns: {expr: Expr; type: DataType}[] = [];
  const joined = sources.map(source => {
    if (source.name !== source.name.toLowerCase())
      throw notSupportedAt(
        {text: options.text ?? ''},
        tree.from[0]!.start,
        'RETURNING beside a query in FROM without an alias',
      );
    const names = source.names().filter(name => isShown(source, name));
    const first = schema.columns.length + columns.length;
    for (const name of names) columns.push({expr: columnOf(source, name, tree), type: source.find(name, tree)!.type});
    return joinedSource(source, names, first);
  });
  const {length} = schema.columns;
  return {
    sources: joined,
    columns,
    rowOf: (row, values) => ({
      seq: row.seq,
      isTombstone: row.isTombstone,
      value: column => (column < length ? row.value(column) : values[column - length]!),
      json: column =>
        column < length ? row.json(column) : toJson(columns[column - length]!.type, values[column - length]!),
    }),
  };
}

/** Which columns RETURNING names, by themselves or by `*`. */
function shownBy({returning}: Update | Delete): (source: FromSource, name: string) => boolean {
  const stars = returning.flatMap(item => (item.kind === 'star' ? [item.qualifier] : []));
  const named = new Set<string>();
  walk(
    returning.flatMap(item => (item.kind === 'expr' ? [item.expr] : [])),
    expr => {
      if (expr.kind === 'column') named.add(expr.column.name);
    },
  );
  return (source, name) => named.has(name) || stars.some(qualifier => isOfSource(qualifier, source));
}

function columnOf({namespace, name: source}: FromSource, name: string, {start, end}: Node): Expr {
  const node = {start, end};
  const named = (text: string): Name => ({...node, name: text, text, isQuoted: true});
  const path = namespace === undefined ? [source] : [namespace, source];
  return {...node, kind: 'column', qualifier: path.map(named), column: named(name)};
}

function joinedSource(source: FromSource, names: readonly string[], first: number): Source {
  const {name, namespace, hidden} = source;
  return {
    name,
    namespace,
    schema: undefined,
    hidden,
    find(column, node) {
      const found = source.find(column, node);
      const at = names.indexOf(column);
      return found === undefined || at < 0 ? undefined : {type: found.type, index: first + at};
    },
    names: () => names,
  };
}
