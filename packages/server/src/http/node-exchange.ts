/**
 * Node exchange: a request for the SQL route as node:http read it.
 */
import type {IncomingHttpHeaders, IncomingMessage, ServerResponse} from 'node:http';
import {type Headers, RETRY_HEADERS, sendJson, sendSlices} from './answer.ts';
import {type BodyBudget, type BodyLimits, discardRest, readBody} from './body.ts';
import {type Client, clientOf} from './client.ts';
import type {Exchange, RequestHead} from './exchange.ts';
import type {RouteContext} from './routes.ts';
import type {ServerState} from './server.ts';

/** Throws INVALID_INPUT if a proxy tells what cannot be. */
export function headOf(request: IncomingMessage, {options}: ServerState): RequestHead {
  return {
    client: clientOf(request.socket.remoteAddress ?? '', request.headers, options.trustedProxies),
    headers: request.headers,
    isRepeated: header => isRepeated(request, header),
  };
}

export class NodeExchange implements Exchange {
  readonly requestId: string;
  readonly client: Client;
  readonly headers: IncomingHttpHeaders;
  onGone: (() => void) | undefined;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #answerHeaders: Readonly<Record<string, string>>;
  readonly #limits: BodyLimits;
  readonly #bodies: BodyBudget;

  constructor(request: IncomingMessage, response: ServerResponse, context: RouteContext) {
    this.requestId = context.requestId;
    this.client = headOf(request, context).client;
    this.headers = request.headers;
    this.#request = request;
    this.#response = response;
    this.#answerHeaders = context.headers;
    this.#limits = context.options.limits;
    this.#bodies = context.bodies;
    response.once('close', () => this.onGone?.());
  }

  isRepeated(header: string): boolean {
    return isRepeated(this.#request, header);
  }

  body(): Promise<string> {
    return readBody(this.#request, this.#response, this.#limits, this.#bodies);
  }

  get isGone(): boolean {
    return this.#response.destroyed;
  }

  sendJson(status: number, text: string): void {
    const retry = status === 429 ? RETRY_HEADERS : undefined;
    sendJson(this.#response, status, text, {...retry, ...this.#answerHeaders});
  }

  sendSlices(slices: Iterable<string> | AsyncIterable<Buffer>, headers?: Headers): Promise<void> {
    return sendSlices(this.#response, slices, {...headers, ...this.#answerHeaders});
  }

  sendError(status: number, text: string): void {
    if (!this.#request.complete) discardRest(this.#request);
    if (this.#response.headersSent || this.isGone) this.#response.destroy();
    else this.sendJson(status, text);
  }
}

function isRepeated(request: IncomingMessage, header: string): boolean {
  return (request.headersDistinct[header]?.length ?? 0) > 1;
}
