/**
 * What nodes that share a store tell each other through it, in memory: for tests and simulation of
 * several nodes in one process.
 *
 * A function of the test sees every call, as with the stores in memory.
 *
 * @module
 */

import type { NodeRecord, NodesFound, Whereabouts } from "../message_store/records.ts";
import { type CallOptions, Calls } from "./calls.ts";

/** The calls, by the names of its methods. */
export type ClusterCallName =
  | "arrive"
  | "depart"
  | "whereabouts"
  | "renew"
  | "leave"
  | "nodes";

/** How it is made; the clock measures leases. */
export interface MemoryClusterOptions extends CallOptions<ClusterCallName> {
  /** Wall-clock time, which all nodes share. */
  readonly clock: { wallNow(): number };
}

/** Ids of ended nodes that are told at once. */
const ENDED_MAX = 100;

/** Whereabouts of devices and a directory of nodes. */
export class MemoryCluster {
  readonly #clock: MemoryClusterOptions["clock"];
  readonly #calls: Calls<ClusterCallName>;
  readonly #places = new Map<string, Whereabouts>();
  readonly #nodes = new Map<string, { readonly record: NodeRecord; readonly until: number }>();

  /** Nobody is anywhere. */
  constructor(options: MemoryClusterOptions) {
    this.#clock = options.clock;
    this.#calls = new Calls(options);
  }

  /** From now on this is where the user agent is; answers where it was until now. */
  arrive(uaid: string, at: Whereabouts): Promise<Whereabouts | undefined> {
    return this.#calls.make("arrive", () => {
      const before = this.#places.get(uaid);
      this.#places.set(uaid, at);
      return before;
    });
  }

  /** Forgets that the user agent is here, unless it has arrived elsewhere since. */
  depart(uaid: string, { node, session }: Whereabouts): Promise<void> {
    return this.#calls.make("depart", () => {
      const at = this.#places.get(uaid);
      if (at?.node === node && at.session === session) this.#places.delete(uaid);
    });
  }

  /** Where each of these user agents is, by place. */
  whereabouts(uaids: readonly string[]): Promise<readonly (Whereabouts | undefined)[]> {
    return this.#calls.make("whereabouts", () => uaids.map((uaid) => this.#places.get(uaid)));
  }

  /** Enters this node, or prolongs its lease from now on. */
  renew(record: NodeRecord, leaseMs: number): Promise<void> {
    return this.#calls.make("renew", () => {
      this.#nodes.set(record.id, { record, until: this.#clock.wallNow() + leaseMs });
    });
  }

  /** Removes a node; unknown is fine. */
  leave(id: string): Promise<void> {
    return this.#calls.make("leave", () => void this.#nodes.delete(id));
  }

  /** The nodes that are alive, and those whose lease has ended. */
  nodes(): Promise<NodesFound> {
    return this.#calls.make("nodes", () => {
      const now = this.#clock.wallNow();
      const all = [...this.#nodes.values()];
      const alive = all.filter(({ until }) => until > now).map(({ record }) => record);
      const ended = all.filter(({ until }) => until <= now).map(({ record }) => record.id);
      return {
        alive: alive.sort((a, b) => a.startedAt - b.startedAt),
        ended: ended.slice(0, ENDED_MAX),
      };
    });
  }
}
