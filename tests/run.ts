/**
 * All tests, in two processes at a time: those with real nodes and browsers, which mostly wait, and
 * the others, which mostly compute; then the examples in the documentation.
 *
 * Output comes as it is made for the first half, and for the second at its end. Exits 1 when a test
 * failed.
 */

/** Folders whose tests start nodes and browsers and wait for them. */
const WAITING = ["tests/end_to_end", "tests/browser"];
const DOCUMENTED = ["README.md", "mod.ts", "actors", "transports", "program"];

const computing: string[] = [];
for (const entry of Deno.readDirSync("tests")) {
  const path = `tests/${entry.name}`;
  const holdsTests = entry.isDirectory || entry.name.endsWith("_test.ts");
  if (holdsTests && !WAITING.includes(path) && path !== "tests/support") computing.push(path);
}

function start(args: readonly string[], output: "inherit" | "piped"): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...args],
    stdin: "null",
    stdout: output,
    stderr: output,
  }).spawn();
}

const waiting = start(WAITING, "inherit");
const others = await start(computing.toSorted(), "piped").output();
const { code } = await waiting.status;
await Deno.stdout.write(others.stdout);
await Deno.stderr.write(others.stderr);
const examples = await start(["--doc", "--no-check", ...DOCUMENTED], "inherit").status;
Deno.exit(code === 0 && others.code === 0 && examples.code === 0 ? 0 : 1);
