/**
 * Hands messages to devices that are connected to other nodes.
 *
 * The store knows where each device is; a message whose device is elsewhere goes there in a block
 * with others. Nothing here can be lost: a message with a TTL is in the store before it comes here,
 * and a device whose node cannot be reached is told to look there when the node can be reached
 * again; so is one of which the store did not say where it is, when it does. A device may be on a node of which this one has not heard yet, or whose lease has lapsed for
 * a moment: it is remembered for a while, and told when the node is there.
 *
 * Invariants: one question to the store and one block to each node is under way; a message is looked
 * for twice at most, since its device may move while it is on its way.
 *
 * @module
 */

import type { Actor, Context } from "../../runtime/actor.ts";
import type {
  DisplacedSession,
  NodeDirectory,
  NodeRecord,
  Observer,
  Peer,
  Presence,
  PushMessage,
  Whereabouts,
} from "../ports.ts";
import {
  DISPLACED_MAX,
  FORWARDER_MAILBOX,
  LOOKUP_MAX,
  LOOKUP_RETRY_MS,
  LOOKUPS_WAITING_MAX,
  NODES_LOOK_MS,
  NODES_MAX,
  NOTIFY_MAX,
  PEER_BLOCK_MAX,
  PEER_MISSED_MAX,
  PEER_QUEUE_MAX,
  PEER_RETRY_MS,
  STRANGER_MS,
  STRANGERS_MAX,
} from "./limits.ts";

/** A session on another node that is over. */
export interface DisplacedElsewhere extends DisplacedSession {
  /** The node. */
  readonly node: string;
}

/** What the forwarder understands. */
export interface ForwarderProtocol {
  /** Finds the device of a message that is not connected here. */
  forward(message: PushMessage): void;
  /** Ends a session of another node. */
  displace(session: DisplacedElsewhere): void;
  /** Has the sessions of these user agents look into the store, wherever they are: one that ended here had messages they are to get. */
  seek(uaids: readonly string[]): void;
  /** The nodes that are alive now. */
  nodes(nodes: readonly NodeRecord[]): void;
  /** The store said where devices are; `undefined` when it was not available. */
  found(lookup: Lookup): void;
  /** A node took a block; `undefined` when it could not be reached. */
  pushed(pushed: Pushed): void;
  /** A node has told its devices to look into the store, or could not be reached. */
  notified(notified: Notified): void;
  /** Time to try nodes again that could not be reached. */
  retryDue(): void;
  /** Time to ask the store again. */
  lookDue(): void;
}

/** A message on its way, or the word to look into the store. */
export interface Forwarding {
  /** Whose it is. */
  readonly uaid: string;
  /** The message, if it is one. */
  readonly message: PushMessage | undefined;
  /** How often its device was looked for. */
  readonly lookups: number;
}

/** A message whose device was found. */
export interface Located extends Forwarding {
  /** See {@link Forwarding}. */
  readonly message: PushMessage;
  /** Where its device is. */
  readonly at: Whereabouts;
}

/** A question to the store, and its answer. */
export interface Lookup {
  /** What was looked for. */
  readonly messages: readonly Forwarding[];
  /** Where their devices are, by place. */
  readonly at: readonly (Whereabouts | undefined)[] | undefined;
  /** The nodes that are alive, when one of those was not known. */
  readonly nodes?: readonly NodeRecord[];
}

/** A block that was handed to a node, and its answer. */
export interface Pushed {
  /** The node. */
  readonly node: string;
  /** The messages. */
  readonly block: readonly Located[];
  /** Whether each device was there, by place. */
  readonly there: readonly boolean[] | undefined;
}

/** Devices that were told to look into the store, and sessions that were ended. */
export interface Notified {
  /** The node. */
  readonly node: string;
  /** The user agents; all of them stay to be told when the node could not be reached. */
  readonly uaids: readonly string[];
  /** The sessions; all of them stay to be ended when the node could not be reached. */
  readonly sessions: readonly DisplacedSession[];
  /** Whether the node was reached. */
  readonly reached: boolean;
}

/** A node that can be reached, and that may be released. */
export type OpenPeer = Peer & AsyncDisposable;

/** What the forwarder works with. */
export interface ForwarderArgs {
  /** Where it is kept who is where. */
  readonly presence: Pick<Presence, "depart" | "whereabouts">;
  /** Where nodes find each other. */
  readonly directory: Pick<NodeDirectory, "nodes">;
  /** This node's id. */
  readonly node: string;
  /** Opens the way to another node; `undefined` when that is no address. */
  readonly openPeer: (url: string) => OpenPeer | undefined;
  /** Told what became of each message. */
  readonly observer: Observer;
}

/** Another node. */
export interface Other {
  /** The way to it. */
  readonly peer: OpenPeer;
  /** Messages for devices there. */
  readonly queue: Located[];
  /** Devices to be told to look into the store. */
  readonly missed: Set<string>;
  /** Sessions to be ended there. */
  readonly displaced: DisplacedSession[];
  /** Whether it has been asked for something and has not answered. */
  busy: boolean;
}

/** A node that is not in the directory, as far as is known. */
export interface Stranger {
  /** Devices to be told to look into the store, should it appear. */
  readonly missed: Set<string>;
  /** Sessions to be ended then. */
  readonly displaced: DisplacedSession[];
  /** When it is forgotten, monotonic. */
  readonly until: number;
}

/** The forwarder's state; released with its ways to other nodes. */
export class ForwarderState implements AsyncDisposable {
  /** What it works with. */
  readonly args: ForwarderArgs;
  /** The other nodes, by id. */
  readonly others: Map<string, Other> = new Map();
  /** Nodes that devices are said to be on and that are not among the others, by id. */
  readonly strangers: Map<string, Stranger> = new Map();
  /** Messages whose devices are to be looked for. */
  waiting: Forwarding[] = [];
  /** Whether a question to the store is under way, or waits until the store may be available again. */
  looking = false;
  /** When the directory may be asked again who a node is, monotonic. */
  nodesDue = 0;

  /** A forwarder that knows no node yet. */
  constructor(args: ForwarderArgs) {
    this.args = args;
  }

  /** Closes the ways to other nodes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.others.values()].map((other) => close(other)));
  }
}

type Ctx = Context<ForwarderProtocol>;

/** The forwarder; see the module. */
export const forwarder: Actor<ForwarderProtocol, ForwarderState, ForwarderArgs> = {
  name: "forwarder",
  mailbox: { capacity: FORWARDER_MAILBOX, overflow: "refuse" },
  init: (args, ctx) => ctx.use(new ForwarderState(args)),
  on: {
    forward(state, message, ctx) {
      lookFor(state, { uaid: message.uaid, message, lookups: 0 }, ctx);
    },
    seek(state, uaids, ctx) {
      for (const uaid of uaids) lookFor(state, { uaid, message: undefined, lookups: 0 }, ctx);
    },
    displace(state, { node, uaid, session }, ctx) {
      const other = state.others.get(node);
      const { displaced } = other ?? stranger(state, node, ctx);
      if (displaced.length < DISPLACED_MAX) displaced.push({ uaid, session });
      if (other !== undefined) work(state, node, other, ctx);
    },
    nodes: meet,
    found(state, { messages, at, nodes }, ctx) {
      state.looking = false;
      if (nodes !== undefined) {
        state.nodesDue = ctx.now() + NODES_LOOK_MS;
        meet(state, nodes, ctx);
      }
      if (at === undefined) return unknown(state, messages, ctx);
      for (const [place, forwarding] of messages.entries()) {
        const where = at[place];
        // A device that has come here since has read the store.
        if (where === undefined || where.node === state.args.node) end(state, forwarding);
        else queue(state, forwarding, where, ctx);
      }
      ask(state, ctx);
    },
    pushed(state, { node, block, there }, ctx) {
      const other = state.others.get(node);
      if (other !== undefined) other.busy = false;
      for (const [place, located] of block.entries()) {
        if (there === undefined) unreached(state, located, located.at, ctx);
        else if (there[place] === true) {
          state.args.observer.record({ kind: "accepted", route: "forwarded" });
        } else gone(state, located, ctx);
      }
      if (there === undefined) ctx.after(PEER_RETRY_MS, "retryDue");
      else if (other !== undefined) work(state, node, other, ctx);
    },
    notified(state, { node, uaids, sessions, reached }, ctx) {
      const other = state.others.get(node);
      if (other !== undefined) other.busy = false;
      if (!reached) {
        const { missed, displaced } = other ?? stranger(state, node, ctx);
        for (const uaid of uaids) missed.add(uaid);
        displaced.push(...sessions.slice(0, DISPLACED_MAX - displaced.length));
        return ctx.after(PEER_RETRY_MS, "retryDue");
      }
      if (other !== undefined) work(state, node, other, ctx);
    },
    retryDue(state, _, ctx) {
      for (const [node, other] of state.others) work(state, node, other, ctx);
    },
    lookDue(state, _, ctx) {
      state.looking = false;
      ask(state, ctx);
    },
  },
};

function lookFor(state: ForwarderState, forwarding: Forwarding, ctx: Ctx): void {
  if (state.waiting.length >= LOOKUPS_WAITING_MAX) return end(state, forwarding);
  state.waiting.push(forwarding);
  ask(state, ctx);
}

/** Asks the store where the devices of what waits are. */
function ask(state: ForwarderState, ctx: Ctx): void {
  if (state.looking || state.waiting.length === 0) return;
  state.looking = true;
  const messages = state.waiting.splice(0, LOOKUP_MAX);
  const uaids = messages.map(({ uaid }) => uaid);
  ctx.pipe(whereabouts(state, uaids, ctx.now()), "found", (outcome) => {
    if (outcome.status === "fulfilled") return { messages, ...outcome.value };
    const reason = String(outcome.reason);
    state.args.observer.record({ kind: "store_failed", operation: "whereabouts", reason });
    return { messages, at: undefined };
  });
}

/** Where devices are; and who the nodes are, when one is at a node that has come since this one heard of them. */
async function whereabouts(
  { args, others, nodesDue }: ForwarderState,
  uaids: readonly string[],
  now: number,
): Promise<Pick<Lookup, "at" | "nodes">> {
  const at = await args.presence.whereabouts(uaids);
  const known = (where: Whereabouts | undefined) =>
    where === undefined || where.node === args.node || others.has(where.node);
  if (now < nodesDue || at.every(known)) return { at };
  return { at, nodes: (await args.directory.nodes()).alive };
}

/** The store did not say where these devices are: they look there themselves, when it does. */
function unknown(state: ForwarderState, asked: readonly Forwarding[], ctx: Ctx): void {
  // What would be handed over then is kept by the store, where it keeps no memory.
  const uaids = new Set<string>();
  for (const forwarding of [...asked, ...state.waiting]) {
    if (forwarding.message?.ttlSeconds !== 0) uaids.add(forwarding.uaid);
    end(state, forwarding);
  }
  state.waiting = Array.from(uaids, (uaid) => ({ uaid, message: undefined, lookups: 0 }));
  // Until then nobody is looked for.
  state.looking = true;
  ctx.after(LOOKUP_RETRY_MS, "lookDue");
}

/** Gives a message to the node its device is connected to. */
function queue(state: ForwarderState, forwarding: Forwarding, at: Whereabouts, ctx: Ctx): void {
  const { uaid, message } = forwarding;
  const other = state.others.get(at.node);
  // A device that is to look into the store finds this one there, too, behind the earlier ones.
  const looks = other?.missed.has(uaid) === true || (other?.queue.length ?? 0) >= PEER_QUEUE_MAX;
  if (other === undefined || message === undefined || looks) {
    unreached(state, forwarding, at, ctx);
  } else other.queue.push({ ...forwarding, message, at });
  if (other !== undefined) work(state, at.node, other, ctx);
}

/** What comes next for a node: sessions to end, messages, devices that missed some. */
function work(state: ForwarderState, node: string, other: Other, ctx: Ctx): void {
  if (other.busy) return;
  const { peer } = other;
  if (other.displaced.length > 0) {
    other.busy = true;
    const sessions = other.displaced.splice(0);
    return ctx.pipe(peer.displace(sessions), "notified", (outcome) => {
      return { node, uaids: [], sessions, reached: reached(state, node, outcome) };
    });
  }
  if (other.queue.length > 0) {
    other.busy = true;
    const block = other.queue.splice(0, PEER_BLOCK_MAX);
    return ctx.pipe(peer.push(block.map(({ message }) => message)), "pushed", (outcome) => {
      const there = reached(state, node, outcome) ? outcome.value : undefined;
      return { node, block, there };
    });
  }
  if (other.missed.size > 0) {
    other.busy = true;
    const uaids = other.missed.values().take(NOTIFY_MAX).toArray();
    // Taken out before they are told: one that misses a message meanwhile is told again.
    for (const uaid of uaids) other.missed.delete(uaid);
    ctx.pipe(peer.notify(uaids), "notified", (outcome) => {
      return { node, uaids, sessions: [], reached: reached(state, node, outcome) };
    });
  }
}

function reached<T>(
  { args: { observer } }: ForwarderState,
  node: string,
  outcome: PromiseSettledResult<T>,
): outcome is PromiseFulfilledResult<T> {
  if (outcome.status === "fulfilled") return true;
  observer.record({ kind: "peer_failed", node, reason: String(outcome.reason) });
  return false;
}

/** The message stays in the store, and its device is told to look there. */
function unreached(state: ForwarderState, forwarding: Forwarding, at: Whereabouts, ctx: Ctx): void {
  const { uaid, message } = forwarding;
  if (message?.ttlSeconds !== 0) {
    const { missed } = state.others.get(at.node) ?? stranger(state, at.node, ctx);
    if (missed.size < PEER_MISSED_MAX) missed.add(uaid);
  }
  end(state, forwarding);
}

function stranger({ strangers }: ForwarderState, node: string, ctx: Ctx): Stranger {
  let known = strangers.get(node);
  if (known === undefined) {
    known = { missed: new Set(), displaced: [], until: ctx.now() + STRANGER_MS };
    if (strangers.size < STRANGERS_MAX) strangers.set(node, known);
  }
  return known;
}

/** The device is not where it was: forgets that, and looks once more. */
function gone(state: ForwarderState, located: Located, ctx: Ctx): void {
  const { uaid, lookups, at } = located;
  const { presence, observer } = state.args;
  presence.depart(uaid, at).catch((error: unknown) => {
    observer.record({ kind: "store_failed", operation: "depart", reason: String(error) });
  });
  if (lookups > 0) end(state, located);
  else lookFor(state, { ...located, lookups: lookups + 1 }, ctx);
}

/** Nothing more is done for this message. */
function end({ args: { observer } }: ForwarderState, { message }: Forwarding): void {
  if (message === undefined) return;
  const route = message.ttlSeconds === 0 ? "dropped" : "stored";
  observer.record({ kind: "accepted", route });
}

/** Opens the ways to nodes that are new, and closes those to nodes that are gone. */
function meet(state: ForwarderState, nodes: readonly NodeRecord[], ctx: Ctx): void {
  const { others, strangers, args: { node: self, openPeer, observer } } = state;
  const alive = new Set(nodes.map(({ id }) => id));
  for (const [node, other] of others) {
    if (alive.has(node)) continue;
    others.delete(node);
    const { missed, displaced } = stranger(state, node, ctx);
    for (const uaid of other.missed) missed.add(uaid);
    displaced.push(...other.displaced.slice(0, DISPLACED_MAX - displaced.length));
    for (const located of other.queue) unreached(state, located, located.at, ctx);
    observer.record({ kind: "node_left", node });
    void close(other);
  }
  for (const { id, url } of nodes.slice(0, NODES_MAX)) {
    if (id === self || url === undefined || others.has(id)) continue;
    const peer = openPeer(url);
    if (peer === undefined) continue;
    const { missed, displaced } = stranger(state, id, ctx);
    strangers.delete(id);
    others.set(id, { peer, queue: [], missed, displaced, busy: false });
    observer.record({ kind: "node_joined", node: id, url });
  }
  for (const [node, { until }] of strangers) {
    if (until <= ctx.now()) strangers.delete(node);
  }
  ctx.self.trySend("retryDue");
}

/** Nothing is wanted of this node any more. */
async function close({ peer }: Other): Promise<void> {
  try {
    await peer[Symbol.asyncDispose]();
  } catch {
    // Its requests have been answered for by their deadlines.
  }
}
