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
import {parseColumnDefs} from './column-def.ts';
import {TokenCursor} from './cursor.ts';
import {parseDelete, parseInsert, parseQuery, parseUpdate} from './query.ts';
import {splitStatements} from './split.ts';

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

test('a mutant is accepted by both or rejected by both', () => {
  const random = randomFrom(SEED + 1);
  let compared = 0;
  for (let n = 0; n < MUTANTS; n += 1) {
    const tokens = mutate(random, statement(random));
    const sql = tokens.join(' ');
    const expected = oracle(sql);
    const {verdict: actual, isPartial} = judge(sql);
    // Behind a wider construct we only balance brackets, so there is nothing to compare.
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

type Random = (below: number) => number;

/** Numbers from 0 up to but not including `below`; xorshift32. */
function randomFrom(seed: number): Random {
  let state = seed | 1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
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
    const tree = parseByHead(cursor);
    cursor.expectEnd();
    return {verdict: undefined, isPartial: /"wider":\{/.test(JSON.stringify(tree))};
  } catch (error) {
    assert.ok(error instanceof DbError, `${sql} threw ${error}`);
    const isPartial = error.code === 'NOT_SUPPORTED';
    return {verdict: isPartial ? undefined : error.message, isPartial};
  }
}

function parseByHead(cursor: TokenCursor): unknown {
  if (cursor.isKeyword('INSERT')) return parseInsert(cursor);
  if (cursor.isKeyword('UPDATE')) return parseUpdate(cursor);
  if (cursor.isKeyword('DELETE')) return parseDelete(cursor);
  if (!cursor.keywords('CREATE', 'TABLE')) return parseQuery(cursor);
  cursor.ifNotExists();
  return [cursor.tableRef(), parseColumnDefs(cursor)];
}

/** Where we differ from PostgreSQL's grammar on purpose: seen in the text of a mutant, or in our message on the line below it. */
const DIFFERENCES: readonly [why: string, pattern: RegExp][] = [
  [
    'a select list may not be empty',
    /SELECT (?:ALL )?(?:FROM|WHERE|GROUP|HAVING|ORDER|LIMIT|OFFSET|FETCH|\))|SELECT$/m,
  ],
  ['t.* takes no alias; PostgreSQL refuses it one step later', /^.*\. \* (?:(?:AS )?[\w"]|n\b)/],
  ['a table has a column', /Table must have at least one column/],
  ['names have at most two or three parts', /at most (?:two|three) parts/],
  ['SET names a bare column', /SET names a column of the table without the table/],
  ['NULL and NOT NULL exclude each other; PostgreSQL refuses it one step later', /both NULL and NOT NULL/],
  [
    'a key or default is given once; PostgreSQL refuses it one step later',
    /Multiple PRIMARY KEY|DEFAULT is given twice|Composite/,
  ],
  ['operators before an operand are only + and -', /Expected an expression, found '(?:\|\||->>?)'/],
  ['DEFAULT is no operand; PostgreSQL refuses it one step later', /found 'DEFAULT'/],
  ['`default` names a namespace', /DEFAULT \./],
  ['a list of columns may end in a comma', /^CREATE TABLE .*, \)$/m],
  [
    'types are words with plain arguments',
    /Expected a type,|Expected a column option, , or \), found '\.'|DOUBLE \. |^CREATE .*DECIMAL \((?! \d+ , \d+ \)| \d+ \))/,
  ],
  ['types with brackets are functions to us', /(?:timestamp|DECIMAL|VARCHAR) \( (?!\d+ \))/],
  ['`t *` is `ONLY` turned round', /(?:FROM|UPDATE|INTO) (?:\S+ \. )?\S+ \*/],
  ['the oracle takes $1 for the string of a typed literal', /found '\$1'|Unexpected '\$1'|\$1 \./],
  ['a typed literal names its type by a plain word', /(?:found|Unexpected) a quoted string/],
  [
    'functions have plain names that are not operators',
    /Functions are not in namespaces|found '(?:I?LIKE|IS|SIMILAR)'/,
  ],
  ['the lower bound of BETWEEN takes brackets around a comparison', /Expected AND, found '[<>=!]+'/],
  [
    'rows and their fields are no values',
    /found '\*'|\. \* (?:->|-|\|)|Unexpected '\.'|Unexpected '\*'|Unexpected '->/,
  ],
  ['CURRENT_TIMESTAMP (…) is a call like others', /CURRENT_TIMESTAMP \((?! \))/],
  ['FETCH … ROW ROW: PostgreSQL takes the first for a name', /Expected ONLY, found 'ROW/],
  ['DEFAULT of a column: PostgreSQL has a grammar of its own without NOT', /^CREATE .*DEFAULT .*NOT/],
];

type Make = (random: Random, depth: number) => string[];

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random(list.length)]!;
}

/** One of the lists, in a third of the cases. */
function maybe(random: Random, ...tokens: string[]): string[] {
  return random(3) === 0 ? tokens : [];
}

function listOf(random: Random, make: () => string[]): string[] {
  const tokens = make();
  for (let more = random(3); more > 0; more -= 1) tokens.push(',', ...make());
  return tokens;
}

const COLUMNS = ['a', 'b', 'C', '"d e"', 'type', 'key', 'timestamp', 'value'];
const LITERALS = [
  '1',
  '0',
  '1.5',
  '.5',
  '1e3',
  "'x'",
  "'it''s'",
  "E'a\\nb'",
  'NULL',
  'TRUE',
  'false',
  '$1',
  "DATE '2026-01-01'",
  "X'01ff'",
];
const TYPES = [
  'INT',
  'TEXT',
  'DOUBLE PRECISION',
  'DECIMAL ( 10 , 2 )',
  'TIMESTAMP WITH TIME ZONE',
  'VARCHAR ( 20 )',
  'UUID',
];
const COMPARISONS = ['=', '<>', '!=', '<', '<=', '>', '>='];
const OPERATORS = ['||', '->', '->>', '+', '-', '*', '/', '%'];

const column: Make = random => (random(4) === 0 ? ['t', '.', pick(random, COLUMNS)] : [pick(random, COLUMNS)]);

const value: Make = (random, depth) => {
  if (depth <= 0) return random(2) === 0 ? column(random, 0) : pick(random, LITERALS).split(' ');
  return pick(random, VALUES)(random, depth - 1);
};

const VALUES: readonly Make[] = [
  column,
  random => [pick(random, LITERALS)],
  (random, depth) => ['(', ...expression(random, depth), ')'],
  (random, depth) => ['(', ...value(random, depth), pick(random, OPERATORS), ...value(random, depth), ')'],
  (random, depth) => ['-', ...value(random, depth)],
  (random, depth) => ['CAST', '(', ...expression(random, depth), 'AS', ...pick(random, TYPES).split(' '), ')'],
  (random, depth) => ['upper', '(', ...listOf(random, () => expression(random, depth)), ')'],
  (random, depth) => [
    'COUNT',
    '(',
    'DISTINCT',
    ...value(random, depth),
    ')',
    ...maybe(random, 'FILTER', '(', 'WHERE', 'a', ')'),
  ],
  () => ['count', '(', '*', ')'],
  () => ['CURRENT_TIMESTAMP'],
  (random, depth) => ['COALESCE', '(', ...listOf(random, () => expression(random, depth)), ')'],
  (random, depth) => ['EXTRACT', '(', 'YEAR', 'FROM', ...value(random, depth), ')'],
  (random, depth) => [
    'SUBSTRING',
    '(',
    ...value(random, depth),
    'FROM',
    ...value(random, 0),
    ...maybe(random, 'FOR', '2'),
    ')',
  ],
  (random, depth) => [
    'TRIM',
    '(',
    ...maybe(random, 'LEADING'),
    ...value(random, depth),
    ...maybe(random, 'FROM', 'a'),
    ')',
  ],
  (random, depth) => ['POSITION', '(', ...value(random, 0), 'IN', ...value(random, depth), ')'],
  (random, depth) => [
    ...['CASE', ...maybe(random, 'a'), 'WHEN', ...expression(random, depth), 'THEN', ...expression(random, depth)],
    ...[...maybe(random, 'ELSE', '1'), 'END'],
  ],
  (random, depth) => ['(', ...value(random, depth), ')', '::', ...pick(random, TYPES).split(' ')],
  () => ['(', 'SELECT', 'max', '(', 'a', ')', 'FROM', 't', ')'],
  () => ['ARRAY', '[', '1', ',', '2', ']'],
  () => ['EXISTS', '(', 'SELECT', '1', 'FROM', 't', ')'],
  () => ['rank', '(', ')', 'OVER', '(', 'ORDER', 'BY', 'a', ')'],
];

/** Free of brackets between operators, so that precedence and associativity are what is compared. */
const expression: Make = (random, depth) => {
  const tokens = test1(random, depth);
  for (let more = random(3); more > 0; more -= 1)
    tokens.push(pick(random, ['AND', 'OR', 'AND NOT', 'OR NOT']), ...test1(random, depth));
  return tokens.flatMap(token => (/^(AND|OR) NOT$/.test(token) ? token.split(' ') : [token]));
};

const sum: Make = (random, depth) => {
  const tokens = value(random, depth);
  for (let more = random(3); more > 0; more -= 1) tokens.push(pick(random, OPERATORS), ...value(random, depth - 1));
  return tokens;
};

const test1: Make = (random, depth) => pick(random, TESTS)(random, depth);

const TESTS: readonly Make[] = [
  sum,
  (random, depth) => [...sum(random, depth), pick(random, COMPARISONS), ...sum(random, depth)],
  (random, depth) => [
    ...sum(random, depth),
    'IS',
    ...maybe(random, 'NOT'),
    pick(random, ['NULL', 'TRUE', 'FALSE', 'UNKNOWN']),
  ],
  (random, depth) => [...sum(random, depth), 'IS', ...maybe(random, 'NOT'), 'DISTINCT', 'FROM', ...sum(random, depth)],
  (random, depth) => [...sum(random, depth), '=', ...value(random, 0), 'IS', 'NOT', 'NULL'],
  (random, depth) => [
    ...sum(random, depth),
    ...maybe(random, 'NOT'),
    'IN',
    '(',
    ...listOf(random, () => sum(random, depth - 1)),
    ')',
  ],
  (random, depth) => [
    ...sum(random, depth),
    ...maybe(random, 'NOT'),
    'BETWEEN',
    ...sum(random, depth),
    'AND',
    ...sum(random, depth),
  ],
  (random, depth) => [
    ...[...sum(random, depth), ...maybe(random, 'NOT'), pick(random, ['LIKE', 'ILIKE'])],
    ...[...sum(random, depth), ...maybe(random, 'ESCAPE', "'!'")],
  ],
  (random, depth) => [...value(random, 0), 'IN', '(', 'SELECT', ...value(random, depth - 1), 'FROM', 'u', ')'],
];

function statement(random: Random): string[] {
  return pick(random, STATEMENT_KINDS)(random, 1 + random(2));
}

const table: Make = random => [...maybe(random, 'ns', '.'), pick(random, ['t', 'messages', '"T"'])];

const select: Make = (random, depth) => [
  ...['SELECT', ...maybe(random, pick(random, ['DISTINCT', 'ALL']))],
  ...listOf(random, () => pick(random, [() => ['*'], () => ['t', '.', '*'], () => item(random, depth)])()),
  ...['FROM', ...table(random, 0), ...maybe(random, 'AS', 'x')],
  ...(random(2) === 0 ? ['WHERE', ...expression(random, depth)] : []),
  ...(random(4) === 0
    ? ['GROUP', 'BY', ...listOf(random, () => sum(random, 0)), ...maybe(random, 'HAVING', 'a', '>', '1')]
    : []),
  ...(random(3) === 0 ? ['ORDER', 'BY', ...listOf(random, () => order(random, depth))] : []),
  ...pick(random, LIMITS),
];

const item: Make = (random, depth) => [
  ...expression(random, depth),
  ...pick(random, [[], ['AS', 'n'], ['AS', '"N n"'], ['n']]),
];

const order: Make = (random, depth) => [
  ...sum(random, depth),
  ...maybe(random, pick(random, ['ASC', 'DESC'])),
  ...maybe(random, 'NULLS', pick(random, ['FIRST', 'LAST'])),
];

const LIMITS = [
  [],
  ['LIMIT', '10'],
  ['LIMIT', '$1', 'OFFSET', '5'],
  ['OFFSET', '5', 'LIMIT', '10'],
  ['OFFSET', '5', 'ROWS', 'FETCH', 'FIRST', '3', 'ROWS', 'ONLY'],
  ['FETCH', 'NEXT', 'ROW', 'ONLY'],
  ['LIMIT', 'ALL'],
];

const row: Make = (random, depth) => [
  '(',
  ...listOf(random, () => (random(4) === 0 ? ['DEFAULT'] : expression(random, depth))),
  ')',
];

const STATEMENT_KINDS: readonly Make[] = [
  select,
  select,
  (random, depth) => [
    ...['INSERT', 'INTO', ...table(random, 0), ...maybe(random, '(', 'a', ',', '"b"', ')')],
    ...['VALUES', ...listOf(random, () => row(random, depth)), ...maybe(random, 'RETURNING', '*')],
  ],
  (random, depth) => [
    ...['UPDATE', ...table(random, 0), ...maybe(random, 'x'), 'SET'],
    ...listOf(random, () => [
      pick(random, COLUMNS),
      '=',
      ...(random(4) === 0 ? ['DEFAULT'] : expression(random, depth)),
    ]),
    ...(random(2) === 0 ? ['WHERE', ...expression(random, depth)] : []),
  ],
  (random, depth) => [
    ...['DELETE', 'FROM', ...table(random, 0), ...maybe(random, 'AS', 'x')],
    ...(random(2) === 0 ? ['WHERE', ...expression(random, depth)] : []),
  ],
  random => [
    ...['CREATE', 'TABLE', ...maybe(random, 'IF', 'NOT', 'EXISTS'), ...table(random, 0), '('],
    ...listOf(random, () => [
      ...[pick(random, COLUMNS), ...pick(random, TYPES).split(' ')],
      ...pick(random, [
        [],
        ['NOT', 'NULL'],
        ['PRIMARY', 'KEY'],
        ['DEFAULT', '-', '1', 'NOT', 'NULL'],
        ['DEFAULT', 'now', '(', ')'],
      ]),
    ]),
    ...[...maybe(random, ',', 'PRIMARY', 'KEY', '(', 'a', ')'), ')'],
  ],
];

function mutate(random: Random, tokens: string[]): string[] {
  const mutant = [...tokens];
  for (let more = 1 + random(2); more > 0; more -= 1) {
    const at = 1 + random(Math.max(1, mutant.length - 1));
    const other = 1 + random(Math.max(1, mutant.length - 1));
    const kind = random(3);
    if (kind === 0) mutant.splice(at, 1);
    else if (kind === 1) mutant.splice(at, 0, mutant[other] ?? ')');
    else [mutant[at], mutant[other]] = [mutant[other] ?? ')', mutant[at] ?? '('];
  }
  return mutant;
}

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
