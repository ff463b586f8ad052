/**
 * A listening door as an actor: open while the actor lives, opened again after a crash, closed
 * first when the tree stops.
 *
 * @module
 */

import type { Actor } from "../runtime/actor.ts";
import type { OpenDoor } from "./ports.ts";

/** What a listener understands. */
export interface ListenerProtocol {
  /** The port it is bound to. */
  port(): number;
}

/** How to open the door; with port 0 a free one is taken at the first opening and kept. */
export interface ListenerArgs {
  /** Opens the door; a rejection fails the start. */
  readonly open: () => Promise<OpenDoor>;
}

/** A listener of this kind, as the live tree shows it. */
export function listener(name: string): Actor<ListenerProtocol, OpenDoor, ListenerArgs> {
  return {
    name,
    mailbox: { capacity: 16, overflow: "refuse" },
    async init({ open }, ctx) {
      return ctx.use(await open());
    },
    on: { port: (door) => door.port },
  };
}
