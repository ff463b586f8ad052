import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { readTextFile } from "../../../transports/command_line/read_file.ts";
import { loadTlsFiles } from "../../../transports/command_line/tls_files.ts";
import type { TlsFiles } from "../../../transports/command_line/tls_files.ts";
import { TemporaryFolder } from "./temporary_folder.ts";

const DAY_MS = 86_400_000;

async function openssl(...args: readonly string[]): Promise<void> {
  const command = new Deno.Command("openssl", { args: [...args], stdout: "null", stderr: "piped" });
  const { success, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
}

/** Makes a certificate for localhost and 127.0.0.1, valid from now for ten days. */
async function makePair(folder: string, name: string): Promise<void> {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  await openssl("req", "-x509", ...curve, "-keyout", key, "-out", cert, "-days", "10", ...names);
}

Deno.test("loadTlsFiles() takes a pair, warns of what clients refuse and refuses what cannot work", async () => {
  using folder = new TemporaryFolder();
  const file = (name: string) => join(folder.path, name);
  await makePair(folder.path, "a");
  await makePair(folder.path, "b");
  const encrypted = ["-topk8", "-passout", "pass:canary"];
  await openssl("pkcs8", ...encrypted, "-in", file("a.key"), "-out", file("locked.key"));
  Deno.writeTextFileSync(file("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n");
  Deno.writeTextFileSync(file("broken.key"), "-----BEGIN PRIVATE KEY-----\nAAAA\n");
  const load = (cert: string, key: string, hosts: readonly string[] = [], days = 0): TlsFiles =>
    loadTlsFiles({
      certPath: file(cert),
      keyPath: file(key),
      hosts,
      now: Date.now() + days * DAY_MS,
      readFile: readTextFile,
    });

  const good = load("a.pem", "a.key", ["localhost", "127.0.0.1"]);
  assert(good.kind === "ready");
  assertEquals(good.warnings, []);
  assertEquals(good.cert, Deno.readTextFileSync(file("a.pem")));
  assertEquals(good.key, Deno.readTextFileSync(file("a.key")));

  const warnings: readonly (readonly [hosts: readonly string[], days: number, warning: RegExp])[] =
    [
      [[], 11, /^tls-cert: .*a\.pem expired on /],
      [[], -11, /^tls-cert: .*a\.pem is valid from /],
      [["push.example"], 0, /^tls-cert: .*a\.pem is not for push\.example$/],
      [["[::1]"], 0, /^tls-cert: .*a\.pem is not for ::1$/],
    ];
  for (const [hosts, days, warning] of warnings) {
    const loaded = load("a.pem", "a.key", hosts, days);
    assert(loaded.kind === "ready");
    assertEquals(loaded.warnings.length, 1);
    assertMatch(loaded.warnings[0] ?? "", warning);
  }

  const failures: readonly (readonly [cert: string, key: string, problem: RegExp])[] = [
    ["none.pem", "a.key", /^tls-cert: .*none\.pem does not exist$/],
    ["a.pem", "none.key", /^tls-key: .*none\.key does not exist$/],
    ["a.key", "a.key", /^tls-cert: .*a\.key holds no certificate/],
    ["broken.pem", "a.key", /^tls-cert: .*broken\.pem holds no certificate/],
    ["a.pem", "a.pem", /^tls-key: .*a\.pem holds no private key/],
    ["a.pem", "broken.key", /^tls-key: .*broken\.key holds a private key that cannot be read/],
    ["a.pem", "locked.key", /^tls-key: .*locked\.key holds an encrypted private key/],
    ["a.pem", "b.key", /^tls-key: .*b\.key does not belong to the certificate in .*a\.pem$/],
  ];
  for (const [cert, key, problem] of failures) {
    const loaded = load(cert, key);
    assert(loaded.kind === "failed");
    assertMatch(loaded.problem, problem);
  }
});
