import { assertEquals, assertThrows } from "@std/assert";
import { Histogram, Registry } from "prom-client";
import { CountedHistogram } from "../../../transports/api/counted_histogram.ts";

const BOUNDS_MS = [2.5, 10, 250, 20_000];
const OPTIONS = {
  name: "heliograph_test_seconds",
  help: "Time of a test.",
  boundsMs: BOUNDS_MS,
  label: "platform",
};

/** Latencies in milliseconds: below, on and above bounds. */
const OBSERVED = {
  apns: [0, 2.5, 2.75, 8, 250, 250, 251, 19_000, 20_001, 1_000_000],
  fcm: [16],
  webpush: [],
} as const;

/** Counts what was observed, as a connection does. */
function counted(observed: readonly number[]): { counts: Uint32Array; sumMs: number } {
  const counts = new Uint32Array(BOUNDS_MS.length + 1);
  let sumMs = 0;
  for (const ms of observed) {
    const bucket = BOUNDS_MS.findIndex((bound) => ms <= bound);
    const place = bucket === -1 ? BOUNDS_MS.length : bucket;
    counts[place] = (counts[place] ?? 0) + 1;
    sumMs += ms;
  }
  return { counts, sumMs };
}

Deno.test("CountedHistogram.text() is prom-client's for the same observations", async () => {
  const values = ["apns", "fcm", "webpush"] as const;
  const own = new CountedHistogram({ ...OPTIONS, values });
  const registry = new Registry();
  const theirs = new Histogram({
    ...{ name: OPTIONS.name, help: OPTIONS.help, labelNames: ["platform"] },
    buckets: BOUNDS_MS.map((ms) => ms / 1_000),
    registers: [registry],
  });
  for (const platform of values) {
    theirs.zero({ platform });
    const observed = OBSERVED[platform];
    // In two steps, since blocks add up.
    own.add(platform, counted(observed.slice(0, 3)));
    own.add(platform, counted(observed.slice(3)));
    for (const ms of observed) theirs.observe({ platform }, ms / 1_000);
  }
  const lines = (text: string) =>
    text.trimEnd().split("\n").map((line) =>
      // Sums of thousandths are rounded in another order.
      line.replace(/(?<=_sum\S* )\S+/, (sum) => Number(sum).toFixed(6))
    );
  assertEquals(lines(own.text()), lines(await registry.metrics()));
});

Deno.test("CountedHistogram.text() has all series from the start", () => {
  const own = new CountedHistogram({ ...OPTIONS, values: ["apns", "fcm"] });
  assertEquals(own.text().split("\n").length, 2 + 2 * (BOUNDS_MS.length + 3));
});

Deno.test("CountedHistogram.add() refuses other buckets, and other values of its label", () => {
  const own = new CountedHistogram<string>({ ...OPTIONS, values: ["apns"] });
  const sumMs = 0;
  for (
    const [value, buckets, text] of [
      ["apns", BOUNDS_MS.length, 'Cannot add 4 buckets of "apns" to heliograph_test_seconds'],
      ["fcm", BOUNDS_MS.length + 1, 'Cannot add 5 buckets of "fcm" to heliograph_test_seconds'],
    ] as const
  ) {
    assertThrows(
      () => own.add(value, { counts: new Uint32Array(buckets), sumMs }),
      RangeError,
      text,
    );
  }
});
