/** Examples: what the reference says of each function is so, in both executors. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHOICES} from '../../src/expr/calls.ts';
import {FUNCTION_GROUPS, type FunctionFacts} from '../../src/expr/functions.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';

let database: TestDatabase;
before(async () => {
  database = await openTestDatabase();
});
after(() => database.stop());

const functions = FUNCTION_GROUPS.flatMap(({list}) => list);
const ALL: {name: string; duck?: unknown; example: FunctionFacts['example']}[] = [
  ...functions,
  ...functions.flatMap(({forText, forNumber}) => [forText, forNumber].filter(one => one !== undefined)),
  ...Object.entries(CHOICES).map(([name, {example}]) => ({name, example})),
];

for (const {name, duck, example} of ALL) {
  const [call, value] = example;
  for (const executor of ['direct', 'analytic'] as const) {
    if (executor === 'analytic' && duck === 'none') continue;
    test(`${name}, ${executor}: ${call}`, async () => {
      const {rows} = await database.sql(`SELECT CAST(${call} AS TEXT)`, {executor});
      if (value === undefined) assert.ok(rows[0]![0] !== null);
      else assert.equal(rows[0]![0], value);
    });
  }
}
