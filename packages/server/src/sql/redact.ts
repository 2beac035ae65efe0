/**
 * Redact: statement texts as logs, the audit log and error details may show them.
 *
 * Law: what stands behind a word of secrets is masked however it is written: in any kind of string, behind comments, unquoted by mistake. A
 * text that is no SQL is cut at the first such word.
 */
import {ESCAPED_STRING, PARAM, STRING, tokenize} from '../parser/tokenizer.ts';

/** Words of the dialect whose value is a secret, or may hold one. */
const SECRET_WORD = /^(?:CREDENTIALS|CONFIG|PASSWORD|BY)$/i;
const MAY_HOLD_SECRET = /\b(?:CREDENTIALS|CONFIG|PASSWORD|IDENTIFIED)\b/i;
const MASK = "'***'";

export function redactSecrets(sql: string): string {
  const first = MAY_HOLD_SECRET.exec(sql);
  if (first === null) return sql;
  try {
    return maskValues(sql);
  } catch {
    return `${sql.slice(0, first.index)}${first[0]} ${MASK}`;
  }
}

function maskValues(sql: string): string {
  const {kinds, starts, ends, count} = tokenize(sql);
  const wordAt = (i: number) => sql.slice(starts[i], ends[i]);
  let masked = '';
  let from = 0;
  for (let i = 0; i < count; i++) {
    if (!SECRET_WORD.test(wordAt(i)) || (/^by$/i.test(wordAt(i)) && !/^identified$/i.test(wordAt(i - 1)))) continue;
    const value = wordAt(i + 1) === '=' ? i + 2 : i + 1;
    if (value >= count || !isSecretValue(kinds[value]!, wordAt(value))) continue;
    masked += sql.slice(from, starts[value]) + MASK;
    from = ends[value]!;
    i = value;
  }
  return masked + sql.slice(from);
}

/** A word is one that forgot its quotes, but not a clause that follows. */
function isSecretValue(kind: number, text: string): boolean {
  if (kind === STRING || kind === ESCAPED_STRING) return true;
  return (
    kind !== PARAM &&
    /^[\w-]+$/.test(text) &&
    !/^(?:IS|IN|FROM|AS|AND|OR|NOT|LIKE|REVOKE|INTEGER|INT|TEXT|JSON)$/i.test(text)
  );
}
