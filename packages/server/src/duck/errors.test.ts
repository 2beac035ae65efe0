import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {ask, testDuck} from '../../test/duck/kit.ts';
import type {DataType} from '../model/datatype.ts';
import {cannotCast} from '../model/type-table.ts';
import {failureOf, raisedText} from './errors.ts';

const {duck, warnings} = testDuck();

const DECIMAL: DataType = {name: 'decimal', precision: 4, scale: 2};
const noCast = (text: string, type: DataType): DbError => cannotCast(text, type);

/** Each runs on DuckDB: its texts may change with its version. `$1` is the bigint 1, so that nothing is known before the query runs. */
const cases: [why: string, expression: string, expected: DbError][] = [
  ['smallint overflow', '32767::SMALLINT + $1::SMALLINT', fail.execution('smallint out of range')],
  ['int overflow', '2147483647::INTEGER * ($1 + 1)::INTEGER', fail.execution('integer out of range')],
  ['bigint overflow', '9223372036854775807 + $1', fail.execution('bigint out of range')],
  ['bigint negation', '-(-9223372036854775807 - $1)', fail.execution('bigint out of range')],
  ['int negation', '(0 - (-2147483647 - $1)::INTEGER)', fail.execution('integer out of range')],
  ['smallint division', '(-32767 - $1)::SMALLINT // -1::SMALLINT', fail.execution('smallint out of range')],
  ['int division', '(-2147483647 - $1)::INTEGER // -1::INTEGER', fail.execution('integer out of range')],
  ['bigint division', '(-9223372036854775807 - $1) // -1', fail.execution('bigint out of range')],
  ['int magnitude', 'abs((-2147483647 - $1)::INTEGER)', fail.execution('integer out of range')],
  ['bigint magnitude', 'abs(-9223372036854775807 - $1)', fail.execution('bigint out of range')],
  ['decimal overflow', `${'9'.repeat(38)}::DECIMAL(38,0) + $1::DECIMAL(38,0)`, fail.execution('decimal out of range')],
  [
    'a sum beyond bigint',
    '(SELECT sum(9223372036854775807) FROM range(2 * $1) t(i))::BIGINT',
    fail.execution('bigint out of range'),
  ],
  ['a number too large for int', '($1 + 2147483647)::INTEGER', noCast('2147483648', {name: 'int'})],
  ['a number too large for smallint', '($1 + 32767)::SMALLINT', noCast('32768', {name: 'smallint'})],
  ['a double too large for bigint', '(1e300 * $1)::DOUBLE::BIGINT', noCast('1e+300', {name: 'bigint'})],
  ['a number too large for a decimal', '($1 + 99)::DECIMAL(4,2)', noCast('100', DECIMAL)],
  [
    'a decimal too large for another',
    '(12345678.00 * $1)::DECIMAL(10,2)::DECIMAL(4,2)',
    noCast('12345678.00', DECIMAL),
  ],
  ['text that is no int', "('abc' || $1)::INTEGER", noCast('abc1', {name: 'int'})],
  [
    'text that is no bigint, with quotes and lines',
    "('a''b\" to INT32' || chr(10) || $1)::BIGINT",
    noCast('a\'b" to INT32\n1', {name: 'bigint'}),
  ],
  ['text that is no double', "('abc' || $1)::DOUBLE", noCast('abc1', {name: 'double'})],
  ['text that is no boolean', "('abc' || $1)::BOOLEAN", noCast('abc1', {name: 'boolean'})],
  ['text that is no decimal', "('abc' || $1)::DECIMAL(4,2)", noCast('abc1', DECIMAL)],
  ['text that is no date', "('abc' || $1)::DATE", noCast('abc1', {name: 'date'})],
  ['text that is no timestamp', "('abc' || $1)::TIMESTAMP", noCast('abc1', {name: 'timestamp'})],
  ['text that is no time', "('abc' || $1)::TIME", noCast('abc1', {name: 'time'})],
  ['text that is no uuid', "('abc' || $1)::UUID", noCast('abc1', {name: 'uuid'})],
  ['square root', 'sqrt(-$1)', fail.execution('cannot take square root of a negative number')],
  ['logarithm of zero', 'ln($1 - 1)', fail.execution('cannot take logarithm of zero or a negative number')],
  [
    'logarithm of a negative number',
    'log10(-$1)',
    fail.execution('cannot take logarithm of zero or a negative number'),
  ],
  [
    'several rows',
    '(SELECT i FROM range(1 + $1) t(i))',
    fail.execution('more than one row returned by a subquery used as an expression'),
  ],
  [
    'a moment beyond the calendar',
    "TIMESTAMP '2020-01-01' + $1 * INTERVAL '300000 years'",
    fail.execution('timestamp out of range'),
  ],
];
for (const [why, expression, {code, message}] of cases) {
  test(`DuckDB's error is ours: ${why}`, async () => {
    warnings.length = 0;
    const params = [{type: {name: 'bigint'} as const, value: 1n}];
    await assert.rejects(ask(duck, `SELECT ${expression} AS x`, {params}), {code, message});
    assert.deepEqual(warnings, []);
  });
}

test('an error that the SQL raises itself arrives with its code and text', async () => {
  const raised = fail.execution("division by zero: 'x' \n {}");
  const params = [{type: {name: 'text'} as const, value: raisedText(raised)}];
  await assert.rejects(ask(duck, 'SELECT CAST(error($1) AS BIGINT) AS x', {params}), {
    code: raised.code,
    message: raised.message,
  });
});

test('a text of a user that looks like a raised error is no error of ours', async () => {
  const text = raisedText(new DbError('PERMISSION_DENIED', 'no'));
  const params = [{type: {name: 'text'} as const, value: text}];
  await assert.rejects(ask(duck, 'SELECT CAST($1 AS BIGINT) AS x', {params}), {
    message: cannotCast(text, {name: 'bigint'}).message,
  });
});

test("what was not foreseen is a plain sentence; DuckDB's words go to the log", async () => {
  warnings.length = 0;
  const params = [{type: {name: 'text'} as const, value: '('}];
  await assert.rejects(
    ask(duck, "SELECT CAST(regexp_matches('a', $1) AS BOOLEAN) AS x", {params, outputs: [{name: 'boolean'}]}),
    {
      code: 'SQL_EXECUTION_ERROR',
      message: 'Execution error: the query met a value that it cannot work with',
    },
  );
  assert.match(warnings.join('\n'), /missing \)/);
});

const texts: [why: string, text: string, code: string, isFatal: boolean][] = [
  ['internal error', '{"exception_type":"INTERNAL","exception_message":"x"}', 'INTERNAL_ERROR', true],
  [
    'a subquery that DuckDB cannot make a join of',
    '{"exception_type":"INTERNAL","exception_message":"Failed to bind column reference \\"c2\\" [67.1]: inequal types (VARCHAR != DATE)"}',
    'NOT_SUPPORTED',
    true,
  ],
  ['fatal error', '{"exception_type":"FATAL","exception_message":"x"}', 'INTERNAL_ERROR', true],
  ['out of memory', '{"exception_type":"Out of Memory","exception_message":"x"}', 'LIMIT_EXCEEDED', true],
  ['interrupt', '{"exception_type":"INTERRUPT","exception_message":"Interrupted!"}', 'STATEMENT_TIMEOUT', false],
  [
    'text before the JSON',
    'Parser Error: {"exception_type":"Parser","exception_message":"x"}',
    'INTERNAL_ERROR',
    false,
  ],
  ['no JSON', 'Binder Error: x', 'INTERNAL_ERROR', false],
  ['no kind', 'something else', 'SQL_EXECUTION_ERROR', false],
  ['broken JSON', '{"exception_type":"INTERNAL","exception_mess', 'SQL_EXECUTION_ERROR', false],
];
for (const [why, text, code, isFatal] of texts) {
  test(`a failure by kind: ${why}`, () => {
    const failure = failureOf(text, 1024 ** 2);
    assert.equal(failure.code, code);
    assert.equal(failure.isFatal === true, isFatal);
    assert.doesNotMatch(failure.message, /exception|Error:/);
  });
}
