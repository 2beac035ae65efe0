/** Who asks: odd user ids have rows of their own like any other, or are refused. Each of them inserts key 1 and reads it back alone. */
import type {Scenario} from './scenario.ts';

const STRANGE: readonly [why: string, user: string][] = [
  ['a colon', 'a:b'],
  ['the word that names the shared place', 'shared'],
  ['an encoded colon is another user', 'a%3Ab'],
  ['capital letters are another user', 'A:B'],
  ['a blank inside', 'a b'],
  ['a dot', '.'],
  ['a quote', "o'brien"],
  ['a percent sign', '%'],
  ['SQL', "'; DROP TABLE app.own; --"],
  ['a hidden file', '.hidden'],
  ['a tilde', '~root'],
  ['a name of the system', 'system'],
  ['a drive', 'C:'],
  ['a reserved file name', 'CON'],
  ['a trailing dot', 'ana.'],
  ['other alphabets', '日本語'],
  ['an emoji', '🐢'],
  ['combined marks', 'e\u0301'],
  ['the same letter in one character', 'é'],
  ['128 bytes', 'x'.repeat(128)],
  ['42 characters of 3 bytes', '日'.repeat(42)],
];

const REFUSED: readonly [why: string, user: string][] = [
  ['empty', ''],
  ['a way up', '../x'],
  ['only a way up', '..'],
  ['a way up inside', 'a..b'],
  ['a slash', 'a/b'],
  ['a backslash', 'a\\b'],
  ['129 bytes', 'x'.repeat(129)],
  ['43 characters of 3 bytes', '日'.repeat(43)],
  ['a control character', 'a\u0085b'],
];

export const IDENTITIES: readonly Scenario[] = [
  {name: 'set up', sql: 'CREATE NAMESPACE app; CREATE USER TABLE app.own (id INT PRIMARY KEY, who TEXT)'},
  ...STRANGE.flatMap(([why, user]): Scenario[] => [
    {name: `${why} may be in a user id`, user, sql: 'SELECT current_user', rows: [[user]]},
    {name: `${why}: has no rows of others`, user, sql: 'SELECT count(*) FROM app.own', rows: [['0']]},
    {
      name: `${why}: writes rows of its own`,
      user,
      sql: 'INSERT INTO app.own VALUES (1, current_user)',
      results: [{row_count: 1, message: 'Inserted 1 row(s)', as_user: user}],
    },
  ]),
  {name: 'all of them are flushed', sql: 'FLUSH TABLE app.own'},
  ...STRANGE.map(
    ([why, user]): Scenario => ({
      name: `${why}: reads its own row after the flush`,
      user,
      sql: 'SELECT id, who FROM app.own',
      rows: [[1, user]],
    }),
  ),
  ...REFUSED.map(
    ([why, user]): Scenario => ({
      name: `${why} may not be in a user id`,
      user,
      sql: 'SELECT 1',
      code: 'INVALID_INPUT',
      message: /user id/,
    }),
  ),
  {name: 'a user id is never a role', user: 'system', sql: 'SELECT current_role', rows: [['dba']]},
  {name: 'nobody is root', sql: 'SELECT current_user, current_role', rows: [['root', 'system']]},
];
