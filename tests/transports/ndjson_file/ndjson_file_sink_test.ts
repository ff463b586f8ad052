import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { deliveryJson } from "../../../transports/delivery_row/delivery_row.ts";
import { NdjsonFileSink } from "../../../transports/ndjson_file/ndjson_file_sink.ts";
import { hasNameSpaces, linesOf, NAME_SPACE } from "../sqlite/child_process.ts";
import { TemporaryFolder } from "../command_line/temporary_folder.ts";
import { positionsIn, row, rows } from "./rows.ts";

const { signal } = new AbortController();

function open(path: string): NdjsonFileSink {
  return new NdjsonFileSink({ path, rows: "all" });
}

/** The command of `child.ts`, which may touch this folder only. */
function childCommand(folder: string, ...args: readonly string[]): readonly [string, ...string[]] {
  const script = new URL("./child.ts", import.meta.url).pathname;
  const granted = [`--allow-read=${folder}`, `--allow-write=${folder}`];
  return [Deno.execPath(), "run", "--quiet", "--no-prompt", ...granted, script, ...args];
}

Deno.test("NdjsonFileSink.record() appends a line for each row, to a file for its owner alone", async () => {
  using folder = new TemporaryFolder();
  const path = `${folder.path}/results.ndjson`;
  {
    await using sink = open(path);
    assertEquals([sink.name, sink.rows], ["file", "all"]);
    await sink.record([row(1), row(2)], signal);
    await sink.record([row(3)], signal);
  }
  {
    await using sink = open(path);
    await sink.record([row(4)], signal);
  }
  const expected = rows(1, 4).map((row) => `${deliveryJson(row)}\n`).join("");
  assertEquals(await Deno.readTextFile(path), expected);
  assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
});

Deno.test("NdjsonFileSink.record() writes pages one after the other, however they are offered", async () => {
  using folder = new TemporaryFolder();
  const path = `${folder.path}/results.ndjson`;
  await using sink = open(path);
  const pages = Array.from({ length: 20 }, (_, page) => rows(page * 100 + 1, page * 100 + 100));
  await Promise.all(pages.map((page) => sink.record(page, signal)));
  assertEquals(await positionsIn(path), rows(1, 2_000).map(({ position }) => position));
});

const WHOLE = `${deliveryJson(row(1))}\n`;
const TORN = deliveryJson(row(2));

for (const length of [0, 1, 5, 12, 13, 100, TORN.length - 20, TORN.length]) {
  Deno.test(`NdjsonFileSink.record() cuts off ${length} characters of a line that a crash tore`, async () => {
    using folder = new TemporaryFolder();
    const path = `${folder.path}/results.ndjson`;
    for (const before of ["", WHOLE]) {
      await Deno.writeTextFile(path, before + TORN.slice(0, length));
      await using sink = open(path);
      await sink.record([row(2)], signal);
      assertEquals(await Deno.readTextFile(path), `${before}${TORN}\n`);
    }
  });
}

Deno.test("NdjsonFileSink.record() cuts off a line torn within a character", async () => {
  using folder = new TemporaryFolder();
  const path = `${folder.path}/results.ndjson`;
  const bytes = new TextEncoder().encode(WHOLE + TORN);
  const within = bytes.lastIndexOf(0xc3) + 1;
  assert(within > WHOLE.length);
  await Deno.writeFile(path, bytes.subarray(0, within));
  await using sink = open(path);
  await sink.record([row(2)], signal);
  assertEquals(await positionsIn(path), [1, 2]);
});

for (
  const [title, text] of [
    ["text without a last line feed", "root:x:0:0\nbackup"],
    ["one long line", "x".repeat(100_000)],
    ["one long line that begins as ours do", `${"x".repeat(100_000)}{"position":`],
  ] as const
) {
  Deno.test(`NdjsonFileSink.record() refuses another's file, and leaves it as it is: ${title}`, async () => {
    using folder = new TemporaryFolder();
    const path = `${folder.path}/passwd`;
    await Deno.writeTextFile(path, text);
    await using sink = open(path);
    const error = await assertRejects(() => sink.record([row(1)], signal), Error);
    assertEquals(
      error.message,
      `Cannot append to "${path}": its last line is not one of a delivery`,
    );
    assertEquals(await Deno.readTextFile(path), text);
  });
}

Deno.test("NdjsonFileSink.record() goes on in a new file when the old one was renamed or removed", async () => {
  using folder = new TemporaryFolder();
  const path = `${folder.path}/results.ndjson`;
  await using sink = open(path);
  await sink.record([row(1)], signal);
  await Deno.rename(path, `${path}.1`);
  await sink.record([row(2)], signal);
  assertEquals([await positionsIn(`${path}.1`), await positionsIn(path)], [[1], [2]]);
  await Deno.remove(path);
  await sink.record([row(3)], signal);
  assertEquals(await positionsIn(path), [3]);
});

Deno.test("NdjsonFileSink.record() goes on at the end of a file that was copied and cut", async () => {
  using folder = new TemporaryFolder();
  const path = `${folder.path}/results.ndjson`;
  await using sink = open(path);
  await sink.record([row(1)], signal);
  await Deno.truncate(path);
  await sink.record([row(2)], signal);
  assertEquals(await positionsIn(path), [2]);
});

Deno.test("NdjsonFileSink.record() rejects without a folder, and goes on when there is one", async () => {
  using folder = new TemporaryFolder();
  const path = `${folder.path}/later/results.ndjson`;
  await using sink = open(path);
  await assertRejects(() => sink.record([row(1)], signal), Deno.errors.NotFound);
  await Deno.mkdir(`${folder.path}/later`);
  await sink.record([row(1)], signal);
  assertEquals(await positionsIn(path), [1]);
});

Deno.test("NdjsonFileSink.record() rejects what is no file", async () => {
  await using sink = open("/dev/null");
  await assertRejects(() => sink.record([row(1)], signal), Error, "it is no file");
});

Deno.test("NdjsonFileSink.record() writes nothing once it was told to stop", async () => {
  using folder = new TemporaryFolder();
  const path = `${folder.path}/results.ndjson`;
  await using sink = open(path);
  const abort = new AbortController();
  const first = sink.record([row(1)], signal);
  const second = sink.record([row(2)], abort.signal);
  abort.abort(new Error("stopped"));
  await first;
  await assertRejects(() => second, Error, "stopped");
  await sink.record([row(3)], signal);
  assertEquals(await positionsIn(path), [1, 3]);
});

Deno.test("NdjsonFileSink has all it said it recorded after its process was killed, in whole lines", async () => {
  using folder = new TemporaryFolder();
  const path = `${folder.path}/results.ndjson`;
  const [program, ...args] = childCommand(folder.path, "endless", path);
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped" }).spawn();
  let said = 0;
  for await (const line of linesOf(child.stdout)) {
    said = Number(line);
    if (said === 5_000) child.kill("SIGKILL");
  }
  await child.status;
  // What a crash can leave at its worst: part of a line at the end.
  await Deno.writeTextFile(path, TORN.slice(0, 50), { append: true });
  await using sink = open(path);
  await sink.record(rows(said + 1, said + 3), signal);
  const positions = new Set(await positionsIn(path));
  for (const { position } of rows(1, said + 3)) {
    assert(positions.has(position), `Position ${position} of ${said} is not there`);
  }
});

Deno.test({
  name:
    "NdjsonFileSink.record() rejects on a full disk, and goes on in whole lines when there is room",
  ignore: !hasNameSpaces,
  async fn() {
    using folder = new TemporaryFolder();
    const { path } = folder;
    const child = childCommand(path, "full", `${path}/results.ndjson`, `${path}/ballast`);
    const mounted = 'mount -t tmpfs -o size=2m small_disk "$1" && shift && "$@"';
    const [program = "", ...args] = [...NAME_SPACE, "sh", "-c", mounted, "sh", path, ...child];
    const { stdout } = await new Deno.Command(program, { args, stderr: "inherit" }).output();
    const [refusal = "", positions] = new TextDecoder().decode(stdout).trimEnd().split("\n");
    assertStringIncludes(refusal, "No space left on device");
    const found: unknown = JSON.parse(positions ?? "");
    assert(Array.isArray(found));
    // Of the page that did not fit whole lines may be there; then it is offered again.
    assertEquals([found.slice(0, 11), found.slice(-10)], [
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
      [11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
    ]);
  },
});
