import { assert, assertEquals } from "@std/assert";
import { LiveLines } from "../../../transports/command_line/live_lines.ts";
import { reportText, wentWell } from "../../../transports/command_line/notification_report.ts";
import {
  type Progress,
  type ProgressCounts,
  progressLine,
  progressLines,
  ProgressMeters,
  RateMeter,
} from "../../../transports/command_line/progress.ts";
import { grouped, percent, showSpan } from "../../../transports/command_line/shown_number.ts";
import { table } from "../../../transports/command_line/table.ts";

const NONE: ProgressCounts = {
  total: 0,
  delivered: 0,
  tokenInvalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
  pending: 0,
  retries: 0,
};

function sending(apns: Partial<ProgressCounts>, fcm: Partial<ProgressCounts>): Progress {
  const [a, f] = [{ ...NONE, ...apns }, { ...NONE, ...fcm }];
  const counts = {
    ...NONE,
    total: a.total + f.total,
    delivered: a.delivered + f.delivered,
    tokenInvalid: a.tokenInvalid + f.tokenInvalid,
    rejected: a.rejected + f.rejected,
    pending: a.pending + f.pending,
  };
  return { id: "n1", status: "sending", counts, platforms: { fcm: f, apns: a } };
}

const HALF = sending(
  { total: 1_000, delivered: 450, tokenInvalid: 40, rejected: 10, pending: 500 },
  { total: 3_000, delivered: 600, pending: 2_400 },
);

/** Meters that saw nothing a second ago and this now. */
function metersOf(progress: Progress): ProgressMeters {
  const meters = new ProgressMeters();
  const before = sending({ total: 1_000, pending: 1_000 }, { total: 3_000, pending: 3_000 });
  meters.add(0, before);
  meters.add(1_000, progress);
  return meters;
}

Deno.test("progressLines() shows delivered, dead, failed, rate, time left and a bar for each platform", () => {
  const lines = progressLines(HALF, metersOf(HALF), { columns: 80, colour: false });
  assertEquals(lines, [
    "n1 sending",
    "      delivered  dead  failed     of     rate  left",
    "apns        450    40      10  1,000    500/s    1s   50%  █████████▓░░░░░░░░░░",
    "fcm         600     0       0  3,000    600/s    4s   20%  ████░░░░░░░░░░░░░░░░",
    "all       1,050    40      10  4,000  1,100/s    3s   27%  ████▓░░░░░░░░░░░░░░░",
  ]);
});

Deno.test("progressLines() fits any terminal, and colours do not count", () => {
  for (const columns of [1, 20, 40, 60, 79, 80, 200]) {
    const plain = progressLines(HALF, metersOf(HALF), { columns, colour: false });
    assert(plain.every((line) => line.length <= columns), `${columns} columns`);
    const coloured = progressLines(HALF, metersOf(HALF), { columns, colour: true });
    // deno-lint-ignore no-control-regex -- What is taken out is what a terminal does not show.
    assertEquals(coloured.map((line) => line.replaceAll(/\x1b\[\d+m/g, "")), plain);
  }
});

Deno.test("progressLines() knows no time left while the audience is still being read or nothing moves", () => {
  const still = new ProgressMeters();
  const left = (progress: Progress, meters: ProgressMeters) =>
    progressLine(progress, meters).split("left ")[1];
  assertEquals(left(HALF, still), "–");
  assertEquals(left({ ...HALF, status: "expanding" }, metersOf(HALF)), "–");
  assertEquals(left({ ...HALF, status: "cancelled" }, metersOf(HALF)), "0s");
  assertEquals(
    progressLine(HALF, metersOf(HALF)),
    "sending: 1,100 of 4,000 (27%), delivered 1,050, dead 40, failed 10, 1,100/s, left 3s",
  );
});

Deno.test("RateMeter looks five seconds back, and holds a bounded number of samples", () => {
  const meter = new RateMeter();
  assertEquals(meter.perSecond(), 0);
  meter.add(0, 0);
  assertEquals(meter.perSecond(), 0);
  meter.add(1_000, 500);
  assertEquals(meter.perSecond(), 500);
  for (let at = 2_000; at <= 20_000; at += 250) meter.add(at, 500);
  assertEquals(meter.perSecond(), 0);
  for (let at = 0; at < 1_000; at++) meter.add(20_001 + at, 500 + at);
  assert(Math.abs(meter.perSecond() - 1_000) < 1, `${meter.perSecond()}`);
});

Deno.test("showSpan(), grouped() and percent() read as people write", () => {
  const spans: readonly (readonly [number, string])[] = [
    [0, "0s"],
    [1, "1s"],
    [59_000, "59s"],
    [60_000, "1m 00s"],
    [65_000, "1m 05s"],
    [3_600_000, "1h 00m"],
    [12_000_000, "3h 20m"],
    [176_400_000, "2d 01h"],
  ];
  for (const [ms, text] of spans) assertEquals(showSpan(ms), text);
  assertEquals([grouped(999), grouped(1_234_567.4)], ["999", "1,234,567"]);
  assertEquals([percent(0, 0), percent(999, 1_000), percent(5, 5)], [0, 99, 100]);
});

Deno.test("LiveLines draws over what it drew, and leaves nothing of a longer block", () => {
  let screen = "";
  const live = new LiveLines((text) => screen += text);
  live.draw(["a", "b"]);
  live.draw(["c"]);
  live.draw([]);
  const [first, second, third] = [
    "\r\x1b[Ka\n\x1b[Kb\n\x1b[J",
    "\r\x1b[2A\x1b[Kc\n\x1b[J",
    "\r\x1b[1A\x1b[J",
  ];
  assertEquals(screen, `${first}${second}${third}`);
  screen = "";
  live.draw(["d"]);
  live.clear();
  live.draw(["e"]);
  assertEquals(screen, "\r\x1b[Kd\n\x1b[J\x1b[H\x1b[J\r\x1b[Ke\n\x1b[J");
});

Deno.test("table() aligns columns and shows nothing that moves a terminal", () => {
  const rows = [["app", "count"], ["shop\x1b[2J", "7"]];
  assertEquals(table(rows, { right: [1] }), "  app            count\n  shop\\u001b[2J      7");
  assertEquals(table([]), "");
});

Deno.test("reportText() says how many, how long and what became of them, without columns of zeros", () => {
  const done = {
    ...sending({ total: 10, delivered: 8, tokenInvalid: 2 }, { total: 5, delivered: 5 }),
    status: "done",
    startedAt: "2030-01-01T00:00:00.000Z",
    finishedAt: "2030-01-01T00:00:03.000Z",
  };
  assertEquals(
    reportText(done),
    `Notification n1 is done: 15 recipients in 3s, 5 a second.

        recipients  delivered  dead tokens
  apns          10          8            2
  fcm            5          5            0
  all           15         13            2
`,
  );
  assertEquals(
    reportText({ ...done, status: "sending", finishedAt: null }).split("\n")[0],
    "Notification n1 is sending: 15 recipients so far.",
  );
});

Deno.test("wentWell() takes dead tokens for no failure, and nobody for one", () => {
  const rows: readonly (readonly [Partial<ProgressCounts>, string, boolean])[] = [
    [{ total: 2, delivered: 2 }, "done", true],
    [{ total: 2, delivered: 1, tokenInvalid: 1 }, "done", true],
    [{ total: 2, delivered: 1, rejected: 1 }, "done", false],
    [{ total: 2, delivered: 1, expired: 1 }, "done", false],
    [{ total: 2, delivered: 1, failed: 1 }, "done", false],
    [{ total: 2, delivered: 1, cancelled: 1 }, "done", false],
    [{ total: 2, delivered: 1, pending: 1 }, "done", false],
    [{ total: 2, delivered: 2 }, "cancelled", false],
    [{}, "done", false],
  ];
  for (const [counts, status, expected] of rows) {
    const progress = { id: "n1", status, counts: { ...NONE, ...counts }, platforms: {} };
    assertEquals(wentWell(progress), expected, `${JSON.stringify(counts)} ${status}`);
  }
});
