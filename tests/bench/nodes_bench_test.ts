import { assertEquals, assertGreater } from "@std/assert";
import { measureMessages, measureNodeMemory, measureProcesses } from "../../bench/nodes.ts";

Deno.test("measureProcesses() delivers to every recipient, by one process and by two", async () => {
  const readings = await measureProcesses({ recipients: 300, processes: [1, 2] });
  assertEquals(readings.map(({ processes, delivered }) => [processes, delivered]), [
    [1, 300],
    [2, 300],
  ]);
});

Deno.test("measureMessages() has every message come to its device, on one node and across two", async () => {
  const plan = { posts: 100, connections: 4, timed: 20, timedPerSecond: 200 };
  const readings = await measureMessages(plan, ["redis"]);
  assertEquals(readings.map(({ nodes, delivered }) => [nodes, delivered]), [[1, 100], [2, 100]]);
});

Deno.test("measureNodeMemory() has a reading of each step", async () => {
  const readings = await measureNodeMemory({ steps: [0, 10], restMs: 0 }, ["engines"]);
  assertEquals(readings.map(({ stand }) => stand), ["engines"]);
  for (const { readings: [idle] } of readings) assertGreater(idle?.bytes ?? 0, 0);
});
