/**
 * A notification survives `kill -9` at random moments: what was answered as recorded is recorded, each
 * recipient has one outcome and one row in the end, and the counts are exact, those of the history too.
 *
 * Play a run again with `HELIOGRAPH_SEED=…`; the processes' own timing is not in the seed.
 */

import { assert, assertEquals } from "@std/assert";
import { openSqliteDeliveryStore } from "../../../transports/sqlite/sqlite_delivery_store.ts";
import { chooseSeed, Seeded } from "../../support/seeded.ts";
import { linesOf, startChild, TemporaryFolder } from "./child_process.ts";

const DEVICES = 4_000;
const ID = "00000000-0000-4000-8000-000000000001";

Deno.test("SqliteDeliveryStore counts every recipient once over many rounds of kill -9", async () => {
  const seed = chooseSeed();
  const random = new Seeded(seed);
  await using folder = new TemporaryFolder();
  await prepare(folder.path);
  const recorded = new Map<string, number>();
  let rounds = 0;
  for (let done = false; !done; rounds++) {
    const reports = await killAfter(random.between(1, 60), folder.path, rounds);
    for (const [word = "", count, batch = ""] of reports.map((line) => line.split(" "))) {
      assert(/^(expanded|committed|done)$/.test(word), `"${word}", seed ${seed}`);
      if (word === "committed") {
        assertEquals(recorded.has(batch), false, `batch ${batch} twice, seed ${seed}`);
        recorded.set(batch, Number(count));
      }
      done ||= word === "done";
    }
    await using store = await openSqliteDeliveryStore({ directory: folder.path });
    const counts = (await store.notification(ID))?.counts;
    const answered = [...recorded.values()].reduce((sum, count) => sum + count, 0);
    // The last answers of the round may have been killed on their way.
    assert((counts?.delivered ?? 0) >= answered, `lost, seed ${seed}`);
    assertEquals((counts?.delivered ?? 0) + (counts?.pending ?? 0), counts?.total);
  }
  assert(rounds > 5, "the rounds did something");
  await using store = await openSqliteDeliveryStore({ directory: folder.path });
  const status = await store.notification(ID);
  assertEquals(status?.state, "done");
  assertEquals([status?.counts.total, status?.counts.delivered], [DEVICES, DEVICES]);
  const rows = await store.rowsAfter(0, 2 * DEVICES);
  assertEquals(rows.length, DEVICES);
  assertEquals(new Set(rows.map(({ number }) => number)).size, DEVICES);
  assertEquals(await store.lanes(), []);
  await store.addToHistory(await store.talliesAfter(0, 1_000));
  const slots = await store.history({ from: 0, to: 3_000_000_000, stepSeconds: 10 });
  assertEquals(
    [
      slots.reduce((sum, { outcomes }) => sum + outcomes.delivered, 0),
      slots.reduce((sum, { retries }) => sum + retries, 0),
    ],
    [DEVICES, status?.counts.retries],
  );
  const devices = Array.from({ length: 1_000 }, (_, index) => `device-${4 * index}`);
  const last = await store.lastOutcomes(devices);
  assertEquals(last.map((row) => row?.device), devices);
});

async function prepare(directory: string): Promise<void> {
  await using store = await openSqliteDeliveryStore({ directory });
  const now = Date.now();
  await store.saveApp("news", {}, now);
  for (let first = 0; first < DEVICES; first += 1_000) {
    const devices = Array.from({ length: 1_000 }, (_, index) => {
      const id = `device-${first + index}`;
      const platform = index % 2 === 0 ? "apns" : "fcm";
      return {
        id,
        app: "news",
        platform,
        address: id,
        keys: undefined,
        user: undefined,
        tags: [],
      } as const;
    });
    await store.saveDevices(devices, now);
  }
  await store.submit({
    notification: {
      id: ID,
      app: "news",
      content: {},
      ttlSeconds: 60,
      urgency: "normal",
      topic: undefined,
      createdAt: now,
      sendAt: now,
      expiresAt: now + 1e12,
      ratePerSecond: undefined,
      rows: "all",
    },
    audience: { kind: "all" },
    idempotencyKey: undefined,
    digest: "d",
  });
}

/** Kills a child once it has reported so many answers; gives back all it reported. */
async function killAfter(
  count: number,
  directory: string,
  round: number,
): Promise<readonly string[]> {
  const child = startChild({
    args: [directory, ID, String(round)],
    folders: [directory],
    child: "./delivery_child.ts",
  });
  await child.stdin.close();
  const reports: string[] = [];
  for await (const line of linesOf(child.stdout)) {
    reports.push(line);
    if (reports.length === count && line !== "done 0 0") child.kill("SIGKILL");
  }
  await child.status;
  return reports;
}
