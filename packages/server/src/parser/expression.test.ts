import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Expr} from './ast.ts';
import {TokenCursor} from './cursor.ts';
import {parseExpression} from './expression.ts';
import {splitStatements} from './split.ts';
import {print} from './test-print.ts';

function parse(sql: string): Expr {
  const cursor = new TokenCursor(splitStatements(sql)[0]!);
  const expr = parseExpression(cursor);
  cursor.expectEnd();
  return expr;
}

const TREES: [why: string, sql: string, tree: string][] = [
  ['or binds least, chains are flat', 'a or b and c or not d', '(a or (b and c) or (not d))'],
  ['not is below comparisons', 'not a = b', '(not (a = b))'],
  ['is is below comparisons', 'a = b is null', '((a = b) IS NULL)'],
  ['and after is', 'a is not distinct from b + 1 and c isnull', '((a IS NOT DISTINCT FROM (b + 1)) and (c IS NULL))'],
  ['is unknown', 'a is not unknown', '(a IS NOT UNKNOWN)'],
  ['in is above comparisons', 'a = b in (1, 2)', '(a = (b IN (1, 2)))'],
  ['between takes its own and', 'a between 1 and 2 and b', '((a BETWEEN 1 AND 2) and b)'],
  ['not between', 'a not between 1 and 2 + 3', '(a NOT BETWEEN 1 AND (2 + 3))'],
  ['other operators are below +', "a || b + 1 -> 'k'", "((a || (b + 1)) -> 'k')"],
  ['json chains go left, above =', "doc->'a'->>'b' = 'x'", "(((doc -> 'a') ->> 'b') = 'x')"],
  ['json has', "j ? 'k'", "(j ? 'k')"],
  ['* above +, both go left', '1 - 2 - 3 * 4 / 5', '((1 - 2) - ((3 * 4) / 5))'],
  ['signs above *', '-a * +b', '((- a) * (+ b))'],
  ['casts above signs', '-a::int', '(- CAST(a AS INT))'],
  ['like with escape', "a not ilike 'x!%' escape '!'", "(a NOT ILIKE 'x!%' ESCAPE '!')"],
  ['types of several words', 'a::timestamp(3) with time zone', 'CAST(a AS TIMESTAMP(3) WITH TIME ZONE)'],
  ['cast and try_cast', 'try_cast(a as decimal(10, 2))', 'TRY_CAST(a AS DECIMAL(10, 2))'],
  ['typed literals', "date '2026-01-01'", "DATE '2026-01-01'"],
  ['names fold, quoted or not', 'NS."T".Col', 'ns.t.col'],
  ['the namespace default', 'default.t.c', '"default".t.c'],
  ['points get digits', '.5 + 5. + 1.e3', '((0.5 + 5.0) + 1.0e3)'],
  ['escapes', "E'a\\'\\u00e9\\x41'", "'a''éA'"],
  ['calls', 'count(distinct a) filter (where b)', 'COUNT(DISTINCT a) FILTER (WHERE b)'],
  ['calls without brackets', 'current_user', 'CURRENT_USER()'],
  ['case', 'case a when 1 then 2 else 3 end', 'CASE a WHEN 1 THEN 2 ELSE 3 END'],
  ['worded calls', "substring(a from 2 for 3) || trim(leading 'x' from b)", "(SUBSTRING(a, 2, 3) || LTRIM(b, 'x'))"],
  ['position', 'position(a in b)', 'STRPOS(b, a)'],
  ['extract', 'extract(year from a)', 'EXTRACT(YEAR FROM a)'],
  ['arrays are calls', 'array[1, [2, 3]]', 'JSON_BUILD_ARRAY(1, JSON_BUILD_ARRAY(2, 3))'],
  ['operators that are calls', "a || b ~* 'x'", "REGEXP_LIKE((a || b), 'x', 'i')"],
  ['and their negations', "a !~ 'x' and b", "((not REGEXP_LIKE(a, 'x')) and b)"],
  [
    'the longest operator',
    "j #>> '{a}' ?| array['b']",
    "JSONB_EXISTS_ANY(JSONB_AT_TEXT(j, '{a}'), JSON_BUILD_ARRAY('b'))",
  ],
  ['contained', 'a <@ b = c', '(JSONB_CONTAINED(a, b) = c)'],
  ['bits are one level, and go left', 'a & b | c << 1 + 2', 'BITSHIFTLEFT(BITOR(BITAND(a, b), c), (1 + 2))'],
  ['a sign behind an operator', 'a&-b', 'BITAND(a, (- b))'],
  ['bits of none', '~ a + 1 & b', 'BITAND(BITNOT((a + 1)), b)'],
  ['powers go left, above * and below signs', '2 * -a ^ b ^ c', '(2 * POWER(POWER((- a), b), c))'],
  ['zones', '1 + a at time zone b || c', '((1 + TIMEZONE(b, a)) || c)'],
  ['between in either order', 'a between symmetric 1 and 2', '((a BETWEEN 1 AND 2) or (a BETWEEN 2 AND 1))'],
  ['any of an array that is written', 'a = any (array[1, 2])', '(a IN (1, 2))'],
  ['all of an array that is written', 'a > all (array[1, 2])', '((a > 1) and (a > 2))'],
  ['LIKE any of an array', "a not like any (array['x', b])", "((a NOT LIKE 'x') or (a NOT LIKE b))"],
  ['ILIKE all of nothing', 'a ilike all (array[])', 'TRUE'],
  ['a pattern of an array', "a !~ all (array['x', 'y'])", "((not REGEXP_LIKE(a, 'x')) and (not REGEXP_LIKE(a, 'y')))"],
  ['arrays that meet', 'a && b', 'ARRAY_HAS_ANY(a, b)'],
  ['any of another array', 'a <= some (b)', "COMPARE_ANY(a, '<=', b)"],
  ['all of nothing', 'a = all (array[])', 'TRUE'],
  ['similar to', "a not similar to 'x' escape '#'", "(not SIMILAR_TO(a, 'x', '#'))"],
  ['overlay', "overlay(a placing 'b' from 2 for 1)", "OVERLAY(a, 'b', 2, 1)"],
  ['FILE placeholder', 'FILE("f")', 'FILE(f)'],
  [
    'aggregates take an order',
    "string_agg(distinct a, ',' order by b desc, c)",
    "STRING_AGG(DISTINCT a, ',' ORDER BY b DESC, c)",
  ],
  ['a named window', 'rank() over w', 'RANK() OVER w'],
  ['an empty window', 'count(*) filter (where a) over ()', 'COUNT(*) FILTER (WHERE a) OVER ()'],
  [
    'a whole window',
    'sum(a) over (w partition by b, c order by d desc rows 2 preceding)',
    'SUM(a) OVER (w PARTITION BY b, c ORDER BY d DESC ROWS 2 PRECEDING)',
  ],
  [
    'a frame between bounds, without some rows',
    'sum(a) over (range between unbounded preceding and 1 + 1 following exclude current row)',
    'SUM(a) OVER (RANGE BETWEEN UNBOUNDED PRECEDING AND (1 + 1) FOLLOWING EXCLUDE CURRENT ROW)',
  ],
  [
    'NO OTHERS excludes nothing',
    'sum(a) over (groups between current row and unbounded following exclude no others)',
    'SUM(a) OVER (GROUPS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)',
  ],
  ['nulls ignored, said behind', 'lag(a) ignore nulls over w', 'LAG(a) IGNORE NULLS OVER w'],
  [
    'nulls ignored, said inside',
    'lag(a, 1 ignore nulls) over (order by b)',
    'LAG(a, 1) IGNORE NULLS OVER (ORDER BY b)',
  ],
  ['nulls respected is what holds anyway', 'lag(a) respect nulls over w', 'LAG(a) OVER w'],
  ['a subquery is a value', '1 + (select max(a) from t) * 2', '(1 + ((SELECT MAX(a) FROM t) * 2))'],
  ['more brackets mean nothing', '((select 1))', '(SELECT 1)'],
  ['an expression may begin with a query', '((select 1) + 1) * 2', '(((SELECT 1) + 1) * 2)'],
  ['a query may begin with one in brackets', '((select 1) union select 2)', '((SELECT 1) UNION (SELECT 2))'],
  ['and go on behind two', '(((select 1)) limit 1)', '(SELECT 1 LIMIT 1)'],
  ['VALUES is a query', '(values (1))', '(VALUES (1))'],
  ['TABLE is a query', '(table ns.t)', '(SELECT * FROM ns.t)'],
  ['EXISTS', 'not exists (select 1 from t)', '(not EXISTS (SELECT 1 FROM t))'],
  ['IN a query', 'a not in (select b from t) and c', '((a NOT IN (SELECT b FROM t)) and c)'],
  ['IN a list that begins with a query', 'a in ((select 1), 2)', '(a IN ((SELECT 1), 2))'],
  ['IN a query in brackets', 'a in ((select 1))', '(a IN (SELECT 1))'],
  ['ANY, where SOME is ANY', 'a + 1 = some (select b from t)', '((a + 1) = ANY (SELECT b FROM t))'],
  ['ALL ends like any operand', 'a < all (values (1), (2)) is true', '((a < ALL (VALUES (1), (2))) IS TRUE)'],
  ['a row in a query', '(a, b) in (select 1, 2)', '(ROW(a, b) IN (SELECT 1, 2))'],
  ['a row against ANY', '(a, b) <> any (select 1, 2)', '(ROW(a, b) <> ANY (SELECT 1, 2))'],
  ['rows are equal when all pairs are', '(a, b) = (1, c + 2)', '((a = 1) and (b = (c + 2)))'],
  ['rows differ when one pair does', 'row(a, b) <> row(1, 2)', '((a <> 1) or (b <> 2))'],
  [
    'a row is less by its first pair that differs',
    '(a, b, c) <= (1, 2, 3)',
    '((a < 1) or ((a = 1) and ((b < 2) or ((b = 2) and (c <= 3)))))',
  ],
  [
    'rows in a list of rows',
    '(a, b) not in ((1, 2), (3, 4))',
    '(not (((a = 1) and (b = 2)) or ((a = 3) and (b = 4))))',
  ],
  ['rows of one value', 'row(a) > row(1)', '(a > 1)'],
  ['distinct rows', '(a, b) is distinct from (1, 2)', '((a IS DISTINCT FROM 1) or (b IS DISTINCT FROM 2))'],
  [
    'rows not distinct',
    '(a, b) is not distinct from (1, 2)',
    '((a IS NOT DISTINCT FROM 1) and (b IS NOT DISTINCT FROM 2))',
  ],
];

for (const [why, sql, tree] of TREES) {
  test(`tree: ${why}`, () => {
    assert.equal(print(parse(sql)), tree);
    assert.equal(print(parse(tree)), tree, 'what is printed reads back as the same tree');
  });
}

test('an array of a query is a query over it, ordered as it is', () => {
  assert.equal(
    print(parse('array(select a from t order by b, a desc limit 2)')),
    `(SELECT COALESCE(JSON_AGG("ARRAY".v ORDER BY "ARRAY".o1, "ARRAY".v DESC), '[]') AS "array" FROM (SELECT a, b FROM t ORDER BY b, a DESC LIMIT 2) AS "ARRAY" (v, o1))`,
  );
});

const UNSUPPORTED: [sql: string, what: string, column: number][] = [
  ['array(select * from t)', '\\* in ARRAY of a query; name its column', 14],
  [
    'array(select distinct a order by b)',
    'ARRAY of a query with DISTINCT or a set operation that is ordered by more',
    1,
  ],
  ['a[1]', 'array subscripts; -> and ->> take an element of JSON, counted from 0', 1],
  ['a collate "C"', 'COLLATE; texts are compared by their bytes, as under "C", and LOWER takes case out', 1],
  ['a || any (select 1)', 'ANY, SOME and ALL behind \\|\\|', 1],
  ['a like any (select 1)', 'LIKE ANY of other than ARRAY\\[…\\]; use EXISTS with a query, or FROM UNNEST', 1],
  ['a ~ all (b)', '~ ALL of other than ARRAY\\[…\\]; use EXISTS with a query, or FROM UNNEST', 1],
  ['a similar to any (array[b])', 'SIMILAR TO ANY and ALL; join the patterns by \\|', 1],
  ['mode() within group (order by a) over ()', 'OVER behind WITHIN GROUP', 34],
  ['sum(a order by b using <)', 'ORDER BY … USING; write ASC or DESC', 18],
  ['(a, (b, c)) = (1, (2, 3))', 'rows inside rows', 5],
  ['(a, b) in ((1, 2), c)', 'a row in a list of other values', 20],
  ['(a, f(b)) < (1, 2)', 'rows of longer expressions in this comparison', 5],
];

for (const [sql, what, column] of UNSUPPORTED) {
  const message = new RegExp(`^Not supported: ${what} at line 1, column ${column}\\.`);
  test(`not supported: ${sql}`, () => assert.throws(() => parse(sql), {code: 'NOT_SUPPORTED', message}));
}

const FOREIGN_OPERATORS: [sql: string, operator: string][] = [
  ['a &&& b', '&&&'],
  ['a <<| b', '<<|'],
  ['a ## b', '##'],
];

for (const [sql, operator] of FOREIGN_OPERATORS) {
  test(`an operator we do not have: ${sql}`, () =>
    assert.throws(() => parse(sql), {
      code: 'NOT_SUPPORTED',
      message: `Not supported: the operator ${operator} at line 1, column 3.`,
    }));
}

const REFUSED: [sql: string, message: RegExp][] = [
  ['a < b < c', /put brackets around the comparison before it at line 1, column 7/],
  ['a in (1, )', /Expected an expression, found '\)'/],
  ['a in ()', /Expected an expression/],
  ['f(a,)', /Expected an expression/],
  ['a b', /Unexpected 'b'/],
  ['a ) b', /Unexpected '\)'/],
  ["a = 'secret' 'more'", /Unexpected a quoted string/],
  ['select', /Expected an expression, found 'select'/],
  ['a.b.c.d', /at most three parts/],
  ["x'012'", /pairs of hexadecimal digits/],
  ['$0', /Parameters are numbered/],
  ["E'\\u12'", /Invalid escape/],
  ['a +', /found the end of the statement at line 1, column 4/],
  ['case end', /Expected an expression/],
  ['(a', /Expected '\)', found the end/],
  ['a not null', /Unexpected 'not'/],
  ['((select 1) + )', /Expected an expression, found '\)' at line 1, column 15/],
  ['(select 1, )', /Expected an expression, found '\)'/],
  ['(select 1', /Expected '\)', found the end of the statement at line 1, column 10/],
  ['exists (1)', /Expected a query, found '1' at line 1, column 9/],
  ['exists ((select 1) + 1)', /Expected '\)', found '\+'/],
  ['a = any b', /Expected '\(', found 'b'/],
  ['(a, b) = (1, 2, 3)', /unequal number of entries in row expressions at line 1, column 1/],
  ['row() = row()', /cannot compare rows of zero length/],
  ['lag(a) ignore nulls', /Expected OVER, found the end/],
  ['sum(a) over (order b)', /Expected BY, found 'b'/],
  ['sum(a) over (rows unbounded following)', /A frame cannot begin with UNBOUNDED FOLLOWING at line 1, column 19/],
  ['sum(a) over (rows 1 following)', /A frame cannot end before it begins/],
  [
    'sum(a) over (rows between current row and 1 preceding)',
    /A frame cannot end before it begins at line 1, column 43/,
  ],
  ['sum(a) over (rows between 1 following and unbounded preceding)', /A frame cannot end with UNBOUNDED PRECEDING/],
  ['sum(a) over (rows a)', /Expected PRECEDING or FOLLOWING, found '\)'/],
  ['sum(a) over (rows current row exclude a)', /Expected CURRENT ROW, GROUP, TIES or NO OTHERS, found 'a'/],
  ['sum(a) over (w x)', /Expected '\)', found 'x'/],
];

for (const [sql, message] of REFUSED)
  test(`refused: ${sql}`, () => assert.throws(() => parse(sql), {code: 'INVALID_SQL', message}));

test('a megabyte of brackets is refused at once', () => {
  assert.throws(() => parse('('.repeat(1_000_000)), {code: 'LIMIT_EXCEEDED'});
});

test('10,000 rows in a list of rows are one flat node', () => {
  const expr = parse(`(a, b) IN (${Array(10_000).fill('(1, 2)').join(', ')})`);
  assert.equal(expr.kind === 'logic' && expr.terms.length, 10_000);
});

test('10,000 terms of a logic chain are one flat node', () => {
  const expr = parse(Array(10_000).fill('a = 1').join(' OR '));
  assert.equal(expr.kind === 'logic' && expr.terms.length, 10_000);
});

function nested(depth: number, inner: string, around: (inner: string) => string): string {
  let text = inner;
  for (let i = 0; i < depth; i++) text = around(text);
  return `(${text})`;
}

function ordered(length: number): string {
  const row = `(${Array(length).fill('a').join(',')})`;
  return `${row} < ${row}`;
}

const LIMITS: [why: string, fits: string, tooMuch: string][] = [
  ['a sum', Array(2001).fill('1').join('+'), Array(2002).fill('1').join('+')],
  ['brackets', `${'('.repeat(255)}1${')'.repeat(255)}`, `${'('.repeat(256)}1${')'.repeat(256)}`],
  ['signs', `${'- '.repeat(255)}1`, `${'- '.repeat(256)}1`],
  ['casts', `a${'::int'.repeat(2000)}`, `a${'::int'.repeat(2001)}`],
  [
    'queries in queries',
    nested(126, 'SELECT 1', query => `SELECT (${query})`),
    nested(127, 'SELECT 1', query => `SELECT (${query})`),
  ],
  [
    'brackets around a query',
    `${'('.repeat(254)}SELECT 1${')'.repeat(254)}`,
    `${'('.repeat(257)}SELECT 1${')'.repeat(257)}`,
  ],
  ['rows in order', ordered(32), ordered(33)],
  ['sums inside sums', `(${'1+'.repeat(999)}1)${'+1'.repeat(999)}`, `(${'1+'.repeat(1500)}1)${'+1'.repeat(1500)}`],
];

for (const [why, fits, tooMuch] of LIMITS) {
  test(`limited: ${why}`, () => {
    parse(fits);
    assert.throws(() => parse(tooMuch), {code: 'LIMIT_EXCEEDED'});
  });
}
