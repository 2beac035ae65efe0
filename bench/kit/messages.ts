/**
 * Messages: a shared table with a column of each common type, for questions about many rows. Both databases get the same rows.
 */
import {bodyText, type Random} from './chat.ts';
import type {Kalamdb} from './kalamdb.ts';
import type {Postgres} from './postgres.ts';

export const ROOM_COUNT = 50;
const AUTHOR_COUNT = 500;
export const MESSAGES = {kalamdb: 'bench.messages', postgres: 'messages'} as const;

const ROWS_PER_INSERT = 500;
const FIRST_SENT_MS = Date.UTC(2026, 0, 1);
const NAMES = 'id, room, author, body, size, amount, sent';

function columns(timestamp: string): string {
  return (
    'id BIGINT PRIMARY KEY, room TEXT NOT NULL, author TEXT NOT NULL, body TEXT NOT NULL, size INT NOT NULL, ' +
    `amount DOUBLE PRECISION NOT NULL, sent ${timestamp} NOT NULL`
  );
}

export async function createMessages(server: Kalamdb, postgres: Postgres | undefined): Promise<void> {
  await server.sql('CREATE NAMESPACE bench');
  await server.sql(`CREATE SHARED TABLE ${MESSAGES.kalamdb} (${columns('TIMESTAMP')})`);
  await postgres?.sql(`CREATE TABLE ${MESSAGES.postgres} (${columns('timestamptz')})`);
}

/** Writes the messages with ids from `first` on, one sent every second. */
export async function addMessages(
  server: Kalamdb,
  postgres: Postgres | undefined,
  {first, count}: {first: number; count: number},
  random: Random,
): Promise<void> {
  const end = first + count;
  for (let from = first; from < end; from += ROWS_PER_INSERT) {
    const rows = Array.from({length: Math.min(ROWS_PER_INSERT, end - from)}, (_, i) => messageOf(from + i, random));
    const values = `(${NAMES}) VALUES ${rows.join(', ')}`;
    await server.sql(`INSERT INTO ${MESSAGES.kalamdb} ${values}`);
    await postgres?.sql(`INSERT INTO ${MESSAGES.postgres} ${values}`);
  }
}

function messageOf(id: number, random: Random): string {
  const below = (count: number) => Math.floor(random() * count);
  const amount = (below(150_000) / 100).toFixed(2);
  const sent = new Date(FIRST_SENT_MS + id * 1000).toISOString();
  const texts = `'room ${below(ROOM_COUNT)}', 'user ${below(AUTHOR_COUNT)}', '${bodyText(random)}'`;
  return `(${id}, ${texts}, ${below(1000)}, ${amount}, '${sent}')`;
}
