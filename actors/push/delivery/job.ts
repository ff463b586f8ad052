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
import type { Span } from "../tracer.ts";
import type { Answers, ProviderConnection, Routed, Verdict } from "./ports.ts";
import { countsOf } from "./settle.ts";

/** The answers of one block as they come together. */
export class Job {
  readonly #later: Later<Answers>;
  readonly #verdicts: Verdict[] = [];
  readonly #indexes = new Map<Verdict, number>();
  readonly #of: Uint16Array;
  readonly #span: Span | undefined;
  #left: number;

  /**
   * Makes one without answers.
   *
   * @param later Whoever waits for them.
   * @param count Recipients of the block.
   * @param span What its requests are steps of, when that is recorded.
   */
  constructor(later: Later<Answers>, count: number, span?: Span) {
    this.#span = span;
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

  /** Begins the trace of some of its requests over a connection, when that is recorded. */
  begin(
    { leg, indexes, resends }: {
      readonly leg: { readonly destination: { readonly origin: string } };
      readonly indexes: readonly number[];
      readonly resends: number;
    },
    connection: number,
  ): Span | undefined {
    return this.#span?.child("request", {
      origin: leg.destination.origin,
      connection,
      count: indexes.length,
      attempt: resends,
    });
  }

  #finish(): void {
    this.#later.resolve({ verdicts: this.#verdicts, of: this.#of });
  }
}

/**
 * Ends the trace of requests.
 *
 * @param span What {@link Job.begin} gave.
 * @param answers What they were answered.
 * @param status Whether the connection answered at all.
 */
export function endRequests(
  span: Span,
  answers: Answers,
  status: PromiseSettledResult<unknown>["status"],
): void {
  if (status === "rejected") return span.end({ failure: "connection_lost" });
  const counts = countsOf(answers);
  const named = new Map<Verdict["kind"], number>();
  for (const [index, { kind }] of answers.verdicts.entries()) {
    named.set(kind, (named.get(kind) ?? 0) + (counts[index] ?? 0));
  }
  span.end({ answers: named });
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
