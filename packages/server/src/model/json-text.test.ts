import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {elementTexts, isDeeper} from './json-text.ts';

const cases: [why: string, text: string, texts: string[]][] = [
  [
    'numbers keep how they were written',
    '{"params":[1.0,-0,1e3,12345678901234567890]}',
    ['1.0', '-0', '1e3', '12345678901234567890'],
  ],
  ['blanks are not part of a value', ' {\n "params" : [ 1 ,\t2 ] , "a":3 } ', ['1', '2']],
  ['commas and brackets in texts do not count', '{"params":["a,]}\\"",2]}', ['"a,]}\\""', '2']],
  ['no elements', '{"params":[]}', []],
  ['no such member', '{"sql":"\\"params\\":[1]","a":[2]}', []],
  ['not an array', '{"params":"[1]"}', []],
  ['a member of an inner object is another one', '{"a":{"params":[1]},"params":[2],"b":[{"params":[3]}]}', ['2']],
  ['the last of two counts, as for JSON.parse', '{"params":[1.0],"params":[2.0]}', ['2.0']],
  ['the last of two counts, even if it is no array', '{"params":[1.0],"params":null}', []],
  ['a name may be written with escapes', '{"par\\u0061ms":[1.50]}', ['1.50']],
  ['inner values are whole', '{"params":[[1,[2]],{"a":[3]},4]}', ['[1,[2]]', '{"a":[3]}', '4']],
  ['an empty object', '{}', []],
];

for (const [why, text, texts] of cases) {
  test(`element texts: ${why}`, () => {
    JSON.parse(text);
    assert.deepEqual(elementTexts(text, 'params'), texts);
  });
}

test('element texts are those a reviver is told', () => {
  const body = fc.dictionary(fc.oneof(fc.constant('params'), fc.string()), fc.jsonValue());
  const blanks = fc.constantFrom('', ' ', '\t');
  fc.assert(
    fc.property(body, blanks, (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      const {params} = JSON.parse(text) as {params?: unknown};
      const expected = Array.isArray(params) ? params : [];
      assert.deepEqual(
        elementTexts(text, 'params').map(element => JSON.parse(element) as unknown),
        expected,
      );
    }),
  );
});

const depths: [text: string, depthMax: number, isIt: boolean][] = [
  ['[[1]]', 2, false],
  ['[[[1]]]', 2, true],
  ['["[[[["]', 1, false],
  ['{"a":{"b":[]}}', 2, true],
  ['[[1],[2],[3]]', 2, false],
];

for (const [text, depthMax, isIt] of depths) {
  test(`${text} ${isIt ? 'nests' : 'does not nest'} deeper than ${depthMax}`, () => {
    assert.equal(isDeeper(text, depthMax), isIt);
  });
}
