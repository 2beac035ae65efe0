/**
 * Profile: what DuckDB's operators did, of what it tells of a query that it ran.
 *
 * Law: names, rows and times only. What else an operator tells of itself holds values of rows and paths of files.
 */
export interface ProfiledOperator {
  /** From 0, the one that gives the answer. */
  readonly depth: number;
  readonly name: string;
  readonly rows: number;
  /** Of all threads. */
  readonly ms: number;
}

interface Profiled {
  readonly operator_name?: string;
  readonly operator_cardinality?: number;
  /** Seconds. */
  readonly operator_timing?: number;
  readonly children?: readonly Profiled[];
}

/** Of the JSON of EXPLAIN ANALYZE, each before those that it reads from. */
export function operatorsOf(json: string): ProfiledOperator[] {
  const operators: ProfiledOperator[] = [];
  const stack = below(JSON.parse(json) as Profiled).map(node => ({node, depth: 0}));
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const {node, depth} = next;
    const {operator_name: name = '', operator_cardinality: rows = 0, operator_timing: seconds = 0} = node;
    operators.push({depth, name: name.trim(), rows, ms: seconds * 1000});
    for (const child of (node.children ?? []).toReversed()) stack.push({node: child, depth: depth + 1});
  }
  return operators;
}

/** Those of the query itself: above them stand the statement and its EXPLAIN. */
function below(node: Profiled): readonly Profiled[] {
  const {operator_name: name, children = []} = node;
  return name === undefined || name === 'EXPLAIN_ANALYZE' ? children.flatMap(below) : [node];
}

export function operatorLines(operators: readonly ProfiledOperator[]): string[] {
  return operators.map(
    ({depth, name, rows, ms}) => `${'  '.repeat(depth + 1)}${name}: ${rows} rows, ${ms.toFixed(3)} ms`,
  );
}
