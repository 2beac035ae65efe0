/**
 * RETURNING: a select list over the rows that a write meant: new versions, of deleted rows the old ones.
 *
 * Law: it is evaluated before anything is written, so an expression that fails leaves nothing behind. No limit cuts its rows; what it may hold in
 * memory is what a SELECT may.
 */
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import {failAt} from '../expr/coerce.ts';
import type {Env, Source} from '../expr/expr.ts';
import type {Row} from '../model/row.ts';
import type {Schema} from '../model/schema.ts';
import type {Session} from '../model/session.ts';
import type {Delete, Insert, Update} from '../parser/ast.ts';
import {hasAggregate} from './bind-group.ts';
import {Budget, rowWriter} from './direct.ts';
import {type PlanOptions, planSelect} from './plan.ts';
import {selectOf} from './trees.ts';

export interface ReturningPlan {
  /** One per execution. */
  collect(env: Env): Returned;
}

export interface Returned {
  readonly add: (row: Row) => void;
  /** As of a SELECT. */
  answer(session: Session): {
    readonly columns: readonly ResultColumn[];
    readonly rows: readonly string[];
    readonly rowCount: number;
    readonly asUser: string;
  };
}

/** undefined: the statement has no such clause. `joined`: sources whose columns stand behind those of the table. */
export function planReturning(
  tree: Insert | Update | Delete,
  schema: Schema,
  options: PlanOptions,
  joined: readonly Source[] = [],
): ReturningPlan | undefined {
  const {table, alias, returning} = tree;
  if (returning.length === 0) return undefined;
  const exprs = returning.flatMap(item => (item.kind === 'expr' ? [item.expr] : []));
  const aggregate = exprs.find(expr => hasAggregate([expr]));
  if (aggregate !== undefined)
    throw failAt({text: options.text ?? ''}, aggregate, 'aggregate functions are not allowed in RETURNING');
  const from = {start: table.start, end: table.end, kind: 'table', table, alias, columnAliases: []} as const;
  const {columns, outputs} = planSelect(selectOf(tree, {items: returning, from: [from]}), schema, options, joined);
  return {
    collect(env) {
      const rows: string[] = [];
      const write = rowWriter(outputs, env, joined.length === 0);
      const budget = new Budget('return fewer rows');
      return {
        add(row) {
          const json = write(row);
          budget.take(json.length);
          rows.push(json);
        },
        answer: ({userId}) => ({columns, rows, rowCount: rows.length, asUser: userId}),
      };
    },
  };
}
