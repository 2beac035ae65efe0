/**
 * Calls of functions, operators and aggregates in words that PostgreSQL and we both know. Left out is what differs on purpose, and what gives bytes.
 */
import {CALL_SQL_TYPES, CALL_TYPES, type CallType} from './function-world.ts';

export type Call = readonly [type: CallType, args: readonly CallType[], ...forms: string[]];

const EACH_FIELD = ['year', 'month', 'day', 'hour', 'minute', 'second', 'dow', 'isodow', 'doy', 'week', 'quarter'];
const FIELDS = [...EACH_FIELD, 'epoch', 'isoyear', 'decade', 'century', 'millennium', 'milliseconds', 'microseconds'];
const UNITS = [
  'second',
  'minute',
  'hour',
  'day',
  'week',
  'month',
  'quarter',
  'year',
  'decade',
  'century',
  'millennium',
];
const SPANS = ['1 day', '-1 month', '1 year 2 mons 3 days 04:05:06.7', '90 min ago', '2.5 days', '1 week -3 hours'];
const PATTERNS = [
  "'^a'",
  "'b$'",
  "'[[:alpha:]]+'",
  "'(a|b)+?c'",
  "'\\d{2,}'",
  "'.'",
  "'\\mpad\\M'",
  "'É|ß'",
  "'[^a-c]'",
  "'(o)(.)'",
];
const LIKES = ["'a%'", "'%b%'", "'_'", "'%'", "''", "'%\\_%'", "'%\\%'", "'A_C'", "'%é%'", "'__'"];
const PATHS = ["'{a,b}'", "'{1}'", "'{}'", "'{b,2,c}'", "'{b,-1}'", "'{a}'", "'{s}'"];
const STEPS = ["'a'", "'b'", "'s'", "'n'", '0', '1', '-1'];
const COUNTS = ['0', '1', '2', '5', '-1', '-2'];
const DATE_FORMATS = [
  ...[
    "'YYYY-MM-DD HH24:MI:SS.US'",
    "'FMDay, DDth Mon IYYY-IW Q'",
    "'Dy DY dy D ID DDD J'",
    "'HH12:MI AM a.m. MS SSSS'",
  ],
  ...["'MONTH Month month FMMonth CC'", '\'Y,YYY YY Y WW W "text" FMDD/FMMM\''],
];
const NUMBER_FORMATS = [
  "'S999G990D09'",
  "'FM9990.099'",
  "'9,999.9MI'",
  "'000000.00PR'",
  "'99V99'",
  "'FM999th'",
  "'SG9999.99'",
];
const COMPARISONS = ['=', '<>', '<', '<=', '>', '>=', 'IS DISTINCT FROM', 'IS NOT DISTINCT FROM'];

const compared = (type: CallType): Call => ['boolean', [type, type], ...COMPARISONS.map(op => `(#0 ${op} #1)`)];
const integers = (type: CallType): Call[] => [
  [
    type,
    [type, type],
    '(#0 + #1)',
    '(#0 - #1)',
    '(#0 * #1)',
    '(#0 / #1)',
    '(#0 % #1)',
    '(#0 & #1)',
    '(#0 | #1)',
    '(#0 # #1)',
  ],
  [type, [type], '(- #0)', 'ABS(#0)', '(~ #0)', '(#0 << 3)', '(#0 >> 2)', `(#0 / CAST(-7 AS ${CALL_SQL_TYPES[type]}))`],
  [type, ['decimal'], `CAST(#0 AS ${CALL_SQL_TYPES[type]})`],
  [type, ['double'], `CAST(#0 AS ${CALL_SQL_TYPES[type]})`],
  [type, ['text'], `CAST(#0 AS ${CALL_SQL_TYPES[type]})`],
];

export const CALLS: readonly Call[] = [
  ...(['smallint', 'int', 'bigint'] as const).flatMap(integers),
  ...(['smallint', 'int', 'bigint', 'decimal', 'double', 'text', 'boolean', 'date', 'timestamp', 'time'] as const).map(
    compared,
  ),
  ['boolean', ['int', 'decimal'], '(#0 = #1)', '(#0 < #1)', '(#0 >= #1)'],
  ['boolean', ['bigint', 'double'], '(#0 < #1)', '(#0 >= #1)'],
  ['boolean', ['date', 'timestamp'], '(#0 <= #1)', '(#0 = #1)', '(#0 > #1)'],
  ['boolean', ['smallint', 'bigint'], '(#0 <> #1)', '(#0 < #1)'],
  ['bigint', ['int', 'bigint'], '(#0 + #1)', '(#1 - #0)', '(#0 * #1)'],
  ['int', ['smallint', 'int'], '(#0 + #1)', '(#0 * #1)', '(#1 % #0)'],
  ['bigint', ['int'], 'CAST(#0 AS BIGINT)'],
  ['int', ['bigint'], 'CAST(#0 AS INT)'],
  ['smallint', ['int'], 'CAST(#0 AS SMALLINT)'],
  ['int', ['smallint'], 'CAST(#0 AS INT)'],
  ['int', ['boolean'], 'CAST(#0 AS INT)'],
  ['boolean', ['int'], 'CAST(#0 AS BOOLEAN)'],
  ['boolean', ['text'], 'CAST(#0 AS BOOLEAN)'],
  ['bigint', ['bigint', 'bigint'], 'GCD(#0, #1)', 'LCM(#0, #1)', 'MOD(#0, #1)'],
  ['int', ['int', 'int'], 'MOD(#0, #1)', 'GREATEST(#0, #1, 3)', 'LEAST(#0, #1)'],
  // Numbers.
  [
    'decimal',
    ['decimal', 'decimal'],
    '(#0 + #1)',
    '(#0 - #1)',
    '(#0 * #1)',
    '(#0 / #1)',
    '(#0 % #1)',
    'DIV(#0, #1)',
    'MOD(#0, #1)',
    'GREATEST(#0, #1)',
  ],
  [
    'decimal',
    ['decimal'],
    '(- #0)',
    'ABS(#0)',
    'CEIL(#0)',
    'FLOOR(#0)',
    'TRUNC(#0)',
    'ROUND(#0)',
    'ROUND(#0, 1)',
    'TRUNC(#0, 2)',
    'ROUND(#0, -2)',
    'SIGN(#0)',
    'CAST(#0 AS DECIMAL(10, 2))',
    'CAST(#0 AS DECIMAL(5, 1))',
  ],
  ['decimal', ['int', 'decimal'], '(#0 + #1)', '(#1 * #0)', '(#0 - #1)', '(#1 / #0)', '(#0 / #1)'],
  ['decimal', ['int'], 'CAST(#0 AS DECIMAL(12, 3))'],
  ['decimal', ['double'], 'CAST(#0 AS DECIMAL(12, 3))'],
  ['decimal', ['text'], 'CAST(#0 AS DECIMAL(12, 3))'],
  [
    'double',
    ['double', 'double'],
    '(#0 + #1)',
    '(#0 - #1)',
    '(#0 * #1)',
    '(#0 / #1)',
    'POWER(#0, #1)',
    'ATAN2(#0, #1)',
  ],
  [
    'double',
    ['double'],
    '(- #0)',
    'ABS(#0)',
    'CEIL(#0)',
    'FLOOR(#0)',
    'TRUNC(#0)',
    'ROUND(#0)',
    'SIGN(#0)',
    'SQRT(#0)',
    'CBRT(#0)',
    'EXP(#0)',
    'LN(#0)',
    'LOG(#0)',
    'LOG10(#0)',
  ],
  [
    'double',
    ['double'],
    'SIN(#0)',
    'COS(#0)',
    'TAN(#0)',
    'ATAN(#0)',
    'ASIN(#0)',
    'ACOS(#0)',
    'TANH(#0)',
    'RADIANS(#0)',
    'DEGREES(#0)',
  ],
  ['double', ['decimal'], 'CAST(#0 AS DOUBLE PRECISION)'],
  ['double', ['bigint'], 'CAST(#0 AS DOUBLE PRECISION)'],
  ['double', ['text'], 'CAST(#0 AS DOUBLE PRECISION)'],
  ['double', ['int', 'double'], '(#0 + #1)', '(#1 / #0)', '(#0 * #1)'],
  ['int', ['double'], 'WIDTH_BUCKET(#0, -10, 10, 5)', 'WIDTH_BUCKET(#0, 5, 0, 3)'],
  // Texts.
  ['int', ['text'], 'LENGTH(#0)', 'CHAR_LENGTH(#0)', 'OCTET_LENGTH(#0)', 'BIT_LENGTH(#0)', 'ASCII(#0)'],
  ['int', ['text', 'text'], 'STRPOS(#0, #1)', 'POSITION(#1 IN #0)'],
  [
    'text',
    ['text'],
    'UPPER(#0)',
    'LOWER(#0)',
    'INITCAP(#0)',
    'REVERSE(#0)',
    'MD5(#0)',
    'TRIM(#0)',
    'LTRIM(#0)',
    'RTRIM(#0)',
    'BTRIM(#0)',
    'QUOTE_LITERAL(#0)',
  ],
  [
    'text',
    ['text', 'text'],
    '(#0 || #1)',
    'CONCAT(#0, #1)',
    "CONCAT_WS('-', #0, #1)",
    'TRIM(#1 FROM #0)',
    'LTRIM(#0, #1)',
    'RTRIM(#0, #1)',
    'TRIM(LEADING #1 FROM #0)',
    'GREATEST(#0, #1)',
    'LEAST(#0, #1)',
  ],
  [
    'text',
    ['text'],
    ...COUNTS.flatMap(n => [
      `LEFT(#0, ${n})`,
      `RIGHT(#0, ${n})`,
      `SUBSTR(#0, ${n})`,
      `SUBSTRING(#0 FROM ${n} FOR 3)`,
      `LPAD(#0, ${n}, 'xy')`,
      `RPAD(#0, ${n})`,
      `REPEAT(#0, ${n})`,
    ]),
  ],
  [
    'text',
    ['text', 'text', 'text'],
    'REPLACE(#0, #1, #2)',
    'TRANSLATE(#0, #1, #2)',
    'OVERLAY(#0 PLACING #1 FROM 2 FOR 1)',
    'CONCAT(#0, #1, #2)',
  ],
  [
    'text',
    ['text', 'text'],
    ...['1', '2', '-1', '3'].map(n => `SPLIT_PART(#0, #1, ${n})`),
    'OVERLAY(#0 PLACING #1 FROM 3)',
  ],
  [
    'text',
    ['text'],
    ...['1', '2', '-1'].map(n => `SPLIT_PART(#0, ',', ${n})`),
    "SUBSTRING(#0 FROM '[a-z]+')",
    "SUBSTRING(#0 FROM 'o(.)')",
  ],
  ['text', ['text', 'int'], '(#0 || #1)', 'CONCAT(#0, #1)', "CONCAT_WS(', ', #0, #1)"],
  ['text', ['int'], 'CAST(#0 AS TEXT)', 'TO_HEX(#0)'],
  ['text', ['bigint'], 'CAST(#0 AS TEXT)', 'TO_HEX(#0)'],
  ['text', ['boolean'], 'CAST(#0 AS TEXT)'],
  ['text', ['date'], 'CAST(#0 AS TEXT)'],
  ['text', ['time'], 'CAST(#0 AS TEXT)'],
  ['text', ['timestamp'], 'CAST(#0 AS TEXT)'],
  [
    'text',
    ['text'],
    ...PATTERNS.flatMap(p => [
      `REGEXP_REPLACE(#0, ${p}, '<\\&>', 'g')`,
      `REGEXP_SUBSTR(#0, ${p})`,
      `REGEXP_REPLACE(#0, ${p}, '-')`,
    ]),
  ],
  ['int', ['text'], ...PATTERNS.flatMap(p => [`REGEXP_COUNT(#0, ${p})`, `REGEXP_INSTR(#0, ${p})`])],
  [
    'boolean',
    ['text'],
    ...PATTERNS.flatMap(p => [`(#0 ~ ${p})`, `(#0 ~* ${p})`, `(#0 !~ ${p})`, `REGEXP_LIKE(#0, ${p})`]),
  ],
  [
    'boolean',
    ['text'],
    ...LIKES.flatMap(p => [`(#0 LIKE ${p})`, `(#0 NOT LIKE ${p})`, `(#0 ILIKE ${p})`]),
    "(#0 SIMILAR TO '%(a|b)_?')",
    "(#0 SIMILAR TO '[a-z]+')",
    "(#0 LIKE '%x_%' ESCAPE 'x')",
  ],
  ['boolean', ['text', 'text'], 'STARTS_WITH(#0, #1)'],
  [
    'json',
    ['text'],
    'TO_JSONB(#0)',
    "TO_JSONB(STRING_TO_ARRAY(#0, ','))",
    "TO_JSONB(REGEXP_SPLIT_TO_ARRAY(#0, 'o|,'))",
    "TO_JSONB(REGEXP_MATCH(#0, '(.)b?(.)'))",
  ],
  // Moments.
  [
    'double',
    ['timestamp'],
    ...FIELDS.flatMap(field => [`CAST(EXTRACT(${field} FROM #0) AS DOUBLE PRECISION)`, `DATE_PART('${field}', #0)`]),
  ],
  [
    'double',
    ['date'],
    ...FIELDS.filter(field => !/hour|minute|second/.test(field)).map(
      field => `CAST(EXTRACT(${field} FROM #0) AS DOUBLE PRECISION)`,
    ),
  ],
  [
    'double',
    ['time'],
    ...['hour', 'minute', 'second', 'epoch', 'milliseconds'].map(
      field => `CAST(EXTRACT(${field} FROM #0) AS DOUBLE PRECISION)`,
    ),
  ],
  [
    'timestamp',
    ['timestamp'],
    ...UNITS.map(unit => `DATE_TRUNC('${unit}', #0)`),
    ...SPANS.flatMap(span => [`(#0 + INTERVAL '${span}')`, `(#0 - INTERVAL '${span}')`]),
  ],
  [
    'timestamp',
    ['timestamp'],
    "DATE_BIN(INTERVAL '10 days 7 minutes', #0, TIMESTAMP '2000-01-01')",
    "DATE_BIN('15 minutes', #0, TIMESTAMP '1970-01-01')",
  ],
  ['timestamp', ['date'], 'CAST(#0 AS TIMESTAMP)', ...SPANS.map(span => `(#0 + INTERVAL '${span}')`)],
  ['timestamp', ['text'], 'CAST(#0 AS TIMESTAMP)'],
  ['date', ['timestamp'], 'CAST(#0 AS DATE)'],
  ['date', ['date', 'smallint'], '(#0 + #1)', '(#0 - #1)'],
  ['date', ['date'], '(#0 + 1)', '(#0 - 400)'],
  ['date', ['text'], 'CAST(#0 AS DATE)'],
  ['int', ['date', 'date'], '(#0 - #1)'],
  ['time', ['timestamp'], 'CAST(#0 AS TIME)'],
  ['text', ['timestamp'], ...DATE_FORMATS.map(format => `TO_CHAR(#0, ${format})`)],
  ['text', ['timestamp', 'timestamp'], 'CAST(AGE(#0, #1) AS TEXT)'],
  [
    'double',
    ['timestamp', 'timestamp'],
    ...['EPOCH FROM #0 - #1', 'DAY FROM #0 - #1', 'YEAR FROM AGE(#0, #1)', 'DAY FROM AGE(#0, #1)'].map(
      what => `CAST(EXTRACT(${what}) AS DOUBLE PRECISION)`,
    ),
  ],
  ['text', ['decimal'], ...NUMBER_FORMATS.map(format => `TO_CHAR(#0, ${format})`), 'CAST(#0 AS TEXT)'],
  // PostgreSQL multiplies integers for V without looking whether they overflow.
  ['text', ['int'], ...NUMBER_FORMATS.filter(format => !format.includes('V')).map(format => `TO_CHAR(#0, ${format})`)],
  [
    'date',
    ['smallint', 'smallint', 'smallint'],
    'MAKE_DATE(#0, #1, #2)',
    'MAKE_DATE(2000 + CAST(#0 AS INT) % 50, 1 + ABS(CAST(#1 AS INT)) % 12, 1 + ABS(CAST(#2 AS INT)) % 31)',
  ],
  // JSON.
  // Of JSONB PostgreSQL takes a scalar for an array of one element, and writes texts with blanks in them; of JSON it does as we do.
  [
    'json',
    ['json'],
    ...STEPS.flatMap(step => [
      `CAST((CAST(#0 AS JSON) -> ${step}) AS JSONB)`,
      `CAST((CAST(#0 AS JSON) -> ${step}) AS JSONB)`,
    ]),
    ...PATHS.map(path => `(#0 #> ${path})`),
    'JSONB_STRIP_NULLS(#0)',
  ],
  ['json', ['json'], ...STEPS.map(step => `(#0 - ${step})`), ...PATHS.map(path => `(#0 #- ${path})`)],
  [
    'json',
    ['json', 'json'],
    '(#0 || #1)',
    "JSONB_SET(#0, '{a}', #1)",
    "JSONB_SET(#0, '{b,0}', #1, FALSE)",
    "JSONB_INSERT(#0, '{b,1}', #1)",
    'JSONB_BUILD_ARRAY(#0, #1)',
    "JSONB_BUILD_OBJECT('k', #0, 'l', #1)",
  ],
  ['json', ['int', 'text'], 'JSONB_BUILD_ARRAY(#0, #1)', "JSONB_BUILD_OBJECT('k', #0, 'l', #1)"],
  ['json', ['decimal'], 'TO_JSONB(#0)'],
  ['json', ['boolean'], 'TO_JSONB(#0)'],
  ['json', ['date'], 'TO_JSONB(#0)'],
  ['json', ['timestamp'], 'TO_JSONB(#0)'],
  ['text', ['json'], "(#0 ->> 's')", "(#0 ->> 'n')", '(CAST(#0 AS JSON) ->> 1)', 'JSONB_TYPEOF(#0)'],
  ['text', ['json'], "(#0 #>> '{s}')", "(#0 #>> '{b,2,c}')", "(#0 #>> '{0}')", "JSONB_EXTRACT_PATH_TEXT(#0, 's')"],
  ['int', ['json'], 'JSONB_ARRAY_LENGTH(#0)', "JSONB_ARRAY_LENGTH(#0 -> 'b')"],
  ['boolean', ['json', 'json'], '(#0 @> #1)', '(#0 <@ #1)'],
  [
    'boolean',
    ['json'],
    "(#0 ? 'a')",
    "(#0 ?| ARRAY['a', 'n'])",
    "(#0 ?& ARRAY['a', 'n'])",
    '(#0 @> \'{"s":"t"}\')',
    "(#0 @> '[3]')",
  ],
  // Logic; what may be left out is tested too.
  ['boolean', ['boolean', 'boolean'], '(#0 = #1)', '(#0 <> #1)', '(#0 < #1)'],
  ['boolean', ['boolean'], '(NOT #0)', '(#0 IS TRUE)', '(#0 IS NOT FALSE)', '(#0 IS UNKNOWN)'],
  ...CALL_TYPES.map((type): Call => ['boolean', [type], '(#0 IS NULL)', '(#0 IS NOT NULL)']),
];

/** Parts of these may be left out: they are columns and literals. */
export const LAZY_CALLS: readonly Call[] = [
  ['date', ['date'], "TO_DATE(CAST(#0 AS TEXT), 'YYYY-MM-DD')", "TO_DATE(TO_CHAR(#0, 'DD Mon YYYY'), 'DD Mon YYYY')"],
  ...CALL_TYPES.flatMap((type): Call[] => {
    const picks: Call = [type, ['boolean', type, type], 'CASE WHEN #0 THEN #1 ELSE #2 END', 'CASE WHEN #0 THEN #1 END'];
    if (type === 'json') return [picks];
    return [
      picks,
      [type, [type, type], 'COALESCE(#0, #1)', 'NULLIF(#0, #1)'],
      [
        'boolean',
        [type, type, type],
        '(#0 IN (#1, #2))',
        '(#0 NOT IN (#1, #2))',
        '(#0 BETWEEN #1 AND #2)',
        '(#0 BETWEEN SYMMETRIC #1 AND #2)',
      ],
      ['boolean', ['boolean', 'boolean'], '(#0 AND #1)', '(#0 OR #1)'],
    ];
  }),
];

const TWO_DOUBLES = [
  'CORR',
  'COVAR_POP',
  'COVAR_SAMP',
  'REGR_SLOPE',
  'REGR_INTERCEPT',
  'REGR_R2',
  'REGR_AVGX',
  'REGR_AVGY',
  'REGR_SXX',
  'REGR_SYY',
  'REGR_SXY',
];
const SPREADS = ['STDDEV', 'STDDEV_SAMP', 'STDDEV_POP', 'VARIANCE', 'VAR_SAMP', 'VAR_POP'];

export const AGGREGATE_CALLS: readonly Call[] = [
  ...(['smallint', 'int', 'bigint', 'decimal', 'double', 'text', 'date', 'timestamp', 'time'] as const).map(
    (type): Call => [
      type,
      [type],
      'MIN(#0)',
      'MAX(#0)',
      ...['0', '0.3', '0.75', '1'].map(f => `PERCENTILE_DISC(${f}) WITHIN GROUP (ORDER BY #0)`),
      'MODE() WITHIN GROUP (ORDER BY #0)',
      'MODE() WITHIN GROUP (ORDER BY #0 DESC)',
      'PERCENTILE_DISC(0.4) WITHIN GROUP (ORDER BY #0 DESC)',
    ],
  ),
  ...CALL_TYPES.filter(type => type !== 'json').map(
    (type): Call => ['bigint', [type], 'COUNT(#0)', 'COUNT(DISTINCT #0)', 'COUNT(*)'],
  ),
  ['bigint', ['smallint'], 'SUM(#0)', 'SUM(DISTINCT #0)'],
  ['bigint', ['int'], 'SUM(#0)', 'SUM(DISTINCT #0)'],
  ['decimal', ['decimal'], 'SUM(#0)', 'SUM(DISTINCT #0)', 'AVG(#0)', 'AVG(DISTINCT #0)'],
  ['decimal', ['int'], 'AVG(#0)'],
  [
    'double',
    ['double'],
    ...SPREADS.map(name => `${name}(#0)`),
    'AVG(#0)',
    'SUM(#0)',
    'PERCENTILE_CONT(0.35) WITHIN GROUP (ORDER BY #0)',
    'PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY #0 DESC)',
  ],
  ['double', ['int'], ...SPREADS.map(name => `${name}(#0)`), 'PERCENTILE_CONT(0.35) WITHIN GROUP (ORDER BY #0)'],
  ['double', ['double', 'double'], ...TWO_DOUBLES.map(name => `${name}(#0, #1)`)],
  ['bigint', ['double', 'double'], 'REGR_COUNT(#0, #1)'],
  ['boolean', ['boolean'], 'BOOL_AND(#0)', 'BOOL_OR(#0)', 'EVERY(#0)'],
  ...(['smallint', 'int', 'bigint'] as const).map(
    (type): Call => [type, [type], 'BIT_AND(#0)', 'BIT_OR(#0)', 'BIT_XOR(#0)'],
  ),
  [
    'text',
    ['text'],
    "STRING_AGG(#0, ',' ORDER BY #0)",
    "STRING_AGG(DISTINCT #0, '' ORDER BY #0)",
    "STRING_AGG(#0, '; ' ORDER BY #0 DESC NULLS FIRST)",
  ],
  [
    'json',
    ['text'],
    'JSONB_AGG(#0 ORDER BY #0)',
    'JSONB_AGG(DISTINCT #0 ORDER BY #0)',
    'TO_JSONB(ARRAY_AGG(#0 ORDER BY #0 DESC))',
  ],
  ['json', ['int'], 'JSONB_AGG(#0 ORDER BY #0)', 'TO_JSONB(ARRAY_AGG(#0 ORDER BY id))'],
  ['json', ['json'], 'JSONB_AGG(#0 ORDER BY id)'],
  ['json', ['text'], "JSONB_OBJECT_AGG(CONCAT('k', id), #0 ORDER BY id)"],
];
