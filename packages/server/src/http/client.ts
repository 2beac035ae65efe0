/**
 * Client: who is at the other end of a request, seen through the proxies in between.
 *
 *     peer of the socket ─ trusted, and says that it passes something on?  no  ─ the peer itself
 *                                                                          yes ─ the last address in X-Forwarded-For that is no trusted proxy,
 *                                                                                else X-Real-IP
 *
 * Laws: headers are believed from trusted proxies and from this machine alone. What a client wrote into them itself stands left of what the
 * first trusted proxy added, and is never reached. What came through a proxy is not of this machine, whatever it says, so a forwarded address
 * that claims to be is refused.
 */
import type {IncomingHttpHeaders} from 'node:http';
import {BlockList, isIP} from 'node:net';
import {DbError} from '@kalamdb/protocol/errors.ts';

export interface Client {
  readonly address: string;
  /** A program on this machine, without a proxy in between. */
  readonly isLocal: boolean;
  /** It spoke https with the proxy. */
  readonly isSecure: boolean;
}

const LOOPBACK_V4 = /^127\.(?:\d{1,3})\.(?:\d{1,3})\.(?:\d{1,3})$/;

/** An address as sockets report it, or a host name as a config or URL has it. */
export function isLoopback(host: string): boolean {
  if (host === '127.0.0.1') return true;
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name === '::1' || LOOPBACK_V4.test(name.replace(/^::ffff:/, ''));
}

/** Addresses and ranges such as `10.0.0.0/8` or `fd00::/8`. */
export class AddressRanges {
  readonly #list = new BlockList();

  /** Throws INVALID_INPUT naming what is no address; `where` names the setting. */
  constructor(ranges: readonly string[], where: string) {
    for (const range of ranges) this.#add(range, where);
  }

  has(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }

  #add(range: string, where: string): void {
    const [address, bits, ...rest] = range.split('/');
    const family = isIP(address!);
    const most = family === 4 ? 32 : 128;
    if (family === 0 || rest.length > 0 || (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > most))) {
      throw new DbError(
        'INVALID_INPUT',
        `${where}: ${JSON.stringify(range)} is no address or range such as 10.0.0.0/8.`,
      );
    }
    const type = family === 4 ? 'ipv4' : 'ipv6';
    if (bits === undefined) this.#list.addAddress(address!, type);
    else this.#list.addSubnet(address!, Number(bits), type);
  }
}

/** What tells that somebody passes a request on. */
const PROXY_HEADERS = ['x-forwarded-for', 'x-real-ip', 'forwarded', 'x-forwarded-host', 'x-forwarded-proto', 'via'];

/** Throws INVALID_INPUT for forwarded addresses that cannot be used. */
export function clientOf(peer: string, headers: IncomingHttpHeaders, trusted: AddressRanges): Client {
  const isOfMachine = isLoopback(peer);
  if (!isOfMachine && !trusted.has(peer)) return {address: peer, isLocal: false, isSecure: false};
  if (!PROXY_HEADERS.some(name => headers[name] !== undefined)) {
    return {address: peer, isLocal: isOfMachine, isSecure: false};
  }
  return {address: forwardedAddress(headers, trusted) ?? peer, isLocal: false, isSecure: isForwardedSecure(headers)};
}

function forwardedAddress(headers: IncomingHttpHeaders, trusted: AddressRanges): string | undefined {
  const chain = headers['x-forwarded-for'];
  if (chain === undefined) {
    const only = headers['x-real-ip'];
    return only === undefined ? undefined : readAddress(String(only), 'X-Real-IP');
  }
  const texts = String(chain).split(',');
  for (let i = texts.length - 1; i > 0; i--) {
    const address = readAddress(texts[i]!, 'X-Forwarded-For');
    if (!trusted.has(address)) return address;
  }
  return readAddress(texts[0]!, 'X-Forwarded-For');
}

/** Without the port that some proxies add. */
function readAddress(text: string, header: string): string {
  const part = text.trim();
  const address = /^\[([^\]]*)\](?::\d+)?$/.exec(part)?.[1] ?? /^([^:]*):\d+$/.exec(part)?.[1] ?? part;
  if (isIP(address) === 0) throw new DbError('INVALID_INPUT', `The ${header} header of the proxy holds no address.`);
  if (isLoopback(address)) {
    throw new DbError(
      'INVALID_INPUT',
      `The ${header} header of the proxy claims an address of this machine, which a proxy has no business to tell.`,
    );
  }
  return address;
}

/** Each proxy adds its own to the right. */
function isForwardedSecure(headers: IncomingHttpHeaders): boolean {
  return (
    String(headers['x-forwarded-proto'] ?? '')
      .split(',')
      .at(-1)!
      .trim()
      .toLowerCase() === 'https'
  );
}

/**
 * What limits and bans are counted by: an IPv4 address; of an IPv6 address the first 64 bits, since whoever has one of them has all that
 * differ in the rest.
 */
export function limitKey(address: string): string {
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (v4 !== null) return v4[1]!;
  return isIP(address) === 6 ? `${network64(address)}/64` : address;
}

function network64(address: string): string {
  const [left, right] = address.split('%')[0]!.toLowerCase().split('::');
  const head = groupsOf(left!);
  const tail = right === undefined ? [] : groupsOf(right);
  const zeros = right === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...Array<number>(zeros).fill(0), ...tail]
    .slice(0, 4)
    .map(group => group.toString(16))
    .join(':');
}

/** A dotted tail, as in `64:ff9b::192.0.2.1`, is two groups. */
function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap(part => (part.includes('.') ? [0, 0] : [Number.parseInt(part, 16)]));
}
