/**
 * Nothing that was answered 201 is lost when the process is killed, or asked to stop, under load
 * (the promise that makes the service a place to keep messages in).
 *
 * Each round starts the service on the same data and ports, lets some devices return, posts to
 * every channel without pause, and ends the process at a moment drawn from the seed. Play a run
 * again with `HELIOGRAPH_SEED=… deno test …`; the processes' own timing is not in the seed.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Arrivals } from "../support/arrivals.ts";
import { chooseSeed, report, Seeded } from "../support/seeded.ts";
import { Service } from "../support/service.ts";
import { Ledger } from "./ledger.ts";
import { Load } from "./load.ts";

/** Devices of the load and channels of each. */
const DEVICES = 4;
const CHANNELS = 2;
/** The moment of the end, in milliseconds after the senders started. */
const END_MS_MIN = 20;
const END_MS_MAX = 350;
/** How long the last delivery may take, in milliseconds. */
const DRAIN_MS = 60_000;
/** How likely a round makes sure of its acknowledgements before the end. */
const CONFIRM_CHANCE = 0.5;

/** How the process ends in each round. */
type Ending = "SIGKILL" | "SIGTERM";

Deno.test("kill -9 in 50 rounds under load loses no message answered 201", async () => {
  await rounds(50, "SIGKILL");
});

Deno.test("SIGTERM in 10 rounds under load loses nothing, answers all it accepts and exits 0", async () => {
  await rounds(10, "SIGTERM");
});

async function rounds(count: number, ending: Ending): Promise<void> {
  const seed = chooseSeed();
  const random = new Seeded(seed);
  const ledger = new Ledger();
  await using service = await Service.start();
  const { deviceUrl } = service;
  const load = await Load.open({ deviceUrl, ledger, random, devices: DEVICES, channels: CHANNELS });
  for (let round = 1; round <= count; round++) {
    if (round > 1) {
      await service.startAgain();
      await load.devicesReturn(deviceUrl);
    }
    load.startPosting();
    await new Promise((resolve) => setTimeout(resolve, random.between(END_MS_MIN, END_MS_MAX)));
    if (random.chance(CONFIRM_CHANCE)) {
      await Promise.all(load.devices.map((device) => device.confirmAcks()));
    }
    if (ending === "SIGKILL") await service.kill9();
    else assertEquals(await service.stop(), { code: 0, signal: null }, `round ${round}`);
    await load.stopPosting();
    await Promise.all(load.devices.map((device) => device.disconnect()));
  }
  await service.startAgain();
  await drain(load, ledger, deviceUrl);
  report(`\n${ending}, ${count} rounds, seed ${seed}: ${JSON.stringify(ledger.counts())}`);
  assertEquals(ledger.broken, [], `seed ${seed}`);
  assertEquals(ledger.missingNames(), [], `seed ${seed}: lost`);
  // Who is asked to stop answers what it has accepted; who is killed cannot.
  if (ending === "SIGTERM") assertEquals(ledger.counts().unanswered, 0, `seed ${seed}`);
}

/** Everybody returns, reads and acknowledges all there is; a second return must bring nothing. */
async function drain(load: Load, ledger: Ledger, deviceUrl: string): Promise<void> {
  const looks = new Arrivals<number>();
  const timer = setInterval(() => looks.add(ledger.missing), 50);
  try {
    await Promise.all(load.devices.map((device) => device.connect(deviceUrl, Infinity)));
    await looks.next((missing) => missing === 0, {
      what: "every accepted message to arrive",
      withinMs: DRAIN_MS,
    });
  } catch (error) {
    report(`${ledger.missing} missing: ${ledger.missingNames().join("; ")}`);
    throw error;
  } finally {
    clearInterval(timer);
  }
  for (let i = 0; i < 2; i++) {
    await Promise.all(load.devices.map((device) => device.confirmAcks()));
    await Promise.all(load.devices.map((device) => device.disconnect()));
    await Promise.all(load.devices.map((device) => device.connect(deviceUrl, Infinity)));
  }
  await Promise.all(load.devices.map((device) => device.confirmAcks()));
  await Promise.all(load.devices.map((device) => device.disconnect()));
}
