/** EXPLAIN SELECT: which executor, which access path, which segments are read and why others are not. */
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Query} from '../../parser/ast.ts';
import {parseQuery} from '../../parser/query.ts';
import {explainText} from '../../query/explain.ts';
import {defineStatement} from '../define.ts';
import {openTable, planOf, tableOf} from './select.ts';

const COLUMNS: readonly ResultColumn[] = [
  {name: 'plan_type', data_type: 'Text', index: 0},
  {name: 'plan', data_type: 'Text', index: 1},
];

export const explain = defineStatement<Query>({
  name: 'EXPLAIN',
  heads: ['EXPLAIN'],
  access: {admin: 'EXPLAIN commands'},
  takesParams: true,
  parse(cursor) {
    cursor.expectKeywords('EXPLAIN');
    return parseQuery(cursor);
  },
  run(tree, context) {
    const schema = tableOf(tree, context);
    const snapshot = schema === undefined ? undefined : openTable(context, schema);
    try {
      const plans = explainText(
        planOf(tree, schema, context.text),
        snapshot,
        context.services.newEnv(context.session, context.params),
      );
      const rows = plans.map(line => JSON.stringify([line.plan_type, line.plan]));
      return {columns: COLUMNS, rows, rowCount: rows.length, asUser: context.session.userId};
    } finally {
      snapshot?.close();
    }
  },
});
