/** Statement examples: what the reference shows of each statement runs. */
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {TokenCursor} from '../../src/parser/cursor.ts';
import {splitStatements} from '../../src/parser/split.ts';
import {matchHead} from '../../src/sql/heads.ts';
import {EXAMPLE_TABLES, linesOf, type StatementDoc} from '../../src/sql/statement-doc.ts';
import {STATEMENTS} from '../../src/sql/statements/index.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';

for (const kind of STATEMENTS) {
  test(`the example of ${kind.name} is one of it, and runs as the reference says`, async () => {
    assert.ok(kind.doc !== undefined, 'every statement that runs is told of');
    const text = linesOf(kind.doc.example).join('; ');
    const kinds = splitStatements(text).map(statement => matchHead(new TokenCursor(statement)));
    assert.ok(kinds.includes(kind));
    const database = await openTestDatabase();
    try {
      await runExample(database, text, kind.doc);
    } finally {
      await database.stop();
    }
  });
}

async function runExample(database: TestDatabase, text: string, {fails}: StatementDoc): Promise<void> {
  await database.sql(EXAMPLE_TABLES.join('; '));
  const sql = text.replaceAll("'/srv", `'${join(database.directory, 'srv')}`);
  if (fails === undefined) {
    await database.sql(sql);
    return;
  }
  await assert.rejects(database.sql(sql), error => error instanceof DbError && error.message.includes(fails));
}
