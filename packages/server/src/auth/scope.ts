/**
 * Scope: the right to the rows of one table, for one session.
 *
 *     every table access     Session + Schema + read|write ─ scopeFor ─ Scope
 *
 * Laws: nothing else makes a Scope. A scope of a user or stream table carries the owner of the session that asked, so no statement can name
 * another user's rows.
 */
import {type DbError, fail} from '@kalamdb/protocol/errors.ts';
import {type Incarnation, type Owner, tableText} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import type {Role, Scope, Session} from '../model/session.ts';
import {systemTable} from '../system/index.ts';
import {type Access, capital, isAdmin, ROW_RIGHTS, requireRight} from './roles.ts';

/** The right to `what` rows of the table, or PERMISSION_DENIED (403). */
export function scopeFor(session: Session, schema: Schema, what: Access): Scope {
  const refusal = refusalOf(session, schema, what);
  if (refusal !== undefined) throw refusal;
  const owner = schema.kind === 'user' || schema.kind === 'stream' ? session.userId : null;
  return mint(schema.incarnation, owner);
}

/** The right to be told how rows of the table change, or PERMISSION_DENIED. */
export function scopeToFollow(session: Session, schema: Schema): Scope {
  requireRight(session, 'follow rows');
  return scopeFor(session, schema, 'read');
}

/** Whether the session may read rows of the table, and so may know that it is there. */
export function mayRead(session: Session, schema: Schema): boolean {
  return refusalOf(session, schema, 'read') === undefined;
}

function refusalOf(session: Session, schema: Schema, what: Access): DbError | undefined {
  switch (schema.kind) {
    case 'user':
    case 'stream':
      if (ROW_RIGHTS.own[what].includes(session.role)) return undefined;
      return denied(session, schema, OWN_ROWS_DENIED[what]);
    case 'shared': {
      const level = schema.options.accessLevel ?? 'private';
      if (ROW_RIGHTS.shared[level][what].includes(session.role)) return undefined;
      const verb = what === 'read' ? 'access' : 'write';
      return denied(session, schema, `Shared table ${verb} denied (access_level=${capital(level)})`);
    }
    case 'system':
      if (systemRights(schema, what).includes(session.role)) return undefined;
      if (!isAdmin(session)) return denied(session, schema, "System tables require 'dba' or 'system' role.");
      return fail.permissionDenied(`Cannot write system table '${tableText(schema.name)}'`);
    default:
      throw new TypeError(`unknown table kind ${schema.kind satisfies never}`);
  }
}

/** Some system tables are open to more roles than the others: their declaration says so. */
function systemRights({incarnation}: Schema, what: Access): readonly Role[] {
  const readers = what === 'read' ? systemTable(incarnation)?.readers : undefined;
  return readers ?? ROW_RIGHTS.system[what];
}

const OWN_ROWS_DENIED = {
  read: 'User table access denied due to insufficient privileges.',
  write: 'User table write denied due to insufficient privileges.',
} as const;

function denied({role}: Session, schema: Schema, why: string): DbError {
  return fail.unauthorized(
    `Access denied: Role '${capital(role)}' cannot access table '${tableText(schema.name)}'. ${why}`,
  );
}

/** The brand exists only for the compiler, so this cast is the one place where authority comes into being. */
function mint(incarnation: Incarnation, owner: Owner): Scope {
  return {incarnation, owner} as Scope;
}
