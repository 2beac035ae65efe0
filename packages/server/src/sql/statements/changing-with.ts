/**
 * WITH whose parts change rows: its parts run one after the other, over one moment.
 *
 *     a transaction of its own, or the one that is open ─ frozen ─ each change ─ its RETURNING becomes a table ─ … ─ the last part ─ commit: one batch
 *
 * Laws, as in PostgreSQL: every part reads what was there before the statement, whatever the others write; what they tell each other goes through
 * RETURNING alone. Each change is made once and as a whole, whether or not its name is used. Two parts cannot write one row.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {failAt, notSupportedAt} from '../../expr/coerce.ts';
import {scopeId} from '../../model/names.ts';
import {TABLE_KINDS} from '../../model/schema.ts';
import {typeOfJson} from '../../model/type-table.ts';
import {fromJsonArray} from '../../model/values.ts';
import type {ChangingWith, Delete, Insert, Query, Update, WithChange} from '../../parser/ast.ts';
import {parseChangingWith} from '../../parser/changing-with.ts';
import {defineStatement, resolveName, type StatementContext, type StatementResult} from '../define.ts';
import {type GivenTable, givenTable} from '../given.ts';
import {findTable, runQuery} from '../read.ts';
import {placesOf} from '../request-transaction.ts';
import {inTurn} from '../turns.ts';
import {runChange} from './dml.ts';

/** So often it is run because others wrote the same rows first. */
const TRIES_MAX = 5;

export const changingWith = defineStatement<ChangingWith>({
  name: 'WITH',
  heads: [],
  access: 'any',
  takesParams: true,
  runsInTransaction: true,
  doc: {
    topic: 'Rows',
    syntax: [
      'WITH name [(column, …)] AS ({INSERT | UPDATE | DELETE} … [RETURNING …]), name AS (query), …',
      '    {query | INSERT … | UPDATE … | DELETE …}',
    ],
    about:
      'Changes rows of several tables at once, all or nothing: what RETURNING gives is a table for the parts behind it. All parts read what was there before the statement, and no row is written by two of them.',
    example:
      'WITH old AS (DELETE FROM shop.items WHERE id = 2 RETURNING id) INSERT INTO shop.orders (item, pieces) SELECT id, 1 FROM old',
  },
  parse: cursor => parseChangingWith(cursor),
  async run(tree, context) {
    const open = context.transaction.tables;
    if (open !== undefined) return runParts(tree, {...context, tables: open.frozen()});
    const written = writtenPlaces(tree, context);
    return inTurn(context.services.latches, written, {tries: TRIES_MAX, isConflict}, () => runAlone(tree, context));
  },
});

function isConflict(error: unknown): boolean {
  return error instanceof DbError && error.code === 'WRITE_CONFLICT';
}

/** By their ids; those that are not there, or not to be written, are met when they are. */
function writtenPlaces(tree: ChangingWith, context: StatementContext): string[] {
  const {changes, last} = tree;
  const written = changes.map(({change}) => change.table);
  if (!isQuery(last)) written.push(last.table);
  const schemas = new Set(written.map(table => context.services.catalog.find(resolveName(context, table))));
  return placesOf(context, tree).flatMap(({scope, schema}) => (schemas.has(schema) ? [scopeId(scope)] : []));
}

async function runAlone(tree: ChangingWith, context: StatementContext): Promise<StatementResult> {
  const {services} = context;
  const transaction = services.begin(placesOf(context, tree), services.newEnv(context).uuidV7());
  try {
    const result = await runParts(tree, {...context, tables: transaction.frozen()});
    await transaction.commit(context.signal);
    return result;
  } finally {
    transaction.end();
  }
}

async function runParts({changes, last}: ChangingWith, context: StatementContext): Promise<StatementResult> {
  const given = new Map<string, GivenTable>();
  const inside = {...context, given};
  for (const part of changes) {
    const result = await changePart(part.change, inside);
    given.set(part.name.name, tableOf(part, given.size, result, inside));
  }
  return isQuery(last) ? runQuery(last, inside) : changePart(last, inside);
}

function isQuery(last: ChangingWith['last']): last is Query {
  return last.kind === 'select' || last.kind === 'set' || last.kind === 'values';
}

function changePart(
  change: Insert | Update | Delete,
  context: StatementContext,
): StatementResult | Promise<StatementResult> {
  const {namespace, table} = change.table;
  if (namespace === undefined && context.given?.has(table.name))
    throw failAt(context, table, `relation "${table.name}" cannot be the target of a modifying statement`);
  if (!TABLE_KINDS[findTable(context, change.table).kind].isDurable)
    throw notSupportedAt(context, change.table.start, 'STREAM tables beside changes inside WITH');
  return runChange(change, context);
}

function tableOf(
  part: WithChange,
  index: number,
  {columns, rows = []}: StatementResult,
  context: StatementContext,
): GivenTable {
  const {name} = part.name;
  if (columns === undefined) return givenTable(name, index, [], undefined);
  if (part.columns.length > columns.length) {
    const counts = `${columns.length} columns available but ${part.columns.length} columns specified`;
    throw failAt(context, part, `WITH query "${name}" has ${counts}`);
  }
  const types = columns.map(column => typeOfJson(column.data_type));
  const named = types.map((type, i) => ({name: (part.columns[i]?.name ?? columns[i]!.name).toLowerCase(), type}));
  const values = rows.map(row => fromJsonArray(types, row));
  return givenTable(name, index, named, values);
}
