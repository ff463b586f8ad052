import { assertEquals } from "@std/assert";
import { json, Stage } from "../../support/command_stage.ts";
import { factsOf } from "../../support/node_facts.ts";

Deno.test("status shows lanes, and the rates of platforms on which something ended", async () => {
  const zeros = { delivered: 0, tokenInvalid: 0, rejected: 0, expired: 0, failed: 0, retries: 0 };
  const node = { id: "a1", version: "1.0.0", startedAt: "2030-01-01T00:00:00.000Z" };
  const lane = { app: "shop", platform: "apns", waiting: 1_200, leased: 16, pause: null };
  const apns = {
    ...zeros,
    delivered: 1_234.5,
    tokenInvalid: 2,
    rejected: 1,
    failed: 2,
    retries: 0.1,
  };
  const busy = { seconds: 10, platforms: { apns, fcm: zeros } };
  const idle = { seconds: 10, platforms: { apns: zeros, fcm: zeros } };
  const status = (lanes: readonly unknown[], rates: unknown) =>
    json({ node, queue: { waiting: 1_200, leased: 16 }, lanes, rates });
  await using stage = new Stage({
    "GET /v1/status": [status([lane], busy), status([], idle), status([], null)],
  });
  const texts: string[] = [];
  for (let times = 0; times < 3; times++) {
    stage.out = "";
    assertEquals(await stage.run("status"), 0);
    texts.push(stage.out);
  }
  const head = `  node     a1, version 1.0.0, since 2030-01-01T00:00:00.000Z
  batches  1,200 waiting, 16 in flight
`;
  assertEquals(texts, [
    `${head}
  app   platform  waiting  in flight  paused
  shop  apns        1,200         16

  last 10 s  delivered  dead tokens  failed  retries
  apns         1,235/s          2/s     3/s     <1/s
`,
    `${head}\n  nothing ended in the last 10 seconds\n`,
    head,
  ]);
});

Deno.test("status lists the nodes, a line each, and what of this one fails", async () => {
  const node = { id: "a1", version: "1.0.0", startedAt: "2030-01-01T00:00:00.000Z" };
  const status = { node, queue: { waiting: 0, leased: 0 }, lanes: [], rates: null };
  const roles = ["devices", "endpoint", "delivery", "api"];
  const nodes = [
    { ...node, self: true, url: null, roles, facts: factsOf() },
    { ...node, id: "b\x1b[2J", self: false, url: null, roles: ["delivery"], facts: null },
    { ...node, id: "c".repeat(50), self: false, url: null, roles: ["api", "x"], facts: factsOf() },
  ];
  const checks = [
    { name: "listeners", ok: true, detail: "accepting" },
    { name: "store", ok: false, detail: "it does not answer" },
  ];
  const now = node.startedAt;
  await using stage = new Stage({
    "GET /v1/status": [json(status)],
    "GET /v1/nodes": [json({ now, nodes, checks })],
  });
  assertEquals(await stage.run("status"), 0);
  assertEquals(
    stage.out,
    `  node     a1, version 1.0.0, since 2030-01-01T00:00:00.000Z
  batches  0 waiting, 0 in flight

  node                                      version  roles     cpu   memory  delay  devices  batches  deliveries  connections
  a1 (this)                                 1.0.0    all       38%  100 MiB   4 ms    1,200        4     5,301/s           10
  b\\u001b[2J                                1.0.0    delivery
  ccccccccccccccccccccccccccccccccccccccc…  1.0.0    api, x    38%  100 MiB   4 ms    1,200        4     5,301/s           10

  store  fails: it does not answer
`,
  );
  stage.out = "";
  assertEquals(await stage.run("status", "--json"), 0);
  assertEquals(JSON.parse(stage.out), { ...status, now, nodes, checks });
});
