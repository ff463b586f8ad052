/**
 * The commands that talk to the API, as a person calls them, against the node as a person starts it.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { generateKeyPairSync } from "node:crypto";
import { generateVapidKeys } from "../../transports/command_line/vapid_keys.ts";
import { Service } from "../support/service.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A node and a folder for the files of the commands. */
class World implements AsyncDisposable {
  readonly folder: string = Deno.makeTempDirSync({ prefix: "heliograph-commands-" });
  readonly #service: Service;

  private constructor(service: Service) {
    this.#service = service;
  }

  static async open(): Promise<World> {
    return new World(await Service.start());
  }

  /** Writes a file and gives its name. */
  file(name: string, text: string): string {
    Deno.writeTextFileSync(`${this.folder}/${name}`, text);
    return `${this.folder}/${name}`;
  }

  /** Runs a command to its end. */
  async run(args: readonly string[], stdin = ""): Promise<Outcome> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-check",
        "--allow-net",
        "--allow-read",
        "--allow-env=HELIOGRAPH_*",
        "mod.ts",
      ]
        .concat(args),
      cwd: ROOT,
      env: {
        HELIOGRAPH_API_URL: `http://127.0.0.1:${this.#service.apiPort}`,
        HELIOGRAPH_DATA: this.#service.dataDir,
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    await new Blob([stdin]).stream().pipeTo(child.stdin).catch(() => {});
    const { code, stdout, stderr } = await child.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  /** Runs a command that must succeed, and gives what it printed. */
  async done(args: readonly string[], stdin = ""): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, stdin);
    assertEquals(code, 0, stderr);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** A signing key as Apple hands it out. */
function signingKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

Deno.test("apps: credentials go in from files, are judged, and never come out", async () => {
  await using world = await World.open();
  const vapid = generateVapidKeys();
  const pem = signingKey();
  const apns = ["--apns-key", world.file("key.p8", pem), "--apns-team-id", "TEAM123456"]
    .concat("--apns-topic", "org.example.app");
  const wrong = await world.run(["apps", "add", "shop", ...apns, "--apns-key-id", "short"]);
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.stderr, "heliograph: --apns-key-id: apns.keyId: ");
  const webpush = ["--vapid-private-key-file", world.file("vapid", `${vapid.privateKey}\n`)]
    .concat("--vapid-subject", "mailto:push@example.org");
  const added = await world.done(
    ["apps", "add", "shop", ...apns, ...webpush, "--apns-key-id", "KEY1234567"],
  );
  const shown = await world.done(["apps", "show", "shop"]);
  const json = await world.done(["apps", "show", "shop", "--json"]);
  assertStringIncludes(shown, "key KEY1234567, team TEAM123456, topic org.example.app");
  assertStringIncludes(shown, vapid.publicKey);
  assertEquals(JSON.parse(json).apns.keyId, "KEY1234567");
  const secret = pem.split("\n")[1] ?? "";
  for (const text of [added, shown, json, await world.done(["apps", "list", "--json"])]) {
    assert(!text.includes(secret) && !text.includes(vapid.privateKey), text);
  }
  assertStringIncludes(await world.done(["apps", "list"]), "shop  apns webpush");
  assertEquals(await world.done(["apps", "resume", "shop"]), "Nothing was paused.\n");
  assertEquals(await world.done(["apps", "remove", "shop"]), "Removed shop and its devices.\n");
  const gone = await world.run(["apps", "show", "shop"]);
  assertEquals([gone.code, gone.stderr], [1, 'heliograph: there is no app "shop".\n']);
});

/** Adds an app that sends nowhere. */
async function addApp(world: World): Promise<void> {
  const files = ["--apns-key", world.file("key.p8", signingKey())];
  const rest = ["--apns-key-id", "KEY1234567", "--apns-team-id", "TEAM123456"]
    .concat("--apns-topic", "org.example.app", "--apns-origin", "https://127.0.0.1:1");
  await world.done(["apps", "add", "shop", ...files, ...rest]);
}

Deno.test("devices: a file goes in, wrong lines are told by number, and all comes out again", async () => {
  await using world = await World.open();
  await addApp(world);
  const rows = Array.from(
    { length: 2_500 },
    (_, at) =>
      JSON.stringify({ id: `d${at}`, platform: "apns", token: `token-${at}`, tags: ["a", "b"] }),
  );
  const file = world.file("devices.ndjson", [...rows, "nonsense", '{"id":"x"}', ""].join("\n"));
  const imported = await world.run(["devices", "import", file, "--app", "shop"]);
  assertEquals(imported.code, 1);
  assertStringIncludes(imported.stdout, "Imported 2,500 devices, 2 wrong, in ");
  assertStringIncludes(imported.stderr, "heliograph: line 2501: not JSON at column 1.\n");
  assertStringIncludes(imported.stderr, "heliograph: line 2502: platform: ");
  const csv = world.file("devices.csv", 'id,token,tags\nc1,"to""ken",a;c\n');
  const options = ["--app", "shop", "--platform", "apns"];
  const again = await world.done(["devices", "import", csv, ...options, "--json"]);
  assertEquals(JSON.parse(again), { imported: 1, failed: 0, problems: [], done: true });
  const exported = await world.done(["devices", "export", "--app", "shop"]);
  const lines = exported.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.length, 2_501);
  assertEquals(lines[0], {
    id: "c1",
    app: "shop",
    platform: "apns",
    token: 'to"ken',
    tags: ["a", "c"],
  });
  await world.done(["devices", "import", "-", "--app", "shop"], exported);
  const list = ["devices", "list", "--app", "shop"];
  assertEquals(
    (await world.done([...list, "--json", "--limit", "2000"])).split("\n").length,
    2_001,
  );
  assertStringIncludes(await world.done([...list, "--tag", "c"]), "c1  apns      active");
  assertEquals(await world.done(["devices", "remove", "c1"]), "Removed c1.\n");
  assertEquals(await world.done([...list, "--tag", "c"]), "No devices.\n");
});

Deno.test("send: to nobody fails, wrong recipients stop it, and what is on its way can be cancelled", async () => {
  await using world = await World.open();
  await addApp(world);
  const say = ["send", "--app", "shop", "--title", "Hello"];
  const nobody = await world.run([...say, "--to-tag", "nobody"]);
  assertEquals(nobody.code, 1, nobody.stderr);
  assertStringIncludes(nobody.stdout, "is done: there was nobody to send it to.");
  const recipients = '{"platform":"apns","token":"aa"}\n{"platform":"pager"}\n';
  const wrong = await world.run([...say, "--tokens", "-"], recipients);
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.stderr, "heliograph: line 2: platform: ");
  assertStringIncludes(wrong.stderr, "Nothing was sent: the notification is cancelled.");
  const at = ["--at", "1h", "--detach"];
  const id =
    (await world.done([...say, "--tokens", "-", ...at], '{"platform":"apns","token":"aa"}'))
      .trim();
  const status = JSON.parse(await world.done(["status", id, "--json"]));
  assertEquals([status.id, status.sendingDone, status.counts.delivered], [id, false, 0]);
  assertStringIncludes(await world.done(["cancel", id]), `Notification ${id} is cancelled`);
  const watched = await world.run(["status", id, "--watch", "--json"]);
  assertEquals(watched.code, 1);
  assertEquals(JSON.parse(watched.stdout.trim().split("\n").at(-1) ?? "").status, "cancelled");
  assertStringIncludes(await world.done(["status"]), "batches  0 waiting, 0 in flight");
});
