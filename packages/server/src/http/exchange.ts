/**
 * Exchange: one request for the SQL route and the way of its answer, whichever reader of HTTP it came through.
 *
 *     direct.ts           the usual request, whole in one read        straight from the socket
 *     node-exchange.ts    every other                                 through node:http
 *
 * Law: the route cannot tell them apart, and neither can the caller.
 */
import type {IncomingHttpHeaders} from 'node:http';
import type {Headers} from './answer.ts';
import type {Client} from './client.ts';

/** What is known before the body is read. */
export interface RequestHead {
  readonly client: Client;
  readonly headers: IncomingHttpHeaders;
  /** node:http joins repeated headers by a comma. */
  isRepeated(header: string): boolean;
}

export interface Exchange extends RequestHead {
  readonly requestId: string;
  /** The body as text. Throws or rejects with BODY_TOO_LARGE, MEMORY_LIMIT, or INVALID_INPUT for bytes that are not UTF-8. */
  body(): string | Promise<string>;
  /** The caller left; no answer can reach it. */
  readonly isGone: boolean;
  /** Called when the caller leaves. */
  onGone: (() => void) | undefined;
  sendJson(status: number, text: string): void;
  /** Resolves when the last slice was handed to the socket, or the caller is gone. A caller that takes nothing for too long is cut off. */
  sendSlices(slices: Iterable<string> | AsyncIterable<Buffer>, headers?: Headers): Promise<void>;
  /** Like `sendJson`, though the body may not have been read; if an answer has begun already it is broken off. */
  sendError(status: number, text: string): void;
}
