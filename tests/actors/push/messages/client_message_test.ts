import { assertEquals } from "@std/assert";
import {
  canonicalChannelId,
  canonicalUaid,
  type ClientMessage,
  parseClientMessage,
} from "../../../../actors/push/messages/client_message.ts";

const DASHED = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const none: ReadonlyMap<string, string> = new Map();

/** What each text means; `undefined` is malformed. */
const rows: readonly (readonly [text: string, meaning: ClientMessage | undefined])[] = [
  ["{}", { kind: "ping" }],
  [" { } ", { kind: "ping" }],
  [`{"messageType":"ping","x":1}`, { kind: "ping" }],
  [`{"x":1}`, undefined],
  [`{"messageType":"hello"}`, { kind: "hello", uaid: undefined, broadcasts: none }],
  [`{"messageType":"hello","uaid":null}`, { kind: "hello", uaid: undefined, broadcasts: none }],
  [`{"messageType":"hello","uaid":""}`, { kind: "hello", uaid: undefined, broadcasts: none }],
  [`{"messageType":"hello","uaid":"x"}`, { kind: "hello", uaid: undefined, broadcasts: none }],
  [`{"messageType":"hello","uaid":"${DASHED}"}`, { kind: "hello", uaid: HEX, broadcasts: none }],
  [
    `{"messageType":"hello","uaid":"${HEX.toUpperCase()}","use_webpush":true,"channelIDs":["${HEX}"]}`,
    { kind: "hello", uaid: HEX, broadcasts: none },
  ],
  [`{"messageType":"hello","uaid":7}`, undefined],
  [`{"messageType":"hello","channelIDs":["x"]}`, undefined],
  [`{"messageType":"hello","channelIDs":{}}`, undefined],
  [
    `{"messageType":"hello","broadcasts":{"a/b":"1"}}`,
    { kind: "hello", uaid: undefined, broadcasts: new Map([["a/b", "1"]]) },
  ],
  [`{"messageType":"hello","broadcasts":{"a/b":{}}}`, undefined],
  [`{"messageType":"hello","broadcasts":[]}`, undefined],
  [`{"messageType":"Hello"}`, undefined],
  [
    `{"messageType":"register","channelID":"${DASHED}"}`,
    { kind: "register", channelId: DASHED, key: undefined },
  ],
  [
    `{"messageType":"register","channelID":"${DASHED}","key":"AA=="}`,
    { kind: "register", channelId: DASHED, key: "AA==" },
  ],
  [`{"messageType":"register","channelID":"any","key":null}`, {
    kind: "register",
    channelId: "any",
    key: undefined,
  }],
  [`{"messageType":"register"}`, undefined],
  [`{"messageType":"register","channelID":"${DASHED}","key":1}`, undefined],
  [
    `{"messageType":"unregister","channelID":"${HEX}"}`,
    { kind: "unregister", channelId: DASHED, code: 200 },
  ],
  [
    `{"messageType":"unregister","channelID":"${DASHED}","code":202}`,
    { kind: "unregister", channelId: DASHED, code: 202 },
  ],
  [`{"messageType":"unregister","channelID":"x"}`, undefined],
  [`{"messageType":"unregister","channelID":"${DASHED}","code":-1}`, undefined],
  [`{"messageType":"ack","updates":[]}`, { kind: "ack", updates: [] }],
  [
    `{"messageType":"ack","updates":[{"channelID":"${DASHED}","version":"v"},` +
    `{"channelID":"${HEX}","version":"w","code":102},{"channelID":"${HEX}","version":"x","code":7}]}`,
    {
      kind: "ack",
      updates: [{ version: "v", code: 100 }, { version: "w", code: 102 }, {
        version: "x",
        code: 100,
      }],
    },
  ],
  [`{"messageType":"ack"}`, undefined],
  [`{"messageType":"ack","updates":[{"channelID":"${DASHED}"}]}`, undefined],
  [`{"messageType":"ack","updates":[{"channelID":"x","version":"v"}]}`, undefined],
  [
    `{"messageType":"ack","updates":[{"channelID":"${DASHED}","version":"v","code":"x"}]}`,
    undefined,
  ],
  [`{"messageType":"nack","version":"v","code":302}`, { kind: "nack", code: 302 }],
  [`{"messageType":"nack","version":"v","code":-5}`, { kind: "nack", code: 0 }],
  [`{"messageType":"nack","code":302}`, undefined],
  [`{"messageType":"nack","version":"v","code":1e10}`, undefined],
  [
    `{"messageType":"broadcast_subscribe","broadcasts":{"a":"1"}}`,
    { kind: "broadcast_subscribe", broadcasts: new Map([["a", "1"]]) },
  ],
  [`{"messageType":"broadcast_subscribe"}`, undefined],
  [`{"messageType":"unknown"}`, undefined],
  ["not json", undefined],
  ["[]", undefined],
  ["7", undefined],
  ["null", undefined],
  [`"text"`, undefined],
  [`{"__proto__":{"messageType":"ping"}}`, undefined],
  [`{"messageType":"hello","messageType":"ping"}`, { kind: "ping" }],
  [`${"[".repeat(1_000)}${"]".repeat(1_000)}`, undefined],
  [`{"messageType":"nack","version":"v","code":1${"0".repeat(400)}}`, undefined],
];

for (const [text, meaning] of rows) {
  const shown = text.length > 90 ? `${text.slice(0, 90)}…` : text;
  Deno.test(`parseClientMessage() takes ${shown} for ${meaning?.kind ?? "malformed"}`, () => {
    assertEquals(parseClientMessage(text), meaning);
  });
}

Deno.test("parseClientMessage() leaves prototypes alone", () => {
  parseClientMessage(
    `{"messageType":"hello","__proto__":{"polluted":1},"broadcasts":{"__proto__":"1"}}`,
  );
  assertEquals(Reflect.get({}, "polluted"), undefined);
});

Deno.test("canonicalUaid() and canonicalChannelId() agree on any spelling", () => {
  for (const spelling of [DASHED, HEX, DASHED.toUpperCase()]) {
    assertEquals(canonicalUaid(spelling), HEX);
    assertEquals(canonicalChannelId(spelling), DASHED);
  }
  for (const bad of ["", "x".repeat(32), `${HEX}0`, `{${DASHED}}`, DASHED.slice(1)]) {
    assertEquals(canonicalUaid(bad), undefined);
  }
});
