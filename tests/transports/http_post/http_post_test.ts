import { assert, assertEquals, assertRejects } from "@std/assert";
import { HttpPost, isTaken } from "../../../transports/http_post/http_post.ts";
import { ANSWER_BYTES_MAX } from "../../../transports/http_post/limits.ts";

const PATH = "/canary-path?canary=query";

/** A server on loopback that answers what the test says. */
class Receiver implements AsyncDisposable {
  readonly received: Headers[] = [];
  readonly origin: string;
  answer: () => Response | Promise<Response> = () => new Response(null, { status: 204 });
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      async (request) => {
        this.received.push(request.headers);
        await request.body?.cancel();
        return await this.answer();
      },
    );
    this.origin = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function postTo(origin: string, timeoutMs?: number): HttpPost {
  return new HttpPost({ url: new URL(origin + PATH), timeoutMs });
}

Deno.test("HttpPost.post() answers the status and how the text begins", async () => {
  await using server = new Receiver();
  using post = postTo(server.origin);
  server.answer = () => new Response("x".repeat(3 * ANSWER_BYTES_MAX), { status: 418 });
  assertEquals(await post.post("body", { "x-own": "1" }), {
    kind: "answered",
    status: 418,
    text: "x".repeat(ANSWER_BYTES_MAX),
  });
  assertEquals(server.received.map((headers) => headers.get("x-own")), ["1"]);
});

for (const status of [301, 302, 303, 307, 308]) {
  Deno.test(`HttpPost.post() proves itself to nobody that a ${status} points to`, async () => {
    await using other = new Receiver();
    await using server = new Receiver();
    using post = postTo(server.origin);
    server.answer = () => new Response(null, { status, headers: { location: other.origin } });
    const result = await post.post("body", { authorization: "canary" });
    assertEquals(result, { kind: "answered", status, text: "" });
    assertEquals([server.received.length, other.received.length], [1, 0]);
  });
}

Deno.test("HttpPost.post() ends in time though an answer comes byte by byte", async () => {
  await using server = new Receiver();
  using post = postTo(server.origin, 50);
  const ended = Promise.withResolvers<void>();
  server.answer = () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(1)),
        cancel: () => ended.resolve(),
      }),
    );
  assertEquals(await post.post("body", {}), {
    kind: "unanswered",
    problem: "did not answer within 50 ms",
  });
  await ended.promise;
});

Deno.test("HttpPost.post() says why nobody answers, and nothing of the path", async () => {
  using post = postTo("http://127.0.0.1:1");
  const result = await post.post("body", {});
  assert(result.kind === "unanswered");
  assert(result.problem.startsWith("could not be reached: "), result.problem);
  assert(!result.problem.includes("canary"), result.problem);
});

Deno.test("HttpPost.post() rejects with its signal's reason", async () => {
  await using server = new Receiver();
  using post = postTo(server.origin);
  const stop = new AbortController();
  const answer = Promise.withResolvers<Response>();
  server.answer = () => {
    stop.abort(new Error("It is stopped"));
    return answer.promise;
  };
  await assertRejects(() => post.post("body", {}, stop.signal), Error, "It is stopped");
  await assertRejects(() => post.post("body", {}, stop.signal), Error, "It is stopped");
  answer.resolve(new Response());
  assertEquals(server.received.length, 1);
});

for (const [status, taken] of [[199, false], [200, true], [299, true], [302, false]] as const) {
  Deno.test(`isTaken() is ${taken} for ${status}`, () => {
    assertEquals(isTaken(status), taken);
  });
}
