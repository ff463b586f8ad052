import { assertEquals } from "@std/assert";
import {
  barsOfSlots,
  type BarSpan,
  barsWithin,
  barWindow,
  readBarSpan,
} from "../../../../actors/push/delivery/bar_spans.ts";
import type { Bar, PlatformBar } from "../../../../actors/push/delivery/sinks/monitor.ts";

const NONE = { delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 };

function bar(second: number, fcm: Partial<PlatformBar> = {}): Bar {
  const zeros = { ...NONE, retries: 0 };
  return { second, platforms: { apns: zeros, fcm: { ...zeros, ...fcm }, webpush: zeros } };
}

Deno.test("barWindow() ends with the present step, and begins a whole span before its end", () => {
  const table: readonly (readonly [BarSpan, nowMs: number, from: number, to: number])[] = [
    ["ten_minutes", 1_700_000_000_000, 1_699_999_401, 1_700_000_001],
    ["ten_minutes", 1_700_000_000_999, 1_699_999_401, 1_700_000_001],
    ["ten_minutes", 1_700_000_001_000, 1_699_999_402, 1_700_000_002],
    ["hour", 1_700_000_000_000, 1_699_996_410, 1_700_000_010],
    ["hour", 1_700_000_009_999, 1_699_996_410, 1_700_000_010],
    ["hour", 1_700_000_010_000, 1_699_996_420, 1_700_000_020],
    ["day", 1_700_000_100_000, 1_699_914_000, 1_700_000_400],
    ["day", 1_700_000_399_999, 1_699_914_000, 1_700_000_400],
    ["day", 1_700_000_400_000, 1_699_914_300, 1_700_000_700],
  ];
  for (const [span, now, from, to] of table) {
    const window = barWindow(span, now);
    assertEquals([window.from, window.to], [from, to], `${span} at ${now}`);
    assertEquals([from % window.step, to % window.step], [0, 0], `${span} at ${now}`);
  }
});

Deno.test("barsWithin() leaves out what is not in the window, and bars of zeros", () => {
  const window = barWindow("ten_minutes", 1_700_000_000_000);
  const bars = [
    bar(window.from - 1, { delivered: 1 }),
    bar(window.from, { delivered: 1 }),
    bar(window.from + 1),
    bar(window.from + 2, { retries: 1 }),
    bar(window.to - 1, { cancelled: 1 }),
    bar(window.to, { delivered: 1 }),
  ];
  const seconds = barsWithin(window, bars).map(({ second }) => second - window.from);
  assertEquals(seconds, [0, 2, 599]);
});

Deno.test("barsOfSlots() puts the platforms of a step into one bar", () => {
  const bars = barsOfSlots([
    { second: 10, platform: "apns", outcomes: { ...NONE, delivered: 1, failed: 2 }, retries: 3 },
    { second: 10, platform: "webpush", outcomes: { ...NONE, rejected: 4 }, retries: 0 },
    { second: 30, platform: "fcm", outcomes: { ...NONE, expired: 5 }, retries: 6 },
  ]);
  const zeros = { ...NONE, retries: 0 };
  assertEquals(bars, [
    {
      second: 10,
      platforms: {
        apns: { ...zeros, delivered: 1, failed: 2, retries: 3 },
        fcm: zeros,
        webpush: { ...zeros, rejected: 4 },
      },
    },
    {
      second: 30,
      platforms: { apns: zeros, fcm: { ...zeros, expired: 5, retries: 6 }, webpush: zeros },
    },
  ]);
});

Deno.test("readBarSpan() takes the last ten minutes for granted, and names what it knows", () => {
  assertEquals(readBarSpan({}), { kind: "value", value: { span: "ten_minutes" } });
  assertEquals(readBarSpan({ span: "day" }), { kind: "value", value: { span: "day" } });
  assertEquals(readBarSpan({ span: "week", since: "1" }), {
    kind: "problems",
    problems: [
      { path: "span", message: 'must be one of ten_minutes, hour, day, found "week"' },
      { path: "since", message: "unknown field; known are span" },
    ],
  });
});
