/**
 * How many rows in memory are updated and deleted by key a second, over HTTP, beside single-row INSERTs? (P4)
 *
 * All three go to one server in the same rounds. Rows are spread over the tables of 200 users. A DELETE finds its row: before each run as many
 * are written as it can delete.
 */
import {join} from 'node:path';
import type {Bench, BenchContext, Findings} from './kit/bench.ts';
import {bodyText, CHAT_TABLE, insertRequests, type Random, randomOf, USERS, userName} from './kit/chat.ts';
import {type Kalamdb, LARGE_MEMORY, QUIET, sqlRequest, startKalamdb} from './kit/kalamdb.ts';
import type {Measure} from './kit/report.ts';
import {factsOf, type Side, sideBySide, takeOurs} from './kit/side-by-side.ts';

const CLIENTS = [16, 64] as const;
const REQUESTS = 8192;
const ROWS_PER_USER = 500;
/** More than any run deletes. */
const DELETES_PER_SECOND_MAX = 40_000;

export const updateByKey: Bench = {title: 'UPDATE and DELETE by key of rows in memory', rounds: 5, run};

async function run(context: BenchContext): Promise<Findings> {
  const {directory, seconds, seed} = context;
  const settings = {...QUIET, ...LARGE_MEMORY};
  const server = await startKalamdb(join(directory, 'kalamdb'), settings);
  try {
    for (const statement of CHAT_TABLE) await server.sql(statement);
    await server.sql('CREATE USER TABLE bench.notes (id BIGINT PRIMARY KEY, body TEXT NOT NULL, n INT)');
    await fill(server, {from: 1, perUser: ROWS_PER_USER}, randomOf(seed));
    const inserts = insertRequests(REQUESTS, randomOf(seed));
    const updates = updateRequests(randomOf(seed));
    const doomed = new Doomed(server, randomOf(seed + 1));
    const durationMs = seconds * 1000;
    const sides = CLIENTS.flatMap((clients): Side[] => {
      const side = (name: string, requests: readonly string[]): Side => ({
        name: `${name} ${clients}`,
        take: () => takeOurs(server, directory, {connections: clients, durationMs, requests}),
      });
      return [
        side('INSERT', inserts),
        side('UPDATE', updates),
        {
          name: `DELETE ${clients}`,
          take: async () => {
            const requests = await doomed.requests(Math.ceil(DELETES_PER_SECOND_MAX * seconds));
            return takeOurs(server, directory, {connections: clients, durationMs, requests, isOnce: true});
          },
        },
      ];
    });
    const found = await sideBySide(context, sides);
    return {
      durability: 'D2',
      settings: {...settings, users: USERS, 'rows that are updated': USERS * ROWS_PER_USER},
      notes: ['The peer of an UPDATE or DELETE is the INSERT of the same rounds.'],
      measures: CLIENTS.flatMap(clients =>
        ['UPDATE', 'DELETE'].map((name): Measure => {
          const [us, them] = [found.get(`${name} ${clients}`)!, found.get(`INSERT ${clients}`)!];
          return {
            goal: 'P4',
            what: `${name} by key, ${clients} in flight`,
            unit: '/s',
            ours: us.series,
            peer: {...them.series, name: 'INSERT'},
            judge: {by: 'ratio', better: 'more', floor: 0.7, aim: 0.9},
            facts: factsOf(us, {...them, series: {...them.series, name: 'INSERT'}}),
          };
        }),
      ),
    };
  } finally {
    await server.stop();
  }
}

/** Rows of every user with keys from `from` on. */
async function fill(server: Kalamdb, {from, perUser}: {from: number; perUser: number}, random: Random): Promise<void> {
  const body = bodyText(random);
  for (let user = 0; user < USERS; user++) {
    const rows = Array.from({length: perUser}, (_, i) => `(${from + i}, '${body}', ${i})`).join(', ');
    await server.sql(`INSERT INTO bench.notes (id, body, n) VALUES ${rows}`, {user: userName(user)});
  }
}

function updateRequests(random: Random): string[] {
  // Every one changes its row, however often it is sent: what changes nothing is not written.
  const sql = 'UPDATE bench.notes SET n = n + 1 WHERE id = $1';
  return Array.from({length: REQUESTS}, (_, i) =>
    sqlRequest({
      user: userName(i % USERS),
      sql,
      params: [1 + Math.floor(random() * ROWS_PER_USER)],
    }),
  );
}

/** Writes rows that are there to be deleted, each once. */
class Doomed {
  readonly #server: Kalamdb;
  readonly #random: Random;
  #next = ROWS_PER_USER + 1;

  constructor(server: Kalamdb, random: Random) {
    this.#server = server;
    this.#random = random;
  }

  async requests(count: number): Promise<string[]> {
    const [from, perUser] = [this.#next, Math.ceil(count / USERS)];
    this.#next += perUser;
    await fill(this.#server, {from, perUser}, this.#random);
    const sql = 'DELETE FROM bench.notes WHERE id = $1';
    return Array.from({length: perUser * USERS}, (_, i) =>
      sqlRequest({user: userName(i % USERS), sql, params: [from + Math.floor(i / USERS)]}),
    );
  }
}
