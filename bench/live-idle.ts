/**
 * What do live queries cost that have nothing to say: time of a write beside them (P10), memory of each (P11)?
 *
 * Each round is a process of its own, without HTTP: a table is written to one row at a time, at first with nobody watching, then beside 100,000 queries of one
 * shape that ask for other rows.
 */
import {fileURLToPath} from 'node:url';
import {type Bench, type BenchContext, type Findings, Rounds} from './kit/bench.ts';
import {output} from './kit/child.ts';
import type {LiveFigures, LiveJob} from './kit/live-idle-main.ts';

const MAIN = fileURLToPath(new URL('./kit/live-idle-main.ts', import.meta.url));
const QUERIES = 100_000;
const KINDS: Readonly<Record<LiveJob['kind'], string>> = {
  shared: 'of one SHARED table',
  user: 'of the USER table of 10,000 users',
};

export const liveIdle: Bench = {title: `${QUERIES} live queries that do not match`, rounds: 3, run};

async function run(context: BenchContext): Promise<Findings> {
  const rounds = new Rounds();
  for (let round = 0; round < context.rounds; round++) {
    for (const kind of Object.keys(KINDS) as LiveJob['kind'][]) {
      const job: LiveJob = {directory: `${context.directory}/${kind}-${round}`, kind, queries: QUERIES};
      const figures: LiveFigures = JSON.parse(
        await output(process.execPath, ['--expose-gc', MAIN, JSON.stringify(job)]),
      );
      context.say(`${kind}: ${JSON.stringify(figures)}`);
      for (const [name, value] of Object.entries(figures)) rounds.add(`${kind} ${name}`, value);
    }
  }
  const series = (kind: string, name: string) => ({name, rounds: rounds.of(`${kind} ${name}`)});
  return {
    durability: 'D1',
    settings: {queries: QUERIES, 'queries of a connection': 100},
    notes: [
      'Without HTTP. P10: the median of an INSERT of one row beside the queries, less that without them. P11: live objects after a collection, without what a socket adds.',
    ],
    measures: (Object.keys(KINDS) as LiveJob['kind'][]).flatMap(kind => [
      {
        goal: 'P10',
        what: `cost to a write of ${QUERIES.toLocaleString('en-US')} queries ${KINDS[kind]}`,
        unit: 'µs',
        ours: series(kind, 'write'),
        judge: {by: 'value', better: 'less', floor: 200, aim: 50},
        facts: {'INSERT alone': rounds.of(`${kind} alone`)[0]!, 'one subscribe': rounds.of(`${kind} subscribe`)[0]!},
      },
      {
        goal: 'P11',
        what: `memory of one query ${KINDS[kind]}`,
        unit: 'bytes',
        ours: series(kind, 'bytes'),
        judge: {by: 'value', better: 'less', floor: 8192, aim: 2048},
        facts: {},
      },
    ]),
  };
}
