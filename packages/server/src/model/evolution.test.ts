import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {DataType, Value} from './datatype.ts';
import {carried, fits, isConvex, isWidening, keepsKeys, typePath} from './evolution.ts';
import {encodeKey} from './key-codec.ts';
import type {Column} from './schema.ts';
import {testColumn, testSchema} from './test-schema.ts';
import {parseText} from './values.ts';

const type = (name: Exclude<DataType['name'], 'decimal' | 'embedding'>): DataType => ({name});
const decimal = (precision: number, scale: number): DataType => ({name: 'decimal', precision, scale});
const [SMALLINT, INT, BIGINT, FLOAT, DOUBLE, TEXT] = (
  ['smallint', 'int', 'bigint', 'float', 'double', 'text'] as const
).map(type) as [DataType, DataType, DataType, DataType, DataType, DataType];

/** Of each type the ends of its range and what lies between them, as texts. */
const SAMPLES: readonly [DataType, readonly string[]][] = [
  [SMALLINT, ['-32768', '-1', '0', '7', '32767']],
  [INT, ['-2147483648', '-32769', '0', '7', '16777217', '2147483647']],
  [BIGINT, ['-9223372036854775808', '0', '7', '9007199254740993', '9223372036854775807']],
  [FLOAT, ['0', '0.1', '-2.5', '3.4e38', '1e-45']],
  [DOUBLE, ['0', '0.1', '-2.5', '1e300', '7']],
  [decimal(5, 2), ['-999.99', '0', '1.5', '999.99']],
  [decimal(12, 2), ['-9999999999.99', '0', '1.5', '9999999999.99']],
  [decimal(38, 10), ['-9999999999999999999999999999.9999999999', '0', '1.5']],
  [TEXT, ['', 'a', '7', '07', '1.5', '{}', '2020-01-02']],
  [type('json'), ['{}', '7', '"a"']],
  [type('date'), ['1970-01-01', '2020-01-02', '0001-01-01']],
  [type('timestamp'), ['1970-01-01 00:00:00', '2020-01-02 03:04:05.123456']],
  [type('datetime'), ['1970-01-01 00:00:00', '2020-01-02 03:04:05.123456']],
  [type('time'), ['00:00:00', '23:59:59.999999']],
  [type('boolean'), ['true', 'false']],
  [type('uuid'), ['00000000-0000-0000-0000-00000000000a']],
  [type('bytes'), ['\\x', '\\x00ff']],
];
const TYPES = SAMPLES.map(([one]) => one);

function valuesOf(wanted: DataType): Value[] {
  return SAMPLES.find(([one]) => one === wanted)![1].map(text => parseText(wanted, text));
}

test('a widening takes every value, to the ends of its range', () => {
  let pairs = 0;
  for (const from of TYPES) {
    for (const to of TYPES.filter(one => isWidening(from, one))) {
      pairs++;
      for (const value of valuesOf(from)) {
        const isThere = carried(value, [from, to]) !== null;
        // The one text of a value is not always the value's only text.
        assert.ok(
          to === TEXT ? isThere : fits(value, from, to),
          `${JSON.stringify(from)} → ${JSON.stringify(to)}: ${value}`,
        );
      }
    }
  }
  assert.ok(pairs > 40);
});

const narrow: [why: string, from: DataType, to: DataType, text: string, expected: boolean][] = [
  ['a number in range', BIGINT, SMALLINT, '32767', true],
  ['a number out of range', BIGINT, SMALLINT, '32768', false],
  ['a whole number of a double', DOUBLE, INT, '3', true],
  ['a fraction would be lost', DOUBLE, INT, '3.5', false],
  ['a double that no float is', DOUBLE, FLOAT, '0.1', false],
  ['a double that a float is', DOUBLE, FLOAT, '0.5', true],
  ['more digits than a double has', BIGINT, DOUBLE, '9007199254740993', false],
  ['a text that is the number’s own', TEXT, INT, '7', true],
  ['a text that says the number otherwise', TEXT, INT, '07', false],
  ['a text that is no number', TEXT, INT, 'x', false],
  ['digits behind the point that are zeros', decimal(6, 4), decimal(5, 2), '1.2500', true],
  ['digits behind the point that are none', decimal(6, 4), decimal(5, 2), '1.2501', false],
  ['a moment at midnight', type('timestamp'), type('date'), '2020-01-02 00:00:00', true],
  ['a moment at another time', type('timestamp'), type('date'), '2020-01-02 00:00:01', false],
  ['a text that is JSON', TEXT, type('json'), '{"a":1}', true],
  ['a text that is none', TEXT, type('json'), '{', false],
  ['types that nothing joins', type('boolean'), type('date'), 'true', false],
];
for (const [why, from, to, text, expected] of narrow) {
  test(`a value fits when it comes back as it was: ${why}`, () => {
    assert.equal(fits(parseText(from, text), from, to), expected);
    assert.equal(fits(null, from, to), true);
  });
}

test('where two values fit, what lies between them does', () => {
  for (const from of TYPES) {
    for (const to of TYPES.filter(one => isConvex(from, one))) {
      const values = valuesOf(from).toSorted((a, b) => (a! < b! ? -1 : 1));
      const fit = values.map(value => fits(value, from, to));
      const gap = fit.slice(fit.indexOf(true), fit.lastIndexOf(true) + 1);
      assert.ok(!gap.includes(false), `${JSON.stringify(from)} → ${JSON.stringify(to)}`);
    }
  }
});

test('a key is the same bytes in every type that a primary key may change to', () => {
  let pairs = 0;
  for (const from of TYPES) {
    for (const to of TYPES.filter(one => keepsKeys(from, one))) {
      for (const value of valuesOf(from).filter(one => fits(one, from, to))) {
        pairs++;
        assert.deepEqual(encodeKey(to, carried(value, [from, to])), encodeKey(from, value));
      }
    }
  }
  assert.ok(pairs > 50);
  assert.equal(keepsKeys(INT, TEXT), false);
  assert.equal(keepsKeys(type('date'), type('timestamp')), false);
});

const COLUMN: Column = {
  ...testColumn(2, 'c', TEXT),
  formerTypes: [
    {type: FLOAT, throughVersion: 2},
    {type: DOUBLE, throughVersion: 4},
  ],
};

test('a value goes through the types its column had since it was written, and no others', () => {
  const writer = (version: number, written: DataType) => testSchema([testColumn(2, 'c', written)], version);
  assert.deepEqual(typePath(COLUMN, writer(1, FLOAT)), [FLOAT, DOUBLE, TEXT]);
  assert.deepEqual(typePath(COLUMN, writer(2, FLOAT)), [FLOAT, DOUBLE, TEXT]);
  assert.deepEqual(typePath(COLUMN, writer(3, DOUBLE)), [DOUBLE, TEXT]);
  assert.equal(typePath(COLUMN, writer(5, TEXT)), undefined);
  assert.equal(typePath(COLUMN, testSchema([testColumn(3, 'other', INT)], 1)), undefined);
});

test('a value reads the same whether it was rewritten on its way or not', () => {
  const value = parseText(FLOAT, '0.1');
  const atOnce = carried(value, [FLOAT, DOUBLE, TEXT]);
  assert.equal(atOnce, carried(carried(value, [FLOAT, DOUBLE]), [DOUBLE, TEXT]));
  assert.notEqual(atOnce, carried(value, [FLOAT, TEXT]));
});

test('what does not fit is null from there on', () => {
  assert.equal(carried(70_000, [INT, SMALLINT, TEXT]), null);
});
