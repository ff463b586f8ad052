import { assertEquals } from "@std/assert";
import type { Attributes } from "@opentelemetry/api";
import { ATTRIBUTE_CHARS_MAX } from "../../../transports/opentelemetry/limits.ts";
import { factAttributes, type Facts } from "../../../transports/opentelemetry/names.ts";

const ROWS: readonly (readonly [facts: Facts, attributes: Attributes])[] = [
  [{}, {}],
  [{ app: "shop", platform: "apns", count: 3 }, {
    "messaging.destination.name": "shop",
    "heliograph.platform": "apns",
    "messaging.batch.message_count": 3,
  }],
  [{ batch: 0, attempt: 0, connection: 0, retries: 0, complete: false }, {
    "heliograph.batch": 0,
    "heliograph.attempt": 0,
    "heliograph.connection": 0,
    "heliograph.retries": 0,
    "heliograph.complete": false,
  }],
  // Zeroes of outcomes say nothing.
  [{ outcomes: { delivered: 2, failed: 0 }, answers: new Map([["retry", 1]]) }, {
    "heliograph.outcome.delivered": 2,
    "heliograph.answer.retry": 1,
  }],
  [{ failure: "lease_lost" }, { "error.type": "lease_lost" }],
  [{ origin: "https://push.example" }, { "server.address": "push.example", "server.port": 443 }],
  [{ origin: "http://push.example" }, { "server.address": "push.example", "server.port": 80 }],
  // Whatever stands behind an origin is somebody's.
  [{ origin: "https://a:b@push.example:8443/secret?key=1" }, {
    "server.address": "push.example",
    "server.port": 8443,
  }],
  [{ origin: "no origin" }, {}],
  [{ app: "a".repeat(1_000) }, {
    "messaging.destination.name": "a".repeat(ATTRIBUTE_CHARS_MAX),
  }],
];

for (const [facts, attributes] of ROWS) {
  const shown = Deno.inspect(facts, { compact: true }).slice(0, 80);
  Deno.test(`factAttributes() names ${shown}`, () => {
    assertEquals(factAttributes(facts), attributes);
  });
}
