/**
 * Roles: who may do what, as data. One gate reads it for statements, one for tables; nothing else compares roles.
 *
 *                                  anonymous   user   service   dba   system
 *     user, stream tables: rows        –       own      own     own    own
 *     shared public, read             yes      yes      yes     yes    yes
 *     shared public, write             –        –       yes     yes    yes
 *     shared private, restricted       –        –       yes     yes    yes
 *     shared dba                       –        –        –      yes    yes
 *     system tables, read              –        –        –      yes    yes      (unless `readers` of one says otherwise)
 *     information_schema              yes      yes      yes     yes    yes      (of what the session may read)
 *     system tables, write             –        –        –       –      –
 *     transactions, live queries       –       yes      yes     yes    yes      (of rows they may read)
 *
 * Law: a role may whatever the roles to its left may. Rows of user and stream tables are the session's own, whatever its role (`scope.ts`).
 */
import {type DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {UserId} from '../model/names.ts';
import type {AccessLevel, Schema} from '../model/schema.ts';
import type {Role, Session} from '../model/session.ts';

export type Access = 'read' | 'write';

export const ROLES = ['anonymous', 'user', 'service', 'dba', 'system'] as const satisfies readonly Role[];

const EVERYONE: readonly Role[] = ROLES;
const SIGNED_IN: readonly Role[] = ['user', 'service', 'dba', 'system'];
const SERVICES: readonly Role[] = ['service', 'dba', 'system'];
const ADMINS: readonly Role[] = ['dba', 'system'];
const NOBODY: readonly Role[] = [];

/** Rows of tables, by kind; of shared tables by access level. */
export const ROW_RIGHTS: {
  readonly own: Readonly<Record<Access, readonly Role[]>>;
  readonly shared: Readonly<Record<AccessLevel, Readonly<Record<Access, readonly Role[]>>>>;
  readonly system: Readonly<Record<Access, readonly Role[]>>;
} = {
  own: {read: SIGNED_IN, write: SIGNED_IN},
  shared: {
    public: {read: EVERYONE, write: SERVICES},
    private: {read: SERVICES, write: SERVICES},
    restricted: {read: SERVICES, write: SERVICES},
    dba: {read: ADMINS, write: ADMINS},
  },
  system: {read: ADMINS, write: NOBODY},
};

/** Rights that are asked for inside statements, each with the answer to those who do not have it. */
export const RIGHTS = {
  'create own table': {roles: SIGNED_IN, denial: 'Insufficient privileges to create tables'},
  'create shared table': {roles: SERVICES, denial: 'Insufficient privileges to create shared tables'},
  'begin transaction': {roles: SIGNED_IN, denial: 'Insufficient privileges to begin a transaction'},
  'follow rows': {roles: SIGNED_IN, denial: 'Insufficient privileges for live queries'},
  'drop table': {roles: ADMINS, denial: 'Insufficient privileges to drop this table'},
} as const satisfies Record<string, {roles: readonly Role[]; denial: string}>;

/**
 * Who may change what a table is. The definition of a user or stream table is one for all its users, so one of them may change it only in the
 * namespace that bears their name.
 */
export const ALTER_RIGHTS: {
  readonly own: readonly Role[];
  readonly ownNamespace: readonly Role[];
  readonly shared: Readonly<Record<AccessLevel, readonly Role[]>>;
} = {
  own: SERVICES,
  ownNamespace: SIGNED_IN,
  shared: {public: SERVICES, private: SERVICES, restricted: SERVICES, dba: ADMINS},
};

/** What each role may act as with EXECUTE AS, besides itself. */
export const ACTS_AS: Readonly<Record<Role, readonly Role[]>> = {
  anonymous: [],
  user: [],
  service: ['user', 'service'],
  dba: ['user', 'service', 'dba'],
  system: ['user', 'service', 'dba', 'system'],
};

/** Whom each role may make, change and drop. */
export const GRANTS: Readonly<Record<Role, readonly Role[]>> = {
  anonymous: [],
  user: [],
  service: [],
  dba: ['user', 'service', 'dba'],
  system: ['user', 'service', 'dba', 'system'],
};

export function mayGrant(session: Session, role: Role): boolean {
  return GRANTS[session.role].includes(role);
}

/** Why a statement of the actor may not act as `target`, whose account has the role `role`. */
export function actingRefusal(actor: Session, target: UserId, role: Role): DbError | undefined {
  const isSelf = actor.userId === target && actor.role !== 'anonymous';
  if (isSelf || ACTS_AS[actor.role].includes(role)) return undefined;
  const whose = `actor '${actor.userId}' with role ${capital(actor.role)}`;
  return fail.unauthorized(
    `EXECUTE AS USER is not authorized: ${whose} cannot target '${target}' with role ${capital(role)}`,
  );
}

/** The session of such a statement. Its rights are those of a user, whoever the target is. Throws `actingRefusal`. */
export function actAs(actor: Session, target: UserId, role: Role): Session {
  const refusal = actingRefusal(actor, target, role);
  if (refusal !== undefined) throw refusal;
  return {userId: target, role: 'user', proof: {kind: 'actor', actor}};
}

export function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

export function isAdmin({role}: Pick<Session, 'role'>): boolean {
  return ADMINS.includes(role);
}

/** Why the session may not run statements of a kind; `access` is what the kind says of itself. */
export function accessRefusal(session: Session, access: 'any' | {readonly admin: string}): DbError | undefined {
  if (access === 'any' || isAdmin(session)) return undefined;
  return fail.unauthorized(`Admin privileges (DBA or System role) required for ${access.admin}`);
}

export function requireRight(session: Session, right: keyof typeof RIGHTS): void {
  const {roles, denial} = RIGHTS[right];
  if (!(roles as readonly Role[]).includes(session.role)) throw fail.unauthorized(denial);
}

export function requireAlter({userId, role}: Session, {kind, name, options}: Schema): void {
  const isOwn = kind === 'user' || kind === 'stream';
  const roles = isOwn
    ? ALTER_RIGHTS[name.namespace === userId ? 'ownNamespace' : 'own']
    : ALTER_RIGHTS.shared[options.accessLevel ?? 'private'];
  if (!roles.includes(role)) throw fail.unauthorized('Insufficient privileges to alter table');
}

/** Flush and compaction. */
export function requireOperator(session: Session, statement: string): void {
  if (!SERVICES.includes(session.role)) throw fail.unauthorized(`${statement} requires Service, DBA, or System role`);
}
