import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { nodeAddress } from "../../../transports/command_line/addresses.ts";
import { engineAddress, queue, store } from "../../../transports/command_line/engine_address.ts";
import { parseCommandLine } from "../../../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../../../transports/command_line/read_file.ts";

Deno.test("store reads every kind of address, and shows no password", () => {
  const rows: readonly (readonly [text: string, kind: string, shown: string])[] = [
    ["memory:", "memory", "memory:"],
    ["sqlite:/var/lib/h", "sqlite", "sqlite:/var/lib/h"],
    ["postgres://u@h/d", "postgres", "postgres://u@h/d"],
    ["postgresql://u:secret@h:5433/d?schema=a_1", "postgres", "(hidden)"],
    ["redis://h", "redis", "redis://h"],
    ["rediss://:secret@h:6380/3?prefix=p", "redis", "(hidden)"],
    ["redis://u:secret@[::1]:6379/?cluster=true", "redis", "(hidden)"],
  ];
  for (const [text, kind, shown] of rows) {
    const parsed = store.parse(text);
    assert(parsed.kind === "value", text);
    assertEquals(parsed.value.kind, kind);
    assert(store.show(parsed.value).includes(shown), store.show(parsed.value));
    assert(!Deno.inspect(parsed.value).includes("secret"));
    assert(!JSON.stringify(parsed.value).includes("secret"));
    const hasPassword = text.includes("secret");
    assertEquals(store.hidden?.test(text), hasPassword, text);
    if (hasPassword && "url" in parsed.value) {
      assert(parsed.value.url.reveal().includes("secret"), "the engine needs it");
    }
  }
});

Deno.test("addresses of engines name what is wrong with them", () => {
  const rows: readonly (readonly [text: string, problem: string])[] = [
    ["mysql://h/d", "not a store"],
    ["sqlite:", "not a store"],
    ["postgres://h", "without the name of a database"],
    ["postgres:///d", "without a host"],
    ["postgres://h/d/e", "without the name of a database"],
    ["postgres://h/d#x", "contains a fragment"],
    ["postgres://h/d?ssl=true", "has the unknown parameter ssl"],
    ["redis://h?constructor=1", "has the unknown parameter constructor"],
    [
      "postgres://h/d?schema=Bad-Name",
      "has a wrong schema (at most 63 of a-z, 0-9 and _, no digit first)",
    ],
    ["redis://h/name", "has a path that is no number of a database"],
    ["redis://h?prefix=a:b", "has a wrong prefix (at most 32 of a-z, 0-9, _ and -)"],
    ["redis://h?cluster=3", "has a wrong cluster (true or false)"],
  ];
  for (const [text, problem] of rows) {
    assertEquals(store.parse(text), { kind: "problem", problem }, text);
  }
});

Deno.test("engineAddress() and queue take the engines they are for", () => {
  const wrong = { kind: "problem", problem: "wrong kind of URL" } as const;
  assertEquals(engineAddress("redis").parse("postgres://h/d"), wrong);
  assertEquals(engineAddress("postgres").parse("redis://h"), wrong);
  assertEquals(queue.parse("postgres://h/d"), wrong);
  assertEquals(queue.parse("store"), { kind: "value", value: "store" });
  assertEquals(queue.parse("redis://h").kind, "value");
  assertEquals(engineAddress("redis").parse("h"), { kind: "problem", problem: "not a URL" });
});

/** What is said about these arguments and variables. */
function answer(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const line = parseCommandLine(["serve", ...args], new Map(Object.entries(env)), (path) => {
    return path === "address"
      ? { kind: "text", text: "redis://:canary@h\n" }
      : readTextFile(path, 1);
  });
  return line.kind === "usage_error" ? line.message : line.kind;
}

Deno.test("parseCommandLine() takes no password from an argument, and one from elsewhere", () => {
  for (const name of ["store", "queue", "source", "counters"]) {
    const refused = answer([`--${name}=redis://:canary@h`]);
    assertStringIncludes(refused, `--${name}: has a password, and arguments can be read by every`);
    assertStringIncludes(refused, `Use HELIOGRAPH_${name.toUpperCase()} or HELIOGRAPH_`);
    assert(!refused.includes("canary"));
    const variable = `HELIOGRAPH_${name.toUpperCase()}`;
    assertEquals(answer([], { [variable]: "redis://:canary@h" }), "run");
    assertEquals(answer([], { [`${variable}_FILE`]: "address" }), "run");
  }
});

Deno.test("parseCommandLine() refuses a place among nodes that cannot be", () => {
  const shared = "--store=redis://h";
  const rows: readonly (readonly [args: readonly string[], said: string])[] = [
    [["--node-port=0"], "node-port: no other node can use this store"],
    [["--processes=2"], "processes: 2 cannot use this store"],
    [
      ["--processes=2", shared, "--node-port=9000"],
      "node-port: every process needs one of its own",
    ],
    [["--node-url=http://10.0.0.1", shared], "node-url: without node-port"],
    [
      ["--processes=2", shared, "--node-url=http://10.0.0.1:9000"],
      "node-url: http://10.0.0.1:9000 is the address of one process",
    ],
    [["--processes=2", shared, "--node-url=http://10.0.0.1"], "run"],
    [
      ["--node-port=1", shared, "--host=0.0.0.0", "--endpoint-url=http://a"],
      "node-url: missing although host is 0.0.0.0",
    ],
    [["--roles=devices"], "endpoint-url: missing although this node has no push endpoint"],
    [["--roles=devices,cook"], '--roles: not a list of these words: "devices,cook"'],
    [["--processes=1"], "run"],
    [["--processes=2", shared], "run"],
    [["--node-port=0", shared, "--node-url=http://10.0.0.1"], "run"],
    [["--roles=api,endpoint"], "run"],
  ];
  for (const [args, said] of rows) assertStringIncludes(answer(args), said);
});

Deno.test("nodeAddress() has the bound port unless the setting names one", () => {
  const rows: readonly (readonly [args: readonly string[], url: string])[] = [
    [[], "http://127.0.0.1:5"],
    [["--host=::1"], "http://[::1]:5"],
    [["--node-url=http://10.0.0.1"], "http://10.0.0.1:5"],
    [["--node-url=https://10.0.0.1:9"], "https://10.0.0.1:9"],
    [["--node-url=https://node.lan:443"], "https://node.lan"],
  ];
  for (const [args, url] of rows) {
    const all = ["serve", "--store=redis://h", "--node-port=0", ...args];
    const line = parseCommandLine(all, new Map(), readTextFile);
    assert(line.kind === "run" && line.command.name === "serve");
    assertEquals(nodeAddress(line.command.settings, 5), url);
  }
});
