import { assert, assertEquals } from "@std/assert";
import type {
  DeliveryEvent,
  RowSink,
  Sink,
  TallySink,
} from "../../../../../actors/push/delivery/ports.ts";
import type { DeliveryRow } from "../../../../../actors/push/delivery/records.ts";
import {
  SINK_ASK_MS,
  SINK_BACKOFF,
  SINK_INTENSITY,
  SINK_LEASE_MS,
  SINK_LOOK_MS,
  SINK_PAGE_ROWS,
  SINK_PAGE_TALLIES,
  SINK_STEP_MS,
} from "../../../../../actors/push/delivery/sinks/limits.ts";
import { sinkActor, type SinkProtocol } from "../../../../../actors/push/delivery/sinks/sink.ts";
import type { Ref } from "../../../../../actors/runtime/actor.ts";
import { macrotask } from "../../../../../actors/runtime/clock.ts";
import { worker } from "../../../../../actors/runtime/spec.ts";
import { World } from "../../../../../actors/testing/mod.ts";
import { RowLog } from "./row_log.ts";

/** A sink that writes down what it is given, and does before what the test says. */
class Notebook implements RowSink {
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

/** Starts these sinks in a world, as those of a node of this name. */
async function followOn(node: string, world: World, log: RowLog, ...sinks: readonly Sink[]) {
  const events: DeliveryEvent[] = [];
  const observer = { record: (event: DeliveryEvent) => void events.push(event) };
  const refs: Record<string, Ref<SinkProtocol>> = await world.system.start(`sinks_${node}`, {
    strategy: "one_for_one",
    intensity: SINK_INTENSITY,
    children: Object.fromEntries(sinks.map((sink) => [
      sink.name,
      worker(sinkActor(`${sink.name}_sink`), {
        args: () => ({ sink, store: log.store, node, observer }),
        restart: "permanent",
        backoff: SINK_BACKOFF,
      }),
    ])),
  });
  await world.settle();
  return { events, poke: (sink: Sink) => refs[sink.name]?.trySend("committed") };
}

function follow(world: World, log: RowLog, ...sinks: readonly Sink[]) {
  return followOn("node", world, log, ...sinks);
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
  assertEquals(log.saves, [["notebook", SINK_PAGE_ROWS]]);
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

Deno.test("sinkActor() asks a store that is away again, ever later, and crashes nobody", async () => {
  await using world = new World();
  const log = new RowLog();
  const notebook = new Notebook();
  const { events } = await follow(world, log, notebook);
  log.add({});
  log.away = true;
  const hour = 3_600_000;
  await world.advance(hour);
  assertEquals(world.events.filter(({ type }) => type === "crashed"), []);
  assert(events.length > 50 && events.length < 80, `${events.length} failures in an hour`);
  log.away = false;
  await world.advance(SINK_BACKOFF.maxMs);
  assertEquals(notebook.pages, [[1]]);
  const failures = events.length;
  log.away = true;
  await world.advance(5_000);
  assert(events.length >= failures + 2, "after a store that was well it is asked soon");
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

Deno.test("sinkActor() gives tallies to a sink that counts, from the newest on, page by page", async () => {
  await using world = new World();
  const log = new RowLog();
  log.add({}, {}, {});
  log.addTallies(1);
  const pages: (readonly number[])[] = [];
  const counters: TallySink = {
    name: "counters",
    rows: "tallies",
    record: (tallies) => {
      pages.push(tallies.map(({ position }) => position));
      return Promise.resolve();
    },
  };
  const { poke } = await follow(world, log, counters);
  log.addTallies(SINK_PAGE_TALLIES + 1);
  poke(counters);
  await world.settle();
  assertEquals(pages.map((page) => page.length), [SINK_PAGE_TALLIES, 1]);
  assertEquals(pages.flat(), log.tallies.slice(1).map(({ position }) => position));
  assertEquals(log.positions.get("counters"), SINK_PAGE_TALLIES + 2);
});

Deno.test("sinkActor() of two nodes offers each row once, and one node takes over from the other", async () => {
  const log = new RowLog();
  const [one, other] = [new Notebook(), new Notebook()];
  await using world = new World();
  {
    await using first = new World();
    const { poke } = await followOn("one", first, log, one);
    const { poke: pokeOther } = await followOn("other", world, log, other);
    for (let round = 0; round < 20; round++) {
      log.add({});
      poke(one);
      pokeOther(other);
      await first.settle();
      await world.settle();
    }
  }
  assertEquals([one.pages.length, other.pages.length], [20, 0]);
  // Pokes did not make the other ask.
  assertEquals(log.claims.filter(({ node }) => node === "other").length, 1);
  // The first gave its lease up when it stopped.
  assertEquals(log.leases.get("notebook")?.until, world.clock.wallNow());
  log.add({});
  await world.advance(SINK_ASK_MS);
  assertEquals(other.pages, [[21]]);
});

Deno.test("sinkActor() takes the lease of a node that is gone when it ended", async () => {
  const log = new RowLog();
  await using world = new World();
  const until = world.clock.wallNow() + SINK_LEASE_MS;
  log.leases.set("notebook", { node: "gone", until });
  log.positions.set("notebook", 0);
  log.add({}, {});
  const notebook = new Notebook();
  await follow(world, log, notebook);
  await world.advance(SINK_LEASE_MS - 1);
  assertEquals(notebook.pages, []);
  await world.advance(1);
  assertEquals(notebook.pages, [[1, 2]]);
});

Deno.test("sinkActor() prolongs its lease before a page could outlast it, and not with each look", async () => {
  const log = new RowLog();
  await using world = new World();
  const notebook = new Notebook();
  const { poke } = await follow(world, log, notebook);
  notebook.before = () => {
    const until = log.leases.get("notebook")?.until ?? 0;
    assert(until >= world.clock.wallNow() + SINK_STEP_MS);
  };
  const seconds = 100;
  for (let second = 0; second < seconds; second++) {
    log.add({});
    poke(notebook);
    await world.advance(1_000);
  }
  assertEquals(notebook.pages.flat().length, seconds);
  assertEquals(
    log.claims.length,
    Math.ceil(seconds * 1_000 / (SINK_LEASE_MS - SINK_STEP_MS + 1_000)),
  );
});

Deno.test("SINK_STEP_MS is less than the longest delay, or a sink that always hangs would look as if it recovered", () => {
  assert(SINK_STEP_MS < SINK_BACKOFF.maxMs);
});
