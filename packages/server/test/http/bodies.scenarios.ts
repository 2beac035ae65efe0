/** Bodies: their size, their bytes, and statements that are large, deep or strange. None of them does harm. */
import assert from 'node:assert/strict';
import type {Scenario} from './scenario.ts';
import type {Sent} from './server.ts';

const body = (text: string | Buffer): Sent => ({body: text});
const terms = (count: number, joined: string, term: string) => Array(count).fill(term).join(joined);
const nested = (depth: number) => `SELECT ${'('.repeat(depth)}1${')'.repeat(depth)}`;

export const BODIES: readonly Scenario[] = [
  {
    name: 'a body at the limit of 10 MB is read',
    sent: body(`{"sql":"SELECT 1"}${' '.repeat(10 * 1024 * 1024 - 18)}`),
    rows: [[1]],
  },
  {
    name: 'a byte more is refused',
    sent: body(`{"sql":"SELECT 1"}${' '.repeat(10 * 1024 * 1024 - 17)}`),
    status: 413,
    check: ({text}) => assert.match(text, /^\{"error":"BODY_TOO_LARGE",.*"max_bytes":10485760\}$/),
  },
  {name: 'a statement of 1 MiB is read', sql: `SELECT 1${' '.repeat(1024 * 1024 - 8)}`, rows: [[1]]},
  {
    name: 'a byte more is refused',
    sql: `SELECT 1${' '.repeat(1024 * 1024 - 7)}`,
    code: 'INVALID_SQL',
    message: 'SQL query too long: 1048577 bytes (maximum 1048576 bytes)',
  },
  {
    name: 'the length of a statement is that of its UTF-8 bytes',
    sql: `SELECT '${'é'.repeat(524_284)}'`,
    code: 'INVALID_SQL',
    message: /^SQL query too long: 1048577 bytes/,
  },

  {name: 'no body', code: 'INVALID_INPUT', message: /^Invalid JSON payload/},
  {name: 'an empty object', sent: body('{}'), code: 'INVALID_INPUT', message: /`sql` is missing/},
  {name: 'an array', sent: body('[]'), code: 'INVALID_INPUT', message: /an object was expected/},
  {name: 'JSON that goes on', sent: body('{"sql":"SELECT 1"}x'), code: 'INVALID_INPUT'},
  {name: 'JSON with a comma too many', sent: body('{"sql":"SELECT 1",}'), code: 'INVALID_INPUT'},
  {name: 'unknown fields are ignored', sent: body('{"sql":"SELECT 1","colour":"red","query":"SELECT 2"}'), rows: [[1]]},
  {name: 'the last of two fields counts', sent: body('{"sql":"SELECT 1","sql":"SELECT 2"}'), rows: [[2]]},
  {
    name: 'fields named like object members do no harm',
    sent: body('{"sql":"SELECT 1","__proto__":{"params":[1]}}'),
    rows: [[1]],
  },
  {
    name: 'invalid UTF-8 is refused, not repaired',
    sent: body(Buffer.from([...Buffer.from('{"sql":"SELECT '), 0xc3, 0x28, ...Buffer.from('"}')])),
    code: 'INVALID_INPUT',
    message: /not valid UTF-8/,
  },
  {
    name: 'a truncated character is refused',
    sent: body(Buffer.from([...Buffer.from('{"sql":"SELECT 1"}'), 0xe2, 0x82])),
    code: 'INVALID_INPUT',
    message: /not valid UTF-8/,
  },
  {
    name: 'half a surrogate pair is refused',
    sent: body('{"sql":"SELECT \'\\ud83d\'"}'),
    code: 'INVALID_INPUT',
    message: /lone surrogate/,
  },
  {name: 'a whole pair is a character', sent: body('{"sql":"SELECT \'\\ud83d\\ude00\'"}'), rows: [['😀']]},
  {name: 'a byte order mark before JSON does no harm', sent: body('\ufeff{"sql":"SELECT 1"}'), rows: [[1]]},

  {
    name: 'NUL between tokens',
    sent: body('{"sql":"SELECT \\u0000 1"}'),
    code: 'INVALID_SQL',
    message: /U\+0000/,
    at: [1, 8],
  },
  {name: 'NUL in a text', sent: body('{"sql":"SELECT \'a\\u0000b\'"}'), code: 'INVALID_SQL', message: /U\+0000/},
  {
    name: 'NUL in a quoted name',
    sent: body('{"sql":"SELECT 1 AS \\"a\\u0000b\\""}'),
    code: 'INVALID_SQL',
    message: /U\+0000/,
  },
  {
    name: 'NUL as a parameter stays data',
    sent: body('{"sql":"SELECT length($1)","params":["a\\u0000b"]}'),
    rows: [[3]],
  },
  {
    name: 'NUL in a namespace finds nothing',
    sent: body('{"sql":"SELECT * FROM t","namespace_id":"a\\u0000b"}'),
    code: 'SQL_EXECUTION_ERROR',
    message: /not found/,
  },

  {name: 'brackets as deep as allowed', sql: nested(255), rows: [[1]]},
  {
    name: 'brackets a level deeper',
    sql: nested(256),
    code: 'LIMIT_EXCEEDED',
    message: /nested too deeply \(maximum 256\)/,
  },
  {name: 'half a megabyte of brackets', sql: `SELECT ${'('.repeat(500_000)}`, code: 'LIMIT_EXCEEDED'},
  {name: 'half a megabyte of NOT', sql: `SELECT ${'NOT '.repeat(120_000)} TRUE`, code: 'LIMIT_EXCEEDED'},
  {name: 'half a megabyte of signs', sql: `SELECT ${'- '.repeat(250_000)} 1`, code: 'LIMIT_EXCEEDED'},
  {name: 'half a megabyte of CASE', sql: `SELECT ${'CASE WHEN TRUE THEN '.repeat(25_000)}`, code: 'LIMIT_EXCEEDED'},
  {name: 'half a megabyte of calls', sql: `SELECT ${'abs('.repeat(120_000)}`, code: 'LIMIT_EXCEEDED'},
  {name: '10,000 terms of OR', sql: `SELECT ${terms(10_000, ' OR ', '1 = 2')}`, rows: [[false]]},
  {name: '10,000 terms of AND', sql: `SELECT ${terms(10_000, ' AND ', '1 = 1')}`, rows: [[true]]},
  {name: '2,000 terms of a sum', sql: `SELECT ${terms(2000, ' + ', '1')}`, rows: [[2000]]},
  {
    name: '10,000 terms of a sum',
    sql: `SELECT ${terms(10_000, ' + ', '1')}`,
    code: 'LIMIT_EXCEEDED',
    message: /at most 2000 operators/,
  },
  {
    name: '10,000 values of IN',
    sql: `SELECT 5 IN (${Array.from({length: 10_000}, (_, i) => i + 6).join()})`,
    rows: [[false]],
  },
  {
    name: '10,000 columns',
    sql: `SELECT ${terms(10_000, ', ', '1')}`,
    check: (_, json) => {
      if (json.results[0]!.rows![0]!.length !== 10_000) throw new Error('columns were lost');
    },
  },
  {name: 'a long comment', sql: `SELECT /*${'*'.repeat(900_000)}*/ 1`, rows: [[1]]},
  {name: 'comments inside comments', sql: `SELECT ${'/*'.repeat(200_000)}${'*/'.repeat(200_000)} 1`, rows: [[1]]},
  {
    name: 'a comment that does not end',
    sql: 'SELECT 1 /* x',
    code: 'BATCH_PARSE_ERROR',
    message: 'Failed to parse SQL batch: Unterminated block comment in SQL batch',
    at: [1, 10],
  },
  {
    name: 'a text that does not end',
    sql: "SELECT\n 'x",
    code: 'BATCH_PARSE_ERROR',
    message: 'Failed to parse SQL batch: Unterminated quoted string in SQL batch',
    at: [2, 2],
  },
  {
    name: 'a megabyte of quotes',
    sql: `SELECT '${"''".repeat(500_000)}'`,
    check: (_, json) => {
      if ((json.results[0]!.rows![0]![0] as string).length !== 500_000) throw new Error('quotes were lost');
    },
  },
  {
    name: 'a LIKE of many percent signs is quick',
    sql: `SELECT '${'a'.repeat(20_000)}' LIKE '${'%a'.repeat(5000)}%b'`,
    rows: [[false]],
  },
  {
    name: 'a text that would be too long',
    sql: "SELECT repeat('x', 2000000000)",
    code: 'SQL_EXECUTION_ERROR',
    message: /longer than 16 MB/,
  },
  {name: 'a number of 10,000 digits', sql: `SELECT ${'9'.repeat(10_000)}`, code: 'SQL_EXECUTION_ERROR'},
  {
    name: 'an exponent out of every range',
    sql: 'SELECT 1e999999999',
    code: 'SQL_EXECUTION_ERROR',
    message: /out of range/,
  },
  {
    name: 'names of one million letters',
    sql: `SELECT ${'a'.repeat(1_000_000)}`,
    code: 'SQL_EXECUTION_ERROR',
    message: /No field named/,
  },
];
