import { assertEquals } from "@std/assert";
import { ManualClock } from "../../../actors/runtime/clock.ts";
import { LATENCY_BOUNDS_MS, LatencyCounter } from "../../../transports/http2/mod.ts";
import { blockOf, openPair, settle } from "./scripted_peer.ts";

/** Which buckets hold how many, by their bounds. */
function filled(counts: Uint32Array): readonly (readonly [number, number])[] {
  return [...counts]
    .map((count, bucket) => [LATENCY_BOUNDS_MS[bucket] ?? Infinity, count] as const)
    .filter(([, count]) => count > 0);
}

const ROWS: readonly (readonly [ms: number, bound: number])[] = [
  [0, 1],
  [1, 1],
  [1.001, 2.5],
  [99.9, 100],
  [100, 100],
  [100.1, 150],
  [20_000, 20_000],
  [20_001, Infinity],
];

for (const [ms, bound] of ROWS) {
  Deno.test(`LatencyCounter.add(${ms}) counts up to ${bound} ms`, () => {
    const latencies = new LatencyCounter();
    latencies.add(ms);
    latencies.add(ms);
    assertEquals(filled(latencies.counts), [[bound, 2]]);
    assertEquals(latencies.sumMs, 2 * ms);
  });
}

Deno.test("LatencyCounter.add() tells latencies apart that come in turns", () => {
  const latencies = new LatencyCounter();
  for (const ms of [3, 300, 3, 300, 300]) latencies.add(ms);
  assertEquals(filled(latencies.counts), [[5, 2], [500, 3]]);
});

Deno.test("exchange() counts each answer's time from the writing of its request", async () => {
  const clock = new ManualClock();
  await using pair = await openPair({ clock });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(4));
  const requests = await peer.requests(4);
  for (const [place, { streamId }] of requests.entries()) {
    clock.advance(40);
    await peer.answer(streamId, place === 3 ? 410 : 200, place === 3 ? "gone" : "");
    await settle(peer);
  }
  const { latencies } = await exchange;
  assertEquals(filled(latencies.counts), [[50, 1], [100, 1], [150, 1], [250, 1]]);
  assertEquals(latencies.sumMs, 40 + 80 + 120 + 160);
});

Deno.test("exchange() does not count the time a request waited for a stream", async () => {
  const clock = new ManualClock();
  // One stream at once: the second request is written when the first is answered.
  await using pair = await openPair({ clock, limits: { streamsMax: 1 } });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(2));
  const first = await peer.request();
  clock.advance(400);
  await peer.answer(first.streamId, 200);
  const second = await peer.request();
  clock.advance(2);
  await peer.answer(second.streamId, 200);
  assertEquals(filled((await exchange).latencies.counts), [[2.5, 1], [500, 1]]);
});

Deno.test("exchange() counts no time for what was not answered", async () => {
  await using pair = await openPair();
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(2));
  const [first] = await peer.requests(2);
  await peer.answer(first?.streamId ?? 0, 200);
  await settle(peer);
  peer[Symbol.dispose]();
  const { latencies } = await exchange;
  assertEquals(latencies.counts.reduce((sum, count) => sum + count, 0), 1);
});
