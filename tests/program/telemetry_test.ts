import { assertEquals, assertStringIncludes } from "@std/assert";
import { Telemetry } from "../../program/telemetry.ts";
import { Metrics } from "../../transports/api/metrics.ts";
import { Log } from "../../transports/command_line/log.ts";

Deno.test("Telemetry counts messages to ended actors, not those a mailbox dropped by its policy", async () => {
  const lines: string[] = [];
  const clock = { now: () => 0, wallNow: () => 0 };
  const log = new Log({ level: "debug", clock, write: (text) => void lines.push(text) });
  const telemetry = new Telemetry(new Metrics(), log);
  const letter = { type: "dead_letter", path: "root/pipeline/sinks/feedback" } as const;
  telemetry.runtimeEvent({ ...letter, message: "committed", reason: "dropped" });
  telemetry.runtimeEvent({ ...letter, message: "looked", reason: "stopped" });
  log.flush();
  assertStringIncludes(await telemetry.metrics.text(), "heliograph_dead_letters_total 1\n");
  assertEquals(lines.join("").match(/"message":"\w+"/g), ['"message":"looked"']);
});
