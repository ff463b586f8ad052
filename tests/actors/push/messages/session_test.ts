import { assert, assertEquals } from "@std/assert";
import { CLIENT_PING_MIN_MS, OUTSTANDING_MAX } from "../../../../actors/push/limits.ts";
import {
  type Effect,
  GREETING,
  type Input,
  type Session,
  type SessionSettings,
  step,
} from "../../../../actors/push/messages/session.ts";
import type { PushMessage } from "../../../../actors/push/ports.ts";

const UAID = "00112233445566778899aabbccddeeff";
const CHANNEL = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const SETTINGS: SessionSettings = {
  helloTimeoutMs: 5_000,
  pingIntervalMs: 300_000,
  pingTimeoutMs: 4_000,
  messageLimit: 20,
};
const NO_BROADCASTS = {
  delta: { changes: new Map<string, string>(), unknown: [] },
  subscription: undefined,
};

function message(sortKey: number, changes: Partial<PushMessage> = {}): PushMessage {
  return {
    uaid: UAID,
    channelId: CHANNEL,
    ttlSeconds: 60,
    topic: undefined,
    content: undefined,
    sortKey,
    version: `v${sortKey}`,
    expiresAt: 1_000,
    ...changes,
  };
}

/** Drives a session and says in short words what it wants. */
class Driver {
  session: Session = GREETING;
  nowMs = 0;

  input(input: Input): readonly string[] {
    const [next, effects] = step(this.session, input, this.nowMs, SETTINGS);
    this.session = next;
    return effects.map(describe);
  }

  text(message: unknown): readonly string[] {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    return this.input({ kind: "text", text });
  }

  ack(...sortKeys: number[]): readonly string[] {
    const updates = sortKeys.map((key) => ({ channelID: CHANNEL, version: `v${key}` }));
    return this.text({ messageType: "ack", updates });
  }

  page(limit: number, ...sortKeys: number[]): readonly string[] {
    return this.input({ kind: "page", messages: sortKeys.map((key) => message(key)), limit });
  }

  deliver(sortKey: number, changes: Partial<PushMessage> = {}): readonly string[] {
    return this.input({ kind: "delivered", message: message(sortKey, changes) });
  }

  /** An open session; a known user agent has read its empty store. */
  static open(known = true): Driver {
    const driver = new Driver();
    driver.text({ messageType: "hello" });
    driver.input({ kind: "identified", uaid: UAID, known, broadcasts: NO_BROADCASTS });
    if (known) {
      driver.page(11);
      driver.page(10);
    }
    return driver;
  }
}

function describe(effect: Effect): string {
  switch (effect.kind) {
    case "send":
      return `send ${effect.text}`;
    case "send_message":
      return `${effect.source} ${effect.message.version}`;
    case "read_page":
      return `read ${effect.limit} ${effect.messages}`;
    case "remove":
      return `remove ${effect.sortKeys.join()}`;
    case "close":
      return `close ${effect.code} ${effect.reason}`;
    case "count":
      return `count ${
        Object.entries(effect.what).filter(([key]) => key !== "delayMs")
          .map(([, value]) => value).join(" ")
      }`;
    case "register":
      return `register ${effect.channelId} ${effect.key?.length ?? "open"} ${effect.userStored}`;
    case "subscribe_broadcasts":
      return `broadcasts ${[...effect.wanted.keys()].join()} ${effect.tick ? "tick" : "asked"}`;
    case "identify":
      return `identify ${effect.uaid}`;
    case "unregister":
      return `unregister ${effect.channelId}`;
    case "reset_user":
    case "ping":
    case "arm_keep_alive":
      return effect.kind;
  }
}

/** One text to a greeting session, and everything it answers. */
const greetings: readonly (readonly [text: unknown, answer: readonly string[]])[] = [
  [{ messageType: "hello" }, ["identify undefined"]],
  [{ messageType: "hello", uaid: UAID }, [`identify ${UAID}`]],
  [{ messageType: "register", channelID: CHANNEL }, ["close 1011 SM"]],
  ["{}", ["close 1011 SM"]],
  ["nonsense", ["close 1011 Json"]],
];
for (const [text, answer] of greetings) {
  Deno.test(`step() answers ${JSON.stringify(text)} before hello with ${answer}`, () => {
    assertEquals(new Driver().text(text), answer);
  });
}

/** One text to an open session of a stored user agent. */
const texts: readonly (readonly [text: unknown, answer: readonly string[]])[] = [
  ["{}", ["send {}"]],
  [{ messageType: "ping" }, ["send {}"]],
  [{ messageType: "hello" }, ["close 1011 SM"]],
  [{ messageType: "nope" }, ["close 1011 Json"]],
  [{ messageType: "register", channelID: CHANNEL }, [`register ${CHANNEL} open true`]],
  [{ messageType: "register", channelID: CHANNEL, key: "AAA=" }, [`register ${CHANNEL} 2 true`]],
  [{ messageType: "register", channelID: CHANNEL.toUpperCase() }, ["close 1011 SM"]],
  [{ messageType: "register", channelID: CHANNEL, key: "a+b/" }, [
    "count registered 400",
    `send {"messageType":"register","channelID":"${CHANNEL}","status":400,` +
    `"pushEndpoint":"Failed to generate endpoint"}`,
  ]],
  [{ messageType: "unregister", channelID: CHANNEL, code: 201 }, [
    "count unregistered 201",
    `unregister ${CHANNEL}`,
  ]],
  [{ messageType: "ack", updates: [] }, []],
  [{ messageType: "ack", updates: [{ channelID: CHANNEL, version: "unknown" }] }, []],
  [{ messageType: "nack", version: "v", code: 301 }, ["count nacked 301"]],
  [{ messageType: "broadcast_subscribe", broadcasts: { a: "1" } }, ["broadcasts a asked"]],
];
for (const [text, answer] of texts) {
  Deno.test(`step() answers ${JSON.stringify(text)} with ${JSON.stringify(answer)}`, () => {
    assertEquals(Driver.open().text(text), answer);
  });
}

Deno.test("step() says hello first, then reads topics, then the others", () => {
  const driver = new Driver();
  driver.text({ messageType: "hello", uaid: UAID });
  const broadcasts = {
    delta: { changes: new Map([["a/b", '"2"']]), unknown: ["c"] },
    subscription: { ids: ["a/b"], position: 3 },
  };
  assertEquals(driver.input({ kind: "identified", uaid: UAID, known: true, broadcasts }), [
    `send {"messageType":"hello","uaid":"${UAID}","status":200,"use_webpush":true,` +
    `"broadcasts":{"a/b":"\\"2\\"","errors":{"c":"Broadcast not found"}}}`,
    "arm_keep_alive",
    "read 11 topic",
  ]);
  assertEquals(driver.page(11, 4), ["stored v4", "read 11 plain"]);
  assertEquals(driver.page(11, 1, 2), ["stored v1", "stored v2"]);
});

Deno.test("step() reads nothing for a new user agent, not even at the keep-alive", () => {
  const driver = Driver.open(false);
  assertEquals(driver.input({ kind: "keep_alive_due" }), ["ping"]);
});

Deno.test("step() asks for the next page when the last one is acknowledged, in any order", () => {
  const driver = new Driver();
  driver.text({ messageType: "hello", uaid: UAID });
  driver.input({ kind: "identified", uaid: UAID, known: true, broadcasts: NO_BROADCASTS });
  driver.page(11);
  driver.page(10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
  assertEquals(driver.ack(2, 1), [
    "count acknowledged 100",
    "count acknowledged 100",
    "remove 2,1",
  ]);
  const answers = driver.ack(3, 4, 5, 6, 7, 8, 9, 10);
  assertEquals(answers.at(-1), "read 20 plain");
  // The store may still show what is being removed: none of it is sent again.
  assertEquals(driver.page(20, 3, 4, 11), ["stored v11"]);
  assertEquals(driver.input({ kind: "removed" }), ["remove 3,4,5,6,7,8,9,10"]);
  assertEquals(driver.input({ kind: "removed" }), []);
});

Deno.test("step() tells of each acknowledgement how long after its message was sent it came", () => {
  const driver = Driver.open();
  driver.nowMs = 1_000;
  driver.deliver(1);
  driver.nowMs = 1_500;
  driver.deliver(2);
  driver.nowMs = 3_000;
  const text = JSON.stringify({
    messageType: "ack",
    // The last two were never sent, and sent once.
    updates: ["v2", "v1", "v9", "v1"].map((version) => ({ channelID: CHANNEL, version })),
  });
  const [, effects] = step(driver.session, { kind: "text", text }, driver.nowMs, SETTINGS);
  const told = effects.flatMap((effect) => effect.kind === "count" ? [effect.what] : []);
  assertEquals(told, [
    { kind: "acknowledged", code: 100, delayMs: 1_500 },
    { kind: "acknowledged", code: 100, delayMs: 2_000 },
  ]);
});

Deno.test("step() counts the time of a stored message from its page, not from its acceptance", () => {
  const driver = Driver.open();
  driver.nowMs = 5_000;
  driver.input({ kind: "storage_changed" });
  driver.page(11, 7);
  driver.nowMs = 5_025;
  const text = JSON.stringify({
    messageType: "ack",
    updates: [{ channelID: CHANNEL, version: "v7" }],
  });
  const [, effects] = step(driver.session, { kind: "text", text }, driver.nowMs, SETTINGS);
  assertEquals(effects[0], {
    kind: "count",
    what: { kind: "acknowledged", code: 100, delayMs: 25 },
  });
});

Deno.test("step() keeps the order of acceptance while older messages wait in the store", () => {
  const driver = new Driver();
  driver.text({ messageType: "hello", uaid: UAID });
  driver.input({ kind: "identified", uaid: UAID, known: true, broadcasts: NO_BROADCASTS });
  driver.page(11);
  driver.page(2, 1, 2); // A full page: more may wait.
  assertEquals(driver.deliver(4), []);
  assertEquals(driver.deliver(5, { ttlSeconds: 0 }), ["direct v5"]);
  driver.ack(1);
  assertEquals(driver.ack(2).at(-1), "read 12 plain");
  assertEquals(driver.page(12, 3, 4), ["stored v3", "stored v4"]);
});

Deno.test("step() sends a message read with a page only once", () => {
  const driver = new Driver();
  driver.text({ messageType: "hello", uaid: UAID });
  driver.input({ kind: "identified", uaid: UAID, known: true, broadcasts: NO_BROADCASTS });
  driver.page(11);
  driver.page(10, 7);
  assertEquals(driver.deliver(7), []);
  assertEquals(driver.ack(7), ["count acknowledged 100", "remove 7", "read 12 topic"]);
  assertEquals(driver.page(12), ["read 11 plain"]);
  assertEquals(driver.page(11, 7), []);
});

Deno.test("step() leaves messages in the store for a device that does not acknowledge", () => {
  const driver = Driver.open();
  for (let key = 1; key <= OUTSTANDING_MAX; key++) {
    assertEquals(driver.deliver(key), [`direct v${key}`]);
  }
  assertEquals(driver.deliver(OUTSTANDING_MAX + 1), []);
  const keys = Array.from({ length: OUTSTANDING_MAX }, (_, index) => index + 1);
  assertEquals(driver.ack(...keys).at(-1), `read ${11 + OUTSTANDING_MAX} topic`);
});

Deno.test("step() resets a user agent with more stored messages than the limit", () => {
  const driver = new Driver();
  driver.text({ messageType: "hello", uaid: UAID });
  driver.input({ kind: "identified", uaid: UAID, known: true, broadcasts: NO_BROADCASTS });
  driver.page(11);
  const keys = Array.from({ length: 20 }, (_, index) => index + 1);
  for (const page of [keys.slice(0, 10), keys.slice(10)]) {
    assertEquals(driver.page(10, ...page).length, 10);
    assertEquals(driver.ack(...page).at(-1), "read 20 plain");
    driver.input({ kind: "removed" });
  }
  assertEquals(driver.page(20, 21), ["reset_user", "close 1000 SM"]);
  assertEquals(driver.session, { phase: "closed" });
});

Deno.test("step() does not count what comes while older messages are still to be read", () => {
  const driver = new Driver();
  driver.text({ messageType: "hello", uaid: UAID });
  driver.input({ kind: "identified", uaid: UAID, known: true, broadcasts: NO_BROADCASTS });
  driver.page(11);
  const keys = Array.from({ length: 50 }, (_, index) => index + 1);
  driver.page(10, ...keys.slice(0, 10));
  assertEquals(driver.deliver(11), []);
  for (let from = 10; from < keys.length; from += 10) {
    driver.ack(...keys.slice(from - 10, from));
    driver.input({ kind: "removed" });
    assertEquals(driver.page(10, ...keys.slice(from, from + 10)).length, 10);
  }
  assertEquals(driver.session.phase, "open");
});

Deno.test("step() counts from zero again after the store was found empty", () => {
  const driver = Driver.open();
  for (let round = 0; round < 5; round++) {
    driver.input({ kind: "storage_changed" });
    driver.page(11);
    const keys = Array.from({ length: 9 }, (_, index) => round * 9 + index + 1);
    assertEquals(driver.page(10, ...keys).length, 9);
    driver.ack(...keys);
    driver.input({ kind: "removed" });
  }
  assertEquals(driver.session.phase, "open");
});

Deno.test("step() closes when a Pong is late, and only then", () => {
  const driver = Driver.open();
  assertEquals(driver.input({ kind: "pong_due" }), []);
  assertEquals(driver.input({ kind: "keep_alive_due" }), ["ping", "read 11 topic"]);
  assertEquals(driver.input({ kind: "ponged" }), ["arm_keep_alive"]);
  assertEquals(driver.input({ kind: "ponged" }), []);
  driver.input({ kind: "keep_alive_due" });
  assertEquals(driver.input({ kind: "pong_due" }), ["close 1011 PongTimeout"]);
});

Deno.test("step() sends broadcast news in place of the ping", () => {
  const driver = Driver.open(false);
  const subscription = { ids: ["a"], position: 1 };
  const none = { changes: new Map<string, string>(), unknown: [] };
  driver.input({ kind: "broadcasts", answer: { delta: none, subscription }, tick: false });
  assertEquals(driver.input({ kind: "keep_alive_due" }), ["broadcasts  tick"]);
  assertEquals(
    driver.input({ kind: "broadcasts", answer: { delta: none, subscription }, tick: true }),
    ["ping"],
  );
  const delta = { changes: new Map([["a", "2"]]), unknown: [] };
  assertEquals(driver.input({ kind: "broadcasts", answer: { delta, subscription }, tick: true }), [
    `send {"messageType":"broadcast","broadcasts":{"a":"2"}}`,
    "arm_keep_alive",
  ]);
});

Deno.test("step() closes on a second application ping within the minimum distance", () => {
  const driver = Driver.open();
  driver.nowMs = 1_000;
  assertEquals(driver.text("{}"), ["send {}"]);
  driver.nowMs += CLIENT_PING_MIN_MS;
  assertEquals(driver.text("{}"), ["send {}"]);
  driver.nowMs += CLIENT_PING_MIN_MS - 1;
  assertEquals(driver.text("{}"), ["close 1011 SM"]);
});

Deno.test("step() reports a register as 200, or 500 when the store refuses", () => {
  const driver = Driver.open(false);
  const reply = (status: number, endpoint: string) =>
    `send {"messageType":"register","channelID":"${CHANNEL}","status":${status},` +
    `"pushEndpoint":"${endpoint}"}`;
  const registered = (outcome: Extract<Input, { kind: "registered" }>["outcome"]) =>
    driver.input({ kind: "registered", channelId: CHANNEL, outcome });
  assertEquals(registered({ kind: "storage_failed" }), ["count registered 500", reply(500, "")]);
  assertEquals(driver.text({ messageType: "register", channelID: CHANNEL }), [
    `register ${CHANNEL} open false`,
  ]);
  assertEquals(registered({ kind: "registered", endpoint: "http://e" }), [
    "count registered 200",
    reply(200, "http://e"),
  ]);
  assertEquals(registered({ kind: "over_limit" }), ["count registered 500", reply(500, "")]);
  assertEquals(driver.text({ messageType: "register", channelID: CHANNEL }), [
    `register ${CHANNEL} open true`,
  ]);
});

Deno.test("step() answers unregister with 200 or 500", () => {
  const driver = Driver.open();
  for (const [done, status] of [[true, 200], [false, 500]] as const) {
    assertEquals(driver.input({ kind: "unregistered", channelId: CHANNEL, done }), [
      `send {"messageType":"unregister","channelID":"${CHANNEL}","status":${status}}`,
    ]);
  }
});

const ends: readonly (readonly [input: Input, close: string])[] = [
  [{ kind: "displaced" }, "close 1011 SM"],
  [{ kind: "storage_failed" }, "close 1011 SM"],
];
for (const [input, close] of ends) {
  Deno.test(`step() ends an open session at ${input.kind} and ignores what follows`, () => {
    const driver = Driver.open();
    assertEquals(driver.input(input), [close]);
    assertEquals(driver.text("{}"), []);
    assertEquals(driver.deliver(1), []);
  });
}

Deno.test("step() closes a silent connection at the hello deadline", () => {
  assertEquals(new Driver().input({ kind: "hello_due" }), ["close 1011 HandshakeTimeout"]);
  assertEquals(Driver.open().input({ kind: "hello_due" }), []);
});

Deno.test("step() sends data and headers only with content", () => {
  const driver = Driver.open();
  const content = {
    body: new Uint8Array([251, 255]),
    headers: { encoding: "aesgcm", encryption: "salt=x" },
  } as const;
  const sent = (changes: Partial<PushMessage>, key: number) => {
    const input: Input = { kind: "delivered", message: message(key, changes) };
    const [, effects] = step(driver.session, input, 0, SETTINGS);
    const [effect] = effects;
    assert(effect?.kind === "send_message");
    return JSON.parse(effect.text);
  };
  const bare = { messageType: "notification", channelID: CHANNEL };
  assertEquals(sent({}, 1), { ...bare, version: "v1" });
  assertEquals(sent({ content }, 2), {
    ...bare,
    version: "v2",
    data: "-_8",
    headers: { encoding: "aesgcm", encryption: "salt=x" },
  });
});
