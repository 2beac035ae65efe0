/**
 * Accounts: who exists, folded from the rows of `system.users` as they are committed.
 *
 * Laws: what is here is exactly what is durable. A dropped account stays, marked, as long as there may be rows of its own, so that its id does not come
 * to mean somebody else, whose rows they would then be. Only `users.ts` and, for the facts of a sign-in, `sign-in-desk.ts` write the rows this is
 * folded from.
 */
import {systemRow, textKey} from '../catalog/ddl.ts';
import type {UserId} from '../model/names.ts';
import {RowView} from '../model/row-codec.ts';
import type {Role} from '../model/session.ts';
import {USERS, type UserRecord} from '../system/users.ts';
import type {WriteRow} from '../table/commit.ts';
import type {LogRecord} from '../table/record.ts';

export const ROOT_ID = 'root' as UserId;
/** Latches of accounts, by user id: who writes a row of one holds its latch. */
export const USERS_PLACE = 'users';

export class Accounts {
  readonly #records = new Map<string, UserRecord>();
  /** Ids of dropped accounts. */
  readonly #dropped = new Set<string>();
  /** Ids of accounts by who issuers of tokens say they are. */
  readonly #byIdentity = new Map<string, Set<string>>();
  readonly #view = new RowView(USERS.schema, () => USERS.schema);

  /** Folds a record of the log. Returns the user whose right to be here it may have changed. */
  apply(record: LogRecord): UserId | undefined {
    if (record.kind !== 'row' && record.kind !== 'remove') return undefined;
    if (record.scope.incarnation !== USERS.schema.incarnation) return undefined;
    if (record.kind === 'remove') return this.#remove(Buffer.from(record.key).toString());
    const account = USERS.fromRow(this.#view.at(record.row));
    const before = this.#records.get(account.user_id);
    if (before === undefined) this.#know(account);
    this.#records.set(account.user_id, account);
    if (account.deleted_at !== null) this.#dropped.add(account.user_id);
    const isSame = before?.role === account.role && before.deleted_at === account.deleted_at;
    // What tells whether the server is set up.
    const isRootsFirst = account.user_id === ROOT_ID && before?.password_hash === '' && account.password_hash !== '';
    return isSame && !isRootsFirst ? undefined : (account.user_id as UserId);
  }

  #know(account: UserRecord): void {
    const identity = identityOf(account);
    if (identity === undefined) return;
    const ids = this.#byIdentity.get(identity) ?? new Set();
    this.#byIdentity.set(identity, ids.add(account.user_id));
  }

  #remove(userId: string): UserId {
    const identity = this.#records.has(userId) ? identityOf(this.#records.get(userId)!) : undefined;
    if (identity !== undefined) {
      const ids = this.#byIdentity.get(identity)!;
      ids.delete(userId);
      if (ids.size === 0) this.#byIdentity.delete(identity);
    }
    this.#records.delete(userId);
    this.#dropped.delete(userId);
    return userId as UserId;
  }

  /** Dropped ones included. More than one only if they came from elsewhere: none of them is meant then. */
  idsOf(identity: string): readonly string[] {
    return [...(this.#byIdentity.get(identity) ?? [])];
  }

  /** Whether that is who the account is of, and of no other. */
  isOf(identity: string, userId: string): boolean {
    const ids = this.#byIdentity.get(identity);
    return ids?.size === 1 && ids.has(userId);
  }

  /** Those that were dropped and are still there. */
  *dropped(): Generator<UserRecord> {
    for (const id of this.#dropped) yield this.#records.get(id)!;
  }

  /** Dropped ones included. */
  get count(): number {
    return this.#records.size;
  }

  /** Dropped ones included. */
  record(userId: string): UserRecord | undefined {
    return this.#records.get(userId);
  }

  /** Undefined: nobody of that id may sign in. */
  living(userId: string): UserRecord | undefined {
    const record = this.#records.get(userId);
    return record?.deleted_at === null ? record : undefined;
  }

  /** Undefined for ids without an account. That of a dropped account too: it may have been a high one. */
  roleOf(userId: string): Role | undefined {
    return this.#records.get(userId)?.role as Role | undefined;
  }

  /** Root has no password yet: the server is not set up. */
  get needsSetup(): boolean {
    return (this.#records.get(ROOT_ID)?.password_hash ?? '') === '';
  }
}

/** What issuers and subjects are called together, such that no two pairs are the same text. */
export function identityKey(provider: string, subject: string): string {
  return JSON.stringify([provider, subject]);
}

/** Of an account that signs in elsewhere; such an account does so for ever, under the same name. */
function identityOf({auth_type, auth_data}: UserRecord): string | undefined {
  if (auth_type !== 'OAuth' || auth_data === null) return undefined;
  const {provider, subject} = JSON.parse(auth_data) as {provider?: unknown; subject?: unknown};
  return typeof provider === 'string' && typeof subject === 'string' ? identityKey(provider, subject) : undefined;
}

export function userRow(record: UserRecord): WriteRow {
  return systemRow(USERS.schema, USERS.toValues(record), textKey(record.user_id));
}
