import { assert, assertEquals } from "@std/assert";
import { LiveEvents } from "../../../program/monitor/live_events.ts";
import { Flow } from "../../../program/monitor/flow.ts";
import { type Bar, BarFeed } from "../../../actors/push/delivery/sinks/monitor.ts";
import { ApiClient, type ApiFailure } from "../../../transports/api_client/api_client.ts";
import type { ApiEvents } from "../../../transports/api/delivery.ts";
import { ApiWorld } from "../../support/api_world.ts";

const NOTHING = {
  ...{ delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 },
  retries: 0,
};
const TREE = { kind: "system", path: "root", state: "running", children: [] } as const;

function bar(second: number): Bar {
  return {
    second,
    platforms: { apns: NOTHING, fcm: { ...NOTHING, delivered: 3 }, webpush: NOTHING },
  };
}

/** A door with the events of a node, and a client of it; `tick` passes a second. */
async function open(token = "read-token") {
  const feed = new BarFeed();
  let tick: (() => void) | undefined;
  const events = new LiveEvents({
    feed,
    bars: (since) => Promise.resolve([bar(since), bar(since + 1)]),
    status: () => world.service.status(),
    tree: () => TREE,
    flow: new Flow(),
    clock: {
      wallNow: () => 5_000,
      after: (_, run) => {
        tick = run;
        return () => tick = undefined;
      },
    },
  });
  const watching = new Set<object>();
  const watched: ApiEvents = {
    subscribe(topics, listener) {
      const leave = events.subscribe(topics, listener);
      if (leave === undefined) return undefined;
      watching.add(leave);
      return () => {
        watching.delete(leave);
        leave();
      };
    },
    bars: (since) => events.bars(since),
  };
  const world = await ApiWorld.open({ events: watched });
  const client = new ApiClient({ origin: world.origin, token });
  return { world, client, feed, events, watching, tick: () => tick?.() };
}

Deno.test("ApiClient.events() gives the bars since a second, and what happens then, until it is ended", async () => {
  const { world, client, feed, events, tick } = await open();
  await using _ = world;
  const abort = new AbortController();
  const { signal } = abort;
  const stream = client.events({ show: ["bars", "status", "tree"], since: 40, signal });
  const next = async () => {
    const { value } = await stream.next();
    assert(value?.kind === "ok", JSON.stringify(value));
    return value.value;
  };
  assertEquals([await next(), await next()], [
    { type: "bar", data: bar(40) },
    { type: "bar", data: bar(41) },
  ]);
  feed.publish([bar(42)]);
  assertEquals(await next(), { type: "bar", data: bar(42) });
  events.runtimeEvent({
    type: "crashed",
    path: "root/a",
    incarnation: 1,
    error: new Error("boom"),
  });
  assertEquals(await next(), {
    type: "crash",
    data: { at: 5_000, kind: "crashed", path: "root/a", error: "Error: boom", incarnation: 1 },
  });
  tick();
  const tree = await next();
  assert(tree.type === "tree");
  assertEquals([tree.data.tree, tree.data.flow["posts"]], [TREE, 0]);
  const status = await next();
  assert(status.type === "status");
  assertEquals(status.data.node.id, "node-1");
  abort.abort();
  assertEquals(await stream.next(), { value: undefined, done: true });
});

Deno.test("ApiClient.events() ends when the node does", async () => {
  const { world, client, feed } = await open();
  await using _ = world;
  const stream = client.events();
  const first = stream.next();
  const timer = setInterval(() => feed.publish([bar(1)]), 1);
  assertEquals((await first).value, { kind: "ok", value: { type: "bar", data: bar(1) } });
  clearInterval(timer);
  await world.close();
  const rest = await Array.fromAsync(stream);
  assertEquals(rest.filter(({ kind }) => kind === "failed"), []);
});

Deno.test("ApiClient.events() leaves the node when its caller stops reading", async () => {
  const { world, client, watching } = await open();
  await using _ = world;
  for await (const event of client.events({ since: 1 })) {
    assertEquals([event.kind, watching.size], ["ok", 1]);
    break;
  }
  while (watching.size > 0) await new Promise((resolve) => setImmediate(resolve));
});

async function failureOf(client: ApiClient, since?: number): Promise<ApiFailure> {
  const [result, ...more] = await Array.fromAsync(client.events({ since }));
  assertEquals(more, []);
  assert(result?.kind === "failed", JSON.stringify(result));
  return result.failure;
}

Deno.test("ApiClient.events() tells what the node refuses", async () => {
  const { world, client } = await open();
  await using _ = world;
  const wrong = await failureOf(client, 1.5);
  assert(wrong.kind === "problem" && wrong.status === 422);
  assertEquals(wrong.problems, [{
    path: "since",
    message: 'must be whole seconds since 1970, found "1.5"',
  }]);
  const stranger = new ApiClient({ origin: world.origin, token: "send-token" });
  assertEquals((await failureOf(stranger)).kind, "refused");
});

/** What a server that is no node answers, and what the client makes of it. */
const FAILURES: readonly (readonly [string, () => Response, ApiFailure])[] = [
  [
    "a page of something else",
    () => new Response("<html>", { headers: { "content-type": "text/html" } }),
    { kind: "strange", status: 200, reason: "it gives no stream of events" },
  ],
  [
    "an event of another shape",
    () => stream('event: bar\ndata: {"second":1}\n\nevent: bar\ndata: {}\n\n'),
    { kind: "strange", status: 200, reason: "the answer has no right platforms" },
  ],
  [
    "an event that is no JSON",
    () => stream("event: status\ndata: {\n\n"),
    { kind: "strange", status: 200, reason: "the answer is not as expected" },
  ],
  [
    "a stream that is silent for too long",
    () => new Response(new ReadableStream(), { headers: { "content-type": "text/event-stream" } }),
    { kind: "unreachable", reason: "it does not answer in time" },
  ],
];

function stream(text: string): Response {
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}

for (const [title, answer, failure] of FAILURES) {
  Deno.test(`ApiClient.events() tells ${title}`, async () => {
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
    const origin = `http://127.0.0.1:${server.addr.port}`;
    assertEquals(await failureOf(new ApiClient({ origin, token: "t", silenceMs: 20 })), failure);
  });
}

Deno.test("ApiClient.events() passes over events that it does not know", async () => {
  const text = "event: constructor\ndata: 1\n\nevent: crash\ndata: " +
    '{"at":1,"kind":"more","count":9}\n\n';
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => stream(text),
  );
  const client = new ApiClient({ origin: `http://127.0.0.1:${server.addr.port}`, token: "t" });
  assertEquals(await Array.fromAsync(client.events()), [
    { kind: "ok", value: { type: "crash", data: { at: 1, kind: "more", count: 9 } } },
  ]);
});
