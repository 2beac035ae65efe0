/**
 * For the fuzz test of this room: random statements as lists of tokens, of the standard forms that we and PostgreSQL both accept.
 */
export type Random = (below: number) => number;

/** Numbers from 0 up to but not including `below`; xorshift32. */
export function randomFrom(seed: number): Random {
  let state = seed | 1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

type Make = (random: Random, depth: number) => string[];

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random(list.length)]!;
}

/** One of the lists, in a third of the cases. */
export function maybe(random: Random, ...tokens: string[]): string[] {
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
  bracketed,
  (random, depth) => ['(', ...bracketed(random, depth), pick(random, OPERATORS), ...value(random, depth), ')'],
  (random, depth) => ['EXISTS', ...bracketed(random, depth)],
  (random, depth) => [
    ...[
      pick(random, ['sum', 'rank']),
      '(',
      ...maybe(random, 'a'),
      ')',
      ...maybe(random, 'FILTER', '(', 'WHERE', 'b', ')'),
    ],
    ...['OVER', ...(random(2) === 0 ? ['w'] : windowSpec(random, depth))],
  ],
  (random, depth) => ['string_agg', '(', 'a', ',', "','", ...orderBy(random, depth), ')'],
];

/** A query as a value. */
function bracketed(random: Random, depth: number): string[] {
  return random(6) === 0 ? ['(', ...bracketed(random, depth - 1), ')'] : ['(', ...query(random, depth - 1), ')'];
}

const windowSpec: Make = (random, depth) => [
  ...['(', ...maybe(random, 'w')],
  ...(random(2) === 0 ? ['PARTITION', 'BY', ...listOf(random, () => sum(random, depth - 1))] : []),
  ...(random(2) === 0 ? orderBy(random, depth - 1) : []),
  ...(random(2) === 0 ? frame(random) : []),
  ')',
];

const BOUNDS = [
  ['UNBOUNDED', 'PRECEDING'],
  ['1', 'PRECEDING'],
  ['CURRENT', 'ROW'],
  ['a', '+', '1', 'FOLLOWING'],
  ['UNBOUNDED', 'FOLLOWING'],
];

function frame(random: Random): string[] {
  const from = random(4);
  const to = Math.max(1, from) + random(5 - Math.max(1, from));
  const extent = random(3) === 0 ? BOUNDS[Math.min(from, 2)]! : ['BETWEEN', ...BOUNDS[from]!, 'AND', ...BOUNDS[to]!];
  const excluded = pick(random, [[], ['CURRENT', 'ROW'], ['GROUP'], ['TIES'], ['NO', 'OTHERS']]);
  return [
    pick(random, ['ROWS', 'RANGE', 'GROUPS']),
    ...extent,
    ...(excluded.length > 0 ? ['EXCLUDE', ...excluded] : []),
  ];
}

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
  (random, depth) => [...value(random, 0), ...maybe(random, 'NOT'), 'IN', ...bracketed(random, depth)],
  (random, depth) => [
    ...[...value(random, 0), pick(random, COMPARISONS), pick(random, ['ANY', 'SOME', 'ALL'])],
    ...bracketed(random, depth),
  ],
  (random, depth) => [
    '(',
    'a',
    ',',
    'b',
    ')',
    pick(random, COMPARISONS),
    '(',
    ...value(random, 0),
    ',',
    ...value(random, depth - 3),
    ')',
  ],
  (random, depth) => [
    ...pick(random, [
      ['(', 'a', ',', 'b', ')'],
      ['ROW', '(', 'a', ',', '1', ')'],
    ]),
    'IN',
    ...bracketed(random, depth),
  ],
];

export function statement(random: Random): string[] {
  return pick(random, STATEMENT_KINDS)(random, random(4) === 0 ? 2 : 1);
}

const table: Make = random => [...maybe(random, 'ns', '.'), pick(random, ['t', 'messages', '"T"'])];

/** Any query, without brackets around it. */
export function query(random: Random, depth: number): string[] {
  if (depth <= 0) return pick(random, SMALL_QUERIES);
  const tokens = random(6) === 0 ? withClause(random, depth) : [];
  const others = Math.max(0, random(8) - 5);
  // What stands behind brackets alone would be a second tail of the query inside.
  tokens.push(...(others === 0 ? select(random, depth) : operand(random, depth)));
  for (let more = others; more > 0; more -= 1) {
    tokens.push(pick(random, ['UNION', 'EXCEPT', 'INTERSECT']), ...maybe(random, pick(random, ['ALL', 'DISTINCT'])));
    tokens.push(...operand(random, depth - 1));
  }
  return [...tokens, ...(random(3) === 0 ? orderBy(random, depth) : []), ...pick(random, LIMITS)];
}

const SMALL_QUERIES = [
  ['SELECT', '1'],
  ['SELECT', 'max', '(', 'a', ')', 'FROM', 't'],
  ['VALUES', '(', '1', ',', "'x'", ')', ',', '(', '2', ',', 'b', ')'],
  ['TABLE', 'u'],
];

function withClause(random: Random, depth: number): string[] {
  const table = () => [
    ...[pick(random, ['v', 'u']), ...maybe(random, '(', 'a', ',', 'b', ')'), 'AS'],
    ...pick(random, [[], ['MATERIALIZED'], ['NOT', 'MATERIALIZED']]),
    ...['(', ...query(random, depth - 1), ')'],
  ];
  return ['WITH', ...maybe(random, 'RECURSIVE'), ...listOf(random, table)];
}

/** What UNION can join; in brackets it may have everything. */
function operand(random: Random, depth: number): string[] {
  const kind = random(8);
  if (kind === 0) return ['(', ...query(random, depth - 1), ')'];
  return kind === 1 ? pick(random, SMALL_QUERIES) : select(random, depth);
}

const select: Make = (random, depth) => [
  ...['SELECT', ...distinct(random)],
  ...listOf(random, () => pick(random, [() => ['*'], () => ['t', '.', '*'], () => item(random, depth - 1)])()),
  ...(random(8) === 0 ? [] : ['FROM', ...listOf(random, () => source(random, depth))]),
  ...(random(2) === 0 ? ['WHERE', ...expression(random, depth - 1)] : []),
  ...(random(4) === 0
    ? ['GROUP', 'BY', ...listOf(random, () => group(random, depth)), ...maybe(random, 'HAVING', 'a', '>', '1')]
    : []),
  ...(random(8) === 0 ? ['WINDOW', ...listOf(random, () => ['w', 'AS', ...windowSpec(random, depth)])] : []),
];

function distinct(random: Random): string[] {
  if (random(3) > 0) return [];
  return pick(random, [['DISTINCT'], ['ALL'], ['DISTINCT', 'ON', '(', 'a', ',', 'b', ')']]);
}

const JOINS = ['JOIN', 'INNER JOIN', 'LEFT JOIN', 'LEFT OUTER JOIN', 'RIGHT JOIN', 'FULL OUTER JOIN'];

/** A table, or something joined. */
function source(random: Random, depth: number): string[] {
  const kind = depth <= 0 ? 7 : random(12);
  const inner = () => source(random, depth - 1);
  if (kind === 0) return [...inner(), 'CROSS', 'JOIN', ...pick(random, SOURCES)(random, depth - 1)];
  if (kind === 1)
    return [...inner(), 'NATURAL', ...pick(random, JOINS).split(' '), ...pick(random, SOURCES)(random, depth - 1)];
  if (kind > 4) return pick(random, SOURCES)(random, depth);
  const join = [...inner(), ...pick(random, JOINS).split(' '), ...inner()];
  join.push(...(random(2) === 0 ? ['ON', ...expression(random, depth - 1)] : ['USING', '(', 'a', ',', '"b"', ')']));
  return kind === 4 ? ['(', ...join, ')'] : join;
}

const names = (random: Random) =>
  pick(random, [[], ['x'], ['AS', 'x'], ['x', '(', 'a', ',', 'b', ')'], ['AS', 'x', '(', 'a', ')']]);

const SOURCES: readonly Make[] = [
  random => [...table(random, 0), ...names(random)],
  random => [...table(random, 0), ...names(random)],
  (random, depth) => [...maybe(random, 'LATERAL'), ...bracketed(random, depth), ...names(random)],
  (random, depth) => [
    ...[...maybe(random, 'LATERAL'), 'generate_series', '(', '1', ',', ...value(random, depth - 1), ')'],
    ...[...maybe(random, 'WITH', 'ORDINALITY'), ...names(random)],
  ],
];

const group: Make = (random, depth) => pick(random, GROUPS)(random, depth);

const GROUPS: readonly Make[] = [
  random => sum(random, 0),
  random => sum(random, 0),
  () => ['(', ')'],
  () => ['(', 'a', ',', 'b', ')'],
  random => [
    pick(random, ['ROLLUP', 'CUBE']),
    '(',
    ...listOf(random, () => pick(random, [['a'], ['(', 'b', ',', 'c', ')']])),
    ')',
  ],
  (random, depth) => [
    'GROUPING',
    'SETS',
    '(',
    ...listOf(random, () => (depth > 0 ? group(random, depth - 1) : ['a'])),
    ')',
  ],
];

const item: Make = (random, depth) => [
  ...expression(random, depth),
  ...pick(random, [[], ['AS', 'n'], ['AS', '"N n"'], ['n']]),
];

function orderBy(random: Random, depth: number): string[] {
  return ['ORDER', 'BY', ...listOf(random, () => order(random, depth))];
}

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

const setClause: Make = (random, depth) => [
  'SET',
  ...listOf(random, () => [pick(random, COLUMNS), '=', ...(random(4) === 0 ? ['DEFAULT'] : expression(random, depth))]),
];

const conflict: Make = (random, depth) => {
  if (random(2) === 0) return [];
  const target = maybe(random, '(', 'a', ')');
  // Without a target PostgreSQL refuses DO UPDATE.
  if (target.length === 0 || random(2) === 0) return ['ON', 'CONFLICT', ...target, 'DO', 'NOTHING'];
  const where = random(2) === 0 ? ['WHERE', ...expression(random, depth)] : [];
  return ['ON', 'CONFLICT', ...target, 'DO', 'UPDATE', ...setClause(random, depth), ...where];
};

const returning: Make = (random, depth) => {
  if (random(3) > 0) return [];
  const one = () => pick(random, [() => ['*'], () => ['t', '.', '*'], () => item(random, depth)])();
  return ['RETURNING', ...listOf(random, one)];
};

const withSelect: Make = (random, depth) => [...withClause(random, 1), ...select(random, depth)];

const maybeWith = (random: Random) => (random(4) === 0 ? withClause(random, 1) : []);

const STATEMENT_KINDS: readonly Make[] = [
  query,
  query,
  query,
  (random, depth) => [
    ...[
      ...maybeWith(random),
      'INSERT',
      'INTO',
      ...table(random, 0),
      ...maybe(random, 'AS', 'x'),
      ...maybe(random, '(', 'a', ',', '"b"', ')'),
    ],
    ...['VALUES', ...listOf(random, () => row(random, depth)), ...conflict(random, depth), ...returning(random, depth)],
  ],
  (random, depth) => [
    ...[...maybeWith(random), 'INSERT', 'INTO', ...table(random, 0)],
    ...[...maybe(random, 'AS', 'x'), ...maybe(random, '(', 'a', ')')],
    ...(random(4) === 0 ? ['(', ...query(random, depth), ')'] : pick(random, [select, withSelect])(random, depth)),
    ...[...conflict(random, depth), ...returning(random, depth)],
  ],
  (random, depth) => [
    ...['INSERT', 'INTO', ...table(random, 0), 'DEFAULT', 'VALUES', ...conflict(random, depth)],
    ...returning(random, depth),
  ],
  (random, depth) => [
    ...[...maybeWith(random), 'UPDATE', ...table(random, 0), ...maybe(random, 'x'), ...setClause(random, depth)],
    ...(random(3) === 0 ? ['FROM', ...listOf(random, () => source(random, depth))] : []),
    ...[...(random(2) === 0 ? ['WHERE', ...expression(random, depth)] : []), ...returning(random, depth)],
  ],
  (random, depth) => [
    ...[...maybeWith(random), 'DELETE', 'FROM', ...table(random, 0), ...maybe(random, 'AS', 'x')],
    ...(random(3) === 0 ? ['USING', ...listOf(random, () => source(random, depth))] : []),
    ...[...(random(2) === 0 ? ['WHERE', ...expression(random, depth)] : []), ...returning(random, depth)],
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

export function mutate(random: Random, tokens: string[]): string[] {
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
