import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Query} from './ast.ts';
import {TokenCursor} from './cursor.ts';
import {parseSelectText} from './parser.ts';
import {parseQuery} from './query.ts';
import {splitStatements} from './split.ts';
import {printQuery} from './test-print.ts';

function parse(sql: string): Query {
  const cursor = new TokenCursor(splitStatements(sql)[0]!);
  const query = parseQuery(cursor);
  cursor.expectEnd();
  return query;
}

test('a SELECT with every clause', () => {
  const sql =
    'SELECT DISTINCT a AS "N n", t.*, count(*) c FROM ns.t x WHERE a GROUP BY a, b HAVING c ORDER BY a DESC, b NULLS FIRST LIMIT $1 OFFSET 2';
  const tree = parseSelectText(sql);
  assert.equal(tree.isDistinct, true);
  assert.deepEqual(
    tree.items.map(item => (item.kind === 'star' ? `${item.qualifier.map(name => name.name)}.*` : item.alias?.text)),
    ['N n', 't.*', 'c'],
  );
  assert.deepEqual(
    tree.from.map(
      item => item.kind === 'table' && [item.table.namespace?.name, item.table.table.name, item.alias?.name],
    ),
    [['ns', 't', 'x']],
  );
  assert.deepEqual([tree.groupBy.length, tree.where?.kind, tree.having?.kind], [2, 'column', 'column']);
  assert.deepEqual(
    tree.orderBy.map(item => [item.isDescending, item.nulls]),
    [
      [true, undefined],
      [false, 'first'],
    ],
  );
  assert.deepEqual([tree.limit?.kind, tree.offset?.kind, tree.end], ['param', 'number', sql.length]);
});

const LIMITS: [sql: string, limit: string | undefined, offset: string | undefined][] = [
  ['LIMIT 1 OFFSET 2', '1', '2'],
  ['OFFSET 2 LIMIT 1', '1', '2'],
  ['LIMIT ALL', undefined, undefined],
  ['OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY', '3', '2'],
  ['FETCH FIRST ROW ONLY', '1', undefined],
];

for (const [sql, limit, offset] of LIMITS) {
  test(`limits: ${sql}`, () => {
    const tree = parseSelectText(`SELECT 1 FROM t ${sql}`);
    const text = (expr: typeof tree.limit) => (expr?.kind === 'number' ? expr.text : undefined);
    assert.deepEqual([text(tree.limit), text(tree.offset)], [limit, offset]);
  });
}

const TREES: [why: string, sql: string, tree: string][] = [
  // What follows FROM
  ['a list', 'select * from a, ns.b x, c as y', 'SELECT * FROM a, ns.b AS x, c AS y'],
  [
    'joins go left',
    'select 1 from a join b on x left outer join c using (k, l)',
    'SELECT 1 FROM ((a INNER JOIN b ON x) LEFT JOIN c USING (k, l))',
  ],
  ['a list is below joins', 'select 1 from a, b cross join c', 'SELECT 1 FROM a, (b CROSS JOIN c)'],
  [
    'a join between JOIN and its ON',
    'select 1 from a join b join c on x on y',
    'SELECT 1 FROM (a INNER JOIN (b INNER JOIN c ON x) ON y)',
  ],
  [
    'a chain there goes left too',
    'select 1 from a join b cross join c full join d on x on y',
    'SELECT 1 FROM (a INNER JOIN ((b CROSS JOIN c) FULL JOIN d ON x) ON y)',
  ],
  [
    'brackets hold a join',
    'select 1 from a right join ((b inner join c on x) natural full outer join d) on y',
    'SELECT 1 FROM (a RIGHT JOIN ((b INNER JOIN c ON x) NATURAL FULL JOIN d) ON y)',
  ],
  [
    'natural joins and cross joins need no condition',
    'select 1 from a natural join b cross join c',
    'SELECT 1 FROM ((a NATURAL INNER JOIN b) CROSS JOIN c)',
  ],
  ['names for a table and its columns', 'select 1 from t as x (a, "B")', 'SELECT 1 FROM t AS x (a, b)'],
  [
    'a query',
    'select 1 from (select 2) x (a), lateral (values (x.a)) y',
    'SELECT 1 FROM (SELECT 2) AS x (a), LATERAL (VALUES (x.a)) AS y',
  ],
  ['a query needs no name', 'select * from (table t)', 'SELECT * FROM (SELECT * FROM t)'],
  ['more brackets mean nothing', 'select 1 from ((select 2)) x', 'SELECT 1 FROM (SELECT 2) AS x'],
  [
    'a query that begins with one in brackets',
    'select 1 from ((select 2) union select 3) x',
    'SELECT 1 FROM ((SELECT 2) UNION (SELECT 3)) AS x',
  ],
  [
    'a join that begins with a query in brackets',
    'select 1 from ((select 2) x join b on c)',
    'SELECT 1 FROM ((SELECT 2) AS x INNER JOIN b ON c)',
  ],
  [
    'functions',
    'select 1 from generate_series(1, $1) g, lateral f(g) with ordinality as h (a, b)',
    'SELECT 1 FROM GENERATE_SERIES(1, $1) AS g, LATERAL F(g) WITH ORDINALITY AS h (a, b)',
  ],
  // Groups
  [
    'a row of groups is as many groups',
    'select 1 from t group by (a, b), c + 1',
    'SELECT 1 FROM t GROUP BY a, b, (c + 1)',
  ],
  [
    'ROLLUP and CUBE with steps',
    'select 1 from t group by rollup (a, (b, c)), cube (d)',
    'SELECT 1 FROM t GROUP BY ROLLUP ((a), (b, c)), CUBE ((d))',
  ],
  ['the empty set', 'select 1 from t group by ()', 'SELECT 1 FROM t GROUP BY ()'],
  [
    'sets inside sets are lifted, ROLLUP and CUBE among them written out',
    'select 1 from t group by grouping sets (a, (b, c), (), rollup (a, b), cube (a, (b, c)), grouping sets (d))',
    'SELECT 1 FROM t GROUP BY GROUPING SETS ((a), (b, c), (), (a, b), (a), (), (a, b, c), (a), (b, c), (), (d))',
  ],
  // The rest of SELECT
  ['DISTINCT ON is not DISTINCT', 'select distinct on (a, b) c from t', 'SELECT DISTINCT ON (a, b) c FROM t'],
  ['ALL is what holds anyway', 'select all a from t', 'SELECT a FROM t'],
  [
    'windows',
    'select 1 from t window w as (partition by a), v as (w order by b)',
    'SELECT 1 FROM t WINDOW w AS (PARTITION BY a), v AS (w ORDER BY b)',
  ],
  ['QUALIFY', 'select 1 from t x qualify rank() over w = 1', 'SELECT 1 FROM t AS x QUALIFY (RANK() OVER w = 1)'],
  [
    'QUALIFY behind HAVING and WINDOW',
    'select 1 from t having a window w as () qualify b',
    'SELECT 1 FROM t HAVING a WINDOW w AS () QUALIFY b',
  ],
  [
    'ties',
    'select 1 from t order by a fetch first 2 rows with ties',
    'SELECT 1 FROM t ORDER BY a FETCH FIRST (2) ROWS WITH TIES',
  ],
  // Set operations
  [
    'UNION and EXCEPT go left',
    'select 1 union all select 2 except select 3',
    '((SELECT 1) UNION ALL (SELECT 2)) EXCEPT (SELECT 3)',
  ],
  [
    'INTERSECT binds tighter',
    'select 1 union select 2 intersect all select 3 union select 4',
    '((SELECT 1) UNION ((SELECT 2) INTERSECT ALL (SELECT 3))) UNION (SELECT 4)',
  ],
  [
    'brackets decide',
    '(select 1 union select 2) intersect (select 3)',
    '((SELECT 1) UNION (SELECT 2)) INTERSECT (SELECT 3)',
  ],
  [
    'the tail is of the whole',
    'select 1 union distinct values (2) order by 1 limit 3',
    '(SELECT 1) UNION (VALUES (2)) ORDER BY 1 LIMIT 3',
  ],
  [
    'a tail inside brackets stays there',
    '(select 1 order by 1) union all (table t limit 2) offset 3',
    '(SELECT 1 ORDER BY 1) UNION ALL (SELECT * FROM t LIMIT 2) OFFSET 3',
  ],
  ['behind brackets a query goes on', '((select a from t) order by a) limit 2', 'SELECT a FROM t ORDER BY a LIMIT 2'],
  ['VALUES', "values (1, 'a'), ($1, f(2)) order by 1", "VALUES (1, 'a'), ($1, F(2)) ORDER BY 1"],
  // WITH
  [
    'WITH',
    'with a as (select 1), b (x, y) as not materialized (table a) select * from a, b',
    'WITH a AS (SELECT 1), b (x, y) AS NOT MATERIALIZED (SELECT * FROM a) SELECT * FROM a, b',
  ],
  [
    'WITH RECURSIVE',
    'with recursive t (n) as materialized (values (1) union all select n + 1 from t where n < 9) table t',
    'WITH RECURSIVE t (n) AS MATERIALIZED ((VALUES (1)) UNION ALL (SELECT (n + 1) FROM t WHERE (n < 9))) SELECT * FROM t',
  ],
  [
    'WITH is of the whole',
    'with a as (select 1) select 2 union select 3',
    'WITH a AS (SELECT 1) (SELECT 2) UNION (SELECT 3)',
  ],
  ['WITH before brackets', 'with a as ((select 1)) (select 2)', 'WITH a AS (SELECT 1) SELECT 2'],
  [
    'WITH inside brackets is of that operand',
    'select 1 except (with a as (select 2) table a)',
    '(SELECT 1) EXCEPT (WITH a AS (SELECT 2) SELECT * FROM a)',
  ],
];

for (const [why, sql, tree] of TREES) {
  test(`query: ${why}`, () => {
    assert.equal(printQuery(parse(sql)), tree);
    assert.equal(printQuery(parse(tree)), tree, 'what is printed reads back as the same tree');
  });
}

test('nodes know where they stand', () => {
  const sql = 'WITH a AS (SELECT 1) (SELECT x, (SELECT 2) FROM a JOIN (SELECT 3) b ON true) UNION TABLE c LIMIT 1';
  const query = parse(sql);
  const at = (node: {start: number; end: number}) => sql.slice(node.start, node.end);
  assert.equal(at(query), sql);
  assert.equal(at(query.with!), 'WITH a AS (SELECT 1)');
  assert.equal(at(query.with!.tables[0]!), 'a AS (SELECT 1)');
  assert(query.kind === 'set' && query.left.kind === 'select' && query.right.kind === 'select');
  assert.equal(at(query.left), 'SELECT x, (SELECT 2) FROM a JOIN (SELECT 3) b ON true');
  assert.equal(at(query.right), 'TABLE c');
  const [item] = query.left.items.slice(1);
  assert(item?.kind === 'expr' && item.expr.kind === 'subquery');
  assert.deepEqual([at(item.expr), at(item.expr.query)], ['(SELECT 2)', 'SELECT 2']);
  const [join] = query.left.from;
  assert(join?.kind === 'join');
  assert.deepEqual([at(join), at(join.right)], ['a JOIN (SELECT 3) b ON true', '(SELECT 3) b']);
});

const UNSUPPORTED: [sql: string, what: string, column: number][] = [
  [
    'SELECT 1 FROM t FOR UPDATE',
    'FOR UPDATE and FOR SHARE; a transaction that writes a row which has changed meanwhile fails with WRITE_CONFLICT',
    17,
  ],
  [
    'SELECT 1 FROM t ORDER BY a FOR NO KEY UPDATE LIMIT 1',
    'FOR UPDATE and FOR SHARE; a transaction that writes a row which has changed meanwhile fails with WRITE_CONFLICT',
    28,
  ],
  ['SELECT 1 INTO u FROM t', 'SELECT … INTO; INSERT … SELECT fills a table', 10],
  ['SELECT 1 FROM ONLY t', 'ONLY; no table inherits from another', 15],
  ['SELECT 1 FROM t x TABLESAMPLE SYSTEM (1)', 'TABLESAMPLE; WHERE RANDOM() < 0.1 takes a tenth', 19],
  ['SELECT 1 FROM ROWS FROM (f(1), g(2))', 'ROWS FROM; join the functions WITH ORDINALITY', 15],
  ['SELECT 1 FROM f(1) AS (a INT)', 'column definitions behind a function; name its columns and cast them', 20],
  ['SELECT 1 FROM f(1) x (a INT, b TEXT)', 'column definitions behind a function; name its columns and cast them', 22],
  ['SELECT 1 FROM f(1) x (a "int")', 'column definitions behind a function; name its columns and cast them', 22],
  ['SELECT 1 FROM (a JOIN b ON true) AS j', 'an alias of a join; put it into a query: (SELECT …) AS j', 34],
  ['SELECT 1 FROM a JOIN b USING (x) AS j', 'an alias of USING; name the columns by their tables', 34],
  ['SELECT a FROM t GROUP BY ALL', 'GROUP BY ALL and DISTINCT; name the columns', 26],
  ['WITH a AS (SELECT 1) INSERT INTO t TABLE a', 'INSERT as a query', 22],
  ['WITH a AS (DELETE FROM t) SELECT 1', 'DELETE inside WITH, other than at the top of a statement', 12],
  [
    'WITH RECURSIVE a AS (SELECT 1) CYCLE x SET y USING z SELECT 1',
    'the SEARCH and CYCLE clauses of WITH RECURSIVE; keep the path in a column',
    32,
  ],
];

for (const [sql, what, column] of UNSUPPORTED) {
  const message = `Not supported: ${what} at line 1, column ${column}.`;
  test(`not supported: ${sql}`, () => assert.throws(() => parse(sql), {code: 'NOT_SUPPORTED', message}));
}

const REFUSED: [sql: string, message: RegExp][] = [
  ['SELECT 1 FROM', /Expected a table name, found the end of the statement at line 1, column 14/],
  ['SELECT 1 FROM a,', /Expected a table name, found the end/],
  ['SELECT 1 FROM a JOIN b', /Expected ON or USING, found the end of the statement at line 1, column 23/],
  ['SELECT 1 FROM a JOIN b WHERE c', /Expected ON or USING, found 'WHERE'/],
  ['SELECT 1 FROM a CROSS JOIN b ON c', /Unexpected 'ON' at line 1, column 30/],
  ['SELECT 1 FROM a NATURAL CROSS JOIN b', /Expected JOIN, found 'CROSS'/],
  ['SELECT 1 FROM a INNER b', /Expected JOIN, found 'b'/],
  ['SELECT 1 FROM a JOIN b USING ()', /Expected a column name, found '\)'/],
  ['SELECT 1 FROM (a)', /Brackets in FROM hold a query or a join at line 1, column 16/],
  ['SELECT 1 FROM ((SELECT 1) x)', /Brackets in FROM hold a query or a join/],
  ['SELECT 1 FROM (SELECT 1', /Expected '\)', found the end/],
  ['SELECT 1 FROM (SELECT 1) x (a b)', /Expected '\)', found 'b'/],
  ['SELECT 1 FROM LATERAL t', /Expected '\(', found the end/],
  ['SELECT 1 FROM LATERAL (a JOIN b ON c)', /LATERAL takes a query or a function/],
  ['SELECT 1 FROM count(*) FILTER (WHERE a)', /Only plain functions can stand in FROM/],
  ['SELECT 1 FROM ns.f(1)', /Functions are not in namespaces/],
  ['SELECT 1 UNION', /Expected SELECT, found the end of the statement at line 1, column 15/],
  ['SELECT 1 UNION WITH a AS (SELECT 1) SELECT 2', /Expected SELECT, found 'WITH'/],
  ['SELECT 1 ORDER BY 1 UNION SELECT 2', /Unexpected 'UNION'/],
  ['(SELECT 1', /Expected '\)', found the end/],
  ['(SELECT 1) SELECT 2', /Unexpected 'SELECT'/],
  ['(a JOIN b)', /Expected SELECT, found 'a' at line 1, column 2/],
  ['(SELECT 1 ORDER BY 1) ORDER BY 1', /A query takes one ORDER BY clause at line 1, column 23/],
  ['(SELECT 1 LIMIT 1) FETCH FIRST ROW ONLY', /A query takes one FETCH clause/],
  ['SELECT 1 LIMIT 1 OFFSET 1 OFFSET 2', /A query takes one OFFSET clause at line 1, column 27/],
  ['WITH a AS (SELECT 1) (WITH b AS (SELECT 2) SELECT 3)', /A query takes one WITH clause at line 1, column 23/],
  ['WITH a AS SELECT 1', /Expected '\(', found 'SELECT'/],
  ['WITH a AS NOT (SELECT 1) SELECT 2', /Expected MATERIALIZED, found '\('/],
  ['WITH a AS (SELECT 1)', /Expected SELECT, found the end/],
  ['WITH a AS (SELECT 1),', /Expected a query name, found the end/],
  ['SELECT 1 FETCH FIRST 1 ROW WITH TIES', /WITH TIES needs an ORDER BY clause at line 1, column 28/],
  ['SELECT 1 FETCH FIRST 1 ROWS', /Expected ONLY or WITH TIES, found the end/],
  ['SELECT 1 FETCH FIRST 1 + 1 ROWS ONLY', /Expected ROWS or ROW, found '\+'/],
  ['VALUES (1), (1, 2)', /VALUES lists must all be the same length at line 1, column 13/],
  ['VALUES ()', /Expected an expression, found '\)'/],
  ['VALUES 1', /Expected '\(', found '1'/],
  ['TABLE (SELECT 1)', /Expected a table name, found '\('/],
  ['SELECT DISTINCT ON a FROM t', /Expected '\(', found 'a'/],
  ['SELECT 1 FROM t WINDOW w (ORDER BY a)', /Expected AS, found '\('/],
  ['SELECT 1 FROM t GROUP BY ROLLUP ()', /Expected an expression, found '\)'/],
  ['SELECT 1 FROM t GROUP BY GROUPING SETS (a', /Expected '\)', found the end/],
];

for (const [sql, message] of REFUSED)
  test(`refused: ${sql}`, () => assert.throws(() => parse(sql), {code: 'INVALID_SQL', message}));

function nested(depth: number, inner: string, around: (inner: string) => string): string {
  let text = inner;
  for (let i = 0; i < depth; i++) text = around(text);
  return text;
}

const joins = (count: number) => `SELECT 1 FROM t${' JOIN t'.repeat(count)}${' ON a'.repeat(count)}`;
const cubeOf = (count: number) => `CUBE (${Array(count).fill('a').join(',')})`;
const SETS = 'SELECT 1 GROUP BY GROUPING SETS';

const LIMITS_OF: [why: string, fits: string, tooMuch: string][] = [
  [
    'brackets',
    nested(256, 'SELECT 1', q => `(${q})`).replace('SELECT 1', 'TABLE t'),
    nested(257, 'TABLE t', q => `(${q})`),
  ],
  [
    'queries in FROM',
    nested(255, 'SELECT 1', q => `SELECT 1 FROM (${q})`),
    nested(256, 'SELECT 1', q => `SELECT 1 FROM (${q})`),
  ],
  [
    'queries in WITH',
    nested(256, 'TABLE t', q => `WITH a AS (${q}) TABLE a`),
    nested(257, 'TABLE t', q => `WITH a AS (${q}) TABLE a`),
  ],
  ['joins inside joins', joins(256), joins(257)],
  [
    'a chain of joins',
    `SELECT 1 FROM t${' CROSS JOIN t'.repeat(1900)}`,
    `SELECT 1 FROM t${' CROSS JOIN t'.repeat(2001)}`,
  ],
  ['a chain of UNION', `TABLE t${' UNION TABLE t'.repeat(1999)}`, `TABLE t${' UNION TABLE t'.repeat(2001)}`],
  [
    'grouping sets in each other',
    `SELECT 1 GROUP BY ${nested(255, 'a', q => `GROUPING SETS (${q})`)}`,
    `SELECT 1 GROUP BY ${nested(257, 'a', q => `GROUPING SETS (${q})`)}`,
  ],
  ['a cube', `SELECT 1 GROUP BY ${cubeOf(12)}`, `SELECT 1 GROUP BY ${cubeOf(13)}`],
  ['a cube among sets', `${SETS} (${cubeOf(6)})`, `${SETS} (${cubeOf(7)})`],
  [
    'a rollup among sets',
    `${SETS} (${cubeOf(63).replace('CUBE', 'ROLLUP')})`,
    `${SETS} (${cubeOf(64).replace('CUBE', 'ROLLUP')})`,
  ],
];

for (const [why, fits, tooMuch] of LIMITS_OF) {
  test(`limited: ${why}`, () => {
    parse(fits);
    assert.throws(() => parse(tooMuch), {code: 'LIMIT_EXCEEDED'});
  });
}

test('a long list costs no depth', () => {
  const many = (count: number, text: string) => Array(count).fill(text).join(', ');
  const query = parse(`SELECT ${many(10_000, 'a')} FROM ${many(10_000, 't')} ORDER BY ${many(10_000, '1')}`);
  assert.equal(query.kind === 'select' && query.from.length, 10_000);
  assert.equal((parse(`VALUES ${many(10_000, '(1)')}`) as {rows?: unknown[]}).rows?.length, 10_000);
});
