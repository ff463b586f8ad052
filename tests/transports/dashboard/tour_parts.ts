/**
 * Parts of a live tree, as a node's API answers them, for tests of the tour.
 *
 * @module
 */

import type {
  ActorPart,
  Part,
  PoolPart,
  SupervisorPart,
  SystemPart,
} from "../../../transports/dashboard/monitor/tour_tree.js";

/** An actor at this path. */
export function actorPart(path: string, more: Partial<ActorPart> = {}): ActorPart {
  return {
    kind: "actor",
    path,
    actor: "x",
    state: "running",
    busy: false,
    mailbox: { length: 0, capacity: 1, waiting: 0 },
    restarts: 0,
    handled: 0,
    children: [],
    ...more,
  };
}

/** A pool at this path. */
export function poolPart(path: string, more: Partial<PoolPart> = {}): PoolPart {
  return {
    kind: "pool",
    path,
    actor: "x",
    state: "running",
    size: 0,
    childrenMax: 20_000,
    started: 0,
    crashed: 0,
    handled: 0,
    waiting: 0,
    busy: 0,
    depths: [0, 0, 0, 0, 0, 0, 0, 0, 0],
    children: [],
    ...more,
  };
}

/** A supervisor at this path. */
export function supervisorPart(path: string, children: readonly Part[]): SupervisorPart {
  return {
    kind: "supervisor",
    path,
    strategy: "one_for_one",
    state: "running",
    restarts: 0,
    children,
  };
}

/** The root over these trees. */
export function systemPart(children: readonly Part[]): SystemPart {
  return { kind: "system", path: "root", state: "running", children };
}
