/**
 * Regex oracle: random patterns find in random texts what PostgreSQL finds: matches, groups, counts, replacements, splits.
 *
 *     KALAMDB_ORACLE_PATTERNS=10000 node --test packages/server/test/sql/regex-oracle.test.ts     more patterns
 *
 * Groups are asked for where no group is repeated: of repeated ones PostgreSQL keeps another turn in rare cases.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {NO_ENV} from '../../src/expr/coerce.ts';
import {FUNCTIONS} from '../../src/expr/functions.ts';
import {TEXT} from '../../src/expr/numbers.ts';
import {openPostgres, postgresPrograms} from './oracle.ts';
import {Random} from './random.ts';

const PATTERNS = Number(process.env['KALAMDB_ORACLE_PATTERNS'] ?? 400);
const SEED = Number(process.env['KALAMDB_ORACLE_SEED'] ?? 1);

const programs = postgresPrograms();
const skip = programs === undefined ? 'PostgreSQL is not installed' : false;

test(`${PATTERNS} random patterns find what PostgreSQL finds`, {skip}, async () => {
  const postgres = await openPostgres(programs!);
  const random = new Random(SEED);
  try {
    for (let i = 0; i < PATTERNS; i++) {
      const hasGroups = random.chance(0.5);
      const pattern = randomPattern(random, 3, hasGroups);
      const text = Array.from({length: random.below(9)}, () => random.pick([...'aabbc '])).join('');
      const [s, p] = [quoted(text), quoted(pattern)];
      const expected = await postgres.query(
        `SELECT regexp_substr(${s}, ${p}), ${hasGroups ? `array_to_json(regexp_match(${s}, ${p}))` : 'NULL'}, regexp_count(${s}, ${p}),
         regexp_replace(${s}, ${p}, '<\\&>', 'g'), array_to_json(regexp_split_to_array(${s}, ${p})), ${s} ~ ${p}`,
      );
      const actual = [
        call('REGEXP_SUBSTR', text, pattern),
        hasGroups ? call('REGEXP_MATCH', text, pattern) : null,
        String(call('REGEXP_COUNT', text, pattern)),
        FUNCTIONS.get('REGEXP_REPLACE')!.forText!.eval([text, pattern, '<\\&>', 'g'], NO_ENV, [TEXT], TEXT),
        call('REGEXP_SPLIT_TO_ARRAY', text, pattern),
        call('REGEXP_LIKE', text, pattern) === true ? 't' : 'f',
      ];
      assert.deepEqual({rows: [actual]}, expected, `seed ${SEED}: ${pattern} in '${text}'`);
    }
  } finally {
    await postgres.stop();
  }
});

function call(name: string, ...args: string[]): unknown {
  return FUNCTIONS.get(name)!.eval(args, NO_ENV, [TEXT, TEXT], TEXT);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function randomPattern(random: Random, depth: number, hasGroups: boolean): string {
  const inner = () => randomPattern(random, depth - 1, hasGroups);
  const character = () => random.pick(['a', 'b', 'c', '.', '[ab]', '[^a]', '\\w', ' ']);
  const bracket = hasGroups ? '(' : random.pick(['(', '(?:']);
  switch (depth <= 0 ? random.below(2) : random.below(8)) {
    case 0:
      return character();
    case 1:
      return random.pick([character(), character(), '$', '^', '\\m', '\\M', '\\y', '\\Y']);
    case 2:
      return `${bracket}${inner()})`;
    case 3:
      return `${bracket}${inner()}|${inner()})`;
    case 4:
    case 5: {
      const item = hasGroups ? character() : random.pick([character(), `(?:${inner()})`]);
      return item + random.pick(['*', '+', '?', '{2}', '{1,2}', '{2,}']) + random.pick(['', '', '?']);
    }
    default:
      return inner() + inner();
  }
}
