/**
 * What people watch: the pipeline's load, what no node could use, and events as they happen
 * (server-sent events, HTML Living Standard section 9.2).
 *
 * Invariants: pages that watch are bounded; one that does not read loses its stream, not our memory, and
 * comes again.
 *
 * @module
 */

import type { ApiEvents, EventFrame } from "./delivery.ts";
import { HEARTBEAT_MS, RECONNECT_MS, VIEWER_FRAMES_MAX, VIEWERS_MAX } from "./limits.ts";
import { type Pipeline, Streams } from "./pipeline.ts";
import { type Answer, json, replied, unavailable } from "./problem.ts";
import type { ApiClock } from "./readiness.ts";
import type { Route } from "./route.ts";

const JSON_TYPE = "application/json";

/** The routes of load and dead letters. */
export function statusRoutes({ delivery }: Pipeline): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/v1/status",
      scope: "read",
      operation: {
        id: "getStatus",
        summary: "How the pipeline is loaded: this node, the queue, every lane.",
        gives: { [JSON_TYPE]: "Status" },
      },
      answer: async () => json(200, await delivery.status()),
    },
    {
      method: "GET",
      path: "/v1/dead-letters",
      scope: "read",
      operation: {
        id: "listDeadLetters",
        summary: "Entries that no node can use, newest first.",
        query: [{
          name: "limit",
          description: "At most so many entries.",
          schema: { type: "integer", minimum: 1, maximum: 1_000, default: 100 },
        }],
        gives: { [JSON_TYPE]: "DeadLetters" },
      },
      answer: async ({ query }) =>
        replied(
          await delivery.deadLetters(query),
          (deadLetters) => json(200, { deadLetters }),
        ),
    },
  ];
}

/** The route of events. */
export function eventRoute(events: ApiEvents, clock: ApiClock): Route {
  const viewers = new Streams(VIEWERS_MAX);
  return {
    method: "GET",
    path: "/v1/events",
    scope: "read",
    operation: {
      id: "watchEvents",
      summary: "Events as they happen: `bar` is a second of deliveries, `status` the load.",
      gives: { "text/event-stream": { type: "string" } },
    },
    answer: ({ method, signal }): Answer => {
      const headers = {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "connection": "close", // The stream ends only with the connection, or when the door closes.
        "x-accel-buffering": "no",
      };
      if (method === "HEAD") return { status: 200, headers, body: "" };
      if (!viewers.enter(signal)) return unavailable("as many viewers as there may be");
      const viewer = new Viewer(clock, signal);
      const unsubscribe = events.subscribe((frame) => viewer.add(frame));
      if (unsubscribe === undefined) return unavailable("as many viewers as there may be");
      signal.addEventListener("abort", unsubscribe, { once: true });
      return { status: 200, headers, body: viewer.frames() };
    },
  };
}

/** One page's events on their way. */
class Viewer {
  readonly #clock: ApiClock;
  readonly #signal: AbortSignal;
  #waiting: string[] = [];
  #behind = false;
  #wake: (() => void) | undefined;

  constructor(clock: ApiClock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake?.(), { once: true });
  }

  /** Takes an event; a page that is too far behind gets no more, and its stream ends. */
  add({ type, data }: EventFrame): void {
    if (this.#waiting.length >= VIEWER_FRAMES_MAX) this.#behind = true;
    if (this.#behind) return;
    // JSON has no line breaks of its own, so that a frame's data is one line.
    this.#waiting.push(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    this.#wake?.();
  }

  /** The text of the stream. */
  async *frames(): AsyncGenerator<string, void, void> {
    yield `retry: ${RECONNECT_MS}\n\n`;
    while (!this.#signal.aborted && !this.#behind) {
      if (this.#waiting.length === 0) await this.#something();
      const frames = this.#waiting;
      this.#waiting = [];
      yield frames.length === 0 ? ": still here\n\n" : frames.join("");
    }
  }

  /** Resolves at the next event, at the end, or when it is time for a sign of life. */
  async #something(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const cancel = this.#clock.after(HEARTBEAT_MS, resolve);
    await promise;
    this.#wake = undefined;
    cancel();
  }
}
