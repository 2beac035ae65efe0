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
    /** `name` upper case. CURRENT_USER, CURRENT_TIMESTAMP, CURRENT_DATE without parentheses are calls too. `COUNT(*)` has isStar. */
    | {
        readonly kind: 'call';
        readonly name: string;
        readonly args: readonly Expr[];
        readonly isStar: boolean;
        readonly isDistinct: boolean;
        readonly filter: Expr | undefined;
      }
    /** EXTRACT(field FROM x) */
    | {readonly kind: 'extract'; readonly field: string; readonly operand: Expr}
    /** Valid SQL that only the analytic executor will run: subqueries, window calls, arrays. `what` names it for NOT_SUPPORTED. */
    | {readonly kind: 'unsupported'; readonly what: string}
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

export interface FromTable extends Node {
  readonly table: TableRef;
  readonly alias: Name | undefined;
}

export interface Select extends Node {
  readonly kind: 'select';
  readonly isDistinct: boolean;
  readonly items: readonly SelectItem[];
  readonly from: FromTable | undefined;
  readonly where: Expr | undefined;
  readonly groupBy: readonly Expr[];
  readonly having: Expr | undefined;
  readonly orderBy: readonly OrderItem[];
  readonly limit: Expr | undefined;
  readonly offset: Expr | undefined;
  /** First wider construct met (joins, CTEs, set operations, windows …): named in NOT_SUPPORTED. The rest may then be missing. */
  readonly wider: {readonly what: string; readonly start: number} | undefined;
}

export interface Insert extends Node {
  readonly kind: 'insert';
  readonly table: TableRef;
  readonly columns: readonly Name[] | undefined;
  /** `'default'` stands for the word DEFAULT. DEFAULT VALUES is one empty row for no columns. Rows may differ in length. */
  readonly rows: readonly (readonly (Expr | 'default')[])[];
  readonly wider: {readonly what: string; readonly start: number} | undefined;
}

export interface Update extends Node {
  readonly kind: 'update';
  readonly table: TableRef;
  readonly alias: Name | undefined;
  readonly set: readonly {readonly column: Name; readonly value: Expr | 'default'}[];
  readonly where: Expr | undefined;
}

export interface Delete extends Node {
  readonly kind: 'delete';
  readonly table: TableRef;
  readonly alias: Name | undefined;
  readonly where: Expr | undefined;
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
