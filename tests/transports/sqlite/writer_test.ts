import { assertEquals, assertThrows } from "@std/assert";
import type { Operation } from "../../../transports/sqlite/operations.ts";
import { Reader } from "../../../transports/sqlite/reader.ts";
import { Writer } from "../../../transports/sqlite/writer.ts";
import { channelOf, uaidOf } from "../../conformance/store_world.ts";
import { TemporaryFolder } from "./child_process.ts";

const UAID = uaidOf(1);
const CHANNEL = channelOf(1);
const NOW_MS = 1_800_000_000_000;
const LIFETIME_MS = 86_400_000;

const SUBSCRIBE: readonly Operation[] = [
  { kind: "save_user", user: { uaid: UAID, connectedAt: NOW_MS }, nowMs: NOW_MS },
  { kind: "add_channel", uaid: UAID, channelId: CHANNEL, channelsMax: 9, nowMs: NOW_MS },
];

function save(sortKey: number, version = "v", topic?: string): Operation {
  const message = {
    uaid: UAID,
    channelId: CHANNEL,
    ttlSeconds: 60,
    topic,
    content: undefined,
    sortKey,
    version,
    expiresAt: NOW_MS,
  };
  return { kind: "save_message", message, waitingMax: 100, nowMs: NOW_MS };
}

Deno.test("Writer.commit() writes its receipt with the batch", async () => {
  await using folder = new TemporaryFolder();
  using writer = new Writer(`${folder.path}/store`, LIFETIME_MS);
  assertEquals(writer.batch, 0);
  const results = writer.commit(1, SUBSCRIBE);
  using reader = new Reader(`${folder.path}/store`);
  assertEquals(results, [null, "added"]);
  assertEquals(reader.receipt(), { batch: 1, results });
});

Deno.test("Writer.commit() fails only the operation that breaks a rule", async () => {
  await using folder = new TemporaryFolder();
  using writer = new Writer(`${folder.path}/store`, LIFETIME_MS);
  writer.commit(1, [...SUBSCRIBE, save(1, "first", "t"), save(9)]);
  const results = writer.commit(2, [save(2), save(9, "again", "t"), save(0), save(3)]);
  assertEquals(results.map((result) => typeof result), ["string", "object", "object", "string"]);
  using reader = new Reader(`${folder.path}/store`);
  const page = { uaid: UAID, limit: 10, nowSeconds: 0 };
  const plain = reader.messages({ ...page, kind: "plain" }, 0);
  assertEquals(plain.map(({ sortKey }) => sortKey), [2, 3, 9]);
  const [topic] = reader.messages({ ...page, kind: "topic" }, 0);
  assertEquals([topic?.sortKey, topic?.version], [1, "first"], "undone as a whole");
});

Deno.test("Writer.commit() takes its batches in order", async () => {
  await using folder = new TemporaryFolder();
  using writer = new Writer(`${folder.path}/store`, LIFETIME_MS);
  writer.commit(1, SUBSCRIBE);
  assertThrows(() => writer.commit(1, [save(1)]), Error, "batch 1 after 1");
  assertThrows(() => writer.commit(3, [save(1)]), Error, "batch 3 after 1");
});

Deno.test("Writer knows its last batch and sort key after it was opened again", async () => {
  await using folder = new TemporaryFolder();
  {
    using writer = new Writer(`${folder.path}/store`, LIFETIME_MS);
    writer.commit(1, [...SUBSCRIBE, save(70)]);
  }
  using writer = new Writer(`${folder.path}/store`, LIFETIME_MS);
  assertEquals(writer.batch, 1);
  writer.commit(2, [save(5)]);
  using reader = new Reader(`${folder.path}/store`);
  assertEquals(reader.lastSortKey(), 70);
});
