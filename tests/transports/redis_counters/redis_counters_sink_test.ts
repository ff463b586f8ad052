/** The counters against a real Redis: each tally once, whatever is repeated, cut off or stopped. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { TallySink } from "../../../actors/push/delivery/ports.ts";
import type { Tally } from "../../../actors/push/delivery/store.ts";
import { openRedis, StoreError, StoreOpenError } from "../../../transports/redis/redis.ts";
import {
  type Counters,
  openRedisCountersSink,
  readNotificationCounters,
  readSecondCounters,
  readTotalCounters,
  type RedisCountersOptions,
  type RedisCountersSink,
} from "../../../transports/redis_counters/mod.ts";
import { startRedis, startRedisCluster } from "../../support/redis_server.ts";
import { Seeded } from "../../support/seeded.ts";

/** A time in whole seconds, so far ahead that nothing expires while a test runs. */
const SECOND = 4_000_000_000;
const AT = SECOND * 1_000;

const NONE = {
  delivered: 0,
  token_invalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
} as const;

const signal = new AbortController().signal;

function tally(position: number, change: Partial<Tally> = {}): Tally {
  return {
    position,
    notification: "n1",
    app: "shop",
    platform: "apns",
    at: AT,
    outcomes: { ...NONE, delivered: 10 },
    retries: 0,
    ...change,
  };
}

function tallies(count: number, first = 1): readonly Tally[] {
  return Array.from({ length: count }, (_, index) => tally(first + index));
}

function delivered(counters: Counters): number {
  return counters.apns?.delivered ?? 0;
}

/** What the counters under this address say was delivered. */
async function totalAt(url: string): Promise<number> {
  await using redis = await openRedis({ url });
  return delivered(await readTotalCounters(redis));
}

/** Offers a page until it is taken, as the sink's actor does. */
async function insist(sink: RedisCountersSink, page: readonly Tally[]): Promise<number> {
  for (let failures = 0;; failures++) {
    try {
      await sink.record(page, signal);
      return failures;
    } catch (error) {
      if (!(error instanceof StoreError) || failures > 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

Deno.test("RedisCountersSink counts in total, by notification and by second, per platform", async () => {
  await using server = await startRedis();
  await using sink: TallySink & AsyncDisposable = await openRedisCountersSink({
    url: server.url(),
  });
  await sink.record([
    tally(1, { outcomes: { ...NONE, delivered: 7, rejected: 1 }, retries: 2 }),
    tally(2, { platform: "fcm", at: AT + 999, outcomes: { ...NONE, expired: 3, failed: 4 } }),
    tally(4, { notification: "n2", at: AT + 1_000 }),
    tally(5, { notification: "n3", outcomes: NONE }),
  ], signal);
  await using redis = await openRedis({ url: server.url() });
  const apns = { ...NONE, delivered: 7, rejected: 1, retries: 2 };
  const fcm = { ...NONE, expired: 3, failed: 4, retries: 0 };
  const other = { ...NONE, delivered: 10, retries: 0 };
  assertEquals(await readNotificationCounters(redis, "n1"), { apns, fcm });
  assertEquals(await readNotificationCounters(redis, "n2"), { apns: other });
  assertEquals(await readNotificationCounters(redis, "n3"), {});
  assertEquals(await readTotalCounters(redis), { apns: { ...apns, delivered: 17 }, fcm });
  assertEquals(await readSecondCounters(redis, SECOND - 5, SECOND + 5), [
    { second: SECOND, platforms: { apns, fcm } },
    { second: SECOND + 1, platforms: { apns: other } },
  ]);
  assertEquals(
    await server.cli("HGETALL", "heliograph:{counters}:notification:n2"),
    "apns:delivered\n10",
  );
  assertEquals(
    await server.cli("HGETALL", "heliograph:{counters}:position"),
    `store\n5:${AT + 1_000}`,
  );
});

Deno.test("RedisCountersSink counts each tally once however pages overlap, and whoever offers them", async () => {
  await using server = await startRedis();
  const seeded = new Seeded(7);
  const log = Array.from({ length: 400 }, (_, index) =>
    tally(index + 1, {
      at: AT + Math.floor(index / 7) * 1_000,
      notification: `n${seeded.between(0, 4)}`,
      outcomes: { ...NONE, delivered: seeded.between(0, 1_000) },
    }));
  let counted = 0;
  for (let life = 0; life < 30; life++) {
    await using sink = await openRedisCountersSink({ url: server.url() });
    for (let page = 0; page < 4; page++) {
      const from = Math.max(0, counted - seeded.between(0, 40));
      const to = Math.min(log.length, from + 1 + seeded.between(0, 40));
      await sink.record(log.slice(from, to), signal);
      counted = Math.max(counted, to);
      const expected = log.slice(0, counted)
        .reduce((sum, { outcomes }) => sum + outcomes.delivered, 0);
      assertEquals(await totalAt(server.url()), expected);
    }
  }
  await using redis = await openRedis({ url: server.url() });
  const seconds = await readSecondCounters(redis, SECOND, SECOND + 100);
  const bySecond = seconds.reduce((sum, { platforms }) => sum + delivered(platforms), 0);
  let byNotification = 0;
  for (let name = 0; name < 5; name++) {
    byNotification += delivered(await readNotificationCounters(redis, `n${name}`));
  }
  const total = delivered(await readTotalCounters(redis));
  assertEquals([bySecond, byNotification], [total, total]);
  assert(counted > 300, `${counted} tallies`);
});

Deno.test("RedisCountersSink counts each tally once when connections are cut under it", async () => {
  await using server = await startRedis();
  await using sink = await openRedisCountersSink({ url: server.url() });
  let [rounds, failures] = [0, 0];
  // Not every cut comes while a page is on its way.
  for (; failures < 5 && rounds < 500; rounds++) {
    const page = insist(sink, tallies(10, rounds * 10 + 1));
    await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    failures += await page;
  }
  assertEquals(failures >= 5, true);
  assertEquals(await totalAt(server.url()), rounds * 100);
  const position = await server.cli("HGET", "heliograph:{counters}:position", "store");
  assertEquals(position, `${rounds * 10}:${AT}`);
});

for (
  const { title, stop } of [
    { title: "stopped", stop: "stop" },
    { title: "killed", stop: "kill9" },
  ] as const
) {
  Deno.test(`RedisCountersSink rejects while Redis is ${title}, and counts on when it is back`, async () => {
    await using server = await startRedis({ appendfsync: "always" });
    await using sink = await openRedisCountersSink({ url: server.url() });
    await sink.record(tallies(3), signal);
    await server[stop]();
    const error = await assertRejects(() => sink.record(tallies(4, 2), signal), StoreError);
    assertEquals(error.code, "unavailable");
    await server.start();
    await insist(sink, tallies(4, 2));
    assertEquals(await totalAt(server.url()), 50);
  });
}

Deno.test("RedisCountersSink counts a store that began anew, and each of its tallies once", async () => {
  await using server = await startRedis();
  await using sink = await openRedisCountersSink({ url: server.url() });
  await sink.record(tallies(100), signal);
  const anew = tallies(10).map((tally) => ({ ...tally, at: AT + tally.position }));
  await sink.record(anew.slice(0, 6), signal);
  await using other = await openRedisCountersSink({ url: server.url() });
  for (const again of [sink, other]) await again.record(anew, signal);
  assertEquals(await totalAt(server.url()), 1_100);
});

Deno.test("RedisCountersSink lets seconds and notifications expire, and keeps the total", async () => {
  await using server = await startRedis();
  await using sink = await openRedisCountersSink({
    url: server.url(),
    secondsRetentionMs: 60_000,
    notificationsRetentionMs: 90_000,
  });
  await sink.record([tally(1), tally(2, { at: AT + 1_500 })], signal);
  const expiry = (key: string) => server.cli("EXPIRETIME", `heliograph:{counters}:${key}`);
  assertEquals(await expiry(`second:${SECOND}`), String(SECOND + 60));
  assertEquals(await expiry(`second:${SECOND + 1}`), String(SECOND + 62));
  assertEquals(await expiry("notification:n1"), String(SECOND + 92));
  assertEquals(await expiry("total"), "-1");
  // What comes when its second is over already is counted, but for the second.
  await sink.record([tally(3, { at: 1_000_000, notification: "late" })], signal);
  assertEquals(await expiry("second:1000"), "-2");
  assertEquals(await totalAt(server.url()), 30);
});

Deno.test("RedisCountersSink keeps stores and prefixes apart", async () => {
  await using server = await startRedis();
  const offers: readonly (readonly [string, Partial<RedisCountersOptions>, number])[] = [
    [server.url(), {}, 2],
    [server.url(), { store: "other" }, 3],
    [server.url("prefix=apart"), {}, 4],
  ];
  for (const [url, options, count] of offers) {
    await using sink = await openRedisCountersSink({ url, ...options });
    await sink.record(tallies(count), signal);
  }
  assertEquals([await totalAt(server.url()), await totalAt(server.url("prefix=apart"))], [50, 40]);
});

Deno.test("RedisCountersSink names what another program wrote into a count, and counts nothing of the page", async () => {
  await using server = await startRedis();
  const url = server.url();
  await using sink = await openRedisCountersSink({ url });
  await sink.record(tallies(1), signal);
  await server.cli("HSET", "heliograph:{counters}:second:4000000000", "apns:delivered", "ten");
  const error = await assertRejects(() => sink.record(tallies(2, 2), signal), StoreError);
  assertEquals(
    error.message,
    'Cannot read key heliograph:{counters}:second:4000000000: field "apns:delivered" is "ten", expected a whole number',
  );
  await using redis = await openRedis({ url });
  const unread = await assertRejects(() => readSecondCounters(redis, SECOND, SECOND), StoreError);
  assertEquals(unread.message, error.message);
  assertEquals([delivered(await readTotalCounters(redis))], [10]);
  await server.cli("DEL", "heliograph:{counters}:second:4000000000");
  await server.cli("SET", "heliograph:{counters}:notification:n1", "text");
  const wrong = await assertRejects(() => sink.record(tallies(2, 2), signal), StoreError);
  assertEquals(
    wrong.message,
    "Cannot count deliveries: key heliograph:{counters}:notification:n1 is a string, expected a hash",
  );
  await server.cli("DEL", "heliograph:{counters}:notification:n1");
  await server.cli("HSET", "heliograph:{counters}:total", "apns:opened", "1");
  const strange = await assertRejects(() => readTotalCounters(redis), StoreError);
  assertEquals(
    strange.message,
    'Cannot read key heliograph:{counters}:total: field "apns:opened" is none of the counts',
  );
  await sink.record(tallies(2, 2), signal);
  assertEquals(await server.cli("HGET", "heliograph:{counters}:total", "apns:delivered"), "30");
  await server.cli("HSET", "heliograph:{counters}:position", "store", "4");
  const mark = await assertRejects(() => sink.record(tallies(2, 4), signal), StoreError);
  assertEquals(
    mark.message,
    'Cannot read key heliograph:{counters}:position: field "store" is "4", expected a position and a time, as in "7:1700000000000"',
  );
});

Deno.test("RedisCountersSink refuses a page while memory is full, and counts nothing of it", async () => {
  await using server = await startRedis();
  await using sink = await openRedisCountersSink({ url: server.url() });
  await sink.record(tallies(1), signal);
  await server.cli("CONFIG", "SET", "maxmemory", "1");
  const error = await assertRejects(() => sink.record(tallies(2, 2), signal), StoreError);
  assertEquals(error.code, "full");
  await server.cli("CONFIG", "SET", "maxmemory", "0");
  assertEquals(await totalAt(server.url()), 10);
  await sink.record(tallies(2, 2), signal);
  assertEquals(await totalAt(server.url()), 30);
});

Deno.test("RedisCountersSink counts in a cluster", async () => {
  await using cluster = await startRedisCluster();
  const url = cluster.freshUrl();
  await using sink = await openRedisCountersSink({ url });
  await sink.record(tallies(5), signal);
  assertEquals(await totalAt(url), 50);
});

Deno.test("RedisCountersSink stops at the signal", async () => {
  await using server = await startRedis();
  await using sink = await openRedisCountersSink({ url: server.url() });
  await assertRejects(() => sink.record(tallies(1), AbortSignal.abort()), DOMException);
  assertEquals(await totalAt(server.url()), 0);
});

Deno.test("openRedisCountersSink() refuses counters of a newer program, and options out of range", async () => {
  await using server = await startRedis();
  const url = server.url();
  await server.cli("HSET", "heliograph:schema", "counters", "2");
  const newer = await assertRejects(() => openRedisCountersSink({ url }), StoreOpenError);
  assertEquals(newer.code, "newer_schema");
  for (
    const [options, problem] of [
      [{ store: "" }, "store: 0 characters, 1 to 64 allowed"],
      [
        { secondsRetentionMs: 999 },
        "secondsRetentionMs: 999, a whole number from 1000 on is allowed",
      ],
      [
        { notificationsRetentionMs: 1_000.5 },
        "notificationsRetentionMs: 1000.5, a whole number from 1000 on is allowed",
      ],
    ] as const
  ) {
    const open = () => openRedisCountersSink({ url, ...options });
    assertEquals((await assertRejects(open, RangeError)).message, problem);
  }
});

Deno.test("readSecondCounters() reads an hour at most", async () => {
  await using server = await startRedis();
  await using redis = await openRedis({ url: server.url() });
  assertEquals(await readSecondCounters(redis, 1, 3_600), []);
  for (const [first, last] of [[1, 3_601], [2, 1], [0.5, 3]] as const) {
    await assertRejects(() => readSecondCounters(redis, first, last), RangeError, "1 to 3600");
  }
});
