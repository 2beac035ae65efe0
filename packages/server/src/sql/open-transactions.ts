/** Open transactions: the explicit ones of all requests, for whoever looks at `system.transactions`. */
import type {Value} from '../model/datatype.ts';
import {TRANSACTIONS} from '../system/transactions.ts';
import type {Transaction} from '../table/table.ts';

export interface OpenTransaction {
  readonly transaction: Transaction;
  /** The request. */
  readonly owner: string;
  /** On the monotonic clock. */
  readonly beganMs: number;
  /** When its last statement began. */
  usedMs: number;
  isCommitting: boolean;
}

export type OpenTransactions = Set<OpenTransaction>;

export function* transactionRows(open: Iterable<OpenTransaction>, nowMs: number): Generator<readonly Value[]> {
  for (const {transaction, owner, beganMs, usedMs, isCommitting} of open) {
    const {moment, writeCount, writeBytes, placeCount} = transaction.facts;
    yield TRANSACTIONS.toValues({
      transaction_id: transaction.id,
      owner_id: owner,
      origin: 'SqlBatch',
      state: isCommitting ? 'committing' : writeCount === 0 ? 'open_read' : 'open_write',
      age_ms: BigInt(Math.round(nowMs - beganMs)),
      idle_ms: BigInt(Math.round(nowMs - usedMs)),
      write_count: BigInt(writeCount),
      write_bytes: BigInt(writeBytes),
      touched_tables_count: BigInt(placeCount),
      snapshot_commit_seq: moment,
    });
  }
}
