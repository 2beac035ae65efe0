/** SELECT, WITH, VALUES and TABLE: every query. */
import type {Param} from '../../expr/expr.ts';
import type {Query} from '../../parser/ast.ts';
import {TokenCursor} from '../../parser/cursor.ts';
import {parseQuery} from '../../parser/query.ts';
import {splitStatements} from '../../parser/split.ts';
import {defineStatement, type StatementContext, type StatementResult} from '../define.ts';
import {runQuery} from '../read.ts';

export const select = defineStatement<Query>({
  name: 'SELECT',
  heads: ['SELECT', 'WITH', 'VALUES', 'TABLE'],
  access: 'any',
  takesParams: true,
  isReadOnly: true,
  doc: {
    topic: 'Queries',
    syntax: [
      '[WITH [RECURSIVE] name [(column, …)] AS (query), …]',
      'SELECT [DISTINCT [ON (expr, …)]] {* | expr [AS name]}, … [FROM item, …] [WHERE condition]',
      '    [GROUP BY expr, …] [HAVING condition] [WINDOW name AS (…)] [QUALIFY condition]',
      '    [{UNION | EXCEPT | INTERSECT} [ALL] query] [ORDER BY expr [ASC | DESC] [NULLS {FIRST | LAST}], …]',
      '    [LIMIT n] [OFFSET n] [FETCH FIRST n ROWS {ONLY | WITH TIES}]',
      'VALUES (expr, …), …',
      'TABLE name',
    ],
    about:
      'Answers rows. Without LIMIT an answer has at most `limits.default_query_limit` rows, and never more than `limits.max_query_limit`; one that was cut says `"truncated": true`.',
    example: 'SELECT name, price * 2 AS double FROM shop.items WHERE price < 1 ORDER BY name',
  },
  parse: cursor => parseQuery(cursor),
  run: (tree, context) => runQuery(tree, context),
});

/** A fixed SELECT over system tables, for SHOW: open to sessions that may not read the tables themselves. */
export function selectFixed(
  sql: string,
): (context: StatementContext, params?: readonly Param[]) => StatementResult | Promise<StatementResult> {
  const tree = parseQuery(new TokenCursor(splitStatements(sql)[0]!));
  return (context, params = []) =>
    runQuery(tree, {...context, params}, schema => context.services.openSystem(schema, context.session));
}
