/**
 * Jobs: follows the background jobs that a statement started, until they end.
 */
import type {Cell, Reply} from './server.ts';
import type {Session} from './session.ts';

const JOB_ID = /\b(?:FL|CO)-[0-9a-f]{12}\b/g;
const LOOK_EVERY_MS = 200;
/** A job that takes longer goes on; its row in system.jobs tells. */
const LOOKS_MAX = 3000;
const ENDED: ReadonlySet<unknown> = new Set(['completed', 'failed', 'cancelled', 'skipped']);
const CLEAR_LINE = '\r\u001b[K';

export async function followJobs(session: Session, reply: Reply): Promise<void> {
  const ids = new Set(reply.results.flatMap(({message}) => (message?.match(JOB_ID) ?? []) as string[]));
  for (const id of ids) await follow(session, id);
}

async function follow(session: Session, id: string): Promise<void> {
  const sql = `SELECT status, message, progress FROM system.jobs WHERE job_id = '${id}'`;
  for (let look = 0; look < LOOKS_MAX; look++) {
    const reply = await session.ask(sql, session.user === undefined ? {} : {user: session.user});
    const row = reply.results[0]?.rows?.[0];
    if (row === undefined) return;
    const [status, message, progress] = row;
    if (ENDED.has(status)) {
      session.write(`${CLEAR_LINE}${id} ${status}: ${message ?? ''}\n`);
      return;
    }
    session.write(`${CLEAR_LINE}${id} ${status} ${progressText(progress!)}`);
    await session.sleep(LOOK_EVERY_MS);
  }
  session.write(`${CLEAR_LINE}${id} still runs; \\jobs shows it.\n`);
}

function progressText(progress: Cell): string {
  if (typeof progress !== 'string') return '';
  const {scopes_done: done, scopes_total: total} = JSON.parse(progress) as {
    scopes_done?: number;
    scopes_total?: number;
  };
  return total === undefined ? '' : `${done} of ${total} scopes`;
}
