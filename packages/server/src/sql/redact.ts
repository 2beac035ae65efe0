/** Redact: statement texts as logs and error details may show them. */

/** Words of the dialect whose quoted value is a secret, or may hold one. */
const SECRET_CLAUSE = /\b(CREDENTIALS|CONFIG|PASSWORD|IDENTIFIED\s+BY)(\s*=?\s*)[eE]?'(?:[^']|'')*(?:'|$)/gi;

export function redactSecrets(sql: string): string {
  return sql.replace(SECRET_CLAUSE, "$1$2'***'");
}
