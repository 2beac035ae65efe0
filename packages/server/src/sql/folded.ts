/**
 * Folded: a query over one table whose expressions hold other such queries. Those are answered first; then it is one for the direct executor.
 *
 *     SELECT body FROM m WHERE room = (SELECT id FROM rooms WHERE name = 'x')
 *       open m and rooms ─ ask rooms: 7 ─ SELECT body FROM m WHERE room = 7
 *
 * Laws: all of its tables are opened in one turn, so it has one moment. Only what can be answered so is: a query that names the row around it, that gives
 * more rows than it may, that reads much of what is flushed, or that fails, is left to the analytic executor, whose answer or error is the statement's.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {paramTypes} from '../expr/coerce.ts';
import type {Env} from '../expr/expr.ts';
import type {Schema} from '../model/schema.ts';
import {fromJsonArray} from '../model/values.ts';
import type {Expr, Query} from '../parser/ast.ts';
import {isLargeScan, type RunOptions, runSelect} from '../query/direct.ts';
import {planSelect, type SelectPlan} from '../query/plan.ts';
import {type DirectSelect, widerThanDirect} from '../query/wider.ts';
import type {TableSnapshot} from '../table/table.ts';
import {type Closed, closedIn, listOf, literalOf, named, replaced} from './answers.ts';
import type {StatementContext} from './define.ts';
import {planOnce} from './plan-memo.ts';

/** A list beside IN is held in the plan; a longer one is a join. */
const LISTED_MAX = 1000;
const ANSWER_BYTES_MAX = 1024 * 1024;

type Part = Closed & {readonly query: DirectSelect};

/** Of trees that were asked for; null: not of this kind, or found to be better left to the other executor. */
const partsOf = new WeakMap<Query, readonly Part[] | null>();

export interface Opened {
  readonly plan: SelectPlan;
  readonly snapshot: TableSnapshot | undefined;
}

export interface Folded extends Opened {
  /** What was answered first. */
  readonly parts: readonly Opened[];
  readonly schemas: readonly Schema[];
  readonly env: Env;
}

/** How tables are found and read for a session. */
export interface FoldServices {
  readonly tableOf: (tree: DirectSelect, context: StatementContext) => Schema | undefined;
  readonly open: (schema: Schema) => TableSnapshot;
  readonly optionsOf: (context: StatementContext, schemas: readonly Schema[]) => RunOptions;
}

export function isFoldable(tree: Query): boolean {
  let parts = partsOf.get(tree);
  if (parts === undefined) {
    parts = findParts(tree);
    partsOf.set(tree, parts);
  }
  return parts !== null;
}

function findParts(tree: Query): readonly Part[] | null {
  if (tree.kind !== 'select' || tree.with !== undefined) return null;
  const exprs = tree.items.flatMap(item => (item.kind === 'expr' ? [item.expr] : []));
  for (const clause of [tree.where, tree.having]) if (clause !== undefined) exprs.push(clause);
  const parts = closedIn(exprs);
  if (parts.some(({query}) => widerThanDirect(query) !== undefined)) return null;
  const placeholders = new Map(parts.map((part): [unknown, Expr] => [part, {...part, kind: 'null'}]));
  return widerThanDirect(replaced(tree, placeholders) as Query) === undefined ? (parts as Part[]) : null;
}

/** What `use` makes of it while its tables are open. Undefined: the query is to be left to the analytic executor. */
export async function withFolded<T>(
  tree: Query,
  context: StatementContext,
  services: FoldServices,
  use: (folded: Folded) => Promise<T>,
): Promise<T | undefined> {
  const snapshots = new Map<Schema, TableSnapshot>();
  const open = (select: DirectSelect) => {
    const schema = services.tableOf(select, context);
    if (schema === undefined) return {schema, snapshot: undefined};
    const snapshot = snapshots.get(schema) ?? services.open(schema);
    snapshots.set(schema, snapshot);
    return {schema, snapshot};
  };
  try {
    const parts = isFoldable(tree) ? partsOf.get(tree)! : [];
    const outer = open(tree as DirectSelect);
    const inner = parts.map(part => open(part.query));
    const env = context.services.newEnv(context);
    const answers = new Map<unknown, Expr>();
    const asked: Opened[] = [];
    for (const [i, part] of parts.entries()) {
      const {schema, snapshot} = inner[i]!;
      const opened = {plan: planned(part.query, schema, context, tree), snapshot};
      const options = services.optionsOf(context, schema === undefined ? [] : [schema]);
      const answer = await answerOf(part, opened, env, options, answers);
      if (answer === undefined) {
        partsOf.set(tree, null);
        return undefined;
      }
      answers.set(part, answer);
      asked.push(opened);
    }
    const plan = planFolded(tree as DirectSelect, outer.schema, answers, context);
    return await use({plan, snapshot: outer.snapshot, parts: asked, schemas: [...snapshots.keys()], env});
  } catch (error) {
    if (error instanceof DbError) return undefined;
    throw error;
  } finally {
    for (const snapshot of snapshots.values()) snapshot.close();
  }
}

/** A part that cannot be planned by itself names what is around it, most likely, and will the next time. */
function planned(part: DirectSelect, schema: Schema | undefined, context: StatementContext, tree: Query): SelectPlan {
  try {
    return planOnce(part, schema, context, planSelect);
  } catch (error) {
    partsOf.set(tree, null);
    throw error;
  }
}

function planFolded(
  tree: DirectSelect,
  schema: Schema | undefined,
  answers: ReadonlyMap<unknown, Expr>,
  context: StatementContext,
): SelectPlan {
  if (answers.size === 0) return planOnce(tree, schema, context, planSelect);
  const {items} = tree;
  const folded = replaced({...tree, items: items.map(item => named(item, answers))}, answers) as DirectSelect;
  return planSelect(folded, schema, {text: context.text, paramTypes: paramTypes(context.params)});
}

/** Undefined: it has no answer, or none that is worth holding. */
async function answerOf(
  part: Part,
  {plan, snapshot}: Opened,
  env: Env,
  options: RunOptions,
  answers: ReadonlyMap<unknown, Expr>,
): Promise<Expr | undefined> {
  if (part.kind !== 'exists' && plan.outputs.length !== 1) return undefined;
  const maxLimit = part.kind === 'inQuery' ? LISTED_MAX : 1;
  const limits = {...options, defaultLimit: 0, maxLimit};
  if (snapshot !== undefined && isLargeScan(plan, snapshot, env, limits)) return undefined;
  const result = await runSelect(plan, snapshot, env, limits);
  if (result.isUnfinished === true) return undefined;
  if (part.kind === 'exists') {
    const {start, end} = part;
    return {kind: 'boolean', start, end, value: result.rows.length > 0};
  }
  const bytes = result.rows.reduce((sum, row) => sum + row.length, 0);
  if (result.isTruncated || bytes > ANSWER_BYTES_MAX) return undefined;
  const {type} = plan.outputs[0]!;
  const rows = result.rows.map(row => fromJsonArray([type], row));
  return part.kind === 'inQuery' ? listOf(part, type, rows, answers) : literalOf(part, type, rows[0]?.[0] ?? null);
}
