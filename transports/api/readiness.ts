/**
 * Runs the readiness checks for `/readyz`.
 *
 * Invariants: however many probes ask at once, the checks run once at a time; every probe is
 * answered within the deadline, also when a check never ends; a check that fails or hangs makes the
 * node not ready and is never an error of the door.
 *
 * @module
 */
import { READY_DEADLINE_MS } from "./limits.ts";

/** What one check found. */
export interface ReadyCheck {
  /** What was checked, snake_case: `"store"`, `"device_sockets"`. */
  readonly name: string;
  /** Whether it works. */
  readonly ok: boolean;
  /** A sentence for the operator; no secrets, the answer is public. */
  readonly detail: string;
}

/** The time and timer that deadlines need. */
export interface ApiClock {
  /** Monotonic time in milliseconds. */
  now(): number;
  /** Calls `run` once after `ms`, unless the returned function is called before. */
  after(ms: number, run: () => void): () => void;
}

/** The real clock. */
export const apiClock: ApiClock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** The checks of one node. */
export class Readiness {
  readonly #ready: () => Promise<readonly ReadyCheck[]>;
  readonly #clock: ApiClock;
  #running: Promise<readonly ReadyCheck[]> | undefined;

  /**
   * Makes them; nothing runs until somebody asks.
   *
   * @param ready Runs all checks.
   * @param clock Replaced in tests.
   */
  constructor(ready: () => Promise<readonly ReadyCheck[]>, clock: ApiClock = apiClock) {
    this.#ready = ready;
    this.#clock = clock;
  }

  /** What the checks found; ready means that all of them are `ok`. Never rejects. */
  check(): Promise<readonly ReadyCheck[]> {
    const { promise, resolve } = Promise.withResolvers<readonly ReadyCheck[]>();
    const cancel = this.#clock.after(
      READY_DEADLINE_MS,
      () => resolve([failed(`not answered within ${READY_DEADLINE_MS} ms`)]),
    );
    this.#run().then((checks) => {
      cancel();
      resolve(checks);
    });
    return promise;
  }

  #run(): Promise<readonly ReadyCheck[]> {
    this.#running ??= this.#settle().finally(() => this.#running = undefined);
    return this.#running;
  }

  async #settle(): Promise<readonly ReadyCheck[]> {
    try {
      return await this.#ready();
    } catch {
      // The cause may name paths or addresses, and this answer is public: the log has it.
      return [failed("the checks could not be run")];
    }
  }
}

function failed(detail: string): ReadyCheck {
  return { name: "readiness", ok: false, detail };
}
