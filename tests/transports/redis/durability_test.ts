/** What is said about the durability of real servers with each setting. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Durability, readDurability } from "../../../transports/redis/durability.ts";
import { openRedis } from "../../../transports/redis/redis.ts";
import { startRedis } from "../../support/redis_server.ts";

const server = await startRedis({ appendfsync: "always" });
globalThis.addEventListener("unload", () => server.abandon());

type Row = readonly [
  settings: readonly (readonly [name: string, value: string])[],
  loses: Durability["loses"],
  words: string,
];

const ROWS: readonly Row[] = [
  [[["appendonly", "yes"], ["appendfsync", "always"]], "nothing", "loses nothing"],
  [[["appendonly", "yes"], ["appendfsync", "everysec"]], "a_second", "the last second or two"],
  [[["appendonly", "yes"], ["appendfsync", "no"]], "half_a_minute", "half a minute"],
  [[["appendonly", "no"]], "since_snapshot", "everything since its last snapshot"],
];

for (const [settings, loses, words] of ROWS) {
  Deno.test(`readDurability() with ${settings.join(" ")}: ${loses}`, async () => {
    for (const [name, value] of settings) await server.cli("CONFIG", "SET", name, value);
    await using redis = await openRedis({ url: server.url() });
    const durability = await readDurability(redis);
    assertEquals([durability.loses, durability.evicts], [loses, false]);
    assertStringIncludes(durability.text, words);
  });
}

Deno.test("readDurability() warns of a policy that removes keys", async () => {
  await server.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
  await using redis = await openRedis({ url: server.url() });
  const { evicts, text } = await readDurability(redis);
  assertEquals(evicts, true);
  assertStringIncludes(text, "(maxmemory-policy allkeys-lru)");
  await server.cli("CONFIG", "SET", "maxmemory-policy", "noeviction");
});

Deno.test("readDurability() says when it may not ask", async () => {
  await server.cli("ACL", "SETUSER", "guest", "on", ">s", "~*", "+@all", "-config", "-info");
  await using redis = await openRedis({ url: server.url().replace("//", "//guest:s@") });
  const { loses, evicts, text } = await readDurability(redis);
  assertEquals([loses, evicts], ["unknown", undefined]);
  assertStringIncludes(text, "does not tell");
});
