import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { textOf } from "../../../transports/dashboard/monitor/tour_texts.js";
import { partsOf } from "../../../transports/dashboard/monitor/tour_tree.js";
import type { SystemPart } from "../../../transports/dashboard/monitor/tour_tree.js";
import { actorPart, poolPart, supervisorPart } from "./tour_parts.ts";
import { startRedis } from "../../support/redis_server.ts";
import { Service } from "../../support/service.ts";

/** The live tree of a node that is started with these flags. */
async function treeOf(flags: readonly string[]): Promise<SystemPart> {
  await using service = await Service.start({ flags });
  const token = (await Deno.readTextFile(`${service.dataDir}/api-token`)).trim();
  const response = await fetch(`http://127.0.0.1:${service.apiPort}/v1/tree`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return await response.json();
}

/** Paths of parts that the tour could say nothing of but what kind they are. */
function untold(tree: SystemPart): readonly string[] {
  return [...partsOf(tree).values()].filter((part) => textOf(part).key === "")
    .map(({ path }) => path);
}

Deno.test("textOf has an explanation of every part of a real node", async (t) => {
  const folder = await Deno.makeTempDir();
  await using redis = await startRedis();
  const nowhere = "http://127.0.0.1:9";
  const secret = `${folder}/secret`;
  await Deno.writeTextFile(secret, "x".repeat(40));
  const sinks = [
    ...["--webhook-url", nowhere, "--webhook-secret-file", secret],
    ...["--results-file", `${folder}/results.ndjson`, "--influx-url", `${nowhere}/write?db=a`],
  ];
  await t.step("with a store of its own", async () => {
    const tree = await treeOf(sinks);
    assertEquals(untold(tree), []);
    assert(partsOf(tree).has("root/pipeline/sinks/others/influx"));
  });
  await t.step("with a shared store, other nodes and a source", async () => {
    const url = redis.url();
    const shared = ["--store", url, "--node-port", "0", "--source", url, "--counters", url];
    const tree = await treeOf([...sinks, ...shared]);
    assertEquals(untold(tree), []);
    const parts = partsOf(tree);
    assert(parts.has("root/cluster/doors/nodePort"));
    assert(parts.has("root/pipeline/sinks/bars/followers/tallies"));
  });
  await t.step("with the API only", async () => {
    const tree = await treeOf(["--store", redis.url("prefix=api"), "--roles", "api"]);
    assertEquals(untold(tree), []);
    assert(partsOf(tree).has("root/bars/monitor"));
  });
  await Deno.remove(folder, { recursive: true });
});

function named(path: string, actor: string) {
  return actorPart(path, { actor });
}

Deno.test("textOf gives a sink or source that people named its name and the text of its kind", () => {
  const hostile = textOf(named("root/pipeline/sinks/others/<b>x", "<b>x_sink"));
  assertEquals([hostile.title, hostile.key], ["<b>x", "sink"]);
  const source = textOf(named("root/pipeline/delivery/sources/orders", "orders_source"));
  assertEquals([source.title, source.key], ["orders", "source"]);
  assertNotEquals(textOf(named("a/webhook", "webhook_sink")).what, hostile.what);
  // What every object has is no text of ours.
  assertEquals(textOf(named("a/x", "constructor")).key, "");
});

Deno.test("textOf says of strange parts what kind they are", () => {
  const supervisor = supervisorPart("root/mine", []);
  assertEquals([textOf(supervisor).title, textOf(supervisor).key], ["mine", ""]);
  assertEquals(textOf(named("root/mine/one", "mine")).title, "mine");
  assertEquals(textOf(poolPart("root/mine/all", { actor: "mine" })).title, "mine");
});
