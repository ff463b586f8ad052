/**
 * What people watch: the pipeline's load, what no node could use, and events as they happen
 * (server-sent events, HTML Living Standard section 9.2).
 *
 * Invariants: pages that watch are bounded; one that does not read loses its stream, not our memory, and
 * comes again. A stream begins with what its page has missed, so that coming again loses no bar of the
 * last ten minutes; it outlives its token by seconds only.
 *
 * @module
 */

import { quoted } from "../http_door/refusal.ts";
import type { ApiEvents, Problem } from "./delivery.ts";
import { EVENT_TOPICS, type EventFrame, type EventTopic } from "./event_frame.ts";
import { TOKEN_LOOK_MS, VIEWERS_MAX } from "./limits.ts";
import { type Pipeline, strangers, Streams } from "./pipeline.ts";
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
    "through them, `crash` what happened to one of them. The stream ends soon after its token.",
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
        "Begin with the bars of this second since 1970 and after it, at most ten minutes of them. A result may come late, so a page that comes back begins some seconds before the last one it saw.",
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
      const watch = readWatch(call);
      if (watch.problems.length > 0) return invalid(watch.problems);
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
      const unsubscribe = events.subscribe(watch.topics, (frame) => viewer.add(frame));
      if (unsubscribe === undefined) return unavailable("as many viewers as there may be");
      signal.addEventListener("abort", unsubscribe, { once: true });
      endWithToken(viewer, call, clock, onFailure);
      try {
        return { status: 200, headers, body: viewer.stream(await missed(events, watch)) };
      } catch (error) {
        onFailure(error);
        // Without them the page would have a gap, which it cannot know of: it comes again.
        return unavailable("the bars of the past are not available now");
      }
    },
  };
}

/** Ends the events of a page whose token is withdrawn or expires; whether it is good is asked again and again. */
function endWithToken(viewer: Viewer, call: Call, clock: ApiClock, onFailure: OnFailure): void {
  const { signal } = call;
  const look = async () => {
    try {
      if (await call.allowed()) return next();
    } catch (error) {
      onFailure(error);
    }
    viewer.end();
  };
  let cancel = () => {};
  const next = () => {
    if (!signal.aborted) cancel = clock.after(TOKEN_LOOK_MS, () => void look());
  };
  signal.addEventListener("abort", () => cancel(), { once: true });
  next();
}

/** Hears what could not be done. */
type OnFailure = (error: unknown) => void;

/** What a page wants to see. */
interface Watch {
  /** What is wrong with the request; nothing else counts then. */
  readonly problems: readonly Problem[];
  readonly topics: ReadonlySet<EventTopic>;
  /** The second with whose bar to begin. */
  readonly since: number | undefined;
}

async function missed(
  events: ApiEvents,
  { topics, since }: Watch,
): Promise<EventFrame | undefined> {
  return since === undefined || !topics.has("bars") ? undefined : await events.bars(since);
}

/** Twelve digits are seconds of the next thirty thousand years. */
const SECOND = /^\d{1,12}$/;

function readWatch(call: Call): Watch {
  const { show = "bars,status", since } = call.query;
  const problems: Problem[] = [...strangers(call.query, ["show", "since"])];
  const names = show.split(",");
  const topics = new Set(EVENT_TOPICS.filter((topic) => names.includes(topic)));
  const stranger = names.find((name) => !EVENT_TOPICS.some((topic) => topic === name));
  if (stranger !== undefined) {
    const allowed = EVENT_TOPICS.join(", ");
    const message = `must be some of ${allowed} with commas between, found ${quoted(stranger)}`;
    problems.push({ path: "show", message });
  }
  // A page that comes back repeats the address it came to first; its header is newer.
  const last = headerOf(call, "last-event-id");
  const second = last ?? since;
  if (second !== undefined && !SECOND.test(second)) {
    const path = last === undefined ? "since" : "Last-Event-ID";
    const message = `must be whole seconds since 1970, found ${quoted(second)}`;
    problems.push({ path, message });
  }
  return { problems, topics, since: second === undefined ? undefined : Number(second) };
}
