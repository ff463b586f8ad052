/**
 * The program from outside: what it says, where, and with which exit status, when it cannot start
 * (one sentence with the setting's name), when it checks, and when it makes keys.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { makeCertificates } from "../support/certificates.ts";
import { Service } from "../support/service.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const ANY_PORTS = ["--endpoint-port", "0", "--device-port", "0", "--api-port", "0"];

/** What a run of the program left. */
interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[]): Promise<Outcome> {
  const program = ["run", "-A", "mod.ts", ...args];
  const command = new Deno.Command(Deno.execPath(), { args: program, cwd: ROOT });
  const { code, stdout, stderr } = await command.output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** The line for a person; the log's JSON lines stand beside it. */
function sentence(stderr: string): string {
  return stderr.split("\n").filter((line) => line.startsWith("heliograph: ")).join("\n");
}

/** A folder that is gone after the test. */
async function folder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "heliograph-program-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("serve refuses a data folder that another server uses, and names the process", async () => {
  await using first = await Service.start();
  const { code, stderr, stdout } = await run(["serve", "--data", first.dataDir, ...ANY_PORTS]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(sentence(stderr), new RegExp(`in use by process ${first.pid}`));
});

Deno.test("serve says which port is in use, and by which setting to change it", async () => {
  await using data = await folder();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  for (const setting of ["endpoint-port", "device-port", "api-port"]) {
    const ports = ANY_PORTS.map((word, index) =>
      ANY_PORTS[index - 1] === `--${setting}` ? `${taken.addr.port}` : word
    );
    const { code, stderr, stdout } = await run(["serve", "--data", data.path, ...ports]);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      sentence(stderr),
      new RegExp(`^heliograph: ${setting}: port ${taken.addr.port} is in use \\(EADDRINUSE\\)`),
    );
  }
});

Deno.test("serve refuses a store file that is not one, and one from the future", async () => {
  await using data = await folder();
  const first = await run(["check", "--data", data.path, ...ANY_PORTS]);
  assertEquals(first.code, 0, first.stdout);
  const [file = ""] = [...Deno.readDirSync(data.path)].map(({ name }) => name)
    .filter((name) => /\.(sqlite|db)/.test(name));
  const path = `${data.path}/${file}`;
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path);
  database.exec("PRAGMA user_version = 999");
  database.close();
  const newer = await run(["serve", "--data", data.path, ...ANY_PORTS]);
  assertEquals(newer.code, 1);
  assertMatch(sentence(newer.stderr), /schema has version 999/);
  for (const suffix of ["-wal", "-shm"]) {
    await Deno.remove(`${path}${suffix}`).catch((error: unknown) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  await Deno.writeTextFile(path, "not a database, but long enough to look like one ".repeat(100));
  const foreign = await run(["serve", "--data", data.path, ...ANY_PORTS]);
  assertEquals(foreign.code, 1);
  assertMatch(sentence(foreign.stderr), /not a SQLite/i);
});

/** Starts that must fail: what is in the folder, the arguments, and the one sentence. */
const FAILURES: readonly (readonly [
  title: string,
  prepare: (folder: string) => void,
  args: readonly string[],
  sentence: RegExp,
])[] = [
  [
    "data that is a file",
    (path) => Deno.writeTextFileSync(`${path}/data`, ""),
    [],
    /^heliograph: data: .*\/data\/endpoint-keys lies beneath what is no folder\.$/,
  ],
  [
    "keys that are none",
    (path) => {
      Deno.mkdirSync(`${path}/data`);
      Deno.writeTextFileSync(`${path}/data/endpoint-keys`, "canary", { mode: 0o600 });
    },
    [],
    /^heliograph: data: .*endpoint-keys: key 1 is not 32 bytes in base64url\. Restore it from a backup/,
  ],
  [
    "a token that others can read",
    (path) => {
      Deno.mkdirSync(`${path}/data`);
      Deno.writeTextFileSync(`${path}/data/api-token`, "canary0123456789", { mode: 0o644 });
    },
    [],
    /^heliograph: data: .*api-token is open to other users \(mode 0644\)\. Run: chmod 600 /,
  ],
  [
    "a store beneath a file",
    (path) => Deno.writeTextFileSync(`${path}/file`, ""),
    ["--store", "sqlite:FOLDER/file/store"],
    /^heliograph: store: Cannot open ".*\/file\/store": /,
  ],
  [
    "a store of a few bytes",
    (path) => {
      Deno.mkdirSync(`${path}/data`);
      Deno.writeTextFileSync(`${path}/data/messages.sqlite`, "short");
    },
    [],
    /^heliograph: data: Cannot open ".*messages\.sqlite": it is not a SQLite database\. Move it away/,
  ],
  [
    "a store that is a folder",
    (path) => Deno.mkdirSync(`${path}/data/messages.sqlite`, { recursive: true }),
    [],
    /^heliograph: data: Cannot open ".*messages\.sqlite": Is a directory/,
  ],
  [
    "an address of another machine",
    () => {},
    ["--host", "192.0.2.1"],
    /^heliograph: host: 192\.0\.2\.1 is no address of this machine \(E\w+\)\. Set one it has/,
  ],
  [
    "a host without an address",
    () => {},
    ["--host", "heliograph.invalid"],
    /^heliograph: host: heliograph\.invalid is no name this machine knows/,
  ],
];

for (const [title, prepare, args, expected] of FAILURES) {
  Deno.test(`serve says in one sentence what is wrong with ${title}, and serves nothing`, async () => {
    await using all = await folder();
    prepare(all.path);
    const own = args.map((word) => word.replace("FOLDER", all.path));
    const where = ["--data", `${all.path}/data`, ...ANY_PORTS];
    const { code, stdout, stderr } = await run(["serve", ...where, ...own]);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(sentence(stderr), expected);
    assert(!stderr.includes("canary"), "a secret in the answer");
  });
}

Deno.test("serve refuses a key that belongs to another certificate", async () => {
  await using data = await folder();
  await using other = await folder();
  const ours = await makeCertificates(data.path);
  const theirs = await makeCertificates(other.path);
  const flags = ["--tls-cert", ours.certFile, "--tls-key", theirs.keyFile];
  const { code, stderr } = await run(["serve", "--data", data.path, ...ANY_PORTS, ...flags]);
  assertEquals(code, 1);
  assertMatch(sentence(stderr), /^heliograph: tls-key: .* does not belong to the certificate/);
});

Deno.test("serve does not begin with half of its parts: readiness comes once, at the end", async () => {
  await using data = await folder();
  const flags = ["--broadcast-url", "http://127.0.0.1:9/"];
  const { code, stdout, stderr } = await run([
    ...["serve", "--json", "--data", data.path],
    ...ANY_PORTS,
    ...flags,
  ]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(sentence(stderr), /^heliograph: broadcast-url: /);
});

Deno.test("check finds everything that is wrong in one run", async () => {
  await using data = await folder();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const flags = ["--device-port", `${taken.addr.port}`, "--endpoint-port", "0", "--api-port", "0"];
  const missing = ["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"];
  const { code, stdout } = await run([
    "check",
    "--json",
    "--data",
    data.path,
    ...flags,
    ...missing,
  ]);
  const report = JSON.parse(stdout);
  assertEquals([code, report.ok], [1, false]);
  const failed = report.findings
    .filter(({ outcome }: { outcome: string }) => outcome === "failed")
    .map(({ what }: { what: string }) => what);
  assertEquals(failed, ["certificate", "device sockets"]);
});

Deno.test("serve logs once which library encrypts messages", async () => {
  await using service = await Service.start();
  await service.stop();
  const told = service.stderr.matchAll(/"message_encryption":"(libcrypto|node:crypto)"/g);
  assertEquals([...told].length, 1);
});

Deno.test("keys are printed once, and secrets nowhere else", async () => {
  await using data = await folder();
  const made = JSON.parse((await run(["keys", "token", "--json", "--data", data.path])).stdout);
  for await (const entry of Deno.readDir(data.path)) {
    const text = await Deno.readTextFile(`${data.path}/${entry.name}`);
    assert(!text.includes(made.token), `${entry.name} holds the token itself`);
  }
  await using service = await Service.start({ dataDir: data.path });
  const tree = `http://127.0.0.1:${service.apiPort}/v1/tree`;
  for (const [token, status] of [[made.token, 200], [`${made.token}x`, 401]] as const) {
    const response = await fetch(tree, { headers: { authorization: `Bearer ${token}` } });
    await response.body?.cancel();
    assertEquals(response.status, status);
  }
  await service.stop();
  assert(!service.stderr.includes(made.token));
});

Deno.test("the tasks grant what is needed and nothing more", async (t) => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const granted = String(tasks.serve.command).match(/--allow-[^ ]+/g) ?? [];
  assertEquals(granted.map((flag) => flag.split("=")[0]), [
    "--allow-net",
    "--allow-read",
    "--allow-write",
    "--allow-ffi",
    "--allow-env",
    "--allow-run",
  ]);
  await t.step("with all of them it serves", async () => {
    await using service = await Service.start({ denoFlags: granted });
    const ready = await fetch(`http://127.0.0.1:${service.apiPort}/readyz`);
    assertEquals([ready.status, (await ready.json()).ready], [200, true]);
  });
  // Starting processes is for a parent of several; all others give this permission back.
  const alone = granted.filter((flag) => !flag.startsWith("--allow-run"));
  const needed = alone.filter((flag) => flag !== "--allow-ffi");
  await t.step(
    "without --allow-ffi it does, with the slower of the libraries that encrypt",
    async () => {
      await using service = await Service.start({ denoFlags: needed });
      assert(service.stderr.includes('"message_encryption":"node:crypto"'), service.stderr);
    },
  );
  for (const flag of needed) {
    await t.step(`without ${flag} it does not`, async () => {
      await using data = await folder();
      const args = ["run", "--no-prompt", ...granted.filter((other) => other !== flag)];
      const command = new Deno.Command(Deno.execPath(), {
        args: [...args, "mod.ts", "serve", "--data", data.path, ...ANY_PORTS],
        cwd: ROOT,
        stdout: "null",
        stderr: "piped",
      });
      const { code, stderr } = await command.output();
      assert(code !== 0);
      assertMatch(new TextDecoder().decode(stderr), /NotCapable|Requires .* access|allow/);
    });
  }
});
