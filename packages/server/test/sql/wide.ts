/**
 * Wide: random queries of every shape that PostgreSQL and we both know: joins, LATERAL, WITH, subqueries, set operations, windows, grouping
 * sets. Each has one answer as a set of rows: what depends on an order that is not total is left out.
 */
import type {Random} from './random.ts';
import {WIDE_CALLS, WINDOW_CALLS} from './wide-calls.ts';

export type WideType = 'int' | 'text' | 'bool' | 'num' | 'date';
export const WIDE_TYPES: readonly WideType[] = ['int', 'text', 'bool', 'num', 'date'];

interface Column {
  readonly sql: string;
  readonly type: WideType;
}

export const WIDE_TABLES = ['a', 'b', 'c'] as const;
const TABLE_COLUMNS: readonly [name: string, type: WideType][] = [
  ['id', 'int'],
  ['n', 'int'],
  ['m', 'int'],
  ['t', 'text'],
  ['f', 'bool'],
  ['x', 'num'],
  ['d', 'date'],
];
export const WIDE_DDL = 'id INT PRIMARY KEY, n INT, m INT, t TEXT, f BOOLEAN, x DECIMAL(10, 2), d DATE';

const LITERALS: Readonly<Record<WideType, readonly string[]>> = {
  int: ['0', '1', '2', '3', '-1'],
  text: ["'a'", "'b'", "'ab'", "''", "'é'"],
  bool: ['TRUE', 'FALSE'],
  num: ['0.50', '1.25', '2.00', '-3.75'],
  date: ["DATE '2024-02-29'", "DATE '2024-03-01'", "DATE '1999-12-31'"],
};

/** DuckDB cannot make a subquery that depends on the row around it into joins if it holds a FULL JOIN: that is NOT_SUPPORTED. */
const JOINS = [
  ...['JOIN', 'JOIN', 'LEFT JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN', 'CROSS JOIN', ','],
  ...[', LATERAL', 'LEFT JOIN LATERAL'],
];

export function wideRow(random: Random, id: number): string {
  const values = TABLE_COLUMNS.slice(1).map(([, type]) => (random.chance(0.25) ? 'NULL' : random.pick(LITERALS[type])));
  return `(${id}, ${values.join(', ')})`;
}

export class WideQueries {
  readonly #random: Random;
  #last = 0;
  /** WITH queries that may be named. */
  #named: {name: string; types: readonly WideType[]}[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** A query and the types of its columns. */
  next(): {sql: string; types: WideType[]} {
    this.#last = 0;
    this.#named = [];
    const types = this.#types();
    const withs = this.#random.chance(0.3) ? this.#withs() : '';
    return {sql: withs + this.#query(types, [], 1 + this.#random.below(3)), types};
  }

  #types(): WideType[] {
    return Array.from({length: 1 + this.#random.below(3)}, () => this.#random.pick(WIDE_TYPES));
  }

  #name(): string {
    return `q${++this.#last}`;
  }

  #withs(): string {
    const parts: string[] = [];
    const isRecursive = this.#random.chance(0.4);
    if (isRecursive) {
      const name = this.#name();
      const word = this.#random.pick(['UNION', 'UNION ALL']);
      const [first, second] = [this.#random.pick(WIDE_TABLES), this.#random.pick(WIDE_TABLES)];
      // Of finitely many rows, so that it ends.
      const walk = `SELECT id, t FROM w.${first} WHERE id < 3 UNION SELECT x.id, x.t FROM w.${second} AS x JOIN ${name} ON x.${this.#random.pick(['n', 'm'])} = ${name}.c0`;
      if (this.#random.chance(0.4)) parts.push(`${name}(c0, c1) AS (${walk})`);
      else
        parts.push(
          `${name}(c0, c1) AS (SELECT 1, ${this.#random.pick(LITERALS.text)} ${word} SELECT c0 + 1, c1 || 'z' FROM ${name} WHERE c0 < ${2 + this.#random.below(3)})`,
        );
      this.#named.push({name, types: ['int', 'text']});
    }
    for (let i = this.#random.below(2); i >= 0; i--) {
      const [name, types] = [this.#name(), this.#types()];
      const columns = types.map((_, column) => `c${column}`).join(', ');
      parts.push(`${name}(${columns}) AS (${this.#query(types, [], 2)})`);
      this.#named.push({name, types});
    }
    return `WITH ${isRecursive ? 'RECURSIVE ' : ''}${parts.join(', ')} `;
  }

  /** `outer`: columns of the queries around this one. */
  #query(types: readonly WideType[], outer: readonly Column[], depth: number): string {
    const choice = this.#random.below(10);
    if (depth > 0 && choice === 0) {
      const op = this.#random.pick(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT', 'INTERSECT ALL', 'EXCEPT ALL']);
      const both = `(${this.#query(types, outer, depth - 1)}) ${op} (${this.#query(types, outer, depth - 1)})`;
      if (!this.#random.chance(0.3)) return both;
      return `${both} ORDER BY ${types.map((_, i) => `${i + 1}${this.#random.pick(['', ' DESC'])}`).join(', ')} LIMIT ${this.#random.below(6)}`;
    }
    if (depth > 0 && choice === 2 && this.#random.chance(0.3)) return this.#starred(types, outer, depth);
    if (choice === 1) {
      const row = () => `(${types.map(type => this.#expr(type, outer, 1)).join(', ')})`;
      return `VALUES ${Array.from({length: 1 + this.#random.below(3)}, row).join(', ')}`;
    }
    return this.#select(types, outer, depth);
  }

  /** All columns of a query inside, by a WITH of its own or by FROM. */
  #starred(types: readonly WideType[], outer: readonly Column[], depth: number): string {
    const [alias, columns] = [this.#name(), types.map((_, i) => `c${i}`).join(', ')];
    const inner = this.#query(types, outer, depth - 1);
    // DuckDB has no plan for WITH queries that depend on the row around them.
    if (outer.length === 0 && this.#random.chance(0.5))
      return `SELECT x.* FROM (WITH ${alias}(${columns}) AS (${inner}) SELECT * FROM ${alias}) AS x`;
    return `SELECT ${alias}.* FROM (${inner}) AS ${alias}(${columns})`;
  }

  #select(types: readonly WideType[], outer: readonly Column[], depth: number): string {
    const {sql: from, columns} = this.#from(outer, depth);
    const visible = [...columns, ...outer];
    const where = this.#random.chance(0.6) ? ` WHERE ${this.#test(visible, depth)}` : '';
    if (this.#random.chance(0.3)) return this.#grouped(types, from + where, columns, outer);
    const items = types.map(type =>
      this.#random.chance(0.15) ? this.#window(type, columns) : this.#expr(type, visible, depth),
    );
    const shown = items.map((item, i) => `${item} AS c${i}`).join(', ');
    const order = types
      .map((_, i) => `${i + 1}${this.#random.pick(['', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'])}`)
      .join(', ');
    switch (this.#random.below(8)) {
      case 0:
        return `SELECT DISTINCT ${shown} FROM ${from}${where}`;
      case 1:
        return `SELECT ${shown} FROM ${from}${where} ORDER BY ${order} LIMIT ${this.#random.below(6)}`;
      case 2:
        return `SELECT ${shown} FROM ${from}${where} ORDER BY ${order} OFFSET ${this.#random.below(4)} ROWS FETCH FIRST ${1 + this.#random.below(4)} ROWS WITH TIES`;
      case 3:
        if (!/q\d/.test(items[0]!)) return `SELECT ${shown} FROM ${from}${where}`;
        return `SELECT DISTINCT ON (${items[0]}) ${shown} FROM ${from}${where} ORDER BY ${order}`;
      default:
        return `SELECT ${shown} FROM ${from}${where}`;
    }
  }

  #grouped(types: readonly WideType[], rest: string, columns: readonly Column[], outer: readonly Column[]): string {
    const keys = Array.from({length: this.#random.below(3)}, () => this.#random.pick(columns));
    const list = keys.map(key => key.sql).join(', ');
    const groupBy =
      keys.length === 0
        ? ''
        : ` GROUP BY ${this.#random.pick([list, list, `ROLLUP (${list})`, `CUBE (${list})`, `GROUPING SETS ((${list}), (${keys[0]!.sql}), ())`])}`;
    const items = types.map(type => {
      const same = keys.filter(key => key.type === type);
      return same.length > 0 && this.#random.chance(0.6)
        ? this.#random.pick(same).sql
        : this.#aggregate(type, [...columns, ...outer], columns);
    });
    const having = this.#random.chance(0.3)
      ? ` HAVING ${this.#aggregate('int', columns, columns)} > ${this.#random.below(3)}`
      : '';
    return `SELECT ${items.map((item, i) => `${item} AS c${i}`).join(', ')} FROM ${rest}${groupBy}${having}`;
  }

  /** At least one column of `own`, so that the aggregate belongs to this query. */
  #aggregate(type: WideType, columns: readonly Column[], own: readonly Column[]): string {
    const mine = own.filter(column => column.type === type);
    const arg = mine.length > 0 ? this.#random.pick(mine).sql : undefined;
    const filter = this.#random.chance(0.2) ? ` FILTER (WHERE ${this.#comparison(own)})` : '';
    const distinct = this.#random.chance(0.2) ? 'DISTINCT ' : '';
    if (type === 'bool') return `${this.#random.pick(['BOOL_AND', 'BOOL_OR'])}(${this.#comparison(own)})${filter}`;
    if (type === 'int' && (arg === undefined || this.#random.chance(0.5)))
      return `${this.#random.pick(['COUNT(*)', `COUNT(${distinct}${this.#random.pick(own).sql})`])}${filter}`;
    if (arg === undefined) return this.#random.pick(LITERALS[type]);
    if (type === 'text' && this.#random.chance(0.4))
      return `STRING_AGG(${distinct}${arg}, ',' ORDER BY ${arg})${filter}`;
    if (this.#random.chance(0.15)) {
      const call = this.#random.pick(['MODE()', 'PERCENTILE_DISC(0.4)', 'PERCENTILE_DISC(1)']);
      return `${call} WITHIN GROUP (ORDER BY ${arg}${this.#random.pick(['', ' DESC'])})${filter}`;
    }
    if (type === 'num' && this.#random.chance(0.2)) return `ROUND(AVG(${distinct}${arg})${filter}, 4)`;
    if (type === 'int' && this.#random.chance(0.2))
      return `${this.#random.pick(['BIT_AND', 'BIT_OR', 'BIT_XOR'])}(${arg})${filter}`;
    const names = type === 'int' || type === 'num' ? ['SUM', 'MIN', 'MAX'] : ['MIN', 'MAX'];
    return columns.length === 0 ? 'NULL' : `${this.#random.pick(names)}(${distinct}${arg})${filter}`;
  }

  /** In an order of all columns, so that peers are equal. */
  #orderedWindow(type: WideType, columns: readonly Column[]): string {
    const same = columns.filter(column => column.type === type);
    const [, ...forms] = this.#random.pick(
      WINDOW_CALLS.filter(call => call[0] === type || (call[0] === 'same' && same.length > 0)),
    );
    const keys = columns.map(column => `${column.sql}${this.#random.pick(['', '', ' DESC', ' NULLS FIRST'])}`);
    const partition = this.#random.chance(0.5) ? `PARTITION BY ${this.#random.pick(columns).sql} ` : '';
    const frame = this.#random.pick([
      '',
      ' ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING',
      ' ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING',
      ' ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW',
    ]);
    const over = ` OVER (${partition}ORDER BY ${keys.join(', ')}${frame})`;
    const form = this.#random.pick(forms).replaceAll('#0', () => this.#random.pick(same).sql);
    return form.includes('#over') ? form.replace(' #over', over) : form + over;
  }

  /** Peers share their frame, so ties make no difference. */
  #window(type: WideType, columns: readonly Column[]): string {
    const hasCalls = WINDOW_CALLS.some(([of]) => of === type) || columns.some(column => column.type === type);
    if (hasCalls && this.#random.chance(0.4)) return this.#orderedWindow(type, columns);
    const keys = [this.#random.pick(columns), this.#random.pick(columns)].map(column => column.sql);
    const partition = this.#random.chance(0.5) ? `PARTITION BY ${this.#random.pick(columns).sql} ` : '';
    const frame = this.#random.pick([
      '',
      '',
      ' RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING',
      ' GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW',
      ' GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE GROUP',
    ]);
    const over = `OVER (${partition}ORDER BY ${keys.join(this.#random.pick([' DESC, ', ', ']))}${frame})`;
    const same = columns.filter(column => column.type === type);
    if (type === 'int') {
      const call = this.#random.pick([
        'RANK()',
        'DENSE_RANK()',
        'COUNT(*)',
        `COUNT(${keys[0]})`,
        `COUNT(*) FILTER (WHERE ${this.#comparison(columns)})`,
        ...(same.length > 0 ? [`SUM(${this.#random.pick(same).sql})`] : []),
      ]);
      return `${call} ${over}`;
    }
    if (type === 'bool') return `BOOL_OR(${this.#comparison(columns)}) ${over}`;
    return same.length === 0
      ? this.#random.pick(LITERALS[type])
      : `${this.#random.pick(['MIN', 'MAX'])}(${this.#random.pick(same).sql}) ${over}`;
  }

  #from(outer: readonly Column[], depth: number): {sql: string; columns: Column[]} {
    let {sql, columns} = this.#item(outer, depth);
    // ON sees what the join joins, not what stands before the comma.
    let joined = columns;
    const joins = this.#random.below(3);
    for (let i = joins; i > 0; i--) {
      const join = this.#random.pick(JOINS.filter(one => one !== 'FULL JOIN' || outer.length === 0));
      if (join.endsWith('LATERAL')) {
        const lateral = this.#derived(this.#types(), [...columns, ...outer], depth);
        const isComma = join === ', LATERAL';
        sql += isComma ? `${join} ${lateral.sql}` : ` ${join} ${lateral.sql} ON TRUE`;
        columns = [...columns, ...lateral.columns];
        joined = isComma ? lateral.columns : [...joined, ...lateral.columns];
        continue;
      }
      const next = this.#item(outer, depth);
      const both = [...joined, ...next.columns];
      const isUsing = sql.startsWith('w.') && i === joins && next.sql.startsWith('w.') && this.#random.chance(0.2);
      if (isUsing && / JOIN$|^JOIN$/.test(join) && join !== 'CROSS JOIN')
        sql += ` ${join} ${next.sql} USING (${this.#random.pick(['id', 'n, t', 'd', 'm, f'])})`;
      else if (join === ',') sql += `, ${next.sql}`;
      else if (join === 'CROSS JOIN') sql += ` CROSS JOIN ${next.sql}`;
      // PostgreSQL joins FULL by equality alone.
      else if (join === 'FULL JOIN') sql += ` FULL JOIN ${next.sql} ON ${this.#equality(joined, next.columns)}`;
      else sql += ` ${join} ${next.sql} ON ${this.#test(both, 0)}`;
      columns = [...columns, ...next.columns];
      joined = join === ',' ? next.columns : both;
    }
    return {sql, columns};
  }

  #equality(left: readonly Column[], right: readonly Column[]): string {
    const mine = left.filter(column => right.some(other => other.type === column.type));
    if (mine.length === 0) return 'TRUE';
    const column = this.#random.pick(mine);
    return `${column.sql} = ${this.#random.pick(right.filter(other => other.type === column.type)).sql}`;
  }

  #item(outer: readonly Column[], depth: number): {sql: string; columns: Column[]} {
    const alias = this.#name();
    if (this.#named.length > 0 && this.#random.chance(0.3)) {
      const {name, types} = this.#random.pick(this.#named);
      return {sql: `${name} AS ${alias}`, columns: types.map((type, i) => ({sql: `${alias}.c${i}`, type}))};
    }
    if (depth > 0 && this.#random.chance(0.25)) return this.#derived(this.#types(), outer, depth);
    if (this.#random.chance(0.08))
      return {
        sql: `generate_series(${this.#random.below(3)}, 3) AS ${alias}(v)`,
        columns: [{sql: `${alias}.v`, type: 'int'}],
      };
    if (this.#random.chance(0.05)) {
      const call = this.#random.pick([
        "STRING_TO_TABLE('a,b,,é', ',')",
        "REGEXP_SPLIT_TO_TABLE('a-b--c', '-+')",
        `JSONB_ARRAY_ELEMENTS_TEXT('["a", 1, null, "ab"]')`,
        'JSONB_OBJECT_KEYS(\'{"a": 1, "ab": 2}\')',
      ]);
      return {sql: `${call} AS ${alias}(v)`, columns: [{sql: `${alias}.v`, type: 'text'}]};
    }
    const columns = TABLE_COLUMNS.map(([name, type]) => ({sql: `${alias}.${name}`, type}));
    return {sql: `w.${this.#random.pick(WIDE_TABLES)} AS ${alias}`, columns};
  }

  #derived(types: readonly WideType[], outer: readonly Column[], depth: number): {sql: string; columns: Column[]} {
    const sql = this.#query(types, outer, depth - 1);
    const alias = this.#name();
    const columns = types.map((type, i) => ({sql: `${alias}.c${i}`, type}));
    return {sql: `(${sql}) AS ${alias}(${types.map((_, i) => `c${i}`).join(', ')})`, columns};
  }

  #expr(type: WideType, columns: readonly Column[], depth: number): string {
    const same = columns.filter(column => column.type === type);
    const leaf = () =>
      same.length > 0 && this.#random.chance(0.8) ? this.#random.pick(same).sql : this.#random.pick(LITERALS[type]);
    if (depth <= 0 || this.#random.chance(0.4)) return leaf();
    switch (this.#random.below(9)) {
      case 6:
      case 7:
      case 8:
        return this.#call(type, columns, depth);
      case 0:
        return `CASE WHEN ${this.#test(columns, depth - 1)} THEN ${this.#expr(type, columns, depth - 1)} ELSE ${leaf()} END`;
      case 1:
        return `COALESCE(${leaf()}, ${this.#expr(type, columns, depth - 1)})`;
      case 2:
        return this.#scalar(type, columns, depth);
      case 3:
        return type === 'int' || type === 'num'
          ? `(${leaf()} ${this.#random.pick(['+', '-'])} ${leaf()})`
          : type === 'text'
            ? `(${leaf()} || ${leaf()})`
            : leaf();
      case 4:
        return type === 'bool' ? this.#test(columns, depth - 1) : `NULLIF(${leaf()}, ${leaf()})`;
      default:
        return leaf();
    }
  }

  #call(type: WideType, columns: readonly Column[], depth: number): string {
    const [, args, ...forms] = this.#random.pick(WIDE_CALLS.filter(call => call[0] === type));
    const values = args.map(arg => this.#expr(arg, columns, depth - 1));
    return this.#random.pick(forms).replace(/#(\d)/g, (_, index) => values[Number(index)]!);
  }

  /** A query of exactly one row. */
  #scalar(type: WideType, outer: readonly Column[], depth: number): string {
    const alias = this.#name();
    const own = TABLE_COLUMNS.map(([name, columnType]) => ({sql: `${alias}.${name}`, type: columnType}));
    return `(SELECT ${this.#aggregate(type, own, own)} FROM w.${this.#random.pick(WIDE_TABLES)} AS ${alias} WHERE ${this.#test([...own, ...outer], depth - 2)})`;
  }

  #comparison(columns: readonly Column[]): string {
    const column = this.#random.pick(columns);
    const other = this.#random.pick([
      ...columns.filter(one => one.type === column.type).map(one => one.sql),
      ...LITERALS[column.type],
    ]);
    return `${column.sql} ${this.#random.pick(['=', '<>', '<', '>=', 'IS DISTINCT FROM'])} ${other}`;
  }

  /** With one row of a query, or with each of them. */
  #rowComparison(columns: readonly Column[], depth: number): string {
    const items = Array.from({length: 2 + this.#random.below(2)}, () => this.#random.pick(columns));
    const left = `(${items.map(item => item.sql).join(', ')}) ${this.#random.pick(['=', '<>', '<', '<=', '>', '>='])}`;
    if (this.#random.chance(0.6))
      return `${left} ${this.#random.pick(['ANY', 'ALL'])} (${this.#query(
        items.map(item => item.type),
        columns,
        depth - 1,
      )})`;
    const alias = this.#name();
    const own = TABLE_COLUMNS.map(([name, type]) => ({sql: `${alias}.${name}`, type}));
    const values = items.map(item => this.#aggregate(item.type, own, own)).join(', ');
    return `${left} (SELECT ${values} FROM w.${this.#random.pick(WIDE_TABLES)} AS ${alias} WHERE ${this.#test([...own, ...columns], depth - 2)})`;
  }

  #test(columns: readonly Column[], depth: number): string {
    if (columns.length === 0) return this.#random.pick(['TRUE', 'FALSE']);
    if (depth <= 0 || this.#random.chance(0.4)) return this.#comparison(columns);
    const not = this.#random.chance(0.3) ? 'NOT ' : '';
    const column = this.#random.pick(columns);
    switch (this.#random.below(8)) {
      case 0:
        return `(${this.#test(columns, depth - 1)} ${this.#random.pick(['AND', 'OR'])} ${this.#test(columns, depth - 1)})`;
      case 1:
        return `${not}EXISTS (${this.#query(this.#types(), columns, depth - 1)})`;
      case 2:
        return `${column.sql} ${not}IN (${this.#query([column.type], columns, depth - 1)})`;
      case 3:
        return `${column.sql} ${this.#random.pick(['=', '<>', '<', '>='])} ${this.#random.pick(['ANY', 'ALL'])} (${this.#query([column.type], columns, depth - 1)})`;
      case 4:
        return `${column.sql} IS ${not}NULL`;
      case 5: {
        const other = this.#random.pick(columns);
        return `(${column.sql}, ${other.sql}) ${not}IN (${this.#query([column.type, other.type], columns, depth - 1)})`;
      }
      case 6:
        return this.#rowComparison(columns, depth);
      default:
        return `(NOT ${this.#test(columns, depth - 1)})`;
    }
  }
}
