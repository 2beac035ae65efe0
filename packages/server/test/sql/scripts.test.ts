/**
 * Every script, in every placement: the same answers whether rows are hot, flushed or both, and from both executors. A script is one test per
 * placement.
 *
 *     KALAMDB_SQL_SEED=7 node scripts/test.ts packages/server/test/sql/scripts.test.ts
 */
import assert from 'node:assert/strict';
import {globSync, readFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {basename, join} from 'node:path';
import {after, suite, test} from 'node:test';
import {type Duck, type DuckOptions, openDuck} from '../../src/duck/duck.ts';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {openEngine, PLACEMENTS} from './engine.ts';
import {runScript} from './runner.ts';

const SEED = Number(process.env['KALAMDB_SQL_SEED'] ?? 20_261_125);
const ROOT = import.meta.dirname;
/** Below this something is wrong with the search for scripts, not with the scripts. */
const QUERIES_MIN = 600;

/** Scripts mostly wait for jobs and for children. */
const AT_ONCE = 3;

const paths = globSync('*/*.slt', {cwd: ROOT}).sort();
let queries = 0;

/** Children are the same for all scripts; that of the first query is good for every directory. */
let children: Duck | undefined;
const sharedDuck = (options: DuckOptions): Duck => {
  children ??= openDuck({...options, maxChildren: AT_ONCE, directories: () => [tmpdir()]});
  return {
    query: (request, signal) => children!.query(request, signal),
    stats: () => children!.stats(),
    async close() {},
  };
};
after(() => children?.close());

suite('scripts', {concurrency: AT_ONCE}, () => {
  for (const path of paths) {
    const text = readFileSync(join(ROOT, path), 'utf8');
    for (const placement of PLACEMENTS) {
      test(`${path.replace(/\.slt$/, '')}, ${placement}`, async () => {
        const engine = await openEngine(placement, seededRandom(SEED + basename(path).length), sharedDuck);
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
});

test('the scripts were found', () =>
  assert.ok(queries >= QUERIES_MIN, `${queries} queries in ${paths.length} scripts`));
