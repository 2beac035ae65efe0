/** EXPLAIN: which executor, which access path, which segments are read and why others are not; ANALYZE also runs the query and tells what it did. */
import type {Delete, Query, Update} from '../../parser/ast.ts';
import {beginsQuery} from '../../parser/brackets.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {parseDelete, parseUpdate} from '../../parser/dml.ts';
import {parseQuery} from '../../parser/query.ts';
import {type ExplainLine, explainedChange} from '../../query/explain.ts';
import {defineStatement, listed, resultColumns} from '../define.ts';
import {analyzeQuery, explainQuery} from '../explain.ts';
import {queryOfChange} from './dml.ts';

const COLUMNS = resultColumns({plan_type: 'Text', plan: 'Text'});

export const explain = defineStatement<Query | Update | Delete>({
  name: 'EXPLAIN',
  heads: ['EXPLAIN'],
  access: {admin: 'EXPLAIN commands'},
  takesParams: true,
  isReadOnly: true,
  doc: {
    topic: 'Queries',
    syntax: 'EXPLAIN {query | UPDATE … | DELETE …}',
    about:
      'Tells which executor would run a query, by which way it comes to its rows, and which segments are read; of UPDATE and DELETE, how they come to the rows that they would change.',
    example: 'EXPLAIN SELECT name FROM shop.items WHERE id = 1',
  },
  parse(cursor) {
    cursor.expectKeywords('EXPLAIN');
    if (cursor.isKeyword('UPDATE')) return parseUpdate(cursor);
    if (cursor.isKeyword('DELETE')) return parseDelete(cursor);
    return explained(cursor, 'EXPLAIN');
  },
  async run(tree, context) {
    if (tree.kind !== 'update' && tree.kind !== 'delete')
      return listed(context, COLUMNS, (await explainQuery(tree, context)).map(rowOf));
    const {schema, query} = queryOfChange(tree, context);
    return listed(context, COLUMNS, explainedChange(tree, schema, await explainQuery(query, context)).map(rowOf));
  },
});

export const explainAnalyze = defineStatement<Query>({
  name: 'EXPLAIN ANALYZE',
  heads: ['EXPLAIN ANALYZE'],
  access: {admin: 'EXPLAIN commands'},
  takesParams: true,
  isReadOnly: true,
  doc: {
    topic: 'Queries',
    syntax: 'EXPLAIN ANALYZE query',
    about:
      'Runs the query, within its limits, and tells what EXPLAIN does and then what happened: rows at each step, rows answered, and times; of a query that DuckDB runs, rows and time of each of its operators. Statements that change rows are refused.',
    example: 'EXPLAIN ANALYZE SELECT name FROM shop.items WHERE price > 0.5',
  },
  parse(cursor) {
    cursor.expectKeywords('EXPLAIN', 'ANALYZE');
    return explained(cursor, 'EXPLAIN ANALYZE');
  },
  run: async (tree, context) => listed(context, COLUMNS, (await analyzeQuery(tree, context)).map(rowOf)),
});

function explained(cursor: TokenCursor, statement: string): Query {
  for (const word of ['INSERT', 'UPDATE', 'DELETE']) {
    if (cursor.isKeyword(word)) throw cursor.notSupported(`${statement} of ${word}`);
  }
  if (cursor.isKeyword('VERBOSE') || (cursor.isSymbol('(') && !beginsQuery(cursor, 0)))
    throw cursor.notSupported('options of EXPLAIN; it is EXPLAIN or EXPLAIN ANALYZE');
  return parseQuery(cursor);
}

function rowOf(line: ExplainLine): string {
  return JSON.stringify([line.plan_type, line.plan]);
}
