import { assert, assertEquals } from "@std/assert";
import { connect } from "node:net";
import type { ApiEvents, EventFrame } from "../../../transports/api/delivery.ts";
import { HEARTBEAT_MS, UNREAD_MS, VIEWERS_MAX } from "../../../transports/api/limits.ts";
import { ApiWorld } from "../../support/api_world.ts";

/** Events that a test makes. */
class Feed implements ApiEvents {
  readonly listeners = new Set<(frame: EventFrame) => void>();

  subscribe(listener: (frame: EventFrame) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  publish(frame: EventFrame): void {
    for (const listener of this.listeners) listener(frame);
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

  /** Passes the deadlines of so many milliseconds. */
  pass(ms: number): void {
    for (const [run, armedMs] of this.#armed) if (armedMs === ms) run();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
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

  static async open(world: ApiWorld): Promise<Watch> {
    const abort = new AbortController();
    const headers = { authorization: "Bearer read-token" };
    const response = await fetch(`${world.origin}/v1/events`, { headers, signal: abort.signal });
    return new Watch(response, abort);
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
  feed.publish({ type: "bar", data: { second: 7, said: "line\nbreak" } });
  feed.publish({ type: "status", data: { lanes: [] } });
  await watch.has('event: bar\ndata: {"second":7,"said":"line\\nbreak"}\n\n');
  await watch.has('event: status\ndata: {"lanes":[]}\n\n');
  await turn();
  clock.pass(HEARTBEAT_MS);
  await watch.has(": still here\n\n");
  const closing = world.close();
  await watch.end();
  await closing;
  assertEquals(feed.listeners.size, 0);
});

Deno.test("GET /v1/events needs a token that may read, and HEAD subscribes to nothing", async () => {
  const feed = new Feed();
  await using world = await ApiWorld.open({ events: feed });
  const refused = await world.call("GET", "/v1/events", { token: "send-token" });
  assertEquals(refused.status, 403);
  const head = await world.fetch("HEAD", "/v1/events");
  assertEquals([head.status, await head.text(), feed.listeners.size], [200, "", 0]);
});

Deno.test("GET /v1/events has room for so many pages, and a page that leaves makes room", async () => {
  const feed = new Feed();
  await using world = await ApiWorld.open({ events: feed });
  const watches = await Promise.all(
    Array.from({ length: VIEWERS_MAX }, () => Watch.open(world)),
  );
  assertEquals(feed.listeners.size, VIEWERS_MAX);
  const refused = await world.call("GET", "/v1/events");
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  watches[0]?.leave();
  await until(() => feed.listeners.size === VIEWERS_MAX - 1);
  const again = await Watch.open(world);
  assertEquals(again.response.status, 200);
  for (const watch of [...watches, again]) watch.leave();
  await until(() => feed.listeners.size === 0);
});

Deno.test("GET /v1/events cuts a page that does not read", async () => {
  const feed = new Feed();
  const clock = new HandClock();
  await using world = await ApiWorld.open({ events: feed, clock });
  const closed = Promise.withResolvers<void>();
  const socket = connect(world.port, "127.0.0.1", () => {
    socket.write(
      "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer read-token\r\n\r\n",
    );
    socket.pause();
  });
  socket.on("error", () => {}).on("close", () => closed.resolve());
  await until(() => feed.listeners.size === 1);
  const frame: EventFrame = { type: "bar", data: "x".repeat(65_536) };
  while (feed.listeners.size > 0) {
    feed.publish(frame);
    await turn();
    clock.pass(UNREAD_MS);
  }
  socket.destroy();
  await closed.promise;
});
