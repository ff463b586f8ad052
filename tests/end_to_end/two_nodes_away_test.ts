/**
 * Two nodes whose store goes away under posts and connected devices, stopped, killed and frozen: they
 * say so and accept nothing meanwhile, and go on by themselves when it is back. What they accepted
 * before is still there.
 *
 * A longer absence: `deno task two-nodes`.
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { within } from "../support/arrivals.ts";
import { sized } from "../support/campaign_service.ts";
import { PushClient } from "../support/push_client.ts";
import { chooseSeed, report, Seeded } from "../support/seeded.ts";
import type { Service } from "../support/service.ts";
import { ENGINES, type SharedEngine, startEngine } from "../support/shared_engine.ts";
import { TwoNodes } from "../support/two_nodes.ts";
import { Ledger } from "./ledger.ts";
import { byStatus, pause, RoamingLoad } from "./roaming_load.ts";

/** How long the store stays away after what is to be seen meanwhile, in milliseconds. */
const AWAY_MS = sized("TWO_NODES_AWAY_SECONDS", 1) * 1_000;
/** Devices of the load and channels of each. */
const DEVICES = 4;
const CHANNELS = 2;
/** Posts at once while the store is away: more than may wait for it. */
const BURST = 1_500;
/** How long a node may take to notice, and to be ready again, in milliseconds: its calls have 5 to 7 s. */
const NOTICE_MS = 30_000;
/** What a node may hold beyond what it held before, in bytes: the burst, its answers, what V8 has not freed yet. */
const HELD_BYTES_MAX = 150 * 2 ** 20;
/** A message whose device could not be looked for meanwhile is found at the device's next ping. */
const PINGS = ["--ping-interval", "2s"];

/** A world in which the store goes away. */
interface World {
  readonly engine: SharedEngine;
  readonly nodes: readonly Service[];
  readonly load: RoamingLoad;
}

for (const name of ENGINES) {
  Deno.test(`two nodes whose ${name} is stopped, killed and frozen answer 503, accept nothing meanwhile, and recover`, async () => {
    const seed = chooseSeed();
    const random = new Seeded(seed);
    report(`\n${name}, HELIOGRAPH_SEED=${seed}`);
    await using engine = await startEngine(name);
    await using cluster = await TwoNodes.open({ engine, flags: PINGS });
    const nodes = [cluster.a, cluster.b];
    const ledger = new Ledger("several");
    const load = await RoamingLoad.start({
      ...{ nodes, ledger, random },
      ...{ devices: DEVICES, channels: CHANNELS },
    });
    const world = { engine, nodes, load };
    await accepts(load);
    await absence(world, { leave: () => engine.stop(), comeBack: () => engine.start() });
    await absence(world, { leave: () => engine.kill9(), comeBack: () => engine.start() });
    await absence(world, { leave: () => engine.freeze(), comeBack: () => engine.thaw() });
    await load.stop();
    await load.drain();
    const statuses = byStatus(load.answers.all);
    report(`${JSON.stringify(ledger.counts())}, statuses ${JSON.stringify(statuses)}`);
    assertEquals(ledger.broken, [], `seed ${seed}`);
    assertEquals(ledger.missingNames(), [], `seed ${seed}: lost`);
    assertEquals(Object.keys(statuses), ["201", "503"]);
  });
}

async function absence(
  { nodes, load }: World,
  { leave, comeBack }: Readonly<Record<"leave" | "comeBack", () => Promise<void>>>,
): Promise<void> {
  const [a] = nodes;
  assert(a !== undefined);
  await using connected = await PushClient.connect(a.deviceUrl);
  assertEquals((await connected.register()).status, 200);
  const heldBytes = nodes.map((node) => node.residentBytes());
  await leave();
  const goneAt = performance.now();
  await Promise.all([
    refused(load, goneAt),
    load.burst(BURST),
    registerFails(connected),
    helloFails(a),
    ...nodes.map((node) => readiness(node, 503)),
  ]);
  await pause(AWAY_MS, new AbortController().signal);
  const backAt = performance.now();
  const meanwhile = load.answers.all.filter(({ from, to }) => from >= goneAt && to <= backAt);
  assertEquals(Object.keys(byStatus(meanwhile)), ["503"]);
  assertEquals(meanwhile.filter(({ retryAfter }) => !/^\d+$/.test(retryAfter ?? "")), []);
  const grownBytes = nodes.map((node, i) => node.residentBytes() - (heldBytes[i] ?? 0));
  const longestMs = Math.max(...meanwhile.map(({ from, to }) => to - from));
  assertLess(longestMs, NOTICE_MS);
  report(
    `away for ${
      Math.round(backAt - goneAt)
    } ms: ${meanwhile.length} posts answered 503 in at most ${Math.round(longestMs)} ms, ` +
      `resident memory grew by ${grownBytes.map((bytes) => Math.round(bytes / 2 ** 20))} MiB`,
  );
  for (const bytes of grownBytes) assertLess(bytes, HELD_BYTES_MAX);
  await comeBack();
  await Promise.all(nodes.map((node) => readiness(node, 200)));
  await accepts(load);
}

/** Waits until a post that began from now on is accepted. */
async function accepts(load: RoamingLoad): Promise<void> {
  const now = performance.now();
  await load.answers.next(({ status, from }) => status === 201 && from >= now, {
    what: "a post to be accepted",
    from: load.answers.size,
    withinMs: NOTICE_MS,
  });
}

async function refused(load: RoamingLoad, goneAt: number): Promise<void> {
  await load.answers.next(({ status, from }) => status === 503 && from >= goneAt, {
    what: "a post to be refused",
    withinMs: NOTICE_MS,
  });
}

/** A device that is connected is told, by an answer or by the end of its connection. */
async function registerFails(device: PushClient): Promise<void> {
  try {
    assertEquals((await device.register()).status, 500);
  } catch {
    assertEquals((await within(device.ended, NOTICE_MS, "the connection to end")).code, 1011);
  }
}

/** A device that comes is sent away. */
async function helloFails({ deviceUrl }: Service): Promise<void> {
  await using device = await PushClient.open(deviceUrl);
  device.send("hello", { use_webpush: true, uaid: crypto.randomUUID().replaceAll("-", "") });
  const ended = await within(device.ended, NOTICE_MS, "the connection of a hello to end");
  assertEquals(ended, { code: 1011, reason: "SM" });
}

/** Waits until `/readyz` answers so; when it is not ready it names the store. */
async function readiness({ apiPort }: Service, awaited: 200 | 503): Promise<void> {
  const deadline = performance.now() + NOTICE_MS;
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${apiPort}/readyz`);
    const body = await response.text();
    if (response.status === awaited) {
      const failed = awaited === 503 ? /"name":"store","ok":false/ : /"ready":true/;
      if (failed.test(body)) return;
    }
    assert(performance.now() < deadline, `/readyz never answered ${awaited}: ${body}`);
    await pause(100, new AbortController().signal);
  }
}
