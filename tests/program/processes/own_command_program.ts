/** Prints how it would start another process like itself, for a test. */

import { ownCommand } from "../../../program/processes/own_command.ts";
import { StartError } from "../../../program/start_error.ts";

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

try {
  print(JSON.stringify(await ownCommand()));
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  print(error.message);
  Deno.exit(error.status);
}
