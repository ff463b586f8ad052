import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { connect, type Socket } from "node:net";
import type { ApiEvents } from "../../../transports/api/delivery.ts";
import {
  type EventFrame,
  eventFrame,
  type EventTopic,
  together,
} from "../../../transports/api/event_frame.ts";
import {
  HEARTBEAT_MS,
  TOKEN_LOOK_MS,
  UNREAD_MS,
  VIEWER_BYTES_MAX,
  VIEWER_FRAMES_MAX,
  VIEWERS_MAX,
} from "../../../transports/api/limits.ts";
import { Viewer } from "../../../transports/api/viewer.ts";
import { ApiWorld } from "../../support/api_world.ts";

/** Events that a test makes. */
class Feed implements ApiEvents {
  readonly watchers = new Map<(frame: EventFrame) => void, ReadonlySet<EventTopic>>();
  /** What was asked for, and what is answered. */
  readonly asked: number[] = [];
  past: () => Promise<EventFrame | undefined> = () => Promise.resolve(undefined);

  subscribe(topics: ReadonlySet<EventTopic>, listener: (frame: EventFrame) => void): () => void {
    this.watchers.set(listener, topics);
    return () => this.watchers.delete(listener);
  }

  bars(since: number): Promise<EventFrame | undefined> {
    this.asked.push(since);
    return this.past();
  }

  publish(frame: EventFrame): void {
    for (const listener of this.watchers.keys()) listener(frame);
  }
}

/** A clock whose deadlines pass when the test says so. */
class HandClock {
  readonly #armed = new Map<() => void, number>();

  now(): number {
    return 0;
  }

  after(ms: number, run: () => void): () => void {
    this.#armed.set(run, ms);
    return () => this.#armed.delete(run);
  }

  /** Whether a deadline of so many milliseconds runs. */
  waits(ms: number): boolean {
    return this.#armed.values().some((armedMs) => armedMs === ms);
  }

  /** Passes the deadlines of so many milliseconds. */
  pass(ms: number): void {
    for (const [run, armedMs] of [...this.#armed]) {
      if (armedMs === ms && this.#armed.delete(run)) run();
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

function bar(second: number): EventFrame {
  return eventFrame("bar", { second }, second);
}

function barText(second: number): string {
  return `event: bar\nid: ${second}\ndata: {"second":${second}}\n\n`;
}

/** One page that watches. */
class Watch {
  readonly response: Response;
  readonly #abort: AbortController;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  private constructor(response: Response, abort: AbortController) {
    assert(response.body !== null);
    this.response = response;
    this.#abort = abort;
    this.#reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async open(
    world: ApiWorld,
    query = "",
    more: Readonly<Record<string, string>> = {},
  ): Promise<Watch> {
    const abort = new AbortController();
    const headers = { authorization: "Bearer read-token", ...more };
    const url = `${world.origin}/v1/events${query}`;
    return new Watch(await fetch(url, { headers, signal: abort.signal }), abort);
  }

  /** Reads until the text has this. */
  async has(part: string): Promise<void> {
    while (!this.#text.includes(part)) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`The stream ended without "${part}": ${this.#text}`);
      this.#text += value;
    }
  }

  /** Reads to the end. */
  async end(): Promise<string> {
    while (true) {
      const { value, done } = await this.#reader.read();
      if (done) return this.#text;
      this.#text += value;
    }
  }

  leave(): void {
    this.#abort.abort();
  }
}

Deno.test("GET /v1/events gives events as they happen, signs of life, and ends with the door", async () => {
  const feed = new Feed();
  const clock = new HandClock();
  await using world = await ApiWorld.open({ events: feed, clock });
  const watch = await Watch.open(world);
  assertEquals(watch.response.headers.get("content-type"), "text/event-stream");
  await watch.has("retry: 2000\n\n");
  feed.publish(eventFrame("bar", { second: 7, said: "line\nbreak" }, 7));
  feed.publish(eventFrame("status", { lanes: [] }));
  await watch.has('event: bar\nid: 7\ndata: {"second":7,"said":"line\\nbreak"}\n\n');
  await watch.has('event: status\ndata: {"lanes":[]}\n\n');
  await until(() => clock.waits(HEARTBEAT_MS));
  clock.pass(HEARTBEAT_MS);
  await watch.has(": still here\n\n");
  const closing = world.close();
  await watch.end();
  await closing;
  assertEquals([feed.watchers.size, feed.asked], [0, []]);
});

for (
  const [query, headers, topics, since] of [
    ["", {}, "bars status", undefined],
    ["?show=tree", {}, "tree", undefined],
    ["?show=tree,bars,tree", {}, "bars tree", undefined],
    ["?since=1700000000", {}, "bars status", 1_700_000_000],
    ["", { "last-event-id": "1700000001" }, "bars status", 1_700_000_001],
    ["?since=0", { "last-event-id": "1700000001" }, "bars status", 1_700_000_001],
    ["?show=tree,status&since=5", {}, "status tree", undefined],
  ] as const
) {
  const title = `GET /v1/events${query} ${JSON.stringify(headers)}`;
  Deno.test(`${title} => ${topics}, since ${since}`, async () => {
    const feed = new Feed();
    feed.past = () => Promise.resolve(together("bar", [bar(8), bar(9)]));
    await using world = await ApiWorld.open({ events: feed });
    const watch = await Watch.open(world, query, headers);
    assertEquals([...feed.watchers.values()].map((set) => [...set].join(" ")), [topics]);
    assertEquals(feed.asked, since === undefined ? [] : [since]);
    feed.publish(bar(10));
    const past = since === undefined ? "" : barText(8) + barText(9);
    await watch.has(`retry: 2000\n\n${past}${barText(10)}`);
    watch.leave();
    await until(() => feed.watchers.size === 0);
  });
}

for (
  const [query, headers, detail] of [
    ["?show=", {}, 'show: must be some of bars, status, tree with commas between, found ""'],
    ["?show=bars,crash", {}, 'with commas between, found "crash"'],
    ["?show=bars,%0a", {}, 'found "?"'],
    ["?since=yesterday", {}, 'since: must be whole seconds since 1970, found "yesterday"'],
    ["?since=-1", {}, 'since: must be whole seconds since 1970, found "-1"'],
    ["?since=1.5", {}, 'found "1.5"'],
    ["?since=", {}, 'found ""'],
    ["?since=1234567890123", {}, 'found "1234567890123"'],
    ["?since=1", { "last-event-id": "x" }, "Last-Event-ID: must be whole seconds"],
    ["?until=5", {}, "until: unknown field; known are show, since"],
    ["?constructor=5", {}, "constructor: unknown field"],
    [`?${"x".repeat(5_000)}=5&y=6`, {}, "x…: unknown field; known are show, since"],
  ] as const
) {
  Deno.test(`GET /v1/events${query.slice(0, 40)} ${JSON.stringify(headers)} => 422 ${detail}`, async () => {
    const feed = new Feed();
    await using world = await ApiWorld.open({ events: feed });
    const refused = await world.call("GET", `/v1/events${query}`, { headers });
    assertEquals(refused.status, 422);
    assertStringIncludes(JSON.parse(refused.text).detail, detail);
    assertEquals(feed.watchers.size, 0);
  });
}

Deno.test("GET /v1/events tells all that is wrong with a request at once", async () => {
  await using world = await ApiWorld.open({ events: new Feed() });
  const refused = await world.call("GET", "/v1/events?show=beer&since=yesterday&until=now");
  const problems: readonly { readonly path: string }[] = JSON.parse(refused.text).problems;
  assertEquals(problems.map(({ path }) => path), ["until", "show", "since"]);
});

Deno.test("GET /v1/events gives what happens while the past is asked for after it, once", async () => {
  const feed = new Feed();
  const asked = Promise.withResolvers<EventFrame>();
  feed.past = () => asked.promise;
  await using world = await ApiWorld.open({ events: feed });
  const opening = Watch.open(world, "?since=8");
  await until(() => feed.asked.length === 1);
  feed.publish(bar(9));
  asked.resolve(bar(8));
  const watch = await opening;
  await watch.has(`retry: 2000\n\n${barText(8)}${barText(9)}`);
  watch.leave();
  await until(() => feed.watchers.size === 0);
});

Deno.test("GET /v1/events asks a page to come again when the past cannot be had, and forgets it", async () => {
  const feed = new Feed();
  feed.past = () => Promise.reject(new Error("The monitor does not answer"));
  await using world = await ApiWorld.open({ events: feed });
  const refused = await world.call("GET", "/v1/events?since=8");
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  await until(() => feed.watchers.size === 0);
  assertEquals(world.failures, ["handler_failed"]);
});

Deno.test("GET /v1/events needs a token that may read, and HEAD subscribes to nothing", async () => {
  const feed = new Feed();
  await using world = await ApiWorld.open({ events: feed });
  const refused = await world.call("GET", "/v1/events", { token: "send-token" });
  assertEquals(refused.status, 403);
  const head = await world.fetch("HEAD", "/v1/events?since=7");
  assertEquals([head.status, await head.text(), feed.watchers.size, feed.asked], [200, "", 0, []]);
});

Deno.test("GET /v1/events ends for the pages of a token that was withdrawn, and for no others", async () => {
  const feed = new Feed();
  const clock = new HandClock();
  await using world = await ApiWorld.open({ events: feed, clock });
  const shutOut = await Watch.open(world);
  const other = await Watch.open(world, "", { authorization: "Bearer admin-token" });
  clock.pass(TOKEN_LOOK_MS);
  await until(() => clock.waits(TOKEN_LOOK_MS));
  feed.publish(bar(1));
  await shutOut.has(barText(1));
  world.withdrawn.add("read-token");
  clock.pass(TOKEN_LOOK_MS);
  await shutOut.end();
  await until(() => feed.watchers.size === 1);
  feed.publish(bar(2));
  await other.has(barText(2));
  const again = await world.call("GET", "/v1/events", { token: "read-token" });
  assertEquals(again.status, 401);
  other.leave();
  await until(() => feed.watchers.size === 0);
});

Deno.test("GET /v1/events has room for so many pages, and a page that leaves makes room", async () => {
  const feed = new Feed();
  await using world = await ApiWorld.open({ events: feed });
  const watches = await Promise.all(
    Array.from({ length: VIEWERS_MAX }, () => Watch.open(world)),
  );
  assertEquals(feed.watchers.size, VIEWERS_MAX);
  const refused = await world.call("GET", "/v1/events");
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  watches[0]?.leave();
  await until(() => feed.watchers.size === VIEWERS_MAX - 1);
  const again = await Watch.open(world);
  assertEquals(again.response.status, 200);
  for (const watch of [...watches, again]) watch.leave();
  await until(() => feed.watchers.size === 0);
});

/** A page that asks and then reads nothing. */
function deafPage(port: number): { readonly socket: Socket; readonly closed: Promise<void> } {
  const closed = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1", () => {
    socket.write(
      "GET /v1/events?show=tree HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer read-token\r\n\r\n",
    );
    socket.pause();
  });
  socket.on("error", () => {}).on("close", () => closed.resolve());
  return { socket, closed: closed.promise };
}

Deno.test("GET /v1/events cuts a page that reads nothing for half a minute, however few frames wait", async () => {
  const feed = new Feed();
  const clock = new HandClock();
  await using world = await ApiWorld.open({ events: feed, clock });
  const { socket, closed } = deafPage(world.port);
  await until(() => feed.watchers.size === 1);
  // Each one replaces the one that waits, so that no bound of frames ends the stream.
  const frame = eventFrame("tree", "x".repeat(262_144));
  let published = 0;
  while (!clock.waits(UNREAD_MS)) {
    feed.publish(frame);
    published++;
    await turn();
  }
  for (let more = 0; more < 2 * VIEWER_FRAMES_MAX; more++) feed.publish(frame);
  await turn();
  assertEquals(feed.watchers.size, 1, `watches still after ${published} frames`);
  clock.pass(UNREAD_MS);
  await until(() => feed.watchers.size === 0);
  socket.destroy();
  await closed;
});

/** What a page gets that begins to read after all these. */
async function viewed(frames: readonly EventFrame[]): Promise<readonly string[]> {
  const abort = new AbortController();
  const viewer = new Viewer(new HandClock(), abort.signal);
  for (const frame of frames) viewer.add(frame);
  const reading = Array.fromAsync(viewer.stream());
  await turn();
  abort.abort();
  const [retry, ...parts] = await reading;
  assertEquals(retry, "retry: 2000\n\n");
  return parts.map((part) => typeof part === "string" ? part : new TextDecoder().decode(part));
}

Deno.test("Viewer keeps the newest tree and the newest load only, and all else in order", async () => {
  const texts = await viewed([
    bar(1),
    eventFrame("tree", 1),
    eventFrame("status", 1),
    bar(2),
    eventFrame("tree", 2),
    eventFrame("status", 2),
    eventFrame("crash", 1),
  ]);
  assertEquals(texts, [
    barText(1),
    barText(2),
    "event: tree\ndata: 2\n\n",
    "event: status\ndata: 2\n\n",
    "event: crash\ndata: 1\n\n",
  ]);
});

Deno.test("Viewer ends for a page behind by more frames than may wait, and keeps none of them", async () => {
  const frames = Array.from({ length: VIEWER_FRAMES_MAX }, (_, second) => bar(second));
  assertEquals((await viewed(frames)).length, VIEWER_FRAMES_MAX);
  assertEquals(await viewed([...frames, bar(VIEWER_FRAMES_MAX)]), []);
});

Deno.test("Viewer ends for a page behind by more bytes than may wait, but shows a frame that is larger", async () => {
  const large = eventFrame("tree", "x".repeat(VIEWER_BYTES_MAX));
  assertEquals((await viewed([large])).length, 1);
  assertEquals(await viewed([bar(1), large]), []);
  const half = eventFrame("status", "x".repeat(VIEWER_BYTES_MAX / 2 - 100));
  const other = eventFrame("crash", "x".repeat(VIEWER_BYTES_MAX / 2 - 100));
  assertEquals((await viewed([half, other, half, half])).length, 2);
  assertEquals(await viewed([half, other, bar(1), other]), []);
});
