/**
 * World: one random table, kept three times: all of it hot, all of it flushed, and as real tables are: flushed twice, with updates and deletes
 * over flushed rows. All three went through the same statements, so every query must answer the same on each.
 */
import {flush, type TestDatabase} from '../test-database.ts';
import type {Random} from './random.ts';

export type TypeName =
  | 'boolean'
  | 'smallint'
  | 'int'
  | 'bigint'
  | 'float'
  | 'double'
  | 'decimal'
  | 'text'
  | 'timestamp'
  | 'datetime'
  | 'date'
  | 'time'
  | 'json'
  | 'bytes'
  | 'uuid';

export interface WorldColumn {
  readonly name: string;
  readonly type: TypeName;
  readonly sqlType: string;
}

export interface World {
  readonly columns: readonly WorldColumn[];
  readonly key: WorldColumn;
  /** Statements with `TABLE` for the table's name; 'flush' marks places where the mixed table is flushed. */
  readonly history: readonly string[];
}

export const PLACEMENTS = ['hot', 'cold', 'mixed'] as const;
export type Placement = (typeof PLACEMENTS)[number];

const TEXTS = [
  ...['', 'a', 'A', 'abc', 'ABC', 'aab', 'z', 'Z', 'é', 'ß', 'İ', '😀', 'a%b', 'a_b', "it''s", '\\', ' pad ', 'x\ty'],
  ...['12', '-3.5', 'true', '2024-05-05', '{"a": 1}', 'ÅNGSTRÖM', 'a longer text that does not lie in a block', 'ﬀ'],
];

const JSONS = [
  ...['{"a":1,"b":[1,2,{"c":"x"}],"s":"t","n":null}', '[]', '"str"', '1.5', 'null', '{"a":{"b":10},"s":""}'],
  ...['[3,"a",true]', '{"a":"é","b":false}', '{}', 'true'],
];

const INTS: Readonly<Record<string, readonly string[]>> = {
  smallint: ['0', '1', '2', '3', '-1', '7', '-7', '100', '32767', '-32768'],
  int: ['0', '1', '2', '3', '-1', '7', '-7', '100', '46341', '2147483647', '-2147483648'],
  bigint: ['0', '1', '2', '-1', '7', '-7', '100', '9007199254740993', '9223372036854775807', '-9223372036854775808'],
};

/** SQL literals of values that are likely to differ between engines. */
export function literals(type: TypeName): readonly string[] {
  switch (type) {
    case 'boolean':
      return ['TRUE', 'FALSE'];
    case 'smallint':
    case 'int':
    case 'bigint':
      return INTS[type]!;
    case 'float':
    case 'double':
      return ['0', '1', '-1', '0.5', '2.25', '-7.75', '100', '1.5', '2.5', '1048576.25'];
    case 'decimal':
      return ['0', '1', '-1', '0.01', '-0.05', '2.50', '9.99', '-7.75', '12345678.90', '99999999.99', '-99999999.99'];
    case 'text':
      return TEXTS.map(text => `'${text}'`);
    case 'json':
      return JSONS.map(text => `'${text}'`);
    case 'timestamp':
    case 'datetime':
      return [
        ...["'1970-01-01 00:00:00'", "'2024-02-29 12:34:56.789012'", "'1969-12-31 23:59:59.999999'", "'2024-12-30'"],
        ...["'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'2021-01-03 01:00:00'", "'2024-05-05 10:00:00'"],
      ];
    case 'date':
      return [
        "'1970-01-01'",
        "'2024-02-29'",
        "'1969-12-31'",
        "'0001-01-01'",
        "'9999-12-31'",
        "'2024-12-30'",
        "'2024-05-05'",
      ];
    case 'time':
      return ["'00:00:00'", "'23:59:59.999999'", "'12:00'", "'01:02:03.5'"];
    case 'bytes':
      return ["X''", "X'00'", "X'FF00'", "X'616263'", "X'00112233445566778899AABBCCDDEEFF'"];
    case 'uuid':
      return [
        "'00000000-0000-0000-0000-000000000000'",
        "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
        "'7f000000-0000-4000-8000-000000000001'",
        "'80000000-0000-4000-8000-000000000001'",
      ];
    default:
      return type satisfies never;
  }
}

const SQL_TYPES: Readonly<Record<TypeName, string>> = {
  boolean: 'BOOLEAN',
  smallint: 'SMALLINT',
  int: 'INT',
  bigint: 'BIGINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  decimal: 'DECIMAL(10, 2)',
  text: 'TEXT',
  timestamp: 'TIMESTAMP',
  datetime: 'DATETIME',
  date: 'DATE',
  time: 'TIME',
  json: 'JSON',
  bytes: 'BYTES',
  uuid: 'UUID',
};

const KEY_TYPES: readonly TypeName[] = ['int', 'bigint', 'text', 'uuid', 'timestamp', 'smallint', 'date'];

/** A value of its own for each number. */
function keyLiteral(type: TypeName, number: number): string {
  switch (type) {
    case 'text':
      return `'${number % 3 === 0 ? 'K' : 'k'}${number}'`;
    case 'uuid':
      return `'${(number * 2654435761).toString(16).padStart(12, '0').slice(-8)}-0000-4000-8000-${String(number).padStart(12, '0')}'`;
    case 'timestamp':
      return `'20${String(10 + (number % 80))}-0${(number % 9) + 1}-11 00:00:${String(number % 60).padStart(2, '0')}.${number}'`;
    case 'date':
      return `'${1900 + number}-03-01'`;
    default:
      return String(number % 2 === 0 ? number : -number);
  }
}

export function randomWorld(random: Random): World {
  const key: WorldColumn = columnOf('k', random.pick(KEY_TYPES));
  const columns: WorldColumn[] = [key];
  for (const type of Object.keys(SQL_TYPES) as TypeName[]) columns.push(columnOf(`c_${type}`, type));
  for (const type of random.some(Object.keys(SQL_TYPES) as TypeName[], 0.3)) columns.push(columnOf(`d_${type}`, type));
  const history: string[] = [];
  const rowCount = 10 + random.below(50);
  const insert = (from: number, to: number) => {
    for (let number = from; number < to; number++) history.push(insertText(random, columns, number));
  };
  insert(0, Math.floor(rowCount * 0.4));
  history.push('flush');
  insert(Math.floor(rowCount * 0.4), Math.floor(rowCount * 0.7));
  history.push(...changes(random, columns, Math.floor(rowCount * 0.7)), 'flush');
  insert(Math.floor(rowCount * 0.7), rowCount);
  history.push(...changes(random, columns, rowCount));
  return {columns, key, history};
}

function columnOf(name: string, type: TypeName): WorldColumn {
  return {name, type, sqlType: SQL_TYPES[type]};
}

/** NULL-heavy, with few distinct values, so that comparisons, groups and joins meet. */
function insertText(random: Random, columns: readonly WorldColumn[], number: number): string {
  const values = columns.map(({type, name}) => {
    if (name === 'k') return keyLiteral(type, number);
    return random.chance(0.25) ? 'NULL' : random.pick(literals(type));
  });
  return `INSERT INTO TABLE VALUES (${values.join(', ')})`;
}

function changes(random: Random, columns: readonly WorldColumn[], count: number): string[] {
  return Array.from({length: Math.ceil(count / 6)}, () => {
    const where = `k = ${keyLiteral(columns[0]!.type, random.below(count))}`;
    if (random.chance(0.4)) return `DELETE FROM TABLE WHERE ${where}`;
    const {name, type} = random.pick(columns.slice(1));
    return `UPDATE TABLE SET ${name} = ${random.chance(0.2) ? 'NULL' : random.pick(literals(type))} WHERE ${where}`;
  });
}

/** Makes the world's tables anew. */
export async function buildWorld(database: TestDatabase, world: World): Promise<void> {
  await database.sql('CREATE NAMESPACE IF NOT EXISTS w');
  const list = world.columns.map(({name, sqlType}) => `${name} ${sqlType}${name === 'k' ? ' PRIMARY KEY' : ''}`);
  for (const placement of PLACEMENTS) {
    const table = `w.${placement}`;
    await database.sql(`DROP TABLE IF EXISTS ${table}`);
    await database.sql(`CREATE SHARED TABLE ${table} (${list.join(', ')})`);
    for (const statement of world.history) {
      if (statement !== 'flush') await database.sql(statement.replace('TABLE', table));
      else if (placement === 'mixed') await flush(database, table);
    }
    if (placement === 'cold') await flush(database, table);
  }
}
