/**
 * JSON text: what JSON.parse does not tell of a text: how deep it nests, before it is parsed; and how its numbers were written, after.
 *
 * Law: nothing here decides whether a text is JSON; only JSON.parse does.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Whether brackets outside strings nest deeper. Strings are skipped by searching their end, since a body is mostly one long string. */
export function isDeeper(text: string, depthMax: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at + 1);
        break;
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        if (++depth > depthMax) return true;
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth--;
    }
  }
  return false;
}

/**
 * Source texts of the elements of the array that member `name` of an object holds. `text` is that object, as JSON.parse accepted it. A
 * member given twice counts as JSON.parse counts it: the last one. JSON.parse can tell the same to a reviver, several times slower.
 */
export function elementTexts(text: string, name: string): string[] {
  let found: string[] = [];
  let at = text.indexOf('{') + 1;
  for (;;) {
    at = skipBlanks(text, at);
    if (text.charCodeAt(at) !== QUOTE) return found;
    const end = endOfString(text, at + 1);
    const isWanted = stringOf(text, at, end) === name;
    at = skipBlanks(text, text.indexOf(':', end) + 1);
    const valueEnd = endOfValue(text, at);
    if (isWanted) found = elements(text, at);
    at = skipBlanks(text, valueEnd);
    if (text.charCodeAt(at) !== COMMA) return found;
    at++;
  }
}

function elements(text: string, array: number): string[] {
  const texts: string[] = [];
  if (text.charCodeAt(array) !== OPEN_ARRAY) return texts;
  let at = skipBlanks(text, array + 1);
  while (text.charCodeAt(at) !== CLOSE_ARRAY) {
    const end = endOfValue(text, at);
    texts.push(text.slice(at, end));
    at = skipBlanks(text, end);
    if (text.charCodeAt(at) === COMMA) at = skipBlanks(text, at + 1);
  }
  return texts;
}

/** One past the value that begins at `at`. */
function endOfValue(text: string, at: number): number {
  let depth = 0;
  for (let end = at; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code === QUOTE) {
      end = endOfString(text, end + 1);
      if (depth === 0) return end + 1;
    } else if (code === OPEN_ARRAY || code === OPEN_OBJECT) depth++;
    else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) {
      if (depth === 0) return end;
      if (--depth === 0) return end + 1;
    } else if (depth === 0 && (code === COMMA || isBlank(code))) return end;
  }
  return text.length;
}

/** Position of the closing quote, or the end of the text. */
function endOfString(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH && quote - 1 - backslashes >= from) backslashes++;
    if (backslashes % 2 === 0) return quote;
  }
  return text.length;
}

/** The string whose quotes are at `start` and `end`. */
function stringOf(text: string, start: number, end: number): string {
  const inside = text.slice(start + 1, end);
  return inside.includes('\\') ? (JSON.parse(text.slice(start, end + 1)) as string) : inside;
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (isBlank(text.charCodeAt(at))) at++;
  return at;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}
