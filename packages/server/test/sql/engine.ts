/**
 * Engine: what a script is run against, and ours: a database whose rows lie where the placement says.
 *
 *     hot        nothing is flushed unless the script says so
 *     flushed    after every change every table is flushed, so that each answer is read from segments
 *     mixed      after every change a seeded choice of the tables is, so that hot rows lie over cold ones
 *     analytic   as mixed, and every query runs on DuckDB, whatever the direct executor could do
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataTypeJson, ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Duck, DuckOptions} from '../../src/duck/duck.ts';
import {systemClock} from '../../src/std/system-clock.ts';
import {
  type Cell,
  compact,
  jobEnd,
  jobIdOf,
  openTestDatabase,
  TEST_OPTIONS,
  type TestDatabase,
} from '../test-database.ts';

export type Outcome =
  | {readonly kind: 'rows'; readonly columns: readonly ResultColumn[]; readonly rows: readonly (readonly Cell[])[]}
  | {readonly kind: 'done'; readonly count: number}
  /** "CODE message" */
  | {readonly kind: 'error'; readonly message: string};

export interface Engine {
  /** What skipif and onlyif may call it. */
  readonly names: readonly string[];
  execute(sql: string, user: string): Promise<Outcome>;
  /** Every table, to its end. */
  flush(): Promise<void>;
  compact(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export const PLACEMENTS = ['hot', 'flushed', 'mixed', 'analytic'] as const;
export type Placement = (typeof PLACEMENTS)[number];

const CHANGES = /^\s*(?:insert|update|delete|alter|begin|start)\b/i;

/** Limits are those of a server as it is shipped. `random` decides which tables are flushed, `openDuck` whose children run queries. */
export async function openEngine(
  placement: Placement,
  random: () => number,
  openDuck?: (options: DuckOptions) => Duck,
): Promise<Engine> {
  const analytic = openDuck === undefined ? TEST_OPTIONS.analytic : {...TEST_OPTIONS.analytic, openDuck};
  const database = await openTestDatabase({defaultRows: 50, maxRows: 1000, analytic});
  const flushSome = async (isChosen: () => boolean) => {
    for (const table of await tablesOf(database)) if (isChosen()) await flushTable(database, table);
  };
  const executor = placement === 'analytic' ? ({executor: 'analytic'} as const) : {};
  const settle = async () => {
    if (placement === 'flushed') await flushSome(() => true);
    if (placement === 'mixed' || placement === 'analytic') await flushSome(() => random() < 0.5);
  };
  return {
    names: ['kalamdb', placement],
    async execute(sql, user) {
      try {
        const {schema, rows, rowCount} = await database.sql(sql, {user, ...executor});
        if (CHANGES.test(sql)) await settle();
        return schema === undefined ? {kind: 'done', count: rowCount} : {kind: 'rows', columns: schema, rows};
      } catch (error) {
        if (!(error instanceof DbError)) throw error;
        return {kind: 'error', message: `${error.code} ${error.message}`};
      }
    },
    flush: () => flushSome(() => true),
    async compact() {
      for (const table of await tablesOf(database)) await compact(database, table);
    },
    restart: () => database.restart(),
    close: () => database.stop(),
  };
}

async function tablesOf(database: TestDatabase): Promise<string[]> {
  const {rows} = await database.sql(
    "SELECT namespace_id || '.' || table_name FROM system.tables WHERE table_type IN ('user', 'shared') LIMIT 1000",
  );
  return rows.map(([name]) => String(name));
}

/** A flush that is still under way by its schedule is waited for, then one of our own follows. */
async function flushTable(database: TestDatabase, table: string): Promise<void> {
  for (;;) {
    const answer = await database.sql(`STORAGE FLUSH TABLE ${table}`);
    if (/no pending writes/.test(answer.message)) return;
    if (/already queued or running/.test(answer.message)) {
      await systemClock.sleep(2);
      continue;
    }
    const job = await jobEnd(database, jobIdOf(answer));
    if (job['status'] !== 'completed') throw new Error(`flush of ${table} ended ${job['status']}: ${job['message']}`);
    return;
  }
}

/** The letter of a column's type in a query record. */
export function typeLetter(type: DataTypeJson): 'I' | 'R' | 'T' {
  if (type === 'SmallInt' || type === 'Int' || type === 'BigInt') return 'I';
  if (type === 'Float' || type === 'Double') return 'R';
  return typeof type === 'object' && 'Decimal' in type ? 'R' : 'T';
}
