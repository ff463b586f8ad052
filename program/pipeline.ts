/**
 * The delivery pipeline put together: store, providers, sinks and sources around its actors. A node
 * has one; a program of its own can have one without a node.
 *
 * @module
 */

import { System } from "../actors/mod.ts";
import { DeliveryService } from "../actors/push/delivery/delivery_service.ts";
import { BATCHES_MAX } from "../actors/push/delivery/limits.ts";
import type {
  DeliveryEvent,
  DeliveryObserver,
  Gateway,
  Sink,
  Source,
} from "../actors/push/delivery/ports.ts";
import type { Platform } from "../actors/push/delivery/records.ts";
import { type Bar, BarFeed } from "../actors/push/delivery/sinks/monitor.ts";
import type { SubmitResult } from "../actors/push/delivery/sources/source.ts";
import type { DeliveryStore, Queue } from "../actors/push/delivery/store.ts";
import {
  type BarsRefs,
  barsTree,
  type PipelineRefs,
  pipelineTree,
} from "../actors/push/delivery/tree.ts";
import type { Observer, PushEvent } from "../actors/push/ports.ts";
import type { Tracer } from "../actors/push/tracer.ts";
import { apnsProvider, http2Connector } from "../transports/apns/mod.ts";
import { fcmProvider } from "../transports/fcm/mod.ts";
import type { HttpConnection } from "../transports/http2/exchange.ts";
import type { Connect } from "../transports/provider/connect.ts";
import { EndpointPolicy, pushServiceConnect, webPushProvider } from "../transports/webpush/mod.ts";
import { watchCertificates } from "./certificate_watch.ts";
import { lazyEncryption } from "./lazy_encryption.ts";
import { measuredConnect } from "./measured_connect.ts";
import { platformParts, type Providers } from "./platforms.ts";
import { VERSION } from "./version.ts";

export type {
  Gateway,
  RowSink,
  SendBlock,
  Sink,
  Source,
  SourceEntry,
  TallySink,
} from "../actors/push/delivery/ports.ts";
export type { DeliveryRow } from "../actors/push/delivery/records.ts";
export type { Tally } from "../actors/push/delivery/store.ts";

/** Time after its end for which a notification's results are kept, unless somebody says otherwise. */
const RETENTION_MS = 30 * 86_400_000;

/** Time the monitor has to answer: whoever asks for a status is a person or a page. */
const BARS_MS = 1_000;

/** Hears of everything the pipeline does. */
export type PipelineObserver = Observer & { readonly delivery: DeliveryObserver };

/** What a pipeline is made of; only the store must be given. */
export interface PipelineOptions {
  /** Where apps, devices, notifications and results are kept, and batches wait. */
  readonly store: DeliveryStore & Queue;
  /** Where batches are claimed instead of in the store: one's own way of choosing among them. */
  readonly queue?: Queue;
  /** What records outcomes, beside the store. */
  readonly sinks?: readonly Sink[];
  /** Where notifications come from, beside `service.submit`. */
  readonly sources?: readonly Source[];
  /** What sends instead of the built-in gateways, by platform. */
  readonly gateways?: Readonly<Partial<Record<Platform, Gateway>>>;
  /** Hears what happens; must return at once and never throw. */
  readonly observer?: PipelineObserver;
  /** Records what takes how long; must return at once and never throw. */
  readonly tracer?: Tracer | undefined;
  /** Further roots that providers and push services may be certified by, PEM. */
  readonly caCerts?: readonly string[];
  /** Push services that are sent to: those of the browsers' makers, or any at a public address (default). */
  readonly pushHosts?: "known" | "public";
  /** Origins of push services that are sent to whatever their address is, such as `http://127.0.0.1:8080`. */
  readonly allowedPushOrigins?: readonly string[];
  /** Batches in flight at once; default 128. */
  readonly batchesMax?: number;
  /** Connections to Apple of one key; default 8. */
  readonly apnsConnections?: number;
  /** Connections to Google; default 8. */
  readonly fcmConnections?: number;
  /** Messages a minute that one FCM project sends; default 600,000, Google's quota. */
  readonly fcmRatePerMinute?: number;
  /** Connections to each push service; default 4. */
  readonly webPushConnections?: number;
  /** Threads that encrypt Web Push messages; default one less than the cores, from 1 to 4. */
  readonly encryptionThreads?: number | undefined;
  /** How long results are kept after a notification's end; default 30 days. */
  readonly retentionMs?: number;
  /** The actor system to run in; without it the pipeline has its own. */
  readonly system?: System;
  /** Whether other nodes deliver from the same store: the bars then are of all of them. */
  readonly allNodes?: boolean;
  /** The node's name in claims, different for every node and every start; random when absent. */
  readonly node?: string;
}

/** Hears nothing. */
const DEAF: PipelineObserver = {
  record: (_: PushEvent) => {},
  delivery: { record: (_: DeliveryEvent) => {} },
};

/** A pipeline; it sends from `start` on. */
export class Pipeline implements AsyncDisposable {
  /** Apps, devices, notifications: what callers ask for. */
  readonly service: DeliveryService;
  /** What ends by the second, for pages. */
  readonly feed: BarFeed = new BarFeed();
  readonly #options: PipelineOptions;
  readonly #node: string;
  readonly #policy: EndpointPolicy;
  readonly #resources = new AsyncDisposableStack();
  #sending: Providers | undefined;
  #refs: PipelineRefs<HttpConnection> | undefined;
  #bars: BarsRefs | undefined;

  /** A pipeline that is not started. */
  constructor(options: PipelineOptions) {
    const { store, pushHosts = "public", allowedPushOrigins = [], observer = DEAF } = options;
    this.#options = options;
    this.#node = options.node ?? crypto.randomUUID().slice(-12);
    this.#policy = new EndpointPolicy({ hosts: pushHosts, allowedOrigins: allowedPushOrigins });
    this.service = new DeliveryService({
      store,
      ...platformParts(this.#policy, () => this.#sending),
      wallNow: () => Date.now(),
      newId: () => crypto.randomUUID(),
      breathe: () => new Promise((resolve) => setTimeout(resolve, 0)),
      wake: () => this.#wake(),
      resumed: (lane) => void this.#refs?.delivery.guard.trySend("trust", lane),
      observer: observer.delivery,
      tracer: options.tracer,
      bars: (since) => this.bars(since),
      node: { id: this.#node, version: VERSION, startedAt: new Date().toISOString() },
    });
  }

  /** Batches in flight. */
  get batches(): number {
    return this.#refs?.delivery.batches.size ?? 0;
  }

  /** Starts its actors: from now on notifications are sent. */
  async start(): Promise<void> {
    const options = this.#options;
    const { store, observer = DEAF, retentionMs = RETENTION_MS } = options;
    // Before the system: what is released last must outlive the actors.
    const providers = this.#providers();
    this.#sending = providers;
    const system = options.system ?? this.#resources.use(new System());
    this.#refs = await system.start(
      "pipeline",
      pipelineTree({
        store,
        queue: options.queue ?? store,
        providers,
        gateways: options.gateways ?? {},
        sinks: options.sinks ?? [],
        sources: options.sources ?? [],
        submit: (body, key) => this.#submit(body, key),
        feed: this.feed,
        allNodes: options.allNodes ?? false,
        observer,
        tracer: options.tracer,
        node: this.#node,
        batchesMax: options.batchesMax ?? BATCHES_MAX,
        retentionMs,
      }),
    );
    this.#bars = this.#refs.sinks.bars;
    this.#watchCertificates();
  }

  /** Shows what other nodes deliver, and delivers nothing: instead of `start`, for a node that serves the API alone. */
  async watch(): Promise<void> {
    const { store, observer = DEAF, system } = this.#options;
    const owner = system ?? this.#resources.use(new System());
    const { feed } = this;
    this.#bars = await owner.start("bars", barsTree({ store, feed, allNodes: true, observer }));
    this.#watchCertificates();
  }

  /**
   * The bars of this second since 1970 and all after it, the present one included, at most ten minutes;
   * none on a node without a monitor. Rejects when it does not answer within a second.
   */
  async bars(since: number): Promise<readonly Bar[]> {
    if (this.#bars === undefined) return [];
    return await this.#bars.monitor.within(BARS_MS).ask("bars", since);
  }

  /** Ends what is in flight, hands back the rest, and stops; a system that was given is left to its owner. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  #providers(): Providers {
    const { caCerts = [], apnsConnections, fcmConnections, fcmRatePerMinute } = this.#options;
    const { webPushConnections, encryptionThreads } = this.#options;
    const { observer = DEAF } = this.#options;
    const measured = (platform: Platform, connect: Connect) =>
      measuredConnect(connect, ({ counts, sumMs }) => {
        observer.delivery.record({ kind: "latencies", platform, counts, sumMs });
      });
    const connect = http2Connector({ caCerts });
    const encryption = this.#resources.use(lazyEncryption({ threads: encryptionThreads }));
    return {
      apns: apnsProvider({
        connect: measured("apns", connect),
        ...(apnsConnections === undefined ? {} : { connectionsMax: apnsConnections }),
      }),
      fcm: fcmProvider({
        connect: measured("fcm", connect),
        caCerts,
        ...(fcmConnections === undefined ? {} : { connectionsMax: fcmConnections }),
        ...(fcmRatePerMinute === undefined ? {} : { messagesPerMinute: fcmRatePerMinute }),
      }),
      webpush: webPushProvider({
        policy: this.#policy,
        connect: measured("webpush", pushServiceConnect({ policy: this.#policy, caCerts })),
        encryption,
        ...(webPushConnections === undefined ? {} : { connectionsMax: webPushConnections }),
      }),
    };
  }

  #watchCertificates(): void {
    const { store, observer = DEAF } = this.#options;
    this.#resources.use(watchCertificates({
      store,
      tell: (endsAt) => {
        observer.delivery.record({ kind: "certificates", platform: "apns", endsAt });
      },
    }));
  }

  #wake(): void {
    this.#refs?.delivery.feeder.trySend("wake");
    this.#refs?.delivery.router.trySend("wake");
  }

  /** What a source brings is what the API takes. */
  async #submit(body: unknown, key: string): Promise<SubmitResult> {
    try {
      const reply = await this.service.submit(body, key);
      switch (reply.kind) {
        case "ok":
          return { kind: reply.value.repeated ? "repeated" : "accepted" };
        case "invalid":
          return {
            kind: "invalid",
            problems: reply.problems.map(({ path, message }) => `${path}: ${message}`),
          };
        case "too_many":
        case "unknown":
        case "conflict":
          return { kind: "invalid", problems: [reply.message] };
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { kind: "unavailable", reason };
    }
  }
}
