/**
 * Calls a function of the program. What it throws is the program's own mistake: it is thrown again where nobody catches it, and does not keep
 * the client from doing what comes next.
 */
export function tell<Told extends unknown[]>(callback: ((...told: Told) => void) | undefined, ...told: Told): void {
  try {
    callback?.(...told);
  } catch (thrown) {
    queueMicrotask(() => {
      throw thrown;
    });
  }
}
