/** For tests: an issuer of tokens on this machine, as providers of sign-in are: discovery, keys, and whatever tokens it is told to sign. */
import {constants, createHmac, generateKeyPairSync, type KeyObject, sign} from 'node:crypto';
import {createServer, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';

const PSS = {padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST};
const IEEE = {dsaEncoding: 'ieee-p1363'} as const;
const ALGORITHMS: Record<string, {hash: string; how: object}> = {
  RS256: {hash: 'sha256', how: {}},
  PS256: {hash: 'sha256', how: PSS},
  ES256: {hash: 'sha256', how: IEEE},
  ES384: {hash: 'sha384', how: IEEE},
};

export interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export function newPair(type: 'RSA' | 'P-256' | 'P-384'): Pair {
  return type === 'RSA'
    ? generateKeyPairSync('rsa', {modulusLength: 2048})
    : generateKeyPairSync('ec', {namedCurve: type});
}

const part = (json: object) => Buffer.from(JSON.stringify(json)).toString('base64url');

export class TestIssuer {
  readonly keys = new Map<string, Pair>([
    ['rsa', newPair('RSA')],
    ['p256', newPair('P-256')],
    ['p384', newPair('P-384')],
  ]);
  /** Paths, in the order in which they were asked for. */
  readonly asked: string[] = [];
  /** Answers instead of the issuer. */
  answer: ((response: ServerResponse) => void) | undefined;
  readonly #server: Server;
  #url = '';

  constructor() {
    this.#server = createServer((request, response) => {
      this.asked.push(request.url!);
      if (this.answer !== undefined) this.answer(response);
      else if (request.url === '/realm/.well-known/openid-configuration')
        response.end(JSON.stringify({issuer: this.url, jwks_uri: `${this.url}/keys`}));
      else if (request.url === '/realm/keys') response.end(this.keySet());
      else response.writeHead(404).end();
    });
  }

  async start(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve));
    this.#url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/realm`;
    return this;
  }

  stop(): Promise<unknown> {
    this.#server.closeAllConnections();
    return new Promise(resolve => this.#server.close(resolve));
  }

  get url(): string {
    return this.#url;
  }

  keySet(): string {
    const keys = [...this.keys].map(([kid, {publicKey}]) => ({kid, use: 'sig', ...publicKey.export({format: 'jwk'})}));
    return JSON.stringify({keys});
  }

  claims(changes: object = {}): object {
    const iat = Math.floor(Date.now() / 1000);
    return {iss: this.url, sub: '1234', aud: 'kalam', iat, exp: iat + 3600, ...changes};
  }

  /** What changes as undefined is left out. */
  token(claims: object = {}, header: object = {}, pair?: Pair): string {
    const head = {alg: 'RS256', kid: 'rsa', typ: 'JWT', ...header};
    const signed = `${part(head)}.${part(this.claims(claims))}`;
    const {hash, how} = ALGORITHMS[head.alg] ?? ALGORITHMS['RS256']!;
    const {privateKey: key} = pair ?? this.keys.get(head.kid) ?? this.keys.get('rsa')!;
    return `${signed}.${sign(hash, Buffer.from(signed), {key, ...how}).toString('base64url')}`;
  }

  /** As if a published text were a secret. */
  confused(secret: string | Buffer, claims: object = {}, alg = 'HS256'): string {
    const signed = `${part({alg, kid: 'rsa', typ: 'JWT'})}.${part(this.claims(claims))}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }
}
