/**
 * A child for tests of the parent: it behaves as its arguments say, and talks to its parent by the
 * program's own channel.
 *
 * `serve` serves until SIGTERM. Other ways to behave come after it, each applied in the processes
 * that it names: `busy:2` makes every process of child 2 hang once it is ready; `busy:2:FILE` only
 * the first, which makes the file. `late:2:FILE` waits with its readiness for the file.
 */

import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { openChildChannel } from "../../../program/processes/child_channel.ts";
import { readRole, ROLE_VARIABLE } from "../../../program/processes/channel.ts";

/** What the first child picks. */
const PORTS = { endpointPort: 1_001, devicePort: 1_002, apiPort: 1_003 };

const role = readRole(Deno.env.get(ROLE_VARIABLE));
if (role === undefined) throw new Error("nobody's child");

/** The ways in which this process is to behave. */
const ways = new Set(
  Deno.args.flatMap((word) => {
    const [way = "", index, file] = word.split(":");
    if (index !== undefined && Number(index) !== role.index) return [];
    return file === undefined || way === "late" || isFirst(file) ? [way] : [];
  }),
);

function isFirst(file: string): boolean {
  try {
    Deno.writeTextFileSync(file, "", { createNew: true });
    return true;
  } catch {
    return false;
  }
}

/** Waits until the file is there. */
async function untilThere(file: string): Promise<void> {
  using watch = Deno.watchFs(dirname(file));
  if (existsSync(file)) return;
  for await (const { paths } of watch) if (paths.includes(file)) return;
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

const exit = [...ways].find((way) => way.startsWith("exit"));
if (exit !== undefined) Deno.exit(Number(exit.slice("exit".length)));
if (ways.has("trap")) Deno.kill(Deno.pid, "SIGTRAP");

Deno.addSignalListener("SIGTERM", () => {
  if (ways.has("deaf")) say("deaf");
  else Deno.exit(ways.has("cut") ? 1 : 0);
});
if (ways.has("garbage")) {
  say("hello");
  say('{"type":"heartbeat","lateMs":-1}');
  say("x".repeat(10_000));
  Deno.stdout.writeSync(new Uint8Array([0xff, 0xfe, 0x00, 0x0a]));
}
using channel = openChildChannel();
if (ways.has("silent")) await new Promise(() => {});
const late = Deno.args.find((word) => ways.has("late") && word.startsWith("late:"));
if (late !== undefined) await untilThere(late.split(":")[2] ?? "");
channel.ready(role.ports ?? PORTS, `child ${role.index}`);
if (ways.has("busy") || ways.has("heap") || ways.has("end")) {
  // What was written leaves the process before it is held up.
  await new Promise((resolve) => setTimeout(resolve, 50));
}
if (ways.has("end")) Deno.exit(0);
if (ways.has("busy")) { for (;;); }
const kept: unknown[] = [];
if (ways.has("heap")) { for (;;) kept.push(new Array(1_000).fill(kept.length + 0.5)); }
await channel.orphaned;
Deno.exit(0);
