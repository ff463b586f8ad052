import { assertEquals, assertStringIncludes } from "@std/assert";
import { Metrics } from "../../../transports/api/metrics.ts";

/** The samples of a text, without comments and without the process's own numbers. */
async function samples(metrics: Metrics): Promise<ReadonlyMap<string, number>> {
  const lines = (await metrics.text()).split("\n")
    .filter((line) => line !== "" && !line.startsWith("#") && !line.startsWith("process_"));
  return new Map(lines.map((line) => {
    const [name = "", value = ""] = line.split(/ (?=\S+$)/);
    return [name.replace(/^heliograph_/, ""), Number(value)];
  }));
}

/** What one call changes, as `series: before to after`. */
async function changes(
  call: (metrics: Metrics) => void,
): Promise<Readonly<Record<string, number>>> {
  const metrics = new Metrics();
  const before = await samples(metrics);
  call(metrics);
  const after = await samples(metrics);
  return Object.fromEntries(
    [...after].filter(([name, value]) => before.get(name) !== value && !name.includes("_bucket")),
  );
}

const ROWS: readonly (readonly [string, (metrics: Metrics) => void, Record<string, number>])[] = [
  ["connectionOpened()", (m) => m.connectionOpened(), { device_connections: 1 }],
  [
    "connectionClosed() after two opened",
    (m) => [m.connectionOpened(), m.connectionOpened(), m.connectionClosed()],
    { device_connections: 1 },
  ],
  ['helloed("new")', (m) => m.helloed("new"), { 'hellos_total{kind="new"}': 1 }],
  ['helloed("replaced")', (m) => m.helloed("replaced"), { 'hellos_total{kind="replaced"}': 1 }],
  ["registered(400)", (m) => m.registered(400), { 'registers_total{status="400"}': 1 }],
  ["registered(409)", (m) => m.registered(409), { 'registers_total{status="other"}': 1 }],
  ["unregistered()", (m) => m.unregistered(), { unregisters_total: 1 }],
  [
    "acknowledged(102, 250)",
    (m) => m.acknowledged(102, 250),
    { 'acks_total{code="102"}': 1, ack_delay_seconds_sum: 0.25, ack_delay_seconds_count: 1 },
  ],
  [
    "acknowledged(7, 0)",
    (m) => m.acknowledged(7, 0),
    { 'acks_total{code="other"}': 1, ack_delay_seconds_count: 1 },
  ],
  ["refused(302)", (m) => m.refused(302), { 'nacks_total{code="302"}': 1 }],
  ["refused(0)", (m) => m.refused(0), { 'nacks_total{code="other"}': 1 }],
  [
    'accepted("dropped")',
    (m) => m.accepted("dropped"),
    { 'messages_accepted_total{route="dropped"}': 1 },
  ],
  ['urgency("high")', (m) => m.urgency("high"), { 'messages_urgency_total{urgency="high"}': 1 }],
  [
    'vapidVerified("02", "missing")',
    (m) => m.vapidVerified("02", "missing"),
    { 'vapid_verified_total{draft="02",subject="missing"}': 1 },
  ],
  [
    'vapidRefused("expired")',
    (m) => m.vapidRefused("expired"),
    { 'vapid_refused_total{fault="expired"}': 1 },
  ],
  [
    "answered(201)",
    (m) => m.answered(201),
    { 'endpoint_answers_total{status="201",errno="none"}': 1 },
  ],
  [
    "answered(401, 109)",
    (m) => m.answered(401, 109),
    { 'endpoint_answers_total{status="401",errno="109"}': 1 },
  ],
  [
    "answered(429, null)",
    (m) => m.answered(429, null),
    { 'endpoint_answers_total{status="429",errno="none"}': 1 },
  ],
  [
    "answered(299, 12345)",
    (m) => m.answered(299, 12345),
    { 'endpoint_answers_total{status="other",errno="other"}': 1 },
  ],
  [
    "delivered(250) in seconds",
    (m) => m.delivered(250),
    { delivery_delay_seconds_sum: 0.25, delivery_delay_seconds_count: 1 },
  ],
  ["committed(4) in seconds", (m) => m.committed(4), {
    commit_seconds_sum: 0.004,
    commit_seconds_count: 1,
  }],
  ["storeFailed()", (m) => m.storeFailed(), { store_errors_total: 1 }],
  ["actorCrashed()", (m) => m.actorCrashed(), { actor_crashes_total: 1 }],
  ["actorRestarted()", (m) => m.actorRestarted(), { actor_restarts_total: 1 }],
  ["deadLettered(3)", (m) => m.deadLettered(3), { dead_letters_total: 3 }],
  [
    "loopDelayed(1500) in seconds",
    (m) => m.loopDelayed(1500),
    { event_loop_delay_seconds_sum: 1.5, event_loop_delay_seconds_count: 1 },
  ],
];

for (const [title, call, expected] of ROWS) {
  Deno.test(`Metrics.${title} => ${Deno.inspect(expected, { compact: true })}`, async () => {
    assertEquals(await changes(call), expected);
  });
}

Deno.test("Metrics has as many series after a flood of odd codes as fixed sets allow", async () => {
  const metrics = new Metrics();
  for (let code = 0; code < 2_000; code++) {
    metrics.registered(code);
    metrics.acknowledged(code, code);
    metrics.refused(code);
    metrics.answered(code, code);
  }
  const before = (await samples(metrics)).size;
  for (let code = 2_000; code < 9_000; code++) {
    metrics.registered(code);
    metrics.acknowledged(code, code);
    metrics.refused(code);
    metrics.answered(code, -code);
  }
  assertEquals((await samples(metrics)).size, before);
});

Deno.test("Metrics of two nodes in one process count apart", async () => {
  const [one, other] = [new Metrics(), new Metrics()];
  one.storeFailed();
  assertEquals((await samples(one)).get("store_errors_total"), 1);
  assertEquals((await samples(other)).get("store_errors_total"), 0);
});

Deno.test({
  name: "Metrics needs no permission",
  permissions: "none",
  async fn() {
    const text = await new Metrics().text();
    assertStringIncludes(text, "# TYPE process_resident_memory_bytes gauge");
    assertEquals(/^process_resident_memory_bytes [1-9]\d{6,}$/m.test(text), true);
  },
});

Deno.test("Metrics.text() sums lanes by platform, and shows none while they are not known", async () => {
  const metrics = new Metrics();
  const pause = { reason: "BadCertificate" };
  const shown = async () => {
    const all = await samples(metrics);
    return [...all].filter(([name]) => /^(queue_batches|lanes_paused)/.test(name));
  };
  metrics.delivery.watchLanes(() =>
    Promise.resolve([
      { platform: "apns", waiting: 3, leased: 1, pause: undefined },
      { platform: "apns", waiting: 40, leased: 0, pause },
      { platform: "fcm", waiting: 0, leased: 16, pause: undefined },
    ])
  );
  const expected: readonly (readonly [string, number])[] = [
    ['queue_batches{platform="apns",state="waiting"}', 43],
    ['queue_batches{platform="apns",state="leased"}', 1],
    ['queue_batches{platform="fcm",state="waiting"}', 0],
    ['queue_batches{platform="fcm",state="leased"}', 16],
    ['queue_batches{platform="webpush",state="waiting"}', 0],
    ['queue_batches{platform="webpush",state="leased"}', 0],
    ['lanes_paused{platform="apns"}', 1],
    ['lanes_paused{platform="fcm"}', 0],
    ['lanes_paused{platform="webpush"}', 0],
  ];
  assertEquals(await shown(), expected.map(([name, value]) => [name, value]));
  metrics.delivery.watchLanes(() => Promise.reject(new Error("The store is away")));
  assertEquals(await shown(), []);
});

Deno.test("Metrics.text() asks for the lanes once, however many look at the same time", async () => {
  const metrics = new Metrics();
  const lanes = Promise.withResolvers<never[]>();
  let asked = 0;
  metrics.delivery.watchLanes(() => {
    asked++;
    return lanes.promise;
  });
  const texts = Promise.all(Array.from({ length: 10 }, () => metrics.text()));
  lanes.resolve([]);
  for (const text of await texts) assertStringIncludes(text, "heliograph_queue_batches{");
  assertEquals(asked, 1);
  await metrics.text();
  assertEquals(asked, 2);
});
