import assert from 'node:assert/strict';
import {readFileSync, rmSync, statSync, truncateSync, writeFileSync} from 'node:fs';
import {basename} from 'node:path';
import {test} from 'node:test';
import {columnOf, schemaOf} from '../../src/cold/test-rows.ts';
import type {RelationFile} from '../../src/duck/duck.ts';
import {ask, relationOf, segmentFile, type TestRow, testDuck} from './kit.ts';

const {duck, folder, warnings} = testDuck();
const SCHEMA = schemaOf([columnOf(1, 'k', {name: 'int'}), columnOf(2, 'v', {name: 'text'})]);
const ROWS = Array.from({length: 3000}, (_, k): TestRow => ({values: [k, `value ${k}`]}));
const SQL = 'SELECT count(*) AS n, sum(length("v"))::BIGINT AS s FROM t1';
const OUTPUTS = [{name: 'bigint'}, {name: 'bigint'}] as const;

function read(files: readonly RelationFile[]): Promise<unknown> {
  return ask(duck, SQL, {relations: [relationOf(SCHEMA, {files})], outputs: OUTPUTS});
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 0x10;
  writeFileSync(path, bytes);
}

const damages: [why: string, damage: (path: string) => void][] = [
  ['it is missing', path => rmSync(path)],
  ['it is empty', path => truncateSync(path)],
  ['it is cut short', path => truncateSync(path, statSync(path).size - 100)],
  ['a bit of its values is another', path => flip(path, 2000)],
  ['a bit of its footer is another', path => flip(path, statSync(path).size - 200)],
  ['it is no Parquet', path => writeFileSync(path, 'hello '.repeat(1000))],
];
for (const [why, damage] of damages) {
  test(`a damaged file is named before it is read: ${why}`, async () => {
    const good = await segmentFile(folder, SCHEMA, ROWS);
    const bad = await segmentFile(folder, SCHEMA, ROWS);
    damage(bad.path);
    await assert.rejects(read([good, bad]), {
      code: 'DATA_CORRUPTED',
      message: new RegExp(`^Segment file '${basename(bad.path)}' is damaged\\. It (does not match|cannot be opened)`),
    });
  });

  // DuckDB does not see a bit that changed.
  if (why.startsWith('a bit')) continue;
  test(`a file that is damaged after it was checked is named when the query fails: ${why}`, async () => {
    const good = await segmentFile(folder, SCHEMA, ROWS);
    const bad = await segmentFile(folder, SCHEMA, ROWS);
    await read([good, bad]);
    damage(bad.path);
    warnings.length = 0;
    await assert.rejects(read([good, bad]), {code: 'DATA_CORRUPTED', message: new RegExp(basename(bad.path))});
    assert.equal(warnings.length, 1);
  });
}

test('a file is checked once', async () => {
  const file = await segmentFile(folder, SCHEMA, ROWS);
  await read([file]);
  await read([{...file, checksum: file.checksum ^ 1}]);
});
