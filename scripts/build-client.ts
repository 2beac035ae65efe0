/**
 * Build client: makes the package `@kalamdb/client` as it is published: plain modules for browsers and Node, types, and a manifest.
 *
 *     node scripts/build-client.ts [directory]      packages/client/dist; then: npm publish packages/client/dist
 *
 * What of the protocol the client uses is put beside it, so that the package depends on nothing and a page can load it as it lies there.
 */
import {spawnSync} from 'node:child_process';
import {cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join, relative, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PACKAGE = join(ROOT, 'packages/client');
const TSC = join(ROOT, 'node_modules/.bin/tsc');

/** Where the parts of the compiler's output go. */
const PARTS = [
  ['packages/client/src', ''],
  ['packages/protocol/src', 'protocol'],
] as const;

export async function buildClient(directory: string): Promise<void> {
  const emitted = await mkdtemp(join(tmpdir(), 'kalamdb-client-'));
  try {
    // Comments are for editors, which read them in the types; pages load what is left.
    compile('--outDir', emitted, '--removeComments');
    compile('--outDir', emitted, '--declaration', '--emitDeclarationOnly');
    await rm(directory, {recursive: true, force: true});
    for (const [from, to] of PARTS) await take(join(emitted, from), join(directory, to), directory);
  } finally {
    await rm(emitted, {recursive: true, force: true});
  }
  await writeFile(join(directory, 'package.json'), `${JSON.stringify(await manifest(), null, 2)}\n`);
  await cp(join(PACKAGE, 'README.md'), join(directory, 'README.md'));
  await cp(join(ROOT, 'LICENSE'), join(directory, 'LICENSE'));
}

function compile(...options: string[]): void {
  const {status, stdout} = spawnSync(process.execPath, [TSC, '-p', join(PACKAGE, 'tsconfig.build.json'), ...options], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`tsc failed:\n${stdout}`);
}

async function take(from: string, to: string, root: string): Promise<void> {
  await mkdir(to, {recursive: true});
  for (const entry of await readdir(from, {withFileTypes: true})) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await take(source, target, root);
    else await writeFile(target, besideProtocol(await readFile(source, 'utf8'), target, root));
  }
}

/** Imports of the protocol package become those of its copy; types name sources, of which only the built ones are published. */
function besideProtocol(text: string, path: string, root: string): string {
  const protocol = `./${relative(dirname(path), join(root, 'protocol'))}`.replace('./..', '..');
  return text
    .replaceAll(
      /(['"])@kalamdb\/protocol\/([\w-]+)\.ts\1/g,
      (_, quote, name) => `${quote}${protocol}/${name}.js${quote}`,
    )
    .replaceAll(
      /(from\s+|import\()(['"])(\.[^'"]*)\.ts\2/g,
      (_, before, quote, name) => `${before}${quote}${name}.js${quote}`,
    );
}

async function manifest(): Promise<object> {
  const {version, license} = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8'));
  return {
    name: '@kalamdb/client',
    version,
    description: 'KalamDB from browsers and Node: SQL, and query results that stay true while the data changes',
    license,
    type: 'module',
    sideEffects: false,
    exports: {
      '.': {types: './index.d.ts', default: './index.js'},
      './core': {types: './core.d.ts', default: './core.js'},
      './msgpack': {types: './msgpack.d.ts', default: './msgpack.js'},
      './react': {types: './react.d.ts', default: './react.js'},
    },
    engines: {node: '>=22'},
    peerDependencies: {react: '>=18'},
    peerDependenciesMeta: {react: {optional: true}},
  };
}

if (import.meta.main) {
  const directory = resolve(process.argv[2] ?? join(PACKAGE, 'dist'));
  await buildClient(directory);
  console.log(`The package lies in ${directory}.`);
}
