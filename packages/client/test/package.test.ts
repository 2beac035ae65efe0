/**
 * The package as it is published: small, without dependencies, and typed for programs that know nothing of this repository.
 */
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {gzipSync} from 'node:zlib';
import {rolldown} from 'rolldown';
import {buildClient} from '../../../scripts/build-client.ts';

const TSC = fileURLToPath(new URL('../../../node_modules/.bin/tsc', import.meta.url));
const IMPORT = /^(?:import|export)\b[^'"\n]*(?:from )?['"]([^'"]+)['"];$/gm;
const WHOLE_BYTES_MAX = 15_000;
const PART_BYTES_MAX = 1500;

const PROGRAM = `
import {type Cell, createClient, KalamError, type LiveState} from '@kalamdb/client';
interface Schema {'chat.messages': {id: string; body: string | null; likes: number}}
const client = createClient<Schema>({url: 'http://127.0.0.1:8080'});
const messages = client.table('chat.messages');
const stop: () => void = messages.live((rows, state: LiveState<Schema['chat.messages']>) => {
  const likes: number | undefined = rows[0]?.likes;
  // @ts-expect-error: a body may be NULL
  const body: string = rows[0]!.body;
  return [likes, body, state.status];
}, {where: 'likes > $1', params: [3], limit: 10});
await messages.insert({id: 5n, body: null});
// @ts-expect-error: no such column
await messages.insert({text: 'x'});
// @ts-expect-error: no such table
client.table('chat.rooms');
const anything: Cell | undefined = (await createClient({url: 'x'}).table('t').rows())[0]?.['a'];
const error = new KalamError('TIMEOUT', '');
const unsubscribe: () => Promise<void> = await client.live('SELECT 1', rows => rows[0]?.['id']?.asBigInt());
export {anything, error, stop, unsubscribe};
`;

describe('the package', () => {
  let directory: string;
  let dist: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kalamdb-package-'));
    dist = join(directory, 'dist');
    await buildClient(dist);
  });

  after(() => rm(directory, {recursive: true, force: true}));

  test('takes less than 15 kB of a page, compressed, and what is not used is left out', async () => {
    const whole = await bundledBytes(`export * from './dist/index.js';`);
    assert.ok(whole < WHOLE_BYTES_MAX, `${whole} bytes`);
    const part = await bundledBytes(`export {KalamCellValue} from './dist/index.js';`);
    assert.ok(part < PART_BYTES_MAX, `${part} bytes`);
    const apart = await bundledBytes(`export {msgpack} from './dist/msgpack.js';`);
    assert.ok(apart < PART_BYTES_MAX, `${apart} bytes`);
  });

  test('imports nothing but itself; its hooks import react', async () => {
    const files = (await readdir(dist, {recursive: true})).filter(name => /\.(?:js|d\.ts)$/.test(name));
    assert.ok(files.includes('protocol/messages.d.ts'));
    for (const file of files) {
      const text = await readFile(join(dist, file), 'utf8');
      for (const [, target] of text.matchAll(IMPORT)) {
        if (target === 'react') assert.match(file, /^react\./);
        else assert.ok(target!.startsWith('.') && target!.endsWith('.js'), `${file} imports ${target}`);
      }
    }
    const manifest = JSON.parse(await readFile(join(dist, 'package.json'), 'utf8'));
    assert.equal(manifest.dependencies, undefined);
    for (const entry of Object.values<Record<string, string>>(manifest.exports))
      for (const path of Object.values(entry)) assert.ok(files.includes(path.slice(2)), path);
  });

  test('runs in Node as it lies there', async () => {
    const {createClient, KalamError} = await import(pathToFileURL(join(dist, 'index.js')).href);
    assert.throws(() => createClient({url: 'nowhere'}), KalamError);
    assert.equal(createClient({url: 'http://127.0.0.1:1'}).isConnected(), false);
  });

  for (const [why, lib, types] of [
    ['of a page, by DOM types', ['es2022', 'dom'], []],
    ['of Node, by its own', ['es2022'], ['node']],
  ] as const) {
    test(`types the rows of a program ${why}`, async () => {
      const program = join(directory, types[0] ?? 'dom');
      await mkdir(join(program, 'node_modules/@kalamdb'), {recursive: true});
      await symlink(dist, join(program, 'node_modules/@kalamdb/client'));
      await symlink(
        fileURLToPath(new URL('../../../node_modules/@types', import.meta.url)),
        join(program, 'node_modules/@types'),
      );
      await symlink(
        fileURLToPath(new URL('../../../node_modules/undici-types', import.meta.url)),
        join(program, 'node_modules/undici-types'),
      );
      await writeFile(join(program, 'package.json'), '{"type":"module"}');
      await writeFile(join(program, 'program.ts'), PROGRAM);
      const compilerOptions = {
        strict: true,
        target: 'es2022',
        module: 'nodenext',
        noEmit: true,
        lib,
        types,
        exactOptionalPropertyTypes: true,
        skipLibCheck: types.length > 0,
      };
      await writeFile(join(program, 'tsconfig.json'), JSON.stringify({compilerOptions, files: ['program.ts']}));
      const {stdout, status} = spawnSync(process.execPath, [TSC, '-p', program], {encoding: 'utf8'});
      assert.equal(status, 0, stdout);
    });
  }

  async function bundledBytes(entry: string): Promise<number> {
    const input = join(directory, 'entry.js');
    await writeFile(input, entry);
    const bundle = await rolldown({input});
    const {output} = await bundle.generate({format: 'esm', minify: true});
    await bundle.close();
    assert.equal(output.length, 1);
    return gzipSync(output[0].code).length;
  }
});
