/**
 * Refusal: what the edge answers before any route has a say, in one form for all routes.
 */
import {type ServerResponse, STATUS_CODES} from 'node:http';
import {ERRORS, type ErrorCode} from '@kalamdb/protocol/errors.ts';
import {type Headers, SAFE_HEADERS, sendJson} from './answer.ts';

export type Refusal =
  | {readonly code: 'RATE_LIMIT_EXCEEDED'}
  | {readonly code: 'IP_BANNED'; readonly seconds: number}
  | {readonly code: 'TOO_MANY_CONNECTIONS'; readonly current: number; readonly max: number}
  | {readonly code: 'BODY_TOO_LARGE'; readonly bytes: number; readonly bytesMax: number};

const TEXTS: Record<Refusal['code'], string> = {
  RATE_LIMIT_EXCEEDED: 'Too many requests from this address; slow down.',
  IP_BANNED: 'This address is banned for a while, because it went on asking too much.',
  TOO_MANY_CONNECTIONS: 'This address has too many open connections.',
  BODY_TOO_LARGE: 'The request body exceeds the limit.',
};
const CONNECTION_RETRY_SECONDS = 5;

interface RefusalAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
}

function refusalAnswer(refusal: Refusal): RefusalAnswer {
  const {code} = refusal;
  const status = ERRORS[code satisfies ErrorCode].status;
  const answer = (facts: object, headers: Record<string, string>): RefusalAnswer => ({
    status,
    headers,
    text: JSON.stringify({error: code, message: TEXTS[code], ...facts}),
  });
  switch (code) {
    case 'RATE_LIMIT_EXCEEDED':
      return answer({retry_after_seconds: 1}, {'retry-after': '1'});
    case 'IP_BANNED': {
      const seconds = String(refusal.seconds);
      return answer({retry_after_seconds: refusal.seconds}, {'retry-after': seconds, 'x-ratelimit-reset': seconds});
    }
    case 'TOO_MANY_CONNECTIONS': {
      const {current, max} = refusal;
      return answer({current, max}, {'retry-after': String(CONNECTION_RETRY_SECONDS)});
    }
    case 'BODY_TOO_LARGE':
      return answer({size_bytes: refusal.bytes, max_bytes: refusal.bytesMax}, {});
    default:
      throw new TypeError(`unknown refusal ${code satisfies never}`);
  }
}

export function sendRefusal(response: ServerResponse, refusal: Refusal, more: Headers): void {
  const {status, headers, text} = refusalAnswer(refusal);
  sendJson(response, status, text, {...headers, ...more});
}

/** The answer as bytes, for a connection that nobody reads from. */
export function refusalText(refusal: Refusal): string {
  const {status, headers, text} = refusalAnswer(refusal);
  const lines = Object.entries({...headers, ...SAFE_HEADERS}).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`;
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${length}${lines.join('')}connection: close\r\n\r\n${text}`;
}
