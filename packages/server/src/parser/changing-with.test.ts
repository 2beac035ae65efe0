import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {changesInWith, parseChangingWith} from './changing-with.ts';
import {TokenCursor} from './cursor.ts';
import {splitStatements} from './split.ts';

const cursorOf = (sql: string) => new TokenCursor(splitStatements(sql)[0]!);

const FOUND: [why: string, sql: string, isFound: boolean][] = [
  ['a change', 'WITH x AS (DELETE FROM t) SELECT 1', true],
  ['behind a query', 'WITH q AS (SELECT (1)), x (a) AS NOT MATERIALIZED (INSERT INTO t VALUES (1)) TABLE x', true],
  ['a query', 'WITH x AS (SELECT 1) DELETE FROM t', false],
  [
    'a change inside of a query of it',
    'WITH x AS (SELECT * FROM (WITH y AS (DELETE FROM t) TABLE y) z) SELECT 1',
    false,
  ],
  ['brackets behind the WITH', 'WITH x AS (SELECT 1) SELECT CAST(a AS TEXT), (SELECT 1) AS (update)', false],
  ['no end', 'WITH x AS (((', false],
];

for (const [why, sql, isFound] of FOUND) {
  test(`a WITH that changes rows is known by its words: ${why}`, () =>
    assert.equal(changesInWith(cursorOf(sql)), isFound));
}

test('each part gets the queries that stand before it', () => {
  const cursor = cursorOf(
    'WITH RECURSIVE a AS (SELECT 1), x (c) AS (DELETE FROM t RETURNING id), b AS (SELECT 2), y AS (UPDATE u SET v = 1) WITH z AS (SELECT 3) SELECT 4',
  );
  // A WITH behind a WITH is no statement: brackets are needed.
  assert.throws(() => parseChangingWith(cursor), DbError);
  const tree = parseChangingWith(
    cursorOf(
      'WITH RECURSIVE a AS (SELECT 1), x (c) AS (DELETE FROM t RETURNING id), b AS (SELECT 2), y AS (WITH z AS (SELECT 3) UPDATE u SET v = 1) SELECT 4',
    ),
  );
  const names = [...tree.changes.map(({change}) => change), tree.last].map(part =>
    part.with?.tables.map(({name}) => name.name),
  );
  assert.deepEqual(names, [['a'], ['a', 'b', 'z'], ['a', 'b']]);
  assert.deepEqual(
    tree.changes.map(({name, columns}) => [name.name, columns.length]),
    [
      ['x', 1],
      ['y', 0],
    ],
  );
  assert.equal(tree.last.with?.isRecursive, true);
});
