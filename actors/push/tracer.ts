/**
 * Traces, as the push actors report them: steps of the life of a notification or of a message, with
 * when each began, how long it took, and a few facts.
 *
 * A trace is named by what it is about, so that every node that works on a notification or on a
 * message adds to the same one, and nothing has to be stored or handed over for that. A step is
 * held by the function that does the work and nowhere else: one that is never ended (its actor
 * crashed) is forgotten with it, and is not recorded.
 *
 * Who is not traced has no {@link Tracer} at all: `tracer?.begin(…)` looks at one property, and
 * neither the facts nor anything else is made. Facts are a closed set, none of which is an
 * address, content or a secret.
 *
 * @module
 */

import type { Verdict } from "./delivery/ports.ts";
import type { Outcome, Platform } from "./delivery/records.ts";

/** What a trace is about. */
export type Subject =
  | {
    readonly kind: "notification";
    /** Its id, a UUID: the trace's id is the same, without dashes. */
    readonly id: string;
  }
  | {
    readonly kind: "message";
    /** The user agent it is for. */
    readonly uaid: string;
    /** Its place in the order of acceptance. */
    readonly sortKey: number;
  };

/** The steps of a notification: accepted, made into batches, a batch at work, its requests, its result, the end. */
export type NotificationStep = "submit" | "expand" | "batch" | "request" | "record" | "done";

/** The steps of a message: accepted, put into the store, handed towards its device, acknowledged. */
export type MessageStep = "accept" | "store" | "hand_over" | "acknowledge";

/** What is told of a step. */
export interface Facts {
  /** The app. */
  readonly app?: string;
  /** The platform. */
  readonly platform?: Platform;
  /** The batch's number. */
  readonly batch?: number;
  /** Requests made for each of a batch's recipients before, or sends of these requests before. */
  readonly attempt?: number;
  /** How many recipients or messages it is about. */
  readonly count?: number;
  /** The provider's origin. */
  readonly origin?: string;
  /** The connection's number within its gateway. */
  readonly connection?: number;
  /** How many recipients ended how. */
  readonly outcomes?: Readonly<Partial<Record<Outcome, number>>>;
  /** How many recipients are tried again. */
  readonly retries?: number;
  /** How many requests were answered how. */
  readonly answers?: ReadonlyMap<Verdict["kind"], number>;
  /** Whether nothing is left to do of this kind. */
  readonly complete?: boolean;
  /** What kept it from being done: a word of a fixed set, no text of anybody's. */
  readonly failure?: Failure;
}

/** Why a step failed. */
export type Failure =
  | "behind"
  | "over_limit"
  | "no_subscription"
  | "unavailable"
  | "connection_lost"
  | "batch_lost"
  | "lease_lost"
  | "conflict"
  | "repeated"
  | "no_app";

/** A step that has begun. */
export interface Span {
  /** Begins a step within this one. */
  child(step: NotificationStep | MessageStep, facts?: Facts): Span;
  /** Ends it, with what is known now; must be called once. */
  end(facts?: Facts): void;
}

/** Records steps; its methods return at once and never throw. */
export interface Tracer {
  /**
   * Begins a step of a trace.
   *
   * @param subject What the trace is about.
   * @param step Which step.
   * @param facts What is known of it now.
   * @param beganAt When it began, in wall-clock milliseconds, if that is not now.
   * @returns The step, or `undefined` when this trace is one of those that are left out.
   */
  begin(
    subject: Subject,
    step: NotificationStep | MessageStep,
    facts?: Facts,
    beganAt?: number,
  ): Span | undefined;
}

/**
 * Ends a step with the work it stands for.
 *
 * @param span The step; without one the work is returned as it is.
 * @param work The work; when it is rejected, the step ends with the failure `unavailable`.
 * @param factsOf What is told of its result.
 * @returns What the work comes to.
 */
export function traced<T>(
  span: Span | undefined,
  work: Promise<T>,
  factsOf: (value: T) => Facts,
): Promise<T> {
  if (span === undefined) return work;
  return work.then(
    (value) => {
      span.end(factsOf(value));
      return value;
    },
    (error: unknown) => {
      span.end({ failure: "unavailable" });
      throw error;
    },
  );
}
