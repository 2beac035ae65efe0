/** Fetch JSON: one document of one address, with limits. What is fetched of a simulation's world is handed in instead. */

export interface FetchLimits {
  readonly bytesMax: number;
  /** For all of it: connecting, answering, the last byte. */
  readonly timeoutMs: number;
}

export type FetchJson = (url: string, limits: FetchLimits) => Promise<unknown>;

/** Rejects with a text of its own for any answer but 200, a redirect, too many bytes, silence, and what is no JSON. */
export const fetchJson: FetchJson = async (url, {bytesMax, timeoutMs}) => {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {redirect: 'manual', headers: {accept: 'application/json'}, signal});
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`answered ${response.status}`);
    }
    return JSON.parse(await readText(response, bytesMax));
  } catch (cause) {
    throw new Error(`${url}: ${signal.aborted ? `no whole answer within ${timeoutMs} ms` : reasonOf(cause)}`, {cause});
  }
};

async function readText({body}: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    // Leaving the loop ends the connection.
    if (bytes > bytesMax) throw new Error(`answered more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString();
}

/** Node tells the cause of a failed fetch in `cause`. */
function reasonOf(thrown: unknown): string {
  const {message, cause} = thrown as {message?: string; cause?: {message?: string}};
  return cause?.message || message || String(thrown);
}
