/**
 * The nodes that share a store, as the API shows them.
 *
 * Invariants: the node that answers is always among them, as it is now and not as the directory has it; what
 * stands in the directory is cut, since all who write to the store write there.
 *
 * @module
 */

import type { NodeIdentity } from "../actors/push/cluster/lease_keeper.ts";
import type { NodeFacts, NodeRecord } from "../actors/push/ports.ts";
import type { NodesFound, NodeView } from "../transports/api/node_routes.ts";
import { cut } from "../transports/command_line/visible_text.ts";
import { NODE_ROLES_MAX, NODE_TEXT_MAX, NODES_SHOWN_MAX } from "./limits.ts";
import { messageOf } from "./start_error.ts";

/** The end of what RFC 3339 can write, in milliseconds since 1970. */
const TIME_MAX = Date.UTC(9999, 11, 31);

/** What the list is made of. */
export interface NodesParts {
  /** The node that answers. */
  readonly identity: NodeIdentity;
  /** How it does. */
  readonly facts: NodeFacts;
  /** Asks for the others; a rejection says why nobody knows of them. */
  readonly alive: () => Promise<readonly NodeRecord[]>;
}

/** Lists the nodes; never rejects. */
export async function listNodes({ identity, facts, alive }: NodesParts): Promise<NodesFound> {
  const self = { ...identity, facts };
  let others: readonly NodeRecord[] = [];
  let problem: string | undefined;
  try {
    others = (await alive()).filter(({ id }) => id !== self.id);
  } catch (error) {
    problem = `other nodes are not known: ${messageOf(error)}`;
  }
  const shown = [self, ...others.slice(0, NODES_SHOWN_MAX - 1)];
  return {
    now: facts.at,
    nodes: shown.toSorted((a, b) => a.startedAt - b.startedAt).map((node) =>
      viewOf(node, node === self)
    ),
    problem,
  };
}

function viewOf(node: NodeRecord, self: boolean): NodeView {
  const { id, url, roles, version, startedAt, facts } = node;
  return {
    id: short(id),
    self,
    url: url === undefined ? null : short(url),
    roles: roles.slice(0, NODE_ROLES_MAX).map(short),
    version: short(version),
    startedAt: new Date(Math.min(Math.max(0, startedAt), TIME_MAX)).toISOString(),
    facts: facts ?? null,
  };
}

function short(text: string): string {
  return cut(text, NODE_TEXT_MAX);
}
