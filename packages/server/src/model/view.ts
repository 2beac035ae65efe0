/**
 * Views: queries with a name.
 *
 * Laws: the text means the same for ever: every table in it has its namespace, and every `*` is written out as it was when the view was made.
 * It holds no rights: whoever reads a view reads its tables by their own.
 */
import type {DataType} from './datatype.ts';
import type {TableName} from './names.ts';

export interface View {
  readonly kind: 'view';
  readonly name: TableName;
  /** The query. */
  readonly text: string;
  readonly columns: readonly ViewColumn[];
  /** Microseconds since the epoch. */
  readonly createdAt: bigint;
  readonly updatedAt: bigint;
}

export interface ViewColumn {
  readonly name: string;
  readonly type: DataType;
}
