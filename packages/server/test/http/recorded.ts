/**
 * Recorded: requests and their answers as they go over the wire, one after the other, told whole in a file of scenarios.
 *
 * What differs from run to run is a placeholder in the answer: `<time>`, `<date>`, `<number>`, `<text>`, `<jwt>`. One with a name, as `<jwt first>`,
 * is kept where it first comes and must be the same after that; a request says it as `<first>`. Of the headers of an answer those that are
 * told must be so, and those told as null must be absent.
 */
import assert from 'node:assert/strict';
import {type Answer, type Sent, send, type TestServer} from './server.ts';

export interface Recorded {
  /** The rule. */
  readonly name: string;
  /** `POST /v1/api/sql` */
  readonly request: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, and announced as such. */
  readonly body?: object | string;
  readonly status: number;
  readonly told?: Readonly<Record<string, string | readonly string[] | null>>;
  /** JSON, or the text. */
  readonly answer: object | string;
}

/** Texts that were kept, by their names. */
export type Kept = Map<string, string>;

const KINDS: Readonly<Record<string, string>> = {
  time: String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?\+00:00`,
  date: String.raw`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`,
  jwt: String.raw`[\w-]+\.[\w-]+\.[\w-]+`,
  text: '.+',
};

export async function runRecorded(
  server: TestServer,
  scenario: Recorded,
  kept: Kept,
  ask: (port: number, sent: Sent) => Promise<Answer> = send,
): Promise<void> {
  const {request, headers = {}, body, status, told = {}, answer: expected} = scenario;
  const [method, path] = request.split(' ') as [string, string];
  const isJson = typeof body === 'object';
  const sent = Object.entries({...(isJson ? {'content-type': 'application/json'} : {}), ...headers});
  const answer = await ask(server.port, {
    method,
    path,
    headers: Object.fromEntries(sent.map(([name, text]) => [name, said(text, kept)])),
    body: said(isJson ? JSON.stringify(body) : (body ?? ''), kept),
  });
  assert.deepEqual(server.bugs, [], 'nothing is answered by a bug');
  assert.equal(answer.status, status, answer.text);
  checkHeaders(answer, told, kept);
  if (typeof expected === 'string') return assert.equal(answer.text, expected);
  const found = JSON.parse(answer.text);
  assert.deepEqual(found, bound(expected, found, kept));
}

function checkHeaders({headers}: Answer, told: NonNullable<Recorded['told']>, kept: Kept): void {
  for (const [name, text] of Object.entries(told)) {
    const found = headers[name];
    if (text === null) assert.equal(found, undefined, name);
    else assert.deepEqual(found, bound(text, found, kept), name);
  }
}

function said(text: string, kept: Kept): string {
  return text.replace(/<(\w+)>/g, (_, name: string) => {
    const value = kept.get(name);
    assert.ok(value !== undefined, `nothing was kept as ${name}`);
    return value;
  });
}

/** What is expected, with what was found in the place of the placeholders that it fits. */
function bound(expected: unknown, found: unknown, kept: Kept): unknown {
  if (expected === '<number>' && typeof found === 'number') return found;
  if (typeof expected === 'string') return typeof found === 'string' && fits(expected, found, kept) ? found : expected;
  if (typeof expected !== 'object' || expected === null) return expected;
  const inner = (key: string | number) => (found as Record<string | number, unknown> | null | undefined)?.[key];
  if (Array.isArray(expected)) return expected.map((one, i) => bound(one, inner(i), kept));
  return Object.fromEntries(Object.entries(expected).map(([key, one]) => [key, bound(one, inner(key), kept)]));
}

function fits(expected: string, found: string, kept: Kept): boolean {
  const names: string[] = [];
  const parts = expected.split(/(<\w+(?: \w+)?>)/).map(part => {
    const [, kind, name] = /^<(\w+)(?: (\w+))?>$/.exec(part) ?? [];
    const pattern = kind === undefined ? undefined : KINDS[kind];
    if (pattern === undefined) return RegExp.escape(part);
    if (name === undefined) return pattern;
    const value = kept.get(name);
    if (value !== undefined) return RegExp.escape(value);
    names.push(name);
    return `(${pattern})`;
  });
  const match = new RegExp(`^${parts.join('')}$`, 's').exec(found);
  if (match === null) return false;
  for (const [i, name] of names.entries()) kept.set(name, match[i + 1]!);
  return true;
}
