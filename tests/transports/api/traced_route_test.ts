import { assertEquals, assertStrictEquals } from "@std/assert";
import type { RequestTracer } from "../../../transports/api/delivery.ts";
import { json } from "../../../transports/api/problem.ts";
import type { Answer } from "../../../transports/api/problem.ts";
import type { Call, Method, Route } from "../../../transports/api/route.ts";
import { traced } from "../../../transports/api/traced_route.ts";

const ID = "6f1d4d5e-6f1d-4d5e-8f1d-6f1d4d5e6f1d";
const HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/** What was recorded, as text. */
class Recorder implements RequestTracer {
  readonly requests: string[] = [];

  request({ method, route, traceparent }: Parameters<RequestTracer["request"]>[0]) {
    return {
      end: ({ status, notification }: {
        readonly status: number;
        readonly notification: string | undefined;
      }) => {
        this.requests.push(`${method} ${route} ${status} ${notification} ${traceparent}`);
      },
    };
  }
}

function route(method: Method, path: string, answer: Answer): Route {
  return { method, path, answer: () => answer };
}

function unread(): never {
  throw new Error("the body is the route's");
}

function call(params: Call["params"], headers: Call["headers"]): Call {
  return {
    ...{ method: "POST", target: "/", headers, params, query: {} },
    body: { read: unread, chunks: unread },
    signal: new AbortController().signal,
    allowed: () => Promise.resolve(true),
  };
}

const location = `/v1/notifications/${ID}`;
const ROWS: readonly (readonly [
  route: Route,
  params: Call["params"],
  headers: Call["headers"],
  recorded: readonly string[],
])[] = [
  [
    route("POST", "/v1/notifications", json(202, {}, { location })),
    {},
    { traceparent: HEADER },
    [`POST /v1/notifications 202 ${ID} ${HEADER}`],
  ],
  [
    route("POST", "/v1/notifications", json(422, {})),
    {},
    {},
    ["POST /v1/notifications 422 undefined undefined"],
  ],
  [
    route("POST", "/v1/notifications/{id}/close", json(200, {})),
    { id: ID },
    {},
    [`POST /v1/notifications/{id}/close 200 ${ID} undefined`],
  ],
  // Whatever stands in the path of a call that was refused is nobody's id.
  [
    route("DELETE", "/v1/notifications/{id}", json(404, {})),
    { id: "anything" },
    {},
    ["DELETE /v1/notifications/{id} 404 undefined undefined"],
  ],
  [
    route("PUT", "/v1/apps/{app}", json(200, {})),
    { app: "shop" },
    {},
    ["PUT /v1/apps/{app} 200 undefined undefined"],
  ],
];

for (const [one, params, headers, recorded] of ROWS) {
  Deno.test(`traced() records ${recorded.join()}`, async () => {
    const recorder = new Recorder();
    const answer = await traced(one, recorder).answer(call(params, headers));
    assertStrictEquals(answer, await one.answer(call(params, headers)));
    assertEquals(recorder.requests, recorded);
  });
}

Deno.test("traced() leaves alone what only reads, and everything when nobody records", () => {
  const reading = route("GET", "/v1/notifications/{id}", json(200, {}));
  assertStrictEquals(traced(reading, new Recorder()), reading);
  const sending = route("POST", "/v1/notifications", json(202, {}));
  assertStrictEquals(traced(sending, undefined), sending);
});
