/**
 * A node's delivery pipeline, put together from its settings.
 *
 * @module
 */

import type { System } from "../actors/mod.ts";
import type { Sink } from "../actors/push/delivery/ports.ts";
import type { DeliveryStore, Queue } from "../actors/push/delivery/store.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { MemoryDeliveryStore } from "../transports/memory/memory_delivery_store.ts";
import { NdjsonFileSink } from "../transports/ndjson_file/ndjson_file_sink.ts";
import { StoreOpenError } from "../transports/sqlite/errors.ts";
import { openSqliteDeliveryStore } from "../transports/sqlite/sqlite_delivery_store.ts";
import { openWebhookSink, type WebhookSink } from "../transports/webhook/webhook_sink.ts";
import { readRoots } from "./ca_file.ts";
import { Pipeline } from "./pipeline.ts";
import { StartError } from "./start_error.ts";
import type { Telemetry } from "./telemetry.ts";

/** A delivery store that can be closed. */
export type OpenDeliveryStore = DeliveryStore & Queue & AsyncDisposable;

/** A node's pipeline with what it stands on; released after the actors have stopped. */
export interface NodePipeline extends AsyncDisposable {
  /** The pipeline. */
  readonly pipeline: Pipeline;
  /** Its store. */
  readonly store: OpenDeliveryStore;
}

/** Opens the store and the sinks the settings name; nothing is sent before the pipeline's start. */
export async function openNodePipeline(
  settings: Settings,
  { system, telemetry }: { readonly system: System; readonly telemetry: Telemetry },
): Promise<NodePipeline> {
  await using opening = new AsyncDisposableStack();
  const store = opening.use(await openDeliveryStore(settings));
  const caCerts = rootsOf(settings);
  const pipeline = opening.use(
    new Pipeline({
      store,
      system,
      caCerts,
      sinks: sinksOf(settings, caCerts, opening),
      observer: telemetry,
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
  return { pipeline, store, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** Opens the store; rejects with the reason as a sentence. */
export async function openDeliveryStore(
  { store, data }: Pick<Settings, "store" | "data">,
): Promise<OpenDeliveryStore> {
  if (store?.kind === "memory") return new MemoryDeliveryStore();
  try {
    return await openSqliteDeliveryStore({ directory: store?.folder ?? data });
  } catch (error) {
    if (!(error instanceof StoreOpenError)) throw error;
    const setting = store === undefined ? "data" : "store";
    throw new StartError(`${setting}: ${error.message}`, 1, { cause: error });
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
