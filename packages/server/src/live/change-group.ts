/** Change group: gathers the changes of one commit, or of one catch-up, as messages of rows that follow one another and changed alike. */
import type {Seq} from '../model/names.ts';
import type {Change, ChangeGroup, LiveRow} from './live.ts';
import type {Compiled} from './shape.ts';

/** Of a row beside its cells, in a message. */
const ROW_BYTES = 32;

type Made = Pick<Change, 'kind' | 'reason' | 'isCatchUp'>;

export class ChangeGroupBuilder {
  readonly #compiled: Compiled;
  readonly #changes: (Made & {rows: LiveRow[]})[] = [];
  #bytes = 0;
  #lastSeq: Seq = 0n;

  constructor(compiled: Compiled) {
    this.#compiled = compiled;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add({kind, reason, isCatchUp}: Made, row: LiveRow): void {
    const last = this.#changes.at(-1);
    if (last?.kind === kind && last.reason === reason && last.isCatchUp === isCatchUp) last.rows.push(row);
    else this.#changes.push({kind, reason, isCatchUp, rows: [row]});
    this.#lastSeq = row.seq;
    this.#bytes += cellBytes(row.cells) + cellBytes(row.old ?? []);
  }

  /** undefined: nothing was added. */
  build(hasMore = false): ChangeGroup | undefined {
    if (this.#changes.length === 0) return undefined;
    return {
      table: this.#compiled.schema.name,
      columns: this.#compiled.rowColumns,
      changes: this.#changes,
      lastSeq: this.#lastSeq,
      bytes: this.#bytes,
      hasMore,
      encoded: new Map(),
    };
  }
}

/** A change of no row: a cursor, and the last part of a catch-up when nothing is left to tell. */
export function noChange({schema, rowColumns}: Compiled, lastSeq: Seq): ChangeGroup {
  const changes: Change[] = [{kind: 'delete', reason: 'deleted', isCatchUp: true, rows: []}];
  return {table: schema.name, columns: rowColumns, changes, lastSeq, bytes: 0, hasMore: false, encoded: new Map()};
}

export function cellBytes(cells: readonly (string | undefined)[]): number {
  let bytes = ROW_BYTES;
  for (const cell of cells) if (cell !== undefined) bytes += cell.length + 8;
  return bytes;
}
