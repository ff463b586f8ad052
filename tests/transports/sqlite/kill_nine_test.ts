/**
 * What the store answered is there after `kill -9`, and what it answered to be removed is not.
 *
 * A child saves from many loops at once and reports each answer; it is killed after a number of
 * reports drawn from the seed, twenty times on the same directory. Play a run again with
 * `HELIOGRAPH_SEED=…`; the processes' own timing is not in the seed.
 */

import { assert, assertEquals } from "@std/assert";
import { openSqliteStore } from "../../../transports/sqlite/sqlite_store.ts";
import { uaidOf } from "../../conformance/store_world.ts";
import { chooseSeed, Seeded } from "../../support/seeded.ts";
import { linesOf, startChild, TemporaryFolder } from "./child_process.ts";

const ROUNDS = 20;

Deno.test("SqliteStore loses nothing it answered in 20 rounds of kill -9", async () => {
  const seed = chooseSeed();
  const random = new Seeded(seed);
  await using folder = new TemporaryFolder();
  const stored = new Set<number>();
  const removed = new Set<number>();
  for (let round = 1; round <= ROUNDS; round++) {
    const reports = await killAfter(random.between(1, 600), folder.path);
    for (const [word, number] of reports.map((line) => line.split(" "))) {
      const key = Number(number);
      if (word === "stored") stored.add(key);
      else stored.delete(key); // Being removed: it may be there or not until the answer.
      if (word === "removed") removed.add(key);
    }
    const label = `round ${round}, seed ${seed}`;
    assertEquals(
      reports.filter((line) => !/^(stored|removing|removed) \d+$/.test(line)),
      [],
      label,
    );
    await using store = await openSqliteStore({ directory: folder.path });
    const page = { uaid: uaidOf(1), kind: "plain", limit: 1e6, nowSeconds: 0 } as const;
    const waiting = new Set((await store.messages(page)).map(({ sortKey }) => sortKey));
    assertEquals([...stored].filter((key) => !waiting.has(key)), [], `${label}: lost`);
    assertEquals([...removed].filter((key) => waiting.has(key)), [], `${label}: came back`);
    assert(await store.lastSortKey() >= Math.max(...stored, ...removed), `${label}: sort key`);
  }
  assert(stored.size > ROUNDS && removed.size > ROUNDS, "the rounds did something");
});

/** Kills a child once it has reported so many answers; gives back all it reported. */
async function killAfter(count: number, directory: string): Promise<readonly string[]> {
  const child = startChild({ args: ["save_for_ever", directory], folders: [directory] });
  await child.stdin.close();
  const reports: string[] = [];
  for await (const line of linesOf(child.stdout)) {
    reports.push(line);
    if (reports.length === count) child.kill("SIGKILL");
  }
  await child.status;
  return reports;
}
