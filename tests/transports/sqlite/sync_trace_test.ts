/**
 * Durability shown by system calls: an answered save was synced before its answer left the process.
 * The kernel would keep unsynced pages through `kill -9`, so killing alone cannot show this.
 */

import { assertEquals } from "@std/assert";
import { programPath } from "../../support/programs.ts";
import { runChild, TemporaryFolder } from "./child_process.ts";
import { checkTrace } from "./sync_trace.ts";

const SAVES = 200;

Deno.test("SqliteStore answers a save after the sync of the write-ahead log", async () => {
  await using folder = new TemporaryFolder();
  const output = `${folder.path}/trace`;
  const calls = "trace=pwrite64,fsync,fdatasync,write";
  await runChild({
    args: ["save_some", folder.path, String(SAVES)],
    folders: [folder.path],
    wrapper: [programPath("strace"), "-f", "-y", "-e", calls, "-o", output],
  });
  const verdict = checkTrace(await Deno.readTextFile(output));
  assertEquals(verdict, { answers: SAVES, early: [] });
});

for (
  const [code, calls, injection, failures] of [
    ["io", "fsync,fdatasync", "error=EIO:when=15..16", 2],
    ["full", "pwrite64", "error=ENOSPC:when=100..102", 3],
  ] as const
) {
  Deno.test(`SqliteStore answers ${code} to ${injection}, stores nothing of it, and goes on`, async () => {
    await using folder = new TemporaryFolder();
    const strace = [programPath("strace"), "-f", "-qq", "-o", "/dev/null"];
    const reports = await runChild({
      args: ["save_some", folder.path, "40"],
      folders: [folder.path],
      wrapper: [...strace, "-e", `trace=${calls}`, "-e", `inject=${calls}:${injection}`],
    });
    const saves = reports.filter((line) => /^\w+ \d+$/.test(line)).map((line) => line.split(" "));
    assertEquals(saves.length, 40);
    const failed = saves.filter(([word]) => word !== "stored");
    assertEquals(failed.map(([word]) => word), Array.from({ length: failures }, () => code));
    const stored = saves.filter(([word]) => word === "stored").map(([, key]) => key);
    assertEquals(reports.at(-1), `waiting ${stored.join(" ")}`);
  });
}

const SYNCED = `7 pwrite64(12</d/messages.sqlite-wal>, "x", 4096, 0) = 4096
7 fsync(12</d/messages.sqlite-wal> <unfinished ...>
8 write(2</dev/null>, "noise", 5) = 5
7 <... fsync resumed>) = 0
8 write(1<pipe:[1]>, "stored 1\\n", 9) = 9
`;

Deno.test("checkTrace() accepts an answer after the sync", () => {
  assertEquals(checkTrace(SYNCED), { answers: 1, early: [] });
});

for (
  const [what, trace] of [
    ["no sync at all", SYNCED.replace(/^7 (fsync|<).*\n/gm, "")],
    [
      "a sync of another file",
      SYNCED.replaceAll("fsync(12</d/messages.sqlite-wal>", "fsync(9</d/x>"),
    ],
    ["a failed sync", SYNCED.replace(") = 0", ") = -1 EIO")],
    ["a sync still in progress", SYNCED.replace(/^7 <.*\n/gm, "")],
    [
      "a write after the sync",
      SYNCED.replace("8 write(1", "7 pwrite64(12</d/m-wal>, 0) = 1\n8 write(1"),
    ],
  ] as const
) {
  Deno.test(`checkTrace() finds an answer with ${what}`, () => {
    assertEquals(checkTrace(trace).early.length, 1);
  });
}
