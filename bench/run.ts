/**
 * Run: measures this server, and its peers beside it, and writes what was found.
 *
 *     npm run bench                              every question
 *     npm run bench -- insert-http start         these
 *     npm run bench -- --rounds 3 --seconds 2 --seed 7 --dry insert-http     shorter, another seed, without writing the result
 *     npm run bench -- --patience 10             waits up to so many minutes before each timed run until nothing else runs on this machine
 *     nice -n -20 npm run bench -- --seconds 2 --pause 4      where others always work: before them, but in short turns
 */
import {mkdir, writeFile} from 'node:fs/promises';
import {parseArgs} from 'node:util';
import {bulkInsert} from './bulk-insert.ts';
import {concurrentReads} from './concurrent-reads.ts';
import {flush} from './flush.ts';
import {groupHot} from './group-hot.ts';
import {idleMemory} from './idle-memory.ts';
import {insertHttp} from './insert-http.ts';
import {type Bench, runBench} from './kit/bench.ts';
import {textOf} from './kit/report.ts';
import {liveDelivery} from './live-delivery.ts';
import {liveIdle} from './live-idle.ts';
import {liveSockets} from './live-sockets.ts';
import {many} from './many.ts';
import {memoryCosts} from './memory-costs.ts';
import {mixCold} from './mix-cold.ts';
import {parseBind} from './parse-bind.ts';
import {readByKey} from './read-by-key.ts';
import {signIn} from './sign-in.ts';
import {start} from './start.ts';
import {updateByKey} from './update-by-key.ts';

const BENCHES: Readonly<Record<string, Bench>> = {
  'insert-http': insertHttp,
  'read-by-key': readByKey,
  'bulk-insert': bulkInsert,
  'update-by-key': updateByKey,
  'group-hot': groupHot,
  'mix-cold': mixCold,
  'parse-bind': parseBind,
  'concurrent-reads': concurrentReads,
  flush,
  start,
  'sign-in': signIn,
  'idle-memory': idleMemory,
  'live-idle': liveIdle,
  'live-delivery': liveDelivery,
  'live-sockets': liveSockets,
  many,
  'memory-costs': memoryCosts,
};

const RESULTS = new URL('./results/', import.meta.url);

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    rounds: {type: 'string'},
    seconds: {type: 'string', default: '4'},
    seed: {type: 'string', default: '1'},
    patience: {type: 'string', default: '0'},
    pause: {type: 'string', default: '0'},
    dry: {type: 'boolean', default: false},
  },
});

const names = positionals.length === 0 ? Object.keys(BENCHES) : positionals;
const unknown = names.find(name => BENCHES[name] === undefined);
if (unknown !== undefined) {
  console.error(`There is no bench '${unknown}'; there are ${Object.keys(BENCHES).join(', ')}.`);
  process.exit(1);
}
await mkdir(RESULTS, {recursive: true});
for (const name of names) {
  const options = {
    seed: Number(values.seed),
    rounds: values.rounds === undefined ? undefined : Number(values.rounds),
    seconds: Number(values.seconds),
    patienceMs: Number(values.patience) * 60_000,
    pauseMs: Number(values.pause) * 1000,
  };
  const report = await runBench(name, BENCHES[name]!, options);
  console.log(textOf(report) + '\n');
  if (values.dry) continue;
  await writeFile(new URL(`${name}.json`, RESULTS), JSON.stringify(report, null, 2) + '\n');
  const plot = BENCHES[name]!.plot?.(report);
  if (plot !== undefined) await writeFile(new URL(`${name}.svg`, RESULTS), plot);
}
