import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { ApiTokens, makeApiToken } from "../../../transports/command_line/api_tokens.ts";
import type { MadeToken, TokenClock } from "../../../transports/command_line/api_tokens.ts";
import { API_TOKENS_LOOK_MS, API_TOKENS_MAX } from "../../../transports/command_line/limits.ts";
import { Secret } from "../../../transports/command_line/secret.ts";
import { TemporaryFolder } from "./temporary_folder.ts";

const MAIN = "main-token-0123456789";

/** A clock that moves by hand. */
class HandClock implements TokenClock {
  time = Date.UTC(2030, 0, 1);
  now(): number {
    return this.time;
  }
  wallNow(): number {
    return this.time;
  }
}

/** A data folder, a clock, a verifier and what it complained about. */
class World implements Disposable {
  readonly folder = new TemporaryFolder();
  readonly clock = new HandClock();
  readonly problems: string[] = [];
  readonly path = join(this.folder.path, "api-tokens.json");

  verifier(): ApiTokens {
    return new ApiTokens({
      data: this.folder.path,
      main: new Secret(MAIN),
      clock: this.clock,
      onProblem: (problem) => this.problems.push(problem),
    });
  }

  try(name?: string, lifetimeSeconds?: number): MadeToken {
    return makeApiToken({ data: this.folder.path, name, lifetimeSeconds }, this.clock);
  }

  make(name?: string, lifetimeSeconds?: number): string {
    const made = this.try(name, lifetimeSeconds);
    assert(made.kind === "made", made.kind === "failed" ? made.problem : "");
    return made.token.reveal();
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

Deno.test("ApiTokens.verify() knows the main token and no other", () => {
  using world = new World();
  const tokens = world.verifier();
  assertEquals(tokens.verify(MAIN), { kind: "ok", name: "main", scopes: ["admin"] });
  for (const wrong of ["", "x", MAIN.slice(1), `${MAIN} `, MAIN.toUpperCase()]) {
    assertEquals(tokens.verify(wrong), { kind: "unknown" });
  }
});

Deno.test("ApiTokens.verify() follows the file: made, expired, revoked", () => {
  using world = new World();
  const tokens = world.verifier();
  const ci = world.make("ci", 60);
  const other = world.make();
  assertEquals(tokens.verify(ci), { kind: "unknown" }, "not looked again yet");
  world.clock.time += API_TOKENS_LOOK_MS;
  assertEquals(tokens.verify(ci), { kind: "ok", name: "ci", scopes: ["admin"] });
  assertEquals(tokens.verify(other), { kind: "ok", name: "token-1", scopes: ["admin"] });
  world.clock.time += 60_000 - API_TOKENS_LOOK_MS - 1;
  assertEquals(tokens.verify(ci).kind, "ok");
  world.clock.time += 1;
  assertEquals(tokens.verify(ci), { kind: "expired", name: "ci" });
  Deno.removeSync(world.path);
  world.clock.time += API_TOKENS_LOOK_MS;
  assertEquals(tokens.verify(other), { kind: "unknown" });
  assertEquals(tokens.verify(MAIN).kind, "ok");
  assertEquals(world.problems, []);
});

Deno.test("makeApiToken() stores a hash for its owner alone and never the token", () => {
  using world = new World();
  const token = world.make("ci", 60);
  assertEquals((Deno.statSync(world.path).mode ?? 0) & 0o777, 0o600);
  const text = Deno.readTextFileSync(world.path);
  assert(!text.includes(token));
  const { tokens } = JSON.parse(text);
  assertMatch(tokens[0].sha256, /^[0-9a-f]{64}$/);
  assertEquals(
    [tokens[0].name, tokens[0].created, tokens[0].expires],
    ["ci", "2030-01-01T00:00:00.000Z", "2030-01-01T00:01:00.000Z"],
  );
});

Deno.test("makeApiToken() gives free names and refuses taken ones", () => {
  using world = new World();
  world.make("token-1");
  const second = world.try();
  assert(second.kind === "made" && second.name === "token-2");
  for (const name of ["token-1", "main"]) {
    const again = world.try(name);
    assert(again.kind === "failed");
    assertEquals(again.problem, `--name: "${name}" is taken. Choose another name`);
  }
});

Deno.test("makeApiToken() stops at the largest number of tokens", () => {
  using world = new World();
  world.make();
  const { tokens } = JSON.parse(Deno.readTextFileSync(world.path));
  const many = Array.from(
    { length: API_TOKENS_MAX },
    (_, index) => ({ ...tokens[0], name: `${index}` }),
  );
  Deno.writeTextFileSync(world.path, JSON.stringify({ tokens: many }));
  const made = world.try();
  assert(made.kind === "failed");
  assertMatch(made.problem, /has 256 tokens/);
  Deno.writeTextFileSync(world.path, JSON.stringify({ tokens: [...many, tokens[0]] }));
  world.verifier();
  assertMatch(world.problems[0] ?? "", /over 256 tokens/);
});

Deno.test("ApiTokens.verify() refuses named tokens while their file is wrong, and says so once", () => {
  const rows: readonly (readonly [text: string, problem: RegExp])[] = [
    ["", /not JSON/],
    ["[]", /no array "tokens"/],
    ['{"tokens":{}}', /no array "tokens"/],
    ['{"tokens":[null]}', /tokens\[0\] is malformed/],
    [
      '{"tokens":[{"name":"a","sha256":"00","created":"2030-01-01","expires":null}]}',
      /tokens\[0\]/,
    ],
  ];
  for (const [text, problem] of rows) {
    using world = new World();
    const token = world.make();
    const good = Deno.readTextFileSync(world.path);
    const tokens = world.verifier();
    Deno.writeTextFileSync(world.path, text);
    world.clock.time += API_TOKENS_LOOK_MS;
    assertEquals(tokens.verify(token), { kind: "unknown" });
    world.clock.time += API_TOKENS_LOOK_MS;
    assertEquals(tokens.verify(MAIN).kind, "ok");
    assertEquals(world.problems.length, 1);
    assertMatch(world.problems[0] ?? "", problem);
    Deno.writeTextFileSync(world.path, good);
    world.clock.time += API_TOKENS_LOOK_MS;
    assertEquals(tokens.verify(token).kind, "ok");
  }
});

Deno.test("ApiTokens.verify() refuses named tokens while others may write their file", () => {
  using world = new World();
  const token = world.make();
  const tokens = world.verifier();
  Deno.chmodSync(world.path, 0o666);
  world.clock.time += API_TOKENS_LOOK_MS;
  assertEquals(tokens.verify(token), { kind: "unknown" });
  assertMatch(world.problems[0] ?? "", /open to other users \(mode 0666\)/);
});

Deno.test("ApiTokens.verify() says what a token may do, and lets tokens from before scopes do everything", () => {
  using world = new World();
  const request = { data: world.folder.path, lifetimeSeconds: undefined };
  const made = makeApiToken({ ...request, name: "ci", scopes: ["read", "send"] }, world.clock);
  assert(made.kind === "made");
  assertEquals(made.scopes, ["read", "send"]);
  const old = world.make("old");
  const stored = JSON.parse(Deno.readTextFileSync(world.path));
  assertEquals(stored.tokens[0].scopes, ["read", "send"]);
  delete stored.tokens[1].scopes;
  Deno.writeTextFileSync(world.path, JSON.stringify(stored));
  const tokens = world.verifier();
  const scopes = (token: string) => {
    const verdict = tokens.verify(token);
    return verdict.kind === "ok" ? verdict.scopes : verdict.kind;
  };
  assertEquals(scopes(made.token.reveal()), ["read", "send"]);
  assertEquals(scopes(old), ["admin"]);
});

Deno.test("ApiTokens.verify() refuses named tokens while one has a scope that is none", () => {
  for (const scopes of [[], ["root"], "admin", null]) {
    using world = new World();
    const token = world.make();
    const stored = JSON.parse(Deno.readTextFileSync(world.path));
    stored.tokens[0].scopes = scopes;
    Deno.writeTextFileSync(world.path, JSON.stringify(stored));
    assertEquals(world.verifier().verify(token), { kind: "unknown" });
    assertMatch(world.problems[0] ?? "", /tokens\[0\] is malformed/);
  }
});
