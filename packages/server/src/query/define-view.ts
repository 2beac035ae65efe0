/** The definition of a view: its query is bound once, to know its columns and to write it so that it lasts. */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {failAt} from '../expr/coerce.ts';
import {type TableName, tableText} from '../model/names.ts';
import {COLUMNS_MAX} from '../model/schema.ts';
import type {View} from '../model/view.ts';
import type {Name, Query} from '../parser/ast.ts';
import {TokenCursor} from '../parser/cursor.ts';
import {parseQuery} from '../parser/query.ts';
import {splitStatements} from '../parser/split.ts';
import {bindQuery} from './bind-query.ts';
import {Binder, type Lasting, outputTypes, type TableOf} from './bound.ts';

const TEXT_MAX = 256 * 1024;

export interface ViewTree {
  /** Its nodes lie in the text of the statement. */
  readonly query: Query;
  /** Where the query begins, brackets around it included. */
  readonly start: number;
  /** New names of the first columns. */
  readonly columns: readonly Name[];
}

export function defineView(
  name: TableName,
  {query, start, columns}: ViewTree,
  text: string,
  tableOf: TableOf,
): Pick<View, 'name' | 'text' | 'columns'> {
  const binder = new Binder({text}, tableOf, tableText(name));
  const bound = bindQuery(binder, query, {outer: undefined, names: undefined});
  const types = outputTypes(bound, binder);
  if (types.length > COLUMNS_MAX) throw new DbError('LIMIT_EXCEEDED', `A view has at most ${COLUMNS_MAX} columns.`);
  if (columns.length > types.length)
    throw failAt(binder, columns[types.length]!, 'CREATE VIEW specifies more column names than columns');
  const names = types.map((_, i) => columns[i]?.name ?? bound.outputs[i]!.name.toLowerCase());
  const twice = names.find((one, i) => names.indexOf(one) < i);
  if (twice !== undefined)
    throw failAt(binder, columns[names.lastIndexOf(twice)] ?? query, `column "${twice}" specified more than once`);
  const view = {
    name,
    text: lastingText(text, start, binder.lasting),
    columns: types.map((type, i) => ({name: names[i]!, type})),
  };
  if (view.text.length > TEXT_MAX) throw new DbError('LIMIT_EXCEEDED', `A view has at most ${TEXT_MAX} characters.`);
  checkLasts(view, tableOf);
  return view;
}

function lastingText(text: string, start: number, parts: readonly Lasting[]): string {
  let result = '';
  let at = start;
  for (const {node, text: lasting} of parts.toSorted((a, b) => a.node.start - b.node.start)) {
    // What is bound twice is noted twice.
    if (node.start < at) continue;
    const isTable = /^table\b/i.test(text.slice(node.start, node.end));
    result += text.slice(at, node.start) + (isTable ? `SELECT ${lasting} FROM ` : lasting);
    at = node.end;
  }
  return result + text.slice(at);
}

/** Only what has no name cannot be written out. */
function checkLasts({name, text, columns}: Pick<View, 'name' | 'text' | 'columns'>, tableOf: TableOf): void {
  const binder = new Binder({}, tableOf, tableText(name));
  const place = {outer: undefined, names: undefined};
  try {
    const bound = bindQuery(binder, parseQuery(new TokenCursor(splitStatements(text)[0]!)), place);
    if (bound.outputs.length === columns.length) return;
  } catch (cause) {
    if (!(cause instanceof DbError)) throw cause;
  }
  throw fail.execution('The * of a view is written out when it is made: give each query in its FROM a name');
}
