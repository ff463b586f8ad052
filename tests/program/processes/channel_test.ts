import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  type ChildLine,
  lineText,
  readLine,
  readRole,
  roleText,
} from "../../../program/processes/channel.ts";
import { StartError } from "../../../program/start_error.ts";

const PORTS = { endpointPort: 8080, devicePort: 8081, apiPort: 0 };
const READY: ChildLine = { type: "ready", ports: PORTS, node: "node é" };
const HEARTBEAT: ChildLine = {
  type: "heartbeat",
  lateMs: 0,
  residentBytes: 80_000_000,
  heapBytes: 9_000_000,
};

for (const line of [READY, HEARTBEAT]) {
  Deno.test(`readLine() reads what lineText() writes: ${line.type}`, () => {
    const text = lineText(line);
    assertEquals([readLine(text), text.indexOf("\n")], [line, text.length - 1]);
  });
}

/** Lines that are no messages. */
const STRAYS: readonly string[] = [
  "",
  "ready",
  "null",
  "[]",
  '"ready"',
  '{"type":"ready"}',
  '{"type":"unknown"}',
  JSON.stringify({ ...READY, node: 1 }),
  JSON.stringify({ ...READY, node: "x".repeat(1_001) }),
  JSON.stringify({ ...READY, ports: { ...PORTS, apiPort: 65_536 } }),
  JSON.stringify({ ...READY, ports: { ...PORTS, devicePort: 80.5 } }),
  JSON.stringify({ ...READY, ports: { ...PORTS, endpointPort: "8080" } }),
  JSON.stringify({ ...READY, ports: null }),
  JSON.stringify({ ...HEARTBEAT, lateMs: -1 }),
  JSON.stringify({ ...HEARTBEAT, residentBytes: null }),
  JSON.stringify({ ...HEARTBEAT, heapBytes: 1e300 }),
  lineText(READY).slice(0, -2),
];

for (const text of STRAYS) {
  Deno.test(`readLine() finds no message in ${text.slice(0, 90)}`, () => {
    assertEquals(readLine(text), undefined);
  });
}

Deno.test("readRole() reads what roleText() writes, with ports and without", () => {
  for (const role of [{ index: 1, ports: undefined }, { index: 64, ports: PORTS }]) {
    assertEquals(readRole(roleText(role)), role);
  }
  assertEquals(readRole(undefined), undefined);
});

for (
  const text of [
    "",
    "1",
    "{}",
    '{"index":0}',
    '{"index":65}',
    '{"index":1,"ports":{}}',
    "{".repeat(999),
  ]
) {
  Deno.test(`readRole() refuses ${text.slice(0, 40)}, with the variable's name and status 2`, () => {
    const error = assertThrows(() => readRole(text), StartError);
    assertEquals(error.status, 2);
    assertMatch(error.message, /^HELIOGRAPH_PROCESS: ".{0,250}" was not set by this program/);
  });
}
