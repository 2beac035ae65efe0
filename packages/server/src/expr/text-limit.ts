/** Text limit: no expression makes a text longer than this, whichever operator, function or aggregate makes it. */
import {type DbError, fail} from '@kalamdb/protocol/errors.ts';

export const TEXT_CHARACTERS_MAX = 16 * 1024 * 1024;

export function tooLong(): DbError {
  return fail.execution('the text is longer than 16 MB');
}

/** The text, if it is not too long. */
export function bounded(text: string): string {
  if (text.length > TEXT_CHARACTERS_MAX) throw tooLong();
  return text;
}
