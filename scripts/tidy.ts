/**
 * Tidy: the form of the house that no linter knows.
 *
 *     functions ≤ 70 lines, files ≤ 500      tests may hold long tables, but not long files
 *     names                                  no Manager, Helper, Util, Common, Base, Impl, V2, Phase
 *     hooks around each test                 inside a describe
 *     time, chance, environment, console     only where the outside comes in
 *     paths in Markdown                      exist
 *     paths of somebody's machine            nowhere
 *
 *     node scripts/tidy.ts [root]
 */
import {existsSync} from 'node:fs';
import {join, posix} from 'node:path';
import {codeOf, isSource, isTest, readTree, report, type SourceFile} from './tree.ts';

const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 500;

/** `exists` answers for paths from the root. */
export function checkTidy(files: readonly SourceFile[], exists: (path: string) => boolean): string[] {
  return files.flatMap(file => {
    if (file.path === 'package-lock.json') return [];
    const problems = machinePaths(file);
    if (file.path.endsWith('.md')) problems.push(...citedPaths(file, exists));
    if (isSource(file.path)) problems.push(...checkSource(file));
    return problems;
  });
}

function checkSource({path, text}: SourceFile): string[] {
  const code = codeOf(text);
  const problems = [...badFileName(path), ...badNames(path, code)];
  const lineCount = text.split('\n').length - 1;
  if (lineCount > FILE_LINES_MAX) problems.push(`${path} has ${lineCount} lines; the most is ${FILE_LINES_MAX}`);
  if (isTest(path)) problems.push(...looseHooks(path, code));
  else problems.push(...longFunctions(path, code), ...outsideWorld(path, code));
  return problems;
}

/** All test files run in one process, where a hook outside of any suite runs around the tests of every file. */
function looseHooks(path: string, code: string): string[] {
  return [...code.matchAll(/^(?:beforeEach|afterEach)\(/gm)].map(
    match => `${path}:${lineAt(code, match.index)} a hook around each test stands inside a describe`,
  );
}

const BANNED_FILE = /(?:^|[-.])(?:manager|helpers?|utils?|common|base|impl|v2|phase\d*)(?:[-.]|$)/;

function badFileName(path: string): string[] {
  const name = posix.basename(path).replace(/\.(?:ts|mts|js|mjs)$/, '');
  return BANNED_FILE.test(name) ? [`${path}: the name says nothing; name what it is`] : [];
}

const DECLARED = /\b(?:class|interface|type|function\*?|enum)\s+([A-Za-z_$][\w$]*)/g;
const BANNED_NAME =
  /(?:Manager|Helpers?|Utils?|Impl|V2)$|^(?:Base|Common|Phase)(?:[A-Z]|$)|^(?:helpers?|utils?|common)$/;

function badNames(path: string, code: string): string[] {
  return [...code.matchAll(DECLARED)]
    .filter(([, name]) => BANNED_NAME.test(name!))
    .map(match => `${path}:${lineAt(code, match.index)} ${match[1]} is a name of nothing in particular`);
}

/**
 * Formatted code closes a block at the indent of the line that opened it, so indents tell where functions end. A line opens a function if it
 * declares one or ends in an arrow with a block.
 */
const OPENS_FUNCTION =
  /^(?:export\s+)?(?:default\s+)?(?:async\s+)?function\b|=>\s*\{$|^(?:(?:static|async|override|get|set|private|readonly)\s+)*\*?[#\w$]+(?:<[^(]*>)?\((?!.*\)\s*;$)/;
const NO_FUNCTION = /^(?:if|for|while|switch|catch|return|throw|await|super|else|do|new)\b/;

function longFunctions(path: string, code: string): string[] {
  const lines = code.split('\n');
  const problems: string[] = [];
  for (const [i, line] of lines.entries()) {
    const content = line.trim();
    if (!OPENS_FUNCTION.test(content) || NO_FUNCTION.test(content)) continue;
    const lineCount = blockEnd(lines, i) - i + 1;
    if (lineCount <= FUNCTION_LINES_MAX) continue;
    problems.push(`${path}:${i + 1} a function of ${lineCount} lines; the most is ${FUNCTION_LINES_MAX}`);
  }
  return problems;
}

/** Index of the line that closes the block of the function at `start`; `start` itself if there is no block. */
function blockEnd(lines: readonly string[], start: number): number {
  const indent = /^\s*/.exec(lines[start]!)![0];
  let isOpen = /\{\s*$/.test(lines[start]!);
  if (!isOpen && !/\(\s*$/.test(lines[start]!)) return start;
  for (let i = start + 1; i < lines.length; i++) {
    const line = lines[i]!;
    if (!line.startsWith(indent) || /^\s|^$/.test(line.slice(indent.length))) continue;
    if (isOpen) return i;
    // `): Promise<void> {` ends the parameters and opens the block; `);` shows that it was a call.
    if (!/\{\s*$/.test(line)) return start;
    isOpen = true;
  }
  return lines.length - 1;
}

const MAY_TOUCH_OUTSIDE =
  /^(?:scripts|bench|examples)\/|^packages\/[^/]+\/src\/(?:std\/|config\.ts$|(?:[a-z]+-)?main\.m?[jt]s$)|^packages\/cli\//;
const OUTSIDE = /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bprocess\.env\b|\bconsole\.\w+/g;

function outsideWorld(path: string, code: string): string[] {
  if (MAY_TOUCH_OUTSIDE.test(path)) return [];
  return [...code.matchAll(OUTSIDE)].map(
    match =>
      `${path}:${lineAt(code, match.index)} ${match[0]} belongs to std, config or main; take it through the door`,
  );
}

const LINK = /\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g;
const CITED = /`((?:packages|scripts|docs|bench|examples|\.ci)\/[\w./@-]*|[A-Z]+\.md)`/g;

function citedPaths({path, text}: SourceFile, exists: (path: string) => boolean): string[] {
  const links = [...text.matchAll(LINK)].map(([, target]) => posix.join(posix.dirname(path), target!));
  const cited = [...text.matchAll(CITED)].map(([, target]) => target!);
  return [...links, ...cited]
    .filter(target => !exists(target))
    .map(target => `${path} speaks of ${target}, which does not exist`);
}

/** Written in two parts, so that this file does not name what it forbids. */
const MACHINE = new RegExp(
  ['/' + 'home/\\w', '/' + 'Users/\\w', '/' + 'work/', '/' + 'root/', '[A-Z]:\\\\' + 'Users'].join('|'),
  'g',
);

function machinePaths({path, text}: SourceFile): string[] {
  return [...text.matchAll(MACHINE)].map(match => `${path}:${lineAt(text, match.index)} names a path of one machine`);
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

if (import.meta.main) {
  const root = process.argv[2] ?? '.';
  const problems = checkTidy(readTree(root), path => existsSync(join(root, path)));
  report('tidy', problems);
}
