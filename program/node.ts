/**
 * A node: store, actors and doors put together from settings.
 *
 * This is where actors meet transports. The stores open first and close last; in between live the
 * supervision trees, the pipeline's before the doors'. A node that starts has everything or nothing: when a part cannot be
 * opened, the parts before it are closed again and the reason is thrown.
 *
 * @module
 */

import { System, type TreeNode } from "../actors/mod.ts";
import type { DeviceSessionProtocol } from "../actors/push/messages/device_session.ts";
import { DRAIN_MS } from "../actors/push/limits.ts";
import { localPeer } from "../actors/push/cluster/local_peer.ts";
import { PushService } from "../actors/push/messages/push_service.ts";
import { SortKeys } from "../actors/push/messages/sort_keys.ts";
import { type Doors, type MessagesRefs, type PushRefs, pushTree } from "../actors/push/tree.ts";
import type { OpenDoor } from "../actors/push/ports.ts";
import type { Ref } from "../actors/runtime/actor.ts";
import type { TokenVerdict } from "../transports/api/handler.ts";
import { serveApi } from "../transports/api/serve_api.ts";
import type { NodesFound } from "../transports/api/node_routes.ts";
import type { ReadyCheck } from "../transports/api/readiness.ts";
import {
  type BoundPorts,
  isShared,
  publicAddresses,
} from "../transports/command_line/addresses.ts";
import type { Role, Settings } from "../transports/command_line/settings.ts";
import { dashboardFiles } from "../transports/dashboard/files.ts";
import {
  type DeviceEvents,
  type DeviceSocket,
  listenDevices,
  type Refusal,
  type SocketEnd,
} from "../transports/device_socket/listener.ts";
import type { TraceRecorder } from "../transports/opentelemetry/mod.ts";
import { servePushEndpoint } from "../transports/push_endpoint/serve_push_endpoint.ts";
import { TokenBox } from "../transports/push_endpoint/token_box.ts";
import { broadcastSource } from "./broadcast_source.ts";
import { type NodePipeline, openNodePipeline } from "./node_pipeline.ts";
import { LiveEvents } from "./monitor/live_events.ts";
import { Cluster, identityOf } from "./cluster.ts";
import { InfluxFacts } from "./influx_facts.ts";
import { NodeGauge } from "./node_facts.ts";
import { listNodes } from "./nodes.ts";
import { type OpenStore, openStore } from "./open_store.ts";
import type { Pipeline } from "./pipeline.ts";
import { listening, messageOf } from "./start_error.ts";
import type { Telemetry } from "./telemetry.ts";
import { VERSION } from "./version.ts";

/** Time a listener may take to say that it is open, within the two seconds `/readyz` waits. */
const READY_MS = 1_000;
/** Time for each check of `/readyz`, within its two seconds: an engine that hangs is named in the answer. */
const CHECK_MS = 1_500;

/** What a node is made of, beside its settings. */
export interface NodeParts {
  /** The settings in force. */
  readonly settings: Settings;
  /** Fernet keys of endpoint URLs, first the one which encrypts. */
  readonly endpointKeys: readonly string[];
  /** Judges API tokens. */
  readonly verifyToken: (token: string) => TokenVerdict;
  /** Certificate chain and key of the public doors, as PEM. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Takes metrics and log events. */
  readonly telemetry: Telemetry;
  /** Records what takes how long, when the runtime exports traces. */
  readonly tracer?: TraceRecorder | undefined;
  /** Whether other processes of this machine listen on the same ports. */
  readonly sharedPorts: boolean;
}

/** What an orderly end could not wait for. */
export interface Stopped {
  /** Posts that had begun and were cut at the drain's deadline, unanswered. */
  readonly cutRequests: number;
  /** Batches whose recipients were not all answered at the drain's deadline: they are sent to again. */
  readonly cutBatches: number;
}

/** A running node. */
export interface Node {
  /** Its id, another one after every start. */
  readonly id: string;
  /** Where its doors are. */
  readonly ports: BoundPorts;
  /** Resolves when the tree has ended by itself (`false`) or was stopped (`true`). */
  readonly ended: Promise<boolean>;
  /** Its live actors. */
  tree(): TreeNode;
  /** Closes the doors, lets posts that have begun finish, ends the sessions, closes the store. */
  stop(): Promise<Stopped>;
}

/** Starts a node; rejects with the reason when a part cannot be opened. */
export async function startNode(parts: NodeParts): Promise<Node> {
  const store = await openStore(parts.settings, ({ durationMs }) => {
    parts.telemetry.metrics.committed(durationMs);
  });
  const node = new Assembly(parts, store);
  try {
    await node.start(await store.messages.lastSortKey());
    return node;
  } catch (error) {
    await node.stop();
    throw error;
  }
}

/** The parts of a node while they are put together, and the node afterwards. */
class Assembly implements Node {
  readonly id: string = crypto.randomUUID().slice(-12);
  readonly #parts: NodeParts;
  readonly #store: OpenStore;
  readonly #system: System;
  readonly #box: TokenBox;
  readonly #startedAt = Date.now();
  readonly #gauge: NodeGauge;
  #pipeline: NodePipeline | undefined;
  #cluster: Cluster | undefined;
  #ports: BoundPorts;
  #refs: PushRefs | undefined;
  #events: LiveEvents | undefined;
  #influxFacts: InfluxFacts | undefined;
  #cutRequests = 0;

  constructor(parts: NodeParts, store: OpenStore) {
    const { endpointPort, devicePort, apiPort, nodePort } = parts.settings;
    this.#parts = parts;
    this.#store = store;
    this.#ports = { endpointPort, devicePort, apiPort, nodePort };
    this.#box = new TokenBox({ keys: parts.endpointKeys });
    this.#system = new System({
      onEvent: (event) => {
        parts.telemetry.runtimeEvent(event);
        this.#events?.runtimeEvent(event);
      },
    });
    const { telemetry } = parts;
    this.#gauge = new NodeGauge({
      flow: telemetry.flow,
      batches: () => this.#pipeline?.pipeline.batches ?? 0,
      onDelay: (ms) => telemetry.metrics.loopDelayed(ms),
    });
  }

  get ports(): BoundPorts {
    return this.#ports;
  }

  get ended(): Promise<boolean> {
    return this.#system.ended.then((exit) => exit.kind !== "crashed");
  }

  tree(): TreeNode {
    return this.#system.tree();
  }

  async start(lastSortKey: number): Promise<void> {
    const { settings, telemetry } = this.#parts;
    const system = this.#system;
    const sortKeys = new SortKeys(lastSortKey);
    const { endpointUrl } = settings;
    if (endpointUrl !== undefined) this.#box.setPublicUrl(endpointUrl);
    this.#pipeline = await openNodePipeline(settings, {
      ...{ system, telemetry, node: this.id, tracer: this.#parts.tracer },
    });
    const { store } = this.#pipeline;
    telemetry.metrics.delivery.watchLanes(() => inTime(store.lanes()));
    if (this.#has("delivery")) await this.#pipeline.pipeline.start();
    else if (this.#has("api") && isShared(settings)) await this.#pipeline.pipeline.watch();
    await this.#join();
    this.#tellInflux(this.#pipeline);
    const cluster = this.#cluster;
    this.#refs = await system.start(
      "push",
      pushTree({
        store: this.#store.messages,
        observer: telemetry,
        ...(cluster === undefined ? {} : {
          cluster: { forwarder: cluster.refs.forwarder, arrivals: cluster.arrivals },
        }),
        broadcastSource: this.#has("devices") ? broadcastSource(settings.broadcastUrl) : undefined,
        broadcastIntervalMs: settings.broadcastIntervalMs,
        sessionsMax: settings.connectionsMax,
        doors: (messages) => this.#doors(messages, sortKeys),
      }),
    );
  }

  async stop(): Promise<Stopped> {
    await this.#system.stop();
    const cutBatches = await this.#cutBatches();
    await this.#influxFacts?.[Symbol.asyncDispose]();
    await this.#pipeline?.[Symbol.asyncDispose]();
    await this.#store[Symbol.asyncDispose]();
    this.#gauge[Symbol.dispose]();
    return { cutRequests: this.#cutRequests, cutBatches };
  }

  /** Has InfluxDB know how this node does, when there is one. */
  #tellInflux({ influx }: NodePipeline): void {
    if (influx === undefined) return;
    const { delivery } = this.#parts.telemetry;
    this.#influxFacts = new InfluxFacts({
      ...{ influx, node: this.id, facts: () => this.#gauge.facts() },
      onProblem: (reason) => delivery.record({ kind: "sink_failed", sink: "influx_node", reason }),
    });
  }

  #has(role: Role): boolean {
    return this.#parts.settings.roles.includes(role);
  }

  /**
   * Enters the directory of nodes, when the store has one. The node port opens first: others hand
   * over messages as soon as they know of this node.
   */
  async #join(): Promise<void> {
    const { cluster } = this.#store;
    const pipeline = this.#pipeline;
    if (cluster === undefined || pipeline === undefined) return;
    const { settings, telemetry, endpointKeys } = this.#parts;
    this.#cluster = await Cluster.join({
      ...{ settings, telemetry, endpointKeys, system: this.#system, shared: cluster },
      ...{
        node: this.id,
        startedAt: this.#startedAt,
        facts: () => this.#gauge.facts(),
        abandon: (node, now) => pipeline.abandon(node, now),
      },
      onLapse: () => void this.#refs?.messages.registry.trySend("confirmAll"),
    });
    this.#ports = { ...this.#ports, nodePort: this.#cluster.nodePort };
  }

  /** Hands back what is still leased when nobody works any more, so that other nodes need not wait for the leases to end. */
  async #cutBatches(): Promise<number> {
    try {
      return await this.#pipeline?.abandon(this.id, Date.now()) ?? 0;
    } catch {
      return 0; // A store that cannot be reached has said so already, and closes the same.
    }
  }

  #doors(messages: MessagesRefs, sortKeys: SortKeys): Doors {
    this.#cluster?.serve(localPeer(messages.registry));
    return {
      ...(this.#has("endpoint")
        ? { pushEndpoint: () => this.#openPushEndpoint(messages, sortKeys) }
        : {}),
      ...(this.#has("devices") ? { deviceSockets: () => this.#openDeviceSockets(messages) } : {}),
      ...(this.#has("api") ? { api: () => this.#openApi() } : {}),
    };
  }

  async #openPushEndpoint(messages: MessagesRefs, sortKeys: SortKeys): Promise<OpenDoor> {
    const { settings, tls, telemetry } = this.#parts;
    const service = new PushService({
      store: this.#store.messages,
      identifiers: this.#box,
      registry: messages.registry,
      sortKeys,
      wallNow: () => Date.now(),
      messageLimit: settings.messagesMax,
      tracer: this.#parts.tracer,
    });
    const address = { hostname: settings.host, port: this.#ports.endpointPort };
    const door = await listening("endpoint-port", address, () =>
      servePushEndpoint({
        ...address,
        ...(tls === undefined ? {} : { tls }),
        ...(settings.endpointUrl === undefined ? {} : { endpointUrl: settings.endpointUrl }),
        reusePort: this.#parts.sharedPorts,
        allowedHosts: settings.allowedHosts,
        identifiers: this.#box,
        service,
        payloadBytesMax: settings.payloadBytesMax,
        ttlSecondsMax: settings.ttlSecondsMax,
        status: () => ({ status: "OK", version: VERSION }),
        onEvent: (event) => telemetry.endpointEvent(event),
      }));
    this.#ports = { ...this.#ports, endpointPort: door.port };
    return {
      port: door.port,
      [Symbol.asyncDispose]: async () => {
        const { cutRequests } = await door.close(DRAIN_MS);
        this.#cutRequests += cutRequests;
      },
    };
  }

  async #openDeviceSockets({ sessions, registry, broadcasts }: MessagesRefs): Promise<OpenDoor> {
    const { settings, tls, telemetry } = this.#parts;
    const arrivals = this.#cluster?.arrivals;
    const services = {
      ...(arrivals === undefined ? {} : { arrivals }),
      store: this.#store.messages,
      identifiers: this.#box,
      registry,
      broadcasts,
      observer: telemetry,
      tracer: this.#parts.tracer,
      settings: {
        helloTimeoutMs: settings.helloTimeoutMs,
        pingIntervalMs: settings.pingIntervalMs,
        pingTimeoutMs: settings.pingTimeoutMs,
        messageLimit: settings.messagesMax,
      },
    };
    const address = { hostname: settings.host, port: this.#ports.devicePort };
    const door = await listening("device-port", address, () =>
      listenDevices({
        ...address,
        ...(tls === undefined ? {} : { tls }),
        reusePort: this.#parts.sharedPorts,
        limits: { connectionsMax: settings.connectionsMax },
        unlimitedAddresses: ["127.0.0.1", ...settings.proxyAddresses],
        status: () => ({ status: "OK", version: VERSION }),
        onEvent: (event) => telemetry.deviceEvent(event),
        open: (socket: DeviceSocket): DeviceEvents | Refusal => {
          const session = sessions.start({ socket, services });
          if (session === "full" || session === "stopped") {
            return { status: 503, reason: `no room for another session: ${session}` };
          }
          return new SessionEvents(session);
        },
      }));
    this.#ports = { ...this.#ports, devicePort: door.port };
    return door;
  }

  async #openApi(): Promise<OpenDoor> {
    const { settings, telemetry, verifyToken } = this.#parts;
    const pipeline = this.#pipeline?.pipeline;
    const { endpointUrl, deviceUrl } = publicAddresses(settings, this.#ports);
    const address = { hostname: settings.host, port: this.#ports.apiPort };
    const door = await listening("api-port", address, () =>
      serveApi({
        ...address,
        reusePort: this.#parts.sharedPorts,
        allowedHosts: settings.allowedHosts,
        verifyToken,
        ready: () => this.#ready(),
        tree: () => this.tree(),
        nodes: () => this.#nodes(),
        metrics: telemetry.metrics,
        tracer: this.#parts.tracer,
        version: VERSION,
        ...(pipeline === undefined
          ? {}
          : { delivery: pipeline.service, events: this.#watch(pipeline) }),
        page: { files: dashboardFiles, endpointOrigin: new URL(endpointUrl).origin, deviceUrl },
        onEvent: (event) => telemetry.doorEvent(event),
      }));
    this.#ports = { ...this.#ports, apiPort: door.port };
    return door;
  }

  #nodes(): Promise<NodesFound> {
    const { settings, endpointKeys } = this.#parts;
    const { cluster } = this.#store;
    const me = { node: this.id, settings, endpointKeys, startedAt: this.#startedAt };
    return listNodes({
      identity: identityOf(me, this.#cluster?.nodePort),
      facts: this.#gauge.facts(),
      alive: async () => cluster === undefined ? [] : (await inTime(cluster.nodes())).alive,
    });
  }

  /** What pages watch; a door that opens again has nobody who watches it. */
  #watch(pipeline: Pipeline): LiveEvents {
    this.#events = new LiveEvents({
      feed: pipeline.feed,
      bars: (since) => pipeline.bars(since),
      status: () => pipeline.service.status(),
      tree: () => this.tree(),
      flow: this.#parts.telemetry.flow,
    });
    return this.#events;
  }

  async #ready(): Promise<readonly ReadyCheck[]> {
    const checks: [name: string, good: string, check: Promise<unknown>][] = [
      ["listeners", "accepting", this.#accepting()],
      ["store", "reads and writes", this.#store.messages.ping()],
    ];
    if (this.#pipeline !== undefined) {
      checks.push(["delivery_store", "reads and writes", this.#pipeline.store.ping()]);
      for (const part of this.#pipeline.engines) checks.push([part.name, part.good, part.ping()]);
    }
    const outcomes = await Promise.allSettled(checks.map(([, , check]) => inTime(check)));
    return checks.map(([name, good], place) => readyCheck(name, outcomes[place], good));
  }

  /** Resolves when every listener's actor is up, and so its door open: one that restarts is not. */
  async #accepting(): Promise<void> {
    if (this.#refs === undefined) throw new Error("starting");
    const doors = Object.values(this.#refs.listeners);
    await Promise.all(doors.map((door) => door.within(READY_MS).ask("port")));
  }
}

/** What a check comes to, unless it takes too long. */
async function inTime<T>(check: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`not answered within ${CHECK_MS} ms`)),
    CHECK_MS,
  );
  try {
    return await Promise.race([check, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** What came of a check, in the words of `/readyz`. */
function readyCheck(
  name: string,
  outcome: PromiseSettledResult<unknown> | undefined,
  good: string,
): ReadyCheck {
  if (outcome?.status === "fulfilled") return { name, ok: true, detail: good };
  return { name, ok: false, detail: messageOf(outcome?.reason) };
}

/** A device socket's events as its session's messages; waiting for room is back-pressure. */
class SessionEvents implements DeviceEvents {
  readonly #session: Ref<DeviceSessionProtocol>;

  constructor(session: Ref<DeviceSessionProtocol>) {
    this.#session = session;
  }

  text(message: string): void | Promise<void> {
    if (this.#session.trySend("received", message) === "accepted") return;
    return this.#session.send("received", message);
  }

  pong(): void {
    // Refused only by a session with 128 messages ahead of it; it then closes and reconnects.
    this.#session.trySend("ponged");
  }

  closed(how: SocketEnd): void {
    // A device's own words go nowhere: the reason is logged.
    const detail = how.kind === "device_closed" ? `${how.code}` : how.reason;
    const reason = detail === "" ? how.kind : `${how.kind}: ${detail}`;
    if (this.#session.trySend("disconnected", reason) !== "full") return;
    // A session that cannot take this within the deadline finds out at its next server ping.
    this.#session.send("disconnected", reason).catch(() => {});
  }
}
