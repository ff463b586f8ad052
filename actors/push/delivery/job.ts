/**
 * The answers of one block of recipients, as they come together from several connections.
 *
 * Invariant: the block is answered once, when the last of its recipients has a verdict. Verdicts are
 * told apart by identity: those of one answer of a connection are the same object for many recipients.
 *
 * @module
 */

import type { Later } from "../../runtime/actor.ts";
import { invariant } from "../../runtime/errors.ts";
import type { Answers, ProviderConnection, Routed, Verdict } from "./ports.ts";

/** The answers of one block as they come together. */
export class Job {
  readonly #later: Later<Answers>;
  readonly #verdicts: Verdict[] = [];
  readonly #indexes = new Map<Verdict, number>();
  readonly #of: Uint16Array;
  #left: number;

  /**
   * Makes one without answers.
   *
   * @param later Whoever waits for them.
   * @param count Recipients of the block.
   */
  constructor(later: Later<Answers>, count: number) {
    this.#later = later;
    this.#of = new Uint16Array(count);
    this.#left = count;
    if (count === 0) this.#finish();
  }

  /** The verdict of the recipient at this place; the last one answers the block. */
  settle(place: number, verdict: Verdict): void {
    let index = this.#indexes.get(verdict);
    if (index === undefined) {
      index = this.#verdicts.length;
      this.#indexes.set(verdict, index);
      this.#verdicts.push(verdict);
    }
    this.#of[place] = index;
    if (--this.#left === 0) this.#finish();
  }

  #finish(): void {
    this.#later.resolve({ verdicts: this.#verdicts, of: this.#of });
  }
}

/**
 * Checks that a provider routed the whole block: a recipient left out would be waited for in vain.
 *
 * @param routed The legs, and who has a verdict without one.
 * @param count Recipients of the block.
 * @throws {InvariantError} When it did not.
 */
export function covers(
  { settled, legs }: Routed<ProviderConnection>,
  count: number,
): void {
  const routed = legs.reduce((sum, { places }) => sum + places.length, settled.size);
  invariant(routed === count, `A provider routed ${routed} of ${count} recipients`);
}
