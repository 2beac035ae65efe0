/**
 * Turns: who decided in vain, since others wrote first, decides again while those who decide on the same places wait.
 *
 *     try ─ conflict ─ the turn of the places, first come, first served ─ try again … ─ pass the turn on
 *
 * Laws: while somebody has the turn of a place, who comes anew waits for his own, so nobody is overtaken again and again. A turn is no latch: who writes
 * without asking first waits for none, and may still be a conflict. Whoever waits for a turn holds nothing; turns of several places are taken in one order.
 */
import type {Latches, Release} from '../table/latches.ts';

const TURNS = 'turns';

/** `places` by their ids. Throws what the last try threw, or any that is no conflict. */
export async function inTurn<T>(
  latches: Latches,
  places: readonly string[],
  {tries, isConflict}: {readonly tries: number; readonly isConflict: (error: unknown) => boolean},
  attempt: () => Promise<T>,
): Promise<T> {
  const ids = [...new Set(places)];
  let release: Release | undefined;
  if (ids.some(id => latches.isHeld(TURNS, id))) release = await latches.acquire(TURNS, ids);
  try {
    for (let tried = 1; ; tried++) {
      try {
        return await attempt();
      } catch (error) {
        if (!isConflict(error) || tried >= tries) throw error;
        release ??= await latches.acquire(TURNS, ids);
      }
    }
  } finally {
    release?.();
  }
}
