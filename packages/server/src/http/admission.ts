/**
 * Admission: which connections are taken at all, by the address of the peer, before a byte is read.
 *
 *     banned address                429 IP_BANNED
 *     too many of one address       503 TOO_MANY_CONNECTIONS
 *
 * Trusted proxies carry the requests of many and are not counted; what they pass on is counted by request (rate-limits.ts).
 * Law: who is not taken is told why, and cut off soon whether it listens or not.
 */
import type {Socket} from 'node:net';
import {type AddressRanges, clientOf, limitKey} from './client.ts';
import type {RateLimits} from './rate-limits.ts';
import {type Refusal, refusalText} from './refusal.ts';

const LINGER_MS = 1000;

export interface AdmissionOptions {
  readonly limits: RateLimits;
  readonly trustedProxies: AddressRanges;
  readonly nowMs: () => number;
  onRefused(refusal: Refusal): void;
}

export class Admission {
  readonly #options: AdmissionOptions;
  /** Open connections of the addresses that are counted. */
  readonly #open = new Map<string, number>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** False: it was refused, and is nobody else's business. */
  admit(socket: Socket): boolean {
    const {limits, trustedProxies, nowMs, onRefused} = this.#options;
    const address = socket.remoteAddress;
    // It went before anybody could ask who it was.
    if (address === undefined) {
      socket.destroy();
      return false;
    }
    const limit = limits.of(clientOf(address, {}, trustedProxies));
    if (limit === undefined || trustedProxies.has(address)) return true;
    const refusal = limit.banOf(nowMs()) ?? this.#count(socket, limitKey(address));
    if (refusal === undefined) return true;
    onRefused(refusal);
    turnAway(socket, refusal);
    return false;
  }

  #count(socket: Socket, key: string): Refusal | undefined {
    const max = this.#options.limits.options.connectionsPerAddress;
    const current = (this.#open.get(key) ?? 0) + 1;
    if (current > max) return {code: 'TOO_MANY_CONNECTIONS', current, max};
    this.#open.set(key, current);
    socket.once('close', () => {
      const left = this.#open.get(key)! - 1;
      if (left === 0) this.#open.delete(key);
      else this.#open.set(key, left);
    });
    return undefined;
  }
}

/** What it sends is read and thrown away: a connection closed with unread bytes loses the answer. */
function turnAway(socket: Socket, refusal: Refusal): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.on('error', () => {});
  socket.once('close', () => clearTimeout(timer));
  socket.resume().end(refusalText(refusal));
}
