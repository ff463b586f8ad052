/**
 * Which requests meet a fault of the connection: by counting, so that a run can be repeated.
 *
 * @module
 */

import type { Behaviour } from "./behaviour.ts";

/** What happens to a request beside its answer. */
export type Fault =
  | { readonly kind: "none" }
  | { readonly kind: "cut" }
  | { readonly kind: "reset"; readonly code: number };

const NONE: Fault = { kind: "none" };
const CUT: Fault = { kind: "cut" };

/** Counts the requests of one provider. */
export class Faults {
  #requests = 0;
  #resets = 0;

  /** What the next request meets. */
  next({ cutEveryRequests, resetEveryRequests, resetCodes }: Behaviour): Fault {
    this.#requests++;
    if (cutEveryRequests > 0 && this.#requests % cutEveryRequests === 0) return CUT;
    if (resetEveryRequests === 0 || this.#requests % resetEveryRequests !== 0) return NONE;
    const code = resetCodes[this.#resets++ % resetCodes.length];
    return code === undefined ? NONE : { kind: "reset", code };
  }
}
