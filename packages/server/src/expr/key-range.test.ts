import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {DataType} from '../model/datatype.ts';
import {encodeKey} from '../model/key-codec.ts';
import type {Incarnation} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import {parseSelectText} from '../parser/parser.ts';
import {NO_ENV} from './coerce.ts';
import type {Param} from './expr.ts';
import {keyFacts} from './key-range.ts';
import {tableSources} from './sources.ts';

const TEXT: DataType = {name: 'text'};

const SCHEMA: Schema = {
  incarnation: 64 as Incarnation,
  name: {namespace: 'app', table: 't'},
  kind: 'shared',
  version: 1,
  columns: [
    {id: 1, name: 'k', type: TEXT, isNullable: false, default: {kind: 'none'}, initial: null},
    {id: 2, name: 'n', type: {name: 'bigint'}, isNullable: true, default: {kind: 'none'}, initial: null},
  ],
  primaryKey: 0,
  options: {storageId: 'local', flushPolicy: null, accessLevel: null, deletedRetentionHours: 0, ttlSeconds: null},
  createdAt: 0n,
  updatedAt: 0n,
};

/** Which keys may match: `empty`, `a` for one, `a,b` for some, `[a..b]` for a range. */
function keysOf(where: string, params: readonly Param[]): string {
  const text = `SELECT 1 FROM t WHERE ${where}`;
  const facts = keyFacts(parseSelectText(text).where, {sources: tableSources(SCHEMA, undefined), text})({
    ...NO_ENV,
    params,
  });
  const show = (key: Uint8Array | undefined) => (key === undefined ? '' : Buffer.from(key).toString('utf8'));
  if (facts.isEmpty) return 'empty';
  if (facts.points !== undefined) return facts.points.map(show).join(',');
  return facts.point === undefined ? `[${show(facts.keys.from)}..${show(facts.keys.to)}]` : show(facts.point);
}

const cases: [why: string, where: string, expected: string, params?: Param[]][] = [
  ['no fact about the key', 'n = 1', '[..]'],
  ['equality', "k = 'a'", 'a'],
  ['the sides may be exchanged', "'a' < k", '[a..]'],
  ['strict bounds are read as inclusive: the predicate decides', "k > 'a' AND k < 'c'", '[a..c]'],
  ['the tighter bound wins on both sides', "k >= 'a' AND k >= 'b' AND k <= 'd' AND k <= 'c'", '[b..c]'],
  ['contradiction', "k > 'c' AND k < 'a'", 'empty'],
  ['IN sorts and drops repeats', "k IN ('b', 'a', 'b')", 'a,b'],
  ['IN inside a range', "k IN ('a', 'b', 'c') AND k >= 'b'", 'b,c'],
  ['IN outside a range', "k IN ('a') AND k > 'b'", 'empty'],
  ['NULL in IN is nothing', "k IN ('a', NULL)", 'a'],
  ['NOT IN says nothing', "k NOT IN ('a')", '[..]'],
  ['OR of keys', "k = 'a' OR k = 'c'", 'a,c'],
  ['OR with anything else says nothing', "k = 'a' OR n = 1", '[..]'],
  ['NOT says nothing', "NOT (k = 'a')", '[..]'],
  ['a value that needs the row says nothing', "k = 'a' || n", '[..]'],
  ['a value that differs per row says nothing', 'k = ULID()', '[..]'],
  ['a term that is never true', 'n = 1 AND FALSE', 'empty'],
  ['nor is NULL, nor an equation of two constants', '1 = 2', 'empty'],
  ['a constant that is true says nothing', "k > 'a' AND 1 = 1", '[a..]'],
  ['nor does one that is decided when it runs', 'random() > 2', '[..]'],
  ['parameters', 'k = $1', 'p', ['p']],
  ['a NULL parameter', 'k = $1', 'empty', [null]],
  ['parameters in IN', 'k IN ($1, $2)', 'p,q', ['q', 'p']],
  ['a value longer than any key equals none', 'k = $1', 'empty', ['x'.repeat(2000)]],
  ['a value longer than any key is no bound', 'k < $1', '[..]', ['x'.repeat(2000)]],
  ['a value longer than any key drops out of IN', "k IN ($1, 'a')", 'a', ['x'.repeat(2000)]],
];

for (const [why, where, expected, params = []] of cases) {
  test(`key facts: ${why}: ${where}`, () => assert.equal(keysOf(where, params), expected));
}

test('integer keys beyond the type are decided without encoding', () => {
  const schema: Schema = {...SCHEMA, columns: [{...SCHEMA.columns[0]!, type: {name: 'int'}}, SCHEMA.columns[1]!]};
  const factsOf = (where: string) =>
    keyFacts(parseSelectText(`SELECT 1 FROM t WHERE ${where}`).where, {
      sources: tableSources(schema, undefined),
      text: '',
    })(NO_ENV);
  assert.equal(factsOf('k = 3000000000').isEmpty, true);
  assert.equal(factsOf('k > 3000000000').isEmpty, true);
  assert.equal(factsOf('k < -3000000000').isEmpty, true);
  assert.deepEqual(factsOf('k < 3000000000').keys, {});
  assert.deepEqual(factsOf('k >= 1.5').keys, {from: encodeKey({name: 'int'}, 1)});
  assert.equal(factsOf('k = 1.5').isEmpty, true);
});
