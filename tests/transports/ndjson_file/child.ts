/**
 * A process of its own that appends to a file: `endless` until it is killed, saying after each page
 * how far it came; `full` on a disk that is full until the file of the third argument is removed.
 */

import { NdjsonFileSink } from "../../../transports/ndjson_file/ndjson_file_sink.ts";
import { positionsIn, rows } from "./rows.ts";

const [scenario = "", path = "", ballast = ""] = Deno.args;
const { signal } = new AbortController();
await using sink = new NdjsonFileSink({ path, rows: "all" });

switch (scenario) {
  case "endless":
    for (let first = 1;; first += 500) {
      await sink.record(rows(first, first + 499), signal);
      say(`${first + 499}`);
    }
  case "full":
    await sink.record(rows(1, 10), signal);
    fill(ballast);
    say(await sink.record(rows(11, 4_000), signal).then(() => "recorded", messageOf));
    Deno.removeSync(ballast);
    await sink.record(rows(11, 20), signal);
    say(JSON.stringify(await positionsIn(path)));
    break;
  default:
    throw new RangeError(`No scenario "${scenario}"`);
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Takes all space but some pages. */
function fill(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  try {
    for (;;) file.writeSync(new Uint8Array(4_096));
  } catch (error) {
    if (!messageOf(error).includes("os error 28")) throw error;
  }
  file.truncateSync(file.statSync().size - 8 * 4_096);
}
