/**
 * Password: hashes and checks, away from the event loop, a few at a time, each caller in a line of its own.
 *
 *     caller a ─ … ─┐
 *     caller b ─ … ─┼─ one of each in turn ─ `atOnce` lanes ─ a thread of the pool
 *     caller c ─ … ─┘
 *
 * Laws: who sends many passwords waits behind themselves, not before others; the lanes leave threads for the disk. A check costs the same whether
 * there is an account or not: without a hash to compare with, one of nobody's is taken. Lines have a length, and meeting it is an answer.
 */

import {DbError} from '@kalamdb/protocol/errors.ts';
import {type Algorithm, hash, verify} from '@node-rs/argon2';
import {verify as verifyBcrypt} from '@node-rs/bcrypt';

export interface PasswordCost {
  readonly memoryKib: number;
  readonly passes: number;
}

interface PasswordsOptions {
  readonly cost: PasswordCost;
  /** Hashed at the same time. */
  readonly atOnce: number;
}

/** Of one caller, and of all. */
const LINE_MAX = 16;
const WAITING_MAX = 1000;

export class Passwords {
  readonly #options: PasswordsOptions;
  readonly #lines = new Map<string, (() => void)[]>();
  #waiting = 0;
  #running = 0;
  #nobodys: Promise<string> | undefined;
  #checks = 0;

  constructor(options: PasswordsOptions) {
    this.#options = options;
  }

  /** How often a password was compared with a hash: what an attacker could measure. */
  get checks(): number {
    return this.#checks;
  }

  /** For the row of an account. Rejects with RATE_LIMIT_EXCEEDED when too many wait. */
  hash(password: string, caller: string): Promise<string> {
    return this.#inLine(caller, () => this.#hash(password));
  }

  /** `stored` undefined: there is nothing to compare with, and the answer is no after the same work. Rejects like `hash`. */
  verify(stored: string | undefined, password: string, caller: string): Promise<boolean> {
    return this.#inLine(caller, async () => {
      this.#checks++;
      this.#nobodys ??= this.#hash('nobody');
      const nobodys = await this.#nobodys;
      const isSame = await compare(stored ?? nobodys, password);
      return isSame && stored !== undefined;
    });
  }

  /** It was made by another method, or at another cost, than a new one would be. */
  isOutdated(stored: string): boolean {
    const {memoryKib, passes} = this.#options.cost;
    return !stored.startsWith(`$argon2id$v=19$m=${memoryKib},t=${passes},p=1$`);
  }

  #hash(password: string): Promise<string> {
    const {memoryKib, passes} = this.#options.cost;
    return hash(password, {algorithm: ARGON2ID, memoryCost: memoryKib, timeCost: passes, parallelism: 1});
  }

  #inLine<T>(caller: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(caller) ?? [];
    if (line.length >= LINE_MAX || this.#waiting >= WAITING_MAX) {
      return Promise.reject(new DbError('RATE_LIMIT_EXCEEDED', 'Too many passwords wait to be checked; try again.'));
    }
    return new Promise<T>((resolve, reject) => {
      line.push(() => {
        const done = () => {
          this.#running--;
          this.#next();
        };
        work().then(resolve, reject).finally(done);
      });
      this.#lines.set(caller, line);
      this.#waiting++;
      this.#next();
    });
  }

  /** The first of the line that was served longest ago. */
  #next(): void {
    if (this.#running >= this.#options.atOnce) return;
    for (const [caller, line] of this.#lines) {
      const begin = line.shift()!;
      this.#lines.delete(caller);
      if (line.length > 0) this.#lines.set(caller, line);
      this.#waiting--;
      this.#running++;
      begin();
      return;
    }
  }
}

/** `Algorithm` is an enum that only the compiler knows. */
const ARGON2ID: Algorithm.Argon2id = 2;

function compare(stored: string, password: string): Promise<boolean> {
  return stored.startsWith('$argon2') ? verify(stored, password) : verifyBcrypt(password, stored);
}

const ARGON2 = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d)\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/;
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const IMPORTED_KIB_MAX = 65_536;
const IMPORTED_PASSES_MAX = 10;
const IMPORTED_BCRYPT_COST_MAX = 14;

/** A text that stands for a password by its hash, as it comes from another server, at a cost this one is willing to pay for each sign-in. */
export function isHash(text: string): boolean {
  const argon2 = ARGON2.exec(text);
  if (argon2 !== null) {
    const [memoryKib, passes, lanes] = argon2.slice(1).map(Number) as [number, number, number];
    return memoryKib >= 8 * lanes && memoryKib <= IMPORTED_KIB_MAX && passes >= 1 && passes <= IMPORTED_PASSES_MAX;
  }
  const bcrypt = BCRYPT.exec(text);
  return bcrypt !== null && Number(bcrypt[1]) >= 4 && Number(bcrypt[1]) <= IMPORTED_BCRYPT_COST_MAX;
}
