/**
 * Which device session holds which user agent, on this node: every message for a connected device
 * passes here.
 *
 * Invariants: one session per user agent, the last to say hello; the one it displaces is told.
 * Leaving names the session, so that a displaced one cannot remove its successor. Whatever cannot
 * be handed over is in the store already (or had TTL 0), and a session whose mailbox was full is
 * told to look there. The map is bounded by the number of sessions.
 *
 * @module
 */

import type { Actor, Context, Ref } from "../../runtime/actor.ts";
import { LOOK_SLICE, MISSED_RETRY_MS, REGISTRY_MAILBOX } from "../limits.ts";
import type { DisplacedSession, Observer, PushMessage } from "../ports.ts";
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
  /** Has all sessions look into the store: for a while other nodes may not have known of them. */
  lookAll(): void;
  /** Goes on with that. */
  lookOn(uaids: Iterator<string>): void;
  /** Tells sessions that were full to look into the store. */
  retryMissed(): void;
  /** How many user agents are connected. */
  connected(): number;
}

/** Who is connected, and who is to be told. */
export interface RegistryState {
  /** Told what became of each message. */
  readonly observer: Observer;
  /** What finds devices on other nodes, if there are any. */
  readonly forwarder: Ref<Pick<ForwarderProtocol, "forward">> | undefined;
  /** The session of each connected user agent. */
  readonly sessions: Map<string, Registration>;
  /** User agents whose session was full when a message came. */
  readonly missed: Set<string>;
}

/** What the registry works with. */
export type RegistryArgs = Pick<RegistryState, "observer" | "forwarder">;

/** The registry; see the module. */
export const registry: Actor<RegistryProtocol, RegistryState, RegistryArgs> = {
  name: "registry",
  mailbox: { capacity: REGISTRY_MAILBOX, overflow: "refuse" },
  init: (args) => ({ ...args, sessions: new Map(), missed: new Set() }),
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
        const session = state.sessions.get(uaid)?.session;
        if (session?.trySend("checkStorage") === "full") missed(state, uaid, ctx);
        return session !== undefined;
      }),
    displace(state, sessions) {
      for (const { uaid, session } of sessions) {
        const known = state.sessions.get(uaid);
        if (known !== undefined && known.id === session) displace(known);
      }
    },
    lookAll: (state, _, ctx) => lookOn(state, state.sessions.keys(), ctx),
    lookOn,
    retryMissed(state, _, ctx) {
      for (const uaid of state.missed) {
        const answer = state.sessions.get(uaid)?.session.trySend("checkStorage");
        if (answer !== "full") state.missed.delete(uaid);
      }
      if (state.missed.size > 0) ctx.after(MISSED_RETRY_MS, "retryMissed");
    },
    connected: (state) => state.sessions.size,
  },
};

/** A full mailbox is no excuse to stay: the session finds out at its own next message. */
function displace({ session }: Registration): void {
  if (session.trySend("displaced") === "full") session.send("displaced").catch(() => {});
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

/** Remembers that the session is to look into the store when it has room. */
function missed(state: RegistryState, uaid: string, ctx: Context<RegistryProtocol>): void {
  if (state.missed.size === 0) ctx.after(MISSED_RETRY_MS, "retryMissed");
  state.missed.add(uaid);
}

/** A slice at a time, so that messages are handed over in between. */
function lookOn(
  state: RegistryState,
  uaids: Iterator<string>,
  ctx: Context<RegistryProtocol>,
): void {
  for (let count = 0; count < LOOK_SLICE; count++) {
    const { done, value: uaid } = uaids.next();
    if (done === true) return;
    if (state.sessions.get(uaid)?.session.trySend("checkStorage") === "full") {
      missed(state, uaid, ctx);
    }
  }
  ctx.after(1, "lookOn", uaids);
}
