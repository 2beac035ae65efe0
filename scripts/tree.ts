/**
 * Tree: the files a checker looks at, and their code without comments and texts.
 */
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';

export interface SourceFile {
  /** From the root, with `/`. */
  readonly path: string;
  readonly text: string;
}

const SKIPPED = new Set(['node_modules', '.git', 'data', 'results', 'fixtures']);
const TEXT_FILE = /\.(?:ts|mts|js|mjs|json|md|toml|slt|sh|yml|yaml)$|(?:^|\/)(?:\.npmrc|\.gitignore|\.ci\/[^/.]+)$/;

/** Text files below the root, sorted by path. */
export function readTree(root: string): SourceFile[] {
  const files: SourceFile[] = [];
  const visit = (directory: string) => {
    for (const entry of readdirSync(join(root, directory), {withFileTypes: true})) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (SKIPPED.has(entry.name)) continue;
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile() && TEXT_FILE.test(path)) files.push({path, text: readFileSync(join(root, path), 'utf8')});
    }
  };
  visit('');
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function isSource(path: string): boolean {
  return /\.(?:ts|mts|js|mjs)$/.test(path);
}

export function isTest(path: string): boolean {
  return /\.test\.ts$/.test(path) || /^packages\/[^/]+\/test\//.test(path);
}

/** Comments, string and regex bodies; a template's text is left alone only between its own quotes. */
const BLANKED =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|(?<=[(,=:[!&|?{};\n]\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/g;

/** The code alone: what a comment or text says is blanked, line breaks stay. */
export function codeOf(text: string): string {
  return text.replace(BLANKED, match => match.replace(/[^\n]/g, ' '));
}

/** Prints what was found and sets the exit code. */
export function report(name: string, problems: readonly string[]): void {
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? `${name}: nothing to say` : `${name}: ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
