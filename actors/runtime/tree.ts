/**
 * The live tree: what hangs where, as its parents see it and as people read it.
 *
 * @module
 */

import type { Exit, RestartType } from "./actor.ts";
import type { SupervisorStrategy } from "./supervisor.ts";

/** A crash as the tree remembers it. */
export interface CrashNote {
  /** The error as one cut line. */
  readonly text: string;
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** The state of something in the tree. */
export type NodeState = "starting" | "running" | "stopping" | "restarting" | "stopped";

/** An actor as the tree shows it. */
export interface ActorNode {
  /** What kind of node. */
  readonly kind: "actor";
  /** Path from the root. */
  readonly path: string;
  /** The actor's `name`: what kind of actor it is. */
  readonly actor: string;
  /** What it is doing. */
  readonly state: NodeState;
  /** Whether it awaits a handler's promise; for long, with messages waiting, it hangs. */
  readonly busy: boolean;
  /** Messages waiting and the most that may wait, senders waiting for room. */
  readonly mailbox: {
    readonly length: number;
    readonly capacity: number;
    readonly waiting: number;
  };
  /** How often it was started again. */
  readonly restarts: number;
  /** Messages handled, notices of the system lane included. */
  readonly handled: number;
  /** Messages a second since the tree was last read, 0 at the first reading. */
  readonly perSecond: number;
  /** The last crash as one cut line. */
  readonly lastCrash: string | undefined;
  /** When it crashed last, in milliseconds since 1970. */
  readonly lastCrashAt: number | undefined;
  /** Actors it has spawned. */
  readonly children: readonly ActorNode[];
}

/** A pool as the tree shows it. */
export interface PoolNode {
  /** What kind of node. */
  readonly kind: "pool";
  /** Path from the root. */
  readonly path: string;
  /** The `name` of its actors. */
  readonly actor: string;
  /** What it is doing. */
  readonly state: NodeState;
  /** Children alive and the most that may be. */
  readonly size: number;
  /** The most children it may have. */
  readonly childrenMax: number;
  /** Children started since the pool was made. */
  readonly started: number;
  /** Children that ended by a crash. */
  readonly crashed: number;
  /** Messages its children have handled since the pool was made, those that have ended included. */
  readonly handled: number;
  /** Messages a second since the tree was last read, 0 at the first reading. */
  readonly perSecond: number;
  /** Messages that wait in the mailboxes of its children. */
  readonly waiting: number;
  /** Children that await a handler's promise. */
  readonly busy: number;
  /** How many children have so many messages waiting: 0, 1, 2 to 3, 4 to 7, doubling up to 128 and more. */
  readonly depths: readonly number[];
  /** The last crash of a child as one cut line. */
  readonly lastCrash: string | undefined;
  /** When a child crashed last, in milliseconds since 1970. */
  readonly lastCrashAt: number | undefined;
  /** Its children, empty when there are more than 100. */
  readonly children: readonly ActorNode[];
}

/** A supervisor as the tree shows it. */
export interface SupervisorNode {
  /** What kind of node. */
  readonly kind: "supervisor";
  /** Path from the root. */
  readonly path: string;
  /** Its strategy. */
  readonly strategy: SupervisorStrategy;
  /** What it is doing. */
  readonly state: NodeState;
  /** Restarts inside the window now. */
  readonly restarts: number;
  /** Its children in start order. */
  readonly children: readonly TreeNode[];
}

/** The system: the trees started in it. */
export interface SystemNode {
  /** What kind of node. */
  readonly kind: "system";
  /** Its name, the first part of every path. */
  readonly path: string;
  /** What it is doing. */
  readonly state: NodeState;
  /** Its trees in start order. */
  readonly children: readonly TreeNode[];
}

/** A node of the live tree. */
export type TreeNode = SystemNode | SupervisorNode | PoolNode | ActorNode;

/** How a part is to be stopped: for good, after its queue; or at once, keeping the queue for its next start. */
export type HaltIntent = "end" | "restart";

/**
 * A part as its owner drives it. Every `boot` is followed by one `started` or one `halted` of the
 * owner, every `started` by one `halted`.
 */
export interface Part {
  /** Path from the root. */
  readonly path: string;
  /** Starts it, or starts it again after it has halted. */
  boot(): void;
  /** Stops it in an orderly way. */
  halt(intent: HaltIntent): void;
  /** It has halted and its owner will not start it again. */
  bury(exit: Exit): void;
  /** What the live tree shows of it. */
  inspect(): TreeNode;
}

/** Whoever started a part. */
export interface Owner {
  /** Path from the root. */
  readonly path: string;
  /** The part is ready. */
  started(part: Part): void;
  /** The part is down: it failed to start, crashed, ended by itself or was stopped. */
  halted(part: Part, exit: Exit): void;
}

/** Whether a child that ended by itself like this is to be started again, as OTP defines the types. */
export function restarts(type: RestartType, exit: Exit): boolean {
  switch (type) {
    case "permanent":
      return true;
    case "transient":
      return exit.kind === "crashed" || exit.kind === "killed";
    case "temporary":
      return false;
  }
}
