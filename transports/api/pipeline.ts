/**
 * What the routes of the delivery pipeline stand on, and what they share.
 *
 * @module
 */

import { quoted } from "../http_door/refusal.ts";
import { bulkLines, type TakeRows } from "./bulk.ts";
import type { DeliveryApi, Problem, Query } from "./delivery.ts";
import { STREAMS_MAX } from "./limits.ts";
import { type Answer, lines, unavailable } from "./problem.ts";
import type { ApiClock } from "./readiness.ts";
import type { Call, QueryParameter, Route } from "./route.ts";
import type { Row } from "./rows.ts";

/** What the routes stand on. */
export interface Pipeline {
  /** The pipeline itself. */
  readonly delivery: DeliveryApi;
  /** Time. */
  readonly clock: ApiClock;
  /** Bodies streamed now. */
  readonly streams: Streams;
  /** Hears what the pipeline could not do. */
  onFailure(error: unknown): void;
}

/** Counts what runs at once. */
export class Streams {
  readonly #max: number;
  #count = 0;

  /** Room for so many. */
  constructor(max = STREAMS_MAX) {
    this.#max = max;
  }

  /** Takes a place until the signal is aborted; says whether there was one. */
  enter(signal: AbortSignal): boolean {
    if (this.#count >= this.#max || signal.aborted) return false;
    this.#count++;
    signal.addEventListener("abort", () => this.#count--, { once: true });
    return true;
  }
}

/** Makes a route's failures answers: a store that is away is no bug of the door. */
export function guarded(route: Route, onFailure: (error: unknown) => void): Route {
  return {
    ...route,
    answer: async (call) => {
      try {
        return await route.answer(call);
      } catch (error) {
        onFailure(error);
        return unavailable("the store is not available now");
      }
    },
  };
}

/** Takes a streamed body; the answer begins at once and ends with the body. */
export function takeRows(
  { streams, clock, onFailure }: Pipeline,
  call: Call,
  rows: AsyncIterable<readonly Row[]>,
  take: TakeRows,
): Answer {
  if (!streams.enter(call.signal)) return unavailable("too many streamed bodies at once");
  const { signal } = call;
  return lines(bulkLines({ rows, take, signal, onFailure, now: () => clock.now() }));
}

/** What is wrong with a query that has a parameter beside these: the first such is told, cut and printable. */
export function strangers(query: Query, known: readonly string[]): readonly Problem[] {
  const stranger = Object.keys(query).find((name) => !known.includes(name));
  if (stranger === undefined) return [];
  const path = quoted(stranger).slice(1, -1);
  return [{ path, message: `unknown field; known are ${known.join(", ")}` }];
}

/** Parameters of a page of a list. */
export function pageParameters(after: string): readonly QueryParameter[] {
  return [
    { name: "after", description: after, schema: { type: "string" } },
    {
      name: "limit",
      description: "At most so many entries.",
      schema: { type: "integer", minimum: 1, maximum: 1_000, default: 100 },
    },
  ];
}

/** A parameter that names an app. */
export function appParameter(required: boolean): QueryParameter {
  return { name: "app", description: "The app.", schema: { type: "string" }, required };
}
