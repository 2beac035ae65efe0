/**
 * Gate: whether the statements of a request may be run, and as whom.
 *
 * Law: all of them are asked about before any runs. Who is refused is written down (audited.ts).
 */
import type {DbError} from '@kalamdb/protocol/errors.ts';
import {accessRefusal, actAs, actingRefusal} from '../auth/roles.ts';
import type {UserId} from '../model/names.ts';
import type {Role, Session} from '../model/session.ts';
import {auditActing, auditRefusal} from './audited.ts';
import type {Services} from './define.ts';
import {redactSecrets} from './redact.ts';
import type {Parsed, SqlRequest} from './run.ts';

/** Undefined if all are allowed. Rejects with PERMISSION_DENIED. */
export function refuseUnlessAllowed(
  services: Services,
  request: SqlRequest,
  statements: readonly Parsed[],
): Promise<never> | undefined {
  const {session} = request;
  for (const statement of statements) {
    const {kind, target} = statement;
    const refusal = accessRefusal(session, kind.access);
    if (refusal !== undefined)
      return refuse(refusal, statement, auditRefusal(statement, about(services, request, statement), refusal));
    if (target === undefined) continue;
    const noTarget = actingRefusal(session, target, roleOf(services, target));
    if (noTarget !== undefined)
      return refuse(noTarget, statement, auditActing(about(services, request, statement), target, noTarget.code));
  }
  return undefined;
}

/** Whose the statement is; `target` is whom EXECUTE AS names. */
export function sessionOf(services: Services, session: Session, target: UserId | undefined): Session {
  return target === undefined ? session : actAs(session, target, roleOf(services, target));
}

/** Whoever has no account is a user: rows of users are there without one. */
function roleOf({auth}: Services, userId: UserId): Role {
  return auth.sessions.accounts.roleOf(userId) ?? 'user';
}

async function refuse(refusal: DbError, {text}: Parsed, written: Promise<void> | undefined): Promise<never> {
  refusal.details = redactSecrets(text);
  await written;
  throw refusal;
}

function about(services: Services, {session, address, namespace = 'default'}: SqlRequest, {text}: Parsed) {
  return {services, session, address, namespace, text};
}
