/** The table that random calls of functions are asked of: columns of each type, and values that are likely to differ between engines. */
import type {Random} from './random.ts';
import type {TypeName} from './world.ts';

export type CallType = Extract<
  TypeName,
  'smallint' | 'int' | 'bigint' | 'decimal' | 'double' | 'text' | 'boolean' | 'date' | 'timestamp' | 'time' | 'json'
>;

export const CALL_COLUMNS: readonly [name: string, type: CallType, sqlType: string][] = [
  ['k', 'int', 'INT'],
  ['s', 'smallint', 'SMALLINT'],
  ['i', 'int', 'INT'],
  ['l', 'bigint', 'BIGINT'],
  ['x', 'decimal', 'DECIMAL(12, 3)'],
  ['f', 'double', 'DOUBLE PRECISION'],
  ['t', 'text', 'TEXT'],
  ['u', 'text', 'TEXT'],
  ['b', 'boolean', 'BOOLEAN'],
  ['d', 'date', 'DATE'],
  ['ts', 'timestamp', 'TIMESTAMP'],
  ['tm', 'time', 'TIME'],
  ['j', 'json', 'JSONB'],
];
export const CALL_SQL_TYPES = Object.fromEntries(CALL_COLUMNS.map(([, type, sqlType]) => [type, sqlType])) as Record<
  CallType,
  string
>;
export const CALL_TYPES = [...new Set(CALL_COLUMNS.map(([, type]) => type))];
export const CALL_DDL = `id INT PRIMARY KEY, ${CALL_COLUMNS.map(([name, , sqlType]) => `${name} ${sqlType}`).join(', ')}`;

export const CALL_VALUES: Readonly<Record<CallType, readonly string[]>> = {
  smallint: ['0', '1', '2', '-3', '100', '32767', '-32768'],
  int: ['0', '1', '2', '3', '-1', '7', '-7', '100', '46341', '2147483647', '-2147483648'],
  bigint: ['0', '1', '-1', '7', '-40', '100', '9007199254740993', '9223372036854775807', '-9223372036854775808'],
  decimal: ['0', '1', '-1', '0.001', '-0.05', '2.5', '9.99', '-7.75', '123456789.125', '999999999.999'],
  double: ['0', '1', '-1', '0.5', '2.25', '-7.75', '1.5', '2.5', '1048576.25', '1e6', '-0.001'],
  text: [
    ...[
      "''",
      "'a'",
      "'abc'",
      "'ABC'",
      "'a,b,,c'",
      "'é'",
      "'ÅB ø'",
      "'😀x'",
      "' pad '",
      "'it''s'",
      "'x_y%'",
      "'12'",
      "'-3.5'",
    ],
    ...["'hello wOrld-foo'", "'2024-02-29'", "'aaa'", "'a\\b'", "'true'", "'one  two'"],
  ],
  boolean: ['TRUE', 'FALSE'],
  date: [
    "'1970-01-01'",
    "'2024-02-29'",
    "'1969-12-31'",
    "'1900-03-01'",
    "'9999-12-31'",
    "'2024-12-30'",
    "'2021-01-03'",
  ],
  timestamp: [
    ...[
      "'1970-01-01 00:00:00'",
      "'2024-02-29 12:34:56.789012'",
      "'1969-12-31 23:59:59.999999'",
      "'2024-12-30 00:30:00'",
    ],
    ...["'1900-03-01 23:00:00'", "'2021-01-03 01:00:00'", "'2024-05-31 10:00:00.5'"],
  ],
  time: ["'00:00:00'", "'23:59:59.999999'", "'12:00:00'", "'01:02:03.5'"],
  json: [
    ...[
      `'{"a":1,"b":[1,2,{"c":"x"}],"s":"t","n":null}'`,
      "'[]'",
      `'"str"'`,
      "'1.5'",
      "'null'",
      `'{"a":{"b":10},"s":""}'`,
    ],
    ...[`'[3,"a",true]'`, `'{"a":"é","b":false}'`, "'{}'", "'true'", `'["a","n",null,[1]]'`],
  ],
};

export function callRow(random: Random, id: number): string {
  const values = CALL_COLUMNS.map(([name, type]) => {
    if (name === 'k') return String(id % 3);
    return random.chance(0.12) ? 'NULL' : random.pick(CALL_VALUES[type]);
  });
  return `(${id}, ${values.join(', ')})`;
}
