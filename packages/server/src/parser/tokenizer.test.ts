import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {splitStatements} from './split.ts';
import * as token from './tokenizer.ts';

function tokensOf(sql: string): [kind: number, text: string][] {
  const {count, kinds, starts, ends} = token.tokenize(sql);
  return Array.from({length: count}, (_, n) => [kinds[n]!, sql.slice(starts[n], ends[n])]);
}

const symbol = (text: string): [number, string] => [text.charCodeAt(0), text];

const TEXTS: [why: string, sql: string, expected: [number, string][]][] = [
  [
    'words may hold digits, $ and any letter',
    'a1$ größe _x',
    [
      [token.WORD, 'a1$'],
      [token.WORD, 'größe'],
      [token.WORD, '_x'],
    ],
  ],
  [
    'names double their quotes',
    '"a""b" `c``d`',
    [
      [token.QUOTED, '"a""b"'],
      [token.QUOTED, '`c``d`'],
    ],
  ],
  ['strings double theirs, may hold ; and --', "'it''s; -- x'", [[token.STRING, "'it''s; -- x'"]]],
  ["E'…' knows \\'", "E'a\\'b'", [[token.ESCAPED_STRING, "E'a\\'b'"]]],
  ['plain strings know no backslash', "'a\\'", [[token.STRING, "'a\\'"]]],
  ['bytes', "x'01fF'", [[token.BYTES, "x'01fF'"]]],
  ['numbers', '1 1.5 .5 5. 1e10 1E-3', ['1', '1.5', '.5', '5.', '1e10', '1E-3'].map(text => [token.NUMBER, text])],
  ['a point between names is a symbol', 'a.b', [[token.WORD, 'a'], symbol('.'), [token.WORD, 'b']]],
  ['parameters', '$1,$20', [[token.PARAM, '$1'], symbol(','), [token.PARAM, '$20']]],
  [
    'the longest operator wins',
    'a->>b',
    [
      [token.WORD, 'a'],
      [token.LONG_ARROW, '->>'],
      [token.WORD, 'b'],
    ],
  ],
  [
    'both spellings of unequal are one',
    '<> !=',
    [
      [token.NOT_EQUAL, '<>'],
      [token.NOT_EQUAL, '!='],
    ],
  ],
  ['an operator ends before a sign', '=-1', [symbol('='), symbol('-'), [token.NUMBER, '1']]],
  [
    'comments vanish, block comments nest',
    'a /* x /* y */ z */ b -- c\nd',
    [
      [token.WORD, 'a'],
      [token.WORD, 'b'],
      [token.WORD, 'd'],
    ],
  ],
  ['a byte order mark is no token', '\ufeffa', [[token.WORD, 'a']]],
  [
    'letters behind a number make one token that is no number',
    '300s 0x1F 1.5e3x .9t 12',
    [
      [token.MIXED, '300s'],
      [token.MIXED, '0x1F'],
      [token.MIXED, '1.5e3x'],
      [token.MIXED, '.9t'],
      [token.NUMBER, '12'],
    ],
  ],
];

for (const [why, sql, expected] of TEXTS) test(`tokens: ${why}`, () => assert.deepEqual(tokensOf(sql), expected));

const BATCH = 'Failed to parse SQL batch: Unterminated';
const REFUSED: [why: string, sql: string, code: string, message: string, offset: number | undefined][] = [
  ['open string', "SELECT 'a", 'BATCH_PARSE_ERROR', `${BATCH} quoted string in SQL batch`, 7],
  ['open quoted name', 'SELECT "a', 'BATCH_PARSE_ERROR', `${BATCH} quoted string in SQL batch`, 7],
  ['open backtick', 'SELECT `a', 'BATCH_PARSE_ERROR', `${BATCH} quoted string in SQL batch`, 7],
  ['open comment', 'SELECT 1; /* a /* b */', 'BATCH_PARSE_ERROR', `${BATCH} block comment in SQL batch`, 10],
  ['nothing', '', 'EMPTY_SQL', 'No SQL statements provided', undefined],
  ['only separators and comments', ' ; -- a\n ;/* b */', 'EMPTY_SQL', 'No SQL statements provided', undefined],
  ['NUL', 'a\0', 'INVALID_SQL', 'Invalid SQL: Unexpected character U+0000 at line 1, column 2.', 1],
  ['NUL in a string', "'\0'", 'INVALID_SQL', 'Invalid SQL: Unexpected character U+0000 at line 1, column 1.', 1],
  [
    'a control character on line two',
    'a\n \x07',
    'INVALID_SQL',
    'Invalid SQL: Unexpected character U+0007 at line 2, column 2.',
    3,
  ],
  ['a backslash', 'a \\', 'INVALID_SQL', "Invalid SQL: Unexpected character '\\' at line 1, column 3.", 2],
  ['letters in a parameter', '$1a', 'INVALID_SQL', "Invalid SQL: Malformed parameter '$1a' at line 1, column 1.", 0],
  ['half a character', "'\ud800'", 'INVALID_SQL', 'Invalid SQL: Half a character at line 1, column 2.', 1],
];

for (const [why, sql, code, message, offset] of REFUSED) {
  test(`refused: ${why}`, () => {
    assert.throws(
      () => splitStatements(sql),
      (error: unknown) => {
        assert.ok(error instanceof DbError);
        assert.deepEqual([error.code, error.position?.offset], [code, offset]);
        if (why !== 'NUL in a string') assert.equal(error.message, message);
        return true;
      },
    );
  });
}

test('two dashes begin a comment but for the option of CLUSTER PURGE', () => {
  const words = (sql: string) => splitStatements(sql).map(({text, first, last}) => [text, last - first]);
  assert.deepEqual(words('CLUSTER PURGE --upto 5; SELECT 1'), [
    ['CLUSTER PURGE --upto 5', 4],
    ['SELECT 1', 2],
  ]);
  assert.deepEqual(words('CLUSTER PURGE --up to 5; SELECT 1'), [['CLUSTER PURGE', 2]]);
  assert.deepEqual(words('PURGE --upto 5'), [['PURGE', 1]]);
});

test('statements keep their inner comments and know where they start', () => {
  const parts = splitStatements("; a /* ; */ b ;;-- x\n 'c;d' ;");
  assert.deepEqual(
    parts.map(part => [part.text, part.start, part.last - part.first]),
    [
      ['a /* ; */ b', 2, 2],
      ["'c;d'", 22, 1],
    ],
  );
});

test('a text of one million characters is split in linear time', () => {
  assert.equal(splitStatements('a;'.repeat(5000) + ' '.repeat(1_000_000)).length, 5000);
  assert.throws(() => splitStatements('a;'.repeat(10_001)), {code: 'LIMIT_EXCEEDED'});
});
