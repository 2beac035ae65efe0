/**
 * Sign-ins: families of tokens, folded from the rows of `system.sign_ins` as they are committed.
 *
 *     sign in ─ row ─┬─ access tokens, good while the row is there
 *                    └─ one refresh token, good once: the next one takes its place in the row
 *     a refresh token comes again · sign out · REVOKE SESSIONS · another role · DROP USER ─ the row is removed
 *
 * Laws: a token of a family is good only while the family is here. A token without a family, made elsewhere with the server's secret, is good
 * unless its user's sessions were all ended after it was made.
 */
import {scopeOf, systemRow, textKey} from '../catalog/ddl.ts';
import type {UserId} from '../model/names.ts';
import {RowView} from '../model/row-codec.ts';
import {SIGN_INS, type SignInRecord} from '../system/sign-ins.ts';
import type {WriteRow} from '../table/commit.ts';
import type {LogRecord} from '../table/record.ts';

export class SignIns {
  readonly #families = new Map<string, SignInRecord>();
  /** Ids of families by user, the oldest first. */
  readonly #byUser = new Map<string, Set<string>>();
  /** Users whose sessions were all ended, and when last, in microseconds. */
  readonly #endedAt = new Map<string, bigint>();
  readonly #view = new RowView(SIGN_INS.schema, () => SIGN_INS.schema);

  /** Folds a record of the log. Returns the user of whom a family or all sessions ended. */
  apply(record: LogRecord): UserId | undefined {
    if (record.kind !== 'row' && record.kind !== 'remove') return undefined;
    if (record.scope.incarnation !== SIGN_INS.schema.incarnation) return undefined;
    if (record.kind === 'remove') return this.#remove(Buffer.from(record.key).toString());
    const row = SIGN_INS.fromRow(this.#view.at(record.row));
    if (row.refresh_id === null) {
      this.#endedAt.set(row.user_id, row.signed_in_at);
      return row.user_id as UserId;
    }
    this.#families.set(row.sign_in_id, row);
    const ids = this.#byUser.get(row.user_id) ?? new Set();
    this.#byUser.set(row.user_id, ids.add(row.sign_in_id));
    return undefined;
  }

  family(signInId: string): SignInRecord | undefined {
    return this.#families.get(signInId);
  }

  families(): Iterable<SignInRecord> {
    return this.#families.values();
  }

  /** The oldest sign-in first. */
  familiesOf(userId: string): SignInRecord[] {
    return [...(this.#byUser.get(userId) ?? [])].map(id => this.#families.get(id)!);
  }

  /** In microseconds; undefined: never. */
  endedAt(userId: string): bigint | undefined {
    return this.#endedAt.get(userId);
  }

  #remove(signInId: string): UserId | undefined {
    const family = this.#families.get(signInId);
    if (family === undefined) {
      if (signInId.startsWith(ENDED)) this.#endedAt.delete(signInId.slice(ENDED.length));
      return undefined;
    }
    this.#families.delete(signInId);
    const ids = this.#byUser.get(family.user_id)!;
    ids.delete(signInId);
    if (ids.size === 0) this.#byUser.delete(family.user_id);
    return family.user_id as UserId;
  }
}

const ENDED = 'user:';

/** The id of the row that tells when all sessions of a user were ended. */
export function endedId(userId: string): string {
  return ENDED + userId;
}

export function signInRow(record: SignInRecord): WriteRow {
  return systemRow(SIGN_INS.schema, SIGN_INS.toValues(record), textKey(record.sign_in_id));
}

export function removed(signInId: string): {scope: ReturnType<typeof scopeOf>; key: Uint8Array} {
  return {scope: scopeOf(SIGN_INS.schema), key: textKey(signInId)};
}
