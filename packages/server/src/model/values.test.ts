import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import fc from 'fast-check';
import type {DataType, Value} from './datatype.ts';
import {compareKeys, decodeKey, encodeKey, KEY_BYTES_MAX} from './key-codec.ts';
import {encodeRow, RowView} from './row-codec.ts';
import {testColumn, testSchema} from './test-schema.ts';
import {castValue, compareValues, fromJson, jsonFragments, parseText, toJson, valueText} from './values.ts';

const decimal = (precision: number, scale: number): DataType => ({name: 'decimal', precision, scale});
const int64 = fc.bigInt({min: -(2n ** 63n), max: 2n ** 63n - 1n});
const float = (size: 'float' | 'double') =>
  fc[size]({noNaN: true, noDefaultInfinity: true}).map(value => value + 0 || 0);
const text = fc.oneof(
  fc.string({unit: 'binary', maxLength: 12}),
  fc.string({unit: fc.constantFrom('a', '\\', '"', '\n', '\ue000', '\uffff', '😀', '𐀀', 'é', '\0'), maxLength: 6}),
);

/** None longer than a key may be. */
const json = fc
  .jsonValue()
  .map(value => JSON.stringify(value).toWellFormed())
  .filter(value => value.length * 3 < KEY_BYTES_MAX);

/** Every type with values of its whole range. */
const TYPES: [DataType, fc.Arbitrary<Value>][] = [
  [{name: 'boolean'}, fc.boolean()],
  [{name: 'smallint'}, fc.integer({min: -32768, max: 32767})],
  [{name: 'int'}, fc.integer()],
  [{name: 'bigint'}, int64],
  [{name: 'float'}, float('float')],
  [{name: 'double'}, float('double')],
  [decimal(38, 10), fc.bigInt({min: 1n - 10n ** 38n, max: 10n ** 38n - 1n})],
  [decimal(10, 2), fc.bigInt({min: 1n - 10n ** 10n, max: 10n ** 10n - 1n})],
  [decimal(5, 0), fc.bigInt({min: -99999n, max: 99999n})],
  [{name: 'text'}, text],
  [{name: 'timestamp'}, int64.filter(value => value > -(2n ** 63n))],
  [{name: 'datetime'}, int64.filter(value => value > -(2n ** 63n))],
  [{name: 'date'}, fc.integer({min: -(2 ** 27), max: 2 ** 27})],
  [{name: 'time'}, fc.bigInt({min: 0n, max: 86_399_999_999n})],
  [{name: 'json'}, json],
  [{name: 'bytes'}, fc.uint8Array({maxLength: 12})],
  [{name: 'uuid'}, fc.uuid()],
];

for (const [type, values] of TYPES) {
  const name = type.name === 'decimal' ? `decimal(${type.precision}, ${type.scale})` : type.name;

  test(`${name}: wire, text, key and row bytes give back every value`, () => {
    const schema = testSchema([testColumn(1, 'a', type), testColumn(2, 'b', {name: 'text'}), testColumn(3, 'c', type)]);
    fc.assert(
      fc.property(values, fc.option(values), text, (a, c, b) => {
        assert.deepEqual(fromJson(type, toJson(type, a)), a);
        assert.doesNotThrow(() => JSON.parse(toJson(type, a)));
        assert.deepEqual(parseText(type, valueText(type, a)), a);
        assert.deepEqual(castValue(castValue(a, type, {name: 'text'}), {name: 'text'}, type), a);
        assert.deepEqual(decodeKey(type, encodeKey(type, a)), a);
        const row = encodeRow(schema, [a, b, c], 0);
        const view = new RowView(schema, () => schema).at({buffer: row, offset: 0, length: row.length});
        assert.deepEqual(
          [0, 1, 2].map(i => view.value(i)),
          [a, b, c],
        );
        const fragments = [toJson(type, a), JSON.stringify(b), toJson(type, c)];
        assert.deepEqual(
          [0, 1, 2].map(i => view.json(i)),
          fragments,
        );
        assert.equal(view.jsonRow(), fragments.join(','));
      }),
      {numRuns: 150},
    );
  });

  test(`${name}: keys order as values do, and equal values have equal fragments`, () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const order = Math.sign(compareValues(type, a, b));
        assert.equal(Math.sign(compareKeys(encodeKey(type, a), encodeKey(type, b))), order);
        assert.equal(Math.sign(compareValues(type, b, a)), order === 0 ? 0 : -order);
        assert.equal(toJson(type, a) === toJson(type, b), order === 0);
      }),
      {numRuns: 300},
    );
  });
}

test('texts are ordered by their UTF-8 bytes, not by UTF-16 units', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(Math.sign(compareValues({name: 'text'}, a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
  assert.ok(compareValues({name: 'text'}, '\uffff', '😀') < 0);
});

const READS: [why: string, type: DataType, text: string, value: Value][] = [
  ['64 bits are exact', {name: 'bigint'}, ' 9223372036854775807 ', 9223372036854775807n],
  ['half away from zero', decimal(4, 1), '-0.25', -3n],
  ['exponents', decimal(10, 2), '1.5e2', 15000n],
  ['a tiny number is 0', decimal(10, 2), '1e-99999', 0n],
  ['PostgreSQL boolean words', {name: 'boolean'}, 'Yes', true],
  ['T and Z', {name: 'timestamp'}, '1970-01-02T00:00:00.000001Z', 86_400_000_001n],
  ['an offset is taken off', {name: 'timestamp'}, '1970-01-01 02:30:00+02:30', 0n],
  ['before the epoch', {name: 'timestamp'}, '1969-12-31 23:59:59.5', -500_000n],
  ['a date is its midnight', {name: 'datetime'}, '2024-02-29', 1_709_164_800_000_000n],
  ['more than micros are rounded', {name: 'time'}, '00:00:01.0000005', 1_000_001n],
  ['leap day of 2000', {name: 'date'}, '2000-02-29', 11_016],
  [
    'braces, upper case, no hyphens',
    {name: 'uuid'},
    '{6F1C0000000000000000000000000ABC}',
    '6f1c0000-0000-0000-0000-000000000abc',
  ],
  ['hex bytes', {name: 'bytes'}, '\\x01ff', Uint8Array.of(1, 255)],
  ['other bytes are UTF-8', {name: 'bytes'}, 'é', Uint8Array.of(0xc3, 0xa9)],
  ['JSON keeps its text', {name: 'json'}, '{"a": 1}', '{"a": 1}'],
];

test('literals are read', () => {
  for (const [why, type, literal, value] of READS) assert.deepEqual(parseText(type, literal), value, why);
});

const REFUSED: [why: string, type: DataType, text: string][] = [
  ['out of range', {name: 'smallint'}, '32768'],
  ['out of range', {name: 'bigint'}, '9223372036854775808'],
  ['not whole', {name: 'int'}, '1.5'],
  ['infinite', {name: 'double'}, '1e999'],
  ['infinite in single precision', {name: 'float'}, '1e39'],
  ['too many digits', decimal(4, 2), '100'],
  ['rounds to too many digits', decimal(4, 2), '99.995'],
  ['no digits', decimal(4, 2), '.'],
  ['no such day', {name: 'date'}, '2023-02-29'],
  ['no such hour', {name: 'time'}, '24:00:00'],
  ['rounds into the next day', {name: 'time'}, '23:59:59.9999999'],
  ['no JSON', {name: 'json'}, '{a:1}'],
  ['odd hex digits', {name: 'bytes'}, '\\x0'],
  ['not 32 digits', {name: 'uuid'}, '6f1c'],
  ['no word of the kind', {name: 'boolean'}, 'constructor'],
];

test('what does not fit is refused with the value, cut to 80 characters, and the type', () => {
  for (const [why, type, literal] of REFUSED) {
    assert.throws(() => parseText(type, literal), /^DbError: Invalid operation: Unable to cast value '/, why);
  }
  const message = `Invalid operation: Unable to cast value '${'x'.repeat(80)}…' to DECIMAL(4, 2)`;
  assert.throws(
    () => parseText(decimal(4, 2), 'x'.repeat(200)),
    new DbError('SQL_EXECUTION_ERROR', message, {isSafe: true}),
  );
});

const CASTS: [why: string, value: Value, from: DataType, to: DataType, expected: Value][] = [
  ['scale is added', 12, {name: 'int'}, decimal(10, 2), 1200n],
  ['half away from zero', -150n, decimal(5, 2), {name: 'int'}, -2],
  ['half to even', 2.5, {name: 'double'}, {name: 'int'}, 2],
  ['half to even', -3.5, {name: 'double'}, {name: 'bigint'}, -4n],
  ['digits as written, not the binary fraction', 0.1, {name: 'double'}, decimal(20, 18), 10n ** 17n],
  ['rescaled', 1235n, decimal(10, 3), decimal(10, 2), 124n],
  ['floor, also before the epoch', -1n, {name: 'timestamp'}, {name: 'date'}, -1],
  ['midnight', -1, {name: 'date'}, {name: 'timestamp'}, -86_400_000_000n],
  ['time of day before the epoch', -1n, {name: 'timestamp'}, {name: 'time'}, 86_399_999_999n],
  ['boolean to number', true, {name: 'boolean'}, {name: 'bigint'}, 1n],
  ['number to boolean', -2n, {name: 'bigint'}, {name: 'boolean'}, true],
  ['zero to boolean', 0n, {name: 'bigint'}, {name: 'boolean'}, false],
  ['sign of a fraction', -50n, decimal(5, 2), {name: 'text'}, '-0.50'],
  ['bytes as hex', Uint8Array.of(1, 255), {name: 'bytes'}, {name: 'text'}, '\\x01ff'],
  ['shortest large single', Math.fround(3.4028235e38), {name: 'float'}, {name: 'text'}, '3.4028235e+38'],
  ['shortest single', Math.fround(0.1), {name: 'float'}, {name: 'text'}, '0.1'],
  ['null of any type', null, {name: 'text'}, {name: 'int'}, null],
];

test('values are cast', () => {
  for (const [why, value, from, to, expected] of CASTS) assert.deepEqual(castValue(value, from, to), expected, why);
  assert.throws(
    () => castValue(2n ** 31n, {name: 'bigint'}, {name: 'int'}),
    /Unable to cast value '2147483648' to INT/,
  );
  assert.throws(() => castValue(true, {name: 'boolean'}, {name: 'date'}), /Unable to cast value 'true' to DATE/);
});

test('the wire quotes 64-bit integers and decimals, and nothing else that is a number', () => {
  assert.equal(toJson({name: 'bigint'}, -(2n ** 63n)), '"-9223372036854775808"');
  assert.equal(toJson(decimal(10, 2), -50n), '"-0.50"');
  assert.equal(toJson({name: 'timestamp'}, 1777888999123456n), '1777888999123456');
  assert.equal(toJson({name: 'bytes'}, Uint8Array.of(1, 2)), '[1,2]');
  assert.equal(toJson({name: 'double'}, -0), '0');
  assert.throws(() => toJson({name: 'double'}, Number.NaN), /Invalid float value/);
});

test('the fragments of a row come out of its JSON as they went in', () => {
  const fragments = ['null', 'true', '"a,b]\\"c\\\\"', '""', '[1,255]', '[]', '-1.5e+300', '"\\\\"', '0'];
  for (let count = 1; count <= fragments.length; count++) {
    const some = fragments.slice(-count);
    assert.deepEqual(jsonFragments(`[${some.join(',')}]`), some);
  }
  assert.deepEqual(jsonFragments('[]'), []);
});

test('a key above the limit is refused, one at the limit is not', () => {
  assert.equal(encodeKey({name: 'text'}, 'x'.repeat(KEY_BYTES_MAX)).length, KEY_BYTES_MAX);
  assert.throws(() => encodeKey({name: 'text'}, 'é'.repeat(KEY_BYTES_MAX / 2 + 1)), {code: 'LIMIT_EXCEEDED'});
});
