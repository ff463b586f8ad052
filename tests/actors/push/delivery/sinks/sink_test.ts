import { assert, assertEquals } from "@std/assert";
import type { DeliveryEvent, Sink } from "../../../../../actors/push/delivery/ports.ts";
import type { DeliveryRow } from "../../../../../actors/push/delivery/records.ts";
import {
  SINK_BACKOFF,
  SINK_INTENSITY,
  SINK_LOOK_MS,
  SINK_PAGE_ROWS,
  SINK_STEP_MS,
} from "../../../../../actors/push/delivery/sinks/limits.ts";
import { sinkActor, type SinkProtocol } from "../../../../../actors/push/delivery/sinks/sink.ts";
import type { Ref } from "../../../../../actors/runtime/actor.ts";
import { macrotask } from "../../../../../actors/runtime/clock.ts";
import { worker } from "../../../../../actors/runtime/spec.ts";
import { World } from "../../../../../actors/testing/mod.ts";
import { RowLog } from "./row_log.ts";

/** A sink that writes down what it is given, and does before what the test says. */
class Notebook implements Sink {
  readonly name: string;
  readonly rows: "failures" | "all";
  /** Positions of each page. */
  readonly pages: (readonly number[])[] = [];
  /** Pages being recorded now. */
  recording = 0;
  before: (rows: readonly DeliveryRow[], signal: AbortSignal) => Promise<void> | void = () => {};

  constructor(rows: "failures" | "all" = "all", name = "notebook") {
    this.rows = rows;
    this.name = name;
  }

  async record(rows: readonly DeliveryRow[], signal: AbortSignal): Promise<void> {
    assertEquals(++this.recording, 1, "one page at a time");
    try {
      await this.before(rows, signal);
      this.pages.push(rows.map(({ position }) => position));
    } finally {
      this.recording--;
    }
  }
}

/** Starts these sinks in a world. */
async function follow(world: World, log: RowLog, ...sinks: readonly Sink[]) {
  const events: DeliveryEvent[] = [];
  const observer = { record: (event: DeliveryEvent) => void events.push(event) };
  const refs: Record<string, Ref<SinkProtocol>> = await world.system.start("sinks", {
    strategy: "one_for_one",
    intensity: SINK_INTENSITY,
    children: Object.fromEntries(sinks.map((sink) => [
      sink.name,
      worker(sinkActor(`${sink.name}_sink`), {
        args: () => ({ sink, store: log.store, observer }),
        restart: "permanent",
        backoff: SINK_BACKOFF,
      }),
    ])),
  });
  await world.settle();
  return { events, poke: (sink: Sink) => refs[sink.name]?.trySend("committed") };
}

Deno.test("sinkActor() offers what was recorded while it was down, and remembers how far it came", async () => {
  await using world = new World();
  const log = new RowLog();
  log.add({}, {}, {});
  log.positions.set("notebook", 1);
  const notebook = new Notebook();
  await follow(world, log, notebook);
  assertEquals(notebook.pages, [[2, 3]]);
  assertEquals(log.positions.get("notebook"), 3);
});

Deno.test("sinkActor() begins a new sink at the newest row, and remembers that before anything fails", async () => {
  await using world = new World();
  const log = new RowLog();
  log.add({}, {});
  const notebook = new Notebook();
  notebook.before = () => Promise.reject(new Error("not ready"));
  await follow(world, log, notebook);
  log.add({}, {});
  await world.advance(SINK_LOOK_MS);
  notebook.before = () => {};
  await world.advance(SINK_BACKOFF.maxMs);
  assertEquals(notebook.pages, [[3, 4]]);
});

Deno.test("sinkActor() looks when it is poked, and each second though nobody does", async () => {
  await using world = new World();
  const log = new RowLog();
  const notebook = new Notebook();
  const { poke } = await follow(world, log, notebook);
  log.add({});
  poke(notebook);
  await world.settle();
  assertEquals(notebook.pages, [[1]]);
  log.add({});
  await world.advance(SINK_LOOK_MS - 1);
  assertEquals(notebook.pages, [[1]]);
  await world.advance(1);
  assertEquals(notebook.pages, [[1], [2]]);
});

Deno.test("sinkActor() looks once more for any number of pokes while a page is recorded", async () => {
  await using world = new World();
  const log = new RowLog();
  const notebook = new Notebook();
  const { poke } = await follow(world, log, notebook);
  const gate = Promise.withResolvers<void>();
  notebook.before = () => gate.promise;
  log.add({});
  poke(notebook);
  await world.settle();
  for (let index = 0; index < 1_000; index++) {
    log.add({});
    poke(notebook);
    if (index % 100 === 0) await world.settle();
  }
  gate.resolve();
  await world.settle();
  assertEquals(notebook.pages.map((page) => page.length), [1, 1_000]);
});

Deno.test("sinkActor() reads pages, all of them without waiting in between", async () => {
  await using world = new World();
  const log = new RowLog();
  log.positions.set("notebook", 0);
  for (let index = 0; index < 2 * SINK_PAGE_ROWS + 1; index++) log.add({});
  const notebook = new Notebook();
  await follow(world, log, notebook);
  assertEquals(notebook.pages.map((page) => page.length), [SINK_PAGE_ROWS, SINK_PAGE_ROWS, 1]);
  assertEquals(notebook.pages.flat(), log.rows.map(({ position }) => position));
});

Deno.test("sinkActor() gives failures to a sink that wants failures", async () => {
  await using world = new World();
  const log = new RowLog();
  const [failures, all] = [new Notebook("failures", "failures"), new Notebook("all", "all")];
  const { poke } = await follow(world, log, failures, all);
  log.add(
    { outcome: "delivered" },
    { outcome: "token_invalid" },
    { outcome: "rejected" },
    { outcome: "expired" },
    { outcome: "failed" },
    { outcome: "cancelled" },
    { outcome: "delivered" },
  );
  for (const sink of [failures, all]) poke(sink);
  await world.settle();
  assertEquals([failures.pages, all.pages], [[[2, 3, 4, 5, 6]], [[1, 2, 3, 4, 5, 6, 7]]]);
});

Deno.test("sinkActor() passes by a full page that has nothing for its sink, and calls it for nothing", async () => {
  await using world = new World();
  const log = new RowLog();
  log.positions.set("notebook", 0);
  for (let index = 0; index < SINK_PAGE_ROWS + 5; index++) log.add({ outcome: "delivered" });
  const notebook = new Notebook("failures");
  await follow(world, log, notebook);
  assertEquals(notebook.pages, []);
  assertEquals(log.saves, [["notebook", 0], ["notebook", SINK_PAGE_ROWS]]);
});

Deno.test("sinkActor() that fails stops only itself: others go on, and it catches up", async () => {
  await using world = new World();
  const log = new RowLog();
  const [broken, sound] = [new Notebook("all", "broken"), new Notebook("all", "sound")];
  broken.before = () => Promise.reject(new Error("away"));
  const { events, poke } = await follow(world, log, broken, sound);
  const hour = 3_600;
  for (let second = 0; second < hour; second++) {
    log.add({});
    poke(broken);
    poke(sound);
    await world.advance(1_000);
  }
  assertEquals(sound.pages.length, hour);
  assertEquals(broken.pages, []);
  const failures = events.length;
  assert(failures > 50 && failures < 200, `${failures} failures in an hour`);
  assertEquals(events[0], { kind: "sink_failed", sink: "broken", reason: "Error: away" });
  broken.before = () => {};
  await world.advance(SINK_BACKOFF.maxMs);
  assertEquals(broken.pages.flat(), log.rows.map(({ position }) => position));
  assertEquals(log.positions.get("broken"), hour);
});

Deno.test("sinkActor() offers a page again when its position could not be remembered", async () => {
  await using world = new World();
  const log = new RowLog();
  const notebook = new Notebook();
  const { events, poke } = await follow(world, log, notebook);
  notebook.before = () => void (log.away = true);
  log.add({}, {});
  poke(notebook);
  await world.settle();
  assertEquals(events, [{
    kind: "sink_failed",
    sink: "notebook",
    reason: "Error: the store is away",
  }]);
  notebook.before = () => {};
  log.away = false;
  await world.advance(SINK_BACKOFF.maxMs);
  assertEquals(notebook.pages, [[1, 2], [1, 2]]);
  assertEquals(log.positions.get("notebook"), 2);
});

Deno.test("sinkActor() gives up a page that hangs, tells the sink so, and ignores its late end", async () => {
  await using world = new World();
  const log = new RowLog();
  const notebook = new Notebook();
  const { events, poke } = await follow(world, log, notebook);
  const gate = Promise.withResolvers<void>();
  let told: AbortSignal | undefined;
  notebook.before = (_rows, signal) => {
    told = signal;
    notebook.recording = 0;
    return gate.promise;
  };
  log.add({});
  poke(notebook);
  await world.advance(SINK_STEP_MS - 1);
  assertEquals([told?.aborted, events], [false, []]);
  await world.advance(1);
  assertEquals(told?.aborted, true);
  assertEquals(events.map(({ kind }) => kind), ["sink_failed"]);
  notebook.before = () => {};
  log.add({});
  await world.advance(SINK_BACKOFF.minMs);
  assertEquals(notebook.pages, [[1, 2]]);
  gate.resolve();
  await world.settle();
  assertEquals(log.saves.at(-1), ["notebook", 2]);
});

Deno.test("sinkActor() that is stopped remembers the page in hand", async () => {
  const log = new RowLog();
  const notebook = new Notebook();
  const gate = Promise.withResolvers<void>();
  {
    await using world = new World();
    const { poke } = await follow(world, log, notebook);
    notebook.before = () => gate.promise;
    log.add({});
    poke(notebook);
    await world.settle();
    // By then it has been told to stop.
    void macrotask().then(() => gate.resolve());
  }
  assertEquals(log.positions.get("notebook"), 1);
});

Deno.test("SINK_STEP_MS is less than the longest delay, or a sink that always hangs would look as if it recovered", () => {
  assert(SINK_STEP_MS < SINK_BACKOFF.maxMs);
});
