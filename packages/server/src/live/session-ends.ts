/**
 * Session ends: connections go with the sessions they were opened by.
 *
 * Laws: what ends a session by a commit ends its connections in the turn of that commit. A token's own end is waited for; it is by the wall clock,
 * which may be set meanwhile, so it is asked for again. In between nothing is delivered to a session that is over (`connection.ts`).
 */
import type {Session, SessionWatch} from '../model/session.ts';
import type {Clock} from '../std/clock.ts';
import type {Wheel} from '../std/wheel.ts';
import {type Connection, sessionOver} from './connection.ts';

export interface SessionEndsOptions {
  readonly sessions: SessionWatch;
  readonly clock: Clock;
  readonly wheel: Wheel;
  readonly connections: ReadonlySet<Connection>;
}

export class SessionEnds {
  readonly #options: SessionEndsOptions;
  /** Not told of any more changes. */
  readonly stop: () => void;

  constructor(options: SessionEndsOptions) {
    this.#options = options;
    this.stop = options.sessions.onSessionsChanged(() => {
      for (const connection of [...options.connections]) {
        if (!options.sessions.isStillValid(connection.session)) connection.end(sessionOver());
      }
    });
  }

  plan(connection: Connection): void {
    const {clock, wheel, sessions} = this.#options;
    connection.sessionEnd?.stop();
    const endMs = endOf(connection.session);
    if (endMs === undefined) return;
    connection.sessionEnd = wheel.after(Math.max(0, endMs - clock.nowMs()), () => {
      if (sessions.isStillValid(connection.session)) this.plan(connection);
      else connection.end(sessionOver());
    });
  }
}

function endOf({proof}: Session): number | undefined {
  if (proof.kind === 'actor') return endOf(proof.actor);
  return proof.kind === 'token' ? proof.expiresAtMs : undefined;
}
