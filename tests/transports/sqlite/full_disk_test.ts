/**
 * A full disk: a file system of a few MiB, mounted in a name space of the child's own, so that the
 * tests need no rights and nothing is left behind.
 */

import { assertEquals } from "@std/assert";
import { childCommand, hasNameSpaces, NAME_SPACE, TemporaryFolder } from "./child_process.ts";

/** A test that needs a file system of its own. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !hasNameSpaces, fn });
}

/** Runs a shell script where `$1` is a mounted file system of 2 MiB and the rest is a child's command. */
async function onSmallDisk(script: string, scenario: string): Promise<readonly string[]> {
  await using folder = new TemporaryFolder();
  const { path } = folder;
  const child = childCommand({
    args: [scenario, `${path}/data`, `${path}/ballast`],
    folders: [path],
  });
  const mounted = `mount -t tmpfs -o size=2m small_disk "$1" && disk="$1" && shift && ${script}`;
  const [program = "", ...args] = [...NAME_SPACE, "sh", "-c", mounted, "sh", path, ...child];
  const { stdout } = await new Deno.Command(program, {
    args,
    stdin: "null",
    stderr: "inherit",
  }).output();
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

test("SqliteStore answers full on a full disk, stores nothing of it, and recovers", async () => {
  assertEquals(await onSmallDisk('"$@"', "fill_disk"), [
    "first failure: full",
    "in a group: full full",
    "only the stored are there: true",
    "with room: stored",
    "there: true",
  ]);
});

test("openSqliteStore() on a full disk says so", async () => {
  const full = 'dd if=/dev/zero of="$disk/filler" bs=4096 2>/dev/null; "$@"';
  const [report = ""] = await onSmallDisk(full, "open");
  assertEquals(
    report.replace(/"[^"]*"/, '"…"'),
    'full Cannot open "…": the disk is full. Free some space and start again',
  );
});

test("openSqliteStore() on a full disk that has the directory says so", async () => {
  const full = 'mkdir "$disk/data"; dd if=/dev/zero of="$disk/filler" bs=4096 2>/dev/null; "$@"';
  const [report = ""] = await onSmallDisk(full, "open");
  assertEquals(report.split(" ", 1)[0], "full");
});

test("openSqliteStore() on a file system mounted to be read only says so", async () => {
  const script = 'mkdir "$disk/data"; mount -o remount,ro "$disk"; "$@"';
  const [report = ""] = await onSmallDisk(script, "open");
  assertEquals(report.split(" ", 1)[0], "read_only");
});
