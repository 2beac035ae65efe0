/** A process that asks DuckDB and then has nothing more to do, or, with `hold`, asks what takes minutes. Prints the child's pid. */
import {openDuck} from '../../src/duck/duck.ts';

const duck = openDuck({
  maxChildren: 1,
  memoryBytes: 256 * 1024 ** 2,
  directories: () => [],
  idleMs: 60_000,
  killAfterMs: 1000,
  logger: {warn: text => console.error(text)},
});
const limits = {params: [], relations: [], outputs: [{name: 'bigint'}], maxRows: 10, maxBytes: 1024} as const;
const {signal} = new AbortController();
await duck.query({sql: 'SELECT 1::BIGINT AS n', ...limits}, signal);
console.log(duck.stats().pids[0]);
if (process.argv.includes('hold')) {
  await duck.query({sql: 'SELECT count(*) AS n FROM range(100000000000) t(i) WHERE i * 7 % 11 = 3', ...limits}, signal);
}
