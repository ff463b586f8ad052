import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type {
  DeliveryEvent,
  Source,
  SourceEntry,
} from "../../../../../actors/push/delivery/ports.ts";
import type { DeadLetter } from "../../../../../actors/push/delivery/store.ts";
import {
  ENTRY_MS,
  SOURCE_BACKOFF,
  SOURCE_INTENSITY,
} from "../../../../../actors/push/delivery/sources/limits.ts";
import {
  sourceActor,
  type SourceArgs,
  type SubmitResult,
} from "../../../../../actors/push/delivery/sources/source.ts";
import { worker } from "../../../../../actors/runtime/spec.ts";
import { World } from "../../../../../actors/testing/mod.ts";

/** A queue that hands out each entry until it is acknowledged, as a durable one does, from its start at each opening. */
class TestQueue implements Source {
  readonly name = "queue-1";
  /** What is in it: text as it came, and how often it was handed out. */
  readonly waiting = new Map<string, { readonly body: unknown; deliveries: number }>();
  openings = 0;
  /** Openings that have been closed. */
  closed = 0;
  /** Entries handed out, in order. */
  readonly handedOut: string[] = [];
  /** Fails an acknowledgement. */
  deaf = false;
  /** Where it keeps what is set aside, when it does: id to reason. */
  graves: Map<string, string> | undefined;
  /** Ends or throws when it is empty, instead of waiting. */
  whenEmpty: "wait" | "end" | "throw" = "wait";
  #added = Promise.withResolvers<void>();

  add(id: string, body: unknown): void {
    this.waiting.set(id, { body, deliveries: 0 });
    this.#added.resolve();
    this.#added = Promise.withResolvers();
  }

  async *entries(signal: AbortSignal): AsyncGenerator<SourceEntry> {
    this.openings++;
    const seen = new Set<string>();
    const aborted = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => aborted.resolve());
    try {
      while (!signal.aborted) {
        const next = [...this.waiting].find(([id]) => !seen.has(id));
        if (next !== undefined) {
          const [id, entry] = next;
          seen.add(id);
          this.handedOut.push(id);
          yield {
            id,
            body: entry.body,
            deliveries: ++entry.deliveries,
            acknowledge: () => this.#acknowledge(id),
            ...(this.graves !== undefined && {
              bury: (reason) => {
                this.graves?.set(id, reason);
                this.#acknowledge(id);
              },
            }),
          };
        } else if (this.whenEmpty === "throw") throw new Error("connection lost");
        else if (this.whenEmpty === "end") return;
        else await Promise.race([this.#added.promise, aborted.promise]);
      }
    } finally {
      this.closed++;
    }
  }

  #acknowledge(id: string): void {
    if (this.deaf) throw new Error("connection lost");
    this.waiting.delete(id);
  }
}

/** A service that keeps one notification for each key, and does first what the test says. */
class TestService {
  readonly notifications = new Map<string, unknown>();
  readonly submitted: string[] = [];
  answer: (body: unknown, key: string) => SubmitResult | undefined | Promise<SubmitResult> = () =>
    undefined;

  readonly submit: SourceArgs["submit"] = async (body, key) => {
    this.submitted.push(key);
    const answer = await this.answer(body, key);
    if (answer !== undefined) return answer;
    if (this.notifications.has(key)) return { kind: "repeated" };
    this.notifications.set(key, body);
    return { kind: "accepted" };
  };
}

async function feed(world: World, queue: TestQueue, service: TestService) {
  const events: DeliveryEvent[] = [];
  const buried: DeadLetter[] = [];
  const graves = { away: false };
  await world.system.start("sources", {
    strategy: "one_for_one",
    intensity: SOURCE_INTENSITY,
    children: {
      queue: worker(sourceActor("queue_source"), {
        args: () => ({
          source: queue,
          submit: service.submit,
          store: {
            bury: (letter) => {
              if (graves.away) return Promise.reject(new Error("the store is away"));
              buried.push(letter);
              return Promise.resolve();
            },
          },
          observer: { record: (event) => void events.push(event) },
        }),
        restart: "permanent",
        backoff: SOURCE_BACKOFF,
      }),
    },
  });
  await world.settle();
  return { events, buried, graves };
}

Deno.test("sourceActor() submits entries one by one under their ids, and acknowledges each", async () => {
  await using world = new World();
  const [queue, service] = [new TestQueue(), new TestService()];
  queue.add("1-0", '{"app":"shop"}');
  queue.add("2-0", { app: "blog", schema: 1 });
  const { events, buried } = await feed(world, queue, service);
  assertEquals([...service.notifications], [
    ["queue-1:1-0", { app: "shop" }],
    ["queue-1:2-0", { app: "blog" }],
  ]);
  assertEquals([queue.waiting.size, events, buried], [0, [], []]);
  queue.add("3-0", "{}");
  await world.settle();
  assertEquals([queue.waiting.size, service.notifications.size, queue.openings], [0, 3, 1]);
});

Deno.test("86 sourceActor() makes one notification of an entry that comes twice", async () => {
  await using world = new World();
  const [queue, service] = [new TestQueue(), new TestService()];
  await feed(world, queue, service);
  queue.deaf = true;
  queue.add("1-0", "{}");
  await world.settle();
  queue.deaf = false;
  await world.advance(SOURCE_BACKOFF.maxMs);
  assertEquals(service.submitted, ["queue-1:1-0", "queue-1:1-0"]);
  assertEquals([service.notifications.size, queue.waiting.size], [1, 0]);
});

const BURIED: readonly (readonly [body: unknown, reason: string, told?: string])[] = [
  ["{", "not JSON"],
  [{ schema: 7 }, "schema 7, this build reads ≤ 1"],
  [
    { app: "shop", to: { tokens: [{ platform: "adm" }] } },
    'to.tokens[0].platform: "adm" is not one of apns, fcm, webpush; app: unknown',
    "no notification, 2 problems",
  ],
];

for (const [body, reason, told = reason] of BURIED) {
  Deno.test(`85 88 sourceActor() sets aside an entry: ${reason}`, async () => {
    await using world = new World({ wallNow: 1_700_000_000_000 });
    const [queue, service] = [new TestQueue(), new TestService()];
    service.answer = () => ({ kind: "invalid", problems: reason.split("; ") });
    queue.add("1-0", body);
    const { events, buried } = await feed(world, queue, service);
    assertEquals(buried, [{
      source: "queue-1",
      id: "1-0",
      reason,
      body: typeof body === "string" ? body : JSON.stringify(body),
      at: 1_700_000_000_000,
    }]);
    assertEquals(events, [{ kind: "dead_letter", source: "queue-1", reason: told }]);
    assertEquals(queue.waiting.size, 0);
  });
}

Deno.test("sourceActor() lets a source keep what is set aside, after the store has it", async () => {
  await using world = new World();
  const [queue, service] = [new TestQueue(), new TestService()];
  queue.graves = new Map();
  queue.add("1-0", "{");
  queue.add("2-0", "{}");
  const { buried } = await feed(world, queue, service);
  assertEquals([...queue.graves], [["1-0", "not JSON"]]);
  assertEquals(buried.map(({ id }) => id), ["1-0"]);
  assertEquals([queue.waiting.size, service.submitted], [0, ["queue-1:2-0"]]);
});

Deno.test("87 sourceActor() sets an entry aside after it crashed on it five times, and goes on", async () => {
  await using world = new World();
  const [queue, service] = [new TestQueue(), new TestService()];
  service.answer = (_body, key) => {
    if (key.endsWith(":poison")) throw new TypeError("of all things");
    return undefined;
  };
  queue.add("poison", "{}");
  queue.add("2-0", "{}");
  const { buried } = await feed(world, queue, service);
  await world.advance(10 * SOURCE_BACKOFF.maxMs);
  assertEquals(service.submitted.filter((key) => key.endsWith(":poison")).length, 5);
  assertEquals(buried.map(({ id, reason }) => [id, reason]), [
    ["poison", "gave up after 5 deliveries"],
  ]);
  assertEquals([...service.notifications.keys()], ["queue-1:2-0"]);
  assertEquals([queue.waiting.size, queue.closed], [0, queue.openings - 1]);
});

Deno.test("sourceActor() offers an entry again while it cannot be stored, and takes no other", async () => {
  await using world = new World();
  const [queue, service] = [new TestQueue(), new TestService()];
  service.answer = () => ({ kind: "unavailable", reason: "the disk is full" });
  queue.add("1-0", "{}");
  queue.add("2-0", "{}");
  const { events } = await feed(world, queue, service);
  await world.advance(600_000);
  assertEquals(queue.handedOut, ["1-0"]);
  const offers = service.submitted.length;
  assert(offers > 15 && offers < 60, `${offers} offers in ten minutes`);
  assertEquals(events[0], {
    kind: "source_failed",
    source: "queue-1",
    reason: "the disk is full",
  });
  service.answer = () => undefined;
  await world.advance(SOURCE_BACKOFF.maxMs);
  assertEquals([queue.waiting.size, service.notifications.size, queue.openings], [0, 2, 1]);
});

Deno.test("sourceActor() does not acknowledge what could not be set aside", async () => {
  await using world = new World();
  const [queue, service] = [new TestQueue(), new TestService()];
  const { buried, graves, events } = await feed(world, queue, service);
  graves.away = true;
  queue.add("1-0", "{");
  await world.advance(60_000);
  assertEquals([queue.waiting.size, buried.length, service.submitted.length], [1, 0, 0]);
  assertEquals(events.every(({ kind }) => kind === "source_failed"), true);
  graves.away = false;
  await world.advance(SOURCE_BACKOFF.maxMs);
  assertEquals([queue.waiting.size, buried.length], [0, 1]);
});

for (const whenEmpty of ["end", "throw"] as const) {
  Deno.test(`sourceActor() opens a source again, ever more slowly, that ${whenEmpty}s`, async () => {
    await using world = new World();
    const [queue, service] = [new TestQueue(), new TestService()];
    queue.whenEmpty = whenEmpty;
    const { events } = await feed(world, queue, service);
    await world.advance(600_000);
    assert(queue.openings > 15 && queue.openings < 60, `${queue.openings} openings in ten minutes`);
    assertEquals([events.length, queue.closed], [queue.openings, queue.openings]);
    assertEquals(events[0], {
      kind: "source_failed",
      source: "queue-1",
      reason: whenEmpty === "end" ? "It ended" : "Error: connection lost",
    });
    queue.add("1-0", "{}");
    queue.whenEmpty = "wait";
    await world.advance(SOURCE_BACKOFF.maxMs);
    assertEquals([queue.waiting.size, service.notifications.size], [0, 1]);
  });
}

Deno.test("sourceActor() opens at once again, nearly, what was open for long", async () => {
  await using world = new World();
  const [queue, service] = [new TestQueue(), new TestService()];
  queue.whenEmpty = "throw";
  await feed(world, queue, service);
  await world.advance(600_000);
  queue.whenEmpty = "wait";
  await world.advance(2 * SOURCE_BACKOFF.maxMs);
  const { openings } = queue;
  queue.whenEmpty = "throw";
  queue.add("1-0", "{}");
  await world.advance(SOURCE_BACKOFF.minMs);
  assertEquals(queue.openings, openings + 1);
});

Deno.test("sourceActor() starts again when an entry is neither stored nor refused in time", async () => {
  await using world = new World();
  const [queue, service] = [new TestQueue(), new TestService()];
  service.answer = () => new Promise(() => {});
  queue.add("1-0", "{}");
  await feed(world, queue, service);
  await world.advance(ENTRY_MS - 1);
  assertEquals(world.events.filter(({ type }) => type === "crashed"), []);
  await world.advance(1);
  const [crash] = world.events.filter((event) => event.type === "crashed");
  assertStringIncludes(String(crash?.error), "within 30000 ms");
  service.answer = () => undefined;
  await world.advance(SOURCE_BACKOFF.maxMs);
  assertEquals([queue.waiting.size, service.notifications.size], [0, 1]);
});

Deno.test("sourceActor() closes its source when it is stopped", async () => {
  const queue = new TestQueue();
  {
    await using world = new World();
    await feed(world, queue, new TestService());
    assertEquals([queue.openings, queue.closed], [1, 0]);
  }
  assertEquals([queue.openings, queue.closed], [1, 1]);
});
