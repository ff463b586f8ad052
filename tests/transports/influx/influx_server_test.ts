/** What a real InfluxDB makes of what is written: each tally once, whatever is repeated or stopped. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  float,
  type Influx,
  InfluxError,
  InfluxSink,
  integer,
  openInflux,
  type Tally,
} from "../../../transports/influx/mod.ts";
import { INFLUX_ADMIN, startInflux } from "../../support/influx_server.ts";
import { Seeded } from "../../support/seeded.ts";

const server = await startInflux();
globalThis.addEventListener("unload", () => server.abandon());

const signal = new AbortController().signal;
const NOW = Date.now();
const NONE = { delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 };

function connect(url: string, token: string | undefined = INFLUX_ADMIN): Influx {
  const opened = openInflux({ url, token });
  if (opened.kind === "refused") throw new Error(opened.problem);
  return opened.influx;
}

function tally(position: number, change: Partial<Tally> = {}): Tally {
  return {
    position,
    notification: "n1",
    app: "shop",
    platform: "apns",
    at: NOW,
    outcomes: { ...NONE, delivered: 10 },
    retries: 0,
    ...change,
  };
}

/** What a database holds: sums of fields, and how many points. */
async function sums(database: string): Promise<Readonly<Record<string, unknown>>> {
  const [series] = await server.query(
    "SELECT SUM(delivered) AS delivered, SUM(failed) AS failed, SUM(retries) AS retries, " +
      "COUNT(delivered) AS points FROM heliograph_deliveries",
    database,
  );
  const [row = []] = series?.values ?? [];
  const named = series?.columns.map((column, place): [string, unknown] => [column, row[place]]) ??
    [];
  return Object.fromEntries(named.filter(([column]) => column !== "time"));
}

Deno.test("InfluxSink counts tallies of one millisecond apart, and repeated ones once", async () => {
  const { name, url } = await server.freshDatabase();
  using influx = connect(url);
  const sink = new InfluxSink(influx);
  const page = Array.from({ length: 1_000 }, (_, place) =>
    tally(place + 1, {
      outcomes: { ...NONE, delivered: 2, failed: place % 2 },
      retries: 3,
    }));
  await sink.record(page, signal);
  await sink.record(page, signal);
  await sink.record(page.slice(400, 700), signal);
  assertEquals(await sums(name), { delivered: 2_000, failed: 500, retries: 3_000, points: 1_000 });
});

Deno.test("InfluxSink keeps lanes apart by app and platform", async () => {
  const { name, url } = await server.freshDatabase();
  using influx = connect(url);
  const lanes = [["shop", "apns"], ["shop", "fcm"], ["a.b-c_d", "webpush"]] as const;
  // The same time and position each: only their tags differ.
  const page = lanes.map(([app, platform]) => tally(1, { app, platform }));
  await new InfluxSink(influx).record(page, signal);
  const found = await server.query("SHOW SERIES FROM heliograph_deliveries", name);
  assertEquals(found[0]?.values.flat().toSorted(), [
    "heliograph_deliveries,app=a.b-c_d,platform=webpush",
    "heliograph_deliveries,app=shop,platform=apns",
    "heliograph_deliveries,app=shop,platform=fcm",
  ]);
});

Deno.test("InfluxSink loses and doubles nothing while InfluxDB is killed and comes back", async () => {
  const { name, url } = await server.freshDatabase();
  using influx = connect(url);
  const sink = new InfluxSink(influx);
  const random = new Seeded(7);
  const pages = Array.from(
    { length: 20 },
    (_, page) => Array.from({ length: 50 }, (_, place) => tally(page * 50 + place + 1)),
  );
  let failures = 0;
  for (const [place, page] of pages.entries()) {
    const killing = place % 7 === 3 ? kill() : undefined;
    for (;;) {
      try {
        await sink.record(page, signal);
        break;
      } catch (error) {
        assert(error instanceof InfluxError, String(error));
        failures++;
        await killing;
      }
    }
    await killing;
    // What its actor does when the position was not remembered.
    if (random.chance(1 / 3)) await sink.record(page, signal);
  }
  assert(failures > 0);
  assertEquals(await sums(name), { delivered: 10_000, failed: 0, retries: 0, points: 1_000 });
});

async function kill(): Promise<void> {
  await server.kill9();
  await server.start();
}

Deno.test("Influx.write() keeps fields' types: integers and numbers", async () => {
  const { name, url } = await server.freshDatabase();
  using influx = connect(url);
  const fields = { whole: integer(3), part: float(2), most: integer(2 ** 53 - 1) };
  const timeNs = `${NOW}000000`;
  await influx.write([{ measurement: "m", tags: {}, fields, timeNs }], signal);
  await influx.write(
    [{ measurement: "m", tags: {}, fields: { ...fields, part: float(2.5) }, timeNs }],
    signal,
  );
  const [types] = await server.query("SHOW FIELD KEYS FROM m", name);
  assertEquals(types?.values, [["most", "integer"], ["part", "float"], ["whole", "integer"]]);
  const [series] = await server.query("SELECT part, whole FROM m", name);
  assertEquals(series?.values.map(([, ...values]) => values), [[2.5, 3]]);
});

Deno.test("Influx.write() stores names as they are, hostile ones too", async () => {
  const { name, url } = await server.freshDatabase();
  using influx = connect(url);
  const hostile = ["a,b=c d", '"quoted"', "'; DROP DATABASE x", "ünï", "# not a comment", "x\\"];
  await influx.write(
    hostile.map((app) => ({
      measurement: "m",
      tags: { app },
      fields: { f: integer(1) },
      timeNs: `${NOW}000000`,
    })),
    signal,
  );
  const [series] = await server.query("SHOW TAG VALUES FROM m WITH KEY = app", name);
  assertEquals(
    series?.values.map(([, value]) => value).toSorted(),
    hostile.map((app) => app.replace("\\", "_")).toSorted(),
  );
});

Deno.test("Influx.write() takes points beyond the retention for written, and keeps the others", async () => {
  const { name, url } = await server.freshDatabase("1h");
  using influx = connect(url);
  await new InfluxSink(influx).record([tally(1, { at: NOW - 7_200_000 }), tally(2)], signal);
  assertEquals(await sums(name), { delivered: 10, failed: 0, retries: 0, points: 1 });
});

Deno.test("Influx.ping() resolves where points would be taken, and leaves none", async () => {
  const { name, url } = await server.freshDatabase();
  using influx = connect(url);
  await influx.ping();
  assertEquals(await server.query("SHOW MEASUREMENTS", name), []);
});

const UNUSABLE: readonly (readonly [title: string, path: string, token: string, says: string])[] = [
  [
    "a database that is not there",
    "/write?db=nope",
    INFLUX_ADMIN,
    '404: "database not found: "nope""',
  ],
  ["a wrong password", "/write?db=_internal", "admin:canary", '401: "authorization failed"'],
  ["no user", "/write?db=_internal", "", '401: "unable to parse authentication credentials"'],
  [
    "version 2's path on version 1.6",
    "/api/v2/write?bucket=b",
    "canary",
    '404: "404 page not found"',
  ],
];

for (const [title, path, token, says] of UNUSABLE) {
  Deno.test(`Influx.ping() rejects for ${title}`, async () => {
    using influx = connect(server.origin + path, token);
    const { message } = await assertRejects(() => influx.ping(), InfluxError);
    assertEquals(message, `${server.origin} answered ${says}`);
  });
}
