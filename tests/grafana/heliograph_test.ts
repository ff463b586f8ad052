/** The board for Grafana shows what a node tells, and can be imported. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import * as v from "valibot";
import { Metrics } from "../../transports/api/metrics.ts";

const TARGET = v.object({ refId: v.string(), expr: v.string(), legendFormat: v.string() });

const PANEL = v.object({
  id: v.number(),
  type: v.picklist(["row", "timeseries"]),
  title: v.pipe(v.string(), v.nonEmpty()),
  description: v.optional(v.pipe(v.string(), v.nonEmpty())),
  datasource: v.optional(v.strictObject({ type: v.string(), uid: v.string() })),
  gridPos: v.strictObject({ h: v.number(), w: v.number(), x: v.number(), y: v.number() }),
  fieldConfig: v.optional(v.object({ defaults: v.object({ unit: v.string() }) })),
  targets: v.optional(v.array(TARGET)),
});

const BOARD = v.object({
  id: v.null(),
  uid: v.string(),
  title: v.string(),
  schemaVersion: v.number(),
  templating: v.object({
    list: v.array(v.object({ name: v.string(), type: v.string() })),
  }),
  panels: v.array(PANEL),
});

const board = v.parse(
  BOARD,
  JSON.parse(Deno.readTextFileSync(new URL("../../grafana/heliograph.json", import.meta.url))),
);
const panels = board.panels.filter(({ type }) => type !== "row");

/** Labels that Prometheus adds to whatever it reads. */
const OF_PROMETHEUS = ["instance", "job"];

/** The labels of every sample of a node that has done a little of everything, by the sample's name. */
async function samples(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const metrics = new Metrics();
  metrics.delivery.answered({ platform: "apns", status: 400, reason: "", count: 1 });
  const found = new Map<string, ReadonlySet<string>>();
  for (const line of (await metrics.text()).split("\n")) {
    const [, name, labels = ""] = /^([a-z_]+)(?:\{(.*)\})? [0-9.e+-]+$/.exec(line) ?? [];
    if (name === undefined) continue;
    found.set(name, new Set(labels.matchAll(/(\w+)="/g).map(([, label = ""]) => label)));
  }
  return found;
}

/** What an expression reads: names of samples with the labels that are looked at there. */
function reads(expr: string): readonly (readonly [name: string, labels: readonly string[]])[] {
  return [...expr.matchAll(/\b((?:heliograph|process)_\w+)\{([^}]*)\}/g)].map((
    [, name = "", matchers = ""],
  ) => [name, [...matchers.matchAll(/(\w+)\s*[!=]~?/g).map(([, label = ""]) => label)]]);
}

Deno.test("the board reads only what a node tells, by labels that it has", async () => {
  const known = await samples();
  for (const { title, targets = [] } of panels) {
    assert(targets.length > 0, title);
    for (const { expr, legendFormat } of targets) {
      const read = reads(expr);
      assertEquals(read.length, 1, `${title}: ${expr}`);
      for (const [name, matched] of read) {
        const labels = known.get(name);
        assert(labels !== undefined, `${title}: no ${name}`);
        const kept = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
          list.split(", ")
        );
        const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
        for (const label of [...matched, ...kept, ...shown]) {
          assert(labels.has(label) || OF_PROMETHEUS.includes(label), `${title}: ${name} ${label}`);
        }
        // A legend of what was summed away is empty.
        if (/\b(sum|max) /.test(expr)) {
          for (const label of shown) assert(kept.includes(label), `${title}: ${label}`);
        }
      }
    }
  }
});

Deno.test("the alarms beside the board read only what a node tells", async () => {
  const known = await samples();
  const text = await Deno.readTextFile(new URL("../../grafana/README.md", import.meta.url));
  const names = [...text.matchAll(/heliograph_\w+/g)].map(([name]) => name);
  assert(names.length >= 4);
  for (const name of names) assert(known.has(name), name);
});

Deno.test("the board takes rates of counters, quantiles of buckets, and gauges as they are", async () => {
  const types = new Map(
    (await new Metrics().text()).matchAll(/^# TYPE (\w+) (\w+)$/gm).map((
      [, name = "", type = ""],
    ) => [name, type] as const),
  );
  for (const { title, targets = [] } of panels) {
    for (const { expr } of targets) {
      const [[name = ""] = []] = reads(expr);
      const type = types.get(name) ?? types.get(name.replace(/_(bucket|sum|count)$/, ""));
      const rated = /\b(rate|increase)\(/.test(expr);
      assertEquals(rated, type !== "gauge", `${title}: ${name} is a ${type}`);
      assertEquals(expr.includes("histogram_quantile("), name.endsWith("_bucket"), title);
      if (name.endsWith("_bucket")) assertMatch(expr, /by \([^)]*\ble\)/, title);
    }
  }
});

Deno.test("the board's panels have a title of their own, a description, a unit and the chosen source", () => {
  const titles = new Set(board.panels.map(({ title }) => title));
  assertEquals(titles.size, board.panels.length);
  assertEquals(new Set(board.panels.map(({ id }) => id)).size, board.panels.length);
  for (const { title, description, fieldConfig, datasource, targets = [] } of panels) {
    assert(description?.endsWith("."), title);
    assertMatch(fieldConfig?.defaults.unit ?? "", /^(cps|s|bytes|short)$/, title);
    assertEquals(datasource, { type: "prometheus", uid: "${datasource}" }, title);
    assertEquals(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    // Times are in seconds, as Prometheus has them, and nothing else is.
    const seconds = targets.every(({ expr }) => expr.startsWith("histogram_quantile("));
    assertEquals(fieldConfig?.defaults.unit === "s", seconds, title);
  }
});

Deno.test("the board's panels lie within its 24 columns, and none over another", () => {
  for (const [place, { title, gridPos: a }] of board.panels.entries()) {
    assert(a.w > 0 && a.h > 0 && a.x >= 0 && a.x + a.w <= 24, title);
    for (const { title: other, gridPos: b } of board.panels.slice(place + 1)) {
      const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
      assert(apart, `${title} and ${other}`);
    }
  }
});

Deno.test("the board can be imported: no id of another Grafana, its source and nodes to choose", () => {
  // Grafana 10.0 writes 38, and newer ones bring an older board up to date.
  assertEquals([board.id, board.uid, board.schemaVersion], [null, "heliograph", 38]);
  assertEquals(board.templating.list.map(({ name, type }) => [name, type]), [
    ["datasource", "datasource"],
    ["instance", "query"],
  ]);
});
