/**
 * What the tests of delivery stores share: a clock, an app, devices, and a batch's whole life.
 *
 * @module
 */

import type {
  Audience,
  DeliveryRow,
  DeviceRecord,
  Notification,
  Outcome,
  Platform,
  Submission,
} from "../../actors/push/delivery/records.ts";
import type {
  BatchResult,
  Claimed,
  ClaimedBatch,
  ClaimRequest,
  CommitOutcome,
  DeliveryStore,
  Queue,
} from "../../actors/push/delivery/store.ts";
import { WallClock } from "./store_world.ts";

/** What the pipeline needs: a store and a queue in one. */
export type Store = DeliveryStore & Queue & { identity(): Promise<string> };

/** A store under test, with the means to open it again on what it kept. */
export interface DeliveryFixture extends AsyncDisposable {
  /** The store; another one after `reopen`. */
  readonly store: Store;
  /** Closes the store and opens it again on the same data. */
  reopen(): Promise<void>;
  /** Makes the recipients of a batch unreadable. */
  corrupt(batch: number): Promise<void>;
}

/** Two nodes' stores on the same data. */
export interface SharedDeliveryFixture extends AsyncDisposable {
  /** The store of one node. */
  readonly one: Store;
  /** The store of the other. */
  readonly other: Store;
}

/** What a fixture is opened with. */
export interface DeliverySettings {
  /** The wall clock of the store. */
  readonly clock: WallClock;
}

/** The app of most tests. */
export const NEWS = "news";

/** Leases of the tests. */
export const LEASE_MS = 30_000;

/** No recipient ended in any way. */
export const NONE: Readonly<Record<Outcome, number>> = {
  delivered: 0,
  token_invalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
};

/** A notification's id that ends in this number. */
export function idOf(number: number): string {
  return `00000000-0000-4000-8000-${number.toString().padStart(12, "0")}`;
}

/** A device's id; the order of ids is that of the numbers. */
export function deviceOf(number: number): string {
  return `device-${number.toString().padStart(6, "0")}`;
}

/** What every test of the suite is given. */
export class DeliveryWorld implements AsyncDisposable {
  readonly clock: WallClock;
  readonly fixture: DeliveryFixture;
  #submitted = 0;

  constructor(clock: WallClock, fixture: DeliveryFixture) {
    this.clock = clock;
    this.fixture = fixture;
  }

  get store(): Store {
    return this.fixture.store;
  }

  get now(): number {
    return this.clock.nowMs;
  }

  /** A device of the app NEWS on APNs, with differences. */
  record(number: number, differences: Partial<DeviceRecord> = {}): DeviceRecord {
    const platform = differences.platform ?? "apns";
    return {
      id: deviceOf(number),
      app: NEWS,
      platform,
      address: `${platform}-${number}`,
      keys: platform === "webpush" ? new Uint8Array(81).fill(number % 256) : undefined,
      user: undefined,
      tags: [],
      ...differences,
    };
  }

  /** The app NEWS with so many devices, numbered from 1, on these platforms in turn. */
  async populate(count: number, platforms: readonly Platform[] = ["apns"]): Promise<void> {
    await this.store.saveApp(NEWS, {}, this.now);
    for (let first = 1; first <= count; first += 1_000) {
      const size = Math.min(1_000, count - first + 1);
      const devices = Array.from({ length: size }, (_, index) => {
        const platform = platforms[(first + index) % platforms.length];
        return this.record(first + index, platform && { platform });
      });
      await this.store.saveDevices(devices, this.now);
    }
  }

  /** A notification of NEWS that lives for an hour, with differences. */
  notification(differences: Partial<Notification> = {}): Notification {
    return {
      id: idOf(++this.#submitted),
      app: NEWS,
      content: { title: "Hello" },
      ttlSeconds: 3_600,
      urgency: "normal",
      topic: undefined,
      createdAt: this.now,
      sendAt: this.now,
      expiresAt: this.now + 3_600_000,
      ratePerSecond: undefined,
      rows: "failures",
      ...differences,
    };
  }

  /** Submits a notification to everyone, or to this audience; gives back its id. */
  async submit(
    audience: Audience = { kind: "all" },
    differences: Partial<Notification> = {},
    more: Partial<Submission> = {},
  ): Promise<string> {
    const notification = this.notification(differences);
    await this.store.submit({
      notification,
      audience,
      idempotencyKey: undefined,
      digest: "digest",
      ...more,
    });
    return notification.id;
  }

  /** Submits a notification to so many tokens of APNs. */
  submitTokens(count: number, differences: Partial<Notification> = {}): Promise<string> {
    const recipients = Array.from(
      { length: count },
      (_, index) => ({ platform: "apns", address: `token-${index + 1}`, keys: undefined } as const),
    );
    return this.submit({ kind: "direct", recipients }, differences);
  }

  /** Expands a notification to its end, in steps of this limit; says how many it added. */
  async expand(id: string, limit = 10_000, batchMax = 1_000): Promise<number> {
    for (let added = 0;;) {
      const step = await this.store.expand(id, { limit, batchMax });
      added += step.added;
      if (step.done) return added;
    }
  }

  claim(differences: Partial<ClaimRequest> = {}): Promise<Claimed> {
    return this.store.claim({
      node: "node",
      now: this.now,
      leaseMs: LEASE_MS,
      batchesMax: 100,
      laneBatchesMax: 100,
      lanes: [],
      ...differences,
    });
  }

  /** What a batch came to when all of it was delivered, with differences. */
  result(batch: ClaimedBatch, differences: Partial<BatchResult> = {}): BatchResult {
    const { lease, notification, app, platform, count, attempt } = batch;
    return {
      lease,
      notification,
      lane: { app, platform },
      outcomes: { ...NONE, delivered: count },
      rows: [],
      remainders: [],
      attempts: attempt + 1,
      suspects: { marked: [], cleared: [] },
      pause: undefined,
      at: this.now,
      ...differences,
    };
  }

  commit(batch: ClaimedBatch, differences: Partial<BatchResult> = {}): Promise<CommitOutcome> {
    return this.store.commit(this.result(batch, differences));
  }

  /** Claims and delivers all there is now; gives back the batches. */
  async deliverAll(): Promise<readonly ClaimedBatch[]> {
    const delivered: ClaimedBatch[] = [];
    while (true) {
      const { batches } = await this.claim();
      if (batches.length === 0) return delivered;
      for (const batch of batches) await this.commit(batch);
      delivered.push(...batches);
    }
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.fixture[Symbol.asyncDispose]();
  }
}

/** Declares one test of the suite. */
export type DeliveryTest = (
  criterion: string,
  run: (world: DeliveryWorld) => Promise<void>,
) => void;

/** A row that says that this device's address on APNs is dead, with differences. */
export function rowFor(
  world: DeliveryWorld,
  number: number,
  more: Partial<DeliveryRow>,
): DeliveryRow {
  return {
    position: 1,
    notification: idOf(1),
    app: NEWS,
    number,
    device: deviceOf(number),
    platform: "apns",
    address: `apns-${number}`,
    outcome: "token_invalid",
    status: 410,
    reason: "Unregistered",
    attempts: 1,
    at: world.now,
    registeredBefore: undefined,
    ...more,
  };
}
