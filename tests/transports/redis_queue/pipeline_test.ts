/** Two pipelines that share a store and a Redis: what is added to the stream is sent by both of them, once. */

import { assertEquals } from "@std/assert";
import type { SendBlock } from "../../../actors/push/delivery/ports.ts";
import type { DeviceRecord } from "../../../actors/push/delivery/records.ts";
import { Pipeline } from "../../../program/pipeline.ts";
import { MemoryDeliveryStore } from "../../../transports/memory/memory_delivery_store.ts";
import { openRedisQueue } from "../../../transports/redis_queue/redis_queue.ts";
import { openRedisStreamSource } from "../../../transports/redis_source/redis_stream_source.ts";
import { notingGateway } from "../../support/delivery_world.ts";
import { startRedis } from "../../support/redis_server.ts";

const RECIPIENTS = 10_000;
const BATCHES_MAX = 4;

function deviceOf(number: number): DeviceRecord {
  const address = `token-${number}`;
  const rest = { keys: undefined, user: undefined, tags: [] };
  return { id: `device-${number}`, app: "shop", platform: "fcm", address, ...rest };
}

Deno.test("Pipelines share what comes through Redis, and leave nothing there", async () => {
  await using server = await startRedis();
  await using resources = new AsyncDisposableStack();
  const url = server.url();
  const store = new MemoryDeliveryStore();
  await store.saveApp("shop", {}, Date.now());
  const sent = new Map<string, SendBlock[]>();
  for (const node of ["one", "two"]) {
    const blocks: SendBlock[] = [];
    sent.set(node, blocks);
    const queue = resources.use(await openRedisQueue({ url, upstream: store }));
    const source = resources.use(await openRedisStreamSource({ url, node }));
    const gateways = { fcm: notingGateway({ kind: "delivered" }, blocks) };
    const options = { store, queue, sources: [source], gateways, batchesMax: BATCHES_MAX };
    await resources.use(new Pipeline(options)).start();
  }
  for (let first = 0; first < RECIPIENTS; first += 1_000) {
    const devices = Array.from({ length: 1_000 }, (_, index) => deviceOf(first + index));
    await store.saveDevices(devices, Date.now());
  }
  const notification = { app: "shop", content: { title: "Hi" }, to: { all: true } };
  const fields = ["schema", "1", "notification", JSON.stringify(notification)];
  await server.cli("XADD", "heliograph:notifications", "*", ...fields);
  const delivered = async () => {
    const [status] = await store.notifications({ after: undefined, limit: 10 });
    return status?.sendingDone === true ? status.counts.delivered : 0;
  };
  while (await delivered() === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(await delivered(), RECIPIENTS);
  const addresses = [...sent.values()].flat().flatMap(({ recipients }) => recipients.addresses);
  assertEquals([addresses.length, new Set(addresses).size], [RECIPIENTS, RECIPIENTS]);
  await resources.disposeAsync();
  const keys = (await server.cli("KEYS", "*")).split("\n").toSorted();
  assertEquals(keys, ["heliograph:notifications", "heliograph:schema"]);
  assertEquals(await server.cli("XLEN", "heliograph:notifications"), "0");
});
