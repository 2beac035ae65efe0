/**
 * Clock and ids come in through the door, so that a simulation can hand in others.
 */
export interface Clock {
  /** Milliseconds since the epoch. May jump either way. */
  nowMs(): number;
  /** Milliseconds that never go back; for durations. */
  monotonicMs(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Ids {
  /** `count` random bytes. */
  bytes(count: number): Uint8Array;
}
