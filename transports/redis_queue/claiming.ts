/**
 * A claim while it is made: what the node may take, and what it has so far.
 *
 * @module
 */

import type { ClaimedBatch, ClaimRequest, Lane } from "../delivery_store/records.ts";

/** The lane of batches that may be claimed though their own is held or paused. */
export const OVERDUE = "overdue";

/** What a claim has come to so far. */
export interface Claiming {
  /** What was asked for. */
  readonly request: ClaimRequest;
  /** What was claimed so far. */
  readonly batches: ClaimedBatch[];
  /** Lanes of which only what has expired may be claimed: paused, or held. */
  readonly closed: ReadonlySet<string>;
  /** By lane, how many of its batches this node has. */
  readonly inFlight: Map<string, number>;
}

/** A lane's name in Redis. */
export function laneOf({ app, platform }: Lane): string {
  return `${platform}:${app}`;
}

/** The lane of a name; `undefined` for the one that is none. */
export function parseLane(name: string): Lane | undefined {
  const [platform, app] = name.split(":", 2);
  if (app === undefined) return undefined;
  if (platform !== "apns" && platform !== "fcm" && platform !== "webpush") return undefined;
  return { app, platform };
}

/** How many more batches may be claimed. */
export function roomOf({ request, batches }: Claiming): number {
  return request.batchesMax - batches.length;
}

/** How many more batches of this lane may be claimed. */
export function freeOf({ request, closed, inFlight }: Claiming, lane: string): number {
  if (lane === OVERDUE) return request.batchesMax;
  if (closed.has(lane)) return 0;
  return request.laneBatchesMax - (inFlight.get(lane) ?? 0);
}

/** Whether the node could take more, and nothing waits that it may take. */
export function isShort(claiming: Claiming, waiting: ReadonlyMap<string, number>): boolean {
  if (roomOf(claiming) <= 0) return false;
  return [...waiting].every(([lane, count]) => count <= 0 || freeOf(claiming, lane) > 0);
}
