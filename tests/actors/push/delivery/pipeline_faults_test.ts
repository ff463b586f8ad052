/**
 * A small campaign in which each call of the store fails in turn, or is the last one of its process:
 * everybody has one outcome all the same, the history counts it once, and nobody is asked twice for a
 * call that merely failed.
 */

import { assert, assertEquals } from "@std/assert";
import type { Verdict } from "../../../../actors/push/delivery/ports.ts";
import type { Fault } from "../../../../transports/memory/memory_delivery_store.ts";
import { DeliveryWorld } from "../../../support/delivery_world.ts";

/** What the test itself asks of the store. */
const OWN: ReadonlySet<string> = new Set([
  "saveApp",
  "saveDevices",
  "submit",
  "notification",
  "deliveries",
  "device",
  "history",
  "lastOutcomes",
]);

/** What the history's sink asks of it, among others. */
const HISTORY: ReadonlySet<string> = new Set([
  "claimSink",
  "talliesAfter",
  "addToHistory",
  "saveSinkPosition",
]);

const DEVICES = { apns: 20, webpush: 5 } as const;

/** By the last digit of an address: dead, refused, busy at first, or sound. */
function answer(address: string, nth: number): Verdict {
  switch (Number(address.at(-1))) {
    case 1:
      return { kind: "token_invalid", status: 410, reason: "Unregistered", doubtful: false };
    case 2:
      return { kind: "rejected", status: 400, reason: "BadPayload" };
    case 3:
      if (nth > 1) return { kind: "delivered" };
      return { kind: "retry", status: 429, reason: "busy", scope: "recipient", afterMs: 2_000 };
    default:
      return { kind: "delivered" };
  }
}

/** Requests for each address beyond those it needs. */
function repeated({ providers }: DeliveryWorld): number {
  let beyond = 0;
  for (const { requests } of Object.values(providers)) {
    for (const [address, count] of requests) beyond += count - (address.endsWith("3") ? 2 : 1);
  }
  return beyond;
}

async function judge(pipeline: DeliveryWorld, id: string): Promise<void> {
  const { counts, state } = await pipeline.status(id);
  assertEquals({ ...counts, state, retries: 3 }, {
    ...{ total: 25, delivered: 19, tokenInvalid: 3, rejected: 3, retries: 3, state: "done" },
    ...{ expired: 0, failed: 0, cancelled: 0, pending: 0 },
  });
  const rows = await pipeline.store.deliveries({ notification: id, after: 0, limit: 100 });
  assertEquals(new Set(rows.map(({ number }) => number)).size, 6);
  assertEquals(rows.length, 6);
  assertEquals((await pipeline.store.device("shop-apns-11"))?.state, "invalid");
  const last = await pipeline.store.lastOutcomes(["shop-apns-11", "shop-apns-3", "shop-webpush-2"]);
  assertEquals(last.map((row) => row?.outcome), ["token_invalid", undefined, "rejected"]);
  assertEquals(await hourOf(pipeline), { delivered: 19, token_invalid: 3, rejected: 3 });
}

/** The sums of the last hour's bars, but for what is 0 and for requests that were made again. */
async function hourOf({ service }: DeliveryWorld): Promise<Readonly<Record<string, number>>> {
  const reply = await service.bars({ span: "hour" });
  assert(reply.kind === "ok");
  const sums: Record<string, number> = {};
  for (const { platforms } of reply.value.bars) {
    for (const { retries: _, ...outcomes } of Object.values(platforms)) {
      for (const [outcome, count] of Object.entries(outcomes)) {
        if (count > 0) sums[outcome] = (sums[outcome] ?? 0) + count;
      }
    }
  }
  return sums;
}

/** The campaign with its nth call among these failing; says whether there were so many. */
async function run(
  failing: number,
  fault: Fault,
  counts: (name: string) => boolean,
): Promise<boolean> {
  let calls = 0;
  let armed = false;
  const pipeline = await DeliveryWorld.open({
    batchesMax: 2,
    fault: ({ name }) => armed && counts(name) && ++calls === failing ? fault : undefined,
  });
  pipeline.script.answer = answer;
  await pipeline.app();
  await pipeline.devices(DEVICES.apns);
  await pipeline.devices(DEVICES.webpush, { platform: "webpush" });
  // A sink begins where the rows end when it is first seen, which is now.
  await pipeline.world.settle();
  armed = true;
  const id = await pipeline.send();
  if (fault === "io") {
    await using last = pipeline;
    await last.world.advance(60_000);
    await judge(last, id);
    assertEquals(repeated(last), 0);
    assertEquals((await last.status(id)).counts.retries, 3);
  } else {
    await pipeline.world.advance(8_000);
    pipeline.kill();
    await pipeline[Symbol.asyncDispose]();
    await using last = await DeliveryWorld.open({ batchesMax: 2, after: pipeline });
    last.script.answer = answer;
    await last.world.advance(60_000);
    await judge(last, id);
  }
  return calls >= failing;
}

for (const fault of ["io", "crash_before", "crash_after"] as const) {
  Deno.test(`pipeline gives everybody one outcome whichever call of the store fails: ${fault}`, async () => {
    let failing = 1;
    while (failing < 60 && await run(failing, fault, (name) => !OWN.has(name))) failing++;
    assert(failing > 20, `${failing} calls`);
  });

  Deno.test(`pipeline counts everybody once in the history whichever call of its sink fails: ${fault}`, async () => {
    let failing = 1;
    while (failing < 40 && await run(failing, fault, (name) => HISTORY.has(name))) failing++;
    assert(failing > 15, `${failing} calls`);
  });
}
