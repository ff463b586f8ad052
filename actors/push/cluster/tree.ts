/**
 * The supervision tree of what nodes do for each other, as data.
 *
 * ```
 * cluster
 * ├─ forwarder
 * └─ lease_keeper
 * ```
 *
 * It starts before the doors and stops after them.
 *
 * @module
 */

import type { Ref } from "../../runtime/actor.ts";
import { worker } from "../../runtime/spec.ts";
import type { Supervisor } from "../../runtime/supervisor.ts";
import { forwarder, type ForwarderArgs, type ForwarderProtocol } from "./forwarder.ts";
import { leaseKeeper, type LeaseKeeperArgs, type LeaseKeeperProtocol } from "./lease_keeper.ts";

/** What the tree is given from outside. */
export type ClusterParts = ForwarderArgs & Omit<LeaseKeeperArgs, "forwarder">;

/** Refs of the tree. */
export interface ClusterRefs {
  /** Hands messages to devices on other nodes. */
  readonly forwarder: Ref<ForwarderProtocol>;
  /** Keeps this node in the directory. */
  readonly leaseKeeper: Ref<LeaseKeeperProtocol>;
}

const INTENSITY = { restarts: 5, withinMs: 10_000 };

/** A store that is away for a minute must not end the node: the keeper's restarts are spread out. */
const BACKOFF = { minMs: 500, maxMs: 10_000 };

/** The tree over these parts. */
export function clusterTree(parts: ClusterParts): Supervisor<ClusterRefs> {
  return {
    strategy: "one_for_one",
    intensity: INTENSITY,
    children: {
      forwarder: worker(forwarder, { args: () => parts, restart: "permanent", backoff: BACKOFF }),
      leaseKeeper: worker(leaseKeeper, {
        args: (refs: ClusterRefs) => ({ ...parts, forwarder: refs.forwarder }),
        restart: "permanent",
        backoff: BACKOFF,
      }),
    },
  };
}
