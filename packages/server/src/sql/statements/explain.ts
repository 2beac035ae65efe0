/** EXPLAIN SELECT: which executor, which access path, which segments are read and why others are not. */
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Select} from '../../parser/ast.ts';
import {parseSelect} from '../../parser/query.ts';
import {explainText} from '../../query/explain.ts';
import {defineStatement} from '../define.ts';
import {findTable, openTable, planOf} from './select.ts';

const COLUMNS: readonly ResultColumn[] = [
  {name: 'plan_type', data_type: 'Text', index: 0},
  {name: 'plan', data_type: 'Text', index: 1},
];

export const explain = defineStatement<Select>({
  name: 'EXPLAIN',
  heads: ['EXPLAIN'],
  access: {admin: 'EXPLAIN commands'},
  takesParams: true,
  parse(cursor) {
    cursor.expectKeywords('EXPLAIN');
    for (const word of ['INSERT', 'UPDATE', 'DELETE']) {
      if (cursor.isKeyword(word)) throw cursor.notSupported(`EXPLAIN of ${word}`);
    }
    if (cursor.isSymbol('(') && !cursor.isKeyword('SELECT', 1)) throw cursor.notSupported('options of EXPLAIN');
    return parseSelect(cursor);
  },
  run(tree, context) {
    const schema = tree.from === undefined ? undefined : findTable(context, tree.from.table);
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
