import { assert, assertEquals } from "@std/assert";
import {
  type Actor,
  type Pool,
  pool,
  type Ref,
  type Supervisor,
  System,
  type TreeNode,
  worker,
} from "../../../actors/mod.ts";
import { type Bar, BarFeed } from "../../../actors/push/delivery/sinks/monitor.ts";
import { MONITOR_LISTENERS_MAX } from "../../../actors/push/delivery/sinks/limits.ts";
import { Flow } from "../../../program/monitor/flow.ts";
import { CRASHES_PER_SECOND_MAX } from "../../../program/monitor/limits.ts";
import { LiveEvents, type WatchClock } from "../../../program/monitor/live_events.ts";
import type { EventFrame, EventTopic } from "../../../transports/api/event_frame.ts";

/** A clock that moves when the test says so; one timer runs at a time. */
class HandClock implements WatchClock {
  now = 5_250;
  #due: { readonly at: number; readonly run: () => void } | undefined;

  wallNow(): number {
    return this.now;
  }

  after(ms: number, run: () => void): () => void {
    assertEquals(this.#due, undefined, "one timer, however many watch");
    this.#due = { at: this.now + ms, run };
    return () => this.#due = undefined;
  }

  get armed(): boolean {
    return this.#due !== undefined;
  }

  /** Passes to this time, and runs what is due. */
  pass(to: number): void {
    while (this.#due !== undefined && this.#due.at <= to) {
      const { at, run } = this.#due;
      this.now = at;
      this.#due = undefined;
      run();
    }
    this.now = to;
  }
}

const NOTHING = {
  ...{ delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 },
  retries: 0,
};

function bar(second: number): Bar {
  return { second, platforms: { apns: NOTHING, fcm: NOTHING, webpush: NOTHING } };
}

function barText(second: number): string {
  return `event: bar\nid: ${second}\ndata: ${JSON.stringify(bar(second))}\n\n`;
}

/** Events whose parts are the test's. */
class World {
  readonly feed = new BarFeed();
  readonly flow = new Flow();
  readonly clock = new HandClock();
  readonly events: LiveEvents;
  tree: TreeNode = { kind: "system", path: "root", state: "running", children: [] };
  past: readonly Bar[] = [bar(41), bar(42)];
  looks = 0;
  asked = 0;
  status: () => Promise<unknown> = () => Promise.resolve({ lanes: [] });

  constructor() {
    this.events = new LiveEvents({
      feed: this.feed,
      bars: () => Promise.resolve(this.past),
      status: () => {
        this.asked++;
        return this.status();
      },
      tree: () => {
        this.looks++;
        return this.tree;
      },
      flow: this.flow,
      clock: this.clock,
    });
  }

  /** Watches these topics; `seen` is what came, by type. */
  watch(...topics: readonly EventTopic[]) {
    const frames: EventFrame[] = [];
    const leave = this.events.subscribe(new Set(topics), (frame) => void frames.push(frame));
    assert(leave !== undefined);
    return { frames, leave, seen: () => frames.map(({ type }) => type).join(" ") };
  }
}

function text({ bytes }: EventFrame): string {
  return new TextDecoder().decode(bytes);
}

function dataOf(frame: EventFrame | undefined): Readonly<Record<string, unknown>> {
  assert(frame !== undefined);
  return JSON.parse(text(frame).replace(/^event: \w+\ndata: /, ""));
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

Deno.test("LiveEvents gives each topic to those who watch it, a frame made once for all of them", async () => {
  const world = new World();
  const [first, second] = [world.watch("bars", "status"), world.watch("bars", "status")];
  const tree = world.watch("tree");
  world.feed.publish([bar(4), bar(5)]);
  world.clock.pass(6_000);
  await settled();
  assertEquals(first.seen(), "bar status");
  assertEquals(first.frames.map((frame, place) => frame === second.frames[place]), [true, true]);
  assertEquals(text(first.frames[0] ?? bad()), barText(4) + barText(5));
  assertEquals(tree.seen(), "tree");
  const { flow } = world;
  flow.posted();
  world.clock.pass(7_000);
  await settled();
  assertEquals(dataOf(tree.frames[1]), { at: 7_000, tree: world.tree, flow: { ...flow.totals } });
  assertEquals([world.looks, world.asked], [2, 2]);
});

function bad(): never {
  throw new Error("No frame came");
}

Deno.test("LiveEvents looks at nothing while nobody watches it", async () => {
  const world = new World();
  const bars = world.watch("bars");
  assertEquals(world.clock.armed, false);
  const [status, tree] = [world.watch("status"), world.watch("tree")];
  world.clock.pass(6_000);
  await settled();
  tree.leave();
  world.clock.pass(7_000);
  await settled();
  assertEquals([world.looks, world.asked], [1, 2]);
  status.leave();
  assertEquals(world.clock.armed, false);
  bars.leave();
  world.feed.publish([bar(7)]);
  assertEquals(bars.frames, []);
  world.events.runtimeEvent({ type: "restarted", path: "root/a", incarnation: 2 });
  assertEquals(tree.frames.length, 1);
});

Deno.test("LiveEvents asks for the load again when the store could not answer, and not while it has not", async () => {
  const world = new World();
  const late = Promise.withResolvers<unknown>();
  const { seen } = world.watch("status");
  world.status = () => late.promise;
  world.clock.pass(6_000);
  world.clock.pass(7_000);
  assertEquals(world.asked, 1);
  late.reject(new Error("The store is away"));
  await settled();
  world.status = () => Promise.resolve({});
  world.clock.pass(8_000);
  await settled();
  assertEquals([world.asked, seen()], [2, "status"]);
});

Deno.test("LiveEvents has the bars of the past with their seconds, and says when there are none", async () => {
  const world = new World();
  assertEquals(text(await world.events.bars(41) ?? bad()), barText(41) + barText(42));
  world.past = [];
  assertEquals(await world.events.bars(41), undefined);
});

Deno.test("LiveEvents gives the bars that a sleep of the machine has held back as one frame", () => {
  const world = new World();
  const { frames } = world.watch("bars");
  world.feed.publish(Array.from({ length: 600 }, (_, second) => bar(second)));
  assertEquals(frames.length, 1);
  assertEquals(text(frames[0] ?? bad()).match(/\nid: /g)?.length, 600);
});

Deno.test("LiveEvents refuses who wants bars when the feed is full", () => {
  const world = new World();
  for (let n = 0; n < MONITOR_LISTENERS_MAX; n++) world.feed.subscribe(() => {});
  assertEquals(world.events.subscribe(new Set(["bars", "tree"]), () => {}), undefined);
  assertEquals(world.clock.armed, false);
});

Deno.test("LiveEvents tells crashes to those who watch the tree, at most so many in a second", () => {
  const world = new World();
  const [tree, bars] = [world.watch("tree"), world.watch("bars", "status")];
  for (let n = 1; n <= CRASHES_PER_SECOND_MAX + 5; n++) {
    world.events.runtimeEvent({ type: "restarted", path: `root/a/${n}`, incarnation: 2 });
  }
  assertEquals(dataOf(tree.frames[0]), {
    ...{ at: 5_250, kind: "restarted", path: "root/a/1", error: null, incarnation: 2 },
  });
  assertEquals(tree.frames.length, CRASHES_PER_SECOND_MAX);
  world.clock.pass(6_000);
  assertEquals(dataOf(tree.frames[CRASHES_PER_SECOND_MAX]), { at: 6_000, kind: "more", count: 5 });
  assertEquals(bars.frames, []);
});

interface IdleProtocol {
  rest(): void;
  fail(): void;
}

const idle: Actor<IdleProtocol, undefined> = {
  name: "idle",
  mailbox: { capacity: 1, overflow: "refuse" },
  init: () => undefined,
  on: {
    rest: () => {},
    fail() {
      throw new Error("boom");
    },
  },
};

Deno.test("LiveEvents shows a pool of more than 24 by its sums only, at any depth of the tree", async () => {
  type Idle = {
    few: Pool<IdleProtocol, void>;
    many: Pool<IdleProtocol, void>;
    one: Ref<IdleProtocol>;
  };
  const idleTree: Supervisor<Idle> = {
    strategy: "one_for_one",
    intensity: { restarts: 0, withinMs: 0 },
    children: {
      few: pool(idle, { childrenMax: 100 }),
      many: pool(idle, { childrenMax: 100 }),
      one: worker(idle, { args: () => {}, restart: "permanent" }),
    },
  };
  await using system = new System();
  const { few, many } = await system.start("idle", idleTree);
  for (let n = 0; n < 24; n++) few.start();
  for (let n = 0; n < 25; n++) many.start();
  const world = new World();
  world.tree = system.tree();
  const { frames } = world.watch("tree");
  world.clock.pass(6_000);
  const shown = JSON.stringify(dataOf(frames[0]));
  assertEquals(shown.match(/"path":"root\/idle\/few\/\d+"/g)?.length, 24);
  assertEquals(shown.match(/"path":"root\/idle\/many\/\d+"/g), null);
  assertEquals(shown.match(/"size":25,.{1,300}"depths":\[25,0,0,0,0,0,0,0,0\]/)?.length, 1);
});

Deno.test("LiveEvents tells a crash of a real actor as it happens, its restart, and that its supervisor gave up", async () => {
  const world = new World();
  const { frames } = world.watch("tree");
  await using system = new System({ onEvent: (event) => world.events.runtimeEvent(event) });
  const { frail } = await system.start<{ frail: Ref<IdleProtocol> }>("t", {
    strategy: "one_for_one",
    intensity: { restarts: 1, withinMs: 60_000 },
    children: { frail: worker(idle, { args: () => {}, restart: "permanent" }) },
  });
  await frail.send("fail");
  await frail.send("fail");
  await system.ended;
  assertEquals(frames.map((frame) => [text(frame).split("\n")[0], dataOf(frame)["kind"]]), [
    ["event: crash", "crashed"],
    ["event: crash", "restarted"],
    ["event: crash", "crashed"],
    ["event: crash", "gave_up"],
  ]);
  assertEquals(dataOf(frames[1])["incarnation"], 2);
  assertEquals(dataOf(frames[3])["path"], "root/t");
});
