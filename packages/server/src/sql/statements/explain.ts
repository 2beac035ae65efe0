/** EXPLAIN SELECT: which executor, which access path, which segments are read and why others are not. */
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Query} from '../../parser/ast.ts';
import {beginsQuery} from '../../parser/brackets.ts';
import {parseQuery} from '../../parser/query.ts';
import {defineStatement} from '../define.ts';
import {explainQuery} from '../read.ts';

const COLUMNS: readonly ResultColumn[] = [
  {name: 'plan_type', data_type: 'Text', index: 0},
  {name: 'plan', data_type: 'Text', index: 1},
];

export const explain = defineStatement<Query>({
  name: 'EXPLAIN',
  heads: ['EXPLAIN'],
  access: {admin: 'EXPLAIN commands'},
  takesParams: true,
  isReadOnly: true,
  doc: {
    topic: 'Queries',
    syntax: 'EXPLAIN query',
    about: 'Tells which executor would run a query, by which way it comes to its rows, and which segments are read.',
    example: 'EXPLAIN SELECT name FROM shop.items WHERE id = 1',
  },
  parse(cursor) {
    cursor.expectKeywords('EXPLAIN');
    for (const word of ['INSERT', 'UPDATE', 'DELETE']) {
      if (cursor.isKeyword(word)) throw cursor.notSupported(`EXPLAIN of ${word}`);
    }
    if (cursor.isSymbol('(') && !beginsQuery(cursor, 0)) throw cursor.notSupported('options of EXPLAIN');
    return parseQuery(cursor);
  },
  run(tree, context) {
    const rows = explainQuery(tree, context).map(line => JSON.stringify([line.plan_type, line.plan]));
    return {columns: COLUMNS, rows, rowCount: rows.length, asUser: context.session.userId};
  },
});
