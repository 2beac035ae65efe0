/**
 * Explain: what a query would do, and, when it is run for it, what it did.
 *
 * Law: a query that is analysed runs as it would alone, with its limits and its rights; only its rows are not answered.
 */
import type {Env} from '../expr/expr.ts';
import type {Schema} from '../model/schema.ts';
import type {Query} from '../parser/ast.ts';
import {openTables, profileAnalytic} from '../query/analytic.ts';
import {isLargeScan, type RunOptions, runSelect} from '../query/direct.ts';
import {type ExplainLine, explainAnalytic, explainText} from '../query/explain.ts';
import type {SelectPlan} from '../query/plan.ts';
import {operatorLines} from '../query/profile.ts';
import {DuckSqlWriter} from '../query/sql-writer.ts';
import type {DirectSelect} from '../query/wider.ts';
import type {StatementContext} from './define.ts';
import type {Folded} from './folded.ts';
import {directPlan, isFolded, openTable, optionsOf, widePlan, widerReason, withOpen} from './read.ts';

const MANY_ROWS = 'many flushed rows';

/** What the query would do. */
export async function explainQuery(tree: Query, context: StatementContext): Promise<ExplainLine[]> {
  return (await explainFolded(tree, context)) ?? explainAlone(tree, context);
}

/** Its queries are asked for it: on their answers depends what is read. */
async function explainFolded(tree: Query, context: StatementContext): Promise<ExplainLine[] | undefined> {
  if (!isFolded(tree, context)) return undefined;
  return withOpen(
    tree,
    context,
    schema => openTable(context, schema),
    async folded => (isLarge(folded, context) ? undefined : foldedLines(folded)),
  );
}

function isLarge({plan, snapshot, env, schemas}: Folded, context: StatementContext): boolean {
  return snapshot !== undefined && isLargeScan(plan, snapshot, env, optionsOf(context, schemas));
}

function foldedLines({plan, snapshot, parts, env}: Folded): ExplainLine[] {
  const inner = parts.flatMap((part, i) =>
    explainText(part.plan, part.snapshot, env).map(line => ({
      ...line,
      plan: `answered first: query ${i + 1}\n${line.plan}`,
    })),
  );
  return [...inner, ...explainText(plan, snapshot, env)];
}

function explainAlone(tree: Query, context: StatementContext): ExplainLine[] {
  const reason = widerReason(tree, context);
  if (reason !== undefined) return explainWide(tree, context, reason);
  const {schema, plan} = directPlan(tree as DirectSelect, context);
  const env = envOf(context);
  const snapshot = schema === undefined ? undefined : openTable(context, schema);
  try {
    const isTooLarge =
      snapshot !== undefined && isLargeScan(plan, snapshot, env, optionsOf(context, [snapshot.schema]));
    return isTooLarge ? explainWide(tree, context, MANY_ROWS) : explainText(plan, snapshot, env);
  } finally {
    snapshot?.close();
  }
}

function explainWide(tree: Query, context: StatementContext, reason: string): ExplainLine[] {
  const env = envOf(context);
  const plan = widePlan(tree, context);
  const out = new DuckSqlWriter(env);
  const sql = plan.query.sql(out, plan.types);
  const {tables, close} = openTables(plan, env, {open: schema => openTable(context, schema)});
  close();
  return explainAnalytic(tables, reason, sql);
}

/** The same with what happened: rows at each step, and the time of planning and of running. */
export async function analyzeQuery(tree: Query, context: StatementContext): Promise<ExplainLine[]> {
  return (await analyzeFolded(tree, context)) ?? analyzeAlone(tree, context);
}

async function analyzeFolded(tree: Query, context: StatementContext): Promise<ExplainLine[] | undefined> {
  if (!isFolded(tree, context)) return undefined;
  const {clock} = context.services;
  const startMs = clock.monotonicMs();
  return withOpen(
    tree,
    context,
    schema => openTable(context, schema),
    async folded => {
      if (isLarge(folded, context)) return undefined;
      const happened = await analyzed(folded, startMs, optionsOf(context, folded.schemas), context);
      return happened && [...foldedLines(folded), happened];
    },
  );
}

/** What happened when it ran; undefined: it met too many rows. */
async function analyzed(
  {plan, snapshot, env}: Pick<Folded, 'plan' | 'snapshot' | 'env'>,
  startMs: number,
  options: RunOptions,
  {services: {clock}}: StatementContext,
): Promise<ExplainLine | undefined> {
  const plannedMs = clock.monotonicMs();
  const {counted, counts} = counting(plan);
  const result = await runSelect(counted, snapshot, env, options);
  if (result.isUnfinished === true) return undefined;
  const steps = snapshot === undefined ? [] : [`rows read: ${counts.read}`, `rows kept by WHERE: ${counts.kept}`];
  if (plan.group !== undefined) steps.push(`groups kept by HAVING: ${counts.groups}`);
  const times = timesText(plannedMs - startMs, clock.monotonicMs() - plannedMs);
  return analysis([...steps, answerText({...result, rowCount: result.rows.length}), ...times]);
}

async function analyzeAlone(tree: Query, context: StatementContext): Promise<ExplainLine[]> {
  const {clock} = context.services;
  const startMs = clock.monotonicMs();
  const reason = widerReason(tree, context);
  if (reason !== undefined) return await analyzeWide(tree, context, reason, startMs);
  const {schema, plan} = directPlan(tree as DirectSelect, context);
  const env = envOf(context);
  const options = optionsOf(context, schema === undefined ? [] : [schema]);
  const snapshot = schema === undefined ? undefined : openTable(context, schema);
  try {
    const isTooLarge = snapshot !== undefined && isLargeScan(plan, snapshot, env, options);
    const happened = isTooLarge ? undefined : await analyzed({plan, snapshot, env}, startMs, options, context);
    if (happened === undefined) return await analyzeWide(tree, context, MANY_ROWS, startMs);
    return [...explainText(plan, snapshot, env), happened];
  } finally {
    snapshot?.close();
  }
}

async function analyzeWide(
  tree: Query,
  context: StatementContext,
  reason: string,
  startMs: number,
): Promise<ExplainLine[]> {
  const {clock, duck, fileOf} = context.services;
  const lines = explainWide(tree, context, reason);
  const plan = widePlan(tree, context);
  const plannedMs = clock.monotonicMs();
  const open = (schema: Schema) => openTable(context, schema);
  const options = optionsOf(
    context,
    plan.uses.map(use => use.schema),
  );
  const profile = await profileAnalytic(plan, envOf(context), {duck, fileOf, open}, options);
  const times = timesText(plannedMs - startMs, clock.monotonicMs() - plannedMs);
  const operators = ['operators, with the time of all threads:', ...operatorLines(profile.operators)];
  return [...lines, analysis([answerText(profile), ...times, ...operators])];
}

/** The plan with its WHERE and HAVING counting what they see. */
function counting(plan: SelectPlan): {counted: SelectPlan; counts: {read: number; kept: number; groups: number}} {
  const counts = {read: 0, kept: 0, groups: 0};
  const {where, group} = plan;
  const counted: SelectPlan = {
    ...plan,
    where: (row, env) => {
      counts.read++;
      const answer = where === undefined ? true : where(row, env);
      if (answer === true) counts.kept++;
      return answer;
    },
  };
  if (group === undefined) return {counted, counts};
  const {having} = group;
  const countedHaving: NonNullable<typeof having> = (row, env) => {
    const answer = having === undefined ? true : having(row, env);
    if (answer === true) counts.groups++;
    return answer;
  };
  return {counted: {...counted, group: {...group, having: countedHaving}}, counts};
}

function envOf(context: StatementContext): Env {
  return context.services.newEnv(context);
}

function answerText({rowCount, isTruncated}: {rowCount: number; isTruncated: boolean}): string {
  return `rows answered: ${rowCount}${isTruncated ? ', cut by the limit' : ''}`;
}

function timesText(planMs: number, runMs: number): string[] {
  return [`time to plan: ${planMs.toFixed(3)} ms`, `time to run: ${runMs.toFixed(3)} ms`];
}

function analysis(lines: readonly string[]): ExplainLine {
  return {plan_type: 'analysis', plan: lines.join('\n')};
}
