/**
 * The syntax tree. Every node knows where it stands in the statement's text: `start` and `end` in UTF-16 units.
 *
 * Names are folded to lower case unless they were quoted as an alias. Literals keep their text, so that nothing loses digits.
 */
export interface Node {
  readonly start: number;
  readonly end: number;
}

export interface Name extends Node {
  /** Folded to lower case, quoted or not (identifiers of this dialect are case-insensitive). */
  readonly name: string;
  /** As written, without quotes; used for aliases. */
  readonly text: string;
  readonly isQuoted: boolean;
}

/** `[namespace.]table` */
export interface TableRef extends Node {
  readonly namespace: Name | undefined;
  readonly table: Name;
}

/** `and` and `or` stand in `logic` nodes only. */
export type BinaryOperator =
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '||'
  | '='
  | '<>'
  | '<'
  | '<='
  | '>'
  | '>='
  | 'and'
  | 'or'
  | '->'
  | '->>'
  | '?';
export type UnaryOperator = '-' | '+' | 'not';

export interface TypeRef extends Node {
  /** Upper case words as written, joined by one space: `DOUBLE PRECISION`, `TIMESTAMP WITH TIME ZONE`. */
  readonly name: string;
  /** Arguments in parentheses, as written. */
  readonly args: readonly string[];
  /** `INT[]`, which only casts take. */
  readonly isArray?: true;
}

export type Expr = Node &
  (
    | {readonly kind: 'null'}
    | {readonly kind: 'boolean'; readonly value: boolean}
    /** Unsigned, digits kept as written; a point has digits on both sides (`.5` is `0.5`). Perhaps with an exponent. */
    | {readonly kind: 'number'; readonly text: string}
    | {readonly kind: 'string'; readonly value: string}
    /** X'01FF' */
    | {readonly kind: 'bytes'; readonly hex: string}
    /** DATE '…', TIMESTAMP '…', UUID '…': a cast of a string literal. */
    | {readonly kind: 'typed'; readonly type: TypeRef; readonly value: string}
    /** $n, from 1 */
    | {readonly kind: 'param'; readonly index: number}
    /** `c`, `t.c`, `ns.t.c`: `qualifier` holds what stands before the column. */
    | {readonly kind: 'column'; readonly qualifier: readonly Name[]; readonly column: Name}
    | {readonly kind: 'unary'; readonly op: UnaryOperator; readonly operand: Expr}
    | {readonly kind: 'binary'; readonly op: BinaryOperator; readonly left: Expr; readonly right: Expr}
    /** `a and b and c …` of one operator, flat, so that 10,000 terms are no depth; also chains of + - || of left-nested binaries stay loops. */
    | {readonly kind: 'logic'; readonly op: 'and' | 'or'; readonly terms: readonly Expr[]}
    | {readonly kind: 'isNull'; readonly operand: Expr; readonly isNegated: boolean}
    | {readonly kind: 'isBoolean'; readonly operand: Expr; readonly value: boolean | null; readonly isNegated: boolean}
    | {readonly kind: 'isDistinct'; readonly left: Expr; readonly right: Expr; readonly isNegated: boolean}
    | {readonly kind: 'in'; readonly operand: Expr; readonly list: readonly Expr[]; readonly isNegated: boolean}
    | {
        readonly kind: 'between';
        readonly operand: Expr;
        readonly low: Expr;
        readonly high: Expr;
        readonly isNegated: boolean;
      }
    | {
        readonly kind: 'like';
        readonly operand: Expr;
        readonly pattern: Expr;
        readonly escape: Expr | undefined;
        readonly isCaseless: boolean;
        readonly isNegated: boolean;
      }
    | {
        readonly kind: 'case';
        readonly operand: Expr | undefined;
        readonly branches: readonly {readonly when: Expr; readonly then: Expr}[];
        readonly otherwise: Expr | undefined;
      }
    | {readonly kind: 'cast'; readonly operand: Expr; readonly type: TypeRef; readonly isTry: boolean}
    | Call
    /** EXTRACT(field FROM x) */
    | {readonly kind: 'extract'; readonly field: string; readonly operand: Expr}
    /** `call` is a window function or an aggregate, `over` the name of a window or its definition. */
    | {
        readonly kind: 'window';
        readonly call: Call;
        readonly over: Name | WindowSpec;
        /** IGNORE NULLS; RESPECT NULLS is what holds without it. */
        readonly ignoresNulls: boolean;
      }
    /** A query in brackets as a value. */
    | {readonly kind: 'subquery'; readonly query: Query}
    | {readonly kind: 'exists'; readonly query: Query}
    | {readonly kind: 'inQuery'; readonly operand: Expr; readonly query: Query; readonly isNegated: boolean}
    /** `left op ANY (query)`, where SOME is ANY; `op` is a comparison. */
    | {
        readonly kind: 'quantified';
        readonly op: BinaryOperator;
        readonly quantifier: 'any' | 'all';
        readonly left: Expr;
        readonly query: Query;
      }
    /**
     * `(a, b)` or `ROW(a)`. Comparisons between rows are already spelled out as `logic`; what stays is the left side of `inQuery` and
     * `quantified`, and rows that nothing can take.
     */
    | {readonly kind: 'row'; readonly items: readonly Expr[]}
  );

/** `name` upper case. CURRENT_USER, CURRENT_TIMESTAMP, CURRENT_DATE without parentheses are calls too. `COUNT(*)` has isStar. */
export type Call = Node & {
  readonly kind: 'call';
  readonly name: string;
  readonly args: readonly Expr[];
  readonly isStar: boolean;
  readonly isDistinct: boolean;
  /** Of an aggregate: `STRING_AGG(x, ',' ORDER BY y)`. */
  readonly orderBy: readonly OrderItem[];
  readonly filter: Expr | undefined;
};

export interface WindowSpec extends Node {
  /** The window that this one refines. */
  readonly base: Name | undefined;
  readonly partitionBy: readonly Expr[];
  readonly orderBy: readonly OrderItem[];
  readonly frame: Frame | undefined;
}

/** Never from behind its own end. */
export interface Frame extends Node {
  readonly unit: 'rows' | 'range' | 'groups';
  readonly from: FrameBound;
  /** undefined: the current row. */
  readonly to: FrameBound | undefined;
  readonly exclude: 'currentRow' | 'group' | 'ties' | undefined;
}

export type FrameBound = Node &
  (
    | {readonly kind: 'unboundedPreceding' | 'currentRow' | 'unboundedFollowing'}
    | {readonly kind: 'preceding' | 'following'; readonly offset: Expr}
  );

export type SelectItem = Node &
  (
    | {readonly kind: 'star'; readonly qualifier: readonly Name[]}
    | {readonly kind: 'expr'; readonly expr: Expr; readonly alias: Name | undefined}
  );

export interface OrderItem extends Node {
  readonly expr: Expr;
  readonly isDescending: boolean;
  /** undefined: NULLS LAST for ASC, NULLS FIRST for DESC. */
  readonly nulls: 'first' | 'last' | undefined;
}

/** What stands wherever a query may stand. Brackets around a query leave no node: its own clauses say where it ends. */
export type Query = Select | SetQuery | ValuesQuery;

/** What may stand behind any query; `isWithTies` is FETCH … WITH TIES, and then `orderBy` is not empty. */
interface QueryBase extends Node {
  readonly with: With | undefined;
  readonly orderBy: readonly OrderItem[];
  readonly limit: Expr | undefined;
  readonly offset: Expr | undefined;
  readonly isWithTies: boolean;
}

export interface With extends Node {
  readonly isRecursive: boolean;
  readonly tables: readonly WithTable[];
}

export interface WithTable extends Node {
  readonly name: Name;
  /** Empty: the names of the query's own columns. */
  readonly columns: readonly Name[];
  readonly query: Query;
  /** [NOT] MATERIALIZED; undefined when neither is said. */
  readonly materialized: boolean | undefined;
}

/** `TABLE t` is `SELECT * FROM t`. */
export interface Select extends QueryBase {
  readonly kind: 'select';
  /** SELECT DISTINCT; DISTINCT ON is in `distinctOn` alone. */
  readonly isDistinct: boolean;
  readonly distinctOn: readonly Expr[];
  readonly items: readonly SelectItem[];
  /** The list behind FROM; empty without one. */
  readonly from: readonly FromItem[];
  readonly where: Expr | undefined;
  readonly groupBy: readonly GroupItem[];
  readonly having: Expr | undefined;
  readonly windows: readonly {readonly name: Name; readonly spec: WindowSpec}[];
  readonly qualify: Expr | undefined;
}

/** Left-nested chains of one precedence; INTERSECT binds tighter than the others. */
export interface SetQuery extends QueryBase {
  readonly kind: 'set';
  readonly op: 'union' | 'except' | 'intersect';
  readonly isAll: boolean;
  readonly left: Query;
  readonly right: Query;
}

export interface ValuesQuery extends QueryBase {
  readonly kind: 'values';
  /** All of one length. */
  readonly rows: readonly (readonly Expr[])[];
}

export type FromItem = FromTable | FromQuery | FromFunction | Join;

export interface FromTable extends Node {
  readonly kind: 'table';
  readonly table: TableRef;
  readonly alias: Name | undefined;
  /** New names of the first columns; only with an alias. */
  readonly columnAliases: readonly Name[];
}

export interface FromQuery extends Node {
  readonly kind: 'query';
  readonly query: Query;
  readonly alias: Name | undefined;
  readonly columnAliases: readonly Name[];
  readonly isLateral: boolean;
}

/** `generate_series(1, 3) WITH ORDINALITY AS g (n, place)` */
export interface FromFunction extends Node {
  readonly kind: 'function';
  readonly call: Call;
  readonly alias: Name | undefined;
  readonly columnAliases: readonly Name[];
  readonly isLateral: boolean;
  readonly hasOrdinality: boolean;
}

/** Left-nested chains. One of `on`, `using` and `isNatural`, unless the kind is cross. */
export interface Join extends Node {
  readonly kind: 'join';
  readonly join: 'inner' | 'left' | 'right' | 'full' | 'cross';
  readonly isNatural: boolean;
  readonly left: FromItem;
  readonly right: FromItem;
  readonly on: Expr | undefined;
  readonly using: readonly Name[];
}

/** Nested GROUPING SETS are flat, those of ROLLUP and CUBE inside are written out; `()` is one empty set. */
export type GroupItem =
  | Expr
  /** Each set is one step: `ROLLUP (a, (b, c))` has [a] and [b, c]. */
  | (Node & {readonly kind: 'rollup' | 'cube' | 'groupingSets'; readonly sets: readonly (readonly Expr[])[]});

export interface Assignment {
  readonly column: Name;
  readonly value: Expr | 'default';
}

/** `(a, b) = (query)`: the columns of the one row that it gives. */
export interface RowAssignment {
  readonly columns: readonly Name[];
  readonly value: Extract<Expr, {kind: 'subquery'}>;
}

/** What SET says, in two parts: no column stands in both, so their order says nothing. */
export interface SetClause {
  readonly set: readonly Assignment[];
  readonly setRows: readonly RowAssignment[];
}

export interface Insert extends Node {
  readonly kind: 'insert';
  readonly with: With | undefined;
  readonly table: TableRef;
  readonly alias: Name | undefined;
  readonly columns: readonly Name[] | undefined;
  /** `'default'` stands for the word DEFAULT. DEFAULT VALUES is one empty row for no columns. Rows may differ in length. */
  readonly rows: readonly (readonly (Expr | 'default')[])[];
  /** INSERT … SELECT: what stands in place of VALUES; then there are no rows. */
  readonly query: Query | undefined;
  readonly onConflict: OnConflict | undefined;
  /** Empty without RETURNING. */
  readonly returning: readonly SelectItem[];
}

export interface OnConflict extends Node {
  /** The columns in brackets; empty: any key. */
  readonly target: readonly Name[];
  /** undefined: DO NOTHING. */
  readonly update: (SetClause & {readonly where: Expr | undefined}) | undefined;
}

export interface Update extends Node, SetClause {
  readonly kind: 'update';
  readonly with: With | undefined;
  readonly table: TableRef;
  readonly alias: Name | undefined;
  /** Empty without FROM. */
  readonly from: readonly FromItem[];
  readonly where: Expr | undefined;
  readonly returning: readonly SelectItem[];
}

export interface Delete extends Node {
  readonly kind: 'delete';
  readonly with: With | undefined;
  readonly table: TableRef;
  readonly alias: Name | undefined;
  /** What stands behind USING. */
  readonly from: readonly FromItem[];
  readonly where: Expr | undefined;
  readonly returning: readonly SelectItem[];
}

/** `WITH x AS (DELETE …), y AS (query) INSERT …`: changes of rows inside of WITH, each with the queries of it that stand before it. */
export interface ChangingWith extends Node {
  readonly kind: 'changingWith';
  readonly changes: readonly WithChange[];
  readonly last: Query | Insert | Update | Delete;
}

export interface WithChange extends Node {
  readonly name: Name;
  /** Empty: the names of what RETURNING shows. */
  readonly columns: readonly Name[];
  readonly change: Insert | Update | Delete;
}

export interface ColumnDef extends Node {
  readonly name: Name;
  readonly type: TypeRef;
  readonly isPrimaryKey: boolean;
  readonly isNotNull: boolean;
  readonly isExplicitNull: boolean;
  readonly default: Expr | undefined;
  /** AUTO_INCREMENT, IDENTITY or a SERIAL type: shorthand for DEFAULT SNOWFLAKE_ID(). */
  readonly isAutoIncrement: boolean;
  readonly isUnique: boolean;
}

/** `KEY = value` of WITH (…) and its like. Key upper case; value as text without quotes. */
export interface OptionItem extends Node {
  readonly key: string;
  readonly value: string;
  readonly isQuoted: boolean;
}
