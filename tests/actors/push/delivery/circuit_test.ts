import { assertEquals } from "@std/assert";
import { Circuit, type Permit } from "../../../../actors/push/delivery/circuit.ts";
import { CIRCUIT_MAX_MS } from "../../../../actors/push/delivery/limits.ts";

const FREE: Permit = { kind: "free" };
const PROBE: Permit = { kind: "probe" };

/** A circuit that has just opened, without jitter: for one second. */
function opened(): Circuit {
  const circuit = new Circuit();
  circuit.record(0, 20, 0, 0);
  return circuit;
}

Deno.test("Circuit stays closed while most answers are good", () => {
  const circuit = new Circuit();
  for (let now = 0; now < 100; now++) circuit.record(6, 5, now, 0);
  assertEquals(circuit.permit(100), FREE);
});

Deno.test("Circuit stays closed over a few failures, whatever their share", () => {
  const circuit = new Circuit();
  circuit.record(0, 19, 0, 0);
  assertEquals(circuit.permit(0), FREE);
  circuit.record(0, 1, 0, 0);
  assertEquals(circuit.permit(0), { kind: "wait", ms: 1_000 });
});

Deno.test("Circuit opens when recent answers fail, however many were good before", () => {
  const circuit = new Circuit();
  for (let round = 0; round < 1_000; round++) circuit.record(100, 0, 0, 0);
  circuit.record(0, 1_500, 0, 0);
  assertEquals(circuit.closed, false);
});

Deno.test("Circuit lets one probe through after its pause, and others wait for its outcome", () => {
  const circuit = opened();
  assertEquals(circuit.permit(999), { kind: "wait", ms: 1_000 });
  assertEquals(circuit.permit(1_000), PROBE);
  assertEquals(circuit.permit(1_000).kind, "wait");
  circuit.record(1, 0, 1_010, 0);
  assertEquals(circuit.permit(1_010), FREE);
});

Deno.test("Circuit doubles its pause while probes fail, up to its limit, and starts anew once closed", () => {
  const circuit = opened();
  let now = 1_000;
  for (const ms of [2_000, 4_000, 8_000, 16_000, CIRCUIT_MAX_MS, CIRCUIT_MAX_MS]) {
    assertEquals(circuit.permit(now), PROBE);
    circuit.record(0, 1, now, 0);
    assertEquals(circuit.permit(now), { kind: "wait", ms });
    now += ms;
  }
  assertEquals(circuit.permit(now), PROBE);
  circuit.record(8, 0, now, 0);
  circuit.record(0, 20, now, 0);
  assertEquals(circuit.permit(now), { kind: "wait", ms: 1_000 });
});

Deno.test("Circuit jitters its pause, so that nodes do not probe together", () => {
  const circuit = new Circuit();
  circuit.record(0, 20, 0, 0.5);
  assertEquals(circuit.permit(750), PROBE);
});

Deno.test("Circuit lets another probe through when one was not sent", () => {
  const circuit = opened();
  assertEquals(circuit.permit(1_000), PROBE);
  circuit.record(0, 0, 1_000, 0);
  assertEquals(circuit.permit(1_000), PROBE);
});

Deno.test("Circuit opens at once when no connection can be made", () => {
  const circuit = new Circuit();
  circuit.unreachable(0, 0);
  assertEquals(circuit.permit(0), { kind: "wait", ms: 1_000 });
});
