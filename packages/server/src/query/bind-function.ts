/**
 * Functions in FROM: `generate_series` and those of `ROW_MAKERS` as many rows, any other function as one row of one column.
 *
 * Elements of JSON come as one text, parted by a character that no JSON text can hold, since DuckDB takes no lists from our own code.
 */

import {fail} from '@kalamdb/protocol/errors.ts';
import {failAt, implicitly, NO_ROW, notSupportedAt} from '../expr/coerce.ts';
import {compileExpr, compileOpen} from '../expr/compile.ts';
import {castSql, checked, sqlOf} from '../expr/duck-forms.ts';
import type {ColumnScope, Source, SqlWriter, TypedExpr} from '../expr/expr.ts';
import {FUNCTIONS} from '../expr/functions.ts';
import {JSON_TYPE} from '../expr/json.ts';
import {BIGINT, INT, isInteger, TEXT} from '../expr/numbers.ts';
import {intervalOf} from '../expr/spans.ts';
import {isSteady} from '../expr/steady.ts';
import type {DataType} from '../model/datatype.ts';
import type {Call, Expr, FromFunction, Node, TypeRef} from '../parser/ast.ts';
import {type BoundFrom, columnsSource} from './bind-from.ts';
import {type Binder, quoted} from './bound.ts';

export function bindFunction(binder: Binder, item: FromFunction, scope: ColumnScope): BoundFrom {
  const {call} = item;
  const name = item.alias?.name ?? call.name.toLowerCase();
  const {columns: made, sql} = rowsOf(binder, item, name, scope);
  const all = item.hasOrdinality ? [...made, {name: 'ordinality', type: BIGINT}] : made;
  const width = all.length;
  if (item.columnAliases.length > width)
    throw failAt(
      binder,
      item,
      `table "${name}" has ${width} columns available but ${item.columnAliases.length} columns specified`,
    );
  const sqlName = binder.name('s');
  const columns = all.map((column, i) => ({...column, name: item.columnAliases[i]?.name ?? column.name}));
  return {
    sources: [columnsSource(binder, name, sqlName, columns)],
    sql: out => `LATERAL (${sql(out)}) AS ${quoted(sqlName)}`,
    isRecursive: false,
  };
}

interface Rows {
  readonly columns: readonly {readonly name: string; readonly type: DataType}[];
  /** A query of the columns c0, c1 … and then of the place of the row, from 1. */
  sql(out: SqlWriter): string;
}

function rowsOf(binder: Binder, item: FromFunction, name: string, scope: ColumnScope): Rows {
  const {call} = item;
  const step = call.args[2];
  if (call.name === 'GENERATE_SERIES' && step !== undefined && intervalOf(step) !== undefined)
    return made(MOMENTS, call, name, scope);
  if (call.name === 'GENERATE_SERIES') return series(binder, item, name, scope);
  const maker = ROW_MAKERS.get(call.name);
  if (maker !== undefined) return made(maker, call, name, scope);
  if (FUNCTIONS.has(call.name)) return single(item, name, scope);
  throw notSupportedAt(binder, call.start, `${call.name.toLowerCase()} in FROM`);
}

interface RowMaker {
  readonly doc: string;
  /** Gives an array of what the rows are made of, from the arguments of the call. */
  readonly array: (call: Call) => Call;
  /** Undefined: the name of the function, or its alias. */
  readonly columns: readonly (string | undefined)[];
  /** A column of the element `e`. */
  readonly values: readonly ((e: Expr) => Expr)[];
}

const JSON_MAKERS: readonly (readonly [name: string, maker: RowMaker])[] = [
  ['ARRAY_ELEMENTS', maker(undefined, {value: e => e}, 'The elements of an array, as JSON.')],
  ['ARRAY_ELEMENTS_TEXT', maker(undefined, {value: textOf}, 'The elements of an array, as texts.')],
  [
    'EACH',
    maker(
      'JSON_ENTRIES',
      {key: entry('JSON_AS_TEXT', '0'), value: entry('JSON_GET_JSON', '1')},
      'The members of an object, values as JSON.',
    ),
  ],
  [
    'EACH_TEXT',
    maker(
      'JSON_ENTRIES',
      {key: entry('JSON_AS_TEXT', '0'), value: entry('JSON_AS_TEXT', '1')},
      'The members of an object, values as texts.',
    ),
  ],
  ['OBJECT_KEYS', unnamed(maker('JSON_OBJECT_KEYS', {value: textOf}, 'The keys of an object.'))],
];

/** A call of these names, in FROM, is as many rows. */
export const ROW_MAKERS: ReadonlyMap<string, RowMaker> = new Map([
  ...['JSON', 'JSONB'].flatMap(kind => JSON_MAKERS.map(([name, made]) => [`${kind}_${name}`, made] as const)),
  ['UNNEST', unnamed(maker(undefined, {value: e => e}, 'The elements of an array, as JSON.'))],
  ['STRING_TO_TABLE', unnamed(maker('STRING_TO_ARRAY', {value: textOf}, 'The parts of a text between separators.'))],
  [
    'REGEXP_SPLIT_TO_TABLE',
    unnamed(maker('REGEXP_SPLIT_TO_ARRAY', {value: textOf}, 'The parts of a text between matches.')),
  ],
]);

/** `generate_series(from, to, INTERVAL '1 day')` */
const MOMENTS = unnamed(
  maker(
    'MOMENT_SERIES',
    {value: e => ({...e, kind: 'cast', operand: textOf(e), type: timestampType(e), isTry: false})},
    '',
  ),
);

function timestampType({start, end}: Node): TypeRef {
  return {start, end, name: 'TIMESTAMP', args: []};
}

function maker(array: string | undefined, values: Readonly<Record<string, (e: Expr) => Expr>>, doc: string): RowMaker {
  return {
    doc,
    array: call => (array === undefined ? call : callOf(call, array, call.args)),
    columns: Object.keys(values),
    values: Object.values(values),
  };
}

function unnamed(made: RowMaker): RowMaker {
  return {...made, columns: [undefined]};
}

function textOf(e: Expr): Expr {
  return callOf(e, 'JSON_AS_TEXT', [e]);
}

function entry(name: string, place: string): (e: Expr) => Expr {
  return e => callOf(e, name, [e, {kind: 'number', start: e.start, end: e.end, text: place}]);
}

function callOf({start, end}: Node, name: string, args: readonly Expr[]): Call {
  return {kind: 'call', start, end, name, args, isStar: false, isDistinct: false, orderBy: [], filter: undefined};
}

function made({array, columns, values}: RowMaker, call: Call, name: string, scope: ColumnScope): Rows {
  const given = array(call);
  const joined = compileExpr(callOf(call, 'JSON_JOINED', given === call ? call.args : [given]), scope);
  const element: Source = {
    ...{name: undefined, namespace: undefined, schema: undefined, names: () => ['e']},
    find: () => ({type: JSON_TYPE, index: 0, sql: () => '"e"'}),
  };
  const {start, end} = call;
  const e: Expr = {
    kind: 'column',
    start,
    end,
    qualifier: [],
    column: {start, end, name: 'e', text: 'e', isQuoted: false},
  };
  const inside: ColumnScope = {sources: [element], text: scope.text, isForDuck: true};
  const typed = values.map(value => compileExpr(value(e), inside));
  return {
    columns: typed.map(({type}, i) => ({name: columns[i] ?? name, type})),
    sql: out => {
      const list = typed.map((one, i) => `${castSql(sqlOf(one, out), one.type)} AS "c${i}"`).join(', ');
      const split = `SELECT string_split(${castSql(sqlOf(joined, out), TEXT)}, chr(31)) AS "l"`;
      const unnested = `SELECT unnest("l") AS "e", generate_subscripts("l", 1)::BIGINT AS "n" FROM (${split}) AS "b"`;
      return `SELECT ${list}, "n" AS "c${typed.length}" FROM (${unnested}) AS "g"`;
    },
  };
}

function single({call}: FromFunction, name: string, scope: ColumnScope): Rows {
  const typed = compileExpr(call, scope);
  return {
    columns: [{name, type: typed.type}],
    sql: out => `SELECT ${castSql(sqlOf(typed, out), typed.type)} AS "c0", 1::BIGINT AS "c1"`,
  };
}

function series(binder: Binder, {call}: FromFunction, name: string, scope: ColumnScope): Rows {
  if (call.args.length < 2 || call.args.length > 3)
    throw failAt(binder, call, `generate_series() takes 2 to 3 arguments, got ${call.args.length}`);
  const given = call.args.map(arg => compileOpen(arg, scope));
  const wide = given.some(arg => arg.open === undefined && arg.type.name === 'bigint');
  const type = wide ? BIGINT : INT;
  const bounds = given.map((arg, i) => {
    if (arg.open === undefined && !isInteger(arg.type))
      throw notSupportedAt(
        binder,
        call.args[i]!.start,
        'generate_series over anything but integers, and moments with an INTERVAL as their step',
      );
    return implicitly(arg, type)!;
  });
  const isKnown = call.args.every(isSteady);
  return {
    columns: [{name, type}],
    sql: out => (isKnown ? knownSeries(bounds, type, out) : seriesPerRow(bounds, type, out)),
  };
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
