/**
 * The program: from arguments to an exit status. 0 is done, 1 failed, 2 wrong usage; a second
 * signal ends the process at once with 130, as a shell would report it.
 *
 * @module
 */

import { watchLoopDelay } from "../transports/api/loop_delay.ts";
import { publicAddresses } from "../transports/command_line/addresses.ts";
import { readyJson, readyText } from "../transports/command_line/banner.ts";
import { checkJson, checkStatus, checkText } from "../transports/command_line/check_report.ts";
import { runKeys } from "../transports/command_line/keys_command.ts";
import { errorText, Log, writeToStderr } from "../transports/command_line/log.ts";
import { type Command, parseCommandLine } from "../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../transports/command_line/read_file.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { checkNode } from "./check.ts";
import { PROCESS } from "./commands/world.ts";
import { runClient } from "./commands/run_client.ts";
import { runMigrate } from "./migrate.ts";
import { runDemo } from "./demo.ts";
import { encryptionName } from "./lazy_encryption.ts";
import type { Node } from "./node.ts";
import { openNode } from "./open_node.ts";
import { storeText } from "./open_store.ts";
import { StartError } from "./start_error.ts";
import { VERSION } from "./version.ts";

const CLOCK = { now: () => performance.now(), wallNow: () => Date.now() };

/** The status of a process ended by SIGINT, as shells count. */
const INTERRUPTED = 130;

/** Runs the command that these arguments name; resolves with the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(args, Deno.env, readTextFile);
  switch (line.kind) {
    case "help":
      print(line.text);
      return 0;
    case "version":
      print(`heliograph ${VERSION}\n`);
      return 0;
    case "usage_error":
      writeToStderr(`${line.message}\n`);
      return 2;
    case "run":
      return await run(line.command, line.json);
  }
}

async function run(command: Command, json: boolean): Promise<number> {
  try {
    return await runCommand(command, json);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    writeToStderr(`heliograph: ${error.message}.\n`);
    return error.status;
  }
}

async function runCommand(command: Command, json: boolean): Promise<number> {
  switch (command.name) {
    case "serve":
      return await serve(command.settings, json);
    case "check": {
      const findings = await checkNode(command.settings);
      print((json ? checkJson : checkText)(findings, command.origins));
      return checkStatus(findings);
    }
    case "migrate":
      return await runMigrate(command.settings, json, print);
    case "keys_vapid":
    case "keys_endpoint":
    case "keys_token": {
      const outcome = runKeys(command, json, CLOCK);
      if (outcome.kind === "done") print(outcome.text);
      else writeToStderr(`${outcome.message}\n`);
      return outcome.kind === "done" ? 0 : 1;
    }
    case "apps_add":
    case "apps_list":
    case "apps_show":
    case "apps_remove":
    case "apps_resume":
    case "devices_import":
    case "devices_export":
    case "devices_list":
    case "devices_remove":
    case "send":
    case "status":
    case "cancel":
      return await runClient(command, json, PROCESS);
    case "demo":
      return await runDemo({ ...command, json });
  }
}

async function serve(settings: Settings, json: boolean): Promise<number> {
  const log = new Log({
    level: settings.logLevel,
    clock: CLOCK,
    write: writeToStderr,
  });
  try {
    return await serveUntilStopped(settings, json, log);
  } finally {
    log.flush();
  }
}

async function serveUntilStopped(settings: Settings, json: boolean, log: Log): Promise<number> {
  const { node, telemetry, token } = await openNode(settings, { log, clock: CLOCK });
  using _delay = watchLoopDelay((ms) => telemetry.metrics.loopDelayed(ms));
  // Heard from before anybody is told that it runs, so that no signal finds it unprepared.
  const stopped = untilStopped(node, log);
  log.info("ready", { ...node.ports, version: VERSION, message_encryption: encryptionName() });
  print(
    json ? readyJson(node.ports) : readyText({
      version: VERSION,
      addresses: publicAddresses(settings, node.ports),
      store: storeText(settings),
      newToken: token.origin === "made" ? { token: token.secret, path: token.path } : undefined,
    }),
  );
  return await stopped;
}

/** Waits for a signal or for the tree's own end, and stops the node in order. */
async function untilStopped(node: Node, log: Log): Promise<number> {
  const signalled = Promise.withResolvers<"signalled">();
  let signals = 0;
  const onSignal = () => {
    if (++signals > 1) Deno.exit(INTERRUPTED);
    signalled.resolve("signalled");
  };
  Deno.addSignalListener("SIGINT", onSignal);
  Deno.addSignalListener("SIGTERM", onSignal);
  try {
    const end = await Promise.race([signalled.promise, node.ended]);
    log.info("stopping", { reason: end === "signalled" ? "signal" : "the tree ended" });
    const { cutRequests, cutBatches } = await node.stop();
    log.info("stopped", { cut_requests: cutRequests, cut_batches: cutBatches });
    return end === "signalled" && cutRequests + cutBatches === 0 ? 0 : 1;
  } catch (error) {
    log.error("stop_failed", { error: errorText(error) });
    return 1;
  } finally {
    Deno.removeSignalListener("SIGINT", onSignal);
    Deno.removeSignalListener("SIGTERM", onSignal);
  }
}

/** Writes all of `text` to standard output. */
function print(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}
