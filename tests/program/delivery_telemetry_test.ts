import { assertEquals } from "@std/assert";
import type { DeliveryEvent } from "../../actors/push/delivery/ports.ts";
import { DeliveryTelemetry } from "../../program/delivery_telemetry.ts";
import { Flow } from "../../program/monitor/flow.ts";
import { Metrics } from "../../transports/api/metrics.ts";
import { Log } from "../../transports/command_line/log.ts";

const OUTCOMES = {
  delivered: 900,
  token_invalid: 20,
  rejected: 5,
  expired: 0,
  failed: 1,
  cancelled: 0,
};
const ORIGIN = "https://push.example";

/** The samples of a node's metrics, without buckets and what is of the process. */
async function samples(metrics: Metrics): Promise<ReadonlyMap<string, number>> {
  const lines = (await metrics.text()).split("\n")
    .filter((line) => line.startsWith("heliograph_") && !line.includes("_bucket"));
  return new Map(lines.map((line) => {
    const [name = "", value = ""] = line.split(/ (?=\S+$)/);
    return [name.replace(/^heliograph_/, ""), Number(value)];
  }));
}

/** What an event changes, and what the log says of it, without time. */
async function effects(...events: readonly DeliveryEvent[]) {
  const metrics = new Metrics({
    apns: new Set(["BadDeviceToken"]),
    fcm: new Set(["UNREGISTERED"]),
    webpush: new Set(),
  });
  const lines: unknown[] = [];
  const log = new Log({
    level: "debug",
    clock: { wallNow: () => 0 },
    write: (line) => {
      const { time: _, ...rest } = JSON.parse(line);
      lines.push(rest);
    },
  });
  const telemetry = new DeliveryTelemetry(metrics.delivery, log, new Flow());
  const before = await samples(metrics);
  for (const event of events) telemetry.record(event);
  const after = await samples(metrics);
  const changes = [...after].filter(([name, value]) => before.get(name) !== value);
  return { changes: Object.fromEntries(changes), lines };
}

const ROWS: readonly (readonly [
  event: DeliveryEvent,
  changes: Readonly<Record<string, number>>,
  line?: Readonly<Record<string, string | number>>,
])[] = [
  [
    { kind: "certificates", platform: "apns", endsAt: 1_900_000_000_500 },
    { 'certificate_expiry_timestamp_seconds{platform="apns"}': 1_900_000_000.5 },
  ],
  [
    { kind: "submitted", app: "shop" },
    { notifications_total: 1 },
    { level: "debug", event: "notification_accepted", app: "shop" },
  ],
  [{ kind: "expanded", recipients: 10_000 }, { recipients_total: 10_000 }],
  [
    {
      kind: "settled",
      platform: "apns",
      outcomes: OUTCOMES,
      retries: 74,
      at: 1,
      durationMs: 250,
    },
    {
      'deliveries_total{platform="apns",outcome="delivered"}': 900,
      'deliveries_total{platform="apns",outcome="token_invalid"}': 20,
      'deliveries_total{platform="apns",outcome="rejected"}': 5,
      'deliveries_total{platform="apns",outcome="failed"}': 1,
      'delivery_retries_total{platform="apns"}': 74,
      'batch_seconds_count{platform="apns"}': 1,
      'batch_seconds_sum{platform="apns"}': 0.25,
    },
  ],
  [
    { kind: "answered", platform: "apns", status: 0, reason: "", count: 900 },
    { 'provider_answers_total{platform="apns",class="2xx",reason="none"}': 900 },
  ],
  [
    { kind: "answered", platform: "apns", status: 400, reason: "BadDeviceToken", count: 20 },
    { 'provider_answers_total{platform="apns",class="4xx",reason="BadDeviceToken"}': 20 },
    {
      level: "debug",
      event: "provider_answered",
      platform: "apns",
      status: 400,
      reason: "BadDeviceToken",
      count: 20,
    },
  ],
  [
    { kind: "answered", platform: "fcm", status: 503, reason: "BadDeviceToken", count: 1 },
    { 'provider_answers_total{platform="fcm",class="5xx",reason="other"}': 1 },
    {
      level: "debug",
      event: "provider_answered",
      platform: "fcm",
      status: 503,
      reason: "BadDeviceToken",
      count: 1,
    },
  ],
  [
    { kind: "answered", platform: "webpush", status: 0, reason: "connection lost", count: 3 },
    { 'provider_answers_total{platform="webpush",class="none",reason="other"}': 3 },
    {
      level: "debug",
      event: "provider_answered",
      platform: "webpush",
      status: 0,
      reason: "connection lost",
      count: 3,
    },
  ],
  [
    // Two of 10 to 20 ms and one of more than 20 s.
    {
      kind: "latencies",
      platform: "fcm",
      counts: Uint32Array.from([0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
      sumMs: 20_525,
    },
    {
      'provider_latency_seconds_count{platform="fcm"}': 3,
      'provider_latency_seconds_sum{platform="fcm"}': 20.525,
    },
  ],
  [
    { kind: "claimed", platform: "webpush", delayMs: 750 },
    {
      'queue_delay_seconds_count{platform="webpush"}': 1,
      'queue_delay_seconds_sum{platform="webpush"}': 0.75,
    },
  ],
  [
    { kind: "connected", platform: "webpush", origin: ORIGIN },
    { 'provider_connections{platform="webpush"}': 1 },
    { level: "debug", event: "provider_connected", platform: "webpush", origin: ORIGIN },
  ],
  [
    { kind: "connect_failed", platform: "fcm", origin: ORIGIN, reason: "refused" },
    { 'provider_connect_failures_total{platform="fcm"}': 1 },
    {
      level: "warn",
      event: "provider_unreachable",
      platform: "fcm",
      origin: ORIGIN,
      reason: "refused",
    },
  ],
  [
    { kind: "circuit", platform: "fcm", origin: ORIGIN, state: "open" },
    { 'provider_circuit_changes_total{platform="fcm",state="open"}': 1 },
    { level: "warn", event: "provider_failing", platform: "fcm", origin: ORIGIN },
  ],
  [
    { kind: "circuit", platform: "fcm", origin: ORIGIN, state: "closed" },
    { 'provider_circuit_changes_total{platform="fcm",state="closed"}': 1 },
    { level: "info", event: "provider_recovered", platform: "fcm", origin: ORIGIN },
  ],
  [
    { kind: "paused", app: "shop", platform: "apns", reason: "InvalidProviderToken" },
    { 'lane_pauses_total{platform="apns"}': 1 },
    {
      level: "error",
      event: "app_paused",
      app: "shop",
      platform: "apns",
      reason: "InvalidProviderToken",
    },
  ],
  [
    { kind: "batch_lost", reason: "its lease ran out" },
    { batches_lost_total: 1 },
    { level: "warn", event: "batch_lost", reason: "its lease ran out" },
  ],
  [
    { kind: "dead_letter", source: "queue", reason: "gave up after 5 deliveries" },
    { entries_set_aside_total: 1 },
    {
      level: "error",
      event: "entry_set_aside",
      source: "queue",
      reason: "gave up after 5 deliveries",
    },
  ],
  [
    { kind: "sink_failed", sink: "webhook", reason: "Error: away" },
    { sink_failures_total: 1 },
    { level: "error", event: "sink_failed", sink: "webhook", reason: "Error: away" },
  ],
  [
    { kind: "source_failed", source: "redis", reason: "It ended" },
    { source_failures_total: 1 },
    { level: "warn", event: "source_failed", source: "redis", reason: "It ended" },
  ],
];

for (const [event, changes, line] of ROWS) {
  Deno.test(`DeliveryTelemetry.record() of ${Deno.inspect(event, { compact: true, breakLength: Infinity })}`, async () => {
    assertEquals(await effects(event), { changes, lines: line === undefined ? [] : [line] });
  });
}

Deno.test("DeliveryTelemetry.record() takes a connection that ended from those that are open", async () => {
  const { changes, lines } = await effects(
    { kind: "connected", platform: "fcm", origin: ORIGIN },
    { kind: "connected", platform: "fcm", origin: ORIGIN },
    { kind: "disconnected", platform: "fcm", origin: ORIGIN, reason: "GOAWAY" },
  );
  assertEquals(changes, { 'provider_connections{platform="fcm"}': 1 });
  assertEquals(lines.at(-1), {
    level: "debug",
    event: "provider_left",
    platform: "fcm",
    origin: ORIGIN,
    reason: "GOAWAY",
  });
});

Deno.test("DeliveryTelemetry.record() has no series for what providers invent, and few log lines", async () => {
  const events = Array.from({ length: 5_000 }, (_, index): DeliveryEvent => ({
    kind: "answered",
    platform: "webpush",
    status: index,
    reason: `invented ${index}`,
    count: 1,
  }));
  const { changes, lines } = await effects(...events);
  const answers = (answered: string) =>
    `provider_answers_total{platform="webpush",class="${answered}",reason="other"}`;
  assertEquals(changes, {
    [answers("none")]: 4_600,
    [answers("2xx")]: 100,
    [answers("3xx")]: 100,
    [answers("4xx")]: 100,
    [answers("5xx")]: 100,
  });
  assertEquals(lines.length, 20);
});

Deno.test("DeliveryTelemetry.record() takes the end of a certificate back when no app has one any more", async () => {
  const { changes } = await effects(
    { kind: "certificates", platform: "apns", endsAt: 1_900_000_000_000 },
    { kind: "certificates", platform: "apns", endsAt: undefined },
  );
  assertEquals(changes, {});
});
