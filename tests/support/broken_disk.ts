/**
 * Disks that cannot be written to: full, or failing with each sync.
 *
 * @module
 */

import { Arrivals } from "./arrivals.ts";
import { programPath } from "./programs.ts";
import { eachLine } from "./service.ts";

/** Takes all space there is, by a file of this name. */
export async function fillDisk(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  const block = new Uint8Array(4_096);
  try {
    for (;;) await file.write(block);
  } catch (error) {
    if (!(error instanceof Error && /os error 28/.test(error.message))) throw error;
  }
}

/** Lets every `fsync` of a process fail, as a dying disk does, until it is disposed. */
export async function breakSyncs(pid: number): Promise<AsyncDisposable> {
  const calls = "fsync,fdatasync";
  const what = ["-e", `trace=${calls}`, "-e", `inject=${calls}:error=EIO`];
  const tracer = new Deno.Command(programPath("strace"), {
    args: ["-f", "-p", `${pid}`, ...what],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const lines = new Arrivals<string>();
  const read = eachLine(tracer.stderr, (line) => lines.add(line));
  await lines.next((line) => line.includes("attached"), { what: "strace to attach" });
  return {
    async [Symbol.asyncDispose]() {
      tracer.kill("SIGINT");
      await tracer.status;
      await read;
    },
  };
}
