/** Expressions: random typed expressions over the columns of a world, in the dialect that both executors run. */
import {type Node, node} from './node.ts';
import type {Random} from './random.ts';
import {literals, type TypeName, type World, type WorldColumn} from './world.ts';

const NUMBERS: readonly TypeName[] = ['smallint', 'int', 'bigint', 'decimal', 'float', 'double'];
const INTEGERS: readonly TypeName[] = ['smallint', 'int', 'bigint'];
const MOMENTS: readonly TypeName[] = ['timestamp', 'datetime', 'date'];
const ALL: readonly TypeName[] = [
  ...NUMBERS,
  'boolean',
  'text',
  'timestamp',
  'datetime',
  'date',
  'time',
  'json',
  'bytes',
  'uuid',
];

type Make = (depth: number) => Node;

export class Expressions {
  readonly #random: Random;
  readonly #columns: readonly WorldColumn[];

  constructor(random: Random, world: World) {
    this.#random = random;
    this.#columns = world.columns;
  }

  /** An expression of any type, for a select list. */
  any(depth: number): Node {
    return this.of(this.#random.pick(ALL), depth);
  }

  of(type: TypeName, depth: number): Node {
    if (depth <= 0 || this.#random.chance(0.2)) return this.leaf(type);
    const makes = [...this.#makes(type), ...this.#common(type)];
    return this.#random.pick(makes)(depth - 1);
  }

  leaf(type: TypeName): Node {
    const columns = this.#columns.filter(column => column.type === type);
    if (columns.length > 0 && this.#random.chance(0.75)) return node(type, this.#random.pick(columns).name);
    return this.literal(type);
  }

  literal(type: TypeName): Node {
    const text = this.#random.pick(literals(type));
    const isQuoted = text.startsWith("'");
    if (this.#random.chance(0.15) && (isQuoted || NUMBERS.includes(type))) {
      const param = isQuoted ? text.slice(1, -1).replaceAll("''", "'") : {number: text};
      return {...node(type, ''), param};
    }
    const name = {boolean: '', text: '', bytes: ''}[type as string] ?? SQL_CASTS[type];
    return node(type, name === '' ? text : `CAST(${text} AS ${name})`);
  }

  column(type?: TypeName): Node {
    const columns = type === undefined ? this.#columns : this.#columns.filter(column => column.type === type);
    const column = this.#random.pick(columns);
    return node(column.type, column.name);
  }

  /** What every type has. */
  #common(type: TypeName): Make[] {
    const of: Make = depth => this.of(type, depth);
    const test: Make = depth => this.of('boolean', depth);
    return [
      depth => node(type, 'CASE WHEN #0 THEN #1 ELSE #2 END', [test(depth), of(depth), of(depth)]),
      depth => node(type, 'CASE WHEN #0 THEN #1 END', [test(depth), of(depth)]),
      depth => node(type, 'COALESCE(#0, #1)', [of(depth), of(depth)]),
      depth => node(type, 'NULLIF(#0, #1)', [this.column(type), of(depth)]),
      depth => node(type, `${this.#random.pick(['GREATEST', 'LEAST'])}(#0, #1)`, [this.column(type), of(depth)]),
    ];
  }

  #makes(type: TypeName): Make[] {
    switch (type) {
      case 'boolean':
        return this.#booleans();
      case 'smallint':
      case 'int':
      case 'bigint':
        return this.#integers(type);
      case 'decimal':
      case 'float':
      case 'double':
        return this.#reals(type);
      case 'text':
        return this.#texts();
      case 'timestamp':
      case 'datetime':
      case 'date':
      case 'time':
        return this.#moments(type);
      case 'json':
        return this.#jsons();
      default:
        return [];
    }
  }

  #booleans(): Make[] {
    const test: Make = depth => this.of('boolean', depth);
    const op = () => this.#random.pick(['=', '<>', '<', '<=', '>', '>=']);
    return [
      depth => node('boolean', `(#0 ${op()} #1)`, this.#comparable(depth)),
      depth => node('boolean', `(#0 ${op()} #1)`, this.#comparable(depth)),
      depth =>
        node('boolean', `(#0 ${op()} ${this.#random.pick(['1.5', '-0.005', '3000000000', '1e3', '7'])})`, [
          this.#number(depth),
        ]),
      depth => node('boolean', `(#0 ${this.#random.pick(['AND', 'OR'])} #1)`, [test(depth), test(depth)]),
      depth => node('boolean', '(NOT #0)', [test(depth)]),
      depth =>
        node('boolean', `(#0 ${op()} ${this.#random.pick(['ANY', 'ALL'])} (CAST('[1,-2,null,7]' AS JSON)))`, [
          this.of('bigint', depth),
        ]),
      depth => node('boolean', `(#0 IS ${this.#not()}NULL)`, [this.any(depth)]),
      depth =>
        node('boolean', `(#0 IS ${this.#not()}${this.#random.pick(['TRUE', 'FALSE', 'UNKNOWN'])})`, [test(depth)]),
      depth => node('boolean', `(#0 IS ${this.#not()}DISTINCT FROM #1)`, this.#comparable(depth)),
      depth => this.#inList(depth),
      depth => this.#between(depth),
      depth =>
        node('boolean', `(#0 ${this.#not()}${this.#random.pick(['LIKE', 'ILIKE'])} ${this.#pattern()})`, [
          this.of('text', depth),
        ]),
      depth => node('boolean', 'STARTS_WITH(#0, #1)', [this.of('text', depth), this.of('text', depth)]),
      depth => node('boolean', `(#0 ? ${this.#random.pick(["'a'", "'b'", "'str'"])})`, [this.of('json', depth)]),
      depth =>
        node('boolean', `(#0 ${this.#random.pick(['~', '~*', '!~', '!~*'])} ${this.#regex()})`, [
          this.of('text', depth),
        ]),
      depth =>
        node('boolean', `(#0 ${this.#not()}SIMILAR TO ${this.#random.pick(["'%(a|b)_?'", "'[a-z]+'", "'a\\%b'"])})`, [
          this.of('text', depth),
        ]),
      depth =>
        node('boolean', `(#0 ${this.#random.pick(['@>', '<@'])} #1)`, [this.of('json', depth), this.of('json', depth)]),
      depth => node('boolean', `(#0 ${this.#random.pick(['?|', '?&'])} ARRAY['a', 'n'])`, [this.of('json', depth)]),
    ];
  }

  #regex(): string {
    return this.#random.pick([
      ...[
        "'^a'",
        "'b$'",
        "'[[:alpha:]]+'",
        "'(a|b)*?c'",
        "'\\d{2,}'",
        "'.'",
        "'\\mpad\\M'",
        "'É|ß'",
        "''",
        "'(^|,)x?'",
      ],
    ]);
  }

  #not(): string {
    return this.#random.chance(0.4) ? 'NOT ' : '';
  }

  #pattern(): string {
    return this.#random.pick([
      ...[
        "'a%'",
        "'%b%'",
        "'_'",
        "'%'",
        "''",
        "'a\\%b'",
        "'A_C'",
        "'%é%'",
        "'__'",
        "'a\\_%'",
        "'%\\\\'",
        "'ß'",
        "'ss'",
        "'i%'",
      ],
    ]);
  }

  #number(depth: number): Node {
    return this.of(this.#random.pick(NUMBERS), depth);
  }

  /** Two expressions that can be compared. */
  #comparable(depth: number): Node[] {
    const type = this.#random.pick(ALL);
    const other = NUMBERS.includes(type)
      ? this.#random.pick(NUMBERS)
      : MOMENTS.includes(type)
        ? this.#random.pick(MOMENTS)
        : type;
    return [this.of(type, depth), this.of(other, depth)];
  }

  #inList(depth: number): Node {
    const type = this.#random.pick(ALL);
    const items = Array.from({length: this.#random.pick([1, 2, 3, 8])}, () => this.literal(type));
    const places = items.map((_, i) => `#${i + 1}`).join(', ');
    return node('boolean', `(#0 ${this.#not()}IN (${places}))`, [this.of(type, depth), ...items]);
  }

  #between(depth: number): Node {
    const [value, low] = this.#comparable(depth);
    return node('boolean', `(#0 ${this.#not()}BETWEEN #1 AND #2)`, [value!, low!, this.of(low!.type, depth)]);
  }

  #integers(type: TypeName): Make[] {
    const of: Make = depth => this.of(type, depth);
    const op = () => this.#random.pick(['+', '-', '*', '/', '%']);
    const makes: Make[] = [
      depth => node(type, `(#0 ${op()} #1)`, [of(depth), of(depth)], true),
      depth =>
        node(
          type,
          `(#0 ${this.#random.pick(['/', '%'])} CAST(${this.#random.pick(['2', '3', '-1', '-7'])} AS ${SQL_CASTS[type]}))`,
          [of(depth)],
          true,
        ),
      depth => node(type, '(- #0)', [of(depth)], true),
      depth => node(type, 'ABS(#0)', [of(depth)], true),
      depth => node(type, `(#0 ${this.#random.pick(['&', '|', '#'])} #1)`, [of(depth), of(depth)]),
      depth => node(type, `(#0 ${this.#random.pick(['<<', '>>'])} CAST(#1 AS INT))`, [of(depth), of(depth)], true),
      depth => node(type, '(~ #0)', [of(depth)]),
      depth => node(type, `CAST(#0 AS ${SQL_CASTS[type]})`, [this.#number(depth)], true),
    ];
    if (type === 'smallint') return makes;
    if (type === 'bigint')
      return [
        ...makes,
        depth => node('bigint', 'JSON_LENGTH(#0)', [this.of('json', depth)]),
        depth => node('bigint', 'JSON_GET_INT(#0, 1)', [this.of('json', depth)]),
        depth => node('bigint', `${this.#random.pick(['GCD', 'LCM'])}(#0, #1)`, [of(depth), of(depth)], true),
      ];
    return [
      ...makes,
      depth => node('int', `${this.#random.pick(['LENGTH', 'OCTET_LENGTH'])}(#0)`, [this.of('text', depth)]),
      depth => node('int', 'STRPOS(#0, #1)', [this.of('text', depth), this.of('text', depth)]),
      depth => node('int', 'SIGN(#0)', [this.#number(depth)]),
      depth => node('int', 'ASCII(#0)', [this.of('text', depth)]),
      depth => node('int', `REGEXP_COUNT(#0, ${this.#regex()})`, [this.of('text', depth)]),
      depth => node('int', `REGEXP_INSTR(#0, ${this.#regex()}, 1, 2, 1)`, [this.of('text', depth)]),
      depth => node('int', 'DIV(#0, #1)', [this.of('int', depth), this.of('int', depth)], true),
      depth => node('int', '(#0 - #1)', [this.of('date', depth), this.of('date', depth)]),
      depth => node('int', 'CAST(#0 AS INT)', [this.of('boolean', depth)]),
      depth => node('int', 'CAST(#0 AS INT)', [this.of('text', depth)], true),
    ];
  }

  #reals(type: TypeName): Make[] {
    const op = () => this.#random.pick(['+', '-', '*', '/', '%']);
    const cast = `CAST(#0 AS ${SQL_CASTS[type]})`;
    const makes: Make[] = [
      depth =>
        node(
          type,
          `(#0 ${op()} #1)`,
          [this.of(type, depth), this.of(type === 'decimal' ? this.#random.pick(INTEGERS) : type, depth)],
          true,
        ),
      depth => node(type, cast, [this.#number(depth)], true),
      depth =>
        node(
          type,
          `${this.#random.pick(['ABS', 'CEIL', 'FLOOR', 'TRUNC', 'ROUND'])}(#0)`,
          [this.of(type, depth)],
          true,
        ),
    ];
    if (type === 'float') return makes;
    if (type === 'decimal') {
      return [
        ...makes,
        depth =>
          node(
            type,
            `(#0 ${this.#random.pick(['+', '-', '*'])} ${this.#random.pick(['0.1', '1.005', '12'])})`,
            [this.of(type, depth)],
            true,
          ),
        depth => node(type, `${this.#random.pick(['ROUND', 'TRUNC'])}(#0, 1)`, [this.of(type, depth)], true),
        depth => node(type, 'DIV(#0, #1)', [this.of(type, depth), this.#number(0)], true),
        depth => node(type, cast, [this.of('text', depth)], true),
      ];
    }
    const field = () =>
      this.#random.pick([
        'year',
        'month',
        'day',
        'hour',
        'minute',
        'second',
        'dow',
        'isodow',
        'doy',
        'week',
        'quarter',
        'epoch',
      ]);
    return [
      ...makes,
      depth => node(type, `EXTRACT(${field()} FROM #0)`, [this.of(this.#random.pick(MOMENTS), depth)]),
      depth => node(type, `DATE_PART('${field()}', #0)`, [this.of(this.#random.pick(MOMENTS), depth)]),
      depth =>
        node(type, `${this.#random.pick(['SQRT', 'LN', 'EXP', 'SIN', 'LOG10'])}(#0)`, [this.of('double', depth)], true),
      depth => node(type, 'POWER(#0, #1)', [this.of('double', depth), this.literal('double')], true),
    ];
  }

  #texts(): Make[] {
    const text: Make = depth => this.of('text', depth);
    const number = () => this.#random.pick(['0', '1', '2', '5', '-1', '-2']);
    return [
      depth =>
        node('text', `${this.#random.pick(['UPPER', 'LOWER', 'REVERSE', 'TRIM', 'LTRIM', 'RTRIM', 'MD5'])}(#0)`, [
          text(depth),
        ]),
      depth => node('text', '(#0 || #1)', [text(depth), this.any(depth)]),
      depth => node('text', 'CONCAT(#0, #1)', [text(depth), this.any(depth)]),
      depth => node('text', "TO_CHAR(#0, 'S999G990D09')", [this.of('decimal', depth)]),
      depth => node('text', 'AGE(#0, #1)', [this.of('timestamp', depth), this.of('timestamp', depth)], true),
      depth => node('text', 'CAST(#0 AS TEXT)', [this.any(depth)]),
      depth => node('text', 'CAST(#0 AS TEXT)', [this.any(depth)]),
      depth => node('text', `SUBSTR(#0, ${number()}, ${this.#random.pick(['0', '1', '3'])})`, [text(depth)]),
      depth => node('text', `${this.#random.pick(['LEFT', 'RIGHT'])}(#0, ${number()})`, [text(depth)]),
      depth => node('text', 'REPLACE(#0, #1, #2)', [text(depth), this.literal('text'), this.literal('text')]),
      depth =>
        node('text', `${this.#random.pick(['LPAD', 'RPAD'])}(#0, ${this.#random.pick(['0', '3', '12'])}, #1)`, [
          text(depth),
          this.literal('text'),
        ]),
      depth =>
        node('text', `SPLIT_PART(#0, #1, ${this.#random.pick(['1', '2', '-1'])})`, [text(depth), this.literal('text')]),
      depth => node('text', `#0 ->> ${this.#jsonStep()}`, [this.of('json', depth)]),
      depth =>
        node('text', `(#0 #>> ${this.#random.pick(["'{a,b}'", "'{1}'", "'{}'", "'{b,2,c}'"])})`, [
          this.of('json', depth),
        ]),
      depth => node('text', 'JSONB_TYPEOF(#0)', [this.of('json', depth)]),
      depth => node('text', 'INITCAP(#0)', [text(depth)]),
      depth => node('text', 'CONCAT_WS(#0, #1, #2)', [this.literal('text'), text(depth), this.any(depth)]),
      depth => node('text', 'TRANSLATE(#0, #1, #2)', [text(depth), this.literal('text'), this.literal('text')]),
      depth => node('text', 'OVERLAY(#0 PLACING #1 FROM 2 FOR 1)', [text(depth), this.literal('text')]),
      depth => node('text', `REGEXP_REPLACE(#0, ${this.#regex()}, '<\\&>', 'g')`, [text(depth)]),
      depth => node('text', `REGEXP_SUBSTR(#0, ${this.#regex()})`, [text(depth)]),
      depth =>
        node('text', `ENCODE(#0, ${this.#random.pick(["'hex'", "'base64'", "'escape'"])})`, [this.of('bytes', depth)]),
      depth => node('text', 'TO_HEX(#0)', [this.of(this.#random.pick(['int', 'bigint']), depth)]),
      depth =>
        node(
          'text',
          `TO_CHAR(#0, ${this.#random.pick(["'YYYY-MM-DD HH24:MI:SS.US'", "'FMDay, DDth Mon IYYY-IW Q'"])})`,
          [this.of(this.#random.pick(MOMENTS), depth)],
        ),
      () => node('text', 'CURRENT_USER()'),
    ];
  }

  #jsons(): Make[] {
    const json: Make = depth => this.of('json', depth);
    return [
      depth => node('json', `#0 -> ${this.#jsonStep()}`, [json(depth)]),
      depth => node('json', '(#0 || #1)', [json(depth), json(depth)]),
      depth => node('json', `(#0 - ${this.#jsonStep()})`, [json(depth)], true),
      depth => node('json', "JSONB_SET(#0, '{a}', #1)", [json(depth), json(depth)], true),
      depth => node('json', 'JSONB_STRIP_NULLS(#0)', [json(depth)]),
      depth => node('json', 'JSON_BUILD_ARRAY(#0, #1)', [this.any(depth), this.any(depth)]),
      depth => node('json', "JSON_BUILD_OBJECT('k', #0, 'l', #1)", [this.any(depth), this.any(depth)]),
      depth => node('json', 'TO_JSON(#0)', [this.any(depth)]),
      depth => node('json', `REGEXP_MATCH(#0, ${this.#regex()})`, [this.of('text', depth)]),
      depth => node('json', `REGEXP_SPLIT_TO_ARRAY(#0, ${this.#regex()})`, [this.of('text', depth)]),
    ];
  }

  #jsonStep(): string {
    return this.#random.pick(["'a'", "'b'", "'s'", "'n'", '0', '1', '-1']);
  }

  #moments(type: TypeName): Make[] {
    const cast = `CAST(#0 AS ${SQL_CASTS[type]})`;
    const unit = () =>
      this.#random.pick(['second', 'minute', 'hour', 'day', 'week', 'month', 'quarter', 'year', 'decade']);
    if (type === 'time') return [depth => node(type, cast, [this.of('timestamp', depth)])];
    const makes: Make[] = [
      depth => node(type, cast, [this.of(this.#random.pick(MOMENTS), depth)]),
      depth => node(type, cast, [this.of('text', depth)], true),
    ];
    if (type === 'date')
      return [
        ...makes,
        depth =>
          node(type, `(#0 ${this.#random.pick(['+', '-'])} #1)`, [this.of('date', depth), this.of('int', depth)], true),
      ];
    const moves = (depth: number) => {
      const interval = this.#random.pick([
        '1 day',
        '-1 month',
        '1 year 2 mons 3 days 04:05:06.7',
        '90 min ago',
        '2.5 days',
      ]);
      return node(type, `(#0 ${this.#random.pick(['+', '-'])} INTERVAL '${interval}')`, [this.of(type, depth)], true);
    };
    if (type === 'datetime') return [...makes, moves];
    return [
      ...makes,
      moves,
      depth => node(type, `DATE_TRUNC('${unit()}', #0)`, [this.of(this.#random.pick(MOMENTS), depth)]),
      depth => node(type, "DATE_BIN('10 days 7 minutes', #0)", [this.of(this.#random.pick(MOMENTS), depth)], true),
      depth => node(type, "(#0 AT TIME ZONE 'Europe/Vienna')", [this.of(this.#random.pick(MOMENTS), depth)], true),
    ];
  }
}

const SQL_CASTS: Readonly<Record<string, string>> = {
  boolean: 'BOOLEAN',
  smallint: 'SMALLINT',
  int: 'INT',
  bigint: 'BIGINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  decimal: 'DECIMAL(10, 2)',
  timestamp: 'TIMESTAMP',
  datetime: 'DATETIME',
  date: 'DATE',
  time: 'TIME',
  json: 'JSON',
  uuid: 'UUID',
};
