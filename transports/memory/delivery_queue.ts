/**
 * The queue of the delivery store in memory: claims, and what a batch comes to.
 *
 * @module
 */

import { DEATHS_PER_DELIVERY } from "../delivery_store/limits.ts";
import {
  type BatchResult,
  type Claimed,
  type ClaimedBatch,
  type ClaimRequest,
  type CommitOutcome,
  type DirectRecipient,
  type Lease,
  type LoadedBatch,
  OUTCOMES,
  type Platform,
} from "../delivery_store/records.ts";
import { compare } from "./delivery_apps.ts";
import {
  addBatch,
  type Batch,
  cancelBatch,
  claimableAt,
  type Disk,
  dueAtOf,
  endIfDone,
  invariant,
  laneOf,
  type NotificationEntry,
  PLATFORMS,
  tallyOf,
} from "./delivery_disk.ts";
import { freeSinks } from "./delivery_sinks.ts";

/** Bytes of a subscription's keys: `p256dh` and `auth` (RFC 8291 section 3.1). */
const KEYS_BYTES = 81;

/** The batch of a lease that is still held. */
export function leasedBatch(disk: Disk, { batch: id, token }: Lease): Batch | undefined {
  const batch = disk.batches.get(id);
  return batch?.leased && batch.token === token ? batch : undefined;
}

/** Takes leases: lanes in turn, within a lane by virtual time. */
export function claim(disk: Disk, request: ClaimRequest): Claimed {
  endLeases(disk, request.now);
  const loads = new Map(request.lanes.map((load) => [laneOf(disk, load.app, load.platform), load]));
  const free = new Map([...disk.lanes.values()].map((lane) => {
    const load = loads.get(lane);
    return [lane, request.laneBatchesMax - (load?.inFlight ?? 0)];
  }));
  const held = new Set([...loads].flatMap(([lane, load]) => load.held ? [lane] : []));
  const batches: ClaimedBatch[] = [];
  while (batches.length < request.batchesMax) {
    const batch = [...disk.batches.values()]
      .filter((candidate) => {
        const lane = laneOf(disk, candidate.entry.notification.app, candidate.platform);
        return (free.get(lane) ?? 0) > 0 &&
          claimableAt(disk, candidate, request.now) <= request.now &&
          // What has expired takes nothing of a provider that wants to be left alone.
          (!held.has(lane) || candidate.entry.notification.expiresAt <= request.now);
      })
      .sort((a, b) => compareTurns(disk, a, b) || a.virtualTime - b.virtualTime)[0];
    if (batch === undefined) break;
    const lane = laneOf(disk, batch.entry.notification.app, batch.platform);
    free.set(lane, (free.get(lane) ?? 0) - 1);
    lane.servedAt = ++disk.served;
    lane.virtualTime = Math.max(lane.virtualTime, batch.virtualTime);
    batches.push(lease(batch, request));
  }
  const dueAt = [...disk.batches.values()].map((batch) => claimableAt(disk, batch, request.now))
    .filter((time) => time > request.now)
    .reduce((least, time) => Math.min(least, time), Infinity);
  return { batches, dueAt: dueAt === Infinity ? undefined : dueAt };
}

/** The lane served longest ago comes first; of those never served, by app and platform. */
function compareTurns(disk: Disk, a: Batch, b: Batch): number {
  const [one, other] = [a, b].map(({ entry, platform }) => ({
    app: entry.notification.app,
    platform: PLATFORMS.indexOf(platform),
    servedAt: laneOf(disk, entry.notification.app, platform).servedAt,
  }));
  if (one === undefined || other === undefined) return 0;
  return one.servedAt - other.servedAt || compare(one.app, other.app) ||
    one.platform - other.platform;
}

/** Ends the leases whose time has come; what was cancelled meanwhile is not sent again. */
function endLeases(disk: Disk, now: number): void {
  for (const batch of [...disk.batches.values()]) {
    if (!batch.leased || batch.dueAt > now) continue;
    batch.leased = false;
    if (batch.entry.state !== "cancelled") continue;
    cancelBatch(disk, batch);
    endIfDone(disk, batch.entry, now);
  }
}

function lease(batch: Batch, { node, now, leaseMs }: ClaimRequest): ClaimedBatch {
  const { entry, platform, numbers, attempt } = batch;
  const { notification } = entry;
  batch.token++;
  batch.deliveries++;
  batch.leased = true;
  batch.node = node;
  batch.dueAt = now + leaseMs;
  entry.startedAt ??= now;
  if (entry.state === "scheduled") entry.state = "sending";
  if (notification.ratePerSecond !== undefined && notification.expiresAt > now) {
    const tookMs = Math.ceil(numbers.length * 1_000 / notification.ratePerSecond);
    entry.pacedAt = Math.max(entry.pacedAt, now) + tookMs;
  }
  return {
    app: notification.app,
    platform,
    lease: { batch: batch.id, token: batch.token },
    deliveries: batch.deliveries + Math.floor(batch.deaths / DEATHS_PER_DELIVERY),
    notification: notification.id,
    count: numbers.length,
    attempt,
  };
}

/** Hands a batch back; one of a cancelled notification is not sent any more. */
export function release(disk: Disk, lease: Lease, notBefore: number, now: number): void {
  const batch = leasedBatch(disk, lease);
  if (batch === undefined) return;
  batch.leased = false;
  batch.deliveries--;
  batch.dueAt = dueAtOf(batch.entry, notBefore);
  if (batch.entry.state !== "cancelled") return;
  cancelBatch(disk, batch);
  endIfDone(disk, batch.entry, now);
}

/** Ends the leases of a node, or of all, since it has ended; says how many there were. */
export function endLeasesOf(disk: Disk, node: string | undefined, now: number): number {
  const held = [...disk.batches.values()]
    .filter((batch) => batch.leased && (node === undefined || batch.node === node));
  for (const batch of held) {
    batch.deaths++;
    release(disk, { batch: batch.id, token: batch.token }, now, now);
  }
  freeSinks(disk, node);
  return held.length;
}

/** The recipients of a batch. */
export function load(disk: Disk, lease: Lease): LoadedBatch | "stale" | "unreadable" {
  const batch = leasedBatch(disk, lease);
  if (batch === undefined) return "stale";
  if (batch.unreadable) return "unreadable";
  const found: { number: number; recipient: DirectRecipient; suspect: boolean }[] = [];
  const gone: LoadedBatch["gone"][number][] = [];
  for (const number of batch.numbers) {
    const entry = disk.devices.get(disk.deviceIds.get(number) ?? "");
    const direct = batch.entry.direct[number - 1];
    if (direct !== undefined) {
      found.push({ number, recipient: direct, suspect: false });
    } else if (entry === undefined) {
      gone.push({ number, address: "", why: "removed" });
    } else if (entry.device.state === "invalid") {
      gone.push({ number, address: entry.device.address, why: "invalid" });
    } else {
      found.push({ number, recipient: entry.device, suspect: entry.suspect });
    }
  }
  const recipients = {
    platform: batch.platform,
    numbers: found.map(({ number }) => number),
    addresses: found.map(({ recipient }) => recipient.address),
    keys: joinedKeys(batch.platform, found.map(({ recipient }) => recipient)),
    suspects: found.flatMap(({ suspect }, place) => suspect ? [place] : []),
  };
  return { recipients, gone };
}

function joinedKeys(platform: Platform, recipients: readonly DirectRecipient[]): Uint8Array {
  if (platform !== "webpush") return new Uint8Array();
  const joined = new Uint8Array(recipients.length * KEYS_BYTES);
  for (const [place, { keys }] of recipients.entries()) {
    if (keys !== undefined) joined.set(keys, place * KEYS_BYTES);
  }
  return joined;
}

/** Whether an address has what its platform needs. */
export function hasKeys({ platform, keys }: Pick<DirectRecipient, "platform" | "keys">): boolean {
  return platform !== "webpush" || keys?.length === KEYS_BYTES;
}

/** Records what a batch came to. */
export function commit(disk: Disk, result: BatchResult): CommitOutcome {
  const batch = leasedBatch(disk, result.lease);
  if (batch === undefined) return { kind: "stale" };
  const { entry, platform } = batch;
  const left = result.remainders.reduce((sum, { numbers }) => sum + numbers.length, 0);
  const ended = OUTCOMES.reduce((sum, outcome) => sum + result.outcomes[outcome], 0);
  invariant(
    ended + left === batch.numbers.length && result.notification === entry.notification.id,
    `batch ${batch.id} of ${batch.numbers.length} came to ${ended} ended and ${left} to retry`,
  );
  const tally = tallyOf(entry, platform);
  for (const outcome of OUTCOMES) tally[outcome] += result.outcomes[outcome];
  // Those that were handed back without a request are none.
  const retries = result.remainders.reduce(
    (sum, { numbers, attempt }) => attempt === result.attempts ? sum + numbers.length : sum,
    0,
  );
  const dropped = entry.state === "cancelled" ? left : 0;
  tally.retries += retries;
  tally.cancelled += dropped;
  disk.batches.delete(batch.id);
  if (entry.state !== "cancelled") addRemainders(disk, entry, platform, result);
  disk.tallies.push({
    position: ++disk.lastTally,
    notification: entry.notification.id,
    app: entry.notification.app,
    platform,
    at: result.at,
    outcomes: { ...result.outcomes, cancelled: result.outcomes.cancelled + dropped },
    retries,
  });
  recordRows(disk, entry, platform, result);
  markSuspects(disk, entry, result);
  if (result.pause !== undefined) {
    laneOf(disk, entry.notification.app, platform).pause ??= {
      reason: result.pause,
      since: result.at,
    };
  }
  return { kind: "committed", notificationDone: endIfDone(disk, entry, result.at) };
}

/** What is tried again comes into its lane's present turn: its recipients have waited for theirs. */
function addRemainders(
  disk: Disk,
  entry: NotificationEntry,
  platform: Platform,
  { remainders }: BatchResult,
): void {
  const virtualTime = laneOf(disk, entry.notification.app, platform).virtualTime + 1;
  for (const { numbers, attempt, notBefore } of remainders) {
    if (numbers.length === 0) continue;
    const dueAt = dueAtOf(entry, notBefore);
    addBatch(disk, { entry, platform, numbers, attempt, virtualTime, dueAt });
  }
}

function recordRows(
  disk: Disk,
  { notification, direct }: NotificationEntry,
  platform: Platform,
  { rows, attempts, at }: BatchResult,
): void {
  for (const row of rows) {
    if (direct.length === 0) disk.lastRows.set(row.number, disk.lastPosition + 1);
    disk.rows.push({
      ...row,
      position: ++disk.lastPosition,
      notification: notification.id,
      app: notification.app,
      platform,
      attempts,
      at,
    });
  }
}

function markSuspects(disk: Disk, entry: NotificationEntry, { suspects }: BatchResult): void {
  if (entry.direct.length > 0) return;
  const mark = (numbers: readonly number[], suspect: boolean) => {
    for (const number of numbers) {
      const found = disk.devices.get(disk.deviceIds.get(number) ?? "");
      if (found?.device.app === entry.notification.app) {
        disk.devices.set(found.device.id, { ...found, suspect });
      }
    }
  };
  mark(suspects.marked, true);
  mark(suspects.cleared, false);
}
