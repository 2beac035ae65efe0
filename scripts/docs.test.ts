import assert from 'node:assert/strict';
import {test} from 'node:test';
import {ERRORS} from '../packages/protocol/src/errors.ts';
import {tableText} from '../packages/server/src/model/names.ts';
import {OPTIONS} from '../packages/server/src/options.ts';
import {SYSTEM_TABLES} from '../packages/server/src/system/index.ts';
import {referencePages} from './docs.ts';

const pages = referencePages();

test('every code and setting has a row of its own, and no row has more cells than its head', () => {
  for (const code of Object.keys(ERRORS)) assert.match(pages.get('docs/reference/errors.md')!, rowOf(code));
  for (const key of Object.keys(OPTIONS)) assert.match(pages.get('docs/reference/settings.md')!, rowOf(key));
  for (const text of pages.values()) {
    let cells = 0;
    for (const line of text.split('\n').concat('')) {
      const count = line.startsWith('|') ? line.replaceAll('\\|', '').split('|').length : 0;
      if (cells > 0 && count > 0) assert.equal(count, cells, line);
      cells = count;
    }
  }
});

test('hidden system tables are not in the reference', () => {
  const page = pages.get('docs/reference/system-tables.md')!;
  for (const {schema, isVisible} of SYSTEM_TABLES) {
    const name = tableText(schema.name);
    assert.equal(page.includes(`## ${name}\n`), isVisible, name);
  }
});

function rowOf(name: string): RegExp {
  return new RegExp(`^\\| \`${name.replaceAll('.', '\\.')}\` \\|`, 'm');
}
