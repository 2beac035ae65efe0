/**
 * The text inside a quoted token.
 */

/** `"a""b"` to `a"b`. */
export function nameText(raw: string): string {
  const quote = raw[0]!;
  const inside = raw.slice(1, -1);
  return inside.includes(quote) ? inside.replaceAll(quote + quote, quote) : inside;
}

/** `'it''s'` or `E'it\'s'` to the text meant; undefined for an escape that means no character. */
export function literalText(raw: string): string | undefined {
  if (raw.charCodeAt(0) !== 39) return escapedText(raw.slice(2, -1));
  const inside = raw.slice(1, -1);
  return inside.includes("'") ? inside.replaceAll("''", "'") : inside;
}

const ESCAPES = /''|\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{1,2})|([0-7]{1,3})|([\s\S]))/g;
const LETTERS: Readonly<Record<string, string>> = {b: '\b', f: '\f', n: '\n', r: '\r', t: '\t'};

function escapedText(inside: string): string | undefined {
  let isValid = true;
  const text = inside.replace(ESCAPES, (all, short, long, hex, octal, letter: string | undefined) => {
    if (all === "''") return "'";
    if (letter === 'u' || letter === 'U') isValid = false;
    if (letter !== undefined) return LETTERS[letter] ?? letter;
    const digits: string | undefined = short ?? long ?? hex;
    const code = digits === undefined ? Number.parseInt(octal, 8) : Number.parseInt(digits, 16);
    // A byte above 127 would be half a character, and text never holds NUL.
    const isByte = short === undefined && long === undefined;
    if (code === 0 || code > 0x10ffff || (isByte && code > 127)) {
      isValid = false;
      return '';
    }
    return String.fromCodePoint(code);
  });
  return isValid && text.isWellFormed() ? text : undefined;
}
