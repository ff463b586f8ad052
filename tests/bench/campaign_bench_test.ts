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

for (const stand of ["postgres", "redis", "engines", "engines_all_rows"] as const) {
  Deno.test(`measureCampaigns() delivers to every recipient on ${stand}, and all is recorded`, async () => {
    const plan = { recipients: 300, rounds: 1, nodeApn: false, servers: ["nghttpd"] } as const;
    const [reading] = await measureCampaigns({ ...plan, stand });
    assertEquals(reading?.delivered, 300);
    assertGreater(reading?.recorded ?? 0, 0);
  });
}
