import { assertEquals, assertRejects } from "@std/assert";
import { historySink } from "../../../../../actors/push/delivery/sinks/history_sink.ts";
import type { Tally } from "../../../../../actors/push/delivery/store.ts";
import { HISTORY_SINK } from "../../../../../transports/delivery_store/history.ts";
import { tally } from "./row_log.ts";

Deno.test("historySink() gives the store every tally, and fails when the store does", async () => {
  const calls: (readonly Tally[])[] = [];
  let away = false;
  const sink = historySink({
    addToHistory(tallies) {
      calls.push(tallies);
      return away ? Promise.reject(new Error("away")) : Promise.resolve();
    },
  });
  const page = [tally(1), tally(2, { retries: 3 })];
  const { signal } = new AbortController();
  await sink.record(page, signal);
  assertEquals(calls, [page]);
  away = true;
  await assertRejects(() => sink.record(page, signal), Error, "away");
});

Deno.test("historySink() goes by the name that stores know", () => {
  const sink = historySink({ addToHistory: () => Promise.resolve() });
  assertEquals([sink.name, sink.rows], [HISTORY_SINK, "tallies"]);
});
