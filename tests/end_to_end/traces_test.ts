/**
 * Traces of a real node, as a collector gets them: a campaign and a message from request to outcome, on one
 * node and on two; and what must never be in them.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CampaignService } from "../support/campaign_service.ts";
import { type ExportedSpan, OtlpCollector, tracedEnv } from "../support/otlp_collector.ts";
import { PushClient } from "../support/push_client.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { Service, ServiceStartError } from "../support/service.ts";
import { ENGINES, startEngine } from "../support/shared_engine.ts";

/** Letters no other text has. */
const CANARY = "canary7Zq";
/** Recipients of all platforms, more than a batch of one. */
const RECIPIENTS = 1_200;
const END_MS = 40_000;
const CALLER = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7" };

function traceOf(id: string): string {
  return id.replaceAll("-", "");
}

function named(spans: readonly ExportedSpan[], name: string): readonly ExportedSpan[] {
  return spans.filter((span) => span.name === name);
}

/** Submits as a caller who traces what he does. */
async function submit(
  world: CampaignService,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { service } = world;
  const token = Deno.readTextFileSync(`${service.dataDir}/api-token`).trim();
  const response = await fetch(`http://127.0.0.1:${service.apiPort}/v1/notifications`, {
    method: "POST",
    headers: {
      ...{ authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...headers,
    },
    body: JSON.stringify({
      app: "shop",
      content: { title: `${CANARY} title`, data: { secret: CANARY } },
      to: { all: true },
    }),
  });
  assertEquals(response.status, 202);
  const { id }: { readonly id: string } = await response.json();
  return id;
}

/** Sums an attribute. */
function sum(spans: readonly ExportedSpan[], attribute: string): number {
  return spans.reduce((all, { attributes }) => all + Number(attributes.get(attribute) ?? 0), 0);
}

Deno.test("A campaign is one trace from the request to its end, and shows nothing of what is sent to whom", async () => {
  await using collector = new OtlpCollector();
  await using world = await CampaignService.open({
    env: { ...collector.env, OTEL_METRIC_EXPORT_INTERVAL: "200" },
    flags: ["--log-level", "debug"],
    change: { shares: { dead: 0.1, throttled: 0 } },
  });
  const numbers = Array.from({ length: RECIPIENTS }, (_, number) => number);
  await world.register("shop", numbers);
  const id = await submit(world, {
    traceparent: `00-${CALLER.traceId}-${CALLER.spanId}-01`,
    tracestate: `vendor=${CANARY}`,
    baggage: `user=${CANARY}`,
  });
  const { counts } = await world.ended(id, END_MS);
  const traceId = traceOf(id);
  await collector.spans.next((span) => span.traceId === traceId && span.name === "done", {
    what: "the end of the trace",
  });
  const plain = await submit(world);
  await world.ended(plain, END_MS);
  const address = world.rows("shop", numbers.slice(0, 3));
  const targets = (await new Response(address).text()).trimEnd().split("\n").map((row) =>
    JSON.parse(row)
  );
  assertEquals((await world.service.stop()).code, 0);

  const spans = collector.trace(traceId);
  const [request] = named(collector.trace(CALLER.traceId), "POST /v1/notifications");
  assertEquals([request?.parentSpanId, request?.kind], [CALLER.spanId, 2]);
  assertEquals(request?.links, [traceId]);
  assertEquals([...request?.attributes ?? []], [
    ["http.request.method", "POST"],
    ["http.route", "/v1/notifications"],
    ["http.response.status_code", 202],
  ]);
  const [own] = named(collector.trace(traceOf(plain)), "POST /v1/notifications");
  assertEquals([own?.parentSpanId, own?.links], [traceOf(plain).slice(0, 16), []]);

  const root = traceId.slice(0, 16);
  const batches = named(spans, "batch");
  for (const name of ["submit", "expand", "batch", "done"]) {
    const found = named(spans, name);
    assert(found.length > 0, `no ${name} among ${spans.map(({ name }) => name)}`);
    assertEquals(found.filter(({ parentSpanId }) => parentSpanId !== root), [], name);
  }
  assertEquals([named(spans, "submit").length, named(spans, "done").length], [1, 1]);
  assertEquals(sum(named(spans, "expand"), "messaging.batch.message_count"), RECIPIENTS);
  assertEquals(sum(batches, "messaging.batch.message_count"), RECIPIENTS + counts.retries);
  assertEquals(sum(batches, "heliograph.outcome.delivered"), counts.delivered);
  assertEquals(sum(batches, "heliograph.outcome.token_invalid"), counts.tokenInvalid);
  assertEquals(
    new Set(batches.map(({ attributes }) => attributes.get("heliograph.platform"))),
    new Set(["apns", "fcm", "webpush"]),
  );
  const within = new Set(batches.map(({ spanId }) => spanId));
  for (const name of ["request", "record"]) {
    const found = named(spans, name);
    assert(found.length >= batches.length, `${found.length} ${name} of ${batches.length}`);
    assert(found.every(({ parentSpanId }) => within.has(parentSpanId)), name);
  }
  const requests = named(spans, "request");
  assertEquals(new Set(requests.map(({ kind }) => kind)), new Set([3]));
  assertEquals(sum(requests, "heliograph.answer.delivered"), counts.delivered);
  assertEquals(requests[0]?.attributes.get("server.address"), "localhost");
  for (const span of spans) assert(span.startMs <= span.endMs, span.name);

  // Only ours: the runtime's own spans have whole URLs, and what is logged goes to standard error alone.
  assertEquals(new Set(collector.spans.all.map(({ scope }) => scope)), new Set(["heliograph"]));
  assert(!collector.paths.includes("/v1/logs"), collector.paths.join());
  assert(collector.paths.includes("/v1/metrics"));
  const exported = collector.text;
  const addresses = targets.map(({ token, subscription }) => token ?? subscription.endpoint);
  for (const secret of [CANARY, ...addresses, "/v3/device/", "vendor="]) {
    assert(!exported.includes(secret), `${secret} was exported`);
  }
});

Deno.test("A message is one trace from its post to its acknowledgement, on the node that has the device too", async () => {
  await using collector = new OtlpCollector();
  await using node = await Service.start({ env: collector.env });
  await using device = await PushClient.connect(node.deviceUrl);
  const { endpoint } = await device.register();
  const answer = await post(endpoint, opaqueBody(100), {
    ttlSeconds: 60,
    headers: { traceparent: `00-${CALLER.traceId}-${CALLER.spanId}-01` },
  });
  assertEquals(answer.status, 201);
  await device.acks.next(() => true, { what: "the acknowledgement" });
  const acknowledged = await collector.spans.next(({ name }) => name === "acknowledge", {
    what: "its span",
  });
  assertEquals((await node.stop()).code, 0);
  const spans = collector.trace(acknowledged.traceId);
  assertEquals(spans.map(({ name }) => name).toSorted(), [
    "accept",
    "acknowledge",
    "hand_over",
    "store",
  ]);
  const [accept] = named(spans, "accept");
  const root = acknowledged.traceId.slice(0, 16);
  assertEquals([accept?.parentSpanId, accept?.kind, accept?.failed], [root, 2, false]);
  assertEquals(acknowledged.parentSpanId, root);
  for (const name of ["store", "hand_over"]) {
    assertEquals(named(spans, name)[0]?.parentSpanId, accept?.spanId);
  }
  assertEquals(collector.spans.size, spans.length);
  for (const secret of [new URL(endpoint).pathname, device.uaid, answer.location, CALLER.traceId]) {
    assert(!collector.text.includes(secret), `${secret} was exported`);
  }
});

for (const name of ENGINES) {
  Deno.test(`Two nodes on ${name} add to the same traces, whoever did which step`, async () => {
    await using collector = new OtlpCollector();
    await using engine = await startEngine(name);
    const shared = ["--store", await engine.freshStore(), "--node-port", "0"];
    const env = (service: string) => ({ ...collector.env, OTEL_SERVICE_NAME: service });
    await using world = await CampaignService.open({
      env: env("front"),
      flags: [...shared, "--roles", "endpoint,api"],
    });
    const front = world.service;
    const keys = ["--crypto-keys-file", `${front.dataDir}/endpoint-keys`];
    const url = `http://127.0.0.1:${front.endpointPort}`;
    const roles = ["--roles", "devices,delivery", "--endpoint-url", url];
    await using back = await Service.start({
      env: env("back"),
      flags: [...world.trust, ...shared, ...keys, ...roles],
    });
    await world.register("shop", Array.from({ length: 60 }, (_, number) => number));
    const id = await submit(world);
    await world.ended(id, END_MS);
    await using device = await PushClient.connect(back.deviceUrl);
    const { endpoint } = await device.register();
    assertEquals((await post(endpoint, opaqueBody(100))).status, 201);
    const acknowledged = await collector.spans.next(({ name }) => name === "acknowledge", {
      what: "the acknowledgement",
    });
    assertEquals([(await front.stop()).code, (await back.stop()).code], [0, 0]);

    const byNode = (traceId: string, service: string) =>
      new Set(
        collector.trace(traceId).filter((span) => span.service === service).map(({ name }) => name),
      );
    assertEquals(byNode(traceOf(id), "front"), new Set(["POST /v1/notifications", "submit"]));
    assertEquals(
      byNode(traceOf(id), "back"),
      new Set(["expand", "batch", "request", "record", "done"]),
    );
    const { traceId } = acknowledged;
    assertEquals(byNode(traceId, "front"), new Set(["accept", "store", "hand_over"]));
    assertEquals(byNode(traceId, "back"), new Set(["acknowledge"]));
    assertEquals(new Set(collector.spans.all.map(({ scope }) => scope)), new Set(["heliograph"]));
    assert(!collector.text.includes(CANARY));
  });
}

Deno.test("Of so many notifications and messages one is traced", async () => {
  await using collector = new OtlpCollector();
  await using node = await Service.start({
    env: collector.env,
    flags: ["--trace-one-in", "1000000000"],
  });
  await using device = await PushClient.connect(node.deviceUrl);
  const { endpoint } = await device.register();
  for (let count = 0; count < 20; count++) {
    assertEquals((await post(endpoint, opaqueBody(100))).status, 201);
  }
  await device.acks.until(() => true, { what: "the acknowledgements", count: 20 });
  assertEquals((await node.stop()).code, 0);
  assertEquals(collector.spans.all, []);
});

Deno.test("A runtime that does not trace sends nothing, wherever the collector is", async () => {
  await using collector = new OtlpCollector();
  const { OTEL_DENO: _, ...env } = collector.env;
  await using node = await Service.start({ env });
  await using device = await PushClient.connect(node.deviceUrl);
  const { endpoint } = await device.register();
  assertEquals((await post(endpoint, opaqueBody(100))).status, 201);
  await device.acks.next(() => true, { what: "the acknowledgement" });
  assertEquals((await node.stop()).code, 0);
  assertEquals(collector.paths, []);
});

Deno.test("A collector that is away costs no delivery and no line of the log", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  // It accepts connections and answers none; and nobody is there.
  for (const endpoint of [`http://127.0.0.1:${port}`, "http://127.0.0.1:9"]) {
    await using world = await CampaignService.open({
      env: { ...tracedEnv(endpoint), OTEL_EXPORTER_OTLP_TIMEOUT: "500" },
    });
    await world.register("shop", Array.from({ length: RECIPIENTS }, (_, number) => number));
    const { counts } = await world.ended(await submit(world), END_MS);
    assertEquals([counts.total, counts.delivered], [RECIPIENTS, RECIPIENTS]);
    assertEquals((await world.service.stop()).code, 0);
    const events = world.service.stderr.trim().split("\n").map((line) => JSON.parse(line).event);
    assertEquals(events.filter((event) => !["ready", "stopping", "stopped"].includes(event)), []);
  }
});

Deno.test("A runtime whose own spans would show URLs is not served on", async () => {
  await using collector = new OtlpCollector();
  const { OTEL_TRACES_SAMPLER: _, OTEL_PROPAGATORS: __, ...env } = collector.env;
  const cases = [
    [{}, "heliograph: OTEL_TRACES_SAMPLER: must be parentbased_always_off"],
    [{ OTEL_TRACES_SAMPLER: "parentbased_always_on" }, "heliograph: OTEL_TRACES_SAMPLER: "],
    [{ OTEL_TRACES_SAMPLER: "always_off" }, "heliograph: OTEL_TRACES_SAMPLER: "],
    [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.01" }, "_SAMPLER: "],
    [
      { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.000001" },
      "_SAMPLER: ",
    ],
    [
      { OTEL_TRACES_SAMPLER: "parentbased_always_off" },
      "heliograph: OTEL_PROPAGATORS: must be none",
    ],
  ] as const;
  for (const [more, sentence] of cases) {
    const refused = await Service.start({ env: { ...env, ...more } }).catch((error) => error);
    assert(refused instanceof ServiceStartError, Deno.inspect(more));
    assertEquals(refused.exit.code, 2);
    assertStringIncludes(refused.message, sentence);
  }
  const parent = await Service.start({ env, flags: ["--processes", "1"] }).catch((error) => error);
  assert(parent instanceof ServiceStartError);
  assertEquals(parent.exit.code, 2);
  assertStringIncludes(parent.message, "heliograph: OTEL_TRACES_SAMPLER: ");
  assertEquals(collector.spans.all, []);
});
