/**
 * WITH whose parts change rows, as a tree: `WITH gone AS (DELETE … RETURNING *) INSERT INTO archive SELECT * FROM gone`.
 *
 * Each change, and the statement behind the WITH, gets the queries of the WITH that stand before it as a WITH of its own; names of changes are left to
 * whoever runs them.
 */
import type {ChangingWith, Delete, Insert, Query, Update, WithChange, WithTable} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {changeBehindWith, parseDelete, parseInsert, parseUpdate} from './dml.ts';
import {parseQuery, withPart, withWord} from './query.ts';
import {END} from './tokenizer.ts';

const CHANGES = {INSERT: parseInsert, UPDATE: parseUpdate, DELETE: parseDelete} as const;
const WORDS = ['INSERT', 'UPDATE', 'DELETE'] as const;

type Part = Query | Insert | Update | Delete;

/** Does a statement begin here with a WITH of which a part changes rows? */
export function changesInWith(cursor: TokenCursor): boolean {
  if (!cursor.isKeyword('WITH')) return false;
  let depth = 0;
  for (let ahead = 1; cursor.kindAhead(ahead) !== END; ahead++) {
    if (cursor.isSymbol('(', ahead)) {
      const isPart = cursor.isKeyword('AS', ahead - 1) || cursor.isKeyword('MATERIALIZED', ahead - 1);
      if (depth === 0 && isPart && WORDS.some(word => cursor.isKeyword(word, ahead + 1))) return true;
      depth++;
    } else if (cursor.isSymbol(')', ahead)) {
      depth--;
      const goesOn = cursor.isKeyword('AS', ahead + 1) || cursor.isSymbol(',', ahead + 1);
      if (depth === 0 && !goesOn) return false;
    }
  }
  return false;
}

export function parseChangingWith(cursor: TokenCursor): ChangingWith {
  const {start} = cursor;
  const isRecursive = withWord(cursor);
  const queries: WithTable[] = [];
  const changes: WithChange[] = [];
  const names = new Set<string>();
  do {
    const {inside, ...part} = withPart(cursor, () => parsePart(cursor));
    if (names.has(part.name.name))
      throw cursor.fail(`WITH query name "${part.name.name}" specified more than once`, part.start);
    names.add(part.name.name);
    const {name, columns, end} = part;
    if (isQuery(inside)) queries.push({...part, query: inside});
    else changes.push({start: part.start, end, name, columns, change: behind(queries, isRecursive, inside)});
  } while (cursor.acceptSymbol(','));
  if (cursor.isKeyword('WITH')) throw cursor.expected('a query, INSERT, UPDATE or DELETE');
  const last = behind(queries, isRecursive, parsePart(cursor));
  return {kind: 'changingWith', start, end: cursor.previousEnd, changes, last};
}

function parsePart(cursor: TokenCursor): Part {
  const word = WORDS.find(each => cursor.isKeyword(each)) ?? changeBehindWith(cursor);
  return word === undefined ? parseQuery(cursor) : CHANGES[word](cursor);
}

function isQuery(part: Part): part is Query {
  return part.kind === 'select' || part.kind === 'set' || part.kind === 'values';
}

/** The part with the queries in front of those of its own WITH. */
function behind<Tree extends Part>(queries: readonly WithTable[], isRecursive: boolean, part: Tree): Tree {
  if (queries.length === 0) return part;
  const own = part.with;
  const tables = [...queries, ...(own?.tables ?? [])];
  const [start, end] = [tables[0]!.start, tables.at(-1)!.end];
  return {...part, with: {start, end, isRecursive: isRecursive || own?.isRecursive === true, tables}};
}
