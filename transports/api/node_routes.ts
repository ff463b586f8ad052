/**
 * The route of the nodes that share a store: what each one is, and how it does.
 *
 * Invariant: it answers also when the store does not. What cannot be found out then is told as a check
 * that failed, beside this node, which is always known: whoever looks here, looks because something is
 * wrong.
 *
 * @module
 */

import type { NodeFacts } from "../message_store/records.ts";
import { json } from "./problem.ts";
import type { Readiness } from "./readiness.ts";
import type { Route } from "./route.ts";

/** A node as it is shown. */
export interface NodeView {
  /** Its id, another one after every start. */
  readonly id: string;
  /** Whether it is the one that answers. */
  readonly self: boolean;
  /** Origin of its node port; `null` when it has none. */
  readonly url: string | null;
  /** What it does: `devices`, `endpoint`, `delivery`, `api`. */
  readonly roles: readonly string[];
  /** Its version of this program. */
  readonly version: string;
  /** When it started, RFC 3339. */
  readonly startedAt: string;
  /** How it did when it last said so; `null` when it does not. */
  readonly facts: NodeFacts | null;
}

/** The nodes, as far as they are known. */
export interface NodesFound {
  /** The answering node's wall-clock time, in milliseconds since 1970. */
  readonly now: number;
  /** All nodes by their start, the one that answers among them. */
  readonly nodes: readonly NodeView[];
  /** Why there may be others, as a sentence without secrets; `undefined` when these are all. */
  readonly problem: string | undefined;
}

/** The route over this function, which never rejects, and these checks. */
export function nodesRoute(nodes: () => Promise<NodesFound>, readiness: Readiness): Route {
  return {
    method: "GET",
    path: "/v1/nodes",
    scope: "read",
    operation: {
      id: "listNodes",
      summary:
        "The nodes that share the store, what each said of itself at the last renewal of its lease, and what of this one works.",
      gives: { "application/json": "Nodes" },
    },
    answer: async () => {
      const [found, ready] = await Promise.all([nodes(), readiness.check()]);
      const { problem } = found;
      const checks = problem === undefined
        ? ready
        : [...ready, { name: "directory", ok: false, detail: problem }];
      return json(200, { now: new Date(found.now).toISOString(), nodes: found.nodes, checks });
    },
  };
}
