/**
 * The supervision tree of what nodes do for each other, as data.
 *
 * ```
 * cluster
 * ├─ forwarder      hands messages to devices on other nodes
 * ├─ node_port      takes those for devices connected here
 * └─ lease_keeper   keeps this node in the directory
 * ```
 *
 * It starts before the doors and stops after them. The port opens before the node enters the
 * directory, which names it, and the node is in the directory before the first device can connect.
 *
 * @module
 */

import type { Ref } from "../../runtime/actor.ts";
import { branch, worker } from "../../runtime/spec.ts";
import type { Supervisor } from "../../runtime/supervisor.ts";
import { LISTENER_SHUTDOWN_MS } from "../limits.ts";
import { listener, type ListenerArgs, type ListenerProtocol } from "../listener.ts";
import type { NodeDirectory } from "../ports.ts";
import { forwarder, type ForwarderArgs, type ForwarderProtocol } from "./forwarder.ts";
import {
  leaseKeeper,
  type LeaseKeeperArgs,
  type LeaseKeeperProtocol,
  type NodeIdentity,
} from "./lease_keeper.ts";

/** What the tree is given from outside. */
export interface ClusterParts
  extends ForwarderArgs, Omit<LeaseKeeperArgs, "forwarder" | "record" | "observer"> {
  /** Where nodes find each other. */
  readonly directory: NodeDirectory;
  /** Opens the node port, if this node has one. */
  readonly nodePort: ListenerArgs["open"] | undefined;
  /** This node; asked for once, when its port is open. */
  readonly record: () => NodeIdentity;
}

/** Refs of the tree. */
export interface ClusterRefs {
  /** Hands messages to devices on other nodes. */
  readonly forwarder: Ref<ForwarderProtocol>;
  /** The node port, by its name; empty without one. */
  readonly doors: Readonly<Record<string, Ref<ListenerProtocol>>>;
  /** Keeps this node in the directory. */
  readonly leaseKeeper: Ref<LeaseKeeperProtocol>;
}

const INTENSITY = { restarts: 5, withinMs: 10_000 };
const BACKOFF = { minMs: 500, maxMs: 10_000 };

/** The tree over these parts. */
export function clusterTree(parts: ClusterParts): Supervisor<ClusterRefs> {
  const { nodePort, record } = parts;
  return {
    strategy: "one_for_one",
    intensity: INTENSITY,
    children: {
      forwarder: worker(forwarder, { args: () => parts, restart: "permanent", backoff: BACKOFF }),
      doors: branch(doorsTree(nodePort)),
      leaseKeeper: worker(leaseKeeper, {
        args: (refs: ClusterRefs) => ({ ...parts, record: record(), forwarder: refs.forwarder }),
        restart: "permanent",
        backoff: BACKOFF,
      }),
    },
  };
}

function doorsTree(open: ListenerArgs["open"] | undefined): Supervisor<ClusterRefs["doors"]> {
  const door = open === undefined ? [] : [[
    "nodePort",
    worker(listener("node_port"), {
      args: (_: ClusterRefs["doors"]) => ({ open }),
      restart: "permanent",
      shutdownMs: LISTENER_SHUTDOWN_MS,
      backoff: BACKOFF,
    }),
  ]] as const;
  return { strategy: "one_for_one", intensity: INTENSITY, children: Object.fromEntries(door) };
}
