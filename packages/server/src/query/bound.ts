/**
 * Bound: a query whose names and types are settled, ready to be written as SQL for DuckDB, and what is noted while it is bound.
 *
 * Nothing that a person wrote stands in that SQL but the names of table columns, quoted: every source is `s1`, `s2` … and every column of a query
 * `c0`, `c1` …, numbered through the whole statement, so that no name is ever hidden by another one.
 */
import type {ColumnFlag} from '@kalamdb/protocol/values.ts';
import {castTo, settled} from '../expr/coerce.ts';
import {castSql, sqlOf} from '../expr/duck-forms.ts';
import type {ColumnScope, Env, Eval, Source, SqlWriter, TypedExpr} from '../expr/expr.ts';
import type {KeyFacts} from '../expr/key-range.ts';
import type {DataType} from '../model/datatype.ts';
import type {Schema} from '../model/schema.ts';
import type {View} from '../model/view.ts';
import type {Node, TableRef} from '../parser/ast.ts';
import type {PlanOptions} from './plan.ts';

export interface Output {
  readonly name: string;
  /** Literals and parameters are open: what reads the query decides their type. */
  readonly typed: TypedExpr;
  readonly flags?: readonly ColumnFlag[] | undefined;
}

export interface BoundQuery {
  readonly outputs: readonly Output[];
  readonly limit: Eval | undefined;
  readonly offset: Eval | undefined;
  /** One SELECT with columns c0, c1 … of these types. With `window` instead of its own LIMIT and OFFSET. */
  sql(out: SqlWriter, types: readonly DataType[], window?: RowWindow): string;
}

export interface RowWindow {
  readonly skip: number;
  /** Infinity: all. */
  readonly take: number;
}

/** One place where a statement names a table. */
export interface TableUse {
  readonly ref: TableRef;
  readonly schema: Schema;
  /** Schema indexes of the columns that are read, system columns among them. Grows while SQL is written. */
  readonly columns: Set<number>;
  includeTombstones: boolean;
  /** What the query's WHERE says about this table. */
  facts: ((env: Env) => KeyFacts) | undefined;
  /** Name of the view that holds its rows. */
  relation: string;
}

/**
 * Queries of WITH clauses that are visible somewhere, the nearest first; a fence keeps recursive ones from being seen behind it. Names that are not
 * visible here, though a writer might think so, stand among them with the reason.
 */
export type WithNames =
  | {readonly kind: 'table'; readonly table: WithBinding; readonly next: WithNames | undefined}
  | {readonly kind: 'fence'; readonly what: string; readonly next: WithNames | undefined}
  | {readonly kind: 'unseen'; readonly name: string; readonly why: string; readonly next: WithNames | undefined};

export interface WithBinding {
  readonly name: string;
  /** In the generated SQL. */
  readonly sqlName: string;
  /** undefined: its own first term is still being bound. */
  columns: readonly {readonly name: string; readonly type: DataType}[] | undefined;
  /** While the recursive term is bound: how often it named itself. */
  recursion: {uses: number} | undefined;
  /** How often others name it. */
  uses: number;
}

/** Where a query stands: what it sees of the queries around it. */
export interface Place {
  readonly outer: ColumnScope | undefined;
  readonly names: WithNames | undefined;
  /** What stands left of it in FROM, and would be seen after LATERAL. */
  readonly beside?: readonly Source[];
}

/** Throws that there is no such table, with the hint behind it. */
export type TableOf = (ref: TableRef, hint: string) => Schema | View;

export interface ViewUse {
  readonly ref: TableRef;
  readonly view: View;
}

/** A part of a query's text, and how to write it so that it means the same wherever and whenever it is read. */
export interface Lasting {
  readonly node: Node;
  readonly text: string;
}

export class Binder {
  /** The statement, for line and column of errors. */
  readonly text: string;
  readonly paramTypes: readonly (DataType | undefined)[];
  readonly uses: TableUse[] = [];
  readonly views: ViewUse[] = [];
  /** Names of the views around what is being bound, the outermost first. */
  readonly viewPath: string[];
  /** Of a query that is to be a view: its tables without a namespace, and its `*`. */
  readonly lasting: Lasting[] = [];
  readonly #isView: boolean;
  readonly #tableOf: TableOf;
  #last = 0;

  /** `view`: the name of the view that the query is to be. */
  constructor({text = '', paramTypes = []}: PlanOptions, tableOf: TableOf, view?: string) {
    this.text = text;
    this.viewPath = view === undefined ? [] : [view];
    this.#isView = view !== undefined;
    this.paramTypes = paramTypes;
    this.#tableOf = tableOf;
  }

  /** Of expressions without columns. */
  get nowhere(): ColumnScope {
    return {sources: [], text: this.text, paramTypes: this.paramTypes};
  }

  /** A new name such as `s7`. */
  name(prefix: string): string {
    return `${prefix}${++this.#last}`;
  }

  /** What stands inside of other views lasts already. */
  noteLasting(node: Node, text: () => string): void {
    if (this.#isView && this.viewPath.length === 1) this.lasting.push({node, text: text()});
  }

  /** `hint` is told if there is no such table. */
  use(ref: TableRef, hint: string): TableUse | ViewUse {
    const found = this.#tableOf(ref, hint);
    const {namespace, table} = found.name;
    if (ref.namespace === undefined) this.noteLasting(ref, () => `${quoted(namespace)}.${quoted(table)}`);
    if (found.kind === 'view') {
      const view = {ref, view: found};
      this.views.push(view);
      return view;
    }
    const use: TableUse = {
      ref,
      schema: found,
      columns: new Set(),
      includeTombstones: false,
      facts: undefined,
      relation: '',
    };
    this.uses.push(use);
    return use;
  }
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The types of outputs that nobody else decides. */
export function outputTypes(query: BoundQuery, binder: Binder): DataType[] {
  return query.outputs.map(({typed}) => settled(typed, binder.nowhere).type);
}

/** A column of generated SQL as an expression. */
export function sqlColumn(type: DataType, sql: string): TypedExpr {
  return {type, eval: neverRun, constant: undefined, sql: () => sql};
}

/** Stands where only DuckDB evaluates. */
export function neverRun(): never {
  throw new TypeError('an expression of generated SQL has no value here');
}

/** The list behind SELECT: as many columns as there are types. */
export function selectList(outputs: readonly Output[], types: readonly DataType[], out: SqlWriter): string {
  if (types.length === 0) return 'NULL AS "c0"';
  return types.map((type, i) => `${castSql(sqlOf(castTo(outputs[i]!.typed, type), out), type)} AS "c${i}"`).join(', ');
}
