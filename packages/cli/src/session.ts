/**
 * Session: what a person has set in a shell, and how one SQL text is answered. Interactive shells and `-c` and `-f` run through it alike.
 */
import {type Format, formatReply} from './format.ts';
import {followJobs} from './jobs.ts';
import type {Ask} from './server.ts';

export interface Session {
  readonly ask: Ask;
  readonly url: string;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
  readonly readFile: (path: string) => Promise<string>;
  readonly sleep: (ms: number) => Promise<void>;
  /** Progress of jobs is drawn in place; only on a terminal. */
  readonly isTerminal: boolean;
  format: Format;
  isExpanded: boolean;
  isTimed: boolean;
  /** Who asks; undefined = whom the connection signs in. */
  user: string | undefined;
  namespace: string | undefined;
  isOver: boolean;
}

/** False if something in the text failed; the rest of it did not run then. */
export async function runSql(session: Session, sql: string): Promise<boolean> {
  const {namespace, user} = session;
  const reply = await session.ask(sql, {
    ...(namespace === undefined ? {} : {namespace}),
    ...(user === undefined ? {} : {user}),
  });
  if (reply.status === 'error') {
    if (session.format === 'json') session.write(formatReply(reply, session));
    else session.writeError(`${reply.error?.code}: ${reply.error?.message}\n`);
    return false;
  }
  session.write(formatReply(reply, session));
  if (session.isTerminal) await followJobs(session, reply);
  return true;
}
