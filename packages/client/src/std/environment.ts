/**
 * Environment: everything the client takes from outside, as one object, so that tests and simulations can hand in another.
 *
 * The types are the smallest that browsers, Node and fakes all satisfy; the client asks for nothing else from its surroundings.
 */
export interface Environment {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** From 0 to below 1. */
  random(): number;
  /** Runs once after the delay; the answer takes it back. */
  setTimer(delayMs: number, run: () => void): () => void;
  fetch(url: string, request: FetchRequest): Promise<FetchResponse>;
  openSocket(url: string): SocketLike;
  /**
   * Tells when the system believes that the network went or came, and `true` too when a page is shown after it was hidden. The answer ends it.
   */
  watchNetwork(listener: (isOnline: boolean) => void): () => void;
}

export interface FetchRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string | FormData;
  readonly signal?: AbortSignal;
}

export interface FetchResponse {
  readonly status: number;
  text(): Promise<string>;
}

/** The part of WebSocket that is used. */
export interface SocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** The page or process this runs in. */
export function systemEnvironment(): Environment {
  return {
    nowMs: () => Date.now(),
    random: () => Math.random(),
    setTimer(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    fetch: (url, request) => globalThis.fetch(url, request),
    openSocket: url => new WebSocket(url) as unknown as SocketLike,
    watchNetwork,
  };
}

/** What a page has and Node has not. */
interface Page {
  readonly navigator?: {readonly onLine?: boolean};
  readonly document?: {
    readonly visibilityState: string;
    addEventListener(name: string, listener: () => void): void;
    removeEventListener(name: string, listener: () => void): void;
  };
  addEventListener?(name: string, listener: () => void): void;
  removeEventListener?(name: string, listener: () => void): void;
}

function watchNetwork(listener: (isOnline: boolean) => void): () => void {
  const page = globalThis as Page;
  const online = () => listener(true);
  const offline = () => listener(false);
  const shown = () => {
    if (page.document?.visibilityState === 'visible' && page.navigator?.onLine !== false) listener(true);
  };
  page.addEventListener?.('online', online);
  page.addEventListener?.('offline', offline);
  page.document?.addEventListener('visibilitychange', shown);
  return () => {
    page.removeEventListener?.('online', online);
    page.removeEventListener?.('offline', offline);
    page.document?.removeEventListener('visibilitychange', shown);
  };
}
