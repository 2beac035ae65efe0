/**
 * Statement doc: what the reference tells of a statement. It stands beside the statement, `scripts/docs.ts` writes it, and a test runs every example,
 * as an admin, over the tables of `EXAMPLE_TABLES`.
 */
export interface StatementDoc {
  readonly topic: StatementTopic;
  /** Lines. `[x]` may be left out, `{a | b}` is a choice, `…` may come again; small words stand for what the writer puts there. */
  readonly syntax: string | readonly string[];
  /** A sentence or two. */
  readonly about: string;
  /** Statements of one request. Paths below `/srv` are replaced when it is tested. */
  readonly example: string | readonly string[];
  /** The example is refused, with a message that holds this text. */
  readonly fails?: string;
}

/** Topics in the order of the reference. */
export const STATEMENT_TOPICS = [
  'Queries',
  'Rows',
  'Transactions',
  'Namespaces',
  'Tables',
  'Views',
  'Live queries',
  'Accounts',
  'Settings',
  'Flush and compaction',
  'Storages',
  'Jobs',
  'Cluster',
] as const;
export type StatementTopic = (typeof STATEMENT_TOPICS)[number];

/** What the examples find. */
export const EXAMPLE_TABLES = [
  'CREATE NAMESPACE shop',
  'CREATE SHARED TABLE shop.items (id INT PRIMARY KEY, name TEXT, price DECIMAL(10,2))',
  'CREATE USER TABLE shop.orders (id BIGINT PRIMARY KEY DEFAULT SNOWFLAKE_ID(), item INT, pieces INT)',
  "INSERT INTO shop.items VALUES (1, 'apple', 0.40), (2, 'pear', 0.55)",
  'INSERT INTO shop.orders (item, pieces) VALUES (1, 3), (1, 4), (2, 1)',
] as const;

export function linesOf(text: string | readonly string[]): readonly string[] {
  return typeof text === 'string' ? [text] : text;
}
