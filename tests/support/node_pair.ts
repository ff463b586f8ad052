/**
 * Several nodes in one world: the real trees, one memory store, ways between them that a test can cut.
 * Nothing waits for real time, and one seed is one run.
 */

import { Arrivals } from "../../actors/push/cluster/arrivals.ts";
import { localPeer } from "../../actors/push/cluster/local_peer.ts";
import { type ClusterRefs, clusterTree } from "../../actors/push/cluster/tree.ts";
import type { NodeIdentity } from "../../actors/push/cluster/lease_keeper.ts";
import type { Peer, PushEvent } from "../../actors/push/ports.ts";
import { World } from "../../actors/testing/mod.ts";
import {
  MemoryCluster,
  type MemoryClusterOptions,
} from "../../transports/memory/memory_cluster.ts";
import { MemoryStore, type MemoryStoreOptions } from "../../transports/memory/memory_store.ts";
import { factsOf } from "./node_facts.ts";
import { type Heard, PlainIdentifiers, PushWorld, type WorldDevice } from "./push_world.ts";

/** A node of several. */
export interface WorldNode {
  readonly name: string;
  readonly push: PushWorld;
  readonly cluster: ClusterRefs;
  /** What its forwarder and lease keeper reported. */
  readonly events: readonly PushEvent[];
}

/** How the nodes are opened. */
export interface NodesOptions {
  readonly seed?: number;
  readonly store?: Omit<MemoryStoreOptions, "clock">;
  readonly cluster?: Omit<MemoryClusterOptions, "clock">;
}

/** Nodes that share a store. */
export class WorldNodes implements AsyncDisposable {
  readonly world: World;
  readonly store: MemoryStore;
  readonly cluster: MemoryCluster;
  /** Nodes that cannot be reached now, by name. */
  readonly unreachable: Set<string> = new Set();
  /** Nodes that cannot renew their lease now, by name. */
  readonly cutOff: Set<string> = new Set();
  /** Batches that each lost node is said to have had. */
  readonly abandoned: string[] = [];
  readonly #nodes = new Map<string, WorldNode>();
  readonly #identifiers = new PlainIdentifiers();

  private constructor({ seed = 1, store, cluster }: NodesOptions) {
    this.world = new World({ seed });
    const { clock } = this.world;
    this.store = new MemoryStore({ clock, shared: true, ...store });
    this.cluster = new MemoryCluster({ clock, ...cluster });
  }

  /** Opens nodes of these names. */
  static async open(names: readonly string[], options: NodesOptions = {}): Promise<WorldNodes> {
    const nodes = new WorldNodes(options);
    for (const name of names) await nodes.add(name);
    return nodes;
  }

  /** Adds a node; it finds the others, and they find it. */
  async add(name: string, record: Partial<NodeIdentity> = {}): Promise<WorldNode> {
    const events: PushEvent[] = [];
    const observer = { record: (event: PushEvent) => void events.push(event) };
    const cluster = await this.world.system.start(
      `cluster_${name}`,
      clusterTree({
        presence: this.cluster,
        directory: {
          renew: (node, leaseMs) =>
            this.cutOff.has(name)
              ? Promise.reject(new Error(`${name} is cut off`))
              : this.cluster.renew(node, leaseMs),
          leave: (id) => this.cluster.leave(id),
          nodes: () => this.cluster.nodes(),
        },
        node: name,
        observer,
        openPeer: (url) => this.#way(url.slice("http://".length)),
        nodePort: undefined,
        record: () => ({
          id: name,
          url: `http://${name}`,
          roles: ["devices", "endpoint"],
          version: "1",
          keys: ["k"],
          startedAt: this.world.clock.wallNow(),
          ...record,
        }),
        facts: () => factsOf({ at: this.world.clock.wallNow() }),
        abandon: (node) => {
          this.abandoned.push(node);
          return Promise.resolve(3);
        },
        onLapse: () => void node?.push.refs.messages.registry.trySend("confirmAll"),
      }),
    );
    const arrivals = new Arrivals({
      presence: this.cluster,
      node: name,
      forwarder: cluster.forwarder,
      observer,
    });
    const { world, store } = this;
    const identifiers = this.#identifiers;
    const push = await PushWorld.open({
      among: { world, store, cluster, arrivals, identifiers, name },
    });
    const node: WorldNode | undefined = { name, push, cluster, events };
    this.#nodes.set(name, node);
    await this.pass(3_000);
    return node;
  }

  /** The node of this name. */
  node(name: string): WorldNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`There is no node ${name}`);
    return node;
  }

  /** Lets time pass, and everything happen that follows. */
  async pass(ms: number): Promise<void> {
    await this.world.advance(ms);
    await this.world.settle();
  }

  /** Connects a device that has been here before, and says hello. */
  async connect(name: string, uaid: string): Promise<WorldDevice> {
    const { device } = await this.node(name).push.greet({ uaid });
    return device;
  }

  #way(name: string): Peer & AsyncDisposable {
    const there = <T>(ask: (peer: Peer) => Promise<T>): Promise<T> => {
      const node = this.#nodes.get(name);
      if (node === undefined || this.unreachable.has(name)) {
        return Promise.reject(new Error(`${name} cannot be reached`));
      }
      return ask(localPeer(node.push.refs.messages.registry));
    };
    return {
      push: (messages) => there((peer) => peer.push(messages)),
      notify: (uaids) => there((peer) => peer.notify(uaids)),
      displace: (sessions) => there((peer) => peer.displace(sessions)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}

/** The routes that these events name, in order. */
export function routes(events: readonly PushEvent[]): readonly string[] {
  return events.flatMap((event) => event.kind === "accepted" ? [event.route] : []);
}

/** The notifications a device has heard since it was last asked. */
export function notifications(device: WorldDevice): readonly Heard[] {
  return device.take("notification");
}
