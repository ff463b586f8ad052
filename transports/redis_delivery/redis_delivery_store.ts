/**
 * The delivery pipeline's store and queue in Redis: apps, devices, notifications, batches, the rows of
 * deliveries and the tallies of batches. Any number of nodes use it at once.
 *
 * Every call that changes something is one script, or several of which each leaves everything whole:
 * Redis runs them one at a time, so races between nodes fall away, and each is bounded (`limits.ts`),
 * so that nobody waits long for another. What bounds them, and what the key space is, `keyspace.ts`
 * tells. How much a crash of Redis itself loses is Redis's setting: `durability` reads it; with
 * `appendfsync always` a call that resolved is on the disk.
 *
 * Opening ends no leases, since they may be those of other nodes: `abandon` ends those of a node that
 * is known to be dead.
 *
 * @example Store an app and read it back
 * ```ts ignore
 * await using store = await openRedisDeliveryStore({ url: "redis://127.0.0.1:6379" });
 * await store.saveApp("news", {}, Date.now());
 * ```
 *
 * @module
 */

import { platformNumber, slices } from "../delivery_store/codes.ts";
import type {
  App,
  AppListing,
  BatchResult,
  Campaign,
  Claimed,
  ClaimRequest,
  CommitOutcome,
  Credentials,
  DeadLetter,
  DeliveriesPage,
  DeliveryRow,
  Device,
  DeviceRecord,
  DevicesPage,
  DirectRecipient,
  Expandable,
  Expanded,
  HistorySlot,
  HistorySpan,
  Lane,
  LaneStatus,
  Lease,
  LoadedBatch,
  NotificationsPage,
  NotificationStatus,
  SinkClaim,
  SinkLog,
  Submission,
  SubmitOutcome,
  Tally,
  UnsavedDevices,
} from "../delivery_store/records.ts";
import { type Durability, readDurability } from "../redis/durability.ts";
import { invariant } from "../redis/errors.ts";
import { textField } from "../redis/hashes.ts";
import { openRedis, type Redis, type RedisScript } from "../redis/redis.ts";
import { arrayReply, integerReply, optionalTextReply, textReply } from "../redis/replies.ts";
import { claimSchema } from "../redis/schema.ts";
import { batchName, claim, commit, load, readLanes } from "./batches.ts";
import {
  invalidate,
  readDevice,
  readDevicesPage,
  readLastOutcomes,
  saveDevices,
} from "./devices.ts";
import { addToHistory, readHistory } from "./history.ts";
import { bury, readDeadLetters, readExpandable } from "./housekeeping.ts";
import { Keyspace, numberReply } from "./keyspace.ts";
import {
  BATCH_RECIPIENTS_MAX,
  CHUNK_LOOKS_MAX,
  EXPAND_MAX,
  PAGE_MAX,
  PING_TTL_MS,
  RATED_BATCH_SECONDS,
  RENEW_MAX,
  STEP_BATCHES_MAX,
  SWEEP_MAX,
} from "./limits.ts";
import { readDeliveries, readRows, readTallies } from "./rows.ts";
import { PAUSE, REMOVE_APP, RESUME_LANE, SAVE_APP } from "./scripts/apps.ts";
import { ABANDON, RELEASE, RENEW } from "./scripts/claims.ts";
import { CLEAR_REMOVED_APPS, REMOVE_DEVICE } from "./scripts/devices.ts";
import { EXPAND } from "./scripts/expansion.ts";
import {
  ABANDON_SINKS,
  CLAIM_SINK,
  SAVE_SINK_POSITION,
  SINK_POSITION,
  SWEEP,
} from "./scripts/housekeeping.ts";
import { CANCEL, CLOSE_NOTIFICATION } from "./scripts/notifications.ts";
import {
  notificationOf,
  readApp,
  readApps,
  readNotificationIds,
  readStatus,
  readStatuses,
} from "./status.ts";
import { Additions, submit } from "./submission.ts";

export type * from "../delivery_store/records.ts";
export type { Durability } from "../redis/durability.ts";
export {
  StoreError,
  type StoreErrorCode,
  StoreOpenError,
  type StoreOpenErrorCode,
} from "../redis/errors.ts";

/** How a delivery store is opened. */
export interface RedisDeliveryStoreOptions {
  /** The address, see `openRedis`. */
  readonly url: string;
  /** Certificates of authorities to trust with `rediss://`, PEM; the system's when absent. */
  readonly caCert?: string;
  /** The name under which Redis lists the connection; `heliograph` by default. */
  readonly clientName?: string;
  /** Wall-clock time; default is the machine's. */
  readonly clock?: { wallNow(): number };
}

/** The part of the schema that these keys are, and the version of them that this program writes. */
const SCHEMA_PART = "delivery";
const SCHEMA_VERSION = 1;

const REMOVALS = ["removed", "unknown", "busy"] as const;
const CLOSINGS = ["closed", "unknown", "already_closed"] as const;
const CANCELLATIONS = ["cancelled", "unknown", "already_ended"] as const;

/** An open store; made by {@link openRedisDeliveryStore}. */
export class RedisDeliveryStore implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #keys: Keyspace;
  readonly #additions: Additions;
  readonly #clock: { wallNow(): number };

  private constructor(redis: Redis, options: RedisDeliveryStoreOptions) {
    this.#redis = redis;
    this.#keys = new Keyspace(redis);
    this.#additions = new Additions(this.#keys);
    this.#clock = options.clock ?? { wallNow: () => Date.now() };
  }

  /** For {@link openRedisDeliveryStore}. */
  static async open(options: RedisDeliveryStoreOptions): Promise<RedisDeliveryStore> {
    const { url, caCert, clientName } = options;
    const redis = await openRedis({
      url,
      ...(caCert !== undefined && { caCert }),
      ...(clientName !== undefined && { clientName }),
    });
    try {
      await claimSchema(redis, SCHEMA_PART, SCHEMA_VERSION);
      return new RedisDeliveryStore(redis, options);
    } catch (error) {
      await redis.close();
      throw error;
    }
  }

  /** What a crash of this Redis loses, as it is set up now. */
  durability(): Promise<Durability> {
    return readDurability(this.#redis);
  }

  /** Saves an app's credentials under its name, as its next version, and resumes its lanes. */
  async saveApp(name: string, credentials: Credentials, _now: number): Promise<App> {
    const version = await this.#keys.run(SAVE_APP, name, JSON.stringify(credentials));
    return { name, version: integerReply(version), credentials };
  }

  /** An app by its name. */
  async app(name: string): Promise<App | undefined> {
    return (await readApp(this.#keys, name))?.app;
  }

  /** All apps by name, with their pauses. */
  apps(): Promise<readonly AppListing[]> {
    return readApps(this.#keys);
  }

  /**
   * Removes an app with its devices; `"busy"` while one of its notifications is unfinished. The app
   * is gone at once, its devices by steps; what a crash leaves of them no call can reach, and
   * {@link RedisDeliveryStore.sweep} removes it.
   */
  async removeApp(name: string): Promise<"removed" | "unknown" | "busy"> {
    const outcome = oneOf(REMOVALS, await this.#keys.run(REMOVE_APP, name));
    if (outcome === "removed") {
      while (integerReply(await this.#keys.run(CLEAR_REMOVED_APPS, SWEEP_MAX)) >= 0);
    }
    return outcome;
  }

  /** Stops claims from a lane; one that is paused keeps its first reason. An unknown app has none. */
  async pause({ app, platform }: Lane, reason: string, now: number): Promise<void> {
    await this.#keys.run(PAUSE, app, platformNumber(platform), now, reason);
  }

  /** Allows claims from a lane again; says whether it was paused. */
  resume({ app, platform }: Lane): Promise<boolean> {
    return this.#says(RESUME_LANE, app, platformNumber(platform));
  }

  /** Registers up to 1,000 devices, each replacing the one of the same id; says which it did not save. */
  saveDevices(devices: readonly DeviceRecord[], now: number): Promise<UnsavedDevices> {
    return saveDevices(this.#keys, devices, now);
  }

  /** A device by its id. */
  device(id: string): Promise<Device | undefined> {
    return readDevice(this.#keys, id);
  }

  /** A page of an app's devices, ordered by id. */
  devices(page: DevicesPage): Promise<readonly Device[]> {
    return readDevicesPage(this.#keys, page);
  }

  /** Removes a device; says whether it was there. */
  removeDevice(id: string): Promise<boolean> {
    return this.#says(REMOVE_DEVICE, id);
  }

  /** Marks the devices of these rows invalid, unless they were registered again since; says how many were. */
  invalidate(rows: readonly DeliveryRow[]): Promise<number> {
    return invalidate(this.#keys, rows);
  }

  /** Accepts a notification, with its direct recipients, at most 10,000. */
  submit(submission: Submission): Promise<SubmitOutcome> {
    return submit(this.#keys, submission);
  }

  /** Adds up to 10,000 recipients to an open notification. */
  addRecipients(
    id: string,
    recipients: readonly DirectRecipient[],
  ): Promise<"added" | "unknown" | "closed"> {
    return this.#additions.add(id, recipients);
  }

  /** Closes an open notification: it is sent from now on, or from its time on. */
  async closeNotification(id: string): Promise<"closed" | "unknown" | "already_closed"> {
    const now = this.#clock.wallNow();
    return oneOf(CLOSINGS, await this.#inSteps(CLOSE_NOTIFICATION, id, now));
  }

  /** Stops what has not been claimed; recipients of claimed batches still get their outcome. */
  async cancel(id: string, now: number): Promise<"cancelled" | "unknown" | "already_ended"> {
    return oneOf(CANCELLATIONS, await this.#inSteps(CANCEL, id, now));
  }

  /** A notification with its progress. */
  notification(id: string): Promise<NotificationStatus | undefined> {
    return readStatus(this.#keys, id);
  }

  /** Notifications, newest first; continue after this id. */
  async notifications(page: NotificationsPage): Promise<readonly NotificationStatus[]> {
    let index = "notifications";
    if (page.app !== undefined) {
      const id = await this.#keys.command("hash", "HGET", `app:${page.app}`, "id");
      if (id === null) return [];
      index += `:${textReply(id)}`;
    }
    const limit = Math.min(page.limit, PAGE_MAX);
    const ids = await readNotificationIds(this.#keys, index, page.after, limit);
    return await readStatuses(this.#keys, ids);
  }

  /** Ids of notifications to expand, oldest first, and when the next scheduled one is due. */
  expandable(now: number, limit: number): Promise<Expandable> {
    return readExpandable(this.#keys, now, limit);
  }

  /** Puts a further part of a notification's audience, at most `limit` recipients, into batches. */
  async expand(
    id: string,
    { limit, batchMax }: { readonly limit: number; readonly batchMax: number },
  ): Promise<Expanded> {
    invariant(limit > 0, `a step of ${limit} recipients`);
    const [added, done] = arrayReply(
      await this.#keys.run(
        EXPAND,
        id,
        Math.min(limit, EXPAND_MAX),
        Math.max(1, Math.min(batchMax, BATCH_RECIPIENTS_MAX)),
        this.#clock.wallNow(),
        STEP_BATCHES_MAX,
        CHUNK_LOOKS_MAX,
        RATED_BATCH_SECONDS,
      ),
    );
    return { added: integerReply(added), done: integerReply(done) === 1 };
  }

  /** The notification and app of a batch; `undefined` when one of them is gone. */
  async campaign(notification: string): Promise<Campaign | undefined> {
    const name = `notification:${notification}`;
    const hash = await this.#keys.fields(name, ["app", "app_id", "body"]);
    if (hash === undefined) return undefined;
    const found = await readApp(this.#keys, textField(hash, "app"));
    // Another app may have the name of one that was removed.
    if (found?.id !== textField(hash, "app_id")) return undefined;
    return { notification: notificationOf(hash), app: found.app };
  }

  /** The recipients of a batch; `"stale"` when the lease was lost, `"unreadable"` when it makes no sense. */
  load(lease: Lease): Promise<LoadedBatch | "stale" | "unreadable"> {
    return load(this.#keys, lease);
  }

  /** Records what a batch came to, as a whole. */
  commit(result: BatchResult): Promise<CommitOutcome> {
    return commit(this.#keys, result);
  }

  /** Takes leases on batches that are due, at most 128. */
  claim(request: ClaimRequest): Promise<Claimed> {
    return claim(this.#keys, request);
  }

  /** Prolongs leases; answers for each whether it is still held. */
  async renew(leases: readonly Lease[], until: number): Promise<readonly boolean[]> {
    const held: boolean[] = [];
    for (const part of slices(leases, RENEW_MAX)) {
      const args = part.flatMap(({ batch, token }) => [batchName(batch), token]);
      const answers = arrayReply(await this.#keys.run(RENEW, until, ...args));
      for (const answer of answers) held.push(integerReply(answer) === 1);
    }
    return held;
  }

  /** Hands a batch back untouched; the claim does not count among its deliveries. */
  async release({ batch, token }: Lease, notBefore: number): Promise<void> {
    await this.#keys.run(RELEASE, batchName(batch), token, notBefore, this.#clock.wallNow());
  }

  /** Ends all leases of a node that works no more, those on sinks too; says how many batches there were. */
  async abandon(node: string, now: number): Promise<number> {
    await this.#keys.run(ABANDON_SINKS, node);
    for (let count = 0;;) {
      const ended = integerReply(await this.#keys.run(ABANDON, node, now, STEP_BATCHES_MAX));
      count += ended;
      if (ended < STEP_BATCHES_MAX) return count;
    }
  }

  /** A page of rows of one notification in the order of recording. */
  deliveries(page: DeliveriesPage): Promise<readonly DeliveryRow[]> {
    return readDeliveries(this.#keys, page);
  }

  /** A page of rows of all notifications, for sinks. */
  rowsAfter(position: number, limit: number): Promise<readonly DeliveryRow[]> {
    return readRows(this.#keys, position, limit);
  }

  /** A page of tallies of all notifications, for sinks. */
  talliesAfter(position: number, limit: number): Promise<readonly Tally[]> {
    return readTallies(this.#keys, position, limit);
  }

  /** How far a sink has come in this log; a sink that is new begins at its newest entry. */
  async sinkPosition(name: string, log: SinkLog): Promise<number> {
    return numberReply(await this.#keys.run(SINK_POSITION, name, log));
  }

  /**
   * Takes or prolongs the lease on a sink, or gives it up; answers how far the sink has come, or
   * `undefined` while another node has the lease.
   */
  async claimSink({ name, log, node, now, leaseMs }: SinkClaim): Promise<number | undefined> {
    const reply = await this.#keys.run(CLAIM_SINK, name, log, node, now, leaseMs);
    const position = optionalTextReply(reply);
    return position === undefined ? undefined : Number(position);
  }

  /** Remembers how far a sink has come; it never goes back. */
  async saveSinkPosition(name: string, position: number): Promise<void> {
    await this.#keys.run(SAVE_SINK_POSITION, name, position);
  }

  /**
   * Adds a page of tallies, at most 1,000 in the order of positions, to the history, each once: those at or
   * before the position of the sink `history` have been counted. What is older than 48 hours is forgotten.
   */
  addToHistory(tallies: readonly Tally[]): Promise<void> {
    return addToHistory(this.#keys, tallies, this.#clock.wallNow());
  }

  /** The history of this span, summed by step: ascending by second and platform, without empty slots. */
  history(span: HistorySpan): Promise<readonly HistorySlot[]> {
    return readHistory(this.#keys, span, this.#clock.wallNow());
  }

  /** The newest row about each of at most 1,000 devices, by place; `undefined` when there is none any more. */
  lastOutcomes(devices: readonly string[]): Promise<readonly (DeliveryRow | undefined)[]> {
    return readLastOutcomes(this.#keys, devices);
  }

  /** Sets aside an entry that no node can use, with the reason, for people. */
  bury(entry: DeadLetter): Promise<void> {
    return bury(this.#keys, entry);
  }

  /** Entries set aside, newest first. */
  deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    return readDeadLetters(this.#keys, limit);
  }

  /** How full the lanes are that have batches or are paused. */
  lanes(): Promise<readonly LaneStatus[]> {
    return readLanes(this.#keys);
  }

  /**
   * Removes up to `limit` tallies from before this time, rows of notifications that ended before it,
   * and those; says how many. It works in steps of 1,000: call it again while it answers more than 0.
   */
  async sweep(endedBefore: number, limit: number): Promise<number> {
    await this.#keys.run(CLEAR_REMOVED_APPS, SWEEP_MAX);
    return integerReply(await this.#keys.run(SWEEP, endedBefore, Math.min(limit, SWEEP_MAX)));
  }

  /** Tells its keys from every other store's: made up when it is first asked for, and gone with them. */
  async identity(): Promise<string> {
    await this.#keys.command("string", "SETNX", "identity", crypto.randomUUID());
    return textReply(await this.#keys.command("string", "GET", "identity"));
  }

  /** Resolves when Redis takes writes. */
  async ping(): Promise<void> {
    await this.#keys.command("string", "SET", "ping", 1, "PX", PING_TTL_MS);
  }

  /** Waits for the calls on their way and disconnects; again is fine. */
  close(): Promise<void> {
    return this.#redis.close();
  }

  /** The same as {@link RedisDeliveryStore.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #says(script: RedisScript, ...args: readonly (string | number)[]): Promise<boolean> {
    return integerReply(await this.#keys.run(script, ...args)) === 1;
  }

  /** Runs a script until it has no steps left, and gives back what it answered first. */
  async #inSteps(script: RedisScript, id: string, now: number): Promise<unknown> {
    const step = async () => arrayReply(await this.#keys.run(script, id, now, STEP_BATCHES_MAX));
    const [answer, first] = await step();
    let left = integerReply(first);
    while (left === 1) left = integerReply((await step())[1]);
    return answer;
  }
}

/**
 * Opens the delivery store in a Redis.
 *
 * @throws {StoreOpenError} When Redis cannot be used; its `code` says why and its message what to do.
 */
export function openRedisDeliveryStore(
  options: RedisDeliveryStoreOptions,
): Promise<RedisDeliveryStore> {
  return RedisDeliveryStore.open(options);
}

/** The one of these words that a script answered. */
function oneOf<T extends string>(words: readonly T[], reply: unknown): T {
  const text = textReply(reply);
  const found = words.find((word) => word === text);
  invariant(found !== undefined, `a script answered "${text}"`);
  return found;
}
