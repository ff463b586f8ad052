/**
 * A node's delivery pipeline, put together from its settings.
 *
 * @module
 */

import type { System } from "../actors/mod.ts";
import type { Sink } from "../actors/push/delivery/ports.ts";
import type { DeliveryStore, Queue } from "../actors/push/delivery/store.ts";
import { readTextFile } from "../transports/command_line/read_file.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { MemoryDeliveryStore } from "../transports/memory/memory_delivery_store.ts";
import { NdjsonFileSink } from "../transports/ndjson_file/ndjson_file_sink.ts";
import { StoreOpenError } from "../transports/sqlite/errors.ts";
import { openSqliteDeliveryStore } from "../transports/sqlite/sqlite_delivery_store.ts";
import { openWebhookSink } from "../transports/webhook/webhook_sink.ts";
import { Pipeline } from "./pipeline.ts";
import { StartError } from "./start_error.ts";
import type { Telemetry } from "./telemetry.ts";

/** Largest file of roots: those of a whole operating system are a quarter of it. */
const CA_FILE_BYTES_MAX = 1_048_576;

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

function rootsOf({ caFile }: Settings): readonly string[] {
  if (caFile === undefined) return [];
  const read = readTextFile(caFile, CA_FILE_BYTES_MAX);
  if (read.kind === "text") return [read.text];
  throw new StartError(`ca-file: ${caFile} ${read.cause}`, 1);
}

function sinksOf(
  { webhookUrl, webhookSecret, webhookRows, resultsFile, resultsRows }: Settings,
  caCerts: readonly string[],
  resources: AsyncDisposableStack,
): readonly Sink[] {
  const sinks: Sink[] = [];
  if (webhookUrl !== undefined) {
    const secret = webhookSecret?.reveal();
    if (secret === undefined) {
      throw new StartError("webhook-secret: webhook-url needs it, to sign what it posts", 2);
    }
    const opened = openWebhookSink({ url: webhookUrl, secret, rows: webhookRows, caCerts });
    if (opened.kind === "refused") throw new StartError(`webhook: ${opened.problem}`, 2);
    sinks.push(resources.use(opened.sink));
  }
  if (resultsFile !== undefined) {
    sinks.push(resources.use(new NdjsonFileSink({ path: resultsFile, rows: resultsRows })));
  }
  return sinks;
}
