/** The tables of a random story of changes: their columns as they are now, and random values and expressions of each type. */
import type {Random} from './random.ts';

export const CHANGE_TYPES = {
  smallint: 'SMALLINT',
  int: 'INT',
  bigint: 'BIGINT',
  decimal: 'DECIMAL(10, 2)',
  wide_decimal: 'DECIMAL(20, 4)',
  double: 'DOUBLE PRECISION',
  text: 'TEXT',
  bool: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'TIMESTAMP',
} as const;
export type ChangeType = keyof typeof CHANGE_TYPES;
const TYPE_NAMES = Object.keys(CHANGE_TYPES) as ChangeType[];

/** Types that every value of the type fits. */
export const WIDER_TYPES: Partial<Record<ChangeType, readonly ChangeType[]>> = {
  smallint: ['int', 'bigint', 'double', 'decimal', 'wide_decimal', 'text'],
  int: ['bigint', 'double', 'wide_decimal', 'text'],
  bigint: ['text'],
  decimal: ['wide_decimal'],
  bool: ['text'],
  date: ['text'],
};

/** Types that some values fit: integers alone, where PostgreSQL refuses the same ones. */
export const NARROWER_TYPES: Partial<Record<ChangeType, readonly ChangeType[]>> = {
  bigint: ['int', 'smallint'],
  int: ['smallint'],
};

export interface ChangeColumn {
  name: string;
  type: ChangeType;
  /** It has, or had, a DEFAULT: one that does not fit a narrower type is refused by us at once, by PostgreSQL when it is used. */
  isPreset?: boolean;
}

export interface ChangeTable {
  /** `RENAME TO` changes it. */
  name: string;
  /** The first is the key at first; it stays what it is when it is renamed. */
  readonly columns: ChangeColumn[];
  readonly key: ChangeColumn;
}

/** What an expression may name: a column as it is written, and its type. */
export interface Scoped {
  readonly sql: string;
  readonly type: ChangeType;
}

const LITERALS: Readonly<Record<ChangeType, readonly string[]>> = {
  smallint: ['0', '1', '2', '-7', '100', '32767'],
  int: ['0', '1', '2', '-7', '100', '40000', '2147483647'],
  bigint: ['0', '1', '-7', '100', '40000', '3000000000', '9007199254740993'],
  decimal: ['0', '0.01', '-7.75', '2.50', '12345678.90'],
  wide_decimal: ['0', '0.0001', '-7.75', '2.5', '123456789012.3456'],
  double: ['0', '0.5', '-7.75', '100', '1048576.25'],
  text: ["''", "'a'", "'B'", "'é😀'", "'it''s'", "' pad '", "'12'"],
  bool: ['TRUE', 'FALSE'],
  date: ["'2024-02-29'", "'1969-12-31'", "'1999-01-01'", "'9999-12-31'"],
  timestamp: ["'2024-02-29 12:34:56.789012'", "'1969-12-31 23:59:59.999999'", "'2000-01-01 00:00:00'"],
};
const KEYS_MAX = 24;

export const randomType = (random: Random): ChangeType => random.pick(TYPE_NAMES);

export const literal = (random: Random, type: ChangeType): string => random.pick(LITERALS[type]);

/** Few enough that keys meet. */
export function keyLiteral(random: Random, type: ChangeType): string {
  const number = random.below(KEYS_MAX);
  return type === 'text' ? `'k${number}'` : String(number);
}

const NUMBERS: readonly ChangeType[] = ['smallint', 'int', 'bigint', 'decimal', 'wide_decimal', 'double'];
const INTEGERS: readonly ChangeType[] = ['smallint', 'int', 'bigint'];

/** May overflow, but depends on no order in which its parts are computed. */
export function expression(random: Random, type: ChangeType, scope: readonly Scoped[], depth = 2): string {
  const columns = scope.filter(column => column.type === type);
  const leaf = () => {
    if (columns.length > 0 && random.chance(0.7)) return random.pick(columns).sql;
    return random.chance(0.1) ? `CAST(NULL AS ${CHANGE_TYPES[type]})` : typedLiteral(random, type);
  };
  if (depth === 0) return leaf();
  const inner = () => expression(random, type, scope, depth - 1);
  const forms: (() => string)[] = [
    leaf,
    leaf,
    () => `COALESCE(${inner()}, ${inner()})`,
    () => `NULLIF(${inner()}, ${inner()})`,
    () => `CASE WHEN ${condition(random, scope, depth - 1)} THEN ${inner()} ELSE ${inner()} END`,
  ];
  if (NUMBERS.includes(type) && columns.length > 0) {
    const numeric = () => arithmetic(random, type, scope, depth);
    forms.push(numeric, numeric, numeric);
  }
  if (type === 'text') forms.push(...textForms(random, scope, inner));
  if (type === 'bool') forms.push(() => `(${condition(random, scope, depth - 1)})`);
  if (type === 'date') forms.push(() => `(${inner()} + 1)`);
  if (type === 'timestamp') forms.push(() => `(${inner()} + INTERVAL '1 day')`);
  return random.pick(forms)();
}

/** Over columns alone: PostgreSQL computes what is constant though no row asks for it, and an overflow in it would be an error there. */
function arithmetic(random: Random, type: ChangeType, scope: readonly Scoped[], depth: number): string {
  const columns = scope.filter(column => column.type === type);
  const others = scope.filter(column => INTEGERS.includes(column.type));
  const inner = depth > 0 && random.chance(0.3) ? arithmetic(random, type, scope, depth - 1) : random.pick(columns).sql;
  const forms = [
    ...[`(${inner} + ${random.pick(['1', '2', '100'])})`, `(${inner} - 1)`, `(${inner} * 2)`],
    ...[`(- ${inner})`, `ABS(${inner})`],
  ];
  if (others.length > 0) forms.push(`(${inner} + ${random.pick(others).sql})`);
  return random.pick(forms);
}

function textForms(random: Random, scope: readonly Scoped[], inner: () => string) {
  const integers = scope.filter(column => INTEGERS.includes(column.type));
  const forms = [
    () => `(${inner()} || ${literal(random, 'text')})`,
    () => `REPLACE(${inner()}, 'a', 'bb')`,
    () => `SUBSTR(${inner()}, 1, 20)`,
    () => `TRIM(${inner()})`,
  ];
  if (integers.length > 0) forms.push(() => `CAST(${random.pick(integers).sql} AS TEXT)`);
  return forms;
}

function typedLiteral(random: Random, type: ChangeType): string {
  const text = literal(random, type);
  return `CAST(${text.startsWith('-') ? `(${text})` : text} AS ${CHANGE_TYPES[type]})`;
}

const COMPARISONS = ['=', '<>', '<', '<=', '>', '>=', 'IS DISTINCT FROM'];

/** Cannot fail, so it does not matter which part of it is looked at first. */
export function condition(random: Random, scope: readonly Scoped[], depth = 1): string {
  const {sql, type} = random.pick(scope);
  const forms: (() => string)[] = [
    () => `${sql} ${random.pick(COMPARISONS)} ${typedLiteral(random, type)}`,
    () => `${sql} IS ${random.pick(['NULL', 'NOT NULL'])}`,
    () => `${sql} ${random.pick(COMPARISONS)} ${random.pick(scope.filter(other => other.type === type)).sql}`,
    () => `${sql} IN (${typedLiteral(random, type)}, ${typedLiteral(random, type)})`,
  ];
  if (depth > 0) {
    const inner = () => condition(random, scope, depth - 1);
    forms.push(() => `(${inner()} ${random.pick(['AND', 'OR'])} ${inner()})`);
    forms.push(() => `NOT (${inner()})`);
  }
  return random.pick(forms)();
}
