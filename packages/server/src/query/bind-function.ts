/** Functions in FROM: `generate_series` as many rows, any other function as one row of one column. */

import {fail} from '@kalamdb/protocol/errors.ts';
import {failAt, implicitly, NO_ROW, notSupportedAt} from '../expr/coerce.ts';
import {compileExpr, compileOpen} from '../expr/compile.ts';
import {castSql, checked, sqlOf} from '../expr/duck-forms.ts';
import type {ColumnScope, SqlWriter, TypedExpr} from '../expr/expr.ts';
import {FUNCTIONS} from '../expr/functions.ts';
import {BIGINT, INT, isInteger} from '../expr/numbers.ts';
import {isSteady} from '../expr/steady.ts';
import type {DataType} from '../model/datatype.ts';
import type {FromFunction} from '../parser/ast.ts';
import {type BoundFrom, columnsSource} from './bind-from.ts';
import {type Binder, quoted} from './bound.ts';

export function bindFunction(binder: Binder, item: FromFunction, scope: ColumnScope): BoundFrom {
  const {call} = item;
  const isSeries = call.name === 'GENERATE_SERIES';
  if (!isSeries && !FUNCTIONS.has(call.name))
    throw notSupportedAt(binder, call.start, `${call.name.toLowerCase()} in FROM`);
  const {type, sql} = isSeries ? series(binder, item, scope) : single(item, scope);
  const name = item.alias?.name ?? call.name.toLowerCase();
  const names = [item.columnAliases[0]?.name ?? name, item.columnAliases[1]?.name ?? 'ordinality'];
  const width = item.hasOrdinality ? 2 : 1;
  if (item.columnAliases.length > width)
    throw failAt(
      binder,
      item,
      `table "${name}" has ${width} columns available but ${item.columnAliases.length} columns specified`,
    );
  const sqlName = binder.name('s');
  const columns = [
    {name: names[0]!, type},
    {name: names[1]!, type: BIGINT},
  ];
  return {
    sources: [columnsSource(binder, name, sqlName, columns.slice(0, width))],
    sql: out => `LATERAL (${sql(out)}) AS ${quoted(sqlName)}`,
    isRecursive: false,
  };
}

interface Rows {
  readonly type: DataType;
  /** A query of the columns c0, the value, and c1, its place. */
  sql(out: SqlWriter): string;
}

function single({call}: FromFunction, scope: ColumnScope): Rows {
  const typed = compileExpr(call, scope);
  return {type: typed.type, sql: out => `SELECT ${castSql(sqlOf(typed, out), typed.type)} AS "c0", 1::BIGINT AS "c1"`};
}

function series(binder: Binder, {call}: FromFunction, scope: ColumnScope): Rows {
  if (call.args.length < 2 || call.args.length > 3)
    throw failAt(binder, call, `generate_series() takes 2 to 3 arguments, got ${call.args.length}`);
  const given = call.args.map(arg => compileOpen(arg, scope));
  const wide = given.some(arg => arg.open === undefined && arg.type.name === 'bigint');
  const type = wide ? BIGINT : INT;
  const bounds = given.map((arg, i) => {
    if (arg.open === undefined && !isInteger(arg.type))
      throw notSupportedAt(binder, call.args[i]!.start, 'generate_series over anything but integers');
    return implicitly(arg, type)!;
  });
  const isKnown = call.args.every(isSteady);
  return {type, sql: out => (isKnown ? knownSeries(bounds, type, out) : seriesPerRow(bounds, type, out))};
}

function knownSeries(bounds: readonly TypedExpr[], type: DataType, out: SqlWriter): string {
  const values = bounds.map(bound => bound.eval(NO_ROW, out.env));
  if (values.includes(null)) return `SELECT ${out.value(type, null)} AS "c0", 1::BIGINT AS "c1" WHERE FALSE`;
  const [start, stop, step = 1n] = values.map(value => BigInt(value as bigint));
  if (step === 0n) throw fail.execution('step size cannot equal zero');
  const place = `("n"::HUGEINT - ${start}) // ${step} + 1`;
  return `SELECT ${castSql('"n"', type)} AS "c0", ${castSql(place, BIGINT)} AS "c1" FROM generate_series(${start}, ${stop}, ${step}) AS "g"("n")`;
}

/** The bounds depend on what stands left of it. */
function seriesPerRow(bounds: readonly TypedExpr[], type: DataType, out: SqlWriter): string {
  const [start, stop, step = '1'] = bounds.map(bound => castSql(sqlOf(bound, out), BIGINT));
  const by = checked(step, 'v = 0', 'step size cannot equal zero');
  const place = `("n"::HUGEINT - "a") // "s" + 1`;
  const given = `SELECT ${start} AS "a", ${stop} AS "z", ${by} AS "s"`;
  const unnested = `SELECT "a", "s", unnest(generate_series("a", "z", "s")) AS "n" FROM (${given}) AS "b"`;
  return `SELECT ${castSql('"n"', type)} AS "c0", ${castSql(place, BIGINT)} AS "c1" FROM (${unnested}) AS "g"`;
}
