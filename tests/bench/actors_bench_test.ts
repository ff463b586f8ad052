/** The actor benches in smoke size, so that none rots. */

import { assert, assertEquals } from "@std/assert";
import { ask, askBetweenActors, idleCost, openBench, tell } from "../../bench/actors_load.ts";
import { measureErlang } from "../../bench/beside_erlang.ts";

Deno.test("bench: tells and asks are all handled", async () => {
  await using bench = await openBench();
  assertEquals(await tell(bench, 5_000), 5_000);
  assertEquals(await ask(bench, 10, 100), 1_000);
  assertEquals(await askBetweenActors(bench, 1_000), 1_000);
});

Deno.test("bench: idle actors start and stop", async () => {
  assertEquals((await idleCost(1_000, () => {})).count, 1_000);
});

Deno.test("bench: the Erlang side measures the same benches", async () => {
  const measured = await measureErlang(10_000);
  for (const bench of ["tells", "asks_one_asker", "asks_100_askers", "idle"]) {
    for (const kind of ["plain", "gen_server"]) {
      assert((measured[`${bench} ${kind}`] ?? 0) > 0, `${bench} ${kind}`);
    }
  }
});
