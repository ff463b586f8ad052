/**
 * Nothing that was answered 201 is lost when either of two nodes is killed, and nothing that was
 * acknowledged comes back for ever.
 *
 * Devices move between the nodes and senders post to both, at a steady rate, while one node after
 * the other is killed at a moment drawn from the seed and started again. Play a run again with
 * `HELIOGRAPH_SEED=… deno test …`, and a longer one with `deno task two-nodes`; the processes' own
 * timing is not in the seed.
 */

import { assertEquals, assertGreater } from "@std/assert";
import { chooseSeed, report, Seeded } from "../support/seeded.ts";
import { sized } from "../support/campaign_service.ts";
import { type EngineName, ENGINES, startEngine } from "../support/shared_engine.ts";
import { endpointAt, TwoNodes } from "../support/two_nodes.ts";
import { Ledger } from "./ledger.ts";
import { LoadDevice, postNext } from "./load.ts";
import { allArrived, byStatus, pause, RoamingLoad } from "./roaming_load.ts";

/** How often a node is killed. */
const ROUNDS = sized("TWO_NODES_ROUNDS", 3);
/** Devices of the load and channels of each. */
const DEVICES = 6;
const CHANNELS = 2;
/** The moment of a kill after the last start, and how long the node stays away, in milliseconds. */
const KILL_MS_MAX = 900;
const AWAY_MS_MAX = 700;
/** How long it may take to find what a dead node accepted: its lease of 10 s, and two looks at the directory. */
const FOUND_MS = 30_000;
/** Short, so that rounds need not wait for that: at each ping a device's session looks into the store. */
const PINGS = ["--ping-interval", "2s"];

for (const engine of ENGINES) {
  Deno.test(`kill -9 of each of two nodes on ${engine} in turn loses no message answered 201`, async () => {
    await rounds(engine);
  });

  Deno.test(`what a killed node on ${engine} accepted and told nobody is found when its lease has ended`, async () => {
    await untold(engine);
  });
}

async function rounds(name: EngineName): Promise<void> {
  const seed = chooseSeed();
  const random = new Seeded(seed);
  report(`\n${name}, ${ROUNDS} kills, HELIOGRAPH_SEED=${seed}`);
  await using engine = await startEngine(name);
  await using nodes = await TwoNodes.open({ engine, flags: PINGS });
  const { a, b } = nodes;
  const ledger = new Ledger("several");
  const load = await RoamingLoad.start({
    ...{ nodes: [a, b], ledger, random },
    ...{ devices: DEVICES, channels: CHANNELS },
  });
  const never = new AbortController().signal;
  for (let round = 1; round <= ROUNDS; round++) {
    const victim = round % 2 === 0 ? b : a;
    await pause(random.between(0, KILL_MS_MAX), never);
    await victim.kill9();
    await pause(random.between(0, AWAY_MS_MAX), never);
    await victim.startAgain();
  }
  await load.stop();
  await load.drain();
  const statuses = byStatus(load.answers.all);
  report(`${JSON.stringify(ledger.counts())}, statuses ${JSON.stringify(statuses)}`);
  assertEquals(ledger.broken, [], `seed ${seed}`);
  assertEquals(ledger.missingNames(), [], `seed ${seed}: lost`);
  assertGreater(ledger.counts().accepted, ROUNDS * DEVICES);
  // Who was cut off has no answer; every other post is accepted, by whichever node.
  assertEquals(Object.keys(statuses).filter((status) => !["0", "201"].includes(status)), []);
}

/** Devices on one node, pinged every five minutes, and senders on the other, which is killed. */
async function untold(name: EngineName): Promise<void> {
  const seed = chooseSeed();
  const random = new Seeded(seed);
  await using engine = await startEngine(name);
  await using nodes = await TwoNodes.open({ engine });
  const { a, b } = nodes;
  const ledger = new Ledger("several");
  const devices: LoadDevice[] = [];
  while (devices.length < DEVICES) {
    const device = new LoadDevice(ledger);
    await device.connect(b.deviceUrl, Infinity);
    await device.subscribe(CHANNELS);
    devices.push(device);
  }
  const posting = devices.flatMap(({ channels }) => channels).map(async (channel) => {
    const url = endpointAt(channel.endpoint, a);
    while (await postNext(ledger, random, channel, url) !== undefined);
  });
  await pause(random.between(0, KILL_MS_MAX), new AbortController().signal);
  await a.kill9();
  await Promise.all(posting);
  report(`\n${name}, HELIOGRAPH_SEED=${seed}: ${ledger.missing} on their way when it was killed`);
  await allArrived(ledger, FOUND_MS);
  assertEquals(ledger.broken, [], `seed ${seed}`);
  await Promise.all(devices.map((device) => device.disconnect()));
}
