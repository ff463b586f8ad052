/**
 * Steps of notifications and messages as OpenTelemetry spans.
 *
 * The trace id of a notification is its UUID, that of a message a digest of its user agent and place:
 * whoever knows the notification or the message knows the trace, on every node. No span can be given an id of
 * one's own, so that the first span of a trace on each node has a parent that nobody exports, the same
 * for all of a trace: the first half of the trace id. Viewers show such spans side by side as roots.
 *
 * Whether a trace is recorded follows from its id too, and so is the same on every node that leaves out
 * as many.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  type Context,
  type Link,
  ROOT_CONTEXT,
  type Span as OpenTelemetrySpan,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer,
} from "@opentelemetry/api";
import { factAttributes, type Facts, kindOf, type Step, stepAttributes } from "./names.ts";
import { readTraceparent } from "./traceparent.ts";

/** What a trace is about. */
export type Subject =
  | { readonly kind: "notification"; readonly id: string }
  | { readonly kind: "message"; readonly uaid: string; readonly sortKey: number };

/** A step that has begun. */
export interface Span {
  /** Begins a step within this one. */
  child(step: Step, facts?: Facts): Span;
  /** Ends it, with what is known now. */
  end(facts?: Facts): void;
}

/** A request to an API whose answer may name a notification. */
export interface RequestSpan {
  /** Ends it. `notification` is the id of the one it made, if it made one. */
  end(answer: { readonly status: number; readonly notification: string | undefined }): void;
}

/** Records steps and requests; its methods return at once and never throw. */
export interface TraceRecorder {
  /**
   * Begins a step of a trace.
   *
   * @param subject What the trace is about.
   * @param step Which step.
   * @param facts What is known of it now.
   * @param beganAt When it began, in wall-clock milliseconds; now when absent.
   * @returns The step, or `undefined` when its trace is not recorded.
   */
  begin(subject: Subject, step: Step, facts?: Facts, beganAt?: number): Span | undefined;
  /**
   * Begins a request of the API that may make a notification. A caller that sent `traceparent` finds it in its
   * own trace, if it records that one, linked with the notification's; otherwise it is in the notification's.
   *
   * @param call The method, the route with the names of its parameters, and the header `traceparent` if
   * it was sent.
   */
  request(call: RequestFacts): RequestSpan;
}

/** What is told of a request when it begins. */
export interface RequestFacts {
  /** Its method. */
  readonly method: string;
  /** Its route, such as `/v1/notifications/{id}`. */
  readonly route: string;
  /** The caller's header of that name, if it was sent. */
  readonly traceparent: string | undefined;
}

/** How to make an {@link OpenTelemetryTracer}. */
export interface OpenTelemetryTracerOptions {
  /** What makes spans. */
  readonly tracer: Tracer;
  /** Of so many traces one is recorded; 1 or more. */
  readonly oneIn: number;
  /** The wall clock, in milliseconds. */
  readonly wallNow: () => number;
}

/** Makes spans; see the module. */
export class OpenTelemetryTracer implements TraceRecorder {
  readonly #tracer: Tracer;
  readonly #oneIn: number;
  readonly #wallNow: () => number;

  /** One that records into a tracer of the OpenTelemetry API. */
  constructor({ tracer, oneIn, wallNow }: OpenTelemetryTracerOptions) {
    this.#tracer = tracer;
    this.#oneIn = oneIn;
    this.#wallNow = wallNow;
  }

  begin(subject: Subject, step: Step, facts?: Facts, beganAt?: number): Span | undefined {
    const root = this.#rootOf(subject);
    if (root === undefined) return undefined;
    return new Recorded(this.#tracer, trace.setSpanContext(ROOT_CONTEXT, root), step, {
      facts,
      beganAt,
    });
  }

  request({ method, route, traceparent }: RequestFacts): RequestSpan {
    const caller = readTraceparent(traceparent);
    const startTime = this.#wallNow();
    return {
      end: ({ status, notification }) => {
        const known = notification === undefined
          ? undefined
          : this.#rootOf({ kind: "notification", id: notification });
        const own = caller?.sampled === true ? contextOf(caller) : undefined;
        const parent = caller === undefined ? known : own;
        if (parent === undefined) return;
        const links: Link[] = known === undefined || known === parent ? [] : [{ context: known }];
        const span = this.#tracer.startSpan(`${method} ${route}`, {
          kind: SpanKind.SERVER,
          startTime,
          links,
          attributes: {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            ...(status >= 500 ? { "error.type": `${status}` } : {}),
          },
        }, trace.setSpanContext(ROOT_CONTEXT, parent));
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  }

  /** The parent of a trace's first spans; `undefined` for a trace that is left out, or an id that is no UUID. */
  #rootOf(subject: Subject): SpanContext | undefined {
    const traceId = traceIdOf(subject);
    const spanId = traceId.slice(0, 16);
    if (!/^[\da-f]{32}$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
    // The first 32 bits of a random UUID are random, as are those of a digest.
    if (Number.parseInt(traceId.slice(0, 8), 16) % this.#oneIn !== 0) return undefined;
    return contextOf({ traceId, spanId });
  }
}

/** A span, and what begins others in it. */
class Recorded implements Span {
  readonly #tracer: Tracer;
  readonly #span: OpenTelemetrySpan;

  constructor(
    tracer: Tracer,
    parent: Context,
    step: Step,
    { facts, beganAt }: {
      readonly facts: Facts | undefined;
      readonly beganAt?: number | undefined;
    },
  ) {
    this.#tracer = tracer;
    this.#span = tracer.startSpan(step, {
      kind: kindOf(step),
      attributes: { ...stepAttributes(step), ...factAttributes(facts ?? {}) },
      ...(beganAt === undefined ? {} : { startTime: beganAt }),
    }, parent);
  }

  child(step: Step, facts?: Facts): Span {
    return new Recorded(this.#tracer, trace.setSpan(ROOT_CONTEXT, this.#span), step, { facts });
  }

  end(facts?: Facts): void {
    if (facts !== undefined) {
      this.#span.setAttributes(factAttributes(facts));
      if (facts.failure !== undefined) this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end();
  }
}

/** The id of the trace about this. */
function traceIdOf(subject: Subject): string {
  switch (subject.kind) {
    case "notification":
      return subject.id.replaceAll("-", "");
    case "message": {
      // A digest, so that who sees traces learns no user agent's id.
      const digest = createHash("sha256").update(`${subject.uaid} ${subject.sortKey}`);
      return digest.digest("hex").slice(0, 32);
    }
  }
}

function contextOf(
  { traceId, spanId }: { readonly traceId: string; readonly spanId: string },
): SpanContext {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
}
