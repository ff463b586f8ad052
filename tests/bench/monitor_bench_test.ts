import { assert, assertEquals, assertGreater } from "@std/assert";
import {
  measureDeaf,
  measureTree,
  measureWatchedCampaigns,
  measureWatching,
} from "../../bench/monitor.ts";

Deno.test("measureWatchedCampaigns() delivers to every recipient, watched or not, and viewers read", async () => {
  const plan = { recipients: 300, rounds: 2, viewers: 3 };
  const { pairs, bytes } = await measureWatchedCampaigns(plan);
  assertEquals(pairs.map(({ alone, watched }) => [alone.delivered, watched.delivered]), [
    [300, 300],
    [300, 300],
  ]);
  assertGreater(bytes, 1_000);
});

Deno.test("measureWatching() has a reading for each number of viewers", async () => {
  const readings = await measureWatching({ steps: [0, 2], restMs: 0, forMs: 1_500 });
  assertEquals(readings.map(({ viewers }) => viewers), [0, 2]);
  assertEquals(readings[0]?.bytesPerSecond, 0);
  assertGreater(readings[1]?.bytesPerSecond ?? 0, 0);
});

Deno.test("measureTree() has frames of a size that sessions do not change", async () => {
  const readings = await measureTree({ steps: [0, 100], forMs: 1_500 });
  assertEquals(readings.map(({ sessions }) => sessions), [0, 100]);
  assert(readings.every(({ bytes }) => bytes > 0 && bytes < 100_000));
});

Deno.test("measureDeaf() is over at once when nobody is there", async () => {
  const { bytes } = await measureDeaf({ viewers: 0, restMs: 0 });
  assertGreater(bytes.before, 0);
});
