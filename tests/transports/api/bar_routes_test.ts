/** The bars of the past at the API; every answer is what the served document says. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Bar } from "../../../actors/push/delivery/sinks/monitor.ts";
import type { Tally } from "../../../actors/push/delivery/store.ts";
import { ApiWorld, NOW } from "../../support/api_world.ts";

const SECOND = NOW / 1_000;
const NONE = { delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 };
const ZEROS = { ...NONE, retries: 0 };

function tally(position: number, secondsAgo: number, delivered: number): Tally {
  return {
    position,
    notification: "n",
    app: "shop",
    platform: "fcm",
    at: NOW - 1_000 * secondsAgo,
    outcomes: { ...NONE, delivered },
    retries: 1,
  };
}

function bar(second: number, delivered: number, retries = 0): Bar {
  const fcm = { ...ZEROS, delivered, retries };
  return { second, platforms: { apns: ZEROS, fcm, webpush: ZEROS } };
}

async function bars(world: ApiWorld, query: string): Promise<unknown> {
  const { status, text } = await world.call("GET", `/v1/bars${query}`, { token: "read-token" });
  assertEquals(status, 200, text);
  return JSON.parse(text);
}

Deno.test("GET /v1/bars of an hour and of a day is the store's history by ten seconds and five minutes", async () => {
  await using world = await ApiWorld.open();
  await world.store.addToHistory([
    tally(1, 90_000, 1),
    tally(2, 86_000, 2),
    tally(3, 86_001, 3),
    tally(4, 3_590, 4),
    tally(5, 3_589, 5),
    tally(6, 0, 6),
  ]);
  world.now += 9_000;
  assertEquals(await bars(world, "?span=hour"), {
    span: "hour",
    step: 10,
    from: SECOND - 3_590,
    to: SECOND + 10,
    bars: [bar(SECOND - 3_590, 9, 2), bar(SECOND, 6, 1)],
  });
  assertEquals(await bars(world, "?span=day"), {
    span: "day",
    step: 300,
    from: SECOND - 86_100,
    to: SECOND + 300,
    bars: [bar(SECOND - 86_100, 5, 2), bar(SECOND - 3_600, 9, 2), bar(SECOND, 6, 1)],
  });
});

Deno.test("GET /v1/bars of ten minutes is what the monitor has, without its zeros", async () => {
  await using world = await ApiWorld.open();
  const asked: number[] = [];
  world.bars = (since) => {
    asked.push(since);
    return Promise.resolve([bar(SECOND - 599, 1), bar(SECOND - 1, 0), bar(SECOND, 2)]);
  };
  const expected = {
    span: "ten_minutes",
    step: 1,
    from: SECOND - 599,
    to: SECOND + 1,
    bars: [bar(SECOND - 599, 1), bar(SECOND, 2)],
  };
  assertEquals(await bars(world, ""), expected);
  assertEquals(await bars(world, "?span=ten_minutes"), expected);
  assertEquals(asked, [SECOND - 599, SECOND - 599]);
});

Deno.test("GET /v1/bars is 503 while the monitor or the store is silent, each for its own spans", async () => {
  let away = true;
  await using world = await ApiWorld.open({
    store: { fault: ({ name }) => away && name === "history" ? "io" : undefined },
  });
  world.bars = () => Promise.reject(new Error("secret detail"));
  const statusOf = async (span: string) => {
    const { status, text, headers } = await world.call("GET", `/v1/bars?span=${span}`);
    if (status === 503) {
      assertStringIncludes(text, "the bars are not available now");
      assertEquals(headers.get("retry-after"), "1");
    }
    return status;
  };
  assertEquals(await statusOf("ten_minutes"), 503);
  assertEquals([await statusOf("hour"), await statusOf("day")], [503, 503]);
  away = false;
  assertEquals([await statusOf("hour"), await statusOf("day")], [200, 200]);
  world.bars = () => Promise.resolve([]);
  assertEquals(await statusOf("ten_minutes"), 200);
});
