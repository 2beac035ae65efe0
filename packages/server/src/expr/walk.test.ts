/** Nothing in a statement is overlooked: a parameter is found wherever an expression may stand. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Query} from '../parser/ast.ts';
import {TokenCursor} from '../parser/cursor.ts';
import {parseInsert, parseUpdate} from '../parser/dml.ts';
import {parseQuery} from '../parser/query.ts';
import {splitStatements} from '../parser/split.ts';
import {randomFrom, query as randomQuery} from '../parser/test-grammar.ts';
import {exprKey, maxParam, walk} from './walk.ts';

const cursorOf = (sql: string) => new TokenCursor(splitStatements(sql)[0]!);
const parse = (sql: string): Query => parseQuery(cursorOf(sql));

const PLACES = [
  'SELECT $7',
  'SELECT DISTINCT ON ($7) a FROM t',
  'SELECT 1 FROM t WHERE a = $7',
  'SELECT 1 FROM t GROUP BY $7',
  'SELECT 1 FROM t GROUP BY ROLLUP (a, (b, $7))',
  'SELECT 1 FROM t GROUP BY GROUPING SETS ((a), CUBE ($7))',
  'SELECT 1 FROM t HAVING $7',
  'SELECT 1 FROM t WINDOW w AS (PARTITION BY $7)',
  'SELECT 1 FROM t WINDOW w AS (ORDER BY $7)',
  'SELECT 1 FROM t QUALIFY $7',
  'SELECT 1 FROM t ORDER BY $7',
  'SELECT 1 FROM t LIMIT $7',
  'SELECT 1 FROM t OFFSET $7',
  'SELECT 1 FROM t ORDER BY a FETCH FIRST $7 ROWS WITH TIES',
  'SELECT 1 FROM a JOIN b ON a.x = $7',
  'SELECT 1 FROM (a JOIN (b LEFT JOIN c ON $7) USING (x))',
  'SELECT 1 FROM (SELECT $7) x',
  'SELECT 1 FROM a, LATERAL (VALUES ($7)) x',
  'SELECT 1 FROM generate_series(1, $7)',
  'WITH a AS (SELECT $7) SELECT 1',
  'SELECT 1 UNION SELECT 2 INTERSECT SELECT $7',
  '(SELECT 1) EXCEPT (SELECT 2 LIMIT $7)',
  'VALUES (1), ($7)',
  'SELECT 1 WHERE a IN (SELECT $7)',
  'SELECT 1 WHERE $7 IN (SELECT 1)',
  'SELECT 1 WHERE EXISTS (SELECT 1 FROM t WHERE $7)',
  'SELECT (SELECT max(a) FROM (SELECT $7) x)',
  'SELECT a = ANY (VALUES ($7))',
  'SELECT $7 < ALL (SELECT 1)',
  'SELECT ($7, 1) IN (SELECT 1, 2)',
  'SELECT sum($7) OVER ()',
  'SELECT sum(a) FILTER (WHERE $7) OVER w FROM t',
  'SELECT sum(a) OVER (PARTITION BY $7) FROM t',
  'SELECT sum(a) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND $7 FOLLOWING) FROM t',
  'SELECT sum(a) OVER (ORDER BY a ROWS $7 PRECEDING) FROM t',
  "SELECT string_agg(a, ',' ORDER BY $7) FROM t",
];

for (const sql of PLACES) test(`found: ${sql}`, () => assert.equal(maxParam(parse(sql)), 7));

test('found in INSERT and UPDATE', () => {
  assert.equal(maxParam(parseInsert(cursorOf('INSERT INTO t VALUES (1, $2), (DEFAULT, $3)'))), 3);
  assert.equal(maxParam(parseUpdate(cursorOf('UPDATE t SET a = (SELECT $2) WHERE b'))), 2);
});

test('every parameter of generated queries is found', () => {
  const random = randomFrom(20_261_125);
  for (let n = 0; n < 300; n++) {
    const tokens = randomQuery(random, 2).map(token => (token === '$1' ? `$${1 + random(1000)}` : token));
    const most = Math.max(0, ...tokens.map(token => (/^\$\d+$/.test(token) ? Number(token.slice(1)) : 0)));
    assert.equal(maxParam(parse(tokens.join(' '))), most, `case ${n}: ${tokens.join(' ')}`);
  }
});

test('a visitor may leave out what stands below a node', () => {
  const query = parse('SELECT a + (SELECT b + 1), c');
  assert(query.kind === 'select');
  const seen: string[] = [];
  const roots = query.items.flatMap(item => (item.kind === 'expr' ? [item.expr] : []));
  walk(roots, expr => {
    if (expr.kind === 'column') seen.push(expr.column.name);
    return expr.kind === 'subquery' ? 'skip' : undefined;
  });
  assert.deepEqual(seen.sort(), ['a', 'c']);
});

test('expressions that differ below a query or a window have different keys', () => {
  const key = (sql: string) => {
    const query = parse(`SELECT ${sql}`);
    assert(query.kind === 'select' && query.items[0]?.kind === 'expr');
    return exprKey(query.items[0].expr);
  };
  assert.equal(key('(SELECT  a FROM t)'), key('( select a from t )'));
  assert.notEqual(key('(SELECT a FROM t)'), key('(SELECT a FROM u)'));
  assert.notEqual(key('sum(a) OVER (ORDER BY b)'), key('sum(a) OVER (ORDER BY b DESC)'));
  assert.notEqual(key('sum(a)'), key('sum(a ORDER BY b)'));
});
