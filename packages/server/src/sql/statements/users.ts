/** CREATE USER, ALTER USER, DROP USER. */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Change, Doing, Identity} from '../../auth/users.ts';
import type {Role} from '../../model/session.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {defineStatement, done, type StatementContext} from '../define.ts';
import {redactSecrets} from '../redact.ts';

const ACCESS = {admin: 'user management'} as const;

const ROLE_NAMES: Readonly<Record<string, Role>> = {
  ...{dba: 'dba', admin: 'dba', system: 'system'},
  ...{service: 'service', developer: 'service', analyst: 'service'},
  ...{user: 'user', viewer: 'user', readonly: 'user'},
};

interface CreateUser {
  readonly id: string;
  readonly ifNotExists: boolean;
  readonly identity: Identity;
  readonly role: Role;
  readonly email: string | null;
}

export const createUser = defineStatement<CreateUser>({
  name: 'CREATE USER',
  heads: ['CREATE USER'],
  access: ACCESS,
  auditTarget: ({id}) => id,
  auditsItself: true,
  takesParams: false,
  doc: {
    topic: 'Accounts',
    syntax: [
      "CREATE USER [IF NOT EXISTS] {name | 'id'} WITH {PASSWORD 'password' | OAUTH 'json' | INTERNAL}",
      "    ROLE {user | service | dba | system} [EMAIL 'address']",
    ],
    about:
      'Makes an account. A password may be given as its bcrypt or argon2id hash, as it comes from another server. A dba makes no account with the role system.',
    example: "CREATE USER 'ana' WITH PASSWORD 'correct horse' ROLE user EMAIL 'ana@example.org'",
  },
  parse(cursor) {
    cursor.expectKeywords('CREATE', 'USER');
    const ifNotExists = cursor.ifNotExists();
    const id = cursor.stringOrName('a user name');
    cursor.expectKeyword('WITH');
    const identity = parseIdentity(cursor);
    cursor.expectKeyword('ROLE');
    const role = parseRole(cursor);
    const email = cursor.acceptKeyword('EMAIL') ? parseEmail(cursor) : null;
    return {id, ifNotExists, identity, role, email};
  },
  async run({id, ifNotExists, ...user}, context) {
    const {users, sessions} = context.services.auth;
    if (ifNotExists && sessions.accounts.living(id) !== undefined)
      return done(context, `User '${id}' already exists (skipped)`);
    await users.create({id, ...user}, doing(context));
    return done(context, `User '${id}' created`);
  },
});

export const alterUser = defineStatement<{id: string; change: Change}>({
  name: 'ALTER USER',
  heads: ['ALTER USER'],
  access: 'any',
  auditTarget: ({id}) => id,
  auditsItself: true,
  takesParams: false,
  doc: {
    topic: 'Accounts',
    syntax: ["ALTER USER {name | 'id'} SET {PASSWORD 'password' [REVOKE SESSIONS] | ROLE role | EMAIL 'address'}"],
    about:
      'Changes an account; everybody may change their own password and address. Another role ends all sessions of the account, a new password only with REVOKE SESSIONS.',
    example: [
      "CREATE USER 'ben' WITH PASSWORD 'correct horse' ROLE user",
      "ALTER USER 'ben' SET PASSWORD 'battery staple' REVOKE SESSIONS",
    ],
  },
  parse(cursor) {
    cursor.expectKeywords('ALTER', 'USER');
    const id = cursor.stringOrName('a user name');
    cursor.expectKeyword('SET');
    return {id, change: parseChange(cursor)};
  },
  async run({id, change}, context) {
    await context.services.auth.users.alter(id, change, doing(context));
    return done(context, `User '${id}' updated`);
  },
});

export const dropUser = defineStatement<{id: string; ifExists: boolean}>({
  name: 'DROP USER',
  heads: ['DROP USER'],
  access: ACCESS,
  auditTarget: ({id}) => id,
  auditsItself: true,
  takesParams: false,
  doc: {
    topic: 'Accounts',
    syntax: "DROP USER [IF EXISTS] {name | 'id'}",
    about:
      'Ends an account and all its sessions at once. Its rows stay and its id is taken, until a job removes both: see `user_management.deletion_grace_period_days`.',
    example: ["CREATE USER 'cleo' WITH PASSWORD 'correct horse' ROLE user", "DROP USER 'cleo'"],
  },
  parse(cursor) {
    cursor.expectKeywords('DROP', 'USER');
    const ifExists = cursor.ifExists();
    return {id: cursor.stringOrName('a user name'), ifExists};
  },
  async run({id, ifExists}, context) {
    const isDropped = await context.services.auth.users.drop(id, doing(context));
    if (isDropped) return done(context, `User '${id}' dropped (soft delete)`);
    if (!ifExists) throw fail.notFound(`User '${id}' not found`);
    return done(context, `User '${id}' does not exist (skipped)`);
  },
});

function doing({session, address, text}: StatementContext): Doing {
  return {session, address, details: redactSecrets(text)};
}

function parseIdentity(cursor: TokenCursor): Identity {
  if (cursor.acceptKeyword('INTERNAL')) return {kind: 'internal'};
  if (cursor.acceptKeyword('PASSWORD')) {
    if (!cursor.isString()) throw cursor.fail('Password required for WITH PASSWORD');
    return {kind: 'password', password: cursor.string('a password')};
  }
  if (!cursor.acceptKeyword('OAUTH')) throw cursor.expected('PASSWORD, OAUTH or INTERNAL');
  if (!cursor.isString()) throw cursor.fail('OAuth user requires JSON payload with provider and subject');
  return oauthIdentity(cursor);
}

function oauthIdentity(cursor: TokenCursor): Identity {
  const {start} = cursor;
  const json = jsonObject(cursor.string());
  if (json === undefined) throw cursor.fail('OAuth user requires JSON payload with provider and subject', start);
  const text = (field: string) => {
    const value = json[field];
    if (typeof value !== 'string' || value === '') throw cursor.fail(`OAuth user requires '${field}' field`, start);
    return value;
  };
  return {kind: 'oauth', provider: text('provider'), subject: text('subject'), json: JSON.stringify(json)};
}

function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function parseRole(cursor: TokenCursor): Role {
  const {start} = cursor;
  const text = cursor.stringOrName('a role');
  const role = Object.hasOwn(ROLE_NAMES, text.toLowerCase()) ? ROLE_NAMES[text.toLowerCase()] : undefined;
  if (role !== undefined) return role;
  const hint = 'Valid roles: dba, admin, developer, analyst, viewer, user, service, system';
  throw cursor.fail(`Invalid role '${text}'. Hint: ${hint}`, start);
}

const EMAIL_LENGTH_MAX = 320;

function parseEmail(cursor: TokenCursor): string {
  const {start} = cursor;
  const email = cursor.string('an address');
  if (email.length > EMAIL_LENGTH_MAX || /[\s\x00-\x1f\x7f]/.test(email)) {
    throw cursor.fail(`An address has at most ${EMAIL_LENGTH_MAX} characters and no blanks`, start);
  }
  return email;
}

function parseChange(cursor: TokenCursor): Change {
  if (cursor.acceptKeyword('ROLE')) return {kind: 'role', role: parseRole(cursor)};
  if (cursor.acceptKeyword('EMAIL')) return {kind: 'email', email: parseEmail(cursor)};
  if (!cursor.acceptKeyword('PASSWORD')) throw cursor.expected('PASSWORD, ROLE or EMAIL');
  const password = cursor.string('a password');
  return {kind: 'password', password, endsSessions: cursor.keywords('REVOKE', 'SESSIONS')};
}
