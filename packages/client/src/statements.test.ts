import assert from 'node:assert/strict';
import {test} from 'node:test';
import {paramsJson} from './http.ts';
import {asUser, deleteStatement, insertStatement, tableName, updateStatement, withLiterals} from './statements.ts';

test('short forms make statements with quoted names and values as parameters; what is undefined is left out', () => {
  assert.deepEqual(insertStatement('chat.messages', {id: 5n, body: "it's", room: undefined, read: null}), {
    sql: 'INSERT INTO "chat"."messages" ("id", "body", "read") VALUES ($1, $2, $3)',
    params: [5n, "it's", null],
  });
  assert.deepEqual(updateStatement('t', {id: 1}, {a: 'x', b: 2}), {
    sql: 'UPDATE "t" SET "a" = $1, "b" = $2 WHERE "id" = $3',
    params: ['x', 2, 1],
  });
  assert.deepEqual(deleteStatement('t', {a: 1, b: 'x'}), {
    sql: 'DELETE FROM "t" WHERE "a" = $1 AND "b" = $2',
    params: [1, 'x'],
  });
  assert.equal(asUser(' INSERT INTO t VALUES (1); ', "o'neil"), "EXECUTE AS USER 'o''neil' (INSERT INTO t VALUES (1))");
});

test('a name cannot end its quotes, and nothing that is no name or key is taken', () => {
  assert.equal(tableName('a"; DROP TABLE x; --'), '"a""; DROP TABLE x; --"');
  for (const bad of ['', '.', 'a.', 'a.b.c']) assert.throws(() => tableName(bad), {code: 'INVALID_ARGUMENT'});
  assert.throws(() => insertStatement('t', {a: undefined}), {code: 'INVALID_ARGUMENT'});
  assert.throws(() => updateStatement('t', {id: 1}, {}), {code: 'INVALID_ARGUMENT'});
  assert.throws(() => deleteStatement('t', {id: undefined}), {code: 'INVALID_ARGUMENT'});
  assert.throws(() => deleteStatement('t', {id: null}), {code: 'INVALID_ARGUMENT'});
});

const literals: [why: string, sql: string, params: Parameters<typeof withLiterals>[1], expected: string][] = [
  ['texts are quoted', 'a = $1', ["x' OR '1'='1"], "a = 'x'' OR ''1''=''1'"],
  ['numbers, 64 bits too', 'a = $1 OR a = $2', [1.5, 9007199254740993n], 'a = 1.5 OR a = 9007199254740993'],
  ['a minus makes no comment', 'a -$1', [-1], 'a -(-1)'],
  ['NULL, booleans, dates', '$1 $2 $3', [null, true, new Date(0)], "NULL TRUE '1970-01-01T00:00:00.000Z'"],
  [
    'places in texts, names and comments stay',
    `'$1' "$1" E'\\'$1' -- $1\n/* $1 */ $1`,
    [1],
    `'$1' "$1" E'\\'$1' -- $1\n/* $1 */ 1`,
  ],
  ['the same value twice, and two digits', '$1 $1 $10', [1, 2, 3, 4, 5, 6, 7, 8, 9, 'j'], "1 1 'j'"],
  ['values are not searched for places', '$1 $2', ['$2', '$1'], "'$2' '$1'"],
];

for (const [why, sql, params, expected] of literals) {
  test(`literals: ${why}`, () => assert.equal(withLiterals(sql, params), expected));
}

test('a place without a value is an error', () => {
  assert.throws(() => withLiterals('a = $2', [1]), {code: 'INVALID_ARGUMENT', message: /\$2 has no value/});
});

test('parameters travel exactly, or not at all', () => {
  const params = [9223372036854775807n, 1.5, 'x', null, true, new Date(0), new Uint8Array([0, 255]), {a: [1]}];
  assert.equal(
    paramsJson(params),
    '[9223372036854775807,1.5,"x",null,true,"1970-01-01T00:00:00.000Z",[0,255],{"a":[1]}]',
  );
  assert.throws(() => paramsJson([1, Number.NaN]), {code: 'INVALID_ARGUMENT', message: /\$2/});
  assert.throws(() => paramsJson([(() => 1) as never]), {code: 'INVALID_ARGUMENT'});
});
