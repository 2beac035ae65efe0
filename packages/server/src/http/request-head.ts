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
const HEAD_END = '\r\n\r\n';
/** Far below what node:http takes, so that it is the one who refuses. */
const HEAD_BYTES_MAX = 4096;
/** Blanks around a value, and lines that go on in the next one, are unusual. */
const PLAIN_LINES = /^(?:[A-Za-z-]+: (?:[!-~](?:[ -~]*[!-~])?)?\r\n)+$/;
const LENGTH = /^(?:0|[1-9]\d{0,8})$/;

/** What each header does here: the route reads it, or it changes nothing. */
const READ = new Set(['host', 'content-type', 'content-length', 'authorization', 'x-user-id', 'accept-encoding']);
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

export interface UsualRequest {
  readonly headers: Readonly<Record<string, string>>;
  /** Where in the bytes the body begins; it reaches to their end. */
  readonly bodyAt: number;
}

/** Undefined for whatever is not exactly one usual request. */
export function readUsualRequest(bytes: Buffer): UsualRequest | undefined {
  const text = bytes.toString('latin1', 0, HEAD_BYTES_MAX);
  if (!text.startsWith(FIRST_LINE)) return undefined;
  const end = text.indexOf(HEAD_END, FIRST_LINE.length);
  if (end < 0) return undefined;
  const lines = text.slice(FIRST_LINE.length, end + 2);
  if (!PLAIN_LINES.test(lines)) return undefined;
  const headers = headersOf(lines);
  if (headers?.['host'] === undefined) return undefined;
  const length = headers['content-length'];
  const bodyAt = end + HEAD_END.length;
  if (length === undefined || !LENGTH.test(length) || bodyAt + Number(length) !== bytes.length) return undefined;
  return {headers, bodyAt};
}

function headersOf(lines: string): Record<string, string> | undefined {
  const headers: Record<string, string> = {};
  for (let at = 0; at < lines.length; ) {
    const colon = lines.indexOf(':', at);
    const end = lines.indexOf('\r\n', colon);
    const name = lines.slice(at, colon).toLowerCase();
    if (READ.has(name)) {
      if (headers[name] !== undefined) return undefined;
      headers[name] = lines.slice(colon + 2, end);
    } else if (name === 'connection') {
      if (lines.slice(colon + 2, end) !== 'keep-alive') return undefined;
    } else if (!IGNORED.has(name)) return undefined;
    at = end + 2;
  }
  return headers;
}
