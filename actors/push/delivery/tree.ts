/**
 * The supervision tree of the pipeline, as data.
 *
 * ```
 * pipeline
 * ├─ sinks      recorder ─ feedback ─ history ─ bars ─ result_sweeper ─ others*   one actor per sink
 * │              bars: monitor ─ follower*                                  where nodes share the store
 * ├─ gateways   apns, fcm, webpush: connections* ─ gateway                  one actor per connection
 * └─ delivery   guard ─ batches* ─ router ─ feeder ─ sources*               one actor per batch
 * ```
 *
 * Start order is top to bottom and left to right, stop order the reverse: nothing new is claimed,
 * batches in flight end or are handed back, then connections close and the last results are
 * recorded. The refs of all parts stay valid over crashes, so a crash in one of them restarts that
 * one: a gateway that crashes loses its blocks, whose batches are claimed again.
 *
 * @module
 */

import type { Ref } from "../../runtime/actor.ts";
import { invariant } from "../../runtime/errors.ts";
import type { Pool } from "../../runtime/pool.ts";
import { branch, pool, worker } from "../../runtime/spec.ts";
import type { Supervisor } from "../../runtime/supervisor.ts";
import type { Observer } from "../ports.ts";
import type { Tracer } from "../tracer.ts";
import { batch, type BatchArgs, type BatchProtocol } from "./batch.ts";
import { connection, type ConnectionArgs, type ConnectionProtocol } from "./connection.ts";
import { feeder, type FeederProtocol } from "./feeder.ts";
import { gateway, type GatewayProtocol } from "./gateway.ts";
import { guard, type GuardProtocol } from "./guard.ts";
import { BATCH_DRAIN_MS, CONNECTIONS_MAX, GATEWAY_MS } from "./limits.ts";
import type {
  DeliveryEvent,
  DeliveryObserver,
  Gateway,
  Provider,
  ProviderConnection,
  Sink,
  Source,
} from "./ports.ts";
import type { Platform } from "./records.ts";
import { router, type RouterProtocol } from "./router.ts";
import { BAR_FOLLOWER, barFollower, type BarFollowerProtocol } from "./sinks/bar_follower.ts";
import { FEEDBACK_SINK, feedbackSink } from "./sinks/feedback_sink.ts";
import { HISTORY_SINK, historySink } from "./sinks/history_sink.ts";
import { SINK_BACKOFF, SINK_INTENSITY } from "./sinks/limits.ts";
import { type BarFeed, monitor, type MonitorProtocol } from "./sinks/monitor.ts";
import { recorder, type RecorderProtocol } from "./sinks/recorder.ts";
import { resultSweeper, type ResultSweeperProtocol } from "./sinks/result_sweeper.ts";
import { sinkActor, type SinkProtocol } from "./sinks/sink.ts";
import { SOURCE_BACKOFF, SOURCE_INTENSITY } from "./sources/limits.ts";
import { sourceActor, type SourceArgs, type SourceProtocol } from "./sources/source.ts";
import type { DeliveryStore, Queue } from "./store.ts";

/** What the pipeline is given from outside. */
export interface PipelineParts<C extends ProviderConnection> {
  /** Where everything is kept. */
  readonly store: DeliveryStore;
  /** Where batches wait. */
  readonly queue: Queue;
  /** What is known of each provider. */
  readonly providers: Readonly<Record<Platform, Provider<C>>>;
  /** What sends instead of the built-in gateways. */
  readonly gateways: Readonly<Partial<Record<Platform, Gateway>>>;
  /** What records outcomes, beside the store. */
  readonly sinks: readonly Sink[];
  /** Where notifications come from, beside the API. */
  readonly sources: readonly Source[];
  /** Accepts what sources bring. */
  readonly submit: SourceArgs["submit"];
  /** Where pages subscribe to what ends by the second. */
  readonly feed: BarFeed;
  /** Whether they see what all nodes of the store deliver; otherwise what this one does. */
  readonly allNodes: boolean;
  /** Told what happens. */
  readonly observer: Observer & { readonly delivery: DeliveryObserver };
  /** Records what takes how long, if anybody looks. */
  readonly tracer?: Tracer | undefined;
  /** This node's name, in claims. */
  readonly node: string;
  /** Batches in flight, at most. */
  readonly batchesMax: number;
  /** Time after its end for which a notification's results are kept. */
  readonly retentionMs: number;
}

/** What ends by the second. */
export interface BarsRefs {
  /** Counts it. */
  readonly monitor: Ref<MonitorProtocol>;
  /** What tells it of all nodes, if they share the store. */
  readonly followers: Readonly<Record<string, Ref<BarFollowerProtocol>>>;
}

/** The sinks. */
export interface SinksRefs {
  /** Records what batches came to. */
  readonly recorder: Ref<RecorderProtocol>;
  /** Marks dead devices. */
  readonly feedback: Ref<SinkProtocol>;
  /** Adds to the store's history. */
  readonly history: Ref<SinkProtocol>;
  /** Bars by the second. */
  readonly bars: BarsRefs;
  /** Removes old results. */
  readonly resultSweeper: Ref<ResultSweeperProtocol>;
  /** Sinks by name. */
  readonly others: Readonly<Record<string, Ref<SinkProtocol>>>;
}

/** One platform's gateway. */
export interface GatewayRefs<C extends ProviderConnection> {
  /** One actor per connection. */
  readonly connections: Pool<ConnectionProtocol<C>, ConnectionArgs<C>>;
  /** What sends over them. */
  readonly gateway: Ref<GatewayProtocol<C>>;
}

/** The gateways by platform. */
export type GatewaysRefs<C extends ProviderConnection> = Readonly<Record<Platform, GatewayRefs<C>>>;

/** What moves notifications. */
export interface DeliveryRefs {
  /** Retry budget and brake. */
  readonly guard: Ref<GuardProtocol>;
  /** One actor per batch. */
  readonly batches: Pool<BatchProtocol, BatchArgs>;
  /** Claims batches. */
  readonly router: Ref<RouterProtocol>;
  /** Makes them. */
  readonly feeder: Ref<FeederProtocol>;
  /** Sources by name. */
  readonly sources: Readonly<Record<string, Ref<SourceProtocol>>>;
}

/** Refs of the whole tree. */
export interface PipelineRefs<C extends ProviderConnection> {
  /** The sinks. */
  readonly sinks: SinksRefs;
  /** The gateways. */
  readonly gateways: GatewaysRefs<C>;
  /** What moves notifications. */
  readonly delivery: DeliveryRefs;
}

/** Actors that do their work from memory: five crashes in ten seconds mean that restarting does not help. */
const INTENSITY = { restarts: 5, withinMs: 10_000 };
const BACKOFF = { minMs: 100, maxMs: 5_000 };

/** The tree over these parts. */
export function pipelineTree<C extends ProviderConnection>(
  parts: PipelineParts<C>,
): Supervisor<PipelineRefs<C>> {
  return {
    strategy: "one_for_one",
    intensity: INTENSITY,
    children: {
      sinks: branch(sinksTree(parts)),
      gateways: branch(gatewaysTree(parts)),
      delivery: branch((refs: PipelineRefs<C>) => deliveryTree(parts, refs)),
    },
  };
}

/** The tree of what ends by the second: a part of the pipeline, and all that a node needs which only shows it. */
export function barsTree(
  { store, feed, allNodes, observer }: Pick<
    PipelineParts<ProviderConnection>,
    "store" | "feed" | "allNodes" | "observer"
  >,
): Supervisor<BarsRefs> {
  return {
    strategy: "one_for_one",
    intensity: INTENSITY,
    children: {
      monitor: worker(monitor, { args: () => ({ feed }), restart: "permanent" }),
      followers: branch(({ monitor }: BarsRefs) => ({
        strategy: "one_for_one",
        intensity: INTENSITY,
        children: Object.fromEntries((allNodes ? ["tallies"] : []).map((log) => [
          log,
          worker(barFollower, {
            args: () => ({ store, monitor, observer }),
            restart: "permanent",
            backoff: BACKOFF,
          }),
        ])),
      })),
    },
  };
}

/** Names under which what is built in remembers its positions: another sink of such a name would move them. */
const TAKEN_NAMES: readonly string[] = [BAR_FOLLOWER, FEEDBACK_SINK, HISTORY_SINK];

function sinksTree<C extends ProviderConnection>(
  { store, sinks, observer, feed, allNodes, node, retentionMs }: PipelineParts<C>,
): Supervisor<SinksRefs> {
  for (const { name } of sinks) {
    invariant(!TAKEN_NAMES.includes(name), `a sink is called "${name}", as one that is built in`);
  }
  const follow = (sink: Sink) =>
    worker(sinkActor(`${sink.name}_sink`), {
      args: () => ({ sink, store, node, observer: observer.delivery }),
      restart: "permanent",
      backoff: SINK_BACKOFF,
    });
  const poke = ({ feedback, others }: SinksRefs) => (rows: number): void => {
    if (rows > 0) feedback.trySend("committed");
    for (const sink of sinks) {
      if (rows > 0 || sink.rows === "tallies") others[sink.name]?.trySend("committed");
    }
  };
  const watched = (refs: SinksRefs): DeliveryObserver => ({
    record(event: DeliveryEvent) {
      observer.delivery.record(event);
      if (event.kind === "settled" && !allNodes) refs.bars.monitor.trySend("settled", event);
    },
  });
  return {
    strategy: "one_for_one",
    intensity: SINK_INTENSITY,
    children: {
      recorder: worker(recorder, {
        args: (refs: SinksRefs) => ({ store, observer: watched(refs), onCommit: poke(refs) }),
        restart: "permanent",
      }),
      feedback: follow(feedbackSink(store)),
      // Nobody looks at it by the second: it is not told of each batch, and looks once a second.
      history: follow(historySink(store)),
      bars: branch(barsTree({ store, feed, allNodes, observer })),
      resultSweeper: worker(resultSweeper, {
        args: () => ({ store, retentionMs, observer }),
        restart: "permanent",
      }),
      others: branch({
        strategy: "one_for_one",
        intensity: SINK_INTENSITY,
        children: Object.fromEntries(sinks.map((sink) => [sink.name, follow(sink)])),
      }),
    },
  };
}

function gatewaysTree<C extends ProviderConnection>(
  { providers, observer }: PipelineParts<C>,
): Supervisor<GatewaysRefs<C>> {
  const one = (platform: Platform): Supervisor<GatewayRefs<C>> => ({
    strategy: "rest_for_one",
    intensity: INTENSITY,
    children: {
      connections: pool(connection<C>(), { childrenMax: CONNECTIONS_MAX }),
      gateway: worker(gateway<C>(`${platform}_gateway`), {
        args: ({ connections }: GatewayRefs<C>) => ({
          provider: providers[platform],
          connections,
          observer: observer.delivery,
        }),
        restart: "permanent",
        backoff: BACKOFF,
      }),
    },
  });
  return {
    strategy: "one_for_one",
    intensity: INTENSITY,
    children: {
      apns: branch(one("apns")),
      fcm: branch(one("fcm")),
      webpush: branch(one("webpush")),
    },
  };
}

function deliveryTree<C extends ProviderConnection>(
  parts: PipelineParts<C>,
  { sinks, gateways }: PipelineRefs<C>,
): Supervisor<DeliveryRefs> {
  const { store, queue, node, batchesMax, sources, submit, tracer } = parts;
  const observer = parts.observer.delivery;
  const through = (platform: Platform): Gateway =>
    parts.gateways[platform] ??
      {
        send: (block) => gateways[platform].gateway.within(GATEWAY_MS).ask("send", block),
        handBack: () => void gateways[platform].gateway.trySend("handBackWaiting"),
      };
  const services = (guard: Ref<GuardProtocol>) => ({
    queue,
    store,
    gateways: { apns: through("apns"), fcm: through("fcm"), webpush: through("webpush") },
    guard,
    recorder: sinks.recorder,
    observer,
    allRows: parts.sinks.some(({ rows }) => rows === "all"),
    tracer,
  });
  return {
    // None of them holds what another one's crash makes wrong; and batches that were stopped for the
    // crash of the guard would wait for it with answers in hand.
    strategy: "one_for_one",
    intensity: INTENSITY,
    children: {
      guard: worker(guard, { args: () => undefined, restart: "permanent" }),
      batches: pool(batch, { childrenMax: batchesMax, shutdownMs: BATCH_DRAIN_MS }),
      router: worker(router, {
        args: ({ guard, batches }: DeliveryRefs) => ({
          queue,
          batches,
          services: services(guard),
          node,
          batchesMax,
        }),
        restart: "permanent",
        backoff: BACKOFF,
      }),
      feeder: worker(feeder, {
        args: ({ router }: DeliveryRefs) => ({ store, router, observer, tracer }),
        restart: "permanent",
        backoff: BACKOFF,
      }),
      sources: branch({
        strategy: "one_for_one",
        intensity: SOURCE_INTENSITY,
        children: Object.fromEntries(sources.map((source) => [
          source.name,
          worker(sourceActor(`${source.name}_source`), {
            args: () => ({ source, submit, store, observer }),
            restart: "permanent",
            backoff: SOURCE_BACKOFF,
          }),
        ])),
      }),
    },
  };
}
