/**
 * LIKE: a pattern compiled once, matched without backtracking into more than one `%`.
 *
 * The pattern is split at `%` into pieces; each piece but the first and last is found at its leftmost place after the one before,
 * which is always right for LIKE. Cost: O(text × longest piece). `_` stands for one code point.
 */
import {fail} from '@kalamdb/protocol/errors.ts';

/** One character of a pattern; null is `_`. */
type Piece = readonly (string | null)[];

export function likeMatcher(
  pattern: string,
  escaper: string | undefined,
  isCaseless: boolean,
): (text: string) => boolean {
  const pieces = splitPattern(isCaseless ? fold(pattern) : pattern, escaper ?? '\\');
  const plain = pieces.map(piece => (piece.includes(null) ? undefined : piece.join('')));
  const match = plain.every(piece => piece !== undefined) ? plainMatcher(plain) : pieceMatcher(pieces);
  return isCaseless ? text => match(fold(text)) : match;
}

function fold(text: string): string {
  return text.toLowerCase();
}

function splitPattern(pattern: string, escaper: string): Piece[] {
  if ([...escaper].length > 1) throw fail.execution('invalid escape string: it must be empty or one character');
  const pieces: (string | null)[][] = [[]];
  const characters = [...pattern];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    if (character === escaper) {
      if (++i >= characters.length) throw fail.execution('LIKE pattern must not end with escaper character');
      pieces.at(-1)!.push(characters[i]!);
    } else if (character === '%') pieces.push([]);
    else pieces.at(-1)!.push(character === '_' ? null : character);
  }
  return pieces;
}

function plainMatcher(pieces: readonly string[]): (text: string) => boolean {
  const [first, last] = [pieces[0]!, pieces.at(-1)!];
  if (pieces.length === 1) return text => text === first;
  const middle = pieces.slice(1, -1).filter(piece => piece !== '');
  return text => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let at = first.length;
    for (const piece of middle) {
      const found = text.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return at <= end;
  };
}

function pieceMatcher(pieces: readonly Piece[]): (text: string) => boolean {
  const [first, last] = [pieces[0]!, pieces.at(-1)!];
  return text => {
    const characters = [...text];
    if (!matchesAt(characters, 0, first)) return false;
    if (pieces.length === 1) return characters.length === first.length;
    const end = characters.length - last.length;
    let at = first.length;
    for (let i = 1; i < pieces.length - 1; i++) {
      const piece = pieces[i]!;
      while (at + piece.length <= end && !matchesAt(characters, at, piece)) at++;
      at += piece.length;
      if (at > end) return false;
    }
    return at <= end && matchesAt(characters, end, last);
  };
}

function matchesAt(characters: readonly string[], at: number, piece: Piece): boolean {
  if (at < 0 || at + piece.length > characters.length) return false;
  for (let i = 0; i < piece.length; i++) if (piece[i] !== null && piece[i] !== characters[at + i]) return false;
  return true;
}
