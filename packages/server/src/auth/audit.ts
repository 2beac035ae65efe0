/**
 * Audit: makes the rows of `system.audit_log`.
 *
 * Laws: rows are only added; `jobs/kinds/audit-retention.ts` alone removes old ones. What changes an account and its row here are one batch. No row
 * holds a secret: details are redacted statements, or texts of this server.
 */
import {scopeOf, systemRow, textKey} from '../catalog/ddl.ts';
import type {Clock, Ids} from '../std/clock.ts';
import {newUuidV7} from '../std/ids.ts';
import {Lru} from '../std/lru.ts';
import {AUDIT_LOG} from '../system/audit-log.ts';
import type {Commit, WriteRow} from '../table/commit.ts';

export interface AuditEntry {
  readonly actor: string;
  /** Capitals and underscores. */
  readonly action: string;
  readonly target: string;
  readonly details?: string;
  /** Whose account it is about. */
  readonly subject?: string;
  readonly address: string | undefined;
  /** `success`, or the code of an error. */
  readonly result: string;
}

const TEXT_LENGTH_MAX = 2000;
const MEMORY_BYTES = 1024 * 1024;
const ENTRY_BYTES = 100;

export class Audit {
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #commit: Commit;
  /** In the id of the newest row. */
  #lastMs = 0;
  /** When rows of `writeOnce` were written. */
  readonly #written = new Lru<string, number>(MEMORY_BYTES);

  constructor({clock, ids, commit}: {clock: Clock; ids: Ids; commit: Commit}) {
    this.#clock = clock;
    this.#ids = ids;
    this.#commit = commit;
  }

  /** For the batch of what it tells of. */
  row(entry: AuditEntry): WriteRow {
    const nowMs = this.#clock.nowMs();
    // No two rows share one, so that they are read in the order in which they were written.
    this.#lastMs = Math.max(nowMs, this.#lastMs + 1);
    const id = `audit_${this.#lastMs}_${newUuidV7(this.#clock, this.#ids)}`;
    const values = AUDIT_LOG.toValues({
      audit_id: id,
      timestamp: BigInt(nowMs) * 1000n,
      actor_user_id: entry.actor,
      action: entry.action,
      target: entry.target.slice(0, TEXT_LENGTH_MAX),
      details: entry.details?.slice(0, TEXT_LENGTH_MAX) ?? null,
      ip_address: entry.address ?? null,
      subject_user_id: entry.subject ?? null,
      result: entry.result,
    });
    return systemRow(AUDIT_LOG.schema, values, textKey(id));
  }

  async write(entry: AuditEntry): Promise<void> {
    // What it tells of has happened: the row gets in where the log has room left for what must be told.
    await this.#commit.write({rows: [this.row(entry)], isUrgent: true});
  }

  /**
   * At most once in `everyMs` for the same actor, action, subject and result; the first in each such time is the one that is kept. Undefined: it
   * was written not long ago.
   */
  writeOnce(entry: AuditEntry, everyMs: number): Promise<void> | undefined {
    const key = [entry.actor, entry.action, entry.subject ?? '', entry.result].join('\0');
    const now = this.#clock.monotonicMs();
    const lastMs = this.#written.get(key);
    if (lastMs !== undefined && now < lastMs + everyMs) return undefined;
    this.#written.set(key, now, key.length * 2 + ENTRY_BYTES);
    return this.write(entry);
  }

  async remove(ids: readonly string[]): Promise<void> {
    const scope = scopeOf(AUDIT_LOG.schema);
    await this.#commit.write({removes: ids.map(id => ({scope, key: textKey(id)})), isUrgent: true});
  }
}
