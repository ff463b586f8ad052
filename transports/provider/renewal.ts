/**
 * Sends with a credential that may have to be renewed on the way: requests that were refused for the
 * credential are sent once more with a fresh one, the others are not.
 *
 * @module
 */

import type { Folded } from "./fold.ts";
import type { Answers, Verdict } from "./provider.ts";

/** The credential was refused; a fresh one may be accepted. */
export interface Renew {
  /** Tells it from verdicts. */
  readonly kind: "renew";
  /** The answer's status. */
  readonly status: number;
  /** Why it was refused. */
  readonly reason: string;
  /** The answer's `date`, milliseconds since 1970, where it had one. */
  readonly serverTime: number | undefined;
}

/** A fresh credential, or what its absence means for the requests that wait for it. */
export type Renewed<C> =
  | { readonly kind: "renewed"; readonly credential: C }
  | { readonly kind: "refused"; readonly verdict: Verdict };

/** How to send and to renew. */
export interface RenewingSender<C> {
  /** The credential to begin with. */
  readonly credential: C;
  /** Sends to those of the recipients that are named by their indexes. */
  send(credential: C, indexes: readonly number[]): Promise<Folded<Verdict | Renew>>;
  /** Renews after the first refusal. */
  renew(used: C, refusal: Renew): Promise<Renewed<C>>;
  /** Hears that the fresh credential was refused as well. */
  refused(refusal: Renew): void;
}

/**
 * Sends, renews at most once, and sends again to those whose answer asked for it. A fresh credential
 * that is refused as well pauses the app.
 *
 * @param indexes Whom to send to.
 * @param sender How.
 */
export async function sendRenewing<C>(
  indexes: readonly number[],
  sender: RenewingSender<C>,
): Promise<Answers> {
  const first = await sender.send(sender.credential, indexes);
  const refusal = first.verdicts.find((verdict) => verdict.kind === "renew");
  if (refusal?.kind !== "renew") return settled(first, paused);
  const renewed = await sender.renew(sender.credential, refusal);
  if (renewed.kind === "refused") return settled(first, () => renewed.verdict);

  const places: number[] = [];
  for (const [place, index] of first.of.entries()) {
    if (first.verdicts[index]?.kind === "renew") places.push(place);
  }
  const again = await sender.send(
    renewed.credential,
    places.map((place) => indexes[place] ?? 0),
  );
  const refusedAgain = again.verdicts.find((verdict) => verdict.kind === "renew");
  if (refusedAgain?.kind === "renew") sender.refused(refusedAgain);
  const second = settled(again, paused);
  const answers = settled(first, paused);
  for (const [index, place] of places.entries()) {
    answers.of[place] = first.verdicts.length + (second.of[index] ?? 0);
  }
  return { verdicts: [...answers.verdicts, ...second.verdicts], of: answers.of };
}

function paused({ status, reason }: Renew): Verdict {
  return { kind: "pause", status, reason };
}

function settled(folded: Folded<Verdict | Renew>, judge: (renew: Renew) => Verdict): Answers {
  const verdicts = folded.verdicts.map((verdict) =>
    verdict.kind === "renew" ? judge(verdict) : verdict
  );
  return { verdicts, of: folded.of };
}
