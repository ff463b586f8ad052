/**
 * The stream of events of real nodes, read as a program does it: what flows through them is in it.
 */

import { assert, assertEquals } from "@std/assert";
import { ApiClient, type EventsOptions } from "../../transports/api_client/api_client.ts";
import type {
  BarAnswer,
  LiveEvent,
  TreeAnswer,
} from "../../transports/api_client/event_answers.ts";
import { NodeWorld } from "../support/node_world.ts";
import { PushClient } from "../support/push_client.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { Service } from "../support/service.ts";

/** What to wait for at most, in milliseconds. */
const WAIT_MS = 20_000;

/** The first event that is wanted; each stream is left when it has come. */
async function first<T>(
  service: Service,
  options: EventsOptions,
  wanted: (event: LiveEvent) => T | undefined,
): Promise<T> {
  const token = Deno.readTextFileSync(`${service.dataDir}/api-token`).trim();
  const client = new ApiClient({ origin: `http://127.0.0.1:${service.apiPort}`, token });
  const signal = AbortSignal.timeout(WAIT_MS);
  for await (const event of client.events({ ...options, signal })) {
    assert(event.kind === "ok", JSON.stringify(event));
    const found = wanted(event.value);
    if (found !== undefined) return found;
  }
  throw new Error(`Nothing came that is wanted. The log:\n${service.stderr}`);
}

function treeWith(holds: (flow: TreeAnswer["flow"]) => boolean) {
  return (event: LiveEvent): TreeAnswer | undefined =>
    event.type === "tree" && holds(event.data.flow) ? event.data : undefined;
}

Deno.test("GET /v1/events of a node shows what is sent and what devices get, and the bars of before", async () => {
  await using world = await NodeWorld.open([]);
  const { service } = world;
  await using device = await PushClient.connect(service.deviceUrl);
  const { endpoint } = await device.register();
  assertEquals((await post(endpoint, opaqueBody(100))).status, 201);
  await device.notifications.next(() => true, { what: "the message" });
  const before = Math.floor(Date.now() / 1_000);
  await world.assertWorks();
  const { tree, flow } = await first(
    service,
    { show: ["tree"] },
    treeWith(({ acknowledged, batches }) => acknowledged === 1 && batches === 1),
  );
  assertEquals(flow, {
    ...{ notifications: 1, recipients: 1, batches: 1, retries: 0 },
    answers: { apns: 1, fcm: 0, webpush: 0 },
    outcomes: {
      ...{ delivered: 1, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 },
    },
    providerConnections: { apns: 1, fcm: 0, webpush: 0 },
    ...{ posts: 1, direct: 1, forwarded: 0, stored: 0, dropped: 0 },
    ...{ handed: 1, acknowledged: 1, devices: 1 },
  });
  // Of the session's messages: hello, register, the message and its acknowledgement.
  const sessions = /"path":"root\/push\/messages\/sessions",.*?"handled":(\d+)/.exec(
    JSON.stringify(tree),
  );
  assert(Number(sessions?.[1]) >= 4, JSON.stringify(tree));
  const seconds: BarAnswer[] = [];
  const delivered = await first(service, { show: ["bars"], since: before }, (event) => {
    if (event.type === "bar") seconds.push(event.data);
    return event.type === "bar" && event.data.platforms["apns"]?.delivered === 1
      ? event.data
      : undefined;
  });
  assertEquals(seconds[0]?.second, before);
  assert(delivered.second >= before);
});

Deno.test("GET /v1/events of a node that serves the API alone has its load and tree, and no bars", async () => {
  await using service = await Service.start({ flags: ["--roles", "api"] });
  const seen = new Set<string>();
  const show = ["bars", "status", "tree"] as const;
  const path = await first(service, { show, since: 0 }, (event) => {
    seen.add(event.type);
    return seen.has("status") && event.type === "tree" ? event.data.tree.path : undefined;
  });
  assertEquals([path, seen.has("bar")], ["root", false]);
});
