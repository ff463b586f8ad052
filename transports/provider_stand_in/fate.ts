/**
 * What becomes of each recipient, decided by nothing but its address and a seed: a test can compute
 * the outcomes of a campaign before it begins.
 *
 * @module
 */

/** The fates that are dealt out; who has none of them is `healthy`. */
export const FATES = [
  "dead",
  "malformed",
  "refused",
  "throttled",
  "unavailable",
  "failing",
] as const;

/**
 * What a recipient answers with. `dead` ones are unregistered, `malformed` ones no address at all,
 * `refused` ones do not take what is sent; `throttled` (429) and `unavailable` (503) ones do so a
 * number of times and then accept; `failing` ones (500) never do.
 */
export type Fate = "healthy" | typeof FATES[number];

/** The share of recipients that have each fate, from 0 to 1, together at most 1. */
export type Shares = Readonly<Partial<Record<typeof FATES[number], number>>>;

/** How a delivery to a recipient of each fate has to end when its sender tries long enough. */
export const OUTCOME_OF = {
  healthy: "delivered",
  dead: "token_invalid",
  malformed: "token_invalid",
  refused: "rejected",
  throttled: "delivered",
  unavailable: "delivered",
  failing: "failed",
} as const satisfies Readonly<Record<Fate, string>>;

/** 64 bits that stand for an address. */
export interface AddressHash {
  /** The upper half. */
  readonly high: number;
  /** The lower half. */
  readonly low: number;
}

/**
 * Hashes an address: two multiplicative hashes with different factors, mixed at the end. Of an
 * endpoint URL what follows the last slash counts, since its port is another with every start.
 */
export function hashAddress(address: string): AddressHash {
  let high = 0x9e3779b9;
  let low = 0x7f4a7c15;
  for (let i = address.lastIndexOf("/") + 1; i < address.length; i++) {
    const code = address.charCodeAt(i);
    high = Math.imul(high ^ code, 0x85ebca6b);
    high ^= high >>> 15;
    low = Math.imul(low ^ code, 0xc2b2ae35);
    low ^= low >>> 13;
  }
  return { high: mix(high ^ (low >>> 7)), low: mix(low ^ high) };
}

/**
 * The fate of a recipient.
 *
 * @param address A device token, or a push endpoint.
 * @param seed Decides who is who.
 * @param shares How many have which fate.
 */
export function expectedAnswer(address: string, seed: number, shares: Shares): Fate {
  return fateOf(hashAddress(address), seed, shares);
}

/** As {@linkcode expectedAnswer}, for an address that was hashed. */
export function fateOf({ high, low }: AddressHash, seed: number, shares: Shares): Fate {
  const point = mix(high ^ Math.imul(low, 0x27d4eb2f) ^ mix(seed)) / 2 ** 32;
  let below = 0;
  for (const fate of FATES) {
    below += shares[fate] ?? 0;
    if (point < below) return fate;
  }
  return "healthy";
}

/** Spreads 32 bits over 32 bits, so that each bit of the input moves half of the output's. */
function mix(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
