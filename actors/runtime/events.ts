/**
 * What the runtime tells its host: events for logs and metrics, and the letters nobody handled.
 *
 * Events carry paths, names of messages and errors, never payloads: a payload may be secret.
 *
 * @module
 */

import type { Exit } from "./actor.ts";

/** Why an accepted message was never handled. */
export type DeadLetterReason = "stopped" | "dropped";

/** A message that was accepted and will never be handled. */
export interface DeadLetter {
  /** Whose mailbox it was in. */
  readonly path: string;
  /** Name of the message. */
  readonly message: string;
  /** `"stopped"`: its actor ended; `"dropped"`: the mailbox's policy made room. */
  readonly reason: DeadLetterReason;
}

/** The letters nobody handled: all are counted, the last few are remembered. */
export interface DeadLetters {
  /** How many there were. */
  readonly count: number;
  /** The last ones, oldest first, at most 64. */
  readonly recent: readonly DeadLetter[];
}

/** Something worth a log line or a counter. */
export type RuntimeEvent =
  /** An actor is ready: its first `init` has succeeded. */
  | { readonly type: "started"; readonly path: string }
  /** An actor is ready again, as this incarnation. */
  | { readonly type: "restarted"; readonly path: string; readonly incarnation: number }
  /** An incarnation crashed, in `init`, a handler, `terminate` or by a leaked rejection. */
  | {
    readonly type: "crashed";
    readonly path: string;
    readonly incarnation: number;
    readonly error: unknown;
  }
  /** An actor ended and is not started again. */
  | { readonly type: "stopped"; readonly path: string; readonly exit: Exit }
  /** A supervisor reached its limit of restarts. */
  | {
    readonly type: "gave_up";
    readonly path: string;
    readonly restarts: number;
    readonly withinMs: number;
    readonly error: unknown;
  }
  /** An accepted message will never be handled. */
  | ({ readonly type: "dead_letter" } & DeadLetter)
  /** A resource of `ctx.use` could not be released, or a listener of `ctx.signal` threw. */
  | { readonly type: "release_failed"; readonly path: string; readonly error: unknown }
  /** A promise leaked by an incarnation that had already ended was rejected: nothing left to crash. */
  | { readonly type: "rejection_late"; readonly path: string; readonly error: unknown }
  /** A rejection that belongs to no actor; the runtime leaves it to the platform. */
  | { readonly type: "rejection_unattributed"; readonly error: unknown };
