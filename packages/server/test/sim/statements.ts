/**
 * Statements: what a history may say to the database, each as SQL and as what it does to the oracle's slots.
 */
import assert from 'node:assert/strict';
import type {Param} from '../../src/expr/expr.ts';
import type {Result} from '../test-database.ts';
import {
  type Answer,
  type Event,
  NO_TABLE,
  type Row,
  type Scope,
  type Slot,
  type SlotState,
  type Table,
} from './oracle.ts';

const TEXT_KEYS = ['', 'Z', 'a', 'a:b', 'aa', 'ünï', '\uffff', '😀'];
const BIGINT_KEYS = ['-9223372036854775808', '-1', '0', '1', '255', '256', '9007199254740993', '9223372036854775807'];
/** So many keys make a slot of their own; the others are always written together. */
export const SINGLE_KEYS = 5;

export function newTable(kind: Table['kind'], keyType: Table['keyType'], storage: Table['storage']): Table {
  const table: Table = {name: `app.${kind.toLowerCase()}_rows`, kind, keyType, storage, scopes: []};
  const keys = keyType === 'TEXT' ? TEXT_KEYS : BIGINT_KEYS;
  for (const user of kind === 'USER' ? ['ana', 'ben'] : ['ana']) {
    const scope: Scope = {table, user, slots: []};
    for (const key of keys.slice(0, SINGLE_KEYS)) scope.slots.push({scope, keys: [key]});
    scope.slots.push({scope, keys: keys.slice(SINGLE_KEYS)});
    table.scopes.push(scope);
  }
  return table;
}

export interface Statement {
  readonly sql: string;
  readonly user: string;
  readonly params: readonly Param[];
  readonly slots: ReadonlySet<Slot>;
  readonly apply: Event['apply'];
}

/**
 * The columns that come and go, with what rows read there that never said: their DEFAULT. Those of one number may take each other's name; a
 * column of either keeps the default it was made with.
 */
const EXTRA_COLUMNS: Readonly<Record<string, number | null>> = {c1: 11, d1: 11, c2: null, d2: null, c3: -3, d3: -3};
/** Every value of a history fits each of them, whichever it came from. */
const EXTRA_TYPES = ['INT', 'BIGINT', 'DOUBLE', 'TEXT'];
const COUNTER_TYPES = ['INT', 'BIGINT', 'DOUBLE'];

/** Extra columns a statement names, with their values. */
export type Extra = Readonly<Record<string, number>>;

/** One INSERT of all keys of the slots. */
export function insert(slots: readonly Slot[], {v, n, extra}: {v: string; n: number; extra: Extra}): Statement {
  const {scope} = slots[0]!;
  const {table, user} = scope;
  const names = Object.keys(extra);
  const params: Param[] = [v];
  const rows = slots
    .flatMap(slot => slot.keys)
    .map(key => {
      params.push(keyParam(table, key));
      return `($1, $${params.length}, ${[n, ...Object.values(extra)].join(', ')})`;
    });
  return {
    sql: `INSERT INTO ${table.name} (v, id, n${names.map(name => `, ${name}`).join('')}) VALUES ${rows.join(', ')}`,
    user,
    params,
    slots: new Set(slots),
    apply: onTable(state => {
      if (names.some(name => !state.columns!.includes(name))) return {state, answer: 'no column'};
      // Of several slots another one may hold the key that is taken.
      if (state.rows.some(row => row !== undefined)) return {state, answer: 'exists'};
      const row: Row = {v, n, extra: {...initials(state.columns!), ...extra}};
      const answer = slots.reduce((sum, slot) => sum + slot.keys.length, 0);
      return {state: {...state, rows: state.rows.map(() => row)}, answer};
    }),
  };
}

export function update(slot: Slot, {v, extra}: {v: string; extra: Extra}): Statement {
  const {table, user} = slot.scope;
  const sets = Object.entries(extra).map(([name, value]) => `, ${name} = ${value}`);
  return {
    sql: `UPDATE ${table.name} SET n = n + 1, v = $1${sets.join('')} WHERE ${keyCondition(slot, 2)}`,
    user,
    params: [v, ...slot.keys.map(key => keyParam(table, key))],
    slots: new Set([slot]),
    apply: onTable(state => {
      if (Object.keys(extra).some(name => !state.columns!.includes(name))) return {state, answer: 'no column'};
      const rows = state.rows.map(row => row && {v, n: row.n + 1, extra: {...row.extra, ...extra}});
      return {state: {...state, rows}, answer: rows.filter(row => row !== undefined).length};
    }),
  };
}

export function remove(slot: Slot): Statement {
  const {table, user} = slot.scope;
  return {
    sql: `DELETE FROM ${table.name} WHERE ${keyCondition(slot, 1)}`,
    user,
    params: slot.keys.map(key => keyParam(table, key)),
    slots: new Set([slot]),
    apply: onTable(state => ({
      state: {...state, rows: state.rows.map(() => undefined)},
      answer: state.rows.filter(row => row !== undefined).length,
    })),
  };
}

/** Over every row of a scope; what it answers is the sum over all slots. */
export function wide(scope: Scope, {limit, isDelete}: {limit: number; isDelete: boolean}): Statement {
  const {table, user} = scope;
  const isHit = (row: Row | undefined): row is Row => row !== undefined && row.n < limit;
  return {
    sql: isDelete
      ? `DELETE FROM ${table.name} WHERE n < ${limit}`
      : `UPDATE ${table.name} SET n = n + 7 WHERE n < ${limit}`,
    user,
    params: [],
    slots: new Set(scope.slots),
    apply: onTable(state => {
      const rows = state.rows.map(row => (isHit(row) ? (isDelete ? undefined : {...row, n: row.n + 7}) : row));
      return {state: {...state, rows}, answer: undefined};
    }),
  };
}

/** Every ALTER that does something to a table with these columns. */
export function alterations(table: Table, columns: readonly string[]): Statement[] {
  const free = Object.keys(EXTRA_COLUMNS).filter(name => !columns.includes(name));
  const other = (name: string) => (name.startsWith('c') ? 'd' : 'c') + name.slice(1);
  const neverNull = columns.filter(name => EXTRA_COLUMNS[name] !== null);
  return [
    ...free.map(name => addColumn(table, name)),
    ...columns.map(name => dropColumn(table, name)),
    ...columns.filter(name => free.includes(other(name))).map(name => renameColumn(table, name, other(name))),
    ...columns.flatMap(name => EXTRA_TYPES.map(type => changeColumn(table, name, `MODIFY COLUMN ${name} ${type}`))),
    ...neverNull.flatMap(name =>
      ['SET', 'DROP'].map(word => changeColumn(table, name, `ALTER COLUMN ${name} ${word} NOT NULL`)),
    ),
    ...COUNTER_TYPES.map(type => ddl(table, `ALTER TABLE ${table.name} MODIFY COLUMN n ${type}`, noChange)),
  ];
}

/** Its values stay as they are. */
function changeColumn(table: Table, name: string, clause: string): Statement {
  return ddl(table, `ALTER TABLE ${table.name} ${clause}`, state => {
    return {state, answer: state.columns!.includes(name) ? 0 : 'no column'};
  });
}

function renameColumn(table: Table, from: string, to: string): Statement {
  return ddl(table, `ALTER TABLE ${table.name} RENAME COLUMN ${from} TO ${to}`, state => {
    if (!state.columns!.includes(from)) return {state, answer: 'no column'};
    if (state.columns!.includes(to)) return {state, answer: 'exists'};
    const columns = state.columns!.map(name => (name === from ? to : name));
    const rows = state.rows.map(row => row && {...row, extra: within({...row.extra, [to]: row.extra[from]!}, columns)});
    return {state: {columns, rows}, answer: 0};
  });
}

function addColumn(table: Table, name: string): Statement {
  const initial = EXTRA_COLUMNS[name]!;
  const clause = initial === null ? '' : ` DEFAULT ${initial}`;
  return ddl(table, `ALTER TABLE ${table.name} ADD COLUMN ${name} INT${clause}`, state => {
    if (state.columns!.includes(name)) return {state, answer: 'exists'};
    const rows = state.rows.map(row => row && {...row, extra: {...row.extra, [name]: initial}});
    return {state: {columns: [...state.columns!, name], rows}, answer: 0};
  });
}

function dropColumn(table: Table, name: string): Statement {
  return ddl(table, `ALTER TABLE ${table.name} DROP COLUMN ${name}`, state => {
    if (!state.columns!.includes(name)) return {state, answer: 'no column'};
    const columns = state.columns!.filter(other => other !== name);
    const rows = state.rows.map(row => row && {...row, extra: within(row.extra, columns)});
    return {state: {columns, rows}, answer: 0};
  });
}

export function dropTable(table: Table): Statement {
  return ddl(table, `DROP TABLE ${table.name}`, () => ({state: NO_TABLE, answer: 0}));
}

export function createTable(table: Table): Statement {
  return {
    ...ddl(
      table,
      `CREATE ${table.kind} TABLE ${table.name} (v TEXT, id ${table.keyType} PRIMARY KEY, n INT) WITH (STORAGE_ID = '${table.storage}')`,
      noChange,
    ),
    apply(state, slot) {
      if (state.columns !== undefined) return {state, answer: 'exists'};
      return {state: {columns: [], rows: slot.keys.map(() => undefined)}, answer: 0};
    },
  };
}

function noChange(state: SlotState): {state: SlotState; answer: Answer} {
  return {state, answer: 0};
}

function ddl(
  table: Table,
  sql: string,
  change: (state: SlotState) => {state: SlotState; answer: Answer | undefined},
): Statement {
  const slots = new Set(table.scopes.flatMap(scope => scope.slots));
  return {sql, user: 'root', params: [], slots, apply: onTable(change)};
}

/** Without its table a statement does nothing. */
function onTable(change: (state: SlotState) => {state: SlotState; answer: Answer | undefined}): Event['apply'] {
  return state => (state.columns === undefined ? {state, answer: 'gone'} : change(state));
}

function keyCondition(slot: Slot, firstParam: number): string {
  if (slot.keys.length === 1) return `id = $${firstParam}`;
  return `id IN (${slot.keys.map((_, i) => `$${firstParam + i}`).join(', ')})`;
}

export function keyParam(table: Table, key: string): Param {
  return table.keyType === 'TEXT' ? key : {number: key};
}

export function keyOrder({keyType}: Table): (a: string, b: string) => number {
  if (keyType === 'TEXT') return (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  return (a, b) => (BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0);
}

function initials(columns: readonly string[]): Record<string, number | null> {
  return Object.fromEntries(columns.map(name => [name, EXTRA_COLUMNS[name]!]));
}

function within(extra: Row['extra'], columns: readonly string[]): Record<string, number | null> {
  return Object.fromEntries(columns.map(name => [name, extra[name]!]));
}

/** The slots as a SELECT * shows them: rows in key order, no key twice, columns in order. */
export function statesOf(slots: readonly Slot[], result: Result): Map<Slot, SlotState> {
  const {scope} = slots[0]!;
  const rows = new Map<string, Row>();
  const {names, extras} = columnsOf(result);
  for (const {key, cells} of keyedRows(scope.table, result)) {
    if (cells.at(-1) === true) continue;
    const row = Object.fromEntries(names.map((name, i) => [name, cells[i]!]));
    const extra = Object.fromEntries(extras.map(name => [name, row[name] === null ? null : Number(row[name])]));
    rows.set(key, {v: String(row['v']), n: Number(row['n']), extra});
  }
  const known = new Set(scope.slots.flatMap(slot => slot.keys));
  for (const key of rows.keys()) assert.ok(known.has(key), `key ${key} was never written to ${scope.table.name}`);
  return new Map(slots.map(slot => [slot, {columns: extras, rows: slot.keys.map(key => rows.get(key))}]));
}

/** Of every key the `_seq` of its newest version; the SELECT shows tombstones too. */
export function versionsOf(slots: readonly Slot[], result: Result): Map<Slot, (bigint | undefined)[]> {
  const seqs = new Map<string, bigint>();
  for (const {key, cells} of keyedRows(slots[0]!.scope.table, result)) seqs.set(key, BigInt(String(cells.at(-2))));
  return new Map(slots.map(slot => [slot, slot.keys.map(key => seqs.get(key))]));
}

function columnsOf({columns}: Result): {names: readonly string[]; extras: string[]} {
  assert.deepEqual(columns.slice(0, 3), ['v', 'id', 'n']);
  assert.deepEqual(columns.slice(-2), ['_seq', '_deleted']);
  return {names: columns, extras: columns.slice(3, -2)};
}

function keyedRows(table: Table, {rows}: Result): {key: string; cells: Result['rows'][number]}[] {
  const keyed = rows.map(cells => ({key: String(cells[1]), cells}));
  const keys = keyed.map(({key}) => key);
  assert.deepEqual(keys, [...new Set(keys)].sort(keyOrder(table)), `keys of ${table.name} come in order, none twice`);
  return keyed;
}
