/**
 * Some connections, and who may use which: a bounded queue in front of a bounded number of them.
 *
 * Invariants: no connection has more calls than allowed; who waits is served in order, and not for
 * longer than the time of a call; while the server is away calls are refused at once, and every so
 * often one tries to reach it.
 *
 * @module
 */

import { ConnectionLost, StoreError } from "./errors.ts";
import { RECONNECT_DELAY_MAX_MS, RECONNECT_DELAY_MIN_MS, WAITING_MAX } from "./limits.ts";
import type { Session } from "./session.ts";

/** What a lane needs. */
export interface LaneOptions {
  /** Opens a connection; tells when it ends by itself. */
  open(onLost: (session: Session) => void): Promise<Session>;
  /** Connections at most. */
  readonly sessionsMax: number;
  /** Calls at once on each. */
  readonly callsMax: number;
  /** How long a call waits for its turn. */
  readonly waitMs: number;
}

/** A call that waits for a connection. */
interface Waiting {
  resolve(session: Session): void;
  reject(error: unknown): void;
}

/** Connections with a queue in front. */
export class Lane {
  readonly #options: LaneOptions;
  /** The open ones, with how many calls each has. */
  readonly #sessions = new Map<Session, number>();
  readonly #opening = new Set<Promise<void>>();
  /** Those that were lost and are not all put away. */
  readonly #ending = new Set<Promise<void>>();
  /** Told when a connection has no calls any more. */
  readonly #idling = new Map<Session, () => void>();
  readonly #waiting = new Set<Waiting>();
  #failures = 0;
  #retryAt = 0;
  #reason: unknown;
  #closing = false;

  /** Opens nothing yet. */
  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /**
   * A connection to use; give it back with {@link Lane.give}.
   *
   * @throws {StoreError} By rejection: `"busy"` when too many wait or for too long, `"closed"`.
   * @throws {ConnectionLost} By rejection, or what the server answered, when there is no connection.
   */
  take(): Promise<Session> | Session {
    if (this.#closing) return Promise.reject(new StoreError("closed", "The store is closed"));
    const free = this.#free();
    if (free !== undefined) return this.#use(free);
    if (this.#waiting.size >= WAITING_MAX) {
      const message = `${this.#waiting.size} calls wait for a connection already`;
      return Promise.reject(new StoreError("busy", message));
    }
    if (this.#sessions.size === 0 && this.#opening.size === 0) {
      if (performance.now() < this.#retryAt) return Promise.reject(this.#reason);
    }
    this.#openAnother();
    return this.#wait();
  }

  /** Ends the use of a connection, which must not have a transaction open. */
  give(session: Session): void {
    const calls = this.#sessions.get(session);
    if (calls === undefined) return; // It was lost meanwhile.
    this.#sessions.set(session, calls - 1);
    this.#serve();
  }

  /** Refuses who waits, lets the calls on their way end, and closes all connections. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const waiting of this.#waiting) {
      waiting.reject(new StoreError("closed", "The store is closed"));
    }
    while (this.#opening.size > 0) await Promise.all(this.#opening);
    const sessions = [...this.#sessions.keys()];
    await Promise.all(sessions.map((session) => this.#idle(session)));
    await Promise.all(sessions.map((session) => session.close()));
    this.#sessions.clear();
    await Promise.all(this.#ending);
  }

  /** Resolves when the connection has no calls; each of them is bounded by its own time. */
  #idle(session: Session): Promise<void> {
    if ((this.#sessions.get(session) ?? 0) === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idling.set(session, resolve));
  }

  /**
   * The open connection with the fewest calls, if it may have another. One that is in use already is
   * shared only when no other can be opened, or while it is.
   */
  #free(): Session | undefined {
    let best: Session | undefined;
    let fewest = this.#options.callsMax;
    for (const [session, calls] of this.#sessions) {
      if (calls < fewest) [best, fewest] = [session, calls];
    }
    if (fewest > 0) this.#openAnother();
    return best;
  }

  #use(session: Session): Session {
    this.#sessions.set(session, (this.#sessions.get(session) ?? 0) + 1);
    return session;
  }

  #wait(): Promise<Session> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const message = `no connection was free for ${this.#options.waitMs} ms`;
        waiting.reject(new StoreError("busy", message));
      }, this.#options.waitMs);
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        resolve: (session) => (done(), resolve(session)),
        reject: (error) => (done(), reject(error)),
      };
      this.#waiting.add(waiting);
    });
  }

  #openAnother(): void {
    if (this.#closing || this.#sessions.size + this.#opening.size >= this.#options.sessionsMax) {
      return;
    }
    if (performance.now() < this.#retryAt) return;
    const opening = this.#open().finally(() => this.#opening.delete(opening));
    this.#opening.add(opening);
  }

  async #open(): Promise<void> {
    try {
      const session = await this.#options.open((lost) => this.#lost(lost));
      // It may have ended between its first answer and now.
      if (session.lost) throw new ConnectionLost("the connection was closed");
      this.#sessions.set(session, 0);
      this.#failures = 0;
      this.#retryAt = 0;
    } catch (error) {
      this.#failed(error);
    }
    this.#serve();
  }

  #failed(error: unknown): void {
    this.#reason = error;
    const delayMs = Math.min(RECONNECT_DELAY_MAX_MS, RECONNECT_DELAY_MIN_MS * 2 ** this.#failures);
    this.#failures++;
    this.#retryAt = performance.now() + delayMs;
    // With another connection open it is only their number that is limited: who waits has a chance.
    if (this.#sessions.size > 0) return;
    for (const waiting of this.#waiting) waiting.reject(error);
  }

  #lost(session: Session): void {
    this.#sessions.delete(session);
    const ending = session.close().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    this.#idling.get(session)?.();
    this.#idling.delete(session);
    if (this.#waiting.size > 0) this.#openAnother();
    if (this.#waiting.size > 0 && this.#sessions.size === 0 && this.#opening.size === 0) {
      const error = this.#reason ?? new ConnectionLost("the connection was closed");
      for (const waiting of this.#waiting) waiting.reject(error);
    }
  }

  #serve(): void {
    for (const waiting of this.#waiting) {
      const free = this.#free();
      if (free === undefined) break;
      waiting.resolve(this.#use(free));
    }
    for (const [session, idle] of this.#idling) {
      if ((this.#sessions.get(session) ?? 0) > 0) continue;
      this.#idling.delete(session);
      idle();
    }
  }
}
