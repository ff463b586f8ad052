/** The sinks of the program behind their actors: a receiver and a file that fail, and catch up. */

import { assert, assertEquals } from "@std/assert";
import type { DeliveryEvent, Sink } from "../../../../../actors/push/delivery/ports.ts";
import { SINK_BACKOFF, SINK_INTENSITY } from "../../../../../actors/push/delivery/sinks/limits.ts";
import { sinkActor } from "../../../../../actors/push/delivery/sinks/sink.ts";
import { worker } from "../../../../../actors/runtime/spec.ts";
import { World } from "../../../../../actors/testing/mod.ts";
import { NdjsonFileSink } from "../../../../../transports/ndjson_file/ndjson_file_sink.ts";
import { openWebhookSink } from "../../../../../transports/webhook/webhook_sink.ts";
import { TemporaryFolder } from "../../../../transports/command_line/temporary_folder.ts";
import { positionsIn } from "../../../../transports/ndjson_file/rows.ts";
import { RowLog } from "./row_log.ts";

/** Turns of the event loop, about, that a request or a write may take. */
const ROUNDS_MAX = 100_000;

/** A sink's actor over a log, and how to wait for it. */
async function follow(world: World, sink: Sink) {
  const log = new RowLog();
  const events: DeliveryEvent[] = [];
  const { actor } = await world.system.start("sinks", {
    strategy: "one_for_one",
    intensity: SINK_INTENSITY,
    children: {
      actor: worker(sinkActor(`${sink.name}_sink`), {
        args: () => ({
          sink,
          store: log.store,
          node: "node",
          observer: { record: (event) => void events.push(event) },
        }),
        restart: "permanent",
        backoff: SINK_BACKOFF,
      }),
    },
  });
  await world.settle();
  /** Lets the platform work, without time passing, until this is so. */
  const until = async (holds: () => boolean) => {
    for (let round = 0; !holds(); round++) {
      assert(round < ROUNDS_MAX, "it did not happen");
      await world.settle();
    }
  };
  return { log, events, until, poke: () => actor.trySend("committed") };
}

Deno.test("sinkActor() with a WebhookSink: a receiver that was away gets all it missed", async () => {
  const received: number[] = [];
  let away = true;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { events } = await request.json();
      if (away) return new Response("away", { status: 503 });
      received.push(...events.map(({ position }: { readonly position: number }) => position));
      return new Response(null, { status: 204 });
    },
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const opened = openWebhookSink({ url: origin, secret: "sixteen letters!", rows: "failures" });
  if (opened.kind === "refused") throw new Error(opened.problem);
  using sink = opened.sink;
  {
    await using world = new World();
    const { log, events, until, poke } = await follow(world, sink);
    log.add({}, { outcome: "delivered" }, {});
    poke();
    await until(() => events.length === 1);
    assertEquals(events, [{
      kind: "sink_failed",
      sink: "webhook",
      reason: `WebhookError: ${origin} answered 503: "away"`,
    }]);
    away = false;
    log.add({});
    await world.advance(SINK_BACKOFF.minMs);
    await until(() => log.positions.get("webhook") === 4);
    assertEquals(received, [1, 3, 4]);
  }
  await server.shutdown();
});

Deno.test("sinkActor() with an NdjsonFileSink: a folder that comes late gets all rows", async () => {
  using folder = new TemporaryFolder();
  const path = `${folder.path}/later/results.ndjson`;
  await using sink = new NdjsonFileSink({ path, rows: "all" });
  await using world = new World();
  const { log, events, until, poke } = await follow(world, sink);
  log.add({}, { outcome: "delivered" });
  poke();
  await until(() => events.length === 1);
  await Deno.mkdir(`${folder.path}/later`);
  log.add({});
  await world.advance(SINK_BACKOFF.minMs);
  await until(() => log.positions.get("file") === 3);
  assertEquals(await positionsIn(path), [1, 2, 3]);
});
