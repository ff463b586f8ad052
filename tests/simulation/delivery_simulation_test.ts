/**
 * The delivery pipeline under random answers, lost and leaving connections, providers that cannot be
 * reached, blocks that cannot be split, a failing store, crashing actors, people who pause, resume,
 * cancel and change credentials, and killed processes, one seed at a time. When the faults stop, every
 * notification must end with exact counts: accepted = delivered + rejected + token_invalid
 * + expired + failed + cancelled, nothing pending, and each recipient in the one place its address calls for.
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

/** What the test itself, and the people in it, ask of the store. */
const OWN: ReadonlySet<string> = new Set([
  "submit",
  "saveDevices",
  "saveApp",
  "app",
  "pause",
  "resume",
  "cancel",
  "notification",
]);

const LANE = { app: "shop", platform: "apns" } as const;

/** What the test does wrong, and the notification it may cancel. */
interface Faults {
  store: boolean;
  doomed: string;
}

/** What may happen to a pipeline, and nothing may be lost by it. */
function mishaps(
  pipeline: DeliveryWorld,
  random: SeededRandom,
  faults: Faults,
): readonly (() => unknown)[] {
  const { script, world, refs, store } = pipeline;
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
    () => script.poisonShare = chance(0.3) ? 0.2 : 0,
    () => script.crashShare = chance(0.5) ? 0.1 : 0,
    () => {
      const platform = PLATFORMS[Math.floor(random.next() * PLATFORMS.length)] ?? "apns";
      return store.pause({ app: "shop", platform }, "by hand", world.clock.wallNow());
    },
    () => pipeline.service.resumeApp("shop", {}),
    () => pipeline.service.resumeApp("shop", {}),
    () => pipeline.app(),
    () => chance(0.2) ? store.cancel(faults.doomed, world.clock.wallNow()) : undefined,
  ];
}

/** One life of a process, with mishaps; then it is killed. */
async function live(pipeline: DeliveryWorld, random: SeededRandom, faults: Faults) {
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
  const faults: Faults = { store: false, doomed: "" };
  const fault = ({ name }: { readonly name: string }) => {
    // What the test itself calls does not fail.
    if (OWN.has(name) || !faults.store || random.next() > 0.1) return undefined;
    return random.next() < 0.5 ? "io" as const : "busy" as const;
  };
  let pipeline = await DeliveryWorld.open({ seed, fault, batchesMax: 8 });
  await pipeline.app();
  for (const platform of PLATFORMS) await pipeline.devices(DEVICES[platform], { platform });
  const ids = [await pipeline.send(), await pipeline.send({ ratePerSecond: 200 })];
  faults.doomed = await pipeline.send({ ratePerSecond: 100 });
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
  await last.service.resumeApp("shop", {});
  await last.store.cancel(faults.doomed, last.world.clock.wallNow());
  for (let minute = 0; minute < 60; minute++) await last.world.advance(60_000);
  for (const id of ids) await judge(last, id, "done");
  await judge(last, faults.doomed, "cancelled");
  for (const provider of Object.values(last.providers)) {
    for (const address of provider.requests.keys()) requests.set(address, 1);
  }
  assertEquals(requests.size, DEVICES.apns + DEVICES.fcm + DEVICES.webpush);
}

/** Everybody has one outcome, and the right one. */
async function judge(
  pipeline: DeliveryWorld,
  id: string,
  as: "done" | "cancelled",
): Promise<void> {
  const { counts, state, sendingDone } = await pipeline.status(id);
  if (as === "done") assertEquals([state, counts.cancelled], ["done", 0]);
  else assert(state === "done" || state === "cancelled", state);
  assertEquals([sendingDone, counts.pending], [true, 0]);
  const { total, delivered, tokenInvalid, rejected, expired, failed, cancelled } = counts;
  assertEquals(total, delivered + tokenInvalid + rejected + expired + failed + cancelled);
  // Nothing waited for days.
  assertEquals(expired, 0);
  const rows = [];
  for (let after = 0;;) {
    const page = await pipeline.store.deliveries({ notification: id, after, limit: 1_000 });
    if (page.length === 0) break;
    rows.push(...page);
    after = page.at(-1)?.position ?? after;
  }
  assertEquals(new Set(rows.map(({ number }) => number)).size, rows.length);
  // Nobody writes down those to whom nothing was sent.
  assertEquals(rows.length, total - delivered - cancelled);
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
