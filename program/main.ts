/**
 * The program: from arguments to an exit status. 0 is done, 1 failed, 2 wrong usage; a second
 * signal ends the process at once with 130, as a shell would report it.
 *
 * @module
 */

import { checkJson, checkStatus, checkText } from "../transports/command_line/check_report.ts";
import { runKeys } from "../transports/command_line/keys_command.ts";
import { writeToStderr } from "../transports/command_line/log.ts";
import { type Command, parseCommandLine } from "../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../transports/command_line/read_file.ts";
import { checkNode } from "./check.ts";
import { PROCESS } from "./commands/world.ts";
import { runClient } from "./commands/run_client.ts";
import { runMigrate } from "./migrate.ts";
import { runDemo } from "./demo.ts";
import { serve } from "./serve.ts";
import { StartError } from "./start_error.ts";
import { runStoreCopy } from "./store_copy/run_store_copy.ts";
import { VERSION } from "./version.ts";

const CLOCK = { now: () => performance.now(), wallNow: () => Date.now() };

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
    writeToStderr(`heliograph: ${error.message}${error.message.endsWith("?") ? "" : "."}\n`);
    return error.status;
  }
}

async function runCommand(command: Command, json: boolean): Promise<number> {
  switch (command.name) {
    case "serve":
      return await serve(command.settings, { json, print });
    case "check": {
      const findings = await checkNode(command.settings);
      print((json ? checkJson : checkText)(findings, command.origins));
      return checkStatus(findings);
    }
    case "migrate":
      return await runMigrate(command.settings, json, print);
    case "store_copy":
      return await runStoreCopy(command, json, PROCESS);
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

/** Writes all of `text` to standard output. */
function print(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}
