/** A sleep that an abort ends early, whichever way the clock tells it. */
import type {Clock} from '../std/clock.ts';

/** True if the time went by, false if the signal fired. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return !signal.aborted;
}
