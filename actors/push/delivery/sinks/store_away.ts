/**
 * What tells a store that is away from a sink that fails: the one comes back by itself, the other may need
 * a person.
 *
 * @module
 */

/** The store could not be asked; what it said is the cause. */
export class StoreAwayError extends Error {
  /** The class, for messages and logs. */
  override readonly name = "StoreAwayError";
}

/** The answer of a call to the store; its rejection as {@linkcode StoreAwayError}. */
export async function ofStore<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (cause) {
    throw new StoreAwayError(String(cause), { cause });
  }
}
