/**
 * Long: the slices of the longer suites that every change must pass, side by side, and more of them by a number.
 *
 *     node scripts/long.ts          as much as the goals ask of each change: some minutes
 *     node scripts/long.ts 10       ten times as much
 *
 * Each slice is one test file with its size in the environment. What a slice says is shown when it fails; it names the command that replays it.
 */
import {spawn} from 'node:child_process';
import {availableParallelism} from 'node:os';

interface Slice {
  readonly name: string;
  readonly file: string;
  /** Names of the environment with their value for each change; sizes grow with the given number. */
  readonly size: Readonly<Record<string, number>>;
  /** The first seed, and what else does not grow. */
  readonly seed: Readonly<Record<string, number>>;
}

const POWER = 'packages/server/test/sim/power.test.ts';
const slices: readonly Slice[] = [
  {name: 'simulation', file: POWER, size: {KALAMDB_SIM_STEPS: 50_000}, seed: {KALAMDB_SIM_FIRST: 1}},
  {
    name: 'simulation, other seeds',
    file: POWER,
    size: {KALAMDB_SIM_STEPS: 50_000},
    seed: {KALAMDB_SIM_FIRST: 10_000_001},
  },
  {
    name: 'kill rounds',
    file: 'packages/server/test/e2e/kill.test.ts',
    size: {KALAMDB_KILL_ROUNDS: 50},
    seed: {KALAMDB_KILL_SEED: 2},
  },
  {
    name: 'two executors',
    file: 'packages/server/test/sql/differential.test.ts',
    size: {KALAMDB_DIFF_QUERIES: 2000},
    seed: {KALAMDB_DIFF_SEED: 1_000_001},
  },
  {
    name: 'wide queries, with PostgreSQL',
    file: 'packages/server/test/sql/oracle.test.ts',
    size: {KALAMDB_ORACLE_QUERIES: 1000},
    seed: {KALAMDB_ORACLE_SEED: 1_000_001},
  },
  {
    name: 'functions, with PostgreSQL',
    file: 'packages/server/test/sql/function-oracle.test.ts',
    size: {KALAMDB_ORACLE_QUERIES: 1000},
    seed: {KALAMDB_ORACLE_SEED: 1_000_001},
  },
  {
    name: 'changes, with PostgreSQL',
    file: 'packages/server/test/sql/change-oracle.test.ts',
    size: {KALAMDB_CHANGE_STEPS: 2000},
    seed: {KALAMDB_CHANGE_SEED: 1_000_001},
  },
  {
    name: 'live queries',
    file: 'packages/server/test/live/checker.test.ts',
    size: {KALAMDB_LIVE_STEPS: 10_000},
    seed: {KALAMDB_LIVE_FIRST: 1001},
  },
  {
    name: 'many sockets',
    file: 'packages/server/test/socket/many.test.ts',
    size: {},
    seed: {KALAMDB_SOCKETS: 1000, KALAMDB_SUBSCRIPTIONS: 100},
  },
  {
    name: 'client histories',
    file: 'packages/client/test/history.test.ts',
    size: {KALAMDB_CLIENT_HISTORIES: 2000},
    seed: {KALAMDB_CLIENT_SEED: 1001},
  },
  {
    name: 'isolation of users',
    file: 'packages/server/test/accounts/isolation.test.ts',
    size: {KALAMDB_ISOLATION_STATEMENTS: 5000},
    seed: {KALAMDB_ISOLATION_SEED: 2},
  },
  {
    name: 'two readers of HTTP',
    file: 'packages/server/test/http/readers.fuzz.test.ts',
    size: {KALAMDB_HTTP_FUZZ: 10_000},
    seed: {KALAMDB_HTTP_SEED: 1_000_001},
  },
  {
    name: 'memory budget',
    file: 'packages/server/test/e2e/memory.test.ts',
    size: {KALAMDB_MEMORY_USERS: 20_000},
    seed: {},
  },
];

const factor = Number(process.argv[2] ?? 1);
const waiting = [...slices];
await Promise.all(Array.from({length: Math.min(slices.length, availableParallelism())}, work));

async function work(): Promise<void> {
  for (let slice = waiting.shift(); slice !== undefined; slice = waiting.shift()) {
    const startMs = performance.now();
    const {isPassed, output, text} = await run(slice);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    if (!isPassed) {
      console.error(output);
      process.exitCode = 1;
    }
    console.log(`${isPassed ? '✔' : '✖'} ${slice.name.padEnd(24)}${seconds.padStart(7)} s   ${text}`);
  }
}

async function run({file, size, seed}: Slice): Promise<{isPassed: boolean; output: string; text: string}> {
  const sizes = Object.entries(size).map(([name, value]) => [name, String(Math.round(value * factor))]);
  const all = Object.fromEntries([...sizes, ...Object.entries(seed).map(([name, value]) => [name, String(value)])]);
  const child = spawn(process.execPath, ['scripts/test.ts', file], {
    env: {...process.env, ...all},
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const read = (bytes: Buffer) => {
    output += bytes.toString();
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const code = await new Promise(resolve => child.once('close', resolve));
  const text = Object.entries(all).map(([name, value]) => `${name}=${value}`);
  return {isPassed: code === 0, output, text: text.join(' ')};
}
