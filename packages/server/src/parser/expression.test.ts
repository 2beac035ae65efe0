import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Expr} from './ast.ts';
import {TokenCursor} from './cursor.ts';
import {parseExpression} from './expression.ts';
import {splitStatements} from './split.ts';

function parse(sql: string): Expr {
  const cursor = new TokenCursor(splitStatements(sql)[0]!);
  const expr = parseExpression(cursor);
  cursor.expectEnd();
  return expr;
}

/** A tree as one line with every bracket written. Parsing the line must give the same line. */
function print(expr: Expr): string {
  switch (expr.kind) {
    case 'null':
      return 'NULL';
    case 'boolean':
      return expr.value ? 'TRUE' : 'FALSE';
    case 'number':
      return expr.text;
    case 'string':
      return `'${expr.value.replaceAll("'", "''")}'`;
    case 'bytes':
      return `X'${expr.hex}'`;
    case 'typed':
      return `${expr.type.name} '${expr.value}'`;
    case 'param':
      return `$${expr.index}`;
    case 'column':
      return [...expr.qualifier, expr.column].map(name => name.name).join('.');
    case 'unary':
      return `(${expr.op} ${print(expr.operand)})`;
    case 'binary':
      return `(${print(expr.left)} ${expr.op} ${print(expr.right)})`;
    case 'logic':
      return `(${expr.terms.map(print).join(` ${expr.op} `)})`;
    case 'cast':
      return `${expr.isTry ? 'TRY_' : ''}CAST(${print(expr.operand)} AS ${expr.type.name}${expr.type.args.length > 0 ? `(${expr.type.args.join(', ')})` : ''})`;
    case 'call':
      return `${expr.name}(${expr.isDistinct ? 'DISTINCT ' : ''}${expr.isStar ? '*' : expr.args.map(print).join(', ')})${expr.filter ? ` FILTER (WHERE ${print(expr.filter)})` : ''}`;
    case 'extract':
      return `EXTRACT(${expr.field} FROM ${print(expr.operand)})`;
    case 'case':
      return `CASE${expr.operand ? ` ${print(expr.operand)}` : ''}${expr.branches.map(one => ` WHEN ${print(one.when)} THEN ${print(one.then)}`).join('')}${expr.otherwise ? ` ELSE ${print(expr.otherwise)}` : ''} END`;
    default:
      return printTest(expr);
  }
}

function printTest(expr: Expr): string {
  assert('isNegated' in expr);
  const not = expr.isNegated ? 'NOT ' : '';
  switch (expr.kind) {
    case 'isNull':
      return `(${print(expr.operand)} IS ${not}NULL)`;
    case 'isBoolean':
      return `(${print(expr.operand)} IS ${not}${expr.value === null ? 'UNKNOWN' : expr.value ? 'TRUE' : 'FALSE'})`;
    case 'isDistinct':
      return `(${print(expr.left)} IS ${not}DISTINCT FROM ${print(expr.right)})`;
    case 'in':
      return `(${print(expr.operand)} ${not}IN (${expr.list.map(print).join(', ')}))`;
    case 'between':
      return `(${print(expr.operand)} ${not}BETWEEN ${print(expr.low)} AND ${print(expr.high)})`;
    case 'like':
      return `(${print(expr.operand)} ${not}${expr.isCaseless ? 'ILIKE' : 'LIKE'} ${print(expr.pattern)}${expr.escape ? ` ESCAPE ${print(expr.escape)}` : ''})`;
    default:
      throw new Error(expr.kind);
  }
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
  ['types of several words', 'a::timestamp(3) with time zone', 'CAST(a AS TIMESTAMP WITH TIME ZONE(3))'],
  ['cast and try_cast', 'try_cast(a as decimal(10, 2))', 'TRY_CAST(a AS DECIMAL(10, 2))'],
  ['typed literals', "date '2026-01-01'", "DATE '2026-01-01'"],
  ['names fold, quoted or not', 'NS."T".Col', 'ns.t.col'],
  ['the namespace default', 'default.t.c', 'default.t.c'],
  ['points get digits', '.5 + 5. + 1.e3', '((0.5 + 5.0) + 1.0e3)'],
  ['escapes', "E'a\\'\\u00e9\\x41'", "'a''éA'"],
  ['calls', 'count(distinct a) filter (where b)', 'COUNT(DISTINCT a) FILTER (WHERE b)'],
  ['calls without brackets', 'current_user', 'CURRENT_USER()'],
  ['case', 'case a when 1 then 2 else 3 end', 'CASE a WHEN 1 THEN 2 ELSE 3 END'],
  ['worded calls', "substring(a from 2 for 3) || trim(leading 'x' from b)", "(SUBSTRING(a, 2, 3) || LTRIM(b, 'x'))"],
  ['position', 'position(a in b)', 'STRPOS(b, a)'],
  ['extract', 'extract(year from a)', 'EXTRACT(YEAR FROM a)'],
  ['FILE placeholder', 'FILE("f")', 'FILE(f)'],
];

for (const [why, sql, tree] of TREES) {
  test(`tree: ${why}`, () => {
    assert.equal(print(parse(sql)), tree);
    const again = tree.replace('TIMESTAMP WITH TIME ZONE(3)', 'TIMESTAMP(3) WITH TIME ZONE');
    assert.equal(print(parse(again)), tree, 'what is printed reads back as the same tree');
  });
}

const UNSUPPORTED: [sql: string, what: string][] = [
  ['(select 1)', 'subqueries'],
  ['a in (select b from t)', 'subqueries'],
  ['exists (select 1)', 'subqueries'],
  ['a = any (select 1)', 'ANY, SOME and ALL comparisons'],
  ['rank() over (order by a)', 'window functions'],
  ['array[1, 2]', 'arrays'],
  ['(a, b)', 'row constructors'],
  ['a[1]', 'array subscripts'],
  ['a at time zone b', 'AT TIME ZONE'],
  ['a collate "C"', 'COLLATE'],
];

for (const [sql, what] of UNSUPPORTED)
  test(`not supported: ${sql}`, () =>
    assert.throws(() => parse(sql), {code: 'NOT_SUPPORTED', message: new RegExp(`: ${what} at line 1, column`)}));

const REFUSED: [sql: string, message: RegExp][] = [
  ['a < b < c', /put brackets around the comparison before it at line 1, column 7/],
  ['a in (1, )', /Expected an expression, found '\)'/],
  ['a in ()', /Expected an expression/],
  ['f(a,)', /Expected an expression/],
  ['a b', /Unexpected 'b'/],
  ['a @> b', /Unexpected '@'/],
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
];

for (const [sql, message] of REFUSED)
  test(`refused: ${sql}`, () => assert.throws(() => parse(sql), {code: 'INVALID_SQL', message}));

test('a megabyte of brackets is refused at once', () => {
  assert.throws(() => parse('('.repeat(1_000_000)), {code: 'LIMIT_EXCEEDED'});
});

test('10,000 terms of a logic chain are one flat node', () => {
  const expr = parse(Array(10_000).fill('a = 1').join(' OR '));
  assert.equal(expr.kind === 'logic' && expr.terms.length, 10_000);
});

const LIMITS: [why: string, fits: string, tooMuch: string][] = [
  ['a sum', Array(2001).fill('1').join('+'), Array(2002).fill('1').join('+')],
  ['brackets', `${'('.repeat(255)}1${')'.repeat(255)}`, `${'('.repeat(256)}1${')'.repeat(256)}`],
  ['signs', `${'- '.repeat(255)}1`, `${'- '.repeat(256)}1`],
  ['casts', `a${'::int'.repeat(2000)}`, `a${'::int'.repeat(2001)}`],
  ['sums inside sums', `(${'1+'.repeat(999)}1)${'+1'.repeat(999)}`, `(${'1+'.repeat(1500)}1)${'+1'.repeat(1500)}`],
];

for (const [why, fits, tooMuch] of LIMITS) {
  test(`limited: ${why}`, () => {
    parse(fits);
    assert.throws(() => parse(tooMuch), {code: 'LIMIT_EXCEEDED'});
  });
}
