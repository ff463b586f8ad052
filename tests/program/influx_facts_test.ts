import { assertEquals } from "@std/assert";
import type { NodeFacts } from "../../actors/push/ports.ts";
import { factsPoint, InfluxFacts } from "../../program/influx_facts.ts";
import { INFLUX_FACTS_MS } from "../../program/limits.ts";
import { type Point, pointLine } from "../../transports/influx/mod.ts";
import { HandClock } from "../support/hand_clock.ts";

const FACTS: NodeFacts = {
  at: 1_700_000_000_123,
  deno: "2.9.6",
  rssBytes: 123_456_789,
  heapBytes: 45_678_912,
  cpuPercent: 87.5,
  loopDelayMs: { p50: 0.4, p99: 12.5, max: 40 },
  devices: 3_000,
  batches: 12,
  deliveriesPerSecond: 1_234.5,
  providerConnections: 9,
};

/** What a test does with each write. */
type Write = (points: readonly Point[], signal: AbortSignal) => Promise<void>;

function begin(write: Write) {
  const clock = new HandClock();
  const problems: string[] = [];
  const written: string[] = [];
  const facts = new InfluxFacts({
    clock,
    node: "0123abcd",
    facts: () => FACTS,
    influx: {
      write(points, signal) {
        written.push(...points.map(pointLine));
        return write(points, signal);
      },
    },
    onProblem: (reason) => problems.push(reason),
  });
  const turn = async () => {
    clock.fireAfter(INFLUX_FACTS_MS);
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  return { clock, facts, problems, written, turn };
}

Deno.test("factsPoint() has all of a node's numbers", () => {
  assertEquals(
    pointLine(factsPoint("0123abcd", FACTS)),
    "heliograph_node,node=0123abcd rss_bytes=123456789i,heap_bytes=45678912i,cpu_percent=87.5," +
      "loop_delay_p50_ms=0.4,loop_delay_p99_ms=12.5,loop_delay_max_ms=40,devices=3000i," +
      "batches=12i,deliveries_per_second=1234.5,provider_connections=9i 1700000000123000000",
  );
});

Deno.test("InfluxFacts writes a point each time, until it is disposed of", async () => {
  const { clock, facts, written, turn } = begin(() => Promise.resolve());
  assertEquals(clock.everyMs, INFLUX_FACTS_MS);
  assertEquals(written, []);
  await turn();
  await turn();
  assertEquals(written.length, 2);
  await facts[Symbol.asyncDispose]();
  await turn();
  assertEquals(written.length, 2);
});

Deno.test("InfluxFacts writes nothing while a write is under way", async () => {
  const slow = Promise.withResolvers<void>();
  const { facts, written, turn } = begin(() => slow.promise);
  await turn();
  await turn();
  assertEquals(written.length, 1);
  slow.resolve();
  // This one still finds it under way.
  await turn();
  await turn();
  assertEquals(written.length, 2);
  await facts[Symbol.asyncDispose]();
});

Deno.test("InfluxFacts tells of an outage once, and of the next one again", async () => {
  let away = true;
  const { facts, problems, turn } = begin(() =>
    away ? Promise.reject(new Error("refused")) : Promise.resolve()
  );
  await turn();
  await turn();
  assertEquals(problems, ["refused"]);
  away = false;
  await turn();
  away = true;
  await turn();
  assertEquals(problems, ["refused", "refused"]);
  await facts[Symbol.asyncDispose]();
});

Deno.test("InfluxFacts gives up what is under way when it is disposed of, and tells of no problem", async () => {
  const { facts, problems, turn } = begin((_, signal) => {
    const { promise, reject } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => reject(signal.reason));
    return promise;
  });
  await turn();
  await facts[Symbol.asyncDispose]();
  assertEquals(problems, []);
});
