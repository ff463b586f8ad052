import { assertEquals } from "@std/assert";
import {
  type Outcome,
  OUTCOMES,
  type Platform,
} from "../../../../../actors/push/delivery/records.ts";
import {
  MONITOR_LISTENERS_MAX,
  MONITOR_SECONDS,
} from "../../../../../actors/push/delivery/sinks/limits.ts";
import {
  type Bar,
  BarFeed,
  monitor,
  type MonitorProtocol,
  type PlatformBar,
} from "../../../../../actors/push/delivery/sinks/monitor.ts";
import type { Ref } from "../../../../../actors/runtime/actor.ts";
import { worker } from "../../../../../actors/runtime/spec.ts";
import type { Supervisor } from "../../../../../actors/runtime/supervisor.ts";
import { World } from "../../../../../actors/testing/mod.ts";

/** The second in which each test begins, a quarter of it being over. */
const START = 1_700_000_000;

const NOTHING: PlatformBar = {
  delivered: 0,
  token_invalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
  retries: 0,
};

/** A bar; the second counts from the start of the test. */
function bar(second: number, change: Partial<Record<Platform, Partial<PlatformBar>>> = {}): Bar {
  const of = (platform: Platform) => ({ ...NOTHING, ...change[platform] });
  return {
    second: START + second,
    platforms: { apns: of("apns"), fcm: of("fcm"), webpush: of("webpush") },
  };
}

async function watch(world: World) {
  const feed = new BarFeed();
  const published: (readonly Bar[])[] = [];
  feed.subscribe((bars) => void published.push(bars));
  const tree: Supervisor<{ monitor: Ref<MonitorProtocol> }> = {
    strategy: "one_for_one",
    intensity: { restarts: 0, withinMs: 0 },
    children: { monitor: worker(monitor, { args: () => ({ feed }), restart: "permanent" }) },
  };
  const refs = await world.system.start("test", tree);
  const ended = (
    at: number,
    platform: Platform,
    change: Partial<Record<Outcome, number>>,
    retries = 0,
  ) => {
    const outcomes = { ...Object.fromEntries(OUTCOMES.map((name) => [name, 0])), ...change };
    refs.monitor.trySend("settled", {
      kind: "settled",
      platform,
      outcomes: { ...NOTHING, ...outcomes },
      retries,
      at: Math.round((START + at) * 1_000),
      durationMs: 12,
    });
  };
  const bars = async (since: number) => {
    const asked = refs.monitor.ask("bars", START + since);
    await world.settle();
    return await asked;
  };
  return { feed, published, ended, bars };
}

function newWorld(): World {
  return new World({ wallNow: START * 1_000 + 250 });
}

Deno.test("monitor adds up what ended in a second, by platform and outcome", async () => {
  await using world = newWorld();
  const { ended, bars } = await watch(world);
  ended(0.1, "apns", { delivered: 900, token_invalid: 90 }, 10);
  ended(0.2, "apns", { delivered: 5, rejected: 1 }, 1);
  ended(0.2, "webpush", { expired: 2, failed: 3, cancelled: 4 });
  assertEquals(await bars(0), [
    bar(0, {
      apns: { delivered: 905, token_invalid: 90, rejected: 1, retries: 11 },
      webpush: { expired: 2, failed: 3, cancelled: 4 },
    }),
  ]);
});

Deno.test("monitor has a bar of zeros for each idle second, and none before the last ten minutes", async () => {
  await using world = newWorld();
  const { ended, bars } = await watch(world);
  ended(0, "fcm", { delivered: 1 });
  await world.advance(3_000);
  ended(3, "fcm", { delivered: 2 });
  const one = bar(0, { fcm: { delivered: 1 } });
  const two = bar(3, { fcm: { delivered: 2 } });
  assertEquals(await bars(0), [one, bar(1), bar(2), two]);
  assertEquals(await bars(2), [bar(2), two]);
  assertEquals(await bars(4), []);
  await world.advance((MONITOR_SECONDS - 3) * 1_000);
  const late = await bars(-1_000);
  assertEquals([late.length, late[0], late[2]], [MONITOR_SECONDS, bar(1), two]);
});

Deno.test("monitor forgets a second when its slot is needed again", async () => {
  await using world = newWorld();
  const { ended, bars } = await watch(world);
  ended(0, "fcm", { delivered: 1 });
  await world.advance(MONITOR_SECONDS * 1_000);
  ended(MONITOR_SECONDS, "fcm", { delivered: 2 });
  assertEquals(await bars(MONITOR_SECONDS), [bar(MONITOR_SECONDS, { fcm: { delivered: 2 } })]);
});

Deno.test("monitor counts a late result in its second, one of the future now, and one of long ago not", async () => {
  await using world = newWorld();
  const { ended, bars } = await watch(world);
  await world.advance(2_000);
  ended(1.9, "fcm", { delivered: 1 });
  ended(7, "fcm", { delivered: 10 });
  ended(2 - MONITOR_SECONDS, "fcm", { delivered: 100 });
  assertEquals(await bars(0), [
    bar(0),
    bar(1, { fcm: { delivered: 1 } }),
    bar(2, { fcm: { delivered: 10 } }),
  ]);
});

Deno.test("monitor publishes each second when it is over, and again when something late is added", async () => {
  await using world = newWorld();
  const { published, ended } = await watch(world);
  ended(0.2, "apns", { delivered: 1 });
  await world.advance(749);
  assertEquals(published, []);
  await world.advance(1);
  const first = bar(0, { apns: { delivered: 1 } });
  assertEquals(published.splice(0), [[first]]);
  await world.advance(1_000);
  assertEquals(published.splice(0), [[bar(1)]]);
  ended(0.9, "apns", { delivered: 2 });
  ended(2.1, "fcm", { failed: 1 });
  await world.advance(1_000);
  assertEquals(published.splice(0), [[
    bar(0, { apns: { delivered: 3 } }),
    bar(2, { fcm: { failed: 1 } }),
  ]]);
});

/** Steps of the wall clock, and what is known when it has reached the seconds before the step again. */
const STEPS: readonly (readonly [stepSeconds: number, known: readonly number[]])[] = [
  [-3_600, []],
  [-90, [10]],
  [90, [1, 10]],
  [3_600, [10]],
];

for (const [stepSeconds, expected] of STEPS) {
  Deno.test(`monitor goes on with the wall clock after a step of ${stepSeconds} s, and shows nothing twice`, async () => {
    await using world = newWorld();
    const { published, ended, bars } = await watch(world);
    ended(0, "apns", { delivered: 1 });
    await world.advance(1_000);
    published.splice(0);
    world.clock.setWall(world.clock.wallNow() + stepSeconds * 1_000);
    const now = 1 + stepSeconds;
    ended(now, "apns", { delivered: 10 });
    await world.settle();
    const current = bar(now, { apns: { delivered: 10 } });
    assertEquals((await bars(now)).at(-1), current);
    await world.advance(1_000);
    assertEquals(published.at(-1)?.at(-1), current);
    await world.advance(1_000);
    assertEquals(published.at(-1), [bar(now + 1)]);
    await world.advance(Math.max(0, -stepSeconds) * 1_000);
    const known = (await bars(-10_000)).map(({ platforms }) => platforms.apns.delivered);
    assertEquals(known.filter((count) => count > 0), expected);
  });
}

Deno.test("monitor publishes the idle second in which the wall clock was set back", async () => {
  await using world = newWorld();
  const { published } = await watch(world);
  await world.advance(10_000);
  world.clock.setWall(world.clock.wallNow() - 90_000);
  await world.advance(1_000);
  assertEquals(published.at(-1), [bar(-80)]);
});

Deno.test("BarFeed takes a bounded number of listeners, and again when one has left", () => {
  const feed = new BarFeed();
  const heard: number[] = [];
  const leave = Array.from(
    { length: MONITOR_LISTENERS_MAX },
    (_, index) => feed.subscribe(() => void heard.push(index)),
  );
  assertEquals(feed.subscribe(() => {}), undefined);
  for (const end of leave.slice(1)) end?.();
  leave[1]?.();
  feed.publish([]);
  assertEquals(heard, [0]);
  assertEquals(typeof feed.subscribe(() => {}), "function");
});
