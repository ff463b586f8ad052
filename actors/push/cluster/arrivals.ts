/**
 * Tells the other nodes which devices are connected here, through the store they share.
 *
 * Invariants: a device has arrived before its session reads the store, so that a message which is
 * stored meanwhile is found by one or the other; a session that ended departs as itself, and so
 * never takes away the place of its successor.
 *
 * @module
 */

import type { Ref } from "../../runtime/actor.ts";
import type { Observer, Presence } from "../ports.ts";
import type { ForwarderProtocol } from "./forwarder.ts";

/** A session that holds a user agent. */
export interface HeldSession {
  /** The user agent. */
  readonly uaid: string;
  /** What other nodes call the session. */
  readonly id: string;
}

/** What arrivals stand on. */
export interface ArrivalsParts {
  /** Where it is kept who is where. */
  readonly presence: Presence;
  /** This node's id. */
  readonly node: string;
  /** Tells other nodes that a session of theirs is over. */
  readonly forwarder: Ref<Pick<ForwarderProtocol, "displace">>;
  /** Told of failures. */
  readonly observer: Observer;
}

/** Arrivals and departures of this node's devices; see the module. */
export class Arrivals {
  readonly #parts: ArrivalsParts;
  #sessions = 0;

  /** Of one node. */
  constructor(parts: ArrivalsParts) {
    this.#parts = parts;
  }

  /** What other nodes are to call a session that begins. */
  newSession(): string {
    return `${++this.#sessions}`;
  }

  /** Says that the user agent is here; the session it had elsewhere is ended. Rejects when the store is not available. */
  async arrive({ uaid, id }: HeldSession): Promise<void> {
    const { presence, node, forwarder } = this.#parts;
    const before = await presence.arrive(uaid, { node, session: id });
    if (before === undefined || before.node === node) return;
    forwarder.trySend("displace", { node: before.node, uaid, session: before.session });
  }

  /**
   * Whether each of these sessions still holds its user agent, by place; says that it is here where
   * the store has forgotten. For a node that others may have taken for dead.
   */
  async confirm(sessions: readonly HeldSession[]): Promise<readonly boolean[]> {
    const { presence, node } = this.#parts;
    const at = await presence.whereabouts(sessions.map(({ uaid }) => uaid));
    return await Promise.all(sessions.map(async ({ uaid, id }, place) => {
      const here = { node, session: id };
      const known = at[place] ?? await presence.arrive(uaid, here) ?? here;
      const holds = known.node === node && known.session === id;
      // It has arrived elsewhere since it was asked for.
      if (!holds && at[place] === undefined) await presence.arrive(uaid, known);
      return holds;
    }));
  }

  /** Says that the session has ended. Should it fail, whoever looks for the device here learns that it is gone. */
  depart({ uaid, id }: HeldSession): void {
    const { presence, node, observer } = this.#parts;
    presence.depart(uaid, { node, session: id }).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      observer.record({ kind: "store_failed", operation: "depart", reason });
    });
  }
}
