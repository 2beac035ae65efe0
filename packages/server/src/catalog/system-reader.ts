/**
 * System reader: opens a system table as a snapshot, whether its rows are stored or computed.
 *
 * Rows are listed whole when the statement begins, in key order, so a statement sees one moment. Key ranges are not used: these
 * tables are small, and the statement's own predicate decides.
 */

import type {Hot} from '../hot/hot.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {compareKeys, encodeKey} from '../model/key-codec.ts';
import type {Row, RowBytes} from '../model/row.ts';
import {encodeRow, RowView} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import type {Session} from '../model/session.ts';
import {toJson} from '../model/values.ts';
import {assert} from '../std/assert.ts';
import {type ComputedTables, type InformationTables, type SystemReader, systemTable} from '../system/index.ts';
import {INFORMATION_NAMESPACE} from '../system/information.ts';
import type {TableSnapshot} from '../table/table.ts';

/** Credentials and password hashes never leave the server. */
const MASKED = new Set(['credentials', 'password_hash']);
const MASK = '***';
const INT: DataType = {name: 'int'};
/** A member of a JSON object whose name says that its text is nobody's business. */
const SECRET_MEMBER = /("[^"]*(?:secret|token|password|key)[^"]*"\s*:\s*)"(?:[^"\\]|\\.)*"/gi;

type Readers = Readonly<Record<string, SystemReader>>;

export function createSystemReader(options: {
  hot: Hot;
  computed: ComputedTables;
  information: InformationTables;
}): (schema: Schema, session: Session) => TableSnapshot {
  const {hot, computed, information} = options;
  return (schema, session) => {
    const table = systemTable(schema.incarnation);
    assert(table?.isVisible === true, 'only visible system tables are read');
    if (table.kind === 'stored') return snapshotOf(schema, storedRows(hot, schema));
    const readers: Readers = schema.name.namespace === INFORMATION_NAMESPACE ? information : computed;
    return snapshotOf(schema, [...readers[table.name]!(session)]);
  };
}

function storedRows(hot: Hot, schema: Schema): (readonly Value[])[] {
  const view = new RowView(schema, () => schema);
  const rows: (readonly Value[])[] = [];
  hot.snapshot({incarnation: schema.incarnation, owner: null}).scan({}, false, bytes => {
    const row = view.at(bytes);
    rows.push(schema.columns.map((column, i) => masked(column.name, row.value(i))));
    return true;
  });
  return rows;
}

/** Has it a column that is never shown as it is stored? */
export function holdsSecrets(schema: Schema): boolean {
  return schema.columns.some(({name}) => name === 'config_json' || MASKED.has(name));
}

function masked(column: string, value: Value): Value {
  if (value === null || value === '') return value;
  if (column === 'config_json') return (value as string).replace(SECRET_MEMBER, `$1"${MASK}"`);
  return MASKED.has(column) ? MASK : value;
}

/** Of a table that is nothing but these rows. */
export function snapshotOf(schema: Schema, rows: readonly (readonly Value[])[]): TableSnapshot {
  return {
    schema,
    coldRowCount: 0,
    point(key) {
      const {type} = schema.columns[schema.primaryKey]!;
      const found = rows.find(values => compareKeys(encodeKey(type, values[schema.primaryKey]!), key) === 0);
      return found && new ValuesRow(schema).at(found);
    },
    scan(request, visit) {
      const cursor = new ValuesRow(schema);
      const ordered = request.isReverse ? rows.toReversed() : rows;
      for (const values of ordered) if (!visit(cursor.at(values))) return;
    },
    describe: () => ({hotRows: rows.length, coldRows: 0, segments: []}),
    parts: () => ({
      versions: [schema],
      hotRowCount: rows.length,
      hot: () => encoded(schema, rows),
      segments: [],
      pruned: () => undefined,
    }),
    close() {},
  };
}

/** As rows of a log would be, key ranges left aside. */
function* encoded(schema: Schema, rows: readonly (readonly Value[])[]): Generator<{key: Uint8Array; row: RowBytes}> {
  const key = schema.columns[schema.primaryKey];
  for (const [i, values] of rows.entries()) {
    const buffer = encodeRow(schema, values, 0);
    const bytes = key === undefined ? encodeKey(INT, i) : encodeKey(key.type, values[schema.primaryKey]!);
    yield {key: bytes, row: {buffer, offset: 0, length: buffer.length}};
  }
}

class ValuesRow implements Row {
  readonly seq = 0n;
  readonly isTombstone = false;
  readonly #schema: Schema;
  #values: readonly Value[] = [];

  constructor(schema: Schema) {
    this.#schema = schema;
  }

  at(values: readonly Value[]): this {
    this.#values = values;
    return this;
  }

  value(column: number): Value {
    return this.#values[column]!;
  }

  json(column: number): string {
    return toJson(this.#schema.columns[column]!.type, this.#values[column]!);
  }
}
