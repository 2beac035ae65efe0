/**
 * Ranks: imports only go down.
 *
 * Each folder of the server has a rank; a file imports only from its own folder and from folders of lower rank. Folders of equal rank
 * never import each other. `model` may be imported by all, and the contracts in CONTRACTS as types by folders of the same rank or lower.
 * ScopeKey, a place without authority, stays below the query doors. The protocol imports nothing; no package imports another's inside.
 *
 *     node scripts/ranks.ts [root]
 */
import {posix} from 'node:path';
import {codeOf, isSource, isTest, readTree, report, type SourceFile} from './tree.ts';

const RANKS: Record<string, number> = {
  std: 0,
  model: 1,
  parser: 2,
  log: 2,
  blob: 2,
  duck: 2,
  expr: 3,
  hot: 3,
  cold: 3,
  table: 4,
  system: 5,
  catalog: 6,
  query: 7,
  auth: 8,
  live: 8,
  topics: 8,
  jobs: 9,
  sql: 10,
  http: 11,
};
const ROOT_RANK = 12;
const SERVER = 'packages/server/src/';
const CONTRACTS = new Set(['packages/server/src/hot/hot.ts', 'packages/server/src/cold/cold.ts']);
const WITHOUT_SCOPE_KEY = new Set(['query', 'sql', 'http', 'live']);

interface Import {
  readonly target: string;
  readonly isType: boolean;
}

/** One sentence per broken rule. Tests are free: they build whatever they need. */
export function checkRanks(files: readonly SourceFile[]): string[] {
  return files.filter(({path}) => isSource(path) && path.startsWith('packages/') && !isTest(path)).flatMap(checkFile);
}

function checkFile({path, text}: SourceFile): string[] {
  const problems = importsOf(text).flatMap(({target, isType}) => {
    const problem = target.startsWith('.')
      ? checkRelative(path, posix.join(posix.dirname(path), target), isType)
      : checkPackage(path, target);
    return problem === undefined ? [] : [`${path} imports ${target}: ${problem}`];
  });
  const folder = folderOf(path);
  if (path.startsWith(SERVER) && folder === undefined)
    problems.push(`${path}: its folder has no rank; give it one in scripts/ranks.ts`);
  if (WITHOUT_SCOPE_KEY.has(folder ?? '') && /\bScopeKey\b/.test(codeOf(text))) {
    problems.push(`${path} names ScopeKey, which is without authority: ${folder}/ works with Scope`);
  }
  return problems;
}

const IMPORT = /(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:([^'";]*?)\s+from\s+)?'([^'\n]+)'|\bimport\(\s*'([^'\n]+)'/g;

function importsOf(text: string): Import[] {
  return [...text.matchAll(IMPORT)].map(([, type, names, from, lazy]) => ({
    target: from ?? lazy!,
    isType: type !== undefined || isTypeList(names),
  }));
}

/** `{type A, type B}`: nothing of it is left at run time. */
function isTypeList(names: string | undefined): boolean {
  const list = /^\{([\s\S]*)\}$/.exec(names ?? '');
  if (list === null) return false;
  return list[1]!.split(',').every(name => /^\s*(?:type\s|$)/.test(name));
}

function checkRelative(from: string, to: string, isType: boolean): string | undefined {
  if (packageOf(from) !== packageOf(to)) return 'another package is imported by its name';
  const source = folderOf(from);
  const target = folderOf(to);
  if (!from.startsWith(SERVER) || !to.startsWith(SERVER) || source === target || target === 'model') return undefined;
  const fromRank = rankOf(source);
  const toRank = rankOf(target);
  if (toRank < fromRank) return undefined;
  if (isType && CONTRACTS.has(to)) return undefined;
  const why = toRank === fromRank ? 'folders of equal rank do not know each other' : 'imports only go down';
  return `${source ?? 'root'} has rank ${fromRank}, ${target ?? 'root'} has ${toRank}; ${why}`;
}

function checkPackage(from: string, target: string): string | undefined {
  if (packageOf(from) === 'protocol') return 'the protocol has no dependencies';
  if (packageOf(from) === 'server' || !target.startsWith('@kalamdb/server')) return undefined;
  // The parser is pure: the shell asks it whether a text is whole.
  if (packageOf(from) === 'cli' && target.startsWith('@kalamdb/server/parser/')) return undefined;
  return 'nobody imports the server; the shell may import its parser';
}

function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1];
}

/** Folder of a server file; '' for files at the root of src, undefined for folders without a rank. */
function folderOf(path: string): string | undefined {
  const folder = path.slice(SERVER.length).split('/');
  if (folder.length === 1) return '';
  return Object.hasOwn(RANKS, folder[0]!) ? folder[0] : undefined;
}

function rankOf(folder: string | undefined): number {
  return RANKS[folder ?? ''] ?? ROOT_RANK;
}

if (import.meta.main) report('ranks', checkRanks(readTree(process.argv[2] ?? '.')));
