/**
 * How SQL types and values look in JSON, on every surface. A closed set: an unknown type name breaks existing clients.
 */
export type DataTypeJson =
  | 'Boolean'
  | 'SmallInt'
  | 'Int'
  | 'BigInt'
  | 'Float'
  | 'Double'
  | 'Text'
  | 'Timestamp'
  | 'DateTime'
  | 'Date'
  | 'Time'
  | 'Json'
  | 'Bytes'
  | 'Uuid'
  | 'File'
  | {Embedding: number}
  | {Decimal: {precision: number; scale: number}};

/** Facts about a result column: `nn` not null, `pk` primary key (implies `uq` and `nn`), `uq` unique. Sorted. */
export type ColumnFlag = 'nn' | 'pk' | 'uq';

export interface ResultColumn {
  name: string;
  data_type: DataTypeJson;
  index: number;
  flags?: ColumnFlag[];
}
