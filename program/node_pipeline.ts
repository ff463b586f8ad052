/**
 * A node's delivery pipeline, put together from its settings.
 *
 * @module
 */

import type { System } from "../actors/mod.ts";
import type { Sink } from "../actors/push/delivery/ports.ts";
import { isShared } from "../transports/command_line/addresses.ts";
import type { Tracer } from "../actors/push/tracer.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { MemoryDeliveryStore } from "../transports/memory/memory_delivery_store.ts";
import { NdjsonFileSink } from "../transports/ndjson_file/ndjson_file_sink.ts";
import { openSqliteDeliveryStore } from "../transports/sqlite/sqlite_delivery_store.ts";
import { type Influx, InfluxSink, openInflux } from "../transports/influx/mod.ts";
import { openWebhookSink, type WebhookSink } from "../transports/webhook/webhook_sink.ts";
import { readRoots } from "./ca_file.ts";
import { Pipeline } from "./pipeline.ts";
import {
  type EnginePart,
  type OpenDeliveryStore,
  openEngines,
  openSharedDelivery,
} from "./engines.ts";
import { naming, StartError } from "./start_error.ts";
import type { Telemetry } from "./telemetry.ts";

/** A node's pipeline with what it stands on; released after the actors have stopped. */
export interface NodePipeline extends AsyncDisposable {
  /** The pipeline. */
  readonly pipeline: Pipeline;
  /** Its store. */
  readonly store: OpenDeliveryStore;
  /** What else it stands on. */
  readonly engines: readonly EnginePart[];
  /** The InfluxDB that gets points, if there is one. */
  readonly influx: Influx | undefined;
  /** Ends what a node that works no more has claimed, batches and sinks; says how many batches. */
  abandon(node: string, now: number): Promise<number>;
}

/** What a node's pipeline runs in. */
export interface NodePipelineParts {
  /** Where its actors run. */
  readonly system: System;
  /** Takes metrics and log events. */
  readonly telemetry: Telemetry;
  /** Records what takes how long, if anybody looks. */
  readonly tracer?: Tracer | undefined;
  /** The node's id. */
  readonly node: string;
}

/** Opens the store, the queue, the sinks and the source the settings name; nothing is sent before the pipeline's start. */
export async function openNodePipeline(
  settings: Settings,
  { system, telemetry, tracer, node }: NodePipelineParts,
): Promise<NodePipeline> {
  await using opening = new AsyncDisposableStack();
  const store = opening.use(await openDeliveryStore(settings));
  const engines = opening.use(
    await openEngines(engineSettings(settings), { store, node, telemetry }),
  );
  const { queue = store } = engines;
  const caCerts = rootsOf(settings);
  const influx = opening.use(openInfluxOf(settings, caCerts));
  const pipeline = opening.use(
    new Pipeline({
      ...{ store, queue, system, node, tracer, caCerts },
      sinks: [
        ...sinksOf(settings, caCerts, opening),
        ...(influx === undefined ? [] : [new InfluxSink(influx)]),
        ...engines.sinks,
      ],
      sources: engines.sources,
      observer: telemetry,
      // Without the API nobody sees them here.
      allNodes: isShared(settings) && settings.roles.includes("api"),
      pushHosts: settings.pushHosts,
      allowedPushOrigins: settings.allowedPushOrigins,
      batchesMax: settings.batchesMax,
      apnsConnections: settings.apnsConnections,
      fcmConnections: settings.fcmConnections,
      fcmRatePerMinute: settings.fcmRatePerMinute,
      webPushConnections: settings.webPushConnections,
      encryptionThreads: settings.encryptionThreads,
      retentionMs: settings.resultsRetentionMs,
    }),
  );
  const resources = opening.move();
  return {
    ...{ pipeline, store, engines: engines.parts, influx },
    // A queue elsewhere has the store end what is the store's: the leases on sinks.
    abandon: (lost, now) => queue.abandon(lost, now),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Who delivers nothing takes nothing from a source and records no outcomes; the queue is needed to end what a lost node has claimed in it. */
function engineSettings(settings: Settings): Settings {
  if (settings.roles.includes("delivery")) return settings;
  return { ...settings, source: undefined, counters: undefined, resultsDatabase: undefined };
}

/** Opens the store; rejects with the reason as a sentence. */
export async function openDeliveryStore(
  settings: Pick<Settings, "store" | "data" | "storeCaFile">,
): Promise<OpenDeliveryStore> {
  const { store, data } = settings;
  switch (store?.kind) {
    case "memory":
      return new MemoryDeliveryStore();
    case undefined:
      return await naming("data", () => openSqliteDeliveryStore({ directory: data }));
    case "sqlite":
      return await naming("store", () => openSqliteDeliveryStore({ directory: store.folder }));
    case "postgres":
    case "redis":
      return await naming("store", () => openSharedDelivery(settings, store));
  }
}

/**
 * The webhook the settings name; nothing is sent.
 *
 * @throws {StartError} When it cannot be used; the text names the setting and not the address.
 */
export function openWebhook(
  { webhookUrl, webhookSecret, webhookRows }: Settings,
  caCerts: readonly string[],
): WebhookSink | undefined {
  if (webhookUrl === undefined) return undefined;
  const secret = webhookSecret?.reveal();
  if (secret === undefined) {
    throw new StartError("webhook-secret: webhook-url needs it, to sign what it posts", 2);
  }
  const opened = openWebhookSink({ url: webhookUrl, secret, rows: webhookRows, caCerts });
  // Its problems begin with url or secret.
  if (opened.kind === "refused") throw new StartError(`webhook-${opened.problem}`, 2);
  return opened.sink;
}

/**
 * The InfluxDB the settings name; nothing is sent.
 *
 * @throws {StartError} When it cannot be used; the text names the setting and not the address.
 */
export function openInfluxOf(
  { influxUrl, influxToken }: Settings,
  caCerts: readonly string[],
): Influx | undefined {
  if (influxUrl === undefined) return undefined;
  const opened = openInflux({ url: influxUrl, token: influxToken?.reveal(), caCerts });
  // Its problems begin with url or token.
  if (opened.kind === "refused") throw new StartError(`influx-${opened.problem}`, 2);
  return opened.influx;
}

function rootsOf(settings: Settings): readonly string[] {
  const roots = readRoots(settings);
  if (roots.kind === "failed") throw new StartError(roots.problem, 1);
  return roots.pem;
}

function sinksOf(
  settings: Settings,
  caCerts: readonly string[],
  resources: AsyncDisposableStack,
): readonly Sink[] {
  const { resultsFile, resultsRows } = settings;
  const sinks: Sink[] = [];
  const webhook = openWebhook(settings, caCerts);
  if (webhook !== undefined) sinks.push(resources.use(webhook));
  if (resultsFile !== undefined) {
    sinks.push(resources.use(new NdjsonFileSink({ path: resultsFile, rows: resultsRows })));
  }
  return sinks;
}
