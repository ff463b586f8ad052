import { assertEquals } from "@std/assert";
import {
  announcement,
  FRESH_MS,
  Happenings,
  HAPPENINGS_MAX,
} from "../../../transports/dashboard/monitor/tour_happenings.js";
import { actorPart } from "./tour_parts.ts";

const SINK = "root/sinks/webhook";

function crash(at: number, path = SINK, incarnation = 1) {
  return { at, kind: "crashed", path, error: "no", incarnation } as const;
}

function start(at: number, path = SINK, incarnation = 2) {
  return { at, kind: "restarted", path, error: null, incarnation } as const;
}

function of(...frames: readonly Parameters<Happenings["take"]>[0][]): Happenings {
  const happenings = new Happenings();
  for (const frame of frames) happenings.take(frame);
  return happenings;
}

/** The rows in short. */
function rows(happenings: Happenings) {
  return happenings.rows.map(({ at, kind, restartedAt }) => [at, kind, restartedAt]);
}

function remembered(path: string, lastCrashAt: number | null) {
  return actorPart(path, { lastCrash: "was", lastCrashAt });
}

Deno.test("Happenings writes a start to the crash before it, the newest first", () => {
  const table = [
    { frames: [crash(1)], rows: [[1, "crashed", null]] },
    { frames: [crash(1), start(3)], rows: [[1, "crashed", 3]] },
    {
      frames: [crash(1), start(3), crash(4)],
      rows: [[4, "crashed", null], [1, "crashed", 3]],
    },
    {
      frames: [crash(1), crash(2, "root/other"), start(3)],
      rows: [[2, "crashed", null], [1, "crashed", 3]],
    },
    // Started again because of another one's crash.
    {
      frames: [crash(1), start(3, "root/b")],
      rows: [[3, "restarted", null], [1, "crashed", null]],
    },
    { frames: [{ at: 5, kind: "more", count: 80 } as const], rows: [[5, "more", null]] },
  ] as const;
  for (const { frames, rows: wanted } of table) {
    assertEquals(rows(of(...frames)), wanted.map((row) => [...row]));
  }
});

Deno.test("Happenings keeps no more than its bound, and those are the newest", () => {
  const frames = Array.from({ length: 3 * HAPPENINGS_MAX }, (_, at) => crash(at, `root/${at}`));
  const kept = of(...frames).rows;
  assertEquals(kept.length, HAPPENINGS_MAX);
  assertEquals(kept[0]?.at, 3 * HAPPENINGS_MAX - 1);
});

Deno.test("Happenings adds what the tree remembers, unless it was told of", () => {
  const happenings = of(crash(10_000), crash(20_000, "root/pool/7"));
  happenings.take({ at: 31_000, kind: "more", count: 5 });
  const parts = [
    remembered(SINK, 10_002),
    remembered("root/pool", 20_000),
    remembered("root/counted", 30_500),
    remembered("root/never", null),
    remembered("root/before", 2_000),
  ];
  happenings.remember(parts);
  happenings.remember(parts);
  assertEquals(
    happenings.rows.map(({ path, told }) => [path, told]),
    [["", true], ["root/pool/7", true], [SINK, true], ["root/before", false]],
  );
});

Deno.test("Happenings marks a box for a while, and a fold for what is in it", () => {
  const happenings = of(crash(1_000, "root/pool/7"));
  const table = [
    ["root/pool/7", 1_000, false, "crashed"],
    ["root/pool", 1_000, true, "crashed"],
    ["root/pool", 1_000, false, undefined],
    ["root/po", 1_000, true, undefined],
    ["root/pool", 1_000 + FRESH_MS, true, "crashed"],
    ["root/pool", 1_001 + FRESH_MS, true, undefined],
  ] as const;
  for (const [path, now, beneath, mark] of table) {
    assertEquals(happenings.mark(path, now, beneath), mark, `${path} at ${now}`);
  }
  happenings.take(start(2_000, "root/pool/7"));
  assertEquals(happenings.mark("root/pool", 2_000 + FRESH_MS, true), "restarted");
  // Nobody saw it: it is in the list alone.
  const before = new Happenings();
  before.remember([remembered("root/a", 1_000)]);
  assertEquals(before.mark("root/a", 1_000, false), undefined);
});

Deno.test("announcement says one crash in words and many as a number", () => {
  const titleOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  const table = [
    [of(), ""],
    [of(crash(1)), "webhook crashed."],
    [of(crash(1), start(2)), "webhook crashed and was started again."],
    [of(start(2)), "Started again: webhook."],
    [of({ ...crash(1), kind: "gave_up" }), "webhook gave up."],
    [of(crash(1), crash(2), crash(3, "root/b")), "3 crashes: b, webhook."],
    [
      of(crash(1, "r/a"), crash(2, "r/b"), crash(3, "r/c"), crash(4, "r/d")),
      "4 crashes: d, c, b and others.",
    ],
    [of(crash(1), { at: 2, kind: "more", count: 1_200 }), "1,201 crashes: webhook."],
  ] as const;
  for (const [happenings, text] of table) {
    assertEquals(announcement(happenings.rows, titleOf), text);
  }
});
