import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import {
  generateApiToken,
  generateEndpointKey,
  loadApiToken,
  loadEndpointKeys,
} from "../../../transports/command_line/key_files.ts";
import type { LoadedSecret } from "../../../transports/command_line/key_files.ts";
import { Secret } from "../../../transports/command_line/secret.ts";
import {
  createPrivateFile,
  replacePrivateFile,
} from "../../../transports/command_line/private_file.ts";
import { TemporaryFolder } from "./temporary_folder.ts";

function ready<T>(loaded: LoadedSecret<T>): Extract<LoadedSecret<T>, { readonly kind: "ready" }> {
  assert(loaded.kind === "ready", loaded.kind === "failed" ? loaded.problem : "");
  return loaded;
}

function problemOf<T>(loaded: LoadedSecret<T>): string {
  assert(loaded.kind === "failed");
  return loaded.problem;
}

function modeOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

Deno.test("loadEndpointKeys() makes a key for its owner alone and finds it again", () => {
  using folder = new TemporaryFolder();
  const data = join(folder.path, "deep", "data");
  const made = ready(loadEndpointKeys(data, undefined));
  assertEquals(made.origin, "made");
  assertEquals(modeOf(data), 0o700);
  assertEquals(modeOf(made.path), 0o600);
  assertMatch(made.secret.reveal()[0] ?? "", /^[A-Za-z0-9_-]{43}=$/);
  const found = ready(loadEndpointKeys(data, undefined));
  assertEquals(found.origin, "file");
  assertEquals(found.secret.reveal(), made.secret.reveal());
  assertEquals([...Deno.readDirSync(data)].map((entry) => entry.name), ["endpoint-keys"]);
});

Deno.test("loadEndpointKeys() reads a rotated file, the newest key first", () => {
  using folder = new TemporaryFolder();
  const made = ready(loadEndpointKeys(folder.path, undefined));
  const newer = generateEndpointKey();
  Deno.writeTextFileSync(made.path, `${newer}\n${Deno.readTextFileSync(made.path)}`);
  const found = ready(loadEndpointKeys(folder.path, undefined));
  assertEquals(found.secret.reveal(), [newer, ...made.secret.reveal()]);
});

Deno.test("loadApiToken() makes a token once; 256 bits, another each time", () => {
  using folder = new TemporaryFolder();
  const made = ready(loadApiToken(folder.path, undefined));
  assertEquals(made.origin, "made");
  assertMatch(made.secret.reveal(), /^[A-Za-z0-9_-]{43}$/);
  assertEquals(ready(loadApiToken(folder.path, undefined)).origin, "file");
  assertNotEquals(generateApiToken(), generateApiToken());
});

Deno.test("loadApiToken() prefers what was set and then makes no file", () => {
  using folder = new TemporaryFolder();
  const data = join(folder.path, "data");
  const loaded = ready(loadApiToken(data, new Secret("a-token-of-my-own")));
  assertEquals(loaded.origin, "setting");
  assertEquals(loaded.secret.reveal(), "a-token-of-my-own");
  assertEquals([...Deno.readDirSync(folder.path)].length, 0);
});

Deno.test("loadApiToken() refuses what is unsafe or malformed and says what to do", () => {
  using folder = new TemporaryFolder();
  const { path } = ready(loadApiToken(folder.path, undefined));
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o777]) {
    Deno.chmodSync(path, mode);
    assertEquals(
      problemOf(loadApiToken(folder.path, undefined)),
      `${path} is open to other users (mode 0${mode.toString(8)}). Run: chmod 600 ${path}`,
    );
  }
  Deno.chmodSync(path, 0o400);
  assertEquals(ready(loadApiToken(folder.path, undefined)).origin, "file");
  Deno.chmodSync(path, 0o600);
  Deno.writeTextFileSync(path, "canary\n");
  assertEquals(
    problemOf(loadApiToken(folder.path, undefined)),
    `${path}: under 16 characters. Correct it, or remove it to have a new token made`,
  );
  Deno.writeTextFileSync(path, "");
  assertMatch(problemOf(loadApiToken(folder.path, undefined)), /: under 16 characters\./);
  Deno.removeSync(path);
  Deno.mkdirSync(path);
  assertEquals(problemOf(loadApiToken(folder.path, undefined)), `${path} is a folder`);
});

Deno.test("loadEndpointKeys() refuses a malformed file instead of replacing it", () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "endpoint-keys");
  Deno.writeTextFileSync(path, "canary\n", { mode: 0o600 });
  assertEquals(
    problemOf(loadEndpointKeys(folder.path, undefined)),
    `${path}: key 1 is not 32 bytes in base64url. ` +
      "Restore it from a backup: without its keys all endpoints are lost",
  );
  assertEquals(Deno.readTextFileSync(path), "canary\n");
});

Deno.test("loadEndpointKeys() says why the data folder cannot be made", () => {
  using folder = new TemporaryFolder();
  const file = join(folder.path, "file");
  Deno.writeTextFileSync(file, "");
  const data = join(file, "data");
  assertMatch(problemOf(loadEndpointKeys(data, undefined)), /lies beneath what is no folder$/);
});

Deno.test("createPrivateFile() leaves the file of whoever was first", () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "file");
  assertEquals(createPrivateFile(path, "first"), { kind: "written" });
  assertEquals(createPrivateFile(path, "second"), { kind: "exists" });
  assertEquals(Deno.readTextFileSync(path), "first");
  assertEquals([...Deno.readDirSync(folder.path)].length, 1);
});

Deno.test("replacePrivateFile() changes nothing when the change fails or another is at it", () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "file");
  createPrivateFile(path, "old");
  assertEquals(replacePrivateFile(path, () => ({ problem: "no" })), {
    kind: "failed",
    problem: "no",
  });
  let inner: unknown;
  const outer = replacePrivateFile(path, () => {
    inner = replacePrivateFile(path, () => ({ text: "inner" }));
    return { text: "outer" };
  });
  assertEquals(outer, { kind: "written" });
  assertEquals(inner, {
    kind: "failed",
    problem: `${path} is being changed by another command. ` +
      `If none is running, one was killed: remove ${path}.new`,
  });
  assertEquals(Deno.readTextFileSync(path), "outer");
  assertEquals(modeOf(path), 0o600);
  assertEquals([...Deno.readDirSync(folder.path)].length, 1);
});
