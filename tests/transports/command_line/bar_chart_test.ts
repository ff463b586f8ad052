import { assert, assertEquals } from "@std/assert";
import {
  chartLines,
  type ChartStyle,
  divisions,
} from "../../../transports/command_line/bar_chart.ts";
import { BarWindow, type SecondBar } from "../../../transports/command_line/bar_window.ts";

const NOTHING = {
  ...{ delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 },
  retries: 0,
};

/** 12:00:00 in UTC. */
const NOON = 43_200;

function clock(second: number): string {
  return new Date(second * 1_000).toISOString().slice(11, 19);
}

/** A second with so many delivered to APNs and FCM, and so many that failed on Web Push. */
function bar(second: number, apns: number, fcm = 0, webpush = 0): SecondBar {
  return {
    second,
    platforms: {
      apns: { ...NOTHING, delivered: apns },
      fcm: { ...NOTHING, delivered: fcm },
      webpush: { ...NOTHING, failed: webpush, retries: 1_000 },
    },
  };
}

function drawn(
  bars: readonly SecondBar[],
  style: Partial<ChartStyle>,
  notes: readonly string[] = [],
): readonly string[] {
  const window = new BarWindow();
  for (const one of bars) window.take(one);
  return chartLines(window, notes, { columns: 40, rows: 10, colour: false, clock, ...style });
}

/** Lines without colours, which take no room. */
function plain(lines: readonly string[]): readonly string[] {
  // deno-lint-ignore no-control-regex
  return lines.map((line) => line.replaceAll(/\x1b\[[\d;]*m/g, ""));
}

Deno.test("chartLines() has nothing before the first bar, and an empty scale while nothing ends", () => {
  assertEquals(drawn([], {}), []);
  assertEquals(
    drawn([bar(NOON, 0)], { rows: 9 }),
    [
      "deliveries a second, a line every 1",
      "▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔",
      "",
      "",
      "11:59:21                        12:00:00",
      "█ apns 0/s, 0   ▒ fcm 0/s, 0",
      "░ webpush 0/s, 0   all 0/s, 0 in 40s",
    ].toSpliced(3, 0, "", ""),
  );
});

Deno.test("chartLines() draws one second at the right, its platforms upon each other", () => {
  assertEquals(drawn([bar(NOON, 40, 30, 20)], { rows: 10 }, ["1 batch waiting"]), [
    "deliveries a second, a line every 20",
    "▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔░",
    "▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▒",
    "▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▒",
    "▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔█",
    "▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔█",
    "11:59:21                        12:00:00",
    "█ apns 4/s, 40   ▒ fcm 3/s, 30",
    "░ webpush 2/s, 20   all 9/s, 90 in 40s",
    "1 batch waiting",
  ]);
});

Deno.test("chartLines() fills eighths, and shows the smallest second", () => {
  const bars = Array.from({ length: 16 }, (_, at) => bar(NOON + at, at * 10));
  const seen = drawn([...bars, bar(NOON + 16, 1), bar(NOON + 17, 0, 1)], { columns: 24, rows: 9 });
  assertEquals(seen.slice(0, 5), [
    "a line every 50",
    "▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▂▃▅▆█▔▔",
    "▔▔▔▔▔▔▔▔▔▔▔▔▂▃▅▆██████▔▔",
    "▔▔▔▔▔▔▔▂▃▅▆███████████▁▒",
    "11:59:54        12:00:17",
  ]);
});

Deno.test("chartLines() paints platforms in their colours, two in the cell where they meet", () => {
  const bars = [bar(NOON - 2, 100), bar(NOON - 1, 25, 75), bar(NOON, 60, 35, 5)];
  const seen = drawn(bars, { columns: 24, rows: 8, colour: true });
  const line = `\x1b[2m${"▔".repeat(21)}\x1b[0m`;
  const [apns, fcm, webpush] = ["\x1b[38;5;32m█", "\x1b[38;5;166m█", "\x1b[38;5;29m█"];
  assertEquals(seen, [
    "a line every 50",
    `${line}${apns}\x1b[0m${fcm}\x1b[0m\x1b[38;5;32;48;5;166m▂\x1b[0m`,
    `${line}${apns}\x1b[0m\x1b[38;5;32;48;5;166m▄\x1b[0m${apns}\x1b[0m`,
    "11:59:37        12:00:00",
    `${apns}\x1b[0m apns 19/s, 185`,
    `${fcm}\x1b[0m fcm 11/s, 110`,
    `${webpush}\x1b[0m webpush 1/s, 5`,
    "all 30/s, 300 in 24s",
  ]);
});

Deno.test("chartLines() follows the terminal's size, up to 200,000 a second", () => {
  const bars = Array.from(
    { length: 600 },
    (_, at) => bar(NOON + at, 100_000 + at * 10, 50_000, 44_010),
  );
  for (const columns of [1, 7, 20, 80, 400, 1_000]) {
    for (const rows of [1, 2, 5, 12, 60]) {
      for (const colour of [false, true]) {
        const notes = Array.from({ length: 9 }, (_, at) => `note ${at} `.repeat(5));
        const lines = plain(drawn(bars, { columns, rows, colour }, notes));
        assertEquals(lines.length, rows);
        assert(lines.every(({ length }) => length <= columns), lines.join("\n"));
      }
    }
  }
  const wide = drawn(bars, { columns: 400, rows: 12 });
  assertEquals(wide[0], "deliveries a second, a line every 50,000");
  const row = (glyph: string) => glyph.repeat(400);
  assertEquals(wide.slice(1, 10), ["", ..."░░▒▒████"].map((one) => one && row(one)));
  assertEquals(wide.slice(10), [
    `12:03:20${" ".repeat(384)}12:09:59`,
    "█ apns 105,945/s, 41,598,000   ▒ fcm 50,000/s, 20,000,000   " +
    "░ webpush 44,010/s, 17,604,000   all 199,955/s, 79,202,000 in 6m 40s",
  ]);
});

Deno.test("chartLines() keeps every colour on its line, and nothing in a note moves the terminal", () => {
  const lines = drawn([bar(NOON, 1, 1, 1)], { colour: true }, ["shop\x1b[2J is paused"]);
  for (const line of lines) {
    assertEquals(
      line.split("\x1b[0m").length,
      line.split("\x1b[").length - line.split("\x1b[0m").length + 1,
      line,
    );
  }
  assertEquals(lines.at(-1), "shop\\u001b[2J is paused");
});

Deno.test("chartLines() tells how many notes it has left out", () => {
  const notes = Array.from({ length: 8 }, (_, at) => `note ${at}`);
  const lines = drawn([bar(NOON, 1)], { rows: 20 }, notes);
  assertEquals(lines.slice(-3), ["note 3", "note 4", "and 3 more"]);
});

Deno.test("divisions() are 1, 2 or 5 times a power of ten, as many as there may be", () => {
  const rows = [
    [0, 5, 1, 1],
    [1, 5, 1, 1],
    [5, 5, 1, 5],
    [6, 5, 2, 3],
    [24_999, 5, 5_000, 5],
    [25_001, 5, 10_000, 3],
    [200_000, 5, 50_000, 4],
    [200_000, 2, 100_000, 2],
    [200_001, 1, 500_000, 1],
  ] as const;
  for (const [highest, linesMax, line, lines] of rows) {
    assertEquals(divisions(highest, linesMax), { line, lines }, `${highest}`);
  }
});
