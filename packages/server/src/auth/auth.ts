/**
 * Auth: who asks, and which places they may touch.
 *
 *     development sign-in    X-USER-ID ─ developmentSession ─ Session (role dba; without a name: root, role system)
 *     every table access     Session + Schema + read|write ─ scopeFor ─ Scope
 *
 * Who may, in one table (a user or stream table is always the session's own place, whatever the role):
 *
 *                              anonymous   user   service   dba   system
 *     user, stream                 –       own      own     own    own
 *     shared public, read         yes      yes      yes     yes    yes
 *     shared public, write         –        –       yes     yes    yes
 *     shared private, restricted   –        –       yes     yes    yes
 *     shared dba                   –        –        –      yes    yes
 *     system, read                 –        –        –      yes    yes
 *     system, write                –        –        –       –      –
 *
 * Laws: nothing outside this folder makes a Scope. A scope of a user or stream table carries the owner of the session that asked, so
 * no statement can name another user's rows. Development sign-in is only for servers that listen on loopback; the edge checks that.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import {checkUserId, type Incarnation, type Owner, tableText} from '../model/names.ts';
import type {AccessLevel, Schema} from '../model/schema.ts';
import type {Role, Scope, Session} from '../model/session.ts';

export type Access = 'read' | 'write';

const ADMINS: readonly Role[] = ['dba', 'system'];
const SERVICES: readonly Role[] = ['service', 'dba', 'system'];
const SIGNED_IN: readonly Role[] = ['user', 'service', 'dba', 'system'];
const EVERYONE: readonly Role[] = ['anonymous', 'user', 'service', 'dba', 'system'];

const SHARED_ROLES: Record<AccessLevel, Record<Access, readonly Role[]>> = {
  public: {read: EVERYONE, write: SERVICES},
  private: {read: SERVICES, write: SERVICES},
  restricted: {read: SERVICES, write: SERVICES},
  dba: {read: ADMINS, write: ADMINS},
};

const ROOT: Session = {userId: checkUserId('root'), role: 'system'};

/** The caller of a server without accounts. `userId` as it was sent, or undefined. Throws if it is not a valid user id. */
export function developmentSession(userId: string | undefined): Session {
  return userId === undefined ? ROOT : {userId: checkUserId(userId), role: 'dba'};
}

export function isAdmin(session: Session): boolean {
  return ADMINS.includes(session.role);
}

/** The right to `what` rows of the table, or PERMISSION_DENIED (403). */
export function scopeFor(session: Session, schema: Schema, what: Access): Scope {
  switch (schema.kind) {
    case 'user':
    case 'stream':
      if (!SIGNED_IN.includes(session.role)) throw denied(session, schema, OWN_ROWS_DENIED[what]);
      return mint(schema.incarnation, session.userId);
    case 'shared': {
      const level = schema.options.accessLevel ?? 'private';
      if (!SHARED_ROLES[level][what].includes(session.role)) {
        const verb = what === 'read' ? 'access' : 'write';
        throw denied(session, schema, `Shared table ${verb} denied (access_level=${capital(level)})`);
      }
      return mint(schema.incarnation, null);
    }
    case 'system':
      if (!isAdmin(session)) throw denied(session, schema, "System tables require 'dba' or 'system' role.");
      if (what === 'write') throw fail.permissionDenied(`Cannot write system table '${tableText(schema.name)}'`);
      return mint(schema.incarnation, null);
    default:
      throw new TypeError(`unknown table kind ${schema.kind satisfies never}`);
  }
}

const OWN_ROWS_DENIED: Record<Access, string> = {
  read: 'User table access denied due to insufficient privileges.',
  write: 'User table write denied due to insufficient privileges.',
};

function denied(session: Session, schema: Schema, why: string) {
  return fail.unauthorized(
    `Access denied: Role '${capital(session.role)}' cannot access table '${tableText(schema.name)}'. ${why}`,
  );
}

function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

/** The brand exists only for the compiler, so this cast is the one place where authority comes into being. */
function mint(incarnation: Incarnation, owner: Owner): Scope {
  return {incarnation, owner} as Scope;
}
