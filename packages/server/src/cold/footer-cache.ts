/**
 * Footer cache: parsed footers by segment path, least recently used out first, bounded by bytes. Simultaneous readers share one load.
 */
import {Lru} from '../std/lru.ts';
import type {Footer} from './footer.ts';

export class FooterCache {
  hits = 0;
  misses = 0;
  readonly #entries: Lru<string, Footer>;
  readonly #loading = new Map<string, Promise<Footer>>();

  constructor(bytesMax: number) {
    this.#entries = new Lru(bytesMax);
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#entries.bytes;
  }

  /** The cached footer at once, or a promise of the loaded one. A failed load is not remembered. */
  get(path: string, load: () => Promise<Footer>): Footer | Promise<Footer> {
    const cached = this.#entries.get(path);
    if (cached !== undefined) {
      this.hits++;
      return cached;
    }
    this.misses++;
    const underway = this.#loading.get(path);
    if (underway !== undefined) return underway;
    const loading = load();
    this.#loading.set(path, loading);
    return loading.then(
      footer => {
        if (this.#loading.get(path) === loading) this.#keep(path, footer);
        return footer;
      },
      error => {
        if (this.#loading.get(path) === loading) this.#loading.delete(path);
        throw error;
      },
    );
  }

  forget(path: string): void {
    this.#loading.delete(path);
    this.#entries.delete(path);
  }

  #keep(path: string, footer: Footer): void {
    this.#loading.delete(path);
    this.#entries.set(path, footer, footer.memoryBytes);
  }
}
