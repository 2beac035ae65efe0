/**
 * Users: the only writer of accounts, but for the facts of a sign-in.
 *
 *     create, alter, drop   one batch each: the account, the sessions that end with it, its row in the audit log
 *     provision             an account for whoever comes with a token of a trusted issuer
 *     purge                 a dropped account goes for good, behind all rows of its own
 *     setUp                 root's password and the first dba, both or neither, once
 *
 * Laws: one change of an account at a time, decided on what is durable. Nobody makes, changes or drops an account above their own role; a user
 * changes nothing but their own password and address. Root is never dropped and keeps its role. A dropped id is not given to anybody before it is
 * purged.
 */
import {createHash} from 'node:crypto';
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {scopeOf, textKey} from '../catalog/ddl.ts';
import {checkUserId, type UserId} from '../model/names.ts';
import type {Role, Session} from '../model/session.ts';
import type {Clock} from '../std/clock.ts';
import {USERS, type UserRecord} from '../system/users.ts';
import type {Commit, WriteBatch, WriteRow} from '../table/commit.ts';
import type {Latches} from '../table/latches.ts';
import {type Accounts, identityKey, ROOT_ID, USERS_PLACE, userRow} from './accounts.ts';
import type {Audit, AuditEntry} from './audit.ts';
import {isHash, type Passwords} from './password.ts';
import {type PasswordPolicy, weakness} from './password-policy.ts';
import {isAdmin, mayGrant} from './roles.ts';
import {SERVER_SESSION, type Sessions} from './sessions.ts';
import {endedId, removed, signInRow} from './sign-ins.ts';
import {invalidCredentials} from './token.ts';

/** They are held in memory. */
const ACCOUNTS_MAX = 1_000_000;

export type Identity =
  | {readonly kind: 'password'; readonly password: string}
  /** Signs in elsewhere; `json` is an object with both and what else was said of it. */
  | {readonly kind: 'oauth'; readonly provider: string; readonly subject: string; readonly json: string}
  | {readonly kind: 'internal'};

export type Change =
  | {readonly kind: 'password'; readonly password: string; readonly endsSessions: boolean}
  | {readonly kind: 'role'; readonly role: Role}
  | {readonly kind: 'email'; readonly email: string};

/** Who does it, and what the audit log tells of it. */
export interface Doing {
  readonly session: Session;
  readonly address: string | undefined;
  /** The statement, without its secrets. */
  readonly details: string;
}

interface UsersOptions {
  readonly sessions: Sessions;
  readonly passwords: Passwords;
  readonly policy: PasswordPolicy;
  readonly audit: Audit;
  readonly commit: Commit;
  readonly latches: Latches;
  readonly clock: Clock;
}

export class Users {
  readonly #options: UsersOptions;
  readonly #accounts: Accounts;

  constructor(options: UsersOptions) {
    this.#options = options;
    this.#accounts = options.sessions.accounts;
  }

  /** Throws Already exists, also for a dropped account. */
  async create(user: {id: string; identity: Identity; role: Role; email: string | null}, doing: Doing): Promise<void> {
    const {id, identity, role, email} = user;
    checkUserId(id);
    if (!mayGrant(doing.session, role)) throw cannotGrant(doing.session, role);
    if (this.#accounts.record(id) !== undefined) throw fail.alreadyExists(`User '${id}' already exists`);
    const password = identity.kind === 'password' ? await this.#hashed(identity.password, id, doing) : '';
    const external = identity.kind === 'oauth' ? identityKey(identity.provider, identity.subject) : undefined;
    await this.#alone(id, external, async () => {
      if (this.#accounts.record(id) !== undefined) throw fail.alreadyExists(`User '${id}' already exists`);
      const [other] = external === undefined ? [] : this.#accounts.idsOf(external);
      if (other !== undefined) throw fail.alreadyExists(`User '${other}' has this provider and subject`);
      this.#checkCount();
      const account = newAccount(id, this.#now(), {
        ...{role, email, password_hash: password, auth_type: AUTH_TYPES[identity.kind]},
        auth_data: identity.kind === 'oauth' ? identity.json : null,
      });
      await this.#write({rows: [userRow(account)]}, doing, {action: 'CREATE_USER', target: id, subject: id});
    });
  }

  /** The account of this provider and subject, made if there is none. Throws INVALID_CREDENTIALS if its id is taken by another. */
  async provision(user: {provider: string; subject: string; email: string | null; role: Role}): Promise<UserRecord> {
    const {provider, subject, email, role} = user;
    const identity = identityKey(provider, subject);
    const id = provisionedId(provider, subject);
    return this.#alone(id, identity, async () => {
      const [made] = this.#accounts.idsOf(identity);
      const before = made === undefined ? undefined : this.#accounts.living(made);
      if (before !== undefined) return before;
      if (made !== undefined || this.#accounts.record(id) !== undefined) throw invalidCredentials();
      this.#checkCount();
      const data = {auth_type: 'OAuth', auth_data: JSON.stringify({provider, subject})} as const;
      const account = newAccount(id, this.#now(), {role, email, password_hash: '', ...data});
      const told = {
        actor: id,
        action: 'PROVISION_USER',
        target: id,
        subject: id,
        address: undefined,
        result: 'success',
      };
      await this.#options.commit.write({rows: [userRow(account), this.#options.audit.row(told)]});
      return account;
    });
  }

  #checkCount(): void {
    if (this.#accounts.count >= ACCOUNTS_MAX)
      throw new DbError('LIMIT_EXCEEDED', `A server holds at most ${ACCOUNTS_MAX} accounts.`);
  }

  /** Throws Not found, or PERMISSION_DENIED. */
  async alter(id: string, change: Change, doing: Doing): Promise<void> {
    this.#checkAlter(id, change, doing.session);
    const hash = change.kind === 'password' ? await this.#hashed(change.password, id, doing) : '';
    await this.#alone(id, undefined, async () => {
      // The role may have changed while the password was hashed.
      const account = this.#checkAlter(id, change, doing.session);
      const batch = this.#altered({...account, updated_at: this.#now()}, change, hash);
      await this.#write(batch, doing, {action: 'ALTER_USER', target: id, subject: id});
    });
  }

  /** False if there is none. Its rows stay, and so does its id. */
  async drop(id: string, doing: Doing): Promise<boolean> {
    if (!isAdmin(doing.session)) throw fail.unauthorized('DROP USER requires DBA or System role');
    return this.#alone(id, undefined, async () => {
      const account = this.#accounts.living(id);
      if (account === undefined) return false;
      this.#checkAbove(account, doing.session, 'drop');
      if (id === ROOT_ID) throw fail.invalidOperation(`User '${id}' cannot be dropped`);
      const batch = {...this.#endSessions(id), isUrgent: true};
      const row = userRow({...account, deleted_at: this.#now(), updated_at: this.#now()});
      await this.#write({...batch, rows: [...batch.rows, row]}, doing, {action: 'DROP_USER', target: id, subject: id});
      return true;
    });
  }

  /**
   * Forgets an account that was dropped at that moment, after `removeRows` took away what was its own; it gets a session of the user. False: there is
   * no such account any more.
   */
  async purge(id: string, deletedAt: bigint, removeRows: (session: Session) => Promise<void>): Promise<boolean> {
    const {audit, commit} = this.#options;
    return this.#alone(id, undefined, async () => {
      if (this.#accounts.record(id)?.deleted_at !== deletedAt) return false;
      await removeRows({userId: id as UserId, role: 'user', proof: {kind: 'actor', actor: SERVER_SESSION}});
      const told = {
        actor: SERVER_SESSION.userId,
        action: 'PURGE_USER',
        target: id,
        subject: id,
        address: undefined,
        result: 'success',
      };
      const removes = [{scope: scopeOf(USERS.schema), key: textKey(id)}, removed(endedId(id))];
      await commit.write({rows: [audit.row(told)], removes, isUrgent: true});
      return true;
    });
  }

  /** Root's password and the first dba. Throws ALREADY_CONFIGURED, USER_EXISTS, WEAK_PASSWORD or INVALID_INPUT. */
  async setUp(
    {user, password, rootPassword, email}: {user: string; password: string; rootPassword: string; email: string | null},
    address: string,
  ): Promise<UserRecord> {
    checkDbaId(user);
    this.#checkSetUp(user);
    this.#requireStrong(password, user, why => new DbError('WEAK_PASSWORD', `DBA user password: ${why}`));
    this.#requireStrong(rootPassword, ROOT_ID, why => new DbError('WEAK_PASSWORD', `Root password: ${why}`));
    const {passwords, commit, audit} = this.#options;
    const hash = await passwords.hash(password, address);
    const rootHash = await passwords.hash(rootPassword, address);
    const release = await this.#options.latches.acquire(USERS_PLACE, [user, ROOT_ID]);
    try {
      const root = this.#checkSetUp(user);
      const now = this.#now();
      const account = newAccount(user, now, {role: 'dba', email, password_hash: hash, auth_type: 'Password'});
      const told = {actor: ROOT_ID, action: 'SETUP', target: user, subject: user, address, result: 'success'};
      const rows = [userRow({...root, password_hash: rootHash, updated_at: now}), userRow(account), audit.row(told)];
      await commit.write({rows});
      return account;
    } finally {
      release();
    }
  }

  /** From the settings, when the server starts. False: root has one already, which stays. Throws WEAK_PASSWORD. */
  async giveRootPassword(password: string): Promise<boolean> {
    if (!this.#accounts.needsSetup) return false;
    this.#requireStrong(password, ROOT_ID, why => new DbError('WEAK_PASSWORD', `auth.root_password: ${why}.`));
    const password_hash = await this.#options.passwords.hash(password, '');
    const root = this.#accounts.record(ROOT_ID)!;
    await this.#options.commit.write({rows: [userRow({...root, password_hash, updated_at: this.#now()})]});
    return true;
  }

  #checkSetUp(user: string): UserRecord {
    if (!this.#accounts.needsSetup) throw new DbError('ALREADY_CONFIGURED', 'The server is set up already.');
    if (this.#accounts.record(user) !== undefined) throw new DbError('USER_EXISTS', `User '${user}' already exists.`);
    return this.#accounts.record(ROOT_ID)!;
  }

  #checkAlter(id: string, change: Change, session: Session): UserRecord {
    // Whoever acts as somebody does not become them: with another password they could come back on their own.
    const isSelf = session.userId === id && session.role !== 'anonymous';
    const isOwn = isSelf && session.proof.kind !== 'actor' && change.kind !== 'role';
    if (!isAdmin(session) && !isOwn) throw fail.unauthorized('ALTER USER requires DBA or System role');
    const account = this.#accounts.living(id);
    if (account === undefined) throw fail.notFound(`User '${id}' not found`);
    if (!isOwn) this.#checkAbove(account, session, 'alter');
    if (change.kind === 'role') {
      if (!mayGrant(session, change.role)) throw cannotGrant(session, change.role);
      if (id === ROOT_ID) throw fail.invalidOperation(`The role of user '${id}' cannot be changed`);
    }
    if (change.kind === 'password' && account.auth_type === 'OAuth')
      throw fail.invalidOperation(`User '${id}' signs in with ${account.auth_type} and has no password`);
    return account;
  }

  #checkAbove({user_id: id, role}: UserRecord, session: Session, verb: string): void {
    if (mayGrant(session, role as Role)) return;
    throw fail.unauthorized(`A ${session.role} cannot ${verb} user '${id}' with role ${role}`);
  }

  #altered(account: UserRecord, change: Change, hash: string): WriteBatch {
    switch (change.kind) {
      case 'password': {
        const row = userRow({...account, password_hash: hash, failed_login_attempts: 0});
        if (!change.endsSessions) return {rows: [row]};
        const ended = this.#endSessions(account.user_id);
        return {...ended, rows: [...ended.rows, row]};
      }
      case 'role': {
        if (account.role === change.role) return {rows: [userRow(account)]};
        const ended = this.#endSessions(account.user_id);
        return {...ended, rows: [...ended.rows, userRow({...account, role: change.role})]};
      }
      case 'email':
        return {rows: [userRow({...account, email: change.email})]};
      default:
        throw new TypeError(`unknown change ${change satisfies never}`);
    }
  }

  /** Families one by one, and a mark for tokens that were made elsewhere. */
  #endSessions(userId: string): {rows: WriteRow[]; removes: ReturnType<typeof removed>[]} {
    const now = this.#now();
    const mark = signInRow({
      ...{sign_in_id: endedId(userId), user_id: userId, refresh_id: null, signed_in_at: now},
      ...{refreshed_at: now, expires_at: null},
    });
    const families = this.#options.sessions.signIns.familiesOf(userId);
    return {rows: [mark], removes: families.map(({sign_in_id: id}) => removed(id))};
  }

  async #hashed(password: string, userId: string, {session, address}: Doing): Promise<string> {
    // As it comes from another server; only those who manage accounts bring them along.
    if (isHash(password) && isAdmin(session)) return password;
    this.#requireStrong(password, userId, why => fail.invalidOperation(`Weak password: ${why}`));
    return this.#options.passwords.hash(password, address ?? session.userId);
  }

  #requireStrong(password: string, userId: string, error: (why: string) => DbError): void {
    const why = weakness(password, userId, this.#options.policy);
    if (why !== undefined) throw error(why);
  }

  async #write(
    batch: WriteBatch,
    {session, address, details}: Doing,
    told: Pick<AuditEntry, 'action' | 'target' | 'subject'>,
  ): Promise<void> {
    const row = this.#options.audit.row({...told, actor: actorOf(session), address, details, result: 'success'});
    await this.#options.commit.write({...batch, rows: [...(batch.rows ?? []), row]});
  }

  /** `identity` is latched by a text that is no id. */
  async #alone<T>(id: string, identity: string | undefined, work: () => Promise<T>): Promise<T> {
    const names = identity === undefined ? [id] : [id, `/${identity}`];
    const release = await this.#options.latches.acquire(USERS_PLACE, names);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #now(): bigint {
    return BigInt(this.#options.clock.nowMs()) * 1000n;
  }
}

/** Who answers for what a session does. */
export function actorOf({userId, proof}: Session): string {
  return proof.kind === 'actor' ? proof.actor.userId : userId;
}

/** What an account is called that nobody named: `oidc:google:1234`; by a digest where that would be no id. */
function provisionedId(provider: string, subject: string): string {
  const id = `oidc:${provider}:${subject}`;
  try {
    return checkUserId(id);
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    return `oidc:${createHash('sha256').update(identityKey(provider, subject)).digest('hex')}`;
  }
}

const AUTH_TYPES = {password: 'Password', oauth: 'OAuth', internal: 'Internal'} as const;

function newAccount(
  id: string,
  now: bigint,
  facts: Pick<UserRecord, 'role' | 'email' | 'password_hash' | 'auth_type'> & {auth_data?: string | null},
): UserRecord {
  return {
    ...{user_id: id, username: id, auth_data: null, storage_mode: 'table', storage_id: null},
    ...{failed_login_attempts: 0, locked_until: null, last_login_at: null, last_seen: null, deleted_at: null},
    ...{created_at: now, updated_at: now},
    ...facts,
  };
}

function cannotGrant(session: Session, role: Role): DbError {
  const words = {dba: 'DBA', system: 'System'} as Partial<Record<Role, string>>;
  return fail.unauthorized(`${words[session.role] ?? session.role} cannot grant ${words[role] ?? role} role`);
}

/** Throws INVALID_USER for what cannot be the id of the first dba. */
function checkDbaId(user: string): void {
  if (user === ROOT_ID) throw new DbError('INVALID_USER', 'The DBA user must be another than root.');
  try {
    checkUserId(user);
  } catch (error) {
    throw error instanceof DbError ? new DbError('INVALID_USER', error.message, {cause: error}) : error;
  }
}
