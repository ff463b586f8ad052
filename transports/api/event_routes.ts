/**
 * What people watch: the pipeline's load, what no node could use, and events as they happen
 * (server-sent events, HTML Living Standard section 9.2).
 *
 * Invariants: pages that watch are bounded; one that does not read loses its stream, not our memory, and
 * comes again. A stream begins with what its page has missed, so that coming again loses no bar of the
 * last ten minutes.
 *
 * @module
 */

import { quoted } from "../http_door/refusal.ts";
import type { ApiEvents, Problem } from "./delivery.ts";
import { EVENT_TOPICS, type EventFrame, type EventTopic } from "./event_frame.ts";
import { VIEWERS_MAX } from "./limits.ts";
import { type Pipeline, Streams } from "./pipeline.ts";
import { type Answer, invalid, json, replied, unavailable } from "./problem.ts";
import type { ApiClock } from "./readiness.ts";
import { type Call, headerOf, type Operation, type Route } from "./route.ts";
import { Viewer } from "./viewer.ts";

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

/** What `/v1/events` is, for the document. */
const WATCH_EVENTS: Operation = {
  id: "watchEvents",
  summary:
    "Events as they happen: `bar` is a second of deliveries, which replaces the one of the " +
    "same second before it, `status` the load, `tree` the live actors once a second with what flows " +
    "through them, `crash` what happened to one of them.",
  query: [
    {
      name: "show",
      description: "What to watch, separated by commas; `tree` has the crashes, too.",
      schema: {
        type: "string",
        pattern: `^(${EVENT_TOPICS.join("|")})(,(${EVENT_TOPICS.join("|")}))*$`,
        default: "bars,status",
      },
    },
    {
      name: "since",
      description:
        "Begin with the bars of this second since 1970 and after it, at most ten minutes.",
      schema: { type: "integer", minimum: 0 },
    },
  ],
  headers: {
    "Last-Event-ID": "The second of the last bar that was seen; goes before `since`.",
  },
  gives: { "text/event-stream": { type: "string" } },
};

/** The route of events. */
export function eventRoute(events: ApiEvents, clock: ApiClock, onFailure: OnFailure): Route {
  const viewers = new Streams(VIEWERS_MAX);
  return {
    method: "GET",
    path: "/v1/events",
    scope: "read",
    operation: WATCH_EVENTS,
    answer: async (call): Promise<Answer> => {
      const asked = readWatch(call);
      if (asked.kind === "wrong") return invalid([asked.problem]);
      const headers = {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "connection": "close", // The stream ends only with the connection, or when the door closes.
        "x-accel-buffering": "no",
      };
      const { method, signal } = call;
      if (method === "HEAD") return { status: 200, headers, body: "" };
      if (!viewers.enter(signal)) return unavailable("as many viewers as there may be");
      const viewer = new Viewer(clock, signal);
      // Before the bars of the past are asked for, so that none falls between them and the present.
      const unsubscribe = events.subscribe(asked.topics, (frame) => viewer.add(frame));
      if (unsubscribe === undefined) return unavailable("as many viewers as there may be");
      signal.addEventListener("abort", unsubscribe, { once: true });
      try {
        return { status: 200, headers, body: viewer.stream(await missed(events, asked)) };
      } catch (error) {
        onFailure(error);
        // Without them the page would have a gap, which it cannot know of: it comes again.
        return unavailable("the bars of the past are not available now");
      }
    },
  };
}

/** Hears what could not be done. */
type OnFailure = (error: unknown) => void;

/** What a page wants to see. */
interface Watch {
  readonly kind: "watch";
  readonly topics: ReadonlySet<EventTopic>;
  /** The second with whose bar to begin. */
  readonly since: number | undefined;
}

async function missed(
  events: ApiEvents,
  { topics, since }: Watch,
): Promise<readonly EventFrame[]> {
  return since === undefined || !topics.has("bars") ? [] : await events.bars(since);
}

/** Twelve digits are seconds of the next thirty thousand years. */
const SECOND = /^\d{1,12}$/;
const PARAMETERS = ["show", "since"];

function readWatch(call: Call): Watch | { readonly kind: "wrong"; readonly problem: Problem } {
  const { show = "bars,status", since } = call.query;
  const unknown = Object.keys(call.query).find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) {
    return wrong(unknown, `unknown field; known are ${PARAMETERS.join(", ")}`);
  }
  const topics = new Set<EventTopic>();
  for (const name of show.split(",")) {
    const topic = EVENT_TOPICS.find((known) => known === name);
    if (topic === undefined) {
      const allowed = EVENT_TOPICS.join(", ");
      return wrong(
        "show",
        `must be some of ${allowed}, separated by commas, found ${quoted(name)}`,
      );
    }
    topics.add(topic);
  }
  // A page that comes back repeats the address it came to first; its header is newer.
  const last = headerOf(call, "last-event-id");
  const second = last ?? since;
  if (second !== undefined && !SECOND.test(second)) {
    const path = last === undefined ? "since" : "Last-Event-ID";
    return wrong(path, `must be whole seconds since 1970, found ${quoted(second)}`);
  }
  return { kind: "watch", topics, since: second === undefined ? undefined : Number(second) };
}

function wrong(
  path: string,
  message: string,
): { readonly kind: "wrong"; readonly problem: Problem } {
  return { kind: "wrong", problem: { path, message } };
}
