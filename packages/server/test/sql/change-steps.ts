/**
 * Change steps: a random story of two tables that are altered, written and read, in words that PostgreSQL and we both know.
 *
 * What depends on an order that neither promises is left out: rows joined to several, statements whose parts may fail one before the other.
 */
import {
  CHANGE_TYPES,
  type ChangeColumn,
  type ChangeTable,
  type ChangeType,
  condition,
  expression,
  keyLiteral,
  literal,
  NARROWER_TYPES,
  randomType,
  type Scoped,
  WIDER_TYPES,
} from './change-world.ts';
import type {Random} from './random.ts';

/** One statement. `theirs` is for PostgreSQL, if it says it otherwise. */
export interface Said {
  readonly ours: string;
  readonly theirs?: string;
  /** What of the answer is compared; of a write without RETURNING the number of its rows. */
  readonly answer: 'rows' | 'count' | 'none';
  /** Our second executor reads. */
  readonly isAnalytic?: boolean;
}

export type Step =
  | {readonly kind: 'statement'; readonly said: Said}
  /** One request; the first word is BEGIN, the last COMMIT or ROLLBACK. */
  | {readonly kind: 'transaction'; readonly said: readonly Said[]}
  | {readonly kind: 'flush' | 'compact'; readonly table: string}
  | {readonly kind: 'restart'};

export interface NextStep {
  readonly step: Step;
  /** What the step made of the tables, if it was no error. */
  readonly done: () => void;
}

const nothing = () => {};

/** The tables, and the steps that make them. */
export function firstSteps(random: Random): {tables: ChangeTable[]; steps: Step[]} {
  const tables = ['a', 'b'].map(name => {
    const key: ChangeColumn = {name: 'id', type: random.pick(['int', 'bigint', 'text'])};
    const others = Array.from({length: 2 + random.below(4)}, (_, i) => ({name: `c${i}`, type: randomType(random)}));
    return {name: `w.${name}`, columns: [key, ...others], key};
  });
  const steps = tables.map((table): Step => {
    const columns = table.columns.map(column =>
      column === table.key
        ? `${column.name} ${CHANGE_TYPES[column.type]} PRIMARY KEY`
        : definition(random, column, random.chance(0.3)),
    );
    const body = `TABLE ${table.name} (${columns.join(', ')})`;
    const ours = `CREATE ${random.pick(['SHARED', 'USER'])} ${body}`;
    return {kind: 'statement', said: {ours, theirs: `CREATE ${body}`, answer: 'none'}};
  });
  return {tables, steps};
}

function definition(random: Random, column: ChangeColumn, isNotNull: boolean): string {
  const {name, type} = column;
  column.isPreset = isNotNull || random.chance(0.4);
  const preset = column.isPreset ? ` DEFAULT ${literal(random, type)}` : '';
  return `${name} ${CHANGE_TYPES[type]}${preset}${isNotNull ? ' NOT NULL' : ''}`;
}

export function nextStep(random: Random, tables: readonly ChangeTable[]): NextStep {
  const table = random.pick(tables);
  const kind = random.below(100);
  if (kind < 14) return altered(random, table);
  if (kind < 19) return {step: {kind: 'flush', table: table.name}, done: nothing};
  if (kind < 21) return {step: {kind: 'compact', table: table.name}, done: nothing};
  if (kind < 22) return {step: {kind: 'restart'}, done: nothing};
  if (kind < 36) return {step: {kind: 'statement', said: question(random, table, tables)}, done: nothing};
  if (kind < 46) return {step: transaction(random, tables), done: nothing};
  return {step: {kind: 'statement', said: change(random, table, tables)}, done: nothing};
}

export function wholeTable(random: Random, {name, columns}: ChangeTable): Said {
  const ours = `SELECT ${columns.map(column => column.name).join(', ')} FROM ${name}`;
  return {ours, answer: 'rows', isAnalytic: random.chance(0.2)};
}

/* ALTER TABLE */

type Alter = readonly [text: string, done: () => void, theirs?: string];

function altered(random: Random, table: ChangeTable): NextStep {
  const forms = [added, added, dropped, renamed, renamedTable, retyped, retyped, nullable, preset];
  const [text, done, theirs] = random.pick(forms)(random, table);
  const ours = `ALTER TABLE ${table.name} ${text}`;
  const said: Said = {ours, theirs: `ALTER TABLE ${table.name} ${theirs ?? text}`, answer: 'none'};
  return {step: {kind: 'statement', said}, done};
}

const newName = (random: Random) => `c${random.below(10)}`;

function added(random: Random, table: ChangeTable): Alter {
  const column = {name: newName(random), type: randomType(random)};
  const words = random.pick(['ADD', 'ADD COLUMN', 'ADD COLUMN IF NOT EXISTS']);
  return [`${words} ${definition(random, column, random.chance(0.3))}`, () => addOnce(table, column)];
}

function addOnce({columns}: ChangeTable, column: ChangeColumn): void {
  if (!columns.some(({name}) => name === column.name)) columns.push(column);
}

function dropped(random: Random, table: ChangeTable): Alter {
  const others = table.columns.filter(column => column !== table.key);
  const name = others.length > 1 && random.chance(0.8) ? random.pick(others).name : 'missing';
  const done = () => {
    const at = table.columns.findIndex(column => column.name === name);
    if (at >= 0) table.columns.splice(at, 1);
  };
  return [`${random.pick(['DROP', 'DROP COLUMN', 'DROP COLUMN IF EXISTS'])} ${name}`, done];
}

function renamed(random: Random, {columns}: ChangeTable): Alter {
  const column = random.pick(columns);
  const to = newName(random);
  // To us that is no change, to PostgreSQL an error.
  if (to === column.name) return ['DROP COLUMN missing', nothing];
  const done = () => {
    column.name = to;
  };
  return [`RENAME COLUMN ${column.name} TO ${to}`, done];
}

function renamedTable(random: Random, table: ChangeTable): Alter {
  const to = random.pick(['a', 'b', 'c', 'd'].filter(name => table.name !== `w.${name}`));
  const done = () => {
    table.name = `w.${to}`;
  };
  return [`RENAME TO ${to}`, done];
}

function retyped(random: Random, table: ChangeTable): Alter {
  const column = random.pick(table.columns);
  const wider = WIDER_TYPES[column.type] ?? [];
  const narrower = column.isPreset ? [] : (NARROWER_TYPES[column.type] ?? []);
  const all: readonly ChangeType[] = random.chance(0.3) ? [...wider, ...narrower] : wider;
  // Keys keep the form of their kind; PostgreSQL would write all rows again.
  const types = column === table.key ? all.filter(type => type === 'int' || type === 'bigint') : all;
  if (types.length === 0) return nullable(random, table);
  const type = random.pick(types);
  const done = () => {
    column.type = type;
  };
  const theirs = `ALTER COLUMN ${column.name} TYPE ${CHANGE_TYPES[type]}`;
  const ours = random.chance(0.5) ? theirs : `MODIFY COLUMN ${column.name} ${CHANGE_TYPES[type]}`;
  return [ours, done, theirs];
}

function nullable(random: Random, table: ChangeTable): Alter {
  const others = table.columns.filter(column => column !== table.key);
  const {name} = random.pick(others.length > 0 ? others : table.columns);
  return [`ALTER COLUMN ${name} ${random.pick(['SET', 'SET', 'DROP'])} NOT NULL`, nothing];
}

function preset(random: Random, {columns}: ChangeTable): Alter {
  const column = random.pick(columns);
  const {name, type} = column;
  column.isPreset = true;
  const what = random.chance(0.6) ? `SET DEFAULT ${literal(random, type)}` : 'DROP DEFAULT';
  return [`ALTER COLUMN ${name} ${what}`, nothing];
}

/* Writes */

const scopeOf = ({columns}: ChangeTable, name: string): Scoped[] =>
  columns.map(column => ({sql: `${name}.${column.name}`, type: column.type}));

function change(random: Random, table: ChangeTable, tables: readonly ChangeTable[]): Said {
  const kind = random.below(100);
  if (kind < 50) return inserted(random, table);
  if (kind < 58) return insertedQuery(random, table, tables);
  if (kind < 78) return updated(random, table, tables);
  if (kind < 84) return several(random, table, tables);
  return deleted(random, table, tables);
}

/**
 * The same to both; of a write that returns nothing PostgreSQL counts by returning something. Rows that get the values they have are not counted by us,
 * so the rows of updates are compared by RETURNING alone.
 */
function written(random: Random, text: string, scope: readonly Scoped[]): Said {
  const isUpdate = / SET /.test(text);
  if (random.chance(0.4))
    return isUpdate ? {ours: text, answer: 'none'} : {ours: text, theirs: `${text} RETURNING 1`, answer: 'count'};
  const items = Array.from({length: 1 + random.below(3)}, (_, i) => {
    const {sql, type} = random.pick(scope);
    return random.chance(0.6) ? sql : `${expression(random, type, scope, 1)} AS x${i}`;
  });
  return {ours: `${text} RETURNING ${items.join(', ')}`, answer: 'rows'};
}

function inserted(random: Random, table: ChangeTable): Said {
  const {columns, key, name} = table;
  const isWhole = random.chance(0.3);
  const named = isWhole ? columns : columns.filter(column => column === key || random.chance(0.6));
  const rows = Array.from({length: 1 + random.below(4)}, () => {
    const values = named.map(column => {
      if (column === key) return keyLiteral(random, column.type);
      return random.chance(0.15) ? 'DEFAULT' : random.chance(0.12) ? 'NULL' : literal(random, column.type);
    });
    return `(${values.join(', ')})`;
  });
  const list = isWhole ? '' : ` (${named.map(column => column.name).join(', ')})`;
  const conflict = onConflict(random, table, 't');
  return written(random, `INSERT INTO ${name} AS t${list} VALUES ${rows.join(', ')}${conflict}`, scopeOf(table, 't'));
}

function onConflict(random: Random, table: ChangeTable, alias: string): string {
  const kind = random.below(3);
  if (kind === 0) return '';
  if (kind === 1) return ` ON CONFLICT${random.chance(0.5) ? '' : ` (${table.key.name})`} DO NOTHING`;
  const scope = [...scopeOf(table, alias), ...scopeOf(table, 'excluded')];
  const sets = assignments(random, table, scope);
  if (sets === '') return ' ON CONFLICT DO NOTHING';
  const where = random.chance(0.3) ? ` WHERE ${condition(random, scope)}` : '';
  return ` ON CONFLICT (${table.key.name}) DO UPDATE SET ${sets}${where}`;
}

/** Empty if the table has nothing but its key. */
function assignments(random: Random, {columns, key}: ChangeTable, scope: readonly Scoped[]): string {
  const others = columns.filter(column => column !== key);
  const some = random.some(others, 0.4);
  const chosen = some.length > 0 ? some : others.slice(0, 1);
  const value = (type: ChangeType) => (random.chance(0.1) ? 'DEFAULT' : expression(random, type, scope));
  return chosen.map(({name, type}) => `${name} = ${value(type)}`).join(', ');
}

/** Two columns from a row: of expressions, or the only one of a query, if there is one. */
function setRow(random: Random, table: ChangeTable, other: ChangeTable, scope: readonly Scoped[]): string {
  const others = table.columns.filter(column => column !== table.key);
  const [a, b] = [random.pick(others), random.pick(others)];
  if (a === undefined || b === undefined || a === b) return assignments(random, table, scope);
  const names = `(${a.name}, ${b.name})`;
  if (random.chance(0.4))
    return `${names} = (${expression(random, a.type, scope, 1)}, ${random.chance(0.3) ? 'DEFAULT' : expression(random, b.type, scope, 1)})`;
  const inner = scopeOf(other, 's');
  const values = [a, b].map(({type}) => expression(random, type, random.chance(0.5) ? inner : [...scope, ...inner], 1));
  return `${names} = (SELECT ${values.join(', ')} FROM ${other.name} AS s WHERE s.${other.key.name} = ${keyLiteral(random, other.key.type)})`;
}

/** Keys are those of the other table, moved by a little, so that some are taken. */
function insertedQuery(random: Random, table: ChangeTable, tables: readonly ChangeTable[]): Said {
  const from = random.pick(tables);
  const isText = table.key.type === 'text';
  const others = table.columns.filter(column => column !== table.key && random.chance(0.6));
  const scope = scopeOf(from, 's');
  const fromKey = `s.${from.key.name}`;
  const key = isText
    ? `CAST(${fromKey} AS TEXT) || ${random.pick(["''", "'1'"])}`
    : from.key.type === 'text'
      ? `CAST(SUBSTR(${fromKey}, 2, 6) AS BIGINT) + ${random.below(9)}`
      : `${fromKey} + ${random.below(9)}`;
  const values = [key, ...others.map(({type}) => expression(random, type, scope, 1))];
  const list = [table.key, ...others].map(column => column.name).join(', ');
  const {source, clause} = named(random, from);
  const query = `SELECT ${values.join(', ')} FROM ${source} AS s WHERE ${condition(random, scope)}`;
  const conflict = onConflict(random, table, 't');
  return written(random, `${clause}INSERT INTO ${table.name} AS t (${list}) ${query}${conflict}`, scopeOf(table, 't'));
}

/** A table, by itself or as a query of a WITH before the statement. */
function named(random: Random, {name, columns}: ChangeTable): {source: string; clause: string} {
  if (random.chance(0.6)) return {source: name, clause: ''};
  const list = columns.map(column => column.name).join(', ');
  return {source: 'q', clause: `WITH p AS (SELECT 1 AS one), q (${list}) AS (SELECT ${list} FROM ${name}) `};
}

/** Of the other table at most one row. */
function joined(random: Random, table: ChangeTable, other: ChangeTable): string | undefined {
  const [mine, theirs] = [`t.${table.key.name}`, `u.${other.key.name}`];
  if ((table.key.type === 'text') === (other.key.type === 'text') && random.chance(0.7)) return `${mine} = ${theirs}`;
  const isText = other.key.type === 'text';
  const columns = table.columns.filter(({type}) => (isText ? type === 'text' : type === 'int' || type === 'bigint'));
  return columns.length === 0 ? undefined : `t.${random.pick(columns).name} = ${theirs}`;
}

function updated(random: Random, table: ChangeTable, tables: readonly ChangeTable[]): Said {
  const other = random.pick(tables);
  const join = random.chance(0.4) ? joined(random, table, other) : undefined;
  const mine = scopeOf(table, 't');
  const scope = join === undefined ? mine : [...mine, ...scopeOf(other, 'u')];
  const sets = random.chance(0.15) ? setRow(random, table, other, scope) : assignments(random, table, scope);
  if (sets === '') return inserted(random, table);
  const query = random.chance(0.15) ? ` AND ${byQuery(random, table, random.pick(tables))}` : '';
  const where = `${join === undefined ? '' : `${join} AND `}${where1(random, table, scope)}${query}`;
  const {source, clause} = named(random, other);
  const from = join === undefined ? '' : ` FROM ${source} AS u`;
  return written(random, `${clause}UPDATE ${table.name} AS t SET ${sets}${from} WHERE ${where}`, scope);
}

function deleted(random: Random, table: ChangeTable, tables: readonly ChangeTable[]): Said {
  const other = random.pick(tables);
  const join = random.chance(0.3) ? joined(random, table, other) : undefined;
  const mine = scopeOf(table, 't');
  const scope = join === undefined ? mine : [...mine, ...scopeOf(other, 'u')];
  const {source, clause} = named(random, other);
  const using = join === undefined ? '' : ` USING ${source} AS u`;
  const query = random.chance(0.15) ? ` AND ${byQuery(random, table, random.pick(tables))}` : '';
  const where = `${join === undefined ? '' : `${join} AND `}${where1(random, table, scope)}${query}`;
  return written(random, `${clause}DELETE FROM ${table.name} AS t${using} WHERE ${where}`, scope);
}

/** A change inside of WITH, and one of another table behind it, which may name what the first returned. */
function several(random: Random, table: ChangeTable, tables: readonly ChangeTable[]): Said {
  const other = tables.find(each => each !== table) ?? table;
  const scope = scopeOf(table, 't');
  if (other !== table && random.chance(0.3)) return insertedInside(random, table, other);
  const sets = random.chance(0.5) ? assignments(random, table, scope) : '';
  const head = sets === '' ? `DELETE FROM ${table.name} AS t` : `UPDATE ${table.name} AS t SET ${sets}`;
  const shown = [table.key, random.pick(table.columns)].map(({name}, i) => `t.${name} AS r${i}`);
  const first = `${head} WHERE ${where1(random, table, scope)} RETURNING ${shown.join(', ')}`;
  const clause = `WITH x AS (${first}), y AS (SELECT COUNT(*) AS n FROM ${table.name}) `;
  if (other === table || random.chance(0.4)) return {ours: `${clause}SELECT x.*, y.n FROM x, y`, answer: 'rows'};
  const theirs = scopeOf(other, 't');
  const where = `${where1(random, other, theirs)} AND (SELECT COUNT(*) FROM x) ${random.pick(['>=', '<='])} ${random.below(3)}`;
  const changed = random.chance(0.5) ? assignments(random, other, theirs) : '';
  const last = changed === '' ? `DELETE FROM ${other.name} AS t` : `UPDATE ${other.name} AS t SET ${changed}`;
  return written(random, `${clause}${last} WHERE ${where}`, theirs);
}

/** Keys of the other table, or whether it has rows that compare with this one. */
function byQuery(random: Random, table: ChangeTable, other: ChangeTable): string {
  const inner = scopeOf(other, 's');
  const mine = `t.${table.key.name}`;
  const isNot = random.chance(0.3) ? 'NOT ' : '';
  if (table.key.type === 'text' ? other.key.type === 'text' && random.chance(0.6) : random.chance(0.5)) {
    const keys = inner.filter(({type}) => (table.key.type === 'text' ? type === 'text' : /int$/.test(type)));
    if (keys.length > 0)
      return `${mine} ${isNot}IN (SELECT ${random.pick(keys).sql} FROM ${other.name} AS s WHERE ${condition(random, inner)})`;
  }
  const outer = scopeOf(table, 't');
  const alike = outer.flatMap(a =>
    inner.filter(b => b.type === a.type).map(b => `${a.sql} ${random.pick(['=', '<', '>='])} ${b.sql}`),
  );
  const where = alike.length > 0 ? random.pick(alike) : condition(random, inner);
  return `${isNot}EXISTS (SELECT 1 FROM ${other.name} AS s WHERE ${where})`;
}

/** Rows of one table, and what became of them in another one: moved, or written down. */
function insertedInside(random: Random, table: ChangeTable, other: ChangeTable): Said {
  const {columns, key} = table;
  const first = inserted(random, table).ours.replace(/ RETURNING .*$/, '');
  const shown = [key, random.pick(columns)].map(({name}, i) => `t.${name} AS r${i}`).join(', ');
  const clause = `WITH x AS (${first} RETURNING ${shown}) `;
  if (random.chance(0.5))
    return {ours: `${clause}SELECT x.*, (SELECT COUNT(*) FROM ${table.name}) AS n FROM x`, answer: 'rows'};
  const scope = scopeOf(other, 't');
  const where = `${where1(random, other, scope)} AND (SELECT COUNT(*) FROM x) > ${random.below(2)}`;
  return written(random, `${clause}DELETE FROM ${other.name} AS t WHERE ${where}`, scope);
}

function where1(random: Random, {key}: ChangeTable, scope: readonly Scoped[]): string {
  const byKey = `t.${key.name} = ${keyLiteral(random, key.type)}`;
  const kind = random.below(5);
  if (kind === 0) return byKey;
  if (kind === 1) return `t.${key.name} IN (${keyLiteral(random, key.type)}, ${keyLiteral(random, key.type)})`;
  return `${condition(random, scope)}${kind === 2 ? ` AND t.${key.name} > ${keyLiteral(random, key.type)}` : ''}`;
}

/* Questions */

function question(random: Random, table: ChangeTable, tables: readonly ChangeTable[]): Said {
  const other = random.pick(tables);
  const scope = scopeOf(table, 't');
  const forms: (() => string)[] = [
    () => `SELECT ${list(random, scope)} FROM ${table.name} AS t WHERE ${condition(random, scope)}`,
    () => {
      const by = random.pick(scope);
      const [x, y] = [random.pick(scope), random.pick(scope)];
      const ends = [x, y].map(({sql, type}) => (type === 'bool' ? `COUNT(${sql})` : `MIN(${sql}), MAX(${sql})`));
      return `SELECT ${by.sql}, COUNT(*), ${ends.join(', ')} FROM ${table.name} AS t GROUP BY ${by.sql}`;
    },
    () => {
      const join = joined(random, table, other);
      const both = [...scope, ...scopeOf(other, 'u')];
      if (join === undefined) return `SELECT COUNT(*) FROM ${table.name}`;
      return `SELECT ${list(random, both)} FROM ${table.name} AS t LEFT JOIN ${other.name} AS u ON ${join}`;
    },
    () => {
      // Columns alone: PostgreSQL and our second executor compute what is shown of rows that LIMIT leaves out too, and fail where that does.
      const items = Array.from({length: 3}, () => random.pick(scope).sql);
      return `SELECT ${items.join(', ')} FROM ${table.name} AS t ORDER BY t.${table.key.name} DESC LIMIT 3`;
    },
  ];
  return {ours: random.pick(forms)(), answer: 'rows', isAnalytic: random.chance(0.2)};
}

function list(random: Random, scope: readonly Scoped[]): string {
  const items = Array.from({length: 3}, (_, i) => {
    const {sql, type} = random.pick(scope);
    return `${random.chance(0.5) ? sql : expression(random, type, scope, 1)} AS x${i}`;
  });
  return items.join(', ');
}

/* Transactions */

function transaction(random: Random, tables: readonly ChangeTable[]): Step {
  const said: Said[] = [{ours: 'BEGIN', answer: 'none'}];
  const savepoints: string[] = [];
  for (let more = 2 + random.below(6); more > 0; more--) {
    const table = random.pick(tables);
    const kind = random.below(10);
    if (kind < 5) said.push(change(random, table, tables));
    else if (kind < 7) said.push(random.chance(0.5) ? wholeTable(random, table) : question(random, table, tables));
    else if (kind < 8 || savepoints.length === 0) {
      const name = random.pick(['s1', 's2', 's3']);
      savepoints.push(name);
      said.push({ours: `SAVEPOINT ${name}`, answer: 'none'});
    } else {
      const at = savepoints.lastIndexOf(random.pick(savepoints));
      const name = savepoints[at]!;
      const isBack = random.chance(0.7);
      savepoints.length = isBack ? at + 1 : at;
      said.push({ours: `${isBack ? 'ROLLBACK TO' : 'RELEASE'} ${name}`, answer: 'none'});
    }
  }
  said.push({ours: random.chance(0.75) ? 'COMMIT' : 'ROLLBACK', answer: 'none'});
  return {kind: 'transaction', said};
}
