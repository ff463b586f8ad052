/**
 * Requests as steps of traces: those that make a notification or change one, and those of callers that
 * trace what they do.
 *
 * @module
 */

import type { RequestTracer } from "./delivery.ts";
import type { Answer } from "./problem.ts";
import { type Call, headerOf, type Route } from "./route.ts";

const SUBMITTED = /^\/v1\/notifications\/([^/]+)$/;

/**
 * Records the requests of a route.
 *
 * @param route The route; one that only reads stays as it is, since who watches asks often.
 * @param tracer What records; without one the route stays as it is.
 */
export function traced(route: Route, tracer: RequestTracer | undefined): Route {
  const { method, path } = route;
  if (tracer === undefined || method === "GET") return route;
  return {
    ...route,
    async answer(call) {
      const span = tracer.request({
        method,
        route: path,
        traceparent: headerOf(call, "traceparent"),
      });
      const answer = await route.answer(call);
      span.end({ status: answer.status, notification: notificationOf(path, call, answer) });
      return answer;
    },
  };
}

/** The notification that was made or changed. */
function notificationOf(path: string, call: Call, answer: Answer): string | undefined {
  if (answer.status >= 300) return undefined;
  if (path.startsWith("/v1/notifications/{id}")) return call.params["id"];
  return SUBMITTED.exec(answer.headers["location"] ?? "")?.[1];
}
