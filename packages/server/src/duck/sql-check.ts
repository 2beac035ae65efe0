/**
 * SQL check: whether a text is one SELECT that reads nothing but the relations it was given.
 *
 * DuckDB's own parser makes the tree (`json_serialize_sql`), so what is checked is what would run. The SQL is made by us; this is the
 * second look, for the day that the first one was wrong. Pure: the tree comes in as JSON.
 *
 * Laws: what is not known is refused. A table name is a relation or a WITH query, and cannot be the name of a file. Functions in FROM are on
 * the list.
 */

const TABLE_FUNCTIONS: ReadonlySet<string> = new Set(['generate_series', 'range', 'unnest']);

/** Types of everything in a tree that is no expression: query nodes, tables, modifiers, order, facts of a type. */
const KNOWN_TYPES: ReadonlySet<string> = new Set([
  ...['SELECT_NODE', 'SET_OPERATION_NODE', 'RECURSIVE_CTE_NODE', 'CTE_NODE'],
  ...['BASE_TABLE', 'SUBQUERY', 'JOIN', 'TABLE_FUNCTION', 'EXPRESSION_LIST', 'EMPTY'],
  ...['LIMIT_MODIFIER', 'ORDER_MODIFIER', 'DISTINCT_MODIFIER'],
  ...['ORDER_DEFAULT', 'ASCENDING', 'DESCENDING'],
  ...['DECIMAL_TYPE_INFO', 'STRING_TYPE_INFO', 'LIST_TYPE_INFO', 'UNBOUND_TYPE_INFO'],
]);

/** `./\:*?[` make a name one of a file, which DuckDB would read in place of a table that does not exist. */
const MAY_BE_FILE = /[./\\:*?[]/;

export interface CheckedSql {
  /** Lower case; of everything that is read. */
  readonly tables: ReadonlySet<string>;
  /** Lower case; of WITH queries. */
  readonly queries: ReadonlySet<string>;
}

/** Of what `json_serialize_sql` answered. Throws a plain Error that says what is refused. */
export function checkTree(json: string): CheckedSql {
  const tree = JSON.parse(json) as {error: boolean; error_message?: string; statements?: unknown[]};
  if (tree.error || tree.statements === undefined) throw new Error(`Not one SELECT: ${tree.error_message ?? ''}`);
  if (tree.statements.length !== 1) throw new Error(`${tree.statements.length} statements in place of one.`);
  const tables = new Set<string>();
  const queries = new Set<string>();
  walk(tree.statements[0], tables, queries);
  return {tables, queries};
}

/** Throws a plain Error if the SQL reads what is neither among `relations` nor one of its WITH queries. */
export function checkTables({tables, queries}: CheckedSql, relations: readonly string[]): void {
  const known = new Set(relations.map(name => name.toLowerCase()));
  const unknown = [...tables].find(name => !known.has(name) && !queries.has(name));
  if (unknown !== undefined) throw new Error(`There is no relation ${unknown}.`);
}

type Node = {readonly [key: string]: unknown};

function walk(root: unknown, tables: Set<string>, queries: Set<string>): void {
  const open: object[] = [root as object];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (!Array.isArray(node)) look(node as Node, tables, queries);
    for (const value of Object.values(node)) {
      if (typeof value === 'object' && value !== null) open.push(value);
    }
  }
}

function look(node: Node, tables: Set<string>, queries: Set<string>): void {
  const {type} = node;
  for (const entry of cteEntries(node)) queries.add(plainName(entry));
  if (typeof type !== 'string' || 'class' in node) return;
  if (!KNOWN_TYPES.has(type)) throw new Error(`${type} is not known.`);
  if (type === 'BASE_TABLE') {
    if (node['schema_name'] || node['catalog_name']) throw new Error('A table is named without its schema.');
    tables.add(plainName(node['table_name']));
  }
  if (type === 'TABLE_FUNCTION') {
    const name = (node['function'] as Node | undefined)?.['function_name'];
    if (typeof name !== 'string' || !TABLE_FUNCTIONS.has(name))
      throw new Error(`The table function ${name} is not allowed.`);
  }
}

/** `cte_map` lists the WITH queries of a node. */
function cteEntries(node: Node): unknown[] {
  const map = (node['cte_map'] as Node | undefined)?.['map'];
  return Array.isArray(map) ? map.map(entry => (entry as Node)['key']) : [];
}

function plainName(name: unknown): string {
  if (typeof name !== 'string' || MAY_BE_FILE.test(name)) throw new Error(`A table is named ${JSON.stringify(name)}.`);
  return name.toLowerCase();
}
