/** What the direct executor leaves to others, named by its first place in the text. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {TokenCursor} from '../parser/cursor.ts';
import {parseQuery} from '../parser/query.ts';
import {splitStatements} from '../parser/split.ts';
import {widerThanDirect} from './wider.ts';

const widerOf = (sql: string) => widerThanDirect(parseQuery(new TokenCursor(splitStatements(sql)[0]!)));

const WIDER: [sql: string, what: string, start: number][] = [
  ['SELECT * FROM a JOIN b ON a.x = b.x', 'joins', 14],
  ['SELECT * FROM a, b', 'several tables in FROM', 17],
  ['SELECT * FROM (SELECT 1) x', 'subqueries in FROM', 14],
  ['SELECT * FROM f(1)', 'functions in FROM', 14],
  ['SELECT * FROM t x (a, b)', 'column aliases in FROM', 19],
  ['WITH a AS (SELECT 1) SELECT * FROM a', 'WITH queries', 0],
  ['VALUES (1), (2)', 'VALUES as a query', 0],
  ['SELECT 1 UNION ALL SELECT 2', 'UNION, EXCEPT and INTERSECT', 8],
  ['SELECT DISTINCT ON (a) b FROM t', 'DISTINCT ON', 20],
  ['SELECT a FROM t GROUP BY b, ROLLUP (a)', 'GROUPING SETS, ROLLUP and CUBE', 28],
  ['SELECT a FROM t WINDOW w AS (ORDER BY a)', 'WINDOW', 23],
  ['SELECT a FROM t QUALIFY a', 'QUALIFY', 24],
  ['SELECT a FROM t ORDER BY a FETCH FIRST 2 ROWS WITH TIES', 'FETCH … WITH TIES', 25],
  ['SELECT a, 1 + (SELECT 1), EXISTS (SELECT 2) FROM t', 'subqueries', 14],
  ['SELECT a FROM t WHERE a IN (SELECT 1)', 'subqueries', 22],
  ['SELECT a FROM t WHERE a = ANY (SELECT 1)', 'subqueries', 22],
  ['SELECT a FROM t ORDER BY rank() OVER w', 'window functions', 25],
  ['SELECT string_agg(a, b ORDER BY c) FROM t', 'ORDER BY inside a call', 7],
  ['SELECT (a, b) FROM t', 'row constructors; JSON_BUILD_ARRAY makes an array of values', 7],
];

for (const [sql, what, start] of WIDER) test(`wider: ${sql}`, () => assert.deepEqual(widerOf(sql), {what, start}));

const DIRECT = [
  'SELECT 1',
  'TABLE t',
  '(SELECT a FROM ns.t x WHERE a = 1) ORDER BY a LIMIT 1',
  'SELECT a, count(DISTINCT b) FILTER (WHERE c) FROM t GROUP BY (a, 1) HAVING count(*) > 1',
  'SELECT a FROM t WHERE (a, b) > ($1, $2) AND (a, b) NOT IN ((1, 2), (3, 4))',
];

for (const sql of DIRECT) test(`direct: ${sql}`, () => assert.equal(widerOf(sql), undefined));
