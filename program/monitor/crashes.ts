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

/** An event that is told of. */
export type CrashEvent = Extract<RuntimeEvent, { readonly type: Crash["kind"] }>;

/** Whether an event is one of those. */
export function isCrash(event: RuntimeEvent): event is CrashEvent {
  return event.type === "crashed" || event.type === "restarted" || event.type === "gave_up";
}

/** Chooses what is told; see the module. */
export class Crashes {
  #told = 0;
  #more = 0;

  /** What is to be told of an event; `undefined` when it is only counted. */
  take(event: CrashEvent, at: number): Crash | undefined {
    if (this.#told >= CRASHES_PER_SECOND_MAX) {
      this.#more++;
      return undefined;
    }
    this.#told++;
    const { type: kind, path } = event;
    switch (event.type) {
      case "crashed":
        return { at, kind, path, error: line(event.error), incarnation: event.incarnation };
      case "restarted":
        return { at, kind, path, error: null, incarnation: event.incarnation };
      case "gave_up":
        return { at, kind, path, error: line(event.error), incarnation: null };
    }
  }

  /** A second is over: what was too much for it. */
  tick(at: number): MoreCrashes | undefined {
    const count = this.#more;
    this.#told = this.#more = 0;
    return count === 0 ? undefined : { at, kind: "more", count };
  }
}

/** An error as the log says it, in one line. */
function line(error: unknown): string {
  const text = cut(errorText(error), CRASH_ERROR_CHARS_MAX).replaceAll(/\s+/g, " ");
  return cut(escapeInvisible(text), CRASH_ERROR_CHARS_MAX);
}
