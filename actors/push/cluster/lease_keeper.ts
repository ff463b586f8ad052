/**
 * Keeps this node in the directory of those that share its store, and looks after the ones that
 * died.
 *
 * Invariants: this node is in the directory before its doors open; it leaves as it stops. The
 * batches of a node whose lease has ended are due again as soon as another node has seen it; that
 * can be done by several at once, and again. A node that could not renew its lease in time was
 * nowhere for the others: its sessions look into the store when it is back. So do those of all
 * others when a node died, which may have accepted messages that it handed to nobody: it stays in
 * the directory for two looks, in which each of the others has seen it.
 *
 * @module
 */

import type { Actor, Context, Ref } from "../../runtime/actor.ts";
import type { NodeDirectory, NodeFacts, NodeRecord, Observer } from "../ports.ts";
import type { ForwarderProtocol } from "./forwarder.ts";
import { NODE_LEASE_MS, NODE_RENEW_MS } from "./limits.ts";

/** What the lease keeper understands. */
export interface LeaseKeeperProtocol {
  /** Time to renew. */
  renewDue(): void;
  /** The store answered; `undefined` when it was not available. */
  renewed(nodes: Nodes | undefined): void;
  /** The batches of these nodes, which died, are due again. */
  buried(nodes: readonly string[]): void;
}

/** What the directory said. */
export type Nodes = Awaited<ReturnType<NodeDirectory["nodes"]>>;

/** What a node is for as long as it runs. */
export type NodeIdentity = Omit<NodeRecord, "facts">;

/** What the lease keeper works with. */
export interface LeaseKeeperArgs {
  /** Where nodes find each other. */
  readonly directory: NodeDirectory;
  /** This node, but for how it does. */
  readonly record: NodeIdentity;
  /** How it does; asked with each renewal. */
  readonly facts: () => NodeFacts;
  /** Told who is alive. */
  readonly forwarder: Ref<Pick<ForwarderProtocol, "nodes">>;
  /** Makes the batches of a node due that works no more; says how many there were. */
  readonly abandon: (node: string, now: number) => Promise<number>;
  /**
   * Called when a lease has ended: this node's, so that others may have taken it for dead, or that of
   * one that died, maybe between accepting a message and handing it to a session here.
   */
  readonly onLapse: () => void;
  /** Told of nodes that come and go. */
  readonly observer: Observer;
}

/** The lease keeper's state. */
export interface LeaseKeeperState extends LeaseKeeperArgs {
  /** Monotonic time at which the last renewal that succeeded began. */
  renewedAt: number;
  /** The same of the one on its way. */
  renewingAt: number;
  /** Nodes that died whose batches are due again, and that may still be in the directory. */
  buried: ReadonlySet<string>;
}

/** A node's keys do not fit those of the nodes that share its store. */
export class OtherKeysError extends Error {
  /** The class, for messages and logs. */
  override readonly name = "OtherKeysError";
}

/** The lease keeper; see the module. */
export const leaseKeeper: Actor<LeaseKeeperProtocol, LeaseKeeperState, LeaseKeeperArgs> = {
  name: "lease_keeper",
  mailbox: { capacity: 64, overflow: "refuse" },
  async init(args, ctx) {
    const renewedAt = ctx.now();
    const nodes = await enter(args);
    const state = { ...args, renewedAt, renewingAt: renewedAt, buried: new Set<string>() };
    settle(state, nodes, ctx);
    return state;
  },
  on: {
    renewDue(state, _, ctx) {
      state.renewingAt = ctx.now();
      ctx.pipe(renew(state), "renewed", (outcome) => {
        if (outcome.status === "fulfilled") return outcome.value;
        const reason = String(outcome.reason);
        state.observer.record({ kind: "store_failed", operation: "renew_node", reason });
        return undefined;
      });
    },
    renewed(state, nodes, ctx) {
      if (nodes === undefined) return ctx.after(NODE_RENEW_MS, "renewDue");
      const lateMs = ctx.now() - state.renewedAt - NODE_LEASE_MS;
      state.renewedAt = state.renewingAt;
      if (lateMs >= 0) {
        state.observer.record({ kind: "lease_lapsed", lateMs });
        state.onLapse();
      }
      settle(state, nodes, ctx);
    },
    buried(state, nodes) {
      if (nodes.length === 0) return;
      state.buried = state.buried.union(new Set(nodes));
      state.onLapse();
    },
  },
  async terminate({ directory, record }) {
    await directory.leave(record.id);
  },
};

/** Enters the directory; a node that may not stay is not in it afterwards. */
async function enter(args: LeaseKeeperArgs): Promise<Nodes> {
  const { directory, record } = args;
  try {
    const nodes = await renew(args);
    const problem = keysProblem(record.keys, nodes.alive);
    if (problem === undefined) return nodes;
    throw new OtherKeysError(problem);
  } catch (error) {
    // With the store away the lease ends by itself; why this node does not start is the other error.
    await directory.leave(record.id).catch(() => {});
    throw error;
  }
}

/** Why a node with keys of these names may not join these nodes; `undefined` when it may. */
export function keysProblem(
  keys: readonly string[],
  nodes: readonly NodeRecord[],
): string | undefined {
  const other = nodes.find((node) => !understand(node.keys, keys));
  if (other === undefined) return undefined;
  return `crypto-keys: the node ${other.url ?? other.id} of this store has other keys. ` +
    "Give all nodes the same; a new key is listed second everywhere before it becomes the first";
}

/** Whether each of two nodes knows the key with which the other makes endpoints. */
function understand(one: readonly string[], other: readonly string[]): boolean {
  const knows = (keys: readonly string[], [first]: readonly string[]) =>
    first === undefined || keys.includes(first);
  return knows(one, other) && knows(other, one);
}

async function renew({ directory, record, facts }: LeaseKeeperArgs): Promise<Nodes> {
  await directory.renew({ ...record, facts: facts() }, NODE_LEASE_MS);
  return await directory.nodes();
}

function settle(
  state: LeaseKeeperState,
  { alive, ended }: Nodes,
  ctx: Context<LeaseKeeperProtocol>,
): void {
  state.forwarder.trySend("nodes", alive);
  state.buried = state.buried.intersection(new Set(ended));
  for (const node of state.buried) void forget(state, node);
  const fresh = ended.filter((node) => !state.buried.has(node));
  if (fresh.length > 0) {
    ctx.pipe(bury(state, fresh, ctx.wallNow()), "buried", (outcome) => {
      return outcome.status === "fulfilled" ? outcome.value : [];
    });
  }
  ctx.after(NODE_RENEW_MS, "renewDue");
}

/** Ends what is left of nodes, and says of which it did; the others are still in the directory at the next look. */
async function bury(
  { abandon, observer }: LeaseKeeperArgs,
  nodes: readonly string[],
  now: number,
): Promise<readonly string[]> {
  const buried: string[] = [];
  for (const node of nodes) {
    try {
      observer.record({ kind: "node_lost", node, batches: await abandon(node, now) });
      buried.push(node);
    } catch (error) {
      observer.record({ kind: "store_failed", operation: "bury_node", reason: String(error) });
    }
  }
  return buried;
}

/** Takes a node out of the directory. Should it fail, it is still there at the next look. */
async function forget({ directory, observer }: LeaseKeeperArgs, node: string): Promise<void> {
  try {
    await directory.leave(node);
  } catch (error) {
    observer.record({ kind: "store_failed", operation: "forget_node", reason: String(error) });
  }
}
