/**
 * Every script, in every placement: the same answers whether rows are hot, flushed or both. A script is one test per placement.
 *
 *     KALAMDB_SQL_SEED=7 node scripts/test.ts packages/server/test/sql/scripts.test.ts
 */
import assert from 'node:assert/strict';
import {globSync, readFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import {test} from 'node:test';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {openEngine, PLACEMENTS} from './engine.ts';
import {runScript} from './runner.ts';

const SEED = Number(process.env['KALAMDB_SQL_SEED'] ?? 20_261_125);
const ROOT = import.meta.dirname;
/** Below this something is wrong with the search for scripts, not with the scripts. */
const QUERIES_MIN = 600;

const paths = globSync('*/*.slt', {cwd: ROOT}).sort();
let queries = 0;

for (const path of paths) {
  const text = readFileSync(join(ROOT, path), 'utf8');
  for (const placement of PLACEMENTS) {
    test(`${path.replace(/\.slt$/, '')}, ${placement}`, async () => {
      const engine = await openEngine(placement, seededRandom(SEED + basename(path).length));
      try {
        const result = await runScript(text, engine);
        if (placement === 'hot') queries += result.queries;
        assert.deepEqual(result.failures, [], `seed ${SEED}`);
        assert.ok(result.queries + result.statements > 0, 'an empty script proves nothing');
      } finally {
        await engine.close();
      }
    });
  }
}

test('the scripts were found', () =>
  assert.ok(queries >= QUERIES_MIN, `${queries} queries in ${paths.length} scripts`));
