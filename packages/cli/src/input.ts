/**
 * Input: what was typed or read from a file, as meta commands and SQL texts.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {splitStatements} from '@kalamdb/server/parser/split.ts';
import {tokenize} from '@kalamdb/server/parser/tokenizer.ts';
import {COMMANDS} from './commands.ts';
import {runSql, type Session} from './session.ts';

/** One meta command or SQL text. False if something in it failed; the rest of the text did not run then. */
export async function run(session: Session, text: string): Promise<boolean> {
  const input = text.trim();
  if (input === '') return true;
  return input.startsWith('\\') ? await runCommand(session, input) : await runSql(session, input);
}

async function runCommand(session: Session, input: string): Promise<boolean> {
  const [, name = '', rest = ''] = /^\\(\S*)\s*([\s\S]*?);?\s*$/.exec(input) ?? [];
  const command = COMMANDS.find(one => one.names.includes(name));
  if (command === undefined) {
    session.writeError(`Unknown command \\${name}. \\? lists them.\n`);
    return false;
  }
  return (await command.run(session, rest.trim(), runScript)) !== false;
}

/** A file: meta commands stand on lines of their own, between statements. Stops at the first failure. */
export async function runScript(session: Session, text: string): Promise<boolean> {
  let buffer = '';
  for (const line of text.split('\n')) {
    buffer = buffer === '' && line.trim() === '' ? '' : `${buffer}${line}\n`;
    if (!isComplete(buffer)) continue;
    const input = buffer;
    buffer = '';
    if (!(await run(session, input))) return false;
    if (session.isOver) return true;
  }
  return await run(session, onlyComments(buffer) ? '' : buffer);
}

/**
 * Is the text ready to be sent: a meta command, or statements of which the last is closed by a semicolon? A transaction lives within one request, so it is
 * ready when it has ended.
 */
export function isComplete(text: string): boolean {
  if (text.trimStart().startsWith('\\')) return true;
  try {
    const {count, kinds} = tokenize(text);
    return count > 0 && kinds[count - 1] === ';'.charCodeAt(0) && !endsInTransaction(text);
  } catch (error) {
    // A string or comment goes on in the next line; of anything else the server says where it is.
    return !(error instanceof DbError && error.code === 'BATCH_PARSE_ERROR');
  }
}

function endsInTransaction(text: string): boolean {
  let isOpen = false;
  for (const statement of splitStatements(text)) {
    if (/^(?:BEGIN|START\s+TRANSACTION)\b/i.test(statement.text)) isOpen = true;
    else if (/^(?:COMMIT|END|ABORT|ROLLBACK(?!(?:\s+(?:WORK|TRANSACTION))?\s+TO\b))\b/i.test(statement.text))
      isOpen = false;
  }
  return isOpen;
}

function onlyComments(text: string): boolean {
  try {
    splitStatements(text);
    return false;
  } catch (error) {
    return error instanceof DbError && error.code === 'EMPTY_SQL';
  }
}
