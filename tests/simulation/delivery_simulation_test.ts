/**
 * The delivery pipeline under random answers, lost and leaving connections, providers that cannot be
 * reached, a failing store, crashing actors and killed processes, one seed at a time. When the faults
 * stop, every notification must end with exact counts: accepted = delivered + rejected + token_invalid
 * + expired + failed, nothing pending, and each recipient in the one place its address calls for.
 *
 * `SIMULATION_SEEDS=1000 deno task simulate` runs more; `SIMULATION_SEED=17` runs one.
 */

import { assert, assertEquals } from "@std/assert";
import type { Verdict } from "../../actors/push/delivery/ports.ts";
import { type Platform, PLATFORMS } from "../../actors/push/delivery/records.ts";
import { SeededRandom } from "../../actors/testing/mod.ts";
import { DeliveryWorld } from "../support/delivery_world.ts";

const FIRST = Number(Deno.env.get("SIMULATION_SEED") ?? 1);
const COUNT = Deno.env.has("SIMULATION_SEED") ? 1 : Number(Deno.env.get("SIMULATION_SEEDS") ?? 40);
const STEPS = 60;
const LIVES = 3;
const DEVICES: Readonly<Record<Platform, number>> = { apns: 2_300, fcm: 900, webpush: 150 };

/** The last digits of an address say what becomes of it. */
function classOf(address: string): "dead" | "rejected" | "flaky" | "sound" {
  const number = Number(address.split("-").at(-1));
  if (number % 50 === 7) return "dead";
  if (number % 50 === 8) return "rejected";
  return number % 10 === 9 ? "flaky" : "sound";
}

function answer(address: string, nth: number): Verdict {
  switch (classOf(address)) {
    case "dead":
      return { kind: "token_invalid", status: 410, reason: "Unregistered", doubtful: false };
    case "rejected":
      return { kind: "rejected", status: 400, reason: "BadPayload" };
    case "flaky":
      if (nth % 3 !== 0) {
        return { kind: "retry", status: 429, reason: "busy", scope: "recipient", afterMs: 2_000 };
      }
      return { kind: "delivered" };
    case "sound":
      return { kind: "delivered" };
  }
}

/** A message that crashes whoever handles it; frozen, so that the world leaves it alone. */
function broken<T extends object>(shape: T): T {
  for (const key of Object.keys(shape)) {
    Object.defineProperty(shape, key, {
      get: () => {
        throw new Error("broken on purpose");
      },
    });
  }
  return Object.freeze(shape);
}

const LANE = { app: "shop", platform: "apns" } as const;

/** What may happen to a pipeline, and nothing may be lost by it. */
function mishaps(
  pipeline: DeliveryWorld,
  random: SeededRandom,
  faults: { store: boolean },
): readonly (() => unknown)[] {
  const { script, world, refs } = pipeline;
  const chance = (share: number) => random.next() < share;
  const advance = () => world.advance(Math.floor(random.next() * 3_000));
  const { router, guard } = refs.delivery;
  return [
    advance,
    advance,
    advance,
    advance,
    () => script.latencyMs = Math.floor(random.next() * 2_000),
    () => script.lostShare = chance(0.5) ? 0.1 : 0,
    () => script.goawayShare = chance(0.5) ? 0.3 : 0,
    () => script.reachable = chance(0.7),
    () => script.streamsMax = chance(0.5) ? 1 : 500,
    () => faults.store = chance(0.3),
    () => router.trySend("batchEnded", broken({ lane: LANE, holdMs: 0, incarnation: 1 })),
    () => guard.trySend("trust", broken({ ...LANE })),
    () => {
      for (const platform of PLATFORMS) {
        const news = broken({ kind: "leaving", id: 1, reason: "" } as const);
        if (chance(0.3)) refs.gateways[platform].gateway.trySend("connectionNews", news);
      }
    },
    () => refs.delivery.feeder.trySend("wake"),
  ];
}

/** One life of a process, with mishaps; then it is killed. */
async function live(pipeline: DeliveryWorld, random: SeededRandom, faults: { store: boolean }) {
  pipeline.script.answer = answer;
  const actions = mishaps(pipeline, random, faults);
  let crashes = 0;
  for (let step = 0; step < STEPS; step++) {
    const index = Math.floor(random.next() * actions.length);
    // Never more often than the trees' restart intensity forgives.
    if (index >= 10 && index <= 12 && ++crashes % 3 === 0) await pipeline.world.advance(10_001);
    await actions[index]?.();
    await pipeline.world.settle();
  }
}

async function simulate(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const faults = { store: false };
  const fault = ({ name }: { readonly name: string }) => {
    // What the test itself calls does not fail.
    const own = ["submit", "saveDevices", "saveApp", "notification", "reopen"].includes(name);
    if (own || !faults.store || random.next() > 0.1) return undefined;
    return random.next() < 0.5 ? "io" as const : "busy" as const;
  };
  let pipeline = await DeliveryWorld.open({ seed, fault, batchesMax: 8 });
  await pipeline.app();
  for (const platform of PLATFORMS) await pipeline.devices(DEVICES[platform], { platform });
  const ids = [await pipeline.send(), await pipeline.send({ ratePerSecond: 200 })];
  const requests = new Map<string, number>();
  for (let life = 0; life < LIVES; life++) {
    await live(pipeline, random, faults);
    faults.store = false;
    if (life === 0) {
      ids.push(
        await pipeline.send({}, { kind: "devices", devices: ["shop-apns-1", "shop-fcm-1"] }),
      );
    }
    for (const provider of Object.values(pipeline.providers)) {
      for (const [address, count] of provider.requests) {
        requests.set(address, (requests.get(address) ?? 0) + count);
      }
    }
    pipeline.kill();
    const after = pipeline;
    await pipeline[Symbol.asyncDispose]();
    pipeline = await DeliveryWorld.open({ seed: seed + life, fault, batchesMax: 8, after });
  }
  await using last = pipeline;
  last.script.answer = answer;
  for (let minute = 0; minute < 60; minute++) await last.world.advance(60_000);
  for (const id of ids) await judge(last, id);
  for (const provider of Object.values(last.providers)) {
    for (const address of provider.requests.keys()) requests.set(address, 1);
  }
  assertEquals(requests.size, DEVICES.apns + DEVICES.fcm + DEVICES.webpush);
}

/** Everybody has one outcome, and the right one. */
async function judge(pipeline: DeliveryWorld, id: string): Promise<void> {
  const { counts, state, sendingDone } = await pipeline.status(id);
  assertEquals([state, sendingDone, counts.pending], ["done", true, 0]);
  const { total, delivered, tokenInvalid, rejected, expired, failed, cancelled } = counts;
  assertEquals(total, delivered + tokenInvalid + rejected + expired + failed + cancelled);
  // Nothing waited for days, and no batch was poison.
  assertEquals([expired, cancelled], [0, 0]);
  const rows = [];
  for (let after = 0;;) {
    const page = await pipeline.store.deliveries({ notification: id, after, limit: 1_000 });
    if (page.length === 0) break;
    rows.push(...page);
    after = page.at(-1)?.position ?? after;
  }
  assertEquals(new Set(rows.map(({ number }) => number)).size, rows.length);
  assertEquals(rows.length, total - delivered);
  for (const { address, outcome, reason } of rows) {
    const expected = classOf(address) === "dead" ? "token_invalid" : "rejected";
    // Devices found dead by one notification are so for the next, without a request.
    if (outcome === "failed") assert(reason.startsWith("gave up after"), reason);
    else assertEquals(outcome, expected, address);
  }
}

for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
  Deno.test(`delivery simulation, SIMULATION_SEED=${seed}`, () => simulate(seed));
}
