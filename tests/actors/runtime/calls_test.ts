import { AsyncLocalStorage } from "node:async_hooks";
import { assertEquals } from "@std/assert";
import { ManualClock } from "../../../actors/mod.ts";
import { Call, Calls } from "../../../actors/runtime/calls.ts";
import { CALL_LISTS_KEPT } from "../../../actors/runtime/limits.ts";
import { Timers } from "../../../actors/runtime/timers.ts";
import { assertAskError } from "./subject.ts";

const callee = { path: "root/callee", abandoned(): void {} };

function made(): { clock: ManualClock; timers: Timers; calls: Calls } {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  return { clock, timers, calls: new Calls(clock, timers, new AsyncLocalStorage()) };
}

Deno.test("Calls keep one timer for each timeout, and only some of those nobody waits for", async () => {
  const { timers, calls } = made();
  for (let timeoutMs = 1_000; timeoutMs < 2_000; timeoutMs++) {
    for (const reply of [1, 2]) {
      const call = new Call("ask", calls, callee, "total");
      calls.add(call, timeoutMs);
      call.resolve(reply);
      assertEquals(await call.promise, reply);
    }
  }
  assertEquals(timers.size, CALL_LISTS_KEPT);
});

Deno.test("Calls time out when they are due, however many timeouts there are", async () => {
  const { clock, timers, calls } = made();
  const count = 2 * CALL_LISTS_KEPT;
  const waiting: Call[] = [];
  for (let timeoutMs = count; timeoutMs > 0; timeoutMs--) {
    const call = new Call("ask", calls, callee, "total");
    calls.add(call, timeoutMs);
    waiting.push(call);
  }
  for (const call of waiting.reverse()) {
    assertEquals(call.settled, false);
    clock.advance(1);
    assertEquals(call.settled, true);
    await assertAskError(call.promise, "timeout");
  }
  assertEquals([timers.size, clock.armed], [0, 0]);
});
