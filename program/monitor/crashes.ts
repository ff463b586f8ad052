/**
 * Crashes, restarts and supervisors that gave up, as people who watch the tree are told of them.
 *
 * Invariants: between two ticks at most so many are told one by one, and the count of the others at
 * the tick: a loop of crashes does not fill anybody's stream.
 *
 * @module
 */

import type { RuntimeEvent } from "../../actors/mod.ts";
import { errorText } from "../../transports/command_line/log.ts";
import { cut, escapeInvisible } from "../../transports/command_line/visible_text.ts";
import { CRASH_ERROR_CHARS_MAX, CRASHES_PER_SECOND_MAX } from "./limits.ts";

/** What happened to an actor or a supervisor. */
export interface Crash {
  /** When, in milliseconds since 1970. */
  readonly at: number;
  /** What. */
  readonly kind: "crashed" | "restarted" | "gave_up";
  /** To whom. */
  readonly path: string;
  /** The error as one cut line; `null` for a restart. */
  readonly error: string | null;
  /** Which life of the actor it is; `null` for a supervisor. */
  readonly incarnation: number | null;
}

/** What was too much for one second. */
export interface MoreCrashes {
  /** When they were counted, in milliseconds since 1970. */
  readonly at: number;
  /** Tells it from a {@link Crash}. */
  readonly kind: "more";
  /** How many. */
  readonly count: number;
}

/** Chooses what is told; see the module. */
export class Crashes {
  #told = 0;
  #more = 0;

  /** What is to be told of an event, if anything. */
  take(event: RuntimeEvent, at: number): Crash | undefined {
    const crash = crashOf(event, at);
    if (crash === undefined) return undefined;
    if (this.#told >= CRASHES_PER_SECOND_MAX) {
      this.#more++;
      return undefined;
    }
    this.#told++;
    return crash;
  }

  /** A second is over: what was too much for it. */
  tick(at: number): MoreCrashes | undefined {
    const count = this.#more;
    this.#told = this.#more = 0;
    return count === 0 ? undefined : { at, kind: "more", count };
  }
}

function crashOf(event: RuntimeEvent, at: number): Crash | undefined {
  switch (event.type) {
    case "crashed": {
      const { type: kind, path, incarnation, error } = event;
      return { at, kind, path, error: line(error), incarnation };
    }
    case "restarted": {
      const { type: kind, path, incarnation } = event;
      return { at, kind, path, error: null, incarnation };
    }
    case "gave_up": {
      const { type: kind, path, error } = event;
      return { at, kind, path, error: line(error), incarnation: null };
    }
    case "started":
    case "stopped":
    case "dead_letter":
    case "release_failed":
    case "rejection_late":
    case "rejection_unattributed":
      return undefined;
  }
}

/** An error as the log says it, in one line. */
function line(error: unknown): string {
  const text = errorText(error).replaceAll(/\s+/g, " ");
  return cut(escapeInvisible(text), CRASH_ERROR_CHARS_MAX);
}
