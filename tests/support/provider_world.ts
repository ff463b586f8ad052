/**
 * The delivery pipeline with its real providers, over connections whose answers a test writes: the
 * real tree, the memory store, a clock by hand. One answer goes in, the complete stored state comes
 * out.
 *
 * @module
 */

import type {
  Audience,
  Content,
  Counts,
  Credentials,
  DeliveryRow,
  DeviceRecord,
  NotificationState,
  Platform,
} from "../../actors/push/delivery/records.ts";
import { BarFeed } from "../../actors/push/delivery/sinks/monitor.ts";
import { type PipelineRefs, pipelineTree } from "../../actors/push/delivery/tree.ts";
import { World } from "../../actors/testing/mod.ts";
import { apnsProvider } from "../../transports/apns/mod.ts";
import { fcmProvider } from "../../transports/fcm/mod.ts";
import type { HttpConnection } from "../../transports/http2/exchange.ts";
import { MemoryDeliveryStore } from "../../transports/memory/memory_delivery_store.ts";
import type { Prepared, Provider } from "../../transports/provider/provider.ts";
import { inlineEncryption } from "../../transports/webpush/encryption.ts";
import { EndpointPolicy } from "../../transports/webpush/endpoint.ts";
import { nodeCrypto } from "../../transports/webpush/node_crypto.ts";
import { webPushProvider } from "../../transports/webpush/provider.ts";
import { type ScriptedAnswer, ScriptedConnection } from "./scripted_connection.ts";

/** The world begins here, 13 minutes and 20 seconds after a half hour. */
const START = 1_700_000_000_000;
/** Time for which a notification is wanted. */
export const WANTED_MS = 86_400_000;
/** Later than any delay after a failure, and before the notification's end. */
const LATER_MS = 7_200_000;

/** One case: what a provider is asked, and what it answers. */
export interface ProviderCase {
  /** Which provider. */
  readonly platform: Platform;
  /** Its credentials. */
  readonly credentials: Credentials;
  /** Its answers to requests for the recipient, in turn; the last one stays. All others are accepted. */
  readonly answers: readonly ScriptedAnswer[];
  /** What is sent; "Hello" when absent. */
  readonly content?: Content;
  /** Where the endpoint is, for Web Push. */
  readonly service?: string;
  /** Keys of the recipient, for Web Push. */
  readonly keys?: Uint8Array;
  /** Milliseconds before the case at which somebody else of the app was delivered to. */
  readonly successMsAgo?: number;
}

/** Everything that is stored, and what was done for it. */
export interface Stored {
  /** Where the notification is. */
  readonly state: NotificationState;
  /** Its counts. */
  readonly counts: Counts;
  /** The delivery's row, with times from the sending on. */
  readonly row:
    | Pick<DeliveryRow, "outcome" | "status" | "reason" | "attempts" | "registeredBefore">
    | undefined;
  /** What the recipient waits for: requests counted so far, milliseconds; `backoff` is half a second to one. */
  readonly again: { readonly attempt: number; readonly dueMs: number | "backoff" } | undefined;
  /** What is known of the device. */
  readonly device: "active" | "suspect" | "invalid";
  /** Why the lane is paused. */
  readonly pause: string | undefined;
  /** Requests made for the recipient. */
  readonly requests: number;
  /** Whether the app's next notification, to somebody else, is sent now. */
  readonly others: "sent" | "held";
  /** Connections opened from the sending on. */
  readonly connections: number;
}

/** What is stored when one request was made for the recipient and nothing came of it. */
export const NOTHING: Stored = {
  state: "sending",
  counts: {
    total: 1,
    delivered: 0,
    tokenInvalid: 0,
    rejected: 0,
    expired: 0,
    failed: 0,
    cancelled: 0,
    pending: 1,
    retries: 0,
  },
  row: undefined,
  again: undefined,
  device: "active",
  pause: undefined,
  requests: 1,
  others: "sent",
  connections: 1,
};

/** Tokens, and the paths of endpoints: digits that each of the platforms takes, and no body has by chance. */
const RECIPIENT = "5b1ec7005b1ec700";
const OTHER = "07e2000007e20000";

/** A world that also waits for what providers wait for: signatures and sockets move by no clock of ours. */
class PatientWorld extends World {
  readonly #pending = new Set<Promise<unknown>>();

  /** Is waited for. */
  watch<T>(promise: Promise<T>): Promise<T> {
    this.#pending.add(promise);
    const forget = () => this.#pending.delete(promise);
    promise.then(forget, forget);
    return promise;
  }

  override async settle(): Promise<void> {
    do {
      await Promise.allSettled(this.#pending);
      await super.settle();
    } while (this.#pending.size > 0);
  }
}

/** The provider as it is; the world waits for its promises. */
function watched(provider: Provider, world: PatientWorld): Provider {
  return {
    platform: provider.platform,
    async prepare(app, notification): Promise<Prepared> {
      const prepared = await world.watch(provider.prepare(app, notification));
      if (prepared.kind === "refused") return prepared;
      return {
        kind: "ready",
        route(recipients) {
          const { settled, legs } = prepared.route(recipients);
          const waiting = legs.map((leg) => ({
            ...leg,
            send: (connection: HttpConnection, indexes: readonly number[]) =>
              world.watch(leg.send(connection, indexes)),
          }));
          return { settled, legs: waiting };
        },
      };
    },
  };
}

/** The pipeline of one case. */
class ProviderWorld implements AsyncDisposable {
  readonly #case: ProviderCase;
  readonly #world = new PatientWorld({ wallNow: START });
  readonly #store = new MemoryDeliveryStore({ clock: this.#world.clock });
  #refs: PipelineRefs<HttpConnection> | undefined;
  #notifications = 0;
  #connections = 0;
  #requests = 0;
  #otherRequests = 0;

  private constructor(one: ProviderCase) {
    this.#case = one;
  }

  static async open(one: ProviderCase): Promise<ProviderWorld> {
    const opened = new ProviderWorld(one);
    const world = opened.#world;
    opened.#refs = await world.system.start(
      "pipeline",
      pipelineTree({
        store: opened.#store,
        queue: opened.#store,
        providers: opened.#providers(),
        gateways: {},
        sinks: [],
        sources: [],
        submit: () => Promise.reject(new Error("No source was expected")),
        allNodes: false,
        feed: new BarFeed(),
        observer: { record: () => {}, delivery: { record: () => {} } },
        node: "node-1",
        batchesMax: 16,
        retentionMs: WANTED_MS,
      }),
    );
    return opened;
  }

  #providers(): Readonly<Record<Platform, Provider>> {
    const connect = () => {
      this.#connections++;
      return Promise.resolve(new ScriptedConnection((request) => this.#answer(request)));
    };
    const clock = {
      wallNow: () => this.#world.clock.wallNow(),
      sleep: () => Promise.reject(new Error("Nobody sends so much that it has to wait")),
    };
    const policy = new EndpointPolicy();
    const encryption = inlineEncryption(nodeCrypto);
    const common = { connect, clock };
    return {
      apns: watched(apnsProvider(common), this.#world),
      fcm: watched(fcmProvider(common), this.#world),
      webpush: watched(webPushProvider({ ...common, policy, encryption }), this.#world),
    };
  }

  #answer({ path, body }: { readonly path: string; readonly body: string }): ScriptedAnswer {
    if (!`${path} ${body}`.includes(RECIPIENT)) {
      this.#otherRequests++;
      return { status: 200 };
    }
    const { answers } = this.#case;
    return answers[this.#requests++] ?? answers.at(-1) ?? { status: 200 };
  }

  #device(digits: string): DeviceRecord {
    const { platform, service = "https://push.example.net", keys = new Uint8Array(81) } =
      this.#case;
    const browser = platform === "webpush";
    return {
      id: digits,
      app: "shop",
      platform,
      address: browser ? `${service}/${digits}` : digits,
      keys: browser ? keys : undefined,
      user: undefined,
      tags: [],
    };
  }

  /** Registers the devices; what was before the case. */
  async prepare(): Promise<void> {
    const clock = this.#world.clock;
    await this.#store.saveApp("shop", this.#case.credentials, clock.wallNow());
    await this.#store.saveDevices([RECIPIENT, OTHER].map((id) => this.#device(id)), START);
    const { successMsAgo } = this.#case;
    if (successMsAgo === undefined) return;
    await this.#send(OTHER);
    await this.#world.advance(successMsAgo);
  }

  /** Sends to the recipient, and looks at what came of it. */
  async run(): Promise<Stored> {
    const sentAt = this.#world.clock.wallNow();
    this.#connections = 0;
    const id = await this.#send(RECIPIENT);
    const status = await this.#store.notification(id);
    if (status === undefined) throw new Error("The notification is gone");
    const { state, counts } = status;
    const row = await this.#row(id, sentAt);
    const { dueAt } = await this.#store.claim(this.#claim(0, sentAt));
    const [lane] = await this.#store.lanes();
    const pause = lane?.pause?.reason;
    const before = this.#otherRequests;
    await this.#send(OTHER);
    const others = this.#otherRequests > before ? "sent" : "held";
    // Read from a queue without a pause, some hours on, so that everything is in it.
    await this.#store.resume({ app: "shop", platform: this.#case.platform });
    const { waiting, device } = await this.#queued(id, sentAt);
    const again = waiting === undefined || dueAt === undefined
      ? undefined
      : { attempt: waiting, dueMs: delayOf(dueAt - sentAt) };
    const requests = this.#requests;
    const connections = this.#connections;
    return { state, counts, row, again, device, pause, requests, others, connections };
  }

  async #row(notification: string, sentAt: number): Promise<Stored["row"]> {
    const rows = await this.#store.deliveries({ notification, after: 0, limit: 10 });
    const [row] = rows;
    if (row === undefined) return undefined;
    if (rows.length > 1 || row.device !== RECIPIENT) throw new Error("Rows of somebody else");
    const { outcome, status, reason, attempts } = row;
    const registeredBefore = row.registeredBefore === undefined
      ? undefined
      : row.registeredBefore - sentAt;
    return { outcome, status, reason, attempts, registeredBefore };
  }

  #claim(batchesMax: number, now: number) {
    return { node: "test", now, leaseMs: 1_000, batchesMax, laneBatchesMax: 16, lanes: [] };
  }

  /** Takes everything out of the queue: the notification's batch, and one more for the same device. */
  async #queued(notification: string, now: number) {
    const next = await this.#submit(RECIPIENT);
    await this.#store.expand(next, { limit: 10, batchMax: 10 });
    const { batches } = await this.#store.claim(this.#claim(16, now + LATER_MS));
    const waiting = batches.find((batch) => batch.notification === notification)?.attempt;
    const look = batches.find((batch) => batch.notification === next);
    if (look === undefined) return { waiting, device: "invalid" } as const;
    const loaded = await this.#store.load(look.lease);
    if (typeof loaded === "string") throw new Error(`The batch is ${loaded}`);
    const suspect = loaded.recipients.suspects.length > 0;
    return { waiting, device: suspect ? "suspect" : "active" } as const;
  }

  async #send(device: string): Promise<string> {
    const id = await this.#submit(device);
    this.#refs?.delivery.feeder.trySend("wake");
    await this.#world.settle();
    return id;
  }

  async #submit(device: string): Promise<string> {
    const now = this.#world.clock.wallNow();
    const id = `0190f0e4-8a3b-7c11-9d55-${String(++this.#notifications).padStart(12, "0")}`;
    const audience: Audience = { kind: "devices", devices: [device] };
    const outcome = await this.#store.submit({
      notification: {
        id,
        app: "shop",
        content: this.#case.content ?? { title: "Hello" },
        ttlSeconds: WANTED_MS / 1_000,
        urgency: "normal",
        topic: undefined,
        createdAt: now,
        sendAt: now,
        expiresAt: now + WANTED_MS,
        ratePerSecond: undefined,
        rows: "all",
      },
      audience,
      idempotencyKey: undefined,
      digest: "digest",
    });
    if (outcome.kind !== "accepted") throw new Error(`Not accepted: ${outcome.kind}`);
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#world[Symbol.asyncDispose]();
  }
}

/** A first backoff has jitter; all other delays are exact. */
function delayOf(ms: number): number | "backoff" {
  return ms > 500 && ms < 1_000 ? "backoff" : ms;
}

/** Sends to one recipient, who is answered as the case says; gives everything that is stored then. */
export async function storedAfter(one: ProviderCase): Promise<Stored> {
  await using world = await ProviderWorld.open(one);
  await world.prepare();
  return await world.run();
}
