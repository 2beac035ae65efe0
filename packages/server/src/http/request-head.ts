/**
 * Request head: recognises the usual request for the SQL route in the bytes of one read.
 *
 *     POST /v1/api/sql HTTP/1.1       to the byte
 *     Name: value                     printable ASCII, one of the names listed here; those that are read come once
 *     Content-Length: n               exactly the bytes that follow; Host is there too
 *
 * Law: yes only where node:http would find the same request and nothing before or behind it. Whatever could be read in two ways is no.
 */
import {SQL_PATH} from './routes.ts';

const FIRST_LINE = `POST ${SQL_PATH} HTTP/1.1\r\n`;
/** Far below what node:http takes, so that it is the one who refuses. */
const HEAD_BYTES_MAX = 4096;
/** Blanks around a value, and lines that go on in the next one, are unusual. */
const PLAIN_LINE = /^[A-Za-z-]+: (?:[!-~](?:[ -~]*[!-~])?)?$/;
const LENGTH = /^(?:0|[1-9]\d{0,8})$/;
const LINES_KEPT = 1024;
const HASHED_LENGTH = 4;

/** What each header does here: the route reads it, or it changes nothing. */
const READ = ['host', 'content-type', 'content-length', 'authorization', 'x-user-id', 'accept-encoding'] as const;
const IGNORED = new Set([
  'accept',
  'accept-language',
  'cache-control',
  'pragma',
  'priority',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'user-agent',
]);

type ReadName = (typeof READ)[number];

export interface UsualRequest {
  readonly headers: Readonly<Record<ReadName, string | undefined>>;
  /** Where in the bytes the body begins; it reaches to their end. */
  readonly bodyAt: number;
}

/** A line of the head; without a name it changes nothing. */
interface Line {
  readonly text: string;
  readonly name: ReadName | undefined;
  readonly value: string;
}

/** Undefined for whatever is not exactly one usual request. */
export function readUsualRequest(bytes: Buffer): UsualRequest | undefined {
  const text = bytes.toString('latin1', 0, HEAD_BYTES_MAX);
  if (!text.startsWith(FIRST_LINE)) return undefined;
  const headers: Record<ReadName, string | undefined> = {
    host: undefined,
    'content-type': undefined,
    'content-length': undefined,
    authorization: undefined,
    'x-user-id': undefined,
    'accept-encoding': undefined,
  };
  let at = FIRST_LINE.length;
  for (let end = text.indexOf('\r\n', at); end !== at; end = text.indexOf('\r\n', at)) {
    if (end < 0) return undefined;
    const line = lineAt(text, at, end);
    if (line === undefined) return undefined;
    if (line.name !== undefined) {
      if (headers[line.name] !== undefined) return undefined;
      headers[line.name] = line.value;
    }
    at = end + 2;
  }
  const length = headers['content-length'];
  const bodyAt = at + 2;
  if (headers.host === undefined || length === undefined) return undefined;
  if (!LENGTH.test(length) || bodyAt + Number(length) !== bytes.length) return undefined;
  return {headers, bodyAt};
}

/** Callers send the same lines again and again, so those that were met are kept, each in the place of its hash until another one takes it. */
const linesMet = new Array<Line | undefined>(LINES_KEPT).fill(undefined);

/** Undefined if it is not usual. */
function lineAt(text: string, at: number, end: number): Line | undefined {
  // Lines differ most at their ends.
  let hash = end - at;
  for (let i = Math.max(at, end - HASHED_LENGTH); i < end; i++) hash = Math.imul(hash, 31) + text.charCodeAt(i);
  const place = (hash >>> 0) % LINES_KEPT;
  const met = linesMet[place];
  if (met !== undefined && met.text.length === end - at && text.startsWith(met.text, at)) return met;
  const line = parseLine(copyOf(text.slice(at, end)));
  if (line !== undefined) linesMet[place] = line;
  return line;
}

function parseLine(text: string): Line | undefined {
  if (!PLAIN_LINE.test(text)) return undefined;
  const colon = text.indexOf(':');
  const name = text.slice(0, colon).toLowerCase();
  const value = text.slice(colon + 2);
  const read = READ.find(known => known === name);
  if (read !== undefined) return {text, name: read, value};
  const changesNothing = name === 'connection' ? value === 'keep-alive' : IGNORED.has(name);
  return changesNothing ? {text, name: undefined, value} : undefined;
}

/** A slice would keep all of the request. */
function copyOf(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1');
}
