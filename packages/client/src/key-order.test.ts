import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Cell} from '@kalamdb/protocol/messages.ts';
import type {DataTypeJson} from '@kalamdb/protocol/values.ts';
import {keyOrder} from './key-order.ts';

const cases: [why: string, type: DataTypeJson, ascending: Cell[]][] = [
  ['64-bit integers by value', 'BigInt', ['-9223372036854775808', '-10', '-9', '0', '9', '10', '9223372036854775807']],
  ['decimals by value', {Decimal: {precision: 10, scale: 2}}, ['-10.00', '-9.99', '0.00', '9.99', '10.00']],
  ['numbers by value', 'Int', [-10, -9, 0, 9, 10]],
  ['false before true', 'Boolean', [false, true]],
  ['texts by code point: U+1F600 after U+FFFD', 'Text', ['', 'A', 'Z', 'a', 'aa', 'b', 'é', '\uFFFD', '😀']],
  ['bytes one by one, a prefix first', 'Bytes', [[], [1], [1, 2], [2], [255]]],
  ['NULL last', 'Int', [1, null]],
];

for (const [why, type, ascending] of cases) {
  test(`key order: ${why}`, () => {
    const compare = keyOrder(['k'], [{name: 'k', data_type: type, index: 0}]);
    for (const [i, left] of ascending.entries())
      for (const [j, right] of ascending.entries())
        assert.equal(Math.sign(compare({k: left}, {k: right})), Math.sign(i - j), `${String(left)}, ${String(right)}`);
  });
}
