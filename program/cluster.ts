/**
 * A node among others that share its store: found by them, and finding them.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { System } from "../actors/mod.ts";
import { Arrivals } from "../actors/push/cluster/arrivals.ts";
import { type ClusterRefs, clusterTree } from "../actors/push/cluster/tree.ts";
import { DRAIN_MS } from "../actors/push/limits.ts";
import type { NodeIdentity } from "../actors/push/cluster/lease_keeper.ts";
import type { NodeDirectory, NodeFacts, OpenDoor, Peer, Presence } from "../actors/push/ports.ts";
import { nodeAddress } from "../transports/command_line/addresses.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { openPeer, serveNodePort } from "../transports/node_port/mod.ts";
import { readRoots } from "./ca_file.ts";
import { listening, StartError } from "./start_error.ts";
import type { Telemetry } from "./telemetry.ts";
import { VERSION } from "./version.ts";

/** What a node brings along. */
export interface ClusterOptions {
  /** The settings in force. */
  readonly settings: Settings;
  /** Fernet keys of endpoint URLs, first the one which encrypts: nodes know each other by them. */
  readonly endpointKeys: readonly string[];
  /** Where its actors run. */
  readonly system: System;
  /** What the nodes share. */
  readonly shared: Presence & NodeDirectory;
  /** Makes the batches of a node due that works no more; says how many there were. */
  readonly abandon: (node: string, now: number) => Promise<number>;
  /** This node's id. */
  readonly node: string;
  /** When it started. */
  readonly startedAt: number;
  /** How it does. */
  readonly facts: () => NodeFacts;
  /** Called when others may have taken this node for dead. */
  readonly onLapse: () => void;
  /** Takes metrics and log events. */
  readonly telemetry: Telemetry;
}

/** This node's part in the cluster. */
export class Cluster {
  /** Its actors. */
  readonly refs: ClusterRefs;
  /** Tells others which devices are here. */
  readonly arrivals: Arrivals;
  readonly #door: NodeDoor;

  private constructor(options: ClusterOptions, door: NodeDoor, refs: ClusterRefs) {
    const { shared: presence, node, telemetry: observer } = options;
    this.refs = refs;
    this.arrivals = new Arrivals({ presence, node, forwarder: refs.forwarder, observer });
    this.#door = door;
  }

  /** Opens the node port and enters the directory; rejects when another node has other endpoint keys. */
  static async join(options: ClusterOptions): Promise<Cluster> {
    const { settings, endpointKeys, system, shared, abandon, node, telemetry } = options;
    const door = new NodeDoor(options);
    const roots = readRoots(settings);
    if (roots.kind === "failed") throw new StartError(roots.problem, 1);
    const caCerts = roots.pem;
    const refs = await system.start(
      "cluster",
      clusterTree({
        presence: shared,
        directory: shared,
        node,
        observer: telemetry,
        openPeer: (url) =>
          isWebOrigin(url) ? openPeer({ url, secrets: endpointKeys, caCerts }) : undefined,
        nodePort: settings.nodePort === undefined ? undefined : () => door.open(),
        record: () => identityOf(options, door.port),
        facts: options.facts,
        abandon,
        onLapse: options.onLapse,
      }),
    );
    return new Cluster(options, door, refs);
  }

  /** The node port, once it is bound. */
  get nodePort(): number | undefined {
    return this.#door.port;
  }

  /** From now on other nodes are served. */
  serve(peer: Peer): void {
    this.#door.peer = peer;
  }
}

/** What a node is whose node port, if it has one, is bound here. */
export function identityOf(
  { node, settings, endpointKeys, startedAt }: Pick<
    ClusterOptions,
    "node" | "settings" | "endpointKeys" | "startedAt"
  >,
  port: number | undefined,
): NodeIdentity {
  return {
    id: node,
    url: port === undefined ? undefined : nodeAddress(settings, port),
    roles: settings.roles,
    version: VERSION,
    keys: endpointKeys.map(keyDigest),
    startedAt,
  };
}

/** The node port, opened before what it serves is there: until then no device is connected here. */
class NodeDoor {
  readonly #options: ClusterOptions;
  /** What it serves. */
  peer: Peer = {
    push: (messages) => Promise.resolve(messages.map(() => false)),
    notify: (uaids) => Promise.resolve(uaids.map(() => false)),
    displace: () => Promise.resolve(),
  };
  /** Where it is bound, and after a restart bound again. */
  port: number | undefined;

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  async open(): Promise<OpenDoor> {
    const { settings, endpointKeys, telemetry } = this.#options;
    const address = { hostname: settings.host, port: this.port ?? settings.nodePort ?? 0 };
    const door = await listening("node-port", address, () =>
      serveNodePort({
        ...address,
        allowedHosts: settings.nodeUrl === undefined ? [] : [new URL(settings.nodeUrl).hostname],
        secrets: endpointKeys,
        version: VERSION,
        peer: {
          push: (messages) => this.peer.push(messages),
          notify: (uaids) => this.peer.notify(uaids),
          displace: (sessions) => this.peer.displace(sessions),
        },
        onEvent: (event) => telemetry.nodePortEvent(event),
      }));
    this.port = door.port;
    return {
      port: door.port,
      [Symbol.asyncDispose]: async () => void await door.close(DRAIN_MS),
    };
  }
}

/** Whether this is what a node enters as its address: whatever else is in the directory must end nobody. */
function isWebOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.parse(text)?.origin === text;
}

/** Names a key without telling it; half a SHA-256 is enough not to mistake one for another. */
export function keyDigest(key: string): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 32);
}
