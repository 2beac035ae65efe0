/** Near names: what somebody may have meant who wrote a name that does not exist. */

/** Names that differ by a letter or two, at most three of them. */
export function nearNames(name: string, candidates: Iterable<string>): string[] {
  // Every short name is near every other.
  const distance = name.length < 3 ? 0 : name.length < 4 ? 1 : 2;
  const near = [...new Set(candidates)].map(candidate => ({candidate, by: editDistance(candidate, name)}));
  return near
    .filter(({by}) => by <= distance)
    .toSorted((a, b) => a.by - b.by)
    .map(({candidate}) => candidate);
}

/** A sentence behind an error, or nothing. */
export function didYouMean(names: readonly string[]): string {
  return names.length > 0 ? ` Did you mean ${names.slice(0, 3).join(', ')}?` : '';
}

/** Levenshtein distance; names longer than 64 characters are never near. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2 || a.length > 64 || b.length > 64) return 3;
  let previous = Array.from({length: b.length + 1}, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(change, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
