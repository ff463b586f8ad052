/**
 * The calls of a store in memory, and what a test lets go wrong with them.
 *
 * Invariants: every call is numbered and shown when it is made; a call that fails has had no effect,
 * but for one that crashes the store after it; a store that crashed answers nothing more.
 *
 * @module
 */

/** Why a call failed: no space, an I/O error, too many waiting, or the store is closed. */
export type StoreErrorCode = "full" | "io" | "busy" | "closed";

/** The store could not serve a call; nothing of that call was stored. */
export class StoreError extends Error {
  /** The class, for messages and logs. */
  override readonly name = "StoreError";
  /** Stable reason. */
  readonly code: StoreErrorCode;

  /** Makes the error for `code`. */
  constructor(code: StoreErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** One call, as it was made. */
export interface CallOf<N extends string> {
  /** Its number, from 1. */
  readonly number: number;
  /** The method. */
  readonly name: N;
}

/**
 * What shall go wrong with a call. A code rejects it and stores nothing. `"crash_before"` is a
 * process killed before the write reached the disk, `"crash_after"` one killed between the disk and
 * the answer; after either the store is closed and `reopen` shows what is left.
 */
export type Fault = "full" | "io" | "busy" | "crash_before" | "crash_after";

/** What decides about calls. */
export interface CallOptions<N extends string> {
  /** Told of every call, in order, when it is made; decides what goes wrong with it. */
  fault?(call: CallOf<N>): Fault | undefined;
  /** Holds this call back, before it has any effect, until the promise resolves. */
  delay?(call: CallOf<N>): Promise<void> | undefined;
}

/** The calls of one store. */
export class Calls<N extends string> {
  readonly #options: CallOptions<N>;
  #count = 0;
  #open = true;

  /** None were made yet. */
  constructor(options: CallOptions<N>) {
    this.#options = options;
  }

  /** Ends the store at once: calls on their way are lost. */
  crash(): void {
    this.#open = false;
  }

  /** Makes a call: held back when the test wants it, then failed or made in one piece. */
  async make<T>(name: N, effect: () => T): Promise<T> {
    const call = { number: ++this.#count, name };
    const fault = this.#options.fault?.(call);
    const held = this.#options.delay?.(call);
    if (held !== undefined) await held;
    if (!this.#open) throw new StoreError("closed", `Cannot ${name}: the store is closed`);
    switch (fault) {
      case undefined:
        return effect();
      case "crash_after":
        effect();
        this.crash();
        throw new StoreError("closed", `Cannot ${name}: the store crashed`);
      case "crash_before":
        this.crash();
        throw new StoreError("closed", `Cannot ${name}: the store crashed`);
      case "full":
      case "io":
      case "busy":
        throw new StoreError(fault, `Cannot ${name}: the test wants "${fault}"`);
    }
  }
}
