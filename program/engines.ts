/**
 * PostgreSQL and Redis as the settings name them: stores, queue, source, counters and results.
 *
 * Opening one changes nothing in it, and rejects with a sentence that names the setting. What an
 * engine needs is loaded when it is opened: a node on SQLite has neither client in its memory.
 *
 * @module
 */

import type { DeliveryObserver, Sink, Source } from "../actors/push/delivery/ports.ts";
import type { DeliveryStore, Queue } from "../actors/push/delivery/store.ts";
import type { MessageStore, NodeDirectory, Presence } from "../actors/push/ports.ts";
import type { EngineAddress } from "../transports/command_line/engine_address.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { readStoreRoots } from "./ca_file.ts";
import { naming, StartError } from "./start_error.ts";
import type { Telemetry } from "./telemetry.ts";

/** What every engine is opened with. */
type Roots = Pick<Settings, "storeCaFile">;

/** Address and roots as the transports take them. */
export function access(settings: Roots, { url }: EngineAddress): { url: string; caCert?: string } {
  const roots = readStoreRoots(settings);
  if (roots.kind === "failed") throw new StartError(roots.problem, 1);
  const [caCert] = roots.pem;
  return { url: url.reveal(), ...(caCert === undefined ? {} : { caCert }) };
}

/** A message store that nodes share. */
export type SharedMessages = MessageStore & Presence & NodeDirectory & AsyncDisposable;

/** A delivery store that can be closed, and told from others. */
export type OpenDeliveryStore = DeliveryStore & Queue & AsyncDisposable & {
  identity(): Promise<string>;
};

/** Opens the Web Push half in PostgreSQL or Redis. */
export async function openSharedMessages(
  settings: Roots & Pick<Settings, "userLifetimeSeconds">,
  address: EngineAddress,
): Promise<SharedMessages> {
  const { userLifetimeSeconds } = settings;
  const options = { ...access(settings, address), userLifetimeSeconds };
  if (address.kind === "postgres") {
    const { openPostgresMessageStore } = await import("../transports/postgres_messages/mod.ts");
    return await openPostgresMessageStore(options);
  }
  const { openRedisMessageStore } = await import("../transports/redis_messages/mod.ts");
  return await openRedisMessageStore(options);
}

/** Opens the delivery half in PostgreSQL or Redis. */
export async function openSharedDelivery(
  settings: Roots,
  address: EngineAddress,
): Promise<OpenDeliveryStore> {
  const options = access(settings, address);
  if (address.kind === "postgres") {
    const { openPostgresDeliveryStore } = await import("../transports/postgres_delivery/mod.ts");
    return await openPostgresDeliveryStore(options);
  }
  const { openRedisDeliveryStore } = await import(
    "../transports/redis_delivery/redis_delivery_store.ts"
  );
  return await openRedisDeliveryStore(options);
}

/** An engine beside the store, for readiness. */
export interface EnginePart {
  /** What it is for, snake_case. */
  readonly name: string;
  /** What it does when it works. */
  readonly good: string;
  /** Resolves when it works. */
  ping(): Promise<void>;
}

/** The engines beside the store. */
export interface Engines extends AsyncDisposable {
  /** Where batches wait instead of in the store. */
  readonly queue: Queue | undefined;
  /** What else records outcomes. */
  readonly sinks: readonly Sink[];
  /** Where else notifications come from. */
  readonly sources: readonly Source[];
  /** All of them, for readiness. */
  readonly parts: readonly EnginePart[];
}

/** What engines are opened for. */
export interface EngineUsers {
  /** The store whose batches the queue holds. */
  readonly store: OpenDeliveryStore;
  /** The node's id. */
  readonly node: string;
  /** Told of entries that were set aside, and of upkeep that failed. */
  readonly telemetry: Pick<Telemetry, "storeProblem"> & { readonly delivery: DeliveryObserver };
}

/** Opens the engines beside the store that the settings name. */
export async function openEngines(
  settings: Settings,
  { store, node, telemetry }: EngineUsers,
): Promise<Engines> {
  await using opening = new AsyncDisposableStack();
  const { counters, resultsDatabase, source, queue: queueAddress } = settings;
  const parts: EnginePart[] = [];
  const sinks: Sink[] = [];
  const sources: Source[] = [];
  let queue: Queue | undefined;
  const add = <E extends AsyncDisposable & { ping(): Promise<void> }>(
    name: string,
    good: string,
    engine: E,
  ): E => {
    parts.push({ name, good, ping: () => engine.ping() });
    return opening.use(engine);
  };
  if (queueAddress !== "store") {
    const { openRedisQueue } = await import("../transports/redis_queue/redis_queue.ts");
    const opened = await naming("queue", () =>
      openRedisQueue({
        ...access(settings, queueAddress),
        upstream: store,
        onDeadLetter: ({ source, reason }) =>
          telemetry.delivery.record({ kind: "dead_letter", source, reason }),
      }));
    queue = add("queue", "hands out batches", opened);
  }
  if (source !== undefined) {
    const { openRedisStreamSource } = await import(
      "../transports/redis_source/redis_stream_source.ts"
    );
    const opened = await naming(
      "source",
      () => openRedisStreamSource({ ...access(settings, source), node }),
    );
    sources.push(add("source", "brings notifications", opened));
  }
  if (counters !== undefined) {
    const { openRedisCountersSink } = await import("../transports/redis_counters/mod.ts");
    const notificationsRetentionMs = settings.resultsRetentionMs;
    const opened = await naming(
      "counters",
      () => openRedisCountersSink({ ...access(settings, counters), notificationsRetentionMs }),
    );
    sinks.push(add("counters", "counts", opened));
  }
  if (resultsDatabase !== undefined) {
    const { openPostgresRowsSink } = await import("../transports/postgres_rows/mod.ts");
    const opened = await naming("results-database", () =>
      openPostgresRowsSink({
        ...access(settings, resultsDatabase),
        rows: settings.resultsDatabaseRows,
        retentionMs: settings.resultsDatabaseRetentionMs,
        onProblem: (problem) => telemetry.storeProblem("results_database", problem),
      }));
    sinks.push(add("results_database", "keeps rows", opened));
  }
  const resources = opening.move();
  return { queue, sinks, sources, parts, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
