/**
 * Words that cannot be names unless quoted.
 *
 * The sets are PostgreSQL's, with two exceptions: DEFAULT may be a name where only names can stand, because every server has
 * a namespace called so; and USER is an ordinary name, because tables of messages like to have such a column.
 */

/** Not a column, table or alias when unquoted. */
export const RESERVED: ReadonlySet<string> = new Set(
  `ALL ANALYSE ANALYZE AND ANY ARRAY AS ASC ASYMMETRIC BOTH CASE CAST CHECK COLLATE COLUMN CONSTRAINT CREATE CURRENT_CATALOG CURRENT_DATE
  CURRENT_ROLE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DEFAULT DEFERRABLE DESC DISTINCT DO ELSE END EXCEPT FALSE FETCH FOR FOREIGN FROM GRANT
  GROUP HAVING IN INITIALLY INTERSECT INTO LATERAL LEADING LIMIT LOCALTIME LOCALTIMESTAMP NOT NULL OFFSET ON ONLY OR ORDER PLACING PRIMARY
  REFERENCES RETURNING SELECT SESSION_USER SOME SYMMETRIC TABLE THEN TO TRAILING TRUE UNION UNIQUE USING VARIADIC WHEN WHERE WINDOW WITH
  AUTHORIZATION BINARY COLLATION CONCURRENTLY CROSS CURRENT_SCHEMA FREEZE FULL ILIKE INNER IS ISNULL JOIN LEFT LIKE NATURAL NOTNULL OUTER OVERLAPS
  RIGHT SIMILAR TABLESAMPLE VERBOSE`.split(/\s+/),
);

/** Reserved words that may still name a function when `(` follows. */
const RESERVED_FUNCTIONS: ReadonlySet<string> = new Set(['LEFT', 'RIGHT', 'BINARY', 'OVERLAPS']);

/** Words that may name columns and tables, but neither functions nor types. */
export const COLUMNS_ONLY: ReadonlySet<string> = new Set(['BETWEEN', 'INOUT', 'NONE', 'OUT', 'SETOF', 'VALUES']);

/** Whether an unquoted word before `(` is a function. */
export function isFunctionName(word: string): boolean {
  return RESERVED.has(word) ? RESERVED_FUNCTIONS.has(word) : !COLUMNS_ONLY.has(word);
}

/** Words that never are a select item's alias without AS: they begin what may follow the item. */
export const NOT_BARE_ALIASES: ReadonlySet<string> = new Set(
  `ARRAY AS CHAR CHARACTER CREATE DAY EXCEPT FETCH FILTER FOR FROM GRANT GROUP HAVING HOUR INTERSECT INTO ISNULL LIMIT MINUTE MONTH NOTNULL
  OFFSET ON ORDER OVER OVERLAPS PRECISION QUALIFY RETURNING SECOND TO UNION VARYING WHERE WINDOW WITH WITHIN WITHOUT YEAR`.split(
    /\s+/,
  ),
);

/** Calls that are written without parentheses, or with empty ones. */
export const BARE_CALLS: ReadonlySet<string> = new Set(
  `CURRENT_CATALOG CURRENT_DATE CURRENT_ROLE CURRENT_SCHEMA CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER LOCALTIME LOCALTIMESTAMP
  SESSION_USER`.split(/\s+/),
);
