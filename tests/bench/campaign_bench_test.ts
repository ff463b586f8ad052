import { assert, assertEquals, assertGreater } from "@std/assert";
import { measureCampaigns, measureMemory } from "../../bench/campaign.ts";

Deno.test("measureCampaigns() delivers to every recipient on every server", async () => {
  const readings = await measureCampaigns({ recipients: 300, rounds: 2, nodeApn: false });
  assertEquals(readings.map(({ server, delivered }) => [server, delivered]), [
    ["nginx", 600],
    ["nghttpd", 600],
  ]);
  for (const { ours, h2load } of readings) assertGreater(Math.min(ours, h2load), 0);
});

Deno.test("measureMemory() has a reading for every size", async () => {
  const readings = await measureMemory([10, 20]);
  assertEquals(readings.map(({ recipients }) => recipients), [10, 20]);
  assert(readings.every(({ rssMb }) => rssMb > 10));
});
