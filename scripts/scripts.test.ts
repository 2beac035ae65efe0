import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {test} from 'node:test';
import {checkRanks} from './ranks.ts';
import {checkTidy} from './tidy.ts';
import {codeOf, readTree, type SourceFile} from './tree.ts';

const SERVER = 'packages/server/src';

/** The files of a small tree, written and read back. */
async function withTree<T>(files: Record<string, string>, use: (files: SourceFile[], root: string) => T): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), 'tree-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(root, dirname(path)), {recursive: true});
      await writeFile(join(root, path), text);
    }
    return use(readTree(root), root);
  } finally {
    await rm(root, {recursive: true});
  }
}

const rankCases: [why: string, path: string, text: string, problem: RegExp | undefined][] = [
  ['down is allowed', 'table/a.ts', `import {x} from '../hot/hot.ts';`, undefined],
  [
    'up is not',
    'hot/a.ts',
    `import {x} from '../table/table.ts';`,
    /hot has rank 3, table has 4; imports only go down/,
  ],
  ['up as a type is not', 'hot/a.ts', `import type {X} from '../table/table.ts';`, /imports only go down/],
  [
    'up in a list over many lines is not',
    'hot/a.ts',
    `import {\n  x,\n  y,\n} from '../table/table.ts';`,
    /only go down/,
  ],
  ['up by re-export is not', 'hot/a.ts', `export * from '../table/table.ts';`, /only go down/],
  ['up at run time is not', 'hot/a.ts', `const x = await import('../table/table.ts');`, /only go down/],
  ['equal ranks do not know each other', 'log/a.ts', `import {x} from '../blob/blob.ts';`, /equal rank/],
  ['a contract as a type among equals is allowed', 'cold/a.ts', `import type {X} from '../hot/hot.ts';`, undefined],
  ['a list of types is a type import', 'cold/a.ts', `import {type X, type Y} from '../hot/hot.ts';`, undefined],
  ['a contract as a value among equals is not', 'cold/a.ts', `import {X} from '../hot/hot.ts';`, /equal rank/],
  ['a list with one value is a value import', 'cold/a.ts', `import {type X, y} from '../hot/hot.ts';`, /equal rank/],
  [
    'what is not the contract is not, as a type either',
    'cold/a.ts',
    `import type {X} from '../hot/slab.ts';`,
    /equal rank/,
  ],
  ['the model is open to all', 'std/a.ts', `import type {X} from '../model/row.ts';`, undefined],
  ['files at the root see everything', 'database.ts', `import {x} from './http/server.ts';`, undefined],
  ['nobody sees files at the root', 'http/a.ts', `import {x} from '../config.ts';`, /root has 12|has 12/],
  ['folders within a room are of the room', 'sql/statements/a.ts', `import {x} from '../run.ts';`, undefined],
  ['a folder without rank is named', 'misc/a.ts', '', /its folder has no rank/],
  ['a test imports what it needs', 'hot/a.test.ts', `import {x} from '../table/table.ts';`, undefined],
  [
    'another package is imported by name',
    'std/a.ts',
    `import {x} from '../../../protocol/src/errors.ts';`,
    /by its name/,
  ],
  ['ScopeKey stays below the query doors', 'query/a.ts', 'let x: ScopeKey;', /names ScopeKey/],
  ['a comment may speak of ScopeKey', 'query/a.ts', '// no ScopeKey here', undefined],
  ['ScopeKey lives in table', 'table/a.ts', 'let x: ScopeKey;', undefined],
];

for (const [why, path, text, problem] of rankCases) {
  test(`ranks: ${why}`, async () => {
    const problems = await withTree({[`${SERVER}/${path}`]: text}, files => checkRanks(files));
    assert.equal(problems.length, problem === undefined ? 0 : 1, problems.join('\n'));
    if (problem !== undefined) assert.match(problems[0]!, problem);
  });
}

test('ranks: the protocol has no dependencies', () => {
  const file = {path: 'packages/protocol/src/a.ts', text: `import {x} from 'node:fs';`};
  assert.match(checkRanks([file])[0]!, /no dependencies/);
});

const body = (lineCount: number) => '  x();\n'.repeat(lineCount);

const tidyCases: [why: string, path: string, text: string, problem: RegExp | undefined][] = [
  ['a function of 70 lines fits', `${SERVER}/hot/a.ts`, `function f() {\n${body(68)}}\n`, undefined],
  [
    'a function of 71 lines does not',
    `${SERVER}/hot/a.ts`,
    `export async function f() {\n${body(69)}}\n`,
    /:1 a function of 71 lines/,
  ],
  [
    'parameters over many lines count too',
    `${SERVER}/hot/a.ts`,
    `function f(\n  a: A,\n): void {\n${body(68)}}\n`,
    /a function of 72 lines/,
  ],
  ['an arrow is a function', `${SERVER}/hot/a.ts`, `const f = () => {\n${body(70)}};\n`, /a function of 72 lines/],
  [
    'a method is a function',
    `${SERVER}/hot/a.ts`,
    `class A {\n  async #f(): Promise<void> {\n  ${body(70).replaceAll('\n', '\n  ')}\n  }\n}\n`,
    /:2 a function of/,
  ],
  [
    'two functions are two',
    `${SERVER}/hot/a.ts`,
    `function f() {\n${body(60)}}\n\nfunction g() {\n${body(60)}}\n`,
    undefined,
  ],
  ['a class or table is no function', `${SERVER}/hot/a.ts`, `const A = {\n${'  a: 1,\n'.repeat(90)}};\n`, undefined],
  [
    'a call over many lines is no function',
    `${SERVER}/hot/a.ts`,
    `const a = [\n  f(\n${'    1,\n'.repeat(90)}  ),\n];\n`,
    undefined,
  ],
  [
    'a hook around every test of all files',
    `${SERVER}/hot/a.test.ts`,
    'beforeEach(() => {});\n',
    /:1 a hook around each test stands inside a describe/,
  ],
  ['a hook in a suite', `${SERVER}/hot/a.test.ts`, "describe('a', () => {\n  beforeEach(() => {});\n});\n", undefined],
  ['a file of 501 lines does not fit', `${SERVER}/hot/a.ts`, 'x();\n'.repeat(501), /has 501 lines/],
  ['a file name that says nothing', `${SERVER}/hot/row-utils.ts`, '', /name says nothing/],
  [
    'a word that only contains a banned one',
    `${SERVER}/hot/database.ts`,
    'class Baseline {}\nfunction rebase() {}',
    undefined,
  ],
  ['a banned ending', `${SERVER}/hot/a.ts`, 'class RowManager {}', /RowManager/],
  ['a banned beginning', `${SERVER}/hot/a.ts`, 'interface BaseRow {}', /BaseRow/],
  ['the clock of the machine', `${SERVER}/hot/a.ts`, 'const x = Date.now();', /Date\.now belongs to/],
  ['the date of the machine', `${SERVER}/hot/a.ts`, 'const x = new Date();', /new Date\(\) belongs to/],
  ['chance', `${SERVER}/hot/a.ts`, 'x = Math.random()', /Math\.random/],
  ['the environment', `${SERVER}/hot/a.ts`, 'x = process.env', /process\.env/],
  ['the console', `${SERVER}/hot/a.ts`, 'console.log(1)', /console\.log/],
  [
    'all of them where the outside comes in',
    `${SERVER}/std/a.ts`,
    'x = Date.now() + Math.random(); console.log(process.env);',
    undefined,
  ],
  ['all of them in tests', `${SERVER}/hot/a.test.ts`, 'x = Date.now(); console.log(1)', undefined],
  [
    'a comment or text that speaks of them',
    `${SERVER}/hot/a.ts`,
    `// not Date.now\nconst x = 'Math.random';`,
    undefined,
  ],
  ['a cited path that exists', 'a.md', 'See `packages/server/src` and [b](./b.md).', undefined],
  ['a cited path that does not', 'a.md', 'See `packages/server/gone.ts`.', /speaks of packages\/server\/gone\.ts/],
  ['a link that leads nowhere', 'docs/a.md', '[gone](../gone.md#part)', /speaks of gone\.md/],
  ['a link to the world', 'a.md', '[web](https://example.org/gone)', undefined],
  ["a path of somebody's machine", 'a.md', 'cd /' + 'home/ana/db', /names a path of one machine/],
];

for (const [why, path, text, problem] of tidyCases) {
  test(`tidy: ${why}`, async () => {
    const tree = {[path]: text, [`${SERVER}/ok.ts`]: '', 'b.md': ''};
    const problems = await withTree(tree, (files, root) => checkTidy(files, target => existsSync(join(root, target))));
    assert.equal(problems.length, problem === undefined ? 0 : 1, problems.join('\n'));
    if (problem !== undefined) assert.match(problems[0]!, problem);
  });
}

test('code is what is left without comments and texts, line by line', () => {
  const text = `a(); // b\n/* c\nd */ e('f', "g\\"h", /i'j/);\nk /* l */ / m; 'n'`;
  const code = codeOf(text);
  assert.equal(code.split('\n').length, text.split('\n').length);
  assert.equal(code.replace(/\s+/g, ''), 'a();e(,,);k/m;');
});
