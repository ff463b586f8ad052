/**
 * What nodes say of themselves, for tests.
 *
 * @module
 */

import type { NodeFacts } from "../../actors/push/ports.ts";

/** Facts of a node that does something, with differences. */
export function factsOf(differences: Partial<NodeFacts> = {}): NodeFacts {
  return {
    at: 1_800_000_000_000,
    deno: "2.9.6",
    rssBytes: 104_857_600,
    heapBytes: 20_971_520,
    cpuPercent: 37.5,
    loopDelayMs: { p50: 0.2, p99: 3.5, max: 12 },
    devices: 1_200,
    batches: 4,
    deliveriesPerSecond: 5_300.5,
    providerConnections: 10,
    ...differences,
  };
}

/** What somebody may have written in the place of facts, and that nobody reads as such. */
export const FOREIGN_FACTS: readonly (readonly [what: string, text: string])[] = [
  ["no JSON", "<script>alert(1)</script>"],
  ["cut JSON", JSON.stringify(factsOf()).slice(0, -1)],
  ["a list", "[]"],
  ["null", "null"],
  ["a field too few", JSON.stringify({ ...factsOf(), batches: undefined })],
  ["a number that is a text", JSON.stringify({ ...factsOf(), devices: "12" })],
  ["a number below 0", JSON.stringify(factsOf({ rssBytes: -1 }))],
  ["a number that was none", JSON.stringify(factsOf({ cpuPercent: NaN }))],
  ["a number beyond all numbers", JSON.stringify(factsOf()).replace("37.5", "1e999")],
  ["a number that no other number follows", JSON.stringify(factsOf({ devices: 1e300 }))],
  ["a time that no date has", JSON.stringify(factsOf({ at: 8.7e15 }))],
  ["half of the delays", JSON.stringify({ ...factsOf(), loopDelayMs: { p50: 1 } })],
  ["a runtime of too many characters", JSON.stringify(factsOf({ deno: "2".repeat(41) }))],
  ["facts in more than 2,048 characters", JSON.stringify(factsOf()).padEnd(2_049)],
];
