/** Assert: states a law in code. A broken one is a bug: the message is the law, and the request that met it fails as INTERNAL_ERROR. */
export function assert(condition: boolean, law: string): asserts condition {
  if (!condition) throw new Error(`broken law: ${law}`);
}
