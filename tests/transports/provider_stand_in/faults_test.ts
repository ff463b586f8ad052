import { assertEquals } from "@std/assert";
import { type Behaviour, KIND } from "../../../transports/provider_stand_in/behaviour.ts";
import { Faults } from "../../../transports/provider_stand_in/faults.ts";

function run(change: Partial<Behaviour>, requests: number): readonly string[] {
  const faults = new Faults();
  return Array.from({ length: requests }, () => {
    const fault = faults.next({ ...KIND, ...change });
    return fault.kind === "reset" ? `reset ${fault.code}` : fault.kind;
  });
}

const TABLE: readonly (readonly [string, Partial<Behaviour>, readonly string[]])[] = [
  ["nothing when nothing is wanted", {}, ["none", "none", "none", "none"]],
  ["every second cut", { cutEveryRequests: 2 }, ["none", "cut", "none", "cut"]],
  [
    "resets with their codes in turn",
    { resetEveryRequests: 1, resetCodes: [7, 2, 0] },
    ["reset 7", "reset 2", "reset 0", "reset 7"],
  ],
  ["no reset without codes", { resetEveryRequests: 1, resetCodes: [] }, ["none", "none"]],
  [
    "a cut before a reset of the same request",
    { cutEveryRequests: 2, resetEveryRequests: 1 },
    ["reset 2", "cut", "reset 2", "cut"],
  ],
];

for (const [title, change, expected] of TABLE) {
  Deno.test(`Faults.next() gives ${title}`, () => {
    assertEquals(run(change, expected.length), expected);
  });
}
