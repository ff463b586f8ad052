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
import { MISSED_RETRY_MS, REGISTRY_MAILBOX } from "../limits.ts";
import type { Observer, PushMessage } from "../ports.ts";

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
}

/** What the registry understands. */
export interface RegistryProtocol {
  /** Makes this the session of its user agent; from the reply on it is sent messages. */
  enter(registration: Registration): boolean;
  /** Forgets this session, if it still is the one. */
  leave(registration: Registration): void;
  /** Hands a message to its device, if it is connected. */
  deliver(message: PushMessage): void;
  /** Tells sessions that were full to look into the store. */
  retryMissed(): void;
  /** How many user agents are connected. */
  connected(): number;
}

/** Who is connected, and who is to be told. */
export interface RegistryState {
  /** Told what became of each message. */
  readonly observer: Observer;
  /** The session of each connected user agent. */
  readonly sessions: Map<string, Ref<ConnectedSession>>;
  /** User agents whose session was full when a message came. */
  readonly missed: Set<string>;
}

/** The registry; see the module. */
export const registry: Actor<RegistryProtocol, RegistryState, { readonly observer: Observer }> = {
  name: "registry",
  mailbox: { capacity: REGISTRY_MAILBOX, overflow: "refuse" },
  init: ({ observer }) => ({ observer, sessions: new Map(), missed: new Set() }),
  on: {
    enter(state, { uaid, session }) {
      const displaced = state.sessions.get(uaid);
      state.sessions.set(uaid, session);
      // A full mailbox is no excuse to stay: the session finds out at its own next message.
      if (displaced?.trySend("displaced") === "full") displaced.send("displaced").catch(() => {});
      return displaced !== undefined;
    },
    leave(state, { uaid, session }) {
      if (state.sessions.get(uaid) === session) state.sessions.delete(uaid);
    },
    deliver(state, message, ctx) {
      const direct = handOver(state, message, ctx);
      const route = direct ? "direct" : message.ttlSeconds === 0 ? "dropped" : "stored";
      state.observer.record({ kind: "accepted", route });
    },
    retryMissed(state, _, ctx) {
      for (const uaid of state.missed) {
        const answer = state.sessions.get(uaid)?.trySend("checkStorage");
        if (answer !== "full") state.missed.delete(uaid);
      }
      if (state.missed.size > 0) ctx.after(MISSED_RETRY_MS, "retryMissed");
    },
    connected: (state) => state.sessions.size,
  },
};

function handOver(
  state: RegistryState,
  message: PushMessage,
  ctx: Context<RegistryProtocol>,
): boolean {
  const session = state.sessions.get(message.uaid);
  if (session === undefined) return false;
  switch (session.trySend("deliver", message)) {
    case "accepted":
      return true;
    case "full":
      if (message.ttlSeconds === 0) return false;
      if (state.missed.size === 0) ctx.after(MISSED_RETRY_MS, "retryMissed");
      state.missed.add(message.uaid);
      return false;
    case "stopped":
      state.sessions.delete(message.uaid);
      return false;
  }
}
