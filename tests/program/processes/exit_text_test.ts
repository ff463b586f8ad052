import { assertEquals } from "@std/assert";
import type { ChildExit } from "../../../program/processes/child_handle.ts";
import { exitText } from "../../../program/processes/exit_text.ts";

/** Ends of processes, in words. */
const ENDS: readonly (readonly [exit: ChildExit, text: string])[] = [
  [{ code: 3, signal: null, killed: undefined }, "exit status 3"],
  [{ code: 0, signal: null, killed: undefined }, "exit status 0"],
  [{ code: 143, signal: "SIGTERM", killed: undefined }, "SIGTERM"],
  [
    { code: 133, signal: "SIGTRAP", killed: undefined },
    "SIGTRAP: a fatal error of V8, such as an exhausted heap",
  ],
  [
    { code: 137, signal: "SIGKILL", killed: undefined },
    "SIGKILL: by somebody, or by the system for want of memory",
  ],
  [
    { code: 137, signal: "SIGKILL", killed: "no heartbeat for 5 s" },
    "killed: no heartbeat for 5 s",
  ],
];

for (const [exit, text] of ENDS) {
  Deno.test(`exitText() of ${exit.code}, ${exit.signal}, ${exit.killed} => ${text}`, () => {
    assertEquals(exitText(exit), text);
  });
}
