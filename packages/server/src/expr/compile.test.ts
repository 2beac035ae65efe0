import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import type {Incarnation} from '../model/names.ts';
import type {Row} from '../model/row.ts';
import type {Schema} from '../model/schema.ts';
import {sqlName} from '../model/type-table.ts';
import {toJson, valueText} from '../model/values.ts';
import {parseSelectText} from '../parser/parser.ts';
import {NO_ENV} from './coerce.ts';
import {compileExpr} from './compile.ts';
import type {ColumnScope, Env, Param} from './expr.ts';
import {tableSources} from './sources.ts';

const COLUMNS: [name: string, type: DataType, value: Value][] = [
  ['id', {name: 'int'}, 7],
  ['small', {name: 'smallint'}, 3],
  ['big', {name: 'bigint'}, 9007199254740993n],
  ['price', {name: 'decimal', precision: 10, scale: 2}, 1250n],
  ['ratio', {name: 'double'}, 0.5],
  ['flt', {name: 'float'}, Math.fround(0.1)],
  ['name', {name: 'text'}, 'Kalâm'],
  ['flag', {name: 'boolean'}, true],
  ['nothing', {name: 'int'}, null],
  ['empty', {name: 'text'}, null],
  ['doc', {name: 'json'}, '{"a":{"b":[10,"x",null]},"s":"t","n":1.5}'],
  ['day', {name: 'date'}, 19_723],
  ['at', {name: 'timestamp'}, 1_704_164_645_123_456n],
];

const SCHEMA: Schema = {
  incarnation: 64 as Incarnation,
  name: {namespace: 'app', table: 't'},
  kind: 'user',
  version: 1,
  columns: COLUMNS.map(([name, type], i) => ({
    id: i + 1,
    name,
    type,
    isNullable: i > 0,
    default: {kind: 'none'},
    initial: null,
  })),
  primaryKey: 0,
  options: {storageId: 'local', flushPolicy: null, accessLevel: null, deletedRetentionHours: 0, ttlSeconds: null},
  createdAt: 0n,
  updatedAt: 0n,
};

const ROW: Row = {
  seq: 42n,
  isTombstone: false,
  value: i => COLUMNS[i]![2],
  json: i => toJson(COLUMNS[i]![1], COLUMNS[i]![2]),
};

/** The value as SQL text with its type, as a reader of PostgreSQL would write it. */
function evaluate(sql: string, params: readonly Param[] = []): string {
  const text = `SELECT ${sql} FROM t`;
  const item = parseSelectText(text).items[0]!;
  assert(item.kind === 'expr');
  const scope: ColumnScope = {sources: tableSources(SCHEMA, undefined), text};
  const env: Env = {...NO_ENV, params, userId: 'u1', role: 'dba', nowMicros: 1_704_164_645_000_000n};
  const typed = compileExpr(item.expr, scope);
  return valueText(typed.type, typed.eval(ROW, env));
}

function typeOf(sql: string): string {
  const item = parseSelectText(`SELECT ${sql} FROM t`).items[0]!;
  assert(item.kind === 'expr');
  return sqlName(compileExpr(item.expr, {sources: tableSources(SCHEMA, undefined), text: ''}).type);
}

const values: [why: string, sql: string, expected: string, params?: Param[]][] = [
  ['integer division truncates toward zero', '-7 / 2', '-3'],
  ['the remainder has the sign of the dividend', '-7 % 3', '-1'],
  ['multiplication binds before addition', '1 + 2 * 3 - 4', '3'],
  ['left-nested chains keep their order', '100 - 10 - 5 - id', '78'],
  ['a chain mixes types step by step', '1 + 2 + price + 0.125', '15.625'],
  ['decimal addition is exact', '0.1 + 0.2', '0.3'],
  ['decimal product adds scales', 'price * 0.5', '6.250'],
  ['decimal quotient keeps 16 digits, rounded', '1.0 / 3', '0.3333333333333333'],
  ['bigint is exact beyond 2^53', 'big + 1', '9007199254740994'],
  ['int and bigint meet as bigint', 'id + big', '9007199254741000'],
  ['a double makes the result double', 'ratio + 1', '1.5'],
  ['least bigint is a literal', '-9223372036854775808', '-9223372036854775808'],
  ['unary minus of a column', '-id', '-7'],
  ['date plus days', "DATE '2024-01-01' + 31", '2024-02-01'],
  ['date minus date is days', "DATE '2024-03-01' - DATE '2024-02-01'", '29'],
  ['an int is above a fraction below it', 'id > 6.5', 'true'],
  ['an int never equals a fraction', 'id = 7.5', 'false'],
  ['a fraction is above its floor', 'id < 7.5 AND 7.5 > id AND NOT id >= 7.5', 'true'],
  ['negative fractions floor downwards', '-3 < -2.5 AND small > -2.5', 'true'],
  ['a literal beyond the column type still compares', 'id < 99999999999', 'true'],
  ['decimal equals literal of other scale', 'price = 12.5', 'true'],
  ['bigint compares exactly', 'big = 9007199254740992', 'false'],
  ['a float column equals its own literal', 'flt = 0.1', 'true'],
  ['a string literal takes the number type', "id = '7'", 'true'],
  ['a string literal takes the date type', "day = '2024-01-01'", 'true'],
  ['date meets timestamp', 'day < at', 'true'],
  ['text compares by bytes, capitals first', "'Z' < 'a'", 'true'],
  ['text beyond the BMP sorts above U+FFFD', "'\u{1F600}' > '\uFFFD'", 'true'],
  ['NULL = NULL is unknown', 'nothing = nothing', 'NULL'],
  ['false AND unknown is false', 'false AND nothing = 1', 'false'],
  ['true AND unknown is unknown', 'flag AND nothing = 1', 'NULL'],
  ['unknown OR true is true', 'nothing = 1 OR flag', 'true'],
  ['NOT unknown is unknown', 'NOT (nothing = 1)', 'NULL'],
  ['IS NULL', 'nothing IS NULL AND id IS NOT NULL', 'true'],
  ['IS NOT TRUE takes unknown', '(nothing = 1) IS NOT TRUE', 'true'],
  ['IS DISTINCT FROM knows NULL', 'nothing IS DISTINCT FROM 1', 'true'],
  ['NULL is not distinct from NULL', 'nothing IS NOT DISTINCT FROM NULL', 'true'],
  ['IN finds', 'id IN (1, 7)', 'true'],
  ['IN with NULL and no match is unknown', 'id IN (1, NULL)', 'NULL'],
  ['NOT IN with NULL and no match is unknown', 'id NOT IN (1, NULL)', 'NULL'],
  ['a long IN list is a set', 'id IN (1,2,3,4,5,6,7,8,9,10)', 'true'],
  ['a long list with a fraction does not round', 'id IN (1,2,3,4,5,6,7.5,8,9,10)', 'false'],
  ['a long list of strings takes the column type', "id IN ('1','2','3','4','5','6','07','8','9')", 'true'],
  ['a long list with NULL and no match is unknown', 'id IN (1,2,3,4,5,6,NULL,8,9,10)', 'NULL'],
  ['a decimal column and a long list of other scales', 'price IN (1,2,3,4,5,6,12.5,8,9)', 'true'],
  ['BETWEEN is inclusive', 'id BETWEEN 7 AND 7', 'true'],
  ['NOT BETWEEN is decided by one side', 'id NOT BETWEEN 8 AND NULL', 'true'],
  ['LIKE with both wildcards', "name LIKE 'K_l%m'", 'true'],
  ['LIKE is about the whole text', "name LIKE 'Kal'", 'false'],
  ['LIKE escapes with a backslash', "'50%' LIKE '50\\%'", 'true'],
  ['LIKE with its own escape', "'a_b' LIKE 'a!_b' ESCAPE '!'", 'true'],
  ['first and last piece may not overlap', "'aba' LIKE 'ab%ba'", 'false'],
  ['middle pieces take the leftmost place', "'xaxbxc' LIKE '%a%b%c'", 'true'],
  ['_ is one code point', "'\u{1F600}' LIKE '_'", 'true'],
  ['ILIKE ignores case', "name ILIKE 'kALÂM'", 'true'],
  ['NULL pattern is unknown', 'name LIKE empty', 'NULL'],
  ['CASE takes the first true branch', "CASE WHEN nothing = 1 THEN 'a' WHEN id = 7 THEN 'b' ELSE 'c' END", 'b'],
  ['CASE without ELSE is NULL', 'CASE id WHEN 1 THEN 2 END', 'NULL'],
  ['CASE branches widen', 'CASE WHEN flag THEN 1 ELSE 2.5 END', '1.0'],
  ['CASE does not evaluate later branches', 'CASE WHEN flag THEN 1 ELSE id / (id - 7) END', '1'],
  ['COALESCE takes the first value', 'COALESCE(nothing, NULL, id)', '7'],
  ['NULLIF of equals', 'NULLIF(id, 7)', 'NULL'],
  ['GREATEST leaves NULL out', 'GREATEST(1, nothing, id)', '7'],
  ['LEAST', 'LEAST(small, id, 2.5)', '2.5'],
  ['CAST to text', 'CAST(price AS TEXT)', '12.50'],
  [':: rounds a decimal', '12.5::INT', '13'],
  ['TRY_CAST gives NULL', "TRY_CAST('x' AS INT)", 'NULL'],
  ['|| turns numbers to text', "'n' || id || '-' || price", 'n7-12.50'],
  ['|| with NULL is NULL', "'a' || empty", 'NULL'],
  ['CONCAT leaves NULL out', "CONCAT('a', empty, 1)", 'a1'],
  ['LENGTH counts code points', "LENGTH('\u{1F600}â')", '2'],
  ['SUBSTR from before the start', "SUBSTR('hello', 0, 3)", 'he'],
  ['SUBSTRING FROM FOR', "SUBSTRING('hello' FROM 2 FOR 3)", 'ell'],
  ['TRIM of given characters', "TRIM(BOTH 'x' FROM 'xxaxx')", 'a'],
  ['POSITION counts from 1', "POSITION('l' IN 'hello')", '3'],
  ['LPAD cuts what is too long', "LPAD('hello', 3)", 'hel'],
  ['RPAD fills', "RPAD('a', 4, 'xy')", 'axyx'],
  ['SPLIT_PART from the end', "SPLIT_PART('a,b,c', ',', -1)", 'c'],
  ['MD5', "MD5('a')", '0cc175b9c0f1b6a831c399e269772661'],
  ['ROUND of decimals goes away from zero', 'ROUND(2.5) - ROUND(-2.5)', '6'],
  ['ROUND to places', 'ROUND(1.2345, 2)', '1.23'],
  ['ROUND of an integer to tens', 'ROUND(155, -1)', '160'],
  ['ROUND of a double is half to even', 'ROUND(ratio)', '0'],
  ['CEIL and FLOOR of negative decimals', 'CEIL(-1.5) * 10 + FLOOR(-1.5)', '-12'],
  ['MOD', 'MOD(-7, 3)', '-1'],
  ['POWER', 'POWER(2, 10)', '1024'],
  ['ABS keeps the type', 'ABS(-1.50)', '1.50'],
  ['DATE_TRUNC month', "DATE_TRUNC('month', at)", '2024-01-01 00:00:00'],
  ['DATE_TRUNC week is Monday', "DATE_TRUNC('week', TIMESTAMP '2024-01-07 12:00:00')", '2024-01-01 00:00:00'],
  [
    'DATE_TRUNC before the epoch goes down',
    "DATE_TRUNC('day', TIMESTAMP '1969-12-31 23:00:00')",
    '1969-12-31 00:00:00',
  ],
  ['EXTRACT seconds with fraction', 'EXTRACT(SECOND FROM at)', '5.123456'],
  ['EXTRACT dow of Tuesday', 'EXTRACT(DOW FROM at)', '2'],
  ['ISO week of the first days of a year', "EXTRACT(WEEK FROM DATE '2021-01-01')", '53'],
  ['TO_TIMESTAMP', 'TO_TIMESTAMP(0)', '1970-01-01 00:00:00'],
  ['NOW is the statement time', 'NOW() = CURRENT_TIMESTAMP', 'true'],
  ['CURRENT_USER', 'CURRENT_USER()', 'u1'],
  ['-> gives JSON and chains', "doc->'a'->'b'->1", '"x"'],
  ['->> gives text', "doc->>'s'", 't'],
  ['-> binds before =', "doc->>'s' = 't'", 'true'],
  ['JSON null as text is NULL', "doc->'a'->'b'->>2", 'NULL'],
  ['a missing path is NULL', "doc->'zz'->'y'", 'NULL'],
  ['? asks for a key', "doc ? 'a'", 'true'],
  ['json_get_str by path', "JSON_GET_STR(doc, 'a', 'b', 1)", 'x'],
  ['json_length', "JSON_LENGTH(doc, 'a', 'b')", '3'],
  ['system columns are visible', '_seq > 41 AND NOT _deleted', 'true'],
  ['a parameter takes the type of the column', 'id = $1', 'true', ['7']],
  ['a fractional parameter compares exactly', 'id > $1 AND id < $2', 'true', [{number: '6.5'}, {number: '7.5'}]],
  ['a parameter out of the column range compares', 'id < $1', 'true', [{number: '99999999999'}]],
  ['a bigint parameter keeps its digits', 'big = $1', 'false', [{number: '9007199254740992'}]],
  ['a parameter in arithmetic', 'id + $1', '10', [{number: '3'}]],
  ['a null parameter is unknown', 'id = $1', 'NULL', [null]],
  ['parameters in IN', 'id IN ($1, $2)', 'true', [{number: '1'}, {number: '7'}]],
  ['a parameter before IN', '$1 IN (1, 7)', 'true', [{number: '7'}]],
  ['a parameter as pattern', 'name LIKE $1', 'true', ['K%']],
  ['a branch that is not taken may fail', 'CASE WHEN TRUE THEN 1 ELSE 1 / 0 END', '1'],
  ['a branch that is not taken for this row may fail', 'CASE WHEN id = 7 THEN id ELSE id / 0 END', '7'],
  ['what follows the first value may fail', 'COALESCE(id, 1 / 0)', '7'],
  ['a term behind a decisive one may fail', 'TRUE OR 1 / 0 = 1', 'true'],
  ['EXTRACT of ages', 'EXTRACT(MILLENNIUM FROM at) + EXTRACT(CENTURY FROM at) + EXTRACT(DECADE FROM at)', '226'],
  ['year 0 is of the century before the first', "EXTRACT(CENTURY FROM DATE '0000-01-01')", '-1'],
  ['numbers are numbers in JSON', 'JSON_FROM_SCALAR(price)', '12.50'],
];

for (const [why, sql, expected, params] of values) {
  test(`expression: ${why}: ${sql}`, () => assert.equal(evaluate(sql, params), expected));
}

const failures: [why: string, sql: string, expected: RegExp, params?: Param[]][] = [
  ['int overflow', 'id + 2147483647', /integer out of range/],
  ['int product overflow', '2147483647 * 2', /integer out of range/],
  ['smallint negation', '(-32768)::SMALLINT * small', /smallint out of range/],
  ['bigint overflow', 'big * big', /bigint out of range/],
  ['division by zero', 'id / 0', /division by zero/],
  ['double division by zero', 'ratio / 0', /division by zero/],
  ['remainder by zero', '1 % 0', /division by zero/],
  ['unknown column with a near one', 'nmae = 1', /No field named nmae\. Did you mean name\?/],
  ['wrong qualifier', 'x.id', /No field named x\.id/],
  ['types that do not compare', 'flag = id', /cannot compare BOOLEAN with INT/],
  ['no arithmetic on text', 'name + 1', /operator does not exist: TEXT \+ INT/],
  ['conditions are boolean', 'id AND flag', /must be type boolean/],
  ['aggregates are not scalars', 'SUM(id) + 1', /aggregate function SUM is not allowed here/],
  ['unknown function', 'FROB(1)', /Invalid function 'frob'/],
  ['no arguments', 'NOW(1)', /NOW\(\) takes no arguments/],
  ['argument count', "REPLACE('a')", /takes 3 arguments, got 1/],
  ['a text that is no number', "id = 'x'", /cast/i],
  ['bounded REPEAT', "REPEAT('xxxxxxxxxx', 10000000)", /16 MB/],
  ['missing parameter', 'id = $2', /Parameter \$2 was not given/, [null]],
  ['a constant that fails fails with the statement', 'id + 1 / 0', /division by zero/],
  ['a condition that fails is no branch', 'CASE WHEN 1 / 0 = 1 THEN 1 END', /division by zero/],
  ['a known function that is not built', 'VECTOR_SEARCH(at)', /^Not supported: the function VECTOR_SEARCH$/],
  ['intervals alone', "INTERVAL '1 day'", /^Not supported: INTERVAL other than beside a moment/],
  ['intervals alone, times a number', "2 * INTERVAL '1 day'", /^Not supported: INTERVAL other than beside a moment/],
  ['texts as intervals alone', "'1 day'::INTERVAL", /^Not supported: INTERVAL other than beside a moment/],
  [
    'an interval times a fraction',
    "at + 1.5 * INTERVAL '1 day'",
    /^Not supported: INTERVAL times DECIMAL\(2, 1\); multiply a/,
  ],
  ['an array of intervals', "at + '{1 day}'::INTERVAL[]", /^Not supported: INTERVAL other than beside a moment/],
  ['an interval that is too long', "at + 2147483648 * INTERVAL '1 day'", /interval out of range/],
  ['a number that is cast to INTERVAL', 'at + id::INTERVAL', /only a text can be cast to INTERVAL/],
  ['days between dates and an interval', "day - day > INTERVAL '1 day'", /cannot compare DATE - DATE with INTERVAL/],
  ['a moment and an interval', "at > INTERVAL '1 day'", /cannot compare TIMESTAMP with INTERVAL/],
  [
    'no time between moments',
    "TIMESTAMP '2024-01-01' - TIMESTAMP '2023-01-01'",
    /^Not supported: intervals as values.*EXTRACT\(EPOCH FROM a - b\)/,
  ],
  ['intervals of no moment', "id + INTERVAL '1 day'", /operator does not exist: INT \+ INTERVAL/],
  ['a text that is no interval', "at + INTERVAL '1 dya'", /invalid input syntax for type interval: "1 dya"/],
  ['no guess at names of one letter', 'x', /No field named x\.$/],
  ['a column of another table is one of this', 'other.name', /No field named other\.name\. Did you mean t\.name\?/],
  ['vectors of two dimensions', "COSINE_DISTANCE('[1,2]', '[1]')", /dimension mismatch: row has 2, query has 1/],
];

for (const [why, sql, expected, params] of failures) {
  test(`expression fails: ${why}: ${sql}`, () => {
    assert.throws(
      () => evaluate(sql, params),
      error => error instanceof DbError && expected.test(error.message),
    );
  });
}

const types: [why: string, sql: string, expected: string][] = [
  ['small literals are INT', '1', 'INT'],
  ['large literals are BIGINT', '3000000000', 'BIGINT'],
  ['larger literals are DECIMAL', '99999999999999999999', 'DECIMAL(20, 0)'],
  ['literals with a point are DECIMAL', '1.50', 'DECIMAL(3, 2)'],
  ['literals with an exponent are DOUBLE', '1e3', 'DOUBLE'],
  ['small integers stay', 'small + small', 'SMALLINT'],
  ['a lone string is TEXT', "'a'", 'TEXT'],
  ['-> is JSON', "doc->'a'", 'JSON'],
  ['ROUND to constant digits has as many', 'ROUND(1.2345, 2)', 'DECIMAL(4, 2)'],
  ['ROUND to digits that a column tells keeps the scale', 'ROUND(1.2345, small)', 'DECIMAL(6, 4)'],
  ['NULLIF of an open value takes the type of the other', 'NULLIF(NULL, 1)', 'INT'],
];

for (const [why, sql, expected] of types) test(`type: ${why}`, () => assert.equal(typeOf(sql), expected));

test('errors of names carry line and column', () => {
  assert.throws(
    () => evaluate('id +\n  oops'),
    error => error instanceof DbError && error.position?.line === 2 && error.position.column === 3,
  );
});

test('an OR of 10,000 terms compiles and runs', () => {
  const terms = Array.from({length: 10_000}, (_, i) => `id = ${i + 8}`).join(' OR ');
  assert.equal(evaluate(terms), 'false');
  assert.equal(evaluate(`${terms} OR id = 7`), 'true');
});

test('one plan gives each execution its own parameters', () => {
  const text = 'SELECT id = $1 FROM t';
  const item = parseSelectText(text).items[0]!;
  assert(item.kind === 'expr');
  const typed = compileExpr(item.expr, {sources: tableSources(SCHEMA, undefined), text});
  const run = (number: string) => typed.eval(ROW, {...NO_ENV, params: [{number}]});
  assert.deepEqual([run('7'), run('8'), run('7')], [true, false, true]);
});
