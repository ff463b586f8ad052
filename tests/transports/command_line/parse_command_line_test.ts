import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import * as fc from "fast-check";
import { join } from "node:path";
import { parseCommandLine } from "../../../transports/command_line/parse_command_line.ts";
import type { Command, CommandLine } from "../../../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../../../transports/command_line/read_file.ts";
import type { ReadFile } from "../../../transports/command_line/read_file.ts";
import type { Settings } from "../../../transports/command_line/settings.ts";

/** A reader of these files and no others. */
function filesOf(files: Readonly<Record<string, string>>): ReadFile {
  return (path) => {
    const text = files[path];
    return text === undefined
      ? { kind: "missing", cause: "does not exist" }
      : { kind: "text", text };
  };
}

interface Given {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
}

function parse({ args, env = {}, files = {} }: Given): CommandLine {
  return parseCommandLine(args, new Map(Object.entries(env)), filesOf(files));
}

function commandOf(given: Given): Command {
  const line = parse(given);
  assert(line.kind === "run", line.kind === "usage_error" ? line.message : line.kind);
  return line.command;
}

function serve(given: Given): Extract<Command, { readonly name: "serve" | "check" }> {
  const command = commandOf(given);
  assert(command.name === "serve" || command.name === "check");
  return command;
}

Deno.test("parseCommandLine() gives serve every default without any configuration", () => {
  const expected: Settings = {
    host: "127.0.0.1",
    endpointPort: 8080,
    devicePort: 8081,
    apiPort: 8082,
    nodePort: undefined,
    nodeUrl: undefined,
    roles: ["devices", "endpoint", "delivery", "api"],
    processes: undefined,
    endpointUrl: undefined,
    deviceUrl: undefined,
    tlsCert: undefined,
    tlsKey: undefined,
    data: "./data",
    store: undefined,
    queue: "store",
    storeCaFile: undefined,
    source: undefined,
    counters: undefined,
    resultsDatabase: undefined,
    resultsDatabaseRows: "failures",
    resultsDatabaseRetentionMs: 7_776_000_000,
    cryptoKeys: undefined,
    apiToken: undefined,
    payloadBytesMax: 5630,
    ttlSecondsMax: 2_592_000,
    messagesMax: 10_000,
    pingIntervalMs: 300_000,
    pingTimeoutMs: 4_000,
    helloTimeoutMs: 5_000,
    userLifetimeSeconds: 5_184_000,
    connectionsMax: 20_000,
    broadcastUrl: undefined,
    broadcastIntervalMs: 30_000,
    logLevel: "info",
    allowedHosts: [],
    proxyAddresses: [],
    caFile: undefined,
    allowedPushOrigins: [],
    pushHosts: "public",
    webhookUrl: undefined,
    webhookSecret: undefined,
    webhookRows: "failures",
    resultsFile: undefined,
    resultsRows: "failures",
    influxUrl: undefined,
    influxToken: undefined,
    batchesMax: 128,
    apnsConnections: 8,
    fcmConnections: 8,
    fcmRatePerMinute: 600_000,
    webPushConnections: 4,
    encryptionThreads: undefined,
    resultsRetentionMs: 2_592_000_000,
    traceOneIn: 1,
  };
  const command = serve({ args: ["serve"] });
  assertEquals(command.settings, expected);
  assertEquals(new Set(command.origins.map((row) => row.origin)), new Set(["default"]));
});

Deno.test("parseCommandLine() lets flags win over variables and variables over the file", () => {
  const files = {
    "c.toml": "endpoint-port = 1\n\ndevice-port = 2 # two\nhello-timeout = '3s'\nmax-ttl = 60\n",
  };
  const env = { HELIOGRAPH_ENDPOINT_PORT: "4", HELIOGRAPH_DEVICE_PORT: "5" };
  const { settings, origins } = serve({
    args: ["serve", "--config=c.toml", "--endpoint-port", "6"],
    env,
    files,
  });
  assertEquals(
    [settings.endpointPort, settings.devicePort, settings.helloTimeoutMs, settings.ttlSecondsMax],
    [6, 5, 3_000, 60],
  );
  const origin = (name: string) => origins.find((row) => row.name === name);
  assertEquals(origin("endpoint-port")?.origin, "--endpoint-port");
  assertEquals(origin("device-port")?.origin, "HELIOGRAPH_DEVICE_PORT");
  assertEquals(origin("hello-timeout"), {
    name: "hello-timeout",
    value: "3s",
    origin: "c.toml:4: hello-timeout",
  });
  assertEquals(origin("max-ttl"), { name: "max-ttl", value: "1m", origin: "c.toml:5: max-ttl" });
});

Deno.test("parseCommandLine() reads each spelling of a list", () => {
  const hosts = ["push.example", "[::1]"];
  const files = { "c.toml": 'allowed-host = ["push.example", "::1"]\n' };
  for (
    const given of [
      { args: ["serve", "--allowed-host", "push.example", "--allowed-host=[::1]"] },
      { args: ["serve"], env: { HELIOGRAPH_ALLOWED_HOST: "push.example, ::1,PUSH.example" } },
      { args: ["serve", "--config", "c.toml"], files },
    ]
  ) {
    assertEquals(serve(given).settings.allowedHosts, hosts);
  }
  const proxies = ["serve", "--proxy-address", "10.0.0.1,::1", "--proxy-address", "10.0.0.2"];
  assertEquals(serve({ args: proxies }).settings.proxyAddresses, ["10.0.0.1", "::1", "10.0.0.2"]);
  assertEquals(parse({ args: ["serve", "--proxy-address", "proxy"] }), {
    kind: "usage_error",
    message: 'heliograph: --proxy-address: not a list of IP addresses: "proxy". ' +
      "Use IP addresses, separated by commas.",
  });
});

Deno.test("parseCommandLine() reads origins of push services into one form", () => {
  const args = ["serve", "--allowed-push-origin", "HTTPS://Push.Example:443/, http://[::1]:9"];
  const { settings } = serve({ args: [...args, "--push-hosts=known"] });
  assertEquals(settings.allowedPushOrigins, ["https://push.example", "http://[::1]:9"]);
  assertEquals(settings.pushHosts, "known");
  assertEquals(parse({ args: ["serve", "--allowed-push-origin", "https://a/b"] }), {
    kind: "usage_error",
    message: 'heliograph: --allowed-push-origin: contains a path: "https://a/b". ' +
      "Use origins without a path, separated by commas, such as https://push.example.org.",
  });
});

Deno.test("parseCommandLine() reads a secret from each place and shows it nowhere", () => {
  const token = "canary-0123456789";
  const files = {
    "token": `${token}\n`,
    "inline.toml": `api-token = "${token}"\n`,
    "named.toml": 'api-token-file = "token"\n',
  };
  const rows: readonly (readonly [Given, string])[] = [
    [{ args: ["check"], env: { HELIOGRAPH_API_TOKEN: token } }, "HELIOGRAPH_API_TOKEN"],
    [
      { args: ["check"], env: { HELIOGRAPH_API_TOKEN_FILE: "token" } },
      'HELIOGRAPH_API_TOKEN_FILE "token"',
    ],
    [{ args: ["check", "--api-token-file", "token"] }, '--api-token-file "token"'],
    [{ args: ["check", "--config", "inline.toml"] }, "inline.toml:1: api-token"],
    [
      { args: ["check"], env: { HELIOGRAPH_CONFIG: "named.toml" } },
      'named.toml:1: api-token-file "token"',
    ],
  ];
  for (const [given, origin] of rows) {
    const command = serve({ ...given, files });
    assertEquals(command.settings.apiToken?.reveal(), token);
    const row = command.origins.find((row) => row.name === "api-token");
    assertEquals(row, { name: "api-token", value: "(hidden)", origin });
    for (const shown of [Deno.inspect(command), JSON.stringify(command)]) {
      assert(!shown.includes("canary"), shown);
    }
  }
});

Deno.test("parseCommandLine() reads endpoint keys as autopush and as people write them", () => {
  const [a, b] = ["A".repeat(43), "B".repeat(42) + "A"];
  for (
    const text of [
      `[${a}=, ${b}=]`,
      `${a},${b}`,
      `["${a}=","${b}="]`,
      `${a}=\n${b}=\n`,
      `${a}=\r\n${b}`,
    ]
  ) {
    const env = { HELIOGRAPH_CRYPTO_KEYS: text };
    const keys = serve({ args: ["serve"], env }).settings.cryptoKeys?.reveal();
    assertEquals(keys, [`${a}=`, `${b}=`]);
  }
});

Deno.test("parseCommandLine() brings URLs and stores into one form", () => {
  const { settings } = serve({
    args: [
      "serve",
      "--endpoint-url=HTTPS://Push.Example:443/",
      "--device-url=wss://push.example/devices",
      "--store=sqlite:/var/lib/push",
    ],
  });
  assertEquals(settings.endpointUrl, "https://push.example");
  assertEquals(settings.deviceUrl, "wss://push.example/devices");
  assertEquals(settings.store, { kind: "sqlite", folder: "/var/lib/push" });
  assertEquals(serve({ args: ["serve", "--store=memory:"] }).settings.store, { kind: "memory" });
});

Deno.test("parseCommandLine() reads durations in each unit", () => {
  const rows: readonly (readonly [string, number])[] = [
    ["1500ms", 1_500],
    ["45", 45_000],
    ["45s", 45_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
  ];
  for (const [text, ms] of rows) {
    const { settings } = serve({ args: ["serve", `--ping-interval=${text}`] });
    assertEquals(settings.pingIntervalMs, ms, text);
  }
});

Deno.test("parseCommandLine() takes 0 for any port, several times", () => {
  const args = ["serve", "--endpoint-port=0", "--device-port=0", "--api-port=0"];
  assertEquals(serve({ args }).settings.apiPort, 0);
});

Deno.test("parseCommandLine() gives keys only what they need", () => {
  // A variable that only other commands read is not looked at.
  const env = { HELIOGRAPH_API_PORT: "abc", HELIOGRAPH_DATA: "/srv" };
  const noFile = { ...env, HELIOGRAPH_CONFIG: "none.toml" };
  assertEquals(commandOf({ args: ["keys", "vapid"], env: noFile }), { name: "keys_vapid" });
  assertEquals(commandOf({ args: ["keys", "endpoint"], env }), { name: "keys_endpoint" });
  const scopes = ["--scope=read", "--scope", "send", "--scope=read"];
  const args = ["keys", "token", "--name=ci", "--expires=30d", ...scopes];
  assertEquals(commandOf({ args, env }), {
    name: "keys_token",
    data: "/srv",
    tokenName: "ci",
    lifetimeSeconds: 2_592_000,
    scopes: ["read", "send"],
  });
});

Deno.test("parseCommandLine() reads the two stores of a copy, and says what is wrong with each", () => {
  const env = { HELIOGRAPH_STORE: "postgres://push:canary@db/push?schema=a" };
  const command = commandOf({ args: ["store", "copy", "--from", "sqlite:./data"], env });
  assert(command.name === "store_copy");
  assertEquals([command.from, command.to.kind], ["./data", "postgres"]);
  assertEquals(command.to.url.reveal(), env.HELIOGRAPH_STORE);
  assert(!Deno.inspect(command).includes("canary"));
  const from =
    "Use sqlite:DIR with the folder that a node kept its store in, such as sqlite:./data.";
  const noTarget = "heliograph: store: no PostgreSQL to copy into. Set it to postgres://….";
  const rows: readonly (readonly [readonly string[], readonly string[]])[] = [
    [["store"], ["heliograph: store: needs a command. Use copy; --help explains them."]],
    [["store", "copy"], [`heliograph: --from: missing. ${from}`, noTarget]],
    [
      ["store", "copy", "--from", "postgres://db/push", "--store", "sqlite:./data"],
      [`heliograph: --from: not an embedded store: "postgres://db/push". ${from}`, noTarget],
    ],
    [["store", "copy", "--from", "sqlite:a", "--store", "memory:"], [noTarget]],
    [["store", "copy", "--from", "sqlite:a", "--store", "redis://h"], [noTarget]],
  ];
  for (const [args, message] of rows) {
    assertEquals(parse({ args }), { kind: "usage_error", message: message.join("\n") });
  }
  const wrong = parse({ args: ["store", "copy", "--from", "sqlite:a", "--store", "mysql://db"] });
  assert(wrong.kind === "usage_error");
  assertEquals(wrong.message.split("\n").length, 1);
  assertStringIncludes(wrong.message, 'heliograph: --store: not a store: "mysql://db". ');
});

Deno.test("parseCommandLine() answers --version, --help and --json anywhere", () => {
  assertEquals(parse({ args: ["--version"] }), { kind: "version" });
  for (const args of [["--help"], ["-h"], ["keys", "--help"]]) {
    const line = parse({ args });
    assert(line.kind === "help");
    assertStringIncludes(line.text, "Usage: heliograph COMMAND");
  }
  for (const args of [["serve", "--help"], ["--help", "serve"]]) {
    const line = parse({ args });
    assert(line.kind === "help");
    assertStringIncludes(line.text, "Usage: heliograph serve");
  }
  const line = parse({ args: ["--json", "keys", "vapid"] });
  assert(line.kind === "run" && line.json);
});

Deno.test("parseCommandLine() tells ten problems and counts the rest", () => {
  const text = Array.from({ length: 13 }, (_, number) => `unknown-${number} = 1\n`).join("");
  const line = parse({ args: ["serve", "--config=c.toml"], files: { "c.toml": text } });
  assert(line.kind === "usage_error");
  const lines = line.message.split("\n");
  assertEquals(lines.length, 11);
  assertEquals(lines.at(-1), "heliograph: and 3 more problems.");
});

/** Words that mean something to the parser, and words that mean nothing. */
const WORD = fc.oneof(
  fc.constantFrom("serve", "check", "keys", "token", "vapid", "--", "-", "-h", "--json", "=", ""),
  fc.constantFrom("--host", "--api-port", "--api-token", "--config=c.toml", "--name", "0", "30d"),
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({ unit: "binary", maxLength: 30 }).map((text) => `--${text}`),
);

Deno.test("parseCommandLine() answers any arguments, variable and file in visible lines", () => {
  const toml = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.array(fc.constantFrom('host = "a"', "api-port = 0", "x = [", '"""', "[a]", "#", "= 1"))
      .map((lines) => lines.join("\n")),
  );
  fc.assert(fc.property(fc.array(WORD, { maxLength: 6 }), WORD, toml, (args, value, text) => {
    const line = parse({ args, env: { HELIOGRAPH_HOST: value }, files: { "c.toml": text } });
    if (line.kind !== "usage_error") return;
    for (const shown of line.message.split("\n")) {
      assert(/^heliograph: [^\p{C}\p{Zl}\p{Zp}]+[.?]$/u.test(shown), JSON.stringify(shown));
      assert(shown.length < 500, shown);
    }
  }));
});

Deno.test("readTextFile() refuses what is no text and drops a byte order mark", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const path = join(folder, "file");
    Deno.writeFileSync(path, Uint8Array.of(0xff, 0xfe, 0x41));
    assertEquals(readTextFile(path, 100), { kind: "unreadable", cause: "is not UTF-8 text" });
    Deno.writeFileSync(path, Uint8Array.of(0xef, 0xbb, 0xbf, 0x41));
    assertEquals(readTextFile(path, 100), { kind: "text", text: "A" });
    assertEquals(readTextFile(path, 4), { kind: "text", text: "A" });
    assertEquals(readTextFile(path, 3), { kind: "unreadable", cause: "is larger than 3 bytes" });
    assertEquals(readTextFile("/dev/zero", 3).kind, "unreadable");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
