/**
 * Request rules: what node:http lets pass although two readers may understand it in two ways, or although nobody needs it.
 *
 * node:http itself refuses folded lines, bare CR and LF, two lengths, a length beside chunks, sizes of chunks that are no plain hexadecimal,
 * and blanks before a colon. Law: what is refused here closes its connection, so that nothing behind it is taken for a request.
 */
import type {IncomingMessage} from 'node:http';

/** A proxy may have read another one of two than the server does. */
const ONCE = new Set(['host', 'content-type', 'content-length', 'authorization', 'origin', 'transfer-encoding']);

/** Why the request is not served, or undefined. */
export function brokenRule(request: IncomingMessage): string | undefined {
  const {httpVersion, headers, rawHeaders} = request;
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return `HTTP/${httpVersion} is not spoken here; use HTTP/1.1`;
  if (headers.host === undefined && httpVersion === '1.1') return 'the Host header is missing';
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') {
    return 'Expect must be 100-continue or absent';
  }
  const encoding = headers['transfer-encoding'];
  if (encoding !== undefined) {
    if (encoding !== 'chunked') return 'Transfer-Encoding must be chunked or absent';
    if (httpVersion === '1.0') return 'HTTP/1.0 has no Transfer-Encoding';
  }
  let seen: string[] | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (!ONCE.has(name)) continue;
    if (seen?.includes(name)) return `the header ${name} was sent more than once`;
    seen = seen === undefined ? [name] : [...seen, name];
  }
  return undefined;
}
