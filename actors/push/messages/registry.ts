/**
 * Which device session holds which user agent, on this node: every message for a connected device
 * passes here.
 *
 * Invariants: one session per user agent, the last to say hello; the one it displaces is told.
 * Leaving names the session, so that a displaced one cannot remove its successor. Whatever cannot
 * be handed over is in the store already (or had TTL 0), and a session whose mailbox was full is
 * told to look there. Sessions are told so a few at a time, since each of them reads: as many as a node
 * has would be more than a store takes at once. The map is bounded by the number of sessions.
 *
 * @module
 */

import type { Actor, Context, Ref } from "../../runtime/actor.ts";
import { CONFIRM_RETRY_MS, LOOK_PAUSE_MS, LOOK_SLICE, REGISTRY_MAILBOX } from "../limits.ts";
import type { DisplacedSession, Observer, PushMessage } from "../ports.ts";
import type { Arrivals } from "../cluster/arrivals.ts";
import type { ForwarderProtocol } from "../cluster/forwarder.ts";

/** What the registry needs of a device session. */
export interface ConnectedSession {
  /** Sends the message to the device, or leaves it to the next look into the store. */
  deliver(message: PushMessage): void;
  /** Looks into the store for what was not delivered. */
  checkStorage(): void;
  /** Another connection of the same user agent has taken over. */
  displaced(): void;
}

/** A session and the user agent it speaks for. */
export interface Registration {
  /** The user agent. */
  readonly uaid: string;
  /** Its session. */
  readonly session: Ref<ConnectedSession>;
  /** What other nodes call the session; empty when there are none. */
  readonly id: string;
}

/** What the registry understands. */
export interface RegistryProtocol {
  /** Makes this the session of its user agent; from the reply on it is sent messages. */
  enter(registration: Registration): boolean;
  /** Forgets this session, if it still is the one. */
  leave(registration: Registration): void;
  /** Hands a message to its device, if it is connected here or, as far as the store knows, elsewhere. */
  deliver(message: PushMessage): void;
  /** Hands messages of another node to their devices; answers, by place, whether they are connected here. */
  deliverHere(messages: readonly PushMessage[]): readonly boolean[];
  /** Has sessions look into the store; answers, by place, whether they are connected here. */
  look(uaids: readonly string[]): readonly boolean[];
  /** Ends sessions whose user agents have connected to another node. */
  displace(sessions: readonly DisplacedSession[]): void;
  /**
   * Has all sessions look into the store, after other nodes may have taken this one for dead; those
   * whose user agents have connected elsewhere meanwhile are ended.
   */
  confirmAll(): void;
  /** Goes on with that. */
  confirmOn(slice: Slice): void;
  /** The store answered for a slice; `undefined` when it was not available. */
  confirmed(slice: ConfirmedSlice): void;
  /** Tells some of the sessions that are to look into the store. */
  lookOn(): void;
  /** How many user agents are connected. */
  connected(): number;
}

/** Sessions of which the store is asked together. */
export interface Slice {
  /** The sessions. */
  readonly sessions: readonly Registration[];
  /** Those after them. */
  readonly rest: Iterator<Registration>;
}

/** A slice of the sessions, and whether each still holds its user agent. */
export interface ConfirmedSlice extends Slice {
  /** By place. */
  readonly holds: readonly boolean[] | undefined;
}

/** Who is connected, and who is to be told. */
export interface RegistryState {
  /** Told what became of each message. */
  readonly observer: Observer;
  /** What finds devices on other nodes, if there are any. */
  readonly forwarder: Ref<Pick<ForwarderProtocol, "forward" | "seek">> | undefined;
  /** What the other nodes are told, if there are any. */
  readonly arrivals: Pick<Arrivals, "confirm"> | undefined;
  /** The session of each connected user agent. */
  readonly sessions: Map<string, Registration>;
  /** User agents whose session is to look into the store. */
  readonly missed: Set<string>;
  /** The round in which sessions are confirmed, by those that are left of it. */
  confirming: Iterator<Registration> | undefined;
}

/** What the registry works with. */
export type RegistryArgs = Pick<RegistryState, "observer" | "forwarder" | "arrivals">;

/** The registry; see the module. */
export const registry: Actor<RegistryProtocol, RegistryState, RegistryArgs> = {
  name: "registry",
  mailbox: { capacity: REGISTRY_MAILBOX, overflow: "refuse" },
  init: (args) => ({ ...args, sessions: new Map(), missed: new Set(), confirming: undefined }),
  on: {
    enter(state, registration) {
      const displaced = state.sessions.get(registration.uaid);
      state.sessions.set(registration.uaid, registration);
      if (displaced !== undefined) displace(displaced);
      return displaced !== undefined;
    },
    leave(state, { uaid, session }) {
      if (state.sessions.get(uaid)?.session === session) state.sessions.delete(uaid);
    },
    deliver(state, message, ctx) {
      const direct = handOver(state, message, ctx);
      if (!direct && forward(state, message)) return;
      const route = direct ? "direct" : message.ttlSeconds === 0 ? "dropped" : "stored";
      state.observer.record({ kind: "accepted", route });
    },
    deliverHere: (state, messages, ctx) =>
      messages.map((message) => {
        handOver(state, message, ctx);
        return state.sessions.has(message.uaid);
      }),
    look: (state, uaids, ctx) =>
      uaids.map((uaid) => {
        const here = state.sessions.has(uaid);
        if (here) missed(state, uaid, ctx);
        return here;
      }),
    displace(state, sessions) {
      const known = sessions.flatMap(({ uaid, session }) => {
        const registration = state.sessions.get(uaid);
        return registration?.id === session ? [registration] : [];
      });
      displaceElsewhere(state, known);
    },
    confirmAll(state, _, ctx) {
      const rest = state.sessions.values();
      state.confirming = rest;
      confirmOn(state, { sessions: [], rest }, ctx);
    },
    confirmOn,
    confirmed(state, { sessions, holds, rest }, ctx) {
      if (holds === undefined) return ctx.after(CONFIRM_RETRY_MS, "confirmOn", { sessions, rest });
      displaceElsewhere(state, sessions.filter((_, place) => holds[place] === false));
      for (const { uaid } of sessions) missed(state, uaid, ctx);
      ctx.after(LOOK_PAUSE_MS, "confirmOn", { sessions: [], rest });
    },
    lookOn,
    connected: (state) => state.sessions.size,
  },
};

/** A full mailbox is no excuse to stay: the session finds out at its own next message. */
function displace({ session }: Registration): void {
  if (session.trySend("displaced") === "full") session.send("displaced").catch(() => {});
}

/** Ends sessions whose user agents are on other nodes, and has their new sessions look for what these ones took. */
function displaceElsewhere(
  { sessions, forwarder }: RegistryState,
  displaced: readonly Registration[],
): void {
  for (const registration of displaced) {
    // From now on messages follow the user agent.
    if (sessions.get(registration.uaid) === registration) sessions.delete(registration.uaid);
    displace(registration);
  }
  if (displaced.length > 0) forwarder?.trySend("seek", displaced.map(({ uaid }) => uaid));
}

/** Whether the message was given to the one who knows where the device is, and who tells what became of it. */
function forward({ forwarder, sessions }: RegistryState, message: PushMessage): boolean {
  if (forwarder === undefined || sessions.has(message.uaid)) return false;
  return forwarder.trySend("forward", message) === "accepted";
}

function handOver(
  state: RegistryState,
  message: PushMessage,
  ctx: Context<RegistryProtocol>,
): boolean {
  const known = state.sessions.get(message.uaid);
  if (known === undefined) return false;
  switch (known.session.trySend("deliver", message)) {
    case "accepted":
      return true;
    case "full":
      if (message.ttlSeconds > 0) missed(state, message.uaid, ctx);
      return false;
    case "stopped":
      state.sessions.delete(message.uaid);
      return false;
  }
}

/** Remembers that the session is to look into the store. */
function missed({ missed }: RegistryState, uaid: string, ctx: Context<RegistryProtocol>): void {
  if (missed.size === 0) ctx.after(LOOK_PAUSE_MS, "lookOn");
  missed.add(uaid);
}

/** Tells some sessions to look into the store; those that have no room for that come again, last. */
function lookOn(
  { missed, sessions }: RegistryState,
  _: void,
  ctx: Context<RegistryProtocol>,
): void {
  for (const uaid of missed.values().take(LOOK_SLICE).toArray()) {
    missed.delete(uaid);
    if (sessions.get(uaid)?.session.trySend("checkStorage") === "full") missed.add(uaid);
  }
  if (missed.size > 0) ctx.after(LOOK_PAUSE_MS, "lookOn");
}

/** A slice at a time, so that messages are handed over in between. */
function confirmOn(
  { arrivals, sessions: known, confirming }: RegistryState,
  { sessions: asked, rest }: Slice,
  ctx: Context<RegistryProtocol>,
): void {
  // Begun anew meanwhile: the node was cut off again.
  if (rest !== confirming || arrivals === undefined) return;
  const sessions = asked.filter((session) => known.get(session.uaid) === session);
  while (sessions.length < LOOK_SLICE) {
    const { done, value } = rest.next();
    if (done === true) break;
    sessions.push(value);
  }
  if (sessions.length === 0) return;
  ctx.pipe(arrivals.confirm(sessions), "confirmed", (outcome) => {
    const holds = outcome.status === "fulfilled" ? outcome.value : undefined;
    return { sessions, holds, rest };
  });
}
