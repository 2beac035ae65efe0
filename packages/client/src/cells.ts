/**
 * Cells: values as they travel, with what a program makes of them.
 *
 * 64-bit integers and decimals are texts, times are microseconds, JSON and file references are texts of JSON. Each `as…` answers null where
 * the cell holds none of that kind, and never throws.
 */

/** A seq: `(ms since 2024) << 22 | worker << 12 | counter`. Larger than a number can hold exactly. */
export class SeqId {
  static readonly EPOCH_MS = 1_704_067_200_000;
  readonly #value: bigint;

  constructor(value: bigint | number | string) {
    this.#value = BigInt(value);
  }

  static from(value: SeqId | bigint | number | string): SeqId {
    return value instanceof SeqId ? value : new SeqId(value);
  }

  toBigInt(): bigint {
    return this.#value;
  }

  toString(): string {
    return this.#value.toString();
  }

  toJSON(): string {
    return this.toString();
  }

  /** Milliseconds since 1970 at which it was given. */
  timestampMillis(): number {
    return Number(this.#value >> 22n) + SeqId.EPOCH_MS;
  }

  toDate(): Date {
    return new Date(this.timestampMillis());
  }

  equals(other: SeqId): boolean {
    return this.#value === other.#value;
  }

  compare(other: SeqId): number {
    return this.#value < other.#value ? -1 : this.#value > other.#value ? 1 : 0;
  }
}

export interface FileRefData {
  readonly id: string;
  readonly sub: string;
  readonly name: string;
  readonly size: number;
  readonly mime: string;
  readonly sha256: string;
  readonly shard?: number;
}

/** A file that a cell refers to. */
export class FileRef {
  readonly id!: string;
  readonly sub!: string;
  readonly name!: string;
  readonly size!: number;
  readonly mime!: string;
  readonly sha256!: string;
  readonly shard?: number;

  constructor(data: FileRefData) {
    Object.assign(this, data);
  }

  /** From a cell: text of JSON, or an object; null if it is none. */
  static from(value: unknown): FileRef | null {
    const data = (typeof value === 'string' ? parseJson(value) : value) as Partial<FileRefData> | null;
    const isRef = typeof data?.id === 'string' && typeof data.sub === 'string';
    return isRef ? new FileRef(data as FileRefData) : null;
  }

  getDownloadUrl(baseUrl: string, namespace: string, table: string): string {
    const path = [namespace, table, this.sub, this.id].map(encodeURIComponent).join('/');
    return `${baseUrl.replace(/\/+$/, '')}/api/v1/files/${path}`;
  }
}

/** A larger count is not one of milliseconds. So is no count of microseconds before September 2001: divide `toJson()` by 1000 for those. */
const MILLIS_MAX = 1e15;

export class KalamCellValue {
  readonly #raw: unknown;

  constructor(raw: unknown) {
    this.#raw = raw ?? null;
  }

  static from(raw: unknown): KalamCellValue {
    return raw instanceof KalamCellValue ? raw : new KalamCellValue(raw);
  }

  toJson(): unknown {
    return this.#raw;
  }

  toJSON(): unknown {
    return this.#raw;
  }

  isNull(): boolean {
    return this.#raw === null;
  }

  toString(): string {
    return this.asString() ?? 'null';
  }

  asString(): string | null {
    if (this.#raw === null) return null;
    return typeof this.#raw === 'object' ? JSON.stringify(this.#raw) : String(this.#raw);
  }

  asBool(): boolean | null {
    const raw = this.#raw;
    if (typeof raw === 'boolean') return raw;
    if (typeof raw === 'number') return raw !== 0;
    return raw === 'true' || raw === '1' ? true : raw === 'false' || raw === '0' ? false : null;
  }

  /** Null for what a number cannot hold exactly; see `asBigInt`. */
  asInt(): number | null {
    const number = this.asFloat();
    const int = number === null ? null : Math.trunc(number);
    return int !== null && Number.isSafeInteger(int) ? int : null;
  }

  asBigInt(): bigint | null {
    const raw = this.#raw;
    if (typeof raw === 'number') return Number.isFinite(raw) ? BigInt(Math.trunc(raw)) : null;
    return typeof raw === 'string' && /^-?\d+$/.test(raw) ? BigInt(raw) : null;
  }

  asFloat(): number | null {
    const raw = this.#raw;
    if (typeof raw === 'number') return raw;
    if (typeof raw === 'boolean') return Number(raw);
    if (typeof raw !== 'string' || raw.trim() === '') return null;
    const number = Number(raw);
    return Number.isNaN(number) ? null : number;
  }

  /** Of microseconds, milliseconds or an ISO text. */
  asDate(): Date | null {
    const raw = this.#raw;
    if (typeof raw !== 'number' && typeof raw !== 'string') return null;
    const number = typeof raw === 'number' ? raw : /^-?\d+$/.test(raw) ? Number(raw) : undefined;
    const date = new Date(number === undefined ? raw : Math.abs(number) < MILLIS_MAX ? number : number / 1000);
    return Number.isNaN(date.getTime()) ? null : date;
  }

  asUuid(): string | null {
    const text = this.asString();
    return text !== null && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) ? text.toLowerCase() : null;
  }

  asSeqId(): SeqId | null {
    const value = this.asBigInt();
    return value === null ? null : new SeqId(value);
  }

  asObject(): Record<string, unknown> | null {
    const value = this.#parsed();
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  }

  asArray(): unknown[] | null {
    const value = this.#parsed();
    return Array.isArray(value) ? value : null;
  }

  asEmbedding(): number[] | null {
    const value = this.asArray();
    return value?.every(each => typeof each === 'number') ? (value as number[]) : null;
  }

  asFile(): FileRef | null {
    return FileRef.from(this.#raw);
  }

  #parsed(): unknown {
    return typeof this.#raw === 'string' ? parseJson(this.#raw) : this.#raw;
  }
}

/** A row whose cells have `as…`. */
export type RowData = Record<string, KalamCellValue>;

export function wrapRowMap(row: Readonly<Record<string, unknown>>): RowData {
  return Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, KalamCellValue.from(cell)]));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
