/**
 * Views in FROM: each is bound where it is named, as the query it stands for, by the rights of whoever asks.
 *
 * Laws: a view sees nothing of the statement around it. What is wrong inside of it is told at the place that names it. Views in views are
 * bounded in depth and in number, and a view that would read itself is refused.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {failAt} from '../expr/coerce.ts';
import {tableText} from '../model/names.ts';
import {sameType, sqlName} from '../model/type-table.ts';
import type {View} from '../model/view.ts';
import type {Node, Query, TableRef} from '../parser/ast.ts';
import {TokenCursor} from '../parser/cursor.ts';
import {parseQuery} from '../parser/query.ts';
import {splitStatements} from '../parser/split.ts';
import {positionAt} from '../parser/tokenizer.ts';
import {bindQuery} from './bind-query.ts';
import {type Binder, type BoundQuery, outputTypes} from './bound.ts';

const DEPTH_MAX = 16;
/** Of one statement: a view that names another twice, which names another twice …, is soon very many queries. */
const VIEWS_MAX = 200;

/** The view's query with its columns as they were when it was made; else an error says what has changed. */
export function bindView(binder: Binder, view: View, ref: TableRef): BoundQuery {
  const name = tableText(view.name);
  const within = binder.viewPath;
  if (within.includes(name))
    throw failAt(binder, ref, `View ${name} would read itself: ${[...within, name].join(', ')}`);
  if (within.length === DEPTH_MAX)
    throw new DbError('LIMIT_EXCEEDED', `Views stand in views at most ${DEPTH_MAX} deep: ${within.join(', ')}.`);
  if (binder.views.length > VIEWS_MAX)
    throw new DbError('LIMIT_EXCEEDED', `A statement takes at most ${VIEWS_MAX} views, those inside of views counted.`);
  within.push(name);
  try {
    const query = bindQuery(binder, movedTo(ref, viewQuery(view)), {outer: undefined, names: undefined});
    checkColumns(binder, view, query, ref);
    return query;
  } catch (error) {
    throw aboutView(error, binder, name, ref);
  } finally {
    within.pop();
  }
}

function checkColumns(binder: Binder, view: View, query: BoundQuery, ref: TableRef): void {
  for (const [i, type] of outputTypes(query, binder).entries()) {
    const column = view.columns[i]!;
    if (sameType(type, column.type)) continue;
    const [was, is] = [sqlName(column.type), sqlName(type)];
    throw failAt(binder, ref, `its column "${column.name}" was ${was} when it was made and would be ${is} now`);
  }
}

/** Nobody who reads a view knows its text: only the innermost view says what is wrong, at the name in the statement. */
function aboutView(error: unknown, binder: Binder, name: string, ref: Node): unknown {
  const isOfStatement = error instanceof DbError && error.code === 'SQL_EXECUTION_ERROR';
  if (!isOfStatement || error.message.startsWith(BROKEN)) return error;
  const reason = error.message.replace(/^[A-Z][a-z ]+: /, '').replace(/\.$/, '');
  return new DbError(
    error.code,
    `${BROKEN} ${name} no longer fits what it reads: ${reason}. CREATE OR REPLACE VIEW can make it anew.`,
    {cause: error, position: positionAt(binder.text, ref.start)},
  );
}

const BROKEN = 'Invalid operation: View';

const queries = new WeakMap<View, Query>();

/** What the view stands for. */
export function viewQuery(view: View): Query {
  const known = queries.get(view);
  if (known !== undefined) return known;
  const query = parseQuery(new TokenCursor(splitStatements(view.text)[0]!));
  queries.set(view, query);
  return query;
}

/** The tree with all its nodes at one place. */
function movedTo<T>({start, end}: Node, tree: T): T {
  if (typeof tree !== 'object' || tree === null) return tree;
  if (Array.isArray(tree)) return tree.map(item => movedTo({start, end}, item)) as T;
  const moved = Object.fromEntries(Object.entries(tree).map(([key, value]) => [key, movedTo({start, end}, value)]));
  return ('start' in moved ? {...moved, start, end} : moved) as T;
}
