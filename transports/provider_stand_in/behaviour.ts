/**
 * How a stand-in behaves, and what it has seen. Plain values, which cross threads.
 *
 * @module
 */

import type { Platform } from "../provider/provider.ts";
import type { Fate, Shares } from "./fate.ts";

/** How one provider behaves; everything can be changed while it runs. */
export interface Behaviour {
  /** Which recipients do not simply accept. */
  readonly shares: Shares;
  /** How often a throttled or unavailable recipient puts its sender off before it accepts. */
  readonly refusals: number;
  /** What `Retry-After` says, in seconds, where the provider sends it. */
  readonly retryAfterSeconds: number;
  /** Milliseconds from a request to its answer. */
  readonly latencyMs: number;
  /** SETTINGS_MAX_CONCURRENT_STREAMS; for APNs once a token was accepted, until then it is 1. */
  readonly streamsMax: number;
  /** Whether the streams allowed fall to 1 with a rejection and return with the next success, as seen of APNs. */
  readonly narrowed: boolean;
  /** Every so many milliseconds the oldest connection is told to go away; 0 for never. */
  readonly goawayEveryMs: number;
  /** After so many requests a connection is told to go away; 0 for never. */
  readonly goawayEveryRequests: number;
  /** With every so many requests, counted over all connections, its connection is cut without a word; 0 for never. */
  readonly cutEveryRequests: number;
  /** Every so many requests, counted over all connections, are reset; 0 for never. */
  readonly resetEveryRequests: number;
  /** The error codes of those resets in turn (RFC 9113 section 7). A request refused with 7 was not seen. */
  readonly resetCodes: readonly number[];
  /** Lifetime of an OAuth access token, in seconds. */
  readonly accessTokenSeconds: number;
  /** Whether Web Push bodies are decrypted with the receiver's key, which is slow, or only checked for their form. */
  readonly decrypted: boolean;
}

/** A provider that accepts everything that is right, at once. */
export const KIND: Behaviour = {
  shares: {},
  refusals: 1,
  retryAfterSeconds: 1,
  latencyMs: 0,
  streamsMax: 100,
  narrowed: false,
  goawayEveryMs: 0,
  goawayEveryRequests: 0,
  cutEveryRequests: 0,
  resetEveryRequests: 0,
  resetCodes: [2],
  accessTokenSeconds: 3_600,
  decrypted: false,
};

/** How a provider behaves unless told otherwise: as {@linkcode KIND}, APNs with the streams it has been seen to allow. */
export function initialBehaviour(platform: Platform): Behaviour {
  return platform === "apns" ? { ...KIND, streamsMax: 1_000 } : KIND;
}

/** What one provider has seen since its start, or since it was told to forget. */
export interface Seen {
  /** Connections that were accepted. */
  readonly connections: number;
  /** Requests that reached a recipient, whether or not the sender got the answer. */
  readonly requests: number;
  /** Recipients that a request reached. */
  readonly recipients: number;
  /** How many of those have each fate. */
  readonly fates: Readonly<Record<Fate, number>>;
  /** Recipients that accepted at least once. */
  readonly accepted: number;
  /** Acceptances beyond the first of each recipient: people who got it twice. */
  readonly acceptedAgain: number;
  /** Requests that a recipient put off or failed: 429, 503, 500. A sender has to repeat them. */
  readonly deferred: number;
  /** Requests that never came to a recipient, by the reason they were refused for. */
  readonly refused: Readonly<Record<string, number>>;
  /** GOAWAY frames sent. */
  readonly goaways: number;
  /** Requests above the last stream of a GOAWAY: not processed, to be sent elsewhere. */
  readonly unprocessed: number;
  /** Streams reset on purpose. */
  readonly resets: number;
  /** Connections cut on purpose. */
  readonly cuts: number;
}
