/**
 * Chat: the rows most benches write, for both databases: what one user said in which room, with a key that the database gives.
 *
 * Ours is a USER table, so the user is who asks; the peer has a column for it.
 */
import {seededRandom} from '../../packages/server/src/std/sim-clock.ts';
import {type Kalamdb, sqlRequest} from './kalamdb.ts';

export const USERS = 200;
export const ROOMS = 1000;
export const BODY_LENGTH = 100;

export function chatTable(name: string): string {
  return `CREATE USER TABLE ${name} (
    id BIGINT PRIMARY KEY DEFAULT SNOWFLAKE_ID(), room INT NOT NULL, body TEXT NOT NULL, sent_at TIMESTAMP DEFAULT NOW())`;
}

export const CHAT_TABLE = ['CREATE NAMESPACE bench', chatTable('bench.messages')] as const;

export const POSTGRES_CHAT_TABLE = `CREATE TABLE messages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text NOT NULL, room int NOT NULL, body text NOT NULL,
  sent_at timestamptz DEFAULT now())`;

/** For pgbench; `body` is one of its variables. */
export const POSTGRES_INSERT = `\\set user_number random(1, ${USERS})
\\set room random(1, ${ROOMS})
INSERT INTO messages (user_id, room, body) VALUES ('user-' || :user_number, :room, :body);
`;

export type Random = () => number;

export function randomOf(seed: number): Random {
  return seededRandom(seed);
}

export function userName(index: number): string {
  return `user-${index + 1}`;
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz     ';

export function bodyText(random: Random): string {
  let text = '';
  while (text.length < BODY_LENGTH) text += LETTERS[Math.floor(random() * LETTERS.length)];
  return text;
}

/** Single-row INSERTs with parameters, of all users in turn. */
export function insertRequests(count: number, random: Random): string[] {
  const sql = 'INSERT INTO bench.messages (room, body) VALUES ($1, $2)';
  return Array.from({length: count}, (_, i) =>
    sqlRequest({
      user: userName(i % USERS),
      sql,
      params: [1 + Math.floor(random() * ROOMS), bodyText(random)],
    }),
  );
}

const ROWS_PER_FILL = 1000;
const FILLS_AT_ONCE = 4;

/** Writes `perUser` rows for each of the first `users` users. */
export async function fillChat(
  server: Kalamdb,
  table: string,
  {users, perUser}: {users: number; perUser: number},
  random: Random,
): Promise<void> {
  const bodies = Array.from({length: ROOMS}, () => bodyText(random));
  let nextUser = 0;
  const fillUsers = async () => {
    for (let user = nextUser++; user < users; user = nextUser++) {
      for (let from = 0; from < perUser; from += ROWS_PER_FILL) {
        const rows = Array.from({length: Math.min(ROWS_PER_FILL, perUser - from)}, () => {
          const room = 1 + Math.floor(random() * ROOMS);
          return `(${room}, '${bodies[room - 1]}')`;
        });
        await server.sql(`INSERT INTO ${table} (room, body) VALUES ${rows.join(', ')}`, {user: userName(user)});
      }
    }
  };
  await Promise.all(Array.from({length: FILLS_AT_ONCE}, fillUsers));
}
