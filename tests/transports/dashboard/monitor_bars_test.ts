import { assertEquals } from "@std/assert";
import {
  answeredPicture,
  barAt,
  ended,
  failures,
  LiveBars,
  partOf,
  retries,
  stacked,
  summed,
} from "../../../transports/dashboard/monitor/bars.js";

const NOTHING = {
  delivered: 0,
  token_invalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
  retries: 0,
};

/** A second in which so many were delivered to Apple. */
function bar(second: number, delivered: number, more: Partial<typeof NOTHING> = {}) {
  const apns = { ...NOTHING, delivered, ...more };
  return { second, platforms: { apns, fcm: NOTHING, webpush: NOTHING } };
}

/** What stands in each second of a picture in which something ended. */
function seen(live: LiveBars): Readonly<Record<string, number>> {
  const { bars = [] } = live.picture() ?? {};
  return Object.fromEntries(
    bars.flatMap((one) => one === undefined ? [] : [[one.second, ended(one)]]),
  );
}

function taken(...bars: readonly ReturnType<typeof bar>[]): LiveBars {
  const live = new LiveBars();
  for (const one of bars) live.take(one);
  return live;
}

Deno.test("LiveBars.picture() is absent before the first bar, and all there is is asked for", () => {
  const live = new LiveBars();
  assertEquals([live.picture(), live.newest, live.since, live.rate()], [
    undefined,
    undefined,
    0,
    0,
  ]);
});

Deno.test("LiveBars.picture() has ten minutes that end with the newest second", () => {
  const picture = taken(bar(10_000, 5)).picture();
  assertEquals([picture?.from, picture?.to, picture?.step, picture?.bars.length], [
    9_401,
    10_001,
    1,
    600,
  ]);
});

for (
  const [what, bars, expected] of [
    ["a bar replaces the one of its second", [bar(5, 1), bar(5, 4)], { 5: 4 }],
    ["a late addition has its own second", [bar(5, 1), bar(7, 1), bar(5, 3)], { 5: 3, 7: 1 }],
    ["a node that began anew takes nothing away", [bar(5, 9), bar(5, 0), bar(6, 0)], {
      5: 9,
      6: 0,
    }],
    ["a clock set forward leaves the past behind", [bar(5, 1), bar(5_000, 2)], { 5000: 2 }],
    ["a clock set back begins again", [bar(5_000, 2), bar(5, 1), bar(6, 3)], { 5: 1, 6: 3 }],
    ["the oldest second goes when the newest comes", [bar(1, 1), bar(2, 2), bar(601, 3)], {
      2: 2,
      601: 3,
    }],
  ] as const
) {
  Deno.test(`LiveBars.take(): ${what}`, () => {
    assertEquals(seen(taken(...bars)), expected);
  });
}

Deno.test("LiveBars.begin() leaves to the stream what it has brought already", () => {
  const live = taken(bar(10_001, 1));
  const answer = { span: "ten_minutes", step: 1, from: 9_400, to: 10_000 } as const;
  live.begin({ ...answer, bars: [bar(9_400, 7), bar(9_401, 7), bar(9_402, 7)] });
  assertEquals(seen(live), { 9402: 7, 10001: 1 });
  assertEquals(live.newest, 10_001);
});

Deno.test("LiveBars.begin() moves to the node's present second when nothing has ended", () => {
  const live = new LiveBars();
  live.begin({ span: "ten_minutes", step: 1, from: 400, to: 1_000, bars: [] });
  assertEquals([live.newest, live.picture()?.from, live.picture()?.to], [999, 400, 1_000]);
});

Deno.test("LiveBars.since asks for some seconds again: results may have come late", () => {
  assertEquals(taken(bar(1_000, 1)).since, 990);
});

Deno.test("LiveBars.rate() is the mean of the last ten seconds, whatever stands before them", () => {
  assertEquals(taken(bar(90, 1_000), bar(91, 40), bar(95, 20), bar(100, 40)).rate(), 10);
});

const MIXED = {
  second: 20,
  platforms: {
    apns: { ...NOTHING, delivered: 10, token_invalid: 2, retries: 7 },
    fcm: { ...NOTHING, delivered: 5, failed: 1, cancelled: 4 },
    webpush: { ...NOTHING, rejected: 3, expired: 1, retries: 1 },
  },
};
const PICTURE = answeredPicture({
  span: "hour",
  step: 10,
  from: 0,
  to: 40,
  bars: [bar(0, 6), MIXED],
});

Deno.test("stacked() puts platforms upon each other; steps without a bar are empty", () => {
  const { names, tops } = stacked(PICTURE, "platform");
  assertEquals(names, ["apns", "fcm", "webpush"]);
  assertEquals(tops.map((top) => [...top]), [[6, 0, 12, 0], [6, 0, 22, 0], [6, 0, 26, 0]]);
});

Deno.test("stacked() puts outcomes upon each other, to the same height", () => {
  const { names, tops } = stacked(PICTURE, "outcome");
  assertEquals(names[0], "delivered");
  assertEquals(tops.map((top) => top[2]), [15, 17, 20, 21, 22, 26]);
});

Deno.test("summed() has what all steps have, and the parts of it add up", () => {
  const sums = summed(PICTURE);
  assertEquals([ended(sums), partOf(sums, "apns"), partOf(sums, "delivered"), retries(sums)], [
    32,
    18,
    21,
    8,
  ]);
  assertEquals(failures(sums), { failed: 7, tried: 28 });
});

for (const [second, expected] of [[20, 26], [29, 26], [30, 0], [0, 6], [39, 0]] as const) {
  Deno.test(`barAt() of second ${second} => ${expected} ended`, () => {
    const found = barAt(PICTURE, second);
    assertEquals([ended(found), found.second], [expected, Math.floor(second / 10) * 10]);
  });
}
