import assert from 'node:assert/strict';
import {test} from 'node:test';
import {seededRandom} from './sim-clock.ts';
import {ownText, TextIndex} from './text-index.ts';

/** An index beside a Map that says the same. */
class Twin {
  readonly keys: (string | null)[] = [];
  readonly index = new TextIndex<string | null>(number => this.keys[number]!);
  readonly model = new Map<string | null, number>();

  add(key: string | null): void {
    const number = this.keys.push(key) - 1;
    this.index.add(key, number);
    this.model.set(key, number);
  }

  delete(key: string | null): void {
    this.index.delete(key);
    this.model.delete(key);
  }

  check(): void {
    assert.equal(this.index.size, this.model.size);
    for (const key of this.keys) assert.equal(this.index.get(key), this.model.get(key) ?? -1);
    assert.deepEqual(new Set(this.index.numbers()), new Set(this.model.values()));
  }
}

for (const seed of [1, 2, 3, 4, 5]) {
  test(`it finds what a Map finds while many texts come and go (seed ${seed})`, () => {
    const random = seededRandom(seed);
    const pick = (limit: number) => Math.floor(random() * limit);
    const twin = new Twin();
    for (const [keyMax, steps] of [
      [40, 400],
      [3000, 4000],
      [40, 4000],
    ] as const) {
      for (let step = 0; step < steps; step++) {
        const key = pick(20) === 0 ? null : `user ${pick(keyMax)}`;
        if (twin.model.has(key)) twin.delete(key);
        else twin.add(key);
      }
      twin.check();
    }
    for (const key of twin.model.keys()) twin.delete(key);
    twin.check();
    assert.deepEqual([...twin.index.numbers()], []);
  });
}

test('texts made of parts, of any length, are found', () => {
  const twin = new Twin();
  for (let i = 0; i < 300; i++) twin.add(`${'ä'.repeat(i)}${i}`);
  for (let i = 0; i < 300; i++) assert.equal(twin.index.get(['ä'.repeat(i), String(i)].join('')), i);
});

test('a text of its own is the same, whatever is in it', () => {
  for (const text of ['', 'ann', 'ä\u{1f600}', '\ud800 alone', 'a"b\\c\n'.repeat(40)])
    assert.equal(ownText(text), text);
});
