import { assertEquals } from "@std/assert";
import type { DeliveryRow } from "../../../../../actors/push/delivery/records.ts";
import { feedbackSink } from "../../../../../actors/push/delivery/sinks/feedback_sink.ts";
import { row } from "./row_log.ts";

/** The feedback over a store that writes down what is to be invalid. */
function feedback() {
  const calls: (readonly DeliveryRow[])[] = [];
  const sink = feedbackSink({
    invalidate: (rows) => Promise.resolve(calls.push(rows)),
  });
  return {
    calls,
    record: (...rows: DeliveryRow[]) => sink.record(rows, new AbortController().signal),
  };
}

Deno.test("feedbackSink() marks the devices of dead tokens, with the time before which it holds", async () => {
  const { calls, record } = feedback();
  const dead = row(2, { outcome: "token_invalid", registeredBefore: 1_699_999_999_000 });
  await record(row(1), dead, row(3, { outcome: "rejected" }));
  assertEquals(calls, [[dead]]);
});

Deno.test("feedbackSink() leaves the store alone when no device is meant", async () => {
  const { calls, record } = feedback();
  await record(row(1), row(2, { outcome: "token_invalid", device: undefined }));
  assertEquals(calls, []);
});
