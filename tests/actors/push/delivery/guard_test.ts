import { assertEquals } from "@std/assert";
import { guard, type LaneReport } from "../../../../actors/push/delivery/guard.ts";
import { World } from "../../../../actors/testing/mod.ts";
import { worker } from "../../../../actors/runtime/spec.ts";
import type { Ref } from "../../../../actors/runtime/actor.ts";
import type { GuardProtocol } from "../../../../actors/push/delivery/guard.ts";

const SHOP = { app: "shop", platform: "apns" } as const;

function report(change: Partial<LaneReport>): LaneReport {
  return { lane: SHOP, version: 1, answered: 0, doubtful: 0, first: 0, retries: 0, ...change };
}

async function started(world: World): Promise<Ref<GuardProtocol>> {
  const refs = await world.system.start<{ guard: Ref<GuardProtocol> }>("test", {
    strategy: "one_for_one",
    intensity: { restarts: 0, withinMs: 1_000 },
    children: { guard: worker(guard, { args: () => undefined, restart: "permanent" }) },
  });
  return refs.guard;
}

/** What the guard answers to these reports, one after the other. */
async function answers(...reports: readonly LaneReport[]) {
  await using world = new World();
  const ref = await started(world);
  const given = [];
  for (const each of reports) given.push(await ref.ask("guidance", each));
  return given;
}

Deno.test("guard brakes when enough answers of a lane are doubtful", async () => {
  const given = await answers(
    report({ answered: 49, doubtful: 49 }),
    report({ answered: 1, doubtful: 1 }),
  );
  assertEquals(given.map(({ brake }) => brake), [false, true]);
});

Deno.test("guard believes a share of doubtful answers such as a neglected list has", async () => {
  const thousand = report({ answered: 1_000, doubtful: 200 });
  const given = await answers(
    thousand,
    thousand,
    thousand,
    report({ answered: 100, doubtful: 99 }),
  );
  assertEquals(given.map(({ brake }) => brake), [false, false, false, true]);
});

Deno.test("guard never brakes a batch without doubtful answers", async () => {
  const given = await answers(report({ answered: 100, doubtful: 100 }), report({ answered: 1 }));
  assertEquals(given.map(({ brake }) => brake), [true, false]);
});

Deno.test("guard judges each lane by itself", async () => {
  const other = { app: "shop", platform: "fcm" } as const;
  const given = await answers(
    report({ answered: 100, doubtful: 100 }),
    report({ lane: other, answered: 100, doubtful: 1 }),
  );
  assertEquals(given.map(({ brake }) => brake), [true, false]);
});

Deno.test("guard sees a change after a long good time", async () => {
  const good = Array.from({ length: 100 }, () => report({ answered: 1_000 }));
  const bad = Array.from({ length: 4 }, () => report({ answered: 1_000, doubtful: 1_000 }));
  const given = await answers(...good, ...bad);
  assertEquals(given.at(-1)?.brake, true);
});

Deno.test("guard judges new credentials anew, and believes no doubt in those they replaced", async () => {
  const given = await answers(
    report({ answered: 1_000, doubtful: 1_000 }),
    report({ version: 2, answered: 1_000, doubtful: 20 }),
    report({ version: 1, answered: 1_000, doubtful: 1 }),
    report({ version: 1, answered: 1_000, doubtful: 0 }),
    report({ version: 2, answered: 1_000, doubtful: 20 }),
    report({ version: 2, answered: 1_000, doubtful: 1_000 }),
  );
  assertEquals(given.map(({ brake }) => brake), [true, false, true, false, false, true]);
});

Deno.test("guard believes a lane for a while after somebody resumed it", async () => {
  await using world = new World();
  const ref = await started(world);
  const bad = report({ answered: 1_000, doubtful: 1_000 });
  assertEquals((await ref.ask("guidance", bad)).brake, true);
  await ref.send("trust", SHOP);
  const given = [];
  for (let batch = 0; batch < 11; batch++) given.push((await ref.ask("guidance", bad)).brake);
  assertEquals(given, [...Array(10).fill(false), true]);
});

Deno.test("guard lets a lane retry a tenth of what it sends, and what it saved up", async () => {
  const given = await answers(
    report({ first: 1_000, retries: 10_000 }),
    report({ first: 0, retries: 1 }),
    report({ first: 1_000, retries: 100 }),
    report({ first: 1_000, retries: 101 }),
  );
  assertEquals(given.map(({ overBudget }) => overBudget), [false, true, false, true]);
});
