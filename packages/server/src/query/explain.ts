/**
 * EXPLAIN: what a plan reads and how, as lines of text. Parameters are needed, since the access path depends on them.
 */

import type {Env} from '../expr/expr.ts';
import {tableText} from '../model/names.ts';
import {DELETED_COLUMN, type Schema, SEQ_COLUMN, SEQ_INDEX} from '../model/schema.ts';
import type {Delete, Update} from '../parser/ast.ts';
import type {TableSnapshot} from '../table/table.ts';
import type {OpenTable} from './analytic.ts';
import {scanRequest} from './direct.ts';
import type {SelectPlan} from './plan.ts';
import type {RelationReads} from './relations.ts';

export interface ExplainLine {
  readonly plan_type: 'logical_plan' | 'physical_plan' | 'generated_sql' | 'analysis';
  readonly plan: string;
}

/** Two lines as engines of this family answer: the logical plan top-down, and how it is executed. */
export function explainText(plan: SelectPlan, snapshot: TableSnapshot | undefined, env: Env): ExplainLine[] {
  return [
    {plan_type: 'logical_plan', plan: indented(logicalSteps(plan))},
    {plan_type: 'physical_plan', plan: physicalLines(plan, snapshot, env).join('\n')},
  ];
}

function logicalSteps(plan: SelectPlan): string[] {
  const steps: string[] = [];
  if (plan.limit !== undefined || plan.offset !== undefined) steps.push('Limit');
  if (plan.hasOrderBy) steps.push(`Sort: ${plan.order.length === 0 ? 'primary key' : `${plan.order.length} keys`}`);
  if (plan.isDistinct) steps.push('Distinct');
  steps.push(`Projection: ${plan.columns.map(column => column.name).join(', ')}`);
  if (plan.group !== undefined)
    steps.push(`Aggregate: ${plan.group.keys.length} keys, ${plan.group.aggregates.length} aggregates`);
  if (plan.where !== undefined) steps.push('Filter');
  steps.push(
    plan.schema === undefined
      ? 'EmptyRelation'
      : `TableScan: ${tableText(plan.schema.name)} columns=[${readNames(plan)}]`,
  );
  return steps;
}

function readNames(plan: SelectPlan): string {
  return plan.reads.map(index => plan.schema!.columns[index]!.name).join(', ');
}

function indented(steps: readonly string[]): string {
  return steps.map((step, depth) => '  '.repeat(depth) + step).join('\n');
}

function physicalLines(plan: SelectPlan, snapshot: TableSnapshot | undefined, env: Env): string[] {
  if (snapshot === undefined) return ['executor: direct', 'access: none'];
  const facts = plan.facts(env);
  const access = facts.isEmpty
    ? 'nothing can match'
    : facts.point !== undefined
      ? 'point'
      : facts.points !== undefined
        ? `${facts.points.length} points`
        : facts.keys.from !== undefined || facts.keys.to !== undefined
          ? 'range'
          : 'full';
  const {hotRows, coldRows, segments} = snapshot.describe(scanRequest(plan, facts));
  const read = segments.filter(segment => segment.pruned === undefined).length;
  return [
    'executor: direct',
    `access: ${access}${plan.isReverse ? ', backwards' : ''}`,
    `order: ${plan.order.length === 0 ? 'key order' : 'sort'}`,
    `hot rows: ${hotRows}`,
    `cold rows: ${coldRows}`,
    `segments: ${read} of ${segments.length} read`,
    ...segments.map(
      ({name, rowCount, pruned}) => `  ${name}: ${rowCount} rows${pruned === undefined ? '' : `, pruned: ${pruned}`}`,
    ),
  ];
}

/** What a change would do with the rows of the query that decides on them. */
export function explainedChange(
  {kind}: Pick<Update | Delete, 'kind'>,
  schema: Schema,
  lines: readonly ExplainLine[],
): ExplainLine[] {
  const change = `${kind === 'update' ? 'Update' : 'Delete'}: ${tableText(schema.name)}`;
  return [{plan_type: 'logical_plan', plan: change}, ...lines];
}

/** Of a query that DuckDB runs. `sql` is what it is told; it holds no values of the statement and no paths. */
export function explainAnalytic(tables: readonly OpenTable[], reason: string, sql: string): ExplainLine[] {
  const logical = tables.map(({relation}) => {
    const {schema, includeTombstones, uses} = relation;
    const columns = [...new Set(uses.flatMap(use => [...use.columns]))].sort((a, b) => a - b);
    const names = columns.map(
      index => schema.columns[index]?.name ?? (index === SEQ_INDEX ? SEQ_COLUMN : DELETED_COLUMN),
    );
    const often = uses.length > 1 ? `, ${uses.length} times` : '';
    const deleted = includeTombstones ? ', deleted rows too' : '';
    return `TableScan: ${tableText(schema.name)} columns=[${names.join(', ')}]${often}${deleted}`;
  });
  const physical = tables.flatMap(({relation, reads}) => relationLines(tableText(relation.schema.name), reads));
  return [
    {plan_type: 'logical_plan', plan: logical.length === 0 ? 'EmptyRelation' : logical.join('\n')},
    {
      plan_type: 'physical_plan',
      plan: ['executor: analytic (DuckDB)', `because of: ${reason}`, ...physical].join('\n'),
    },
    {plan_type: 'generated_sql', plan: sql},
  ];
}

function relationLines(name: string, {hotRange, hotRowCount, segments}: RelationReads): string[] {
  const read = segments.filter(segment => segment.pruned === undefined);
  const coldRows = read.reduce((sum, {rowCount, dead}) => sum + rowCount - dead.length, 0);
  const isRange = hotRange.from !== undefined || hotRange.to !== undefined;
  return [
    `table: ${name}`,
    `  hot rows: ${hotRowCount}${isRange ? ', a key range of them' : ''}`,
    `  cold rows: ${coldRows}`,
    `  segments: ${read.length} of ${segments.length} read`,
    ...segments.map(
      ({name: file, rowCount, pruned}) =>
        `    ${file}: ${rowCount} rows${pruned === undefined ? '' : `, pruned: ${pruned}`}`,
    ),
  ];
}
