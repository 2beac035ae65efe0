import assert from 'node:assert/strict';
import {test} from 'node:test';
import {gunzipSync} from 'node:zlib';
import fc from 'fast-check';
import {acceptsGzip, Compression} from './compression.ts';

const compression = new Compression({isOn: true});
const long = 'one of many rows, '.repeat(100);

async function gzipped(texts: string | Iterable<string>, by = compression): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of by.tryGzip(texts, 'gzip')!) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('whatever the slices are, they come out as one gzip member that holds them all', async () => {
  const slice = fc.oneof(fc.string({unit: 'grapheme', maxLength: 2000}), fc.constant('x'.repeat(200_000)));
  await fc.assert(
    fc.asyncProperty(fc.array(slice, {maxLength: 5}), async slices => {
      assert.equal(gunzipSync(await gzipped(slices)).toString(), slices.join(''));
    }),
    {numRuns: 50},
  );
});

test('slices that do not get smaller come out whole', async () => {
  const noise = Array.from({length: 100_000}, (_, i) => String.fromCharCode((i * i * 31) % 0xd800)).join('');
  assert.equal(gunzipSync(await gzipped([noise, noise])).toString(), noise + noise);
});

test('a text is one piece, whose header and end are in it', async () => {
  const pieces: Buffer[] = [];
  for await (const piece of compression.tryGzip(long, 'gzip')!) pieces.push(piece);
  assert.equal(pieces.length, 1);
  assert.ok(pieces[0]!.length < long.length / 10);
});

const plain: [why: string, text: string, acceptEncoding: string | undefined, isOn: boolean][] = [
  ['it is short', 'x'.repeat(1024), 'gzip', true],
  ['the caller says nothing', long, undefined, true],
  ['the caller takes other codings', long, 'br, deflate', true],
  ['it is turned off', long, 'gzip', false],
];
for (const [why, text, acceptEncoding, isOn] of plain) {
  test(`an answer stays as it is where ${why}`, () => {
    assert.equal(new Compression({isOn}).tryGzip(text, acceptEncoding), undefined);
  });
}

const headers: [acceptEncoding: string, isGzip: boolean][] = [
  ['gzip', true],
  ['GZip', true],
  ['gzip, deflate, br', true],
  ['deflate,gzip;q=0.5', true],
  ['gzip ; q=0.001', true],
  ['gzip;q=1.000', true],
  ['x-gzip', true],
  ['*', true],
  ['gzip;q=0', false],
  ['*, gzip;q=0', false],
  ['*;q=0', false],
  ['identity, gzip;q=0.5', false],
  ['identity;q=0.5, gzip', true],
  ['gzip;q=2', false],
  ['gzip;level=9', false],
  ['gzipped', false],
  ['', false],
];
for (const [acceptEncoding, isGzip] of headers) {
  test(`Accept-Encoding "${acceptEncoding}" ${isGzip ? 'takes' : 'does not take'} gzip`, () => {
    assert.equal(acceptsGzip(acceptEncoding), isGzip);
  });
}

test('when too many answers are under way the next goes out as it is, and again as gzip when one has ended', async () => {
  const crowded = new Compression({isOn: true});
  const begun = Array.from({length: 256}, () => crowded.tryGzip([long, long], 'gzip')!);
  await Promise.all(begun.map(answer => answer.next()));
  assert.equal(crowded.tryGzip(long, 'gzip'), undefined);
  // A caller who left.
  await begun[0]!.return(undefined);
  assert.equal(gunzipSync(await gzipped(long, crowded)).toString(), long);
  await Promise.all(begun.map(answer => answer.return(undefined)));
});
