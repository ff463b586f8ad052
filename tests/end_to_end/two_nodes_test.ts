/**
 * Two nodes on one store, seen from outside: what is posted to one reaches the device on the other
 * at once, and nodes that split the work by roles are one service.
 *
 * Devices are pinged, and look into the store, every five minutes: what arrives within a test was
 * handed over.
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { TokenBox } from "../../transports/push_endpoint/token_box.ts";
import { within } from "../support/arrivals.ts";
import { CampaignService } from "../support/campaign_service.ts";
import { PushClient } from "../support/push_client.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { chooseSeed, Seeded } from "../support/seeded.ts";
import { Service, ServiceStartError } from "../support/service.ts";
import { ENGINES, type SharedEngine, startEngine } from "../support/shared_engine.ts";
import { endpointAt, TwoNodes } from "../support/two_nodes.ts";
import { Ledger } from "./ledger.ts";
import { pause, RoamingLoad } from "./roaming_load.ts";

/** How long the load of the test of order lasts, in milliseconds. */
const LOAD_MS = 1_500;
/** Recipients of a notification: few, of all platforms. */
const RECIPIENTS = 60;
/** How long its delivery may take, in milliseconds. */
const DELIVERED_MS = 30_000;

/** Two nodes and their engine. */
interface World {
  readonly engine: SharedEngine;
  readonly nodes: TwoNodes;
}

/** What is seen of two nodes that do everything. */
const SCENARIOS: readonly (readonly [name: string, play: (world: World) => Promise<void>])[] = [
  ["a message posted to the other node reaches its device at once", async ({ nodes: { a, b } }) => {
    for (const [posted, connected] of [[a, b], [b, a]] as const) {
      await using device = await PushClient.connect(connected.deviceUrl);
      const { endpoint } = await device.register();
      for (const ttlSeconds of [60, 0]) {
        await handedOver(device, endpointAt(endpoint, posted), ttlSeconds);
      }
    }
  }],
  ["messages follow a device that moves", async ({ nodes: { a, b } }) => {
    const first = await PushClient.connect(a.deviceUrl);
    const { uaid } = first;
    const { endpoint } = await first.register();
    await first.close();
    for (const connected of [b, a, b]) {
      await using device = await PushClient.connect(connected.deviceUrl, { uaid });
      assertEquals(device.uaid, uaid);
      await handedOver(device, endpointAt(endpoint, a), 0);
    }
  }],
  [
    "a device that connects to the other node ends its connection here",
    async ({ nodes: { a, b } }) => {
      await using first = await PushClient.connect(a.deviceUrl);
      const { endpoint } = await first.register();
      await using second = await PushClient.connect(b.deviceUrl, { uaid: first.uaid });
      const ended = await within(first.ended, 10_000, "the connection to be displaced");
      assertEquals(ended, { code: 1011, reason: "SM" });
      await handedOver(second, endpointAt(endpoint, a), 60);
    },
  ],
  [
    "what one node accepts for a subscription comes in order, wherever the device is",
    async ({ nodes }) => {
      const seed = chooseSeed();
      const ledger = new Ledger("several");
      const load = await RoamingLoad.start({
        ...{ nodes: [nodes.a, nodes.b], ledger, random: new Seeded(seed) },
        ...{ devices: 4, channels: 2, ownNode: true },
      });
      await pause(LOAD_MS, new AbortController().signal);
      await load.stop();
      await load.drain();
      const { accepted, posted, missing, outOfOrder } = ledger.counts();
      assertEquals([posted - accepted, missing, outOfOrder], [0, 0, 0], `HELIOGRAPH_SEED=${seed}`);
      assertEquals(ledger.broken, []);
    },
  ],
  ["a node with other crypto-keys is refused with one sentence", async ({ nodes }) => {
    const folder = await Deno.makeTempDir({ prefix: "heliograph-keys-" });
    await Deno.writeTextFile(`${folder}/keys`, TokenBox.generateKey(), { mode: 0o600 });
    const other = ["--crypto-keys-file", `${folder}/keys`];
    const flags = nodes.flags.filter((_, place, all) =>
      all[place] !== other[0] && all[place - 1] !== other[0]
    );
    const error = await assertRejects(
      () => Service.start({ flags: [...flags, ...other] }),
      ServiceStartError,
    );
    await Deno.remove(folder, { recursive: true });
    assertEquals(error.exit, { code: 1, signal: null });
    assertStringIncludes(error.message, "heliograph: crypto-keys: the node ");
    assertStringIncludes(error.message, " of this store has other keys. Give all nodes the same");
  }],
  ["a node that is told to stop leaves the directory, and may come back", async (world) => {
    const { engine, nodes: { a, b, store } } = world;
    const [first, second] = await engine.nodes(store);
    assert(first !== undefined && second !== undefined);
    await using device = await PushClient.connect(a.deviceUrl);
    const { uaid } = device;
    const { endpoint } = await device.register();
    assertEquals(await a.stop(), { code: 0, signal: null });
    assertEquals((await engine.nodes(store)).map(({ id }) => id), [second.id]);
    assertEquals((await post(endpointAt(endpoint, b), opaqueBody(100))).status, 201);
    await a.startAgain();
    assertEquals((await engine.nodes(store)).length, 2);
    await using back = await PushClient.connect(a.deviceUrl, { uaid });
    await back.notifications.next(() => true, { what: "what was posted meanwhile" });
    await handedOver(back, endpointAt(endpoint, b), 0);
  }],
];

for (const name of ENGINES) {
  Deno.test(`two nodes on ${name} are one service`, async (t) => {
    await using engine = await startEngine(name);
    await using nodes = await TwoNodes.open({ engine });
    for (const [scenario, play] of SCENARIOS) await t.step(scenario, () => play({ engine, nodes }));
  });

  Deno.test(`four nodes on ${name} with one role each are one service`, async () => {
    await using engine = await startEngine(name);
    await using nodes = await TwoNodes.open({
      engine,
      a: ["--roles", "endpoint"],
      b: (a) => ["--roles", "devices", "--endpoint-url", `http://127.0.0.1:${a.endpointPort}`],
    });
    await using device = await PushClient.connect(nodes.b.deviceUrl);
    const { endpoint } = await device.register();
    assertEquals(new URL(endpoint).port, `${nodes.a.endpointPort}`);
    await handedOver(device, endpoint, 60);

    await using campaign = await CampaignService.open({
      flags: [...nodes.flags, "--roles", "api"],
    });
    await campaign.register("shop", Array.from({ length: RECIPIENTS }, (_, number) => number));
    const id = await campaign.send("shop");
    const flags = [...nodes.flags, ...campaign.trust, "--roles", "delivery"];
    assertEquals((await campaign.notification(id)).counts.delivered, 0);
    await using _delivery = await Service.start({ flags });
    const { counts } = await campaign.ended(id, DELIVERED_MS);
    assertEquals([counts.total, counts.delivered, counts.pending], [RECIPIENTS, RECIPIENTS, 0]);
    const roles = (await engine.nodes(nodes.store)).map((node) => node.roles);
    assertEquals(roles, [["endpoint"], ["devices"], ["api"], ["delivery"]]);
  });
}

/** Posts a message nobody else has posted, and waits until the device has it. */
async function handedOver(device: PushClient, endpoint: string, ttlSeconds: number): Promise<void> {
  const from = device.notifications.size;
  const body = opaqueBody(100, from + 1);
  const answer = await post(endpoint, body, { ttlSeconds });
  assertEquals(answer.status, 201, answer.body);
  const { data } = await device.notifications.next(() => true, { what: "the message", from });
  assertEquals(data, body.toBase64({ alphabet: "base64url", omitPadding: true }));
}
