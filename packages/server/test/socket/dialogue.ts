/**
 * Dialogue: what a client and the server say to each other, line by line, as it is told in a file of scenarios.
 *
 *     ['>', message]        the client says                    ['>>', frame]     it sends these bytes, or this text
 *     ['<', message]        the server answers, exactly so     ['sql', text]     somebody runs this, as user ana unless named
 *     ['end', code, why]    the server closes                  ['silence', ms]   nothing comes for so long
 *
 * A text `$` alone stands for any text. A text `$name` stands for a seq: any, where it comes first; after that the same one. Seqs are compared as texts, so those bare on the wire too.
 */
import assert from 'node:assert/strict';
import {isDeepStrictEqual} from 'node:util';
import type {TestServer} from '../http/server.ts';
import {WireClient, type WireOptions} from './wire-client.ts';

export type Line =
  | readonly ['>', object]
  | readonly ['>>', string | Buffer]
  | readonly ['<', object]
  | readonly ['sql', string, user?: string]
  | readonly ['end', number, string | RegExp]
  | readonly ['silence', number];

export interface Dialogue {
  /** The rule. */
  readonly name: string;
  readonly upgrade?: WireOptions;
  readonly lines: readonly Line[];
}

export async function runDialogue(server: TestServer, {name, upgrade = {}, lines}: Dialogue): Promise<void> {
  const seqs = new Map<string, string>();
  const client = await WireClient.open(server.port, upgrade);
  if (upgrade.query?.includes('serialization=msgpack')) client.serialization = 'msgpack';
  try {
    for (const [i, line] of lines.entries()) await runLine(server, client, seqs, line, `${name}, line ${i + 1}`);
    assert.deepEqual(server.bugs, [], 'nothing is answered by a bug');
  } finally {
    client.close();
  }
}

async function runLine(
  server: TestServer,
  client: WireClient,
  seqs: Map<string, string>,
  line: Line,
  where: string,
): Promise<void> {
  switch (line[0]) {
    case '>':
      return client.send(filled(line[1], seqs) as object);
    case '>>':
      return client.ws.send(line[1]);
    case '<': {
      const message = await client.next();
      const expected = bound(line[1], message, seqs);
      assert.deepEqual(message, expected, where);
      return;
    }
    case 'sql':
      await server.database.sql(line[1], {user: line[2] ?? 'ana'});
      return;
    case 'end': {
      const {code, reason} = await client.end();
      assert.equal(code, line[1], where);
      if (typeof line[2] === 'string') assert.equal(reason, line[2], where);
      else assert.match(reason, line[2], where);
      return;
    }
    case 'silence':
      assert.ok(await client.isSilent(line[1]), `${where}: something came`);
      return;
    default:
      throw new TypeError(`unknown line ${line satisfies never}`);
  }
}

/** What the client says, with seqs as integers: bare digits in JSON. */
function filled(value: unknown, seqs: Map<string, string>): unknown {
  if (typeof value === 'string' && value.startsWith('$')) return BigInt(seqs.get(value)!);
  return mapped(value, inner => filled(inner, seqs));
}

/** What is expected, with the seqs that were found. Texts that are no seq stay, so that they differ. */
function bound(expected: unknown, found: unknown, seqs: Map<string, string>): unknown {
  if (expected === '$' && typeof found === 'string') return found;
  if (typeof expected === 'string' && expected.startsWith('$')) {
    if (!seqs.has(expected) && typeof found === 'string' && /^\d{10,19}$/.test(found)) seqs.set(expected, found);
    return seqs.get(expected) ?? expected;
  }
  if (isDeepStrictEqual(expected, found)) return expected;
  return mapped(expected, (inner, key) => bound(inner, (found as Record<string, unknown> | undefined)?.[key], seqs));
}

function mapped(value: unknown, change: (inner: unknown, key: string) => unknown): unknown {
  if (Array.isArray(value)) return value.map((inner, i) => change(inner, String(i)));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, change(inner, key)]));
}
