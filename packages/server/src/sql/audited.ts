/**
 * Audited: writes down who ran which statement, of the kinds that say what they are about (`auditTarget`), and who acts as whom.
 *
 * Laws: a statement that is written down is answered only when its row is durable; if the log fails just then, what is done is answered as done. What anybody may repeat at will, refusals and EXECUTE AS, is
 * written once in a while, so that it cannot push out the rest. Kinds that write their own row beside what they change are not written twice.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {actorOf} from '../auth/users.ts';
import type {UserId} from '../model/names.ts';
import type {StatementContext, StatementKind} from './define.ts';
import {redactSecrets} from './redact.ts';

const REFUSAL_MS = 60_000;
const ACTING_MS = 3_600_000;

interface Said {
  readonly kind: StatementKind;
  readonly tree: unknown;
  /** Whom EXECUTE AS names. */
  readonly target: UserId | undefined;
}

type About = Pick<StatementContext, 'services' | 'session' | 'address' | 'text' | 'namespace'>;

/** What `run` answers, beside the rows that tell of it. */
export function audited<Answer>(
  said: Said,
  about: About,
  run: () => Answer | Promise<Answer>,
): Answer | Promise<Answer> {
  const acting = said.target && auditActing(about, said.target, 'success');
  if (acting === undefined && said.kind.auditTarget === undefined) return run();
  return runAudited(said, about, run, acting);
}

async function runAudited<Answer>(
  said: Said,
  about: About,
  run: () => Answer | Promise<Answer>,
  acting: Promise<void> | undefined,
): Promise<Answer> {
  await acting;
  try {
    const result = await run();
    const isWritten = said.kind.auditTarget === undefined || said.kind.auditsItself === true;
    if (!isWritten) await about.services.auth.audit.write(entryOf(said, about, 'success')).catch(ofTheLog);
    return result;
  } catch (error) {
    if (error instanceof DbError) await auditRefusal(said, about, error);
    throw error;
  }
}

/** That the log failed, every write after it is told. */
function ofTheLog(error: unknown): void {
  if (!(error instanceof DbError)) throw error;
}

/** Who was not allowed to run it. */
export async function auditRefusal(said: Said, about: About, error: DbError): Promise<void> {
  if (said.kind.auditTarget === undefined || error.code !== 'PERMISSION_DENIED') return;
  await about.services.auth.audit.writeOnce(entryOf(said, about, error.code), REFUSAL_MS);
}

/** Undefined: it was written down not long ago. `result`: success, or the code of the refusal. */
export function auditActing(about: About, target: UserId, result: string): Promise<void> | undefined {
  const isDenied = result !== 'success';
  const entry = {
    ...{actor: actorOf(about.session), action: isDenied ? 'EXECUTE_AS_USER_DENIED' : 'EXECUTE_AS_USER'},
    ...{target, subject: target, address: about.address, result},
    details: isDenied ? 'role_not_allowed' : redactSecrets(about.text),
  };
  return about.services.auth.audit.writeOnce(entry, isDenied ? REFUSAL_MS : ACTING_MS);
}

function entryOf({kind, tree}: Said, {session, address, text, namespace}: About, result: string) {
  return {
    actor: actorOf(session),
    action: kind.name.toUpperCase().replaceAll(' ', '_'),
    target: kind.auditTarget!(tree, namespace),
    details: redactSecrets(text),
    address,
    result,
  };
}
