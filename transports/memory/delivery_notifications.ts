/**
 * Notifications of the delivery store in memory: their life from submission to the sweep.
 *
 * @module
 */

import {
  type Audience,
  type DeliveryRow,
  type Device,
  type DirectRecipient,
  type Expandable,
  type Expanded,
  type NotificationsPage,
  type NotificationStatus,
  type Submission,
  type SubmitOutcome,
} from "../delivery_store/records.ts";
import {
  addBatches,
  BATCH_RECIPIENTS_MAX,
  batchesOf,
  cancelBatch,
  countsOf,
  type Disk,
  dueAtOf,
  endIfDone,
  invariant,
  type NotificationEntry,
  PLATFORMS,
  type StoredRow,
} from "./delivery_disk.ts";
import { hasKeys } from "./delivery_queue.ts";

/** Recipients named in one call, at most. */
const DIRECT_MAX = 10_000;

/** Accepts a notification. */
export function submit(disk: Disk, submission: Submission): SubmitOutcome {
  const { notification, audience, idempotencyKey, digest } = submission;
  const app = disk.apps.get(notification.app);
  if (app === undefined) return { kind: "no_app" };
  for (const entry of disk.notifications.values()) {
    if (entry.app !== app || idempotencyKey === undefined) continue;
    if (entry.idempotencyKey !== idempotencyKey) continue;
    const { id } = entry.notification;
    return entry.digest === digest ? { kind: "repeated", id } : { kind: "conflict" };
  }
  const same = disk.notifications.get(notification.id);
  if (same !== undefined) {
    return same.app === app && same.digest === digest
      ? { kind: "accepted", id: notification.id }
      : { kind: "conflict" };
  }
  const listed = audience.kind === "direct" || audience.kind === "open";
  const later = notification.sendAt > notification.createdAt;
  const entry: NotificationEntry = {
    app,
    notification,
    audience: audience.kind === "direct" ? { kind: "direct", recipients: [] } : audience,
    idempotencyKey,
    digest,
    state: audience.kind === "open"
      ? "open"
      : later
      ? "scheduled"
      : listed
      ? "sending"
      : "expanding",
    expanded: audience.kind === "direct",
    lastDevice: undefined,
    cursor: 0,
    direct: [],
    tallies: new Map(),
    virtualTimes: new Map(),
    pacedAt: 0,
    startedAt: undefined,
    finishedAt: undefined,
  };
  if (audience.kind === "direct") addDirect(disk, entry, audience.recipients);
  disk.notifications.set(notification.id, entry);
  endIfDone(disk, entry, notification.createdAt);
  return { kind: "accepted", id: notification.id };
}

/** Numbers recipients platform by platform, and puts them into batches. */
function addDirect(
  disk: Disk,
  entry: NotificationEntry,
  recipients: readonly DirectRecipient[],
): void {
  invariant(recipients.length <= DIRECT_MAX, `${recipients.length} recipients in a call`);
  for (const recipient of recipients) invariant(hasKeys(recipient), "keys of a direct recipient");
  for (const platform of PLATFORMS) {
    const own = recipients.filter((recipient) => recipient.platform === platform);
    if (own.length === 0) continue;
    const numbers = own.map((recipient) => entry.direct.push(recipient));
    addBatches(disk, entry, platform, numbers, batchMaxOf(entry, BATCH_RECIPIENTS_MAX));
  }
}

/** Batches of a rated notification hold a quarter of a second's recipients. */
function batchMaxOf({ notification }: NotificationEntry, batchMax: number): number {
  const { ratePerSecond = Infinity } = notification;
  return Math.max(1, Math.min(batchMax, BATCH_RECIPIENTS_MAX, Math.floor(ratePerSecond / 4)));
}

/** Adds recipients to an open notification. */
export function addRecipients(
  disk: Disk,
  id: string,
  recipients: readonly DirectRecipient[],
): "added" | "unknown" | "closed" {
  const entry = disk.notifications.get(id);
  if (entry === undefined) return "unknown";
  if (entry.state !== "open") return "closed";
  addDirect(disk, entry, recipients);
  return "added";
}

/** Closes an open notification. */
export function closeNotification(
  disk: Disk,
  id: string,
  now: number,
): "closed" | "unknown" | "already_closed" {
  const entry = disk.notifications.get(id);
  if (entry === undefined) return "unknown";
  if (entry.state !== "open") return "already_closed";
  entry.state = entry.notification.sendAt > now ? "scheduled" : "sending";
  entry.expanded = true;
  for (const batch of batchesOf(disk, entry)) {
    if (!batch.leased) batch.dueAt = dueAtOf(entry, 0);
  }
  endIfDone(disk, entry, now);
  return "closed";
}

/** Stops what has not been claimed. */
export function cancel(
  disk: Disk,
  id: string,
  now: number,
): "cancelled" | "unknown" | "already_ended" {
  const entry = disk.notifications.get(id);
  if (entry === undefined) return "unknown";
  if (entry.state === "done" || entry.state === "cancelled") return "already_ended";
  entry.state = "cancelled";
  entry.expanded = true;
  for (const batch of batchesOf(disk, entry)) if (!batch.leased) cancelBatch(disk, batch);
  endIfDone(disk, entry, now);
  return "cancelled";
}

/** A notification as callers see it. */
export function statusOf(entry: NotificationEntry): NotificationStatus {
  const { notification, state, tallies, startedAt, finishedAt } = entry;
  const platforms = PLATFORMS.flatMap((platform) => {
    const tally = tallies.get(platform);
    return tally === undefined ? [] : [[platform, countsOf([tally])] as const];
  });
  return {
    notification,
    state,
    sendingDone: finishedAt !== undefined,
    counts: countsOf(tallies.values()),
    platforms: Object.fromEntries(platforms),
    startedAt,
    finishedAt,
  };
}

/** A page of notifications, newest first. */
export function notificationsPage(
  disk: Disk,
  { app, after, limit }: NotificationsPage,
): readonly NotificationStatus[] {
  const newest = [...disk.notifications.values()].toReversed();
  const start = after === undefined
    ? 0
    : newest.findIndex(({ notification }) => notification.id === after) + 1;
  if (after !== undefined && start === 0) return [];
  return newest.slice(start)
    .filter((entry) => app === undefined || entry.app === disk.apps.get(app))
    .slice(0, limit)
    .map(statusOf);
}

/** When a notification is to be expanded; an open one is closed by its end. `undefined` for never. */
function expandAt({ notification, state, expanded }: NotificationEntry): number | undefined {
  if (expanded) return undefined;
  return state === "open" ? notification.expiresAt : notification.sendAt;
}

/** Notifications to expand. */
export function expandable(disk: Disk, now: number, limit: number): Expandable {
  const ids: string[] = [];
  let dueAt = Infinity;
  for (const entry of disk.notifications.values()) {
    const at = expandAt(entry);
    if (at === undefined) continue;
    if (at > now) dueAt = Math.min(dueAt, at);
    else if (ids.length < limit) ids.push(entry.notification.id);
  }
  return { ids, dueAt: dueAt === Infinity ? undefined : dueAt };
}

/** Takes one step through a notification's audience. */
export function expand(
  disk: Disk,
  id: string,
  options: { readonly limit: number; readonly batchMax: number },
  now: number,
): Expanded {
  const entry = disk.notifications.get(id);
  if (entry === undefined || entry.expanded) return { added: 0, done: true };
  if (entry.state === "open") {
    if (entry.notification.expiresAt > now) return { added: 0, done: true };
    closeNotification(disk, id, now);
    return { added: 0, done: true };
  }
  entry.lastDevice ??= disk.lastDevice;
  const { lastDevice, cursor } = entry;
  const matches = matcherOf(entry.audience);
  const found = [...disk.devices.values()]
    .filter(({ number, device }) =>
      number > cursor && number <= lastDevice && device.app === entry.app.name &&
      device.state === "active" && matches(device)
    )
    .sort((a, b) => a.number - b.number)
    .slice(0, options.limit);
  for (const platform of PLATFORMS) {
    const numbers = found.flatMap(({ number, device }) =>
      device.platform === platform ? [number] : []
    );
    if (numbers.length === 0) continue;
    addBatches(disk, entry, platform, numbers, batchMaxOf(entry, options.batchMax));
  }
  entry.cursor = found.length < options.limit ? lastDevice : found.at(-1)?.number ?? lastDevice;
  entry.expanded = entry.cursor >= lastDevice;
  entry.state = entry.expanded ? "sending" : "expanding";
  endIfDone(disk, entry, now);
  return { added: found.length, done: entry.expanded };
}

/** Whether an audience means a device. */
function matcherOf(audience: Audience): (device: Device) => boolean {
  switch (audience.kind) {
    case "all":
      return () => true;
    case "devices": {
      const ids = new Set(audience.devices);
      return ({ id }) => ids.has(id);
    }
    case "users": {
      const users = new Set(audience.users);
      return ({ user }) => user !== undefined && users.has(user);
    }
    case "tags": {
      const wanted = new Set(audience.tags);
      return ({ tags }) => tags.some((tag) => wanted.has(tag));
    }
    case "direct":
    case "open":
      return () => false;
  }
}

/** A row as callers see it: its device is named while it is there. */
export function rowOf(disk: Disk, row: StoredRow): DeliveryRow {
  const direct = (disk.notifications.get(row.notification)?.direct.length ?? 0) > 0;
  return { ...row, device: direct ? undefined : disk.deviceIds.get(row.number) };
}

/** Removes tallies from before this time, and then what ended before it. */
export function sweep(disk: Disk, endedBefore: number, limit: number): number {
  const old = new Set(disk.tallies.filter(({ at }) => at < endedBefore).slice(0, limit));
  disk.tallies = disk.tallies.filter((tally) => !old.has(tally));
  return old.size + sweepEnded(disk, endedBefore, limit - old.size);
}

/** Removes the rows of notifications that ended before this time, and them. */
function sweepEnded(disk: Disk, endedBefore: number, limit: number): number {
  if (limit <= 0) return 0;
  const ended = [...disk.notifications.values()]
    .filter(({ finishedAt }) => finishedAt !== undefined && finishedAt < endedBefore)
    .sort((a, b) => (a.finishedAt ?? 0) - (b.finishedAt ?? 0));
  let count = 0;
  for (const { notification: { id } } of ended) {
    const condemned = disk.rows
      .filter(({ notification }) => notification === id)
      .slice(0, limit - count);
    count += condemned.length;
    const positions = new Set(condemned.map(({ position }) => position));
    disk.rows = disk.rows.filter(({ position }) => !positions.has(position));
    if (count >= limit) return count;
    disk.notifications.delete(id);
    count++;
  }
  return count;
}
