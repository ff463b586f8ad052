import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { columns, divisions, timeLabels } from "../../../transports/dashboard/monitor/bar_scale.js";

for (
  const [highest, line, top] of [
    [0, 1, 2],
    [1, 1, 2],
    [5, 1, 5],
    [6, 2, 6],
    [10, 2, 10],
    [11, 5, 15],
    [26, 10, 30],
    [23_400, 5_000, 25_000],
    [25_001, 10_000, 30_000],
    [200_000, 50_000, 200_000],
    [3_000_000_000, 1_000_000_000, 3_000_000_000],
  ] as const
) {
  Deno.test(`divisions() of ${highest} => a line every ${line} up to ${top}`, () => {
    assertEquals(divisions(highest), { line, top });
  });
}

Deno.test("divisions() has room for any bar, with at most five lines at 1, 2 or 5 times a power of ten", () => {
  fc.assert(fc.property(fc.nat(), (highest) => {
    const { line, top } = divisions(highest);
    assert(top >= highest);
    assertEquals(top % line, 0);
    assert(top / line <= 5);
    assert(/^[125]0*$/.test(String(line)));
  }));
});

Deno.test("columns() fills the width with all steps, each next to the other", () => {
  const made = columns({ widthPx: 1_001, first: 7, totals: new Float64Array(600).fill(1) });
  assertEquals(made.map(({ place }) => place), Array.from({ length: 600 }, (_, place) => place));
  assertEquals([made[0]?.left, made.at(-1)?.right], [0, 1_001]);
  made.forEach(({ left, right }, place) => {
    assertEquals(made[place + 1]?.left ?? 1_001, right);
    assert(right > left);
  });
});

Deno.test("columns() leaves out steps in which nothing ended", () => {
  const totals = Float64Array.of(0, 3, 0, 0);
  assertEquals(columns({ widthPx: 8, first: 0, totals }), [{ place: 1, left: 2, right: 4 }]);
});

Deno.test("columns() shows the highest of the steps that share a pixel, the same ones together while they move", () => {
  const heights = (first: number) =>
    Float64Array.from({ length: 600 }, (_, place) => 1 + (first + place) * 7_919 % 101);
  const shown = (first: number) =>
    columns({ widthPx: 300, first, totals: heights(first) })
      .slice(1, -1)
      .map(({ place }) => first + place);
  const now = shown(1_000);
  const next = shown(1_001);
  assertEquals(now.length, 298);
  const both = now.filter((second) => second >= (next[0] ?? 0));
  assertEquals(next.slice(0, both.length), both);
  const highest = heights(1_000);
  for (const second of now) {
    const partner = second % 2 === 0 ? second + 1 : second - 1;
    assert((highest[second - 1_000] ?? 0) >= (highest[partner - 1_000] ?? 0));
  }
});

for (
  const [widthPx, span, step] of [
    [1_100, 600, 60],
    [300, 600, 300],
    [1_100, 3_600, 300],
    [300, 3_600, 1_200],
    [1_100, 86_400, 7_200],
    [300, 86_400, 43_200],
  ] as const
) {
  Deno.test(`timeLabels() of ${span} s on ${widthPx} px => every ${step} s, whole ones of local time`, () => {
    const from = 1_700_000_123;
    const offset = 5.5 * 3_600;
    const labels = timeLabels({ from, to: from + span, widthPx, offset });
    assert(labels.length > 0);
    labels.forEach((second, place) => {
      assertEquals((second + offset) % step, 0);
      assertEquals(second, (labels[0] ?? 0) + place * step);
      assert(second >= from && second <= from + span);
    });
  });
}
