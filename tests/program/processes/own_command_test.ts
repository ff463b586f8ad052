import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { childArgs } from "../../../program/processes/own_command.ts";
import { StartError } from "../../../program/start_error.ts";

const PROGRAM = new URL("own_command_program.ts", import.meta.url).pathname;

/** Command lines, the program's arguments among them, and what a child is given. */
const LINES: readonly (readonly [line: string, own: string, child: string])[] = [
  ["deno run -A mod.ts serve", "serve", "run -A mod.ts serve"],
  ["deno run --allow-run=deno --allow-net mod.ts", "", "run --allow-net mod.ts"],
  ["deno run --allow-run --deny-run=sh mod.ts x", "x", "run --deny-run=sh mod.ts x"],
  ["deno run mod.ts --allow-run=sh", "--allow-run=sh", "run mod.ts --allow-run=sh"],
  ["deno mod.ts serve -- serve", "serve -- serve", "mod.ts serve -- serve"],
];

for (const [line, own, child] of LINES) {
  Deno.test(`childArgs() of "${line}" => "${child}"`, () => {
    const words = own === "" ? [] : own.split(" ");
    assertEquals(childArgs(line.split(" "), words), child.split(" "));
  });
}

for (
  const [line, own] of [["deno run mod.ts serve", "check"], ["serve", "serve"], ["deno", "a b"]]
) {
  Deno.test(`childArgs() refuses "${line}" with arguments "${own}"`, () => {
    assertThrows(
      () => childArgs(line?.split(" ") ?? [], own?.split(" ") ?? []),
      StartError,
      "cannot find out how this process was started",
    );
  });
}

async function run(
  flags: readonly string[],
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  const command = new Deno.Command(Deno.execPath(), {
    env,
    args: ["run", "--no-prompt", "--no-lock", ...flags, PROGRAM, ...args],
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("ownCommand() keeps flags, denials and arguments as they were written, and leaves out the permission to run", async () => {
  const flags = ["--v8-flags=--max-semi-space-size=4", "--allow-net", "--deny-net=10.0.0.0/8"];
  const granted = [...flags, "--allow-read", `--allow-run=${Deno.execPath()}`];
  const args = ["serve", "two words", "", "--", "ünï"];
  const { code, stdout, stderr } = await run(granted, args);
  assertEquals([code, stderr], [0, ""]);
  const kept = ["run", "--no-prompt", "--no-lock", ...flags, "--allow-read", PROGRAM, ...args];
  assertEquals(JSON.parse(stdout), { program: Deno.execPath(), args: kept });
});

Deno.test("ownCommand() says which permission it needs", async () => {
  const { code, stdout } = await run(["--allow-read"]);
  assertEquals(code, 2);
  assertMatch(stdout, /^processes: .* Add --allow-run=deno$/);
});

Deno.test("ownCommand() says what the runtime refuses: here a variable of the dynamic linker", async () => {
  const granted = ["--allow-read", `--allow-run=${Deno.execPath()}`];
  const { code, stdout } = await run(granted, [], { LD_LIBRARY_PATH: "/nowhere" });
  assertEquals(code, 1);
  assertMatch(stdout, /^processes: cannot start others: Requires --allow-run .*LD_LIBRARY_PATH/);
});
