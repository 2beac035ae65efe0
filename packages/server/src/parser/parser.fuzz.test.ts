/**
 * The parser against PostgreSQL's own (libpg-query) on generated statements, and against garbage.
 *
 * A statement is a list of tokens made by a grammar of the forms we have, so both must accept it; a mutant drops, doubles or swaps
 * tokens, so both must agree about it. The oracle breaks for good on deep inputs: statements stay small.
 */
import assert from 'node:assert/strict';
import {before, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {loadModule, parseSync} from 'libpg-query';
import type {Query} from './ast.ts';
import {parseColumnDefs} from './column-def.ts';
import {TokenCursor} from './cursor.ts';
import {changeBehindWith, parseDelete, parseInsert, parseUpdate} from './dml.ts';
import {parseQuery} from './query.ts';
import {splitStatements} from './split.ts';
import {maybe, mutate, pick, query, type Random, randomFrom, statement} from './test-grammar.ts';
import {printQuery} from './test-print.ts';

const SEED = 20_261_124;
const STATEMENTS = 600;
const MUTANTS = 1500;
const GARBAGE = 1500;

before(loadModule);

test('what the grammar of the standard forms makes, PostgreSQL accepts and so do we', () => {
  const random = randomFrom(SEED);
  for (let n = 0; n < STATEMENTS; n += 1) {
    const sql = statement(random).join(' ');
    assert.equal(oracle(sql), undefined, `seed ${SEED}, case ${n}: the generator made what PostgreSQL rejects: ${sql}`);
    assert.equal(judge(sql).verdict, undefined, `seed ${SEED}, case ${n}: ${sql}`);
  }
});

test('a query means the same to PostgreSQL when we write all its brackets', () => {
  const random = randomFrom(SEED + 3);
  let compared = 0;
  for (let n = 0; n < STATEMENTS; n += 1) {
    const sql = query(random, 1 + random(2)).join(' ');
    const printed = printQuery(queryOf(sql));
    assert.equal(printQuery(queryOf(printed)), printed, `seed ${SEED + 3}, case ${n}: ${sql}`);
    const meant = meaning(sql.replaceAll('LIMIT ALL', ''));
    // We write comparisons of rows and sets inside sets out.
    if (/"RowExpr"|GROUPING_SET_SETS.*GROUPING_SET/i.test(meant)) continue;
    compared += 1;
    assert.ok(meaning(printed) === meant, `seed ${SEED + 3}, case ${n}: ${sql}\nis not ${printed}`);
  }
  assert.ok(compared > STATEMENTS / 3, `only ${compared} of ${STATEMENTS} queries could be compared`);
});

test('a mutant is accepted by both or rejected by both', () => {
  const random = randomFrom(SEED + 1);
  let compared = 0;
  for (let n = 0; n < MUTANTS; n += 1) {
    const tokens = mutate(random, statement(random));
    const sql = tokens.join(' ');
    const expected = oracle(sql);
    const {verdict: actual, isPartial} = judge(sql);
    // Nothing is read behind what is refused by name, so there is nothing to compare.
    if (isPartial || DIFFERENCES.some(([, pattern]) => pattern.test(`${sql}\n${actual}`))) continue;
    compared += 1;
    const verdicts = `PostgreSQL: ${expected ?? 'accepted'}; ours: ${actual ?? 'accepted'}`;
    assert.equal(actual === undefined, expected === undefined, `seed ${SEED + 1}, case ${n}: ${sql}\n${verdicts}`);
  }
  assert.ok(compared > MUTANTS / 3, `only ${compared} of ${MUTANTS} mutants could be compared`);
});

test('garbage is a DbError with a position, or a tree; never anything else, never long', () => {
  const random = randomFrom(SEED + 2);
  for (let n = 0; n < GARBAGE; n += 1) {
    const sql = random(2) === 0 ? randomText(random) : randomTokens(random);
    try {
      for (const each of splitStatements(sql)) {
        const cursor = new TokenCursor(each);
        parseByHead(cursor);
        cursor.expectEnd();
      }
    } catch (error) {
      assert.ok(error instanceof DbError, `seed ${SEED + 2}, case ${n}: ${JSON.stringify(sql)} threw ${error}`);
      if (error.code === 'EMPTY_SQL') continue;
      const {position} = error;
      assert.ok(
        position !== undefined && position.offset <= sql.length,
        `seed ${SEED + 2}, case ${n}: ${JSON.stringify(sql)}`,
      );
    }
  }
});

function queryOf(sql: string): Query {
  const cursor = new TokenCursor(splitStatements(sql)[0]!);
  const tree = parseQuery(cursor);
  cursor.expectEnd();
  return tree;
}

/** PostgreSQL's tree without places, and without what only tells how a thing was written. */
function meaning(sql: string): string {
  const tree = parseSync(sql.replaceAll('CURRENT_TIMESTAMP()', 'CURRENT_TIMESTAMP'));
  const text = JSON.stringify(tree.stmts, (key, node) => {
    if (/location$|^stmt_len$|^funcformat$|^rexpr_list_/.test(key)) return undefined;
    if (key === 'funcname') return node.at(-1);
    if (key === 'sortby_dir' && node === 'SORTBY_ASC') return 'SORTBY_DEFAULT';
    return key === 'fval' && typeof node === 'string' ? Number(node) : node;
  });
  return text.toLowerCase().replaceAll('"position"', '"strpos"');
}

function oracle(sql: string): string | undefined {
  try {
    parseSync(sql);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** `verdict` is the error, if any. Understood counts as accepted, whether or not the statement can run. */
function judge(sql: string): {verdict: string | undefined; isPartial: boolean} {
  try {
    const cursor = new TokenCursor(splitStatements(sql)[0]!);
    parseByHead(cursor);
    cursor.expectEnd();
    return {verdict: undefined, isPartial: false};
  } catch (error) {
    assert.ok(error instanceof DbError, `${sql} threw ${error}`);
    const isPartial = error.code === 'NOT_SUPPORTED';
    return {verdict: isPartial ? undefined : error.message, isPartial};
  }
}

function parseByHead(cursor: TokenCursor): unknown {
  const word = changeBehindWith(cursor) ?? cursor.raw.toUpperCase();
  if (word === 'INSERT') return parseInsert(cursor);
  if (word === 'UPDATE') return parseUpdate(cursor);
  if (word === 'DELETE') return parseDelete(cursor);
  if (!cursor.keywords('CREATE', 'TABLE')) return parseQuery(cursor);
  cursor.ifNotExists();
  return [cursor.tableRef(), parseColumnDefs(cursor)];
}

/** Where we differ from PostgreSQL's grammar on purpose: seen in the text of a mutant, or in our message on the line below it. */
const DIFFERENCES: readonly [why: string, pattern: RegExp][] = [
  [
    'a select list may not be empty',
    /SELECT (?:ALL )?(?:FROM|WHERE|GROUP|HAVING|WINDOW|ORDER|LIMIT|OFFSET|FETCH|UNION|EXCEPT|INTERSECT|\))|SELECT(?: ALL)?$/m,
  ],
  ['t.* takes no alias; PostgreSQL refuses it one step later', /^.*\. \* (?:(?:AS )?[\w"]|n\b)/],
  [
    'reserved words are aliases only behind AS',
    /Expected an alias, found|(?:NOT|IN|IS|I?LIKE|BETWEEN|AND|OR) (?:FROM|WHERE|GROUP|ORDER|LIMIT|UNION|EXCEPT|INTERSECT|,|\))/,
  ],
  [
    'rows of VALUES and rows that are compared have one length; PostgreSQL refuses others one step later',
    /must all be the same length|unequal number of entries|rows of zero length/,
  ],
  ['a table has a column', /Table must have at least one column/],
  ['names have at most two or three parts', /at most (?:two|three) parts/],
  [
    'SET and INSERT name bare columns',
    /SET names a column of the table without the table|^INSERT INTO [^()]*\([^()]* \. /,
  ],
  ['POSITION takes two arguments also without IN', /POSITION \( (?:(?! IN ).)*,/],
  ['NULL and NOT NULL exclude each other; PostgreSQL refuses it one step later', /both NULL and NOT NULL/],
  [
    'a key or default is given once; PostgreSQL refuses it one step later',
    /Multiple PRIMARY KEY|DEFAULT is given twice|Composite/,
  ],
  ['operators before an operand are only + and -', /Expected an expression, found '(?:\|\||->>?)'/],
  [
    'DEFAULT is no operand; PostgreSQL refuses it one step later',
    /found 'DEFAULT'|^(?:INSERT|UPDATE) .*DEFAULT (?![,).])/,
  ],
  [
    'the oracle joins some words before it knows whether they are names',
    /(?:\.|AS) (?:NOT (?:BETWEEN|IN|I?LIKE|SIMILAR)|NULLS (?:FIRST|LAST)|WITH (?:TIME|ORDINALITY))/,
  ],
  ['`default` names a namespace', /DEFAULT \./],
  ['a list of columns may end in a comma', /^CREATE TABLE .*, \)$/m],
  [
    'types are words with plain arguments',
    /Expected a type,|Expected a column option, .* found '\.'|DOUBLE \. |:: \S+ \. |^CREATE .*DECIMAL \((?! \d+ , \d+ \)| \d+ \))/,
  ],
  ['types with brackets are functions to us', /(?:timestamp|DECIMAL|VARCHAR|INT|TEXT) \( (?!\d+ \))/i],
  ['any type takes arguments until its table is made', /^CREATE .*(?:INT|TEXT|UUID) \( \d+/],
  ['`t *` is `ONLY` turned round', /(?:FROM|UPDATE|INTO) (?:\S+ \. )?\S+ \*/],
  ['the oracle takes $1 for the string of a typed literal', /found '\$1'|Unexpected '\$1'|\$1 \./],
  ['calls without brackets do not stand in FROM', /Expected a table name, found 'CURRENT/],
  [
    'a typed literal names its type by a plain word',
    /(?:found|Unexpected) a quoted string|(?:OUTER|INNER|LEFT|RIGHT|FULL|CROSS|NATURAL|JOIN|EXTRACT|COALESCE|SUBSTRING|TRIM|POSITION) [EX]?'/,
  ],
  [
    'functions have plain names that are not operators',
    /Functions are not in namespaces|found '(?:I?LIKE|IS|SIMILAR)'|(?:OUTER|INNER|FULL|CROSS|NATURAL|JOIN) \(/,
  ],
  ['the lower bound of BETWEEN takes brackets around a comparison', /Expected AND, found '[<>=!]+'/],
  ['the lower bound of BETWEEN may hold NOT', /BETWEEN (?:(?!AND ).)*NOT /],
  [
    'rows and their fields are no values',
    /found '\*'|Expected '\)', found '\.'|\. \* [-+*/%|<=>]|Unexpected '\.'|Unexpected '\*'|Unexpected '->/,
  ],
  ['EXTRACT takes any word for a field and says later that it is none', /EXTRACT \( (?!YEAR|')/],
  ['CURRENT_TIMESTAMP (…) is a call like others', /CURRENT_TIMESTAMP \((?! \))/],
  ['a count before ROWS may be negated; it is no number then', /(?:OFFSET|FIRST|NEXT) NOT/],
  ['FETCH … ROW ROW: PostgreSQL takes the first for a name', /Expected ONLY or WITH TIES, found 'ROW/],
  ['DEFAULT of a column: PostgreSQL has a grammar of its own without NOT', /^CREATE .*DEFAULT .*NOT/],
];

const ODD = [
  'SELECT',
  'INSERT INTO t VALUES',
  '(',
  ')',
  "'",
  '"',
  '`',
  '--',
  '/*',
  '*/',
  ';',
  '$1',
  '$',
  '\0',
  'é',
  '😀',
  '\ud800',
  '1e',
  'WITH',
];

function randomText(random: Random): string {
  let text = '';
  for (let more = random(40); more > 0; more -= 1) {
    text +=
      random(3) === 0 ? pick(random, ODD) : String.fromCharCode(random(4) === 0 ? random(0x3000) : 32 + random(95));
  }
  return text;
}

function randomTokens(random: Random): string {
  const tokens: string[] = [];
  for (let more = 1 + random(6); more > 0; more -= 1) {
    const from = statement(random);
    tokens.push(...from.slice(random(from.length)).slice(0, 8), ...maybe(random, pick(random, ODD)));
  }
  return tokens.join(' ');
}
