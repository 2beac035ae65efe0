/**
 * ON CONFLICT: what becomes of proposed rows whose key is taken.
 *
 *     ON CONFLICT [(key)] DO NOTHING
 *     ON CONFLICT [(key)] DO UPDATE SET … [WHERE …]      over two rows: the one that is there, by the table's name, and `excluded`, the proposed one
 *
 * A bare name of a column is ambiguous there, as in PostgreSQL. Only the primary key is unique, so nothing else can be meant.
 */
import {failAt, notSupportedAt} from '../expr/coerce.ts';
import {compileCondition} from '../expr/compile.ts';
import type {ColumnScope, Env, Source} from '../expr/expr.ts';
import {tableSources} from '../expr/sources.ts';
import type {Value} from '../model/datatype.ts';
import type {Row} from '../model/row.ts';
import {type Schema, TABLE_KINDS} from '../model/schema.ts';
import {toJson} from '../model/values.ts';
import type {Insert, OnConflict as OnConflictTree} from '../parser/ast.ts';
import type {OnConflict} from '../table/table.ts';
import {assigned, updated, updateTarget} from './dml.ts';
import type {PlanOptions} from './plan.ts';

const EXCLUDED = 'excluded';

export function planOnConflict(
  {table, alias, onConflict}: Insert,
  schema: Schema,
  options: PlanOptions,
): ((env: Env) => OnConflict) | undefined {
  if (onConflict === undefined) return undefined;
  const {text = '', paramTypes = []} = options;
  if (!TABLE_KINDS[schema.kind].isDurable)
    throw notSupportedAt({text}, onConflict.start, 'ON CONFLICT for STREAM tables: their rows have no unique key');
  checkTarget(onConflict, schema, text);
  if (onConflict.update === undefined) return () => 'nothing';
  const name = (alias ?? table.table).name;
  if (name === EXCLUDED) throw failAt({text}, alias ?? table, `table name "${EXCLUDED}" specified more than once`);
  const sources = [...tableSources(schema, alias?.name), excludedSource(schema)];
  return planDoUpdate(onConflict.update, schema, {sources, text, paramTypes});
}

function planDoUpdate(
  {set, where}: NonNullable<OnConflictTree['update']>,
  schema: Schema,
  scope: ColumnScope,
): (env: Env) => OnConflict {
  const seen = new Set<number>();
  const sets = set.map(({column, value}) => {
    const index = updateTarget(column, schema, {...scope, seen});
    return {index, eval: assigned(value, schema.columns[index]!, scope)};
  });
  const condition = where && compileCondition(where, scope, 'WHERE').eval;
  return env => (existing, proposed) => {
    const pair = pairOf(schema, existing, proposed);
    if (condition !== undefined && condition(pair, env) !== true) return undefined;
    return updated(existing, schema, sets, one => one.eval(pair, env));
  };
}

function checkTarget({target}: OnConflictTree, schema: Schema, text: string): void {
  if (target.length === 0) return;
  const {name} = schema.columns[schema.primaryKey]!;
  for (const column of target) {
    if (schema.columns.some(other => other.name === column.name)) continue;
    throw failAt({text}, column, `Column '${column.name}' does not exist`);
  }
  if (target.every(column => column.name === name)) return;
  throw failAt(
    {text},
    target[0]!,
    `there is no unique constraint matching the ON CONFLICT specification: of '${schema.name.table}' only the primary key '${name}' is unique`,
  );
}

/** The columns of the proposed row, behind those of the one that is there. */
function excludedSource({columns}: Schema): Source {
  return {
    name: EXCLUDED,
    namespace: undefined,
    schema: undefined,
    find: name => {
      const index = columns.findIndex(column => column.name === name);
      return index < 0 ? undefined : {type: columns[index]!.type, index: columns.length + index};
    },
    names: () => columns.map(column => column.name),
  };
}

function pairOf({columns}: Schema, existing: Row, proposed: readonly Value[]): Row {
  const {length} = columns;
  return {
    seq: existing.seq,
    isTombstone: existing.isTombstone,
    value: column => (column < length ? existing.value(column) : proposed[column - length]!),
    json: column =>
      column < length ? existing.json(column) : toJson(columns[column - length]!.type, proposed[column - length]!),
  };
}
