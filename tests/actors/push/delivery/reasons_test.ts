import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { OTHER_REASONS, ReasonCounts } from "../../../../actors/push/delivery/reasons.ts";
import {
  type DeliveryRow,
  type Outcome,
  OUTCOMES,
  type Platform,
  PLATFORMS,
} from "../../../../actors/push/delivery/records.ts";
import type { DeliveriesPage } from "../../../../actors/push/delivery/store.ts";

const ID = "00000000-0000-4000-8000-000000000001";

/** How a delivery ended. */
type End = Pick<DeliveryRow, "platform" | "outcome" | "status" | "reason">;

/** Rows as a store keeps them: in the order of positions, which have gaps. */
class Log {
  readonly rows: DeliveryRow[] = [];
  /** Rows that were read, in pages. */
  readonly pages: number[] = [];
  breaths = 0;
  /** What reading comes to instead, once. */
  failing: Error | undefined;

  readonly counts = new ReasonCounts({
    store: { deliveries: (page) => this.#page(page) },
    breathe: () => {
      this.breaths++;
      return Promise.resolve();
    },
  });

  add(count: number, end: End): void {
    for (let i = 0; i < count; i++) {
      const number = this.rows.length;
      this.rows.push({
        ...{ position: 3 * number + 1, notification: ID, app: "shop", number, device: undefined },
        ...{ address: "a", attempts: 1, at: 0, registeredBefore: undefined },
        ...end,
      });
    }
  }

  async #page({ after, limit }: DeliveriesPage): Promise<readonly DeliveryRow[]> {
    await Promise.resolve();
    const { failing } = this;
    this.failing = undefined;
    if (failing !== undefined) throw failing;
    const first = this.rows.findIndex(({ position }) => position > after);
    const page = first < 0 ? [] : this.rows.slice(first, first + limit);
    this.pages.push(page.length);
    return page;
  }
}

function end(outcome: Outcome, reason = "", status = 410, platform: Platform = "apns"): End {
  return { platform, outcome, status, reason };
}

Deno.test("ReasonCounts.of() counts what was not delivered by its reason, the largest first", async () => {
  const log = new Log();
  log.add(5, end("delivered", "", 200));
  log.add(2, end("token_invalid", "Unregistered"));
  log.add(3, end("rejected", "BadTopic", 400));
  log.add(1, end("token_invalid", "Unregistered", 404, "fcm"));
  assertEquals(await log.counts.of(ID), {
    reasons: [
      { ...end("rejected", "BadTopic", 400), count: 3 },
      { ...end("token_invalid", "Unregistered"), count: 2 },
      { ...end("token_invalid", "Unregistered", 404, "fcm"), count: 1 },
    ],
    counted: 6,
    complete: true,
  });
});

Deno.test("ReasonCounts.of() reads at most 20,000 rows a call, lets the loop turn, and goes on", async () => {
  const log = new Log();
  log.add(41_000, end("failed", "500", 500));
  const seen = async () => {
    const { counted, complete } = await log.counts.of(ID);
    return [counted, complete, log.breaths];
  };
  assertEquals(await seen(), [20_000, false, 19]);
  assertEquals(await seen(), [40_000, false, 38]);
  assertEquals(await seen(), [41_000, true, 39]);
  log.add(1, end("failed", "500", 500));
  assertEquals(await seen(), [41_001, true, 39]);
  assertEquals(log.pages.slice(-2), [0, 1]);
});

Deno.test("ReasonCounts.of() counts once for callers of the same moment", async () => {
  const log = new Log();
  log.add(1_500, end("rejected", "BadTopic", 400));
  const views = await Promise.all([log.counts.of(ID), log.counts.of(ID), log.counts.of(ID)]);
  assertEquals(views.map(({ counted }) => counted), [1_500, 1_500, 1_500]);
  assertEquals(log.pages, [1_000, 500]);
});

Deno.test("ReasonCounts.of() tells 200 reasons apart, and the others of a platform and outcome together", async () => {
  const log = new Log();
  for (let i = 0; i < 300; i++) log.add(1, end("rejected", `reason ${i}`, 400));
  log.add(2, end("token_invalid", "gone", 404, "fcm"));
  log.add(1, end("rejected", "reason 7", 400));
  const { reasons, counted } = await log.counts.of(ID);
  assertEquals([reasons.length, counted], [202, 303]);
  assertEquals(reasons.slice(0, 3), [
    { ...end("rejected", OTHER_REASONS, 0), count: 100 },
    { ...end("rejected", "reason 7", 400), count: 2 },
    { ...end("token_invalid", OTHER_REASONS, 0, "fcm"), count: 2 },
  ]);
});

Deno.test("ReasonCounts.of() goes on where a store that failed had come to", async () => {
  const log = new Log();
  log.add(10, end("failed", "500", 500));
  log.failing = new Error("away");
  await assertRejects(() => log.counts.of(ID), Error, "away");
  assertEquals((await log.counts.of(ID)).counted, 10);
});

Deno.test("ReasonCounts.of() forgets the notification that nobody asked for longest", async () => {
  const log = new Log();
  log.add(3, end("failed", "500", 500));
  await log.counts.of("first");
  for (let i = 0; i < 63; i++) await log.counts.of(`other ${i}`);
  await log.counts.of("first");
  assertEquals(log.pages.at(-1), 0, "the first is remembered among 64");
  await log.counts.of("one more");
  await log.counts.of("first");
  assertEquals(log.pages.at(-1), 0, "it was asked for last");
  await log.counts.of("other 0");
  assertEquals(log.pages.at(-1), 3, "it was counted anew");
});

const ends = fc.record({
  platform: fc.constantFrom(...PLATFORMS),
  outcome: fc.constantFrom(...OUTCOMES),
  status: fc.constantFrom(0, 400, 410),
  reason: fc.constantFrom("", "gone", "a b", "b"),
});

Deno.test("ReasonCounts.of() comes to what all rows come to, however they are added, asked for and failed", async () => {
  const steps = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), end: ends, count: fc.nat(2_500) }),
    fc.record({ kind: fc.constant("ask" as const), times: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ kind: fc.constant("fail" as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 20 }), async (script) => {
      const log = new Log();
      const asked: Promise<unknown>[] = [];
      for (const step of script) {
        if (step.kind === "add") log.add(step.count, step.end);
        else if (step.kind === "fail") log.failing = new Error("away");
        else {
          for (let i = 0; i < step.times; i++) asked.push(log.counts.of(ID).catch(() => {}));
          await Promise.resolve();
        }
      }
      await Promise.all(asked);
      log.failing = undefined;
      let view = await log.counts.of(ID);
      while (!view.complete) view = await log.counts.of(ID);
      const expected = new Map<string, number>();
      for (const { platform, outcome, status, reason } of log.rows) {
        if (outcome === "delivered") continue;
        const key = JSON.stringify([platform, outcome, status, reason]);
        expected.set(key, (expected.get(key) ?? 0) + 1);
      }
      const seen = view.reasons.map(({ platform, outcome, status, reason, count }) =>
        [JSON.stringify([platform, outcome, status, reason]), count] as const
      );
      assertEquals(new Map(seen), expected);
      assertEquals(view.counted, [...expected.values()].reduce((sum, count) => sum + count, 0));
    }),
    { numRuns: 60 },
  );
});
