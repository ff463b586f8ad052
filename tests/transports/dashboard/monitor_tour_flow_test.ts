import { assert, assertEquals } from "@std/assert";
import {
  DELIVERY,
  drawnHalf,
  MESSAGES,
  stepsHere,
  WALKS,
} from "../../../transports/dashboard/monitor/tour_flow.js";
import { OUTSIDE_TEXTS } from "../../../transports/dashboard/monitor/tour_texts.js";
import type { Part } from "../../../transports/dashboard/monitor/tour_tree.js";
import { actorPart, supervisorPart } from "./tour_parts.ts";

/** Parts at these ends of paths; a branch is given some children. */
function tree(...ends: readonly string[]): Map<string, Part> {
  return new Map(ends.map((end) => {
    const path = `root/${end}`;
    return [path, supervisorPart(path, [actorPart(`${path}/x`)])];
  }));
}

const DOORS = ["push/listeners/api", "push/listeners/pushEndpoint", "push/listeners/deviceSockets"];
const MESSAGES_ENDS = ["push/messages/registry", "push/messages/sessions"];
const DELIVERY_ENDS = [
  "pipeline/sinks",
  "pipeline/sinks/recorder",
  "pipeline/delivery/feeder",
  "pipeline/delivery/router",
  "pipeline/delivery/batches",
  ...["apns", "fcm", "webpush"].map((platform) => `pipeline/gateways/${platform}/gateway`),
];
const ALL = tree(...DOORS, ...MESSAGES_ENDS, ...DELIVERY_ENDS);

function ids(half: typeof DELIVERY, parts: Map<string, Part>) {
  const { stations, links } = drawnHalf(half, "root", parts);
  return { stations: stations.map(({ id }) => id), links: links.map(({ id }) => id) };
}

Deno.test("drawnHalf draws what a node has, and arrows between boxes that are there", () => {
  const without = (...missing: readonly string[]) =>
    new Map([...ALL].filter(([path]) => !missing.some((one) => path.startsWith(`root/${one}`))));
  const all = ids(DELIVERY, ALL);
  assertEquals(all.stations.filter((id) => id.startsWith("provider-")).length, 3);
  assert(!all.stations.includes("sources"), "no source is set up");
  assertEquals(ids(DELIVERY, without("pipeline")), { stations: [], links: [] });
  // The API belongs to both pictures' node, but only where notifications are sent is it drawn.
  const noApi = ids(DELIVERY, without("push"));
  assert(!noApi.stations.includes("api") && !noApi.links.includes("accepted"));
  assertEquals(ids(MESSAGES, without(DOORS[1] ?? "")).stations, [
    "registry",
    "sessions",
    "devices",
    "messages",
  ]);
  assertEquals(ids(MESSAGES, without(DOORS[2] ?? "")).stations, [
    "senders",
    "endpoint",
    "registry",
    "messages",
  ]);
  assertEquals(ids(MESSAGES, without(DOORS[1] ?? "", DOORS[2] ?? "")).stations, []);
  assert(!ids(MESSAGES, ALL).stations.includes("nodes"));
  const shared = new Map([...ALL, ...tree("cluster/forwarder")]);
  assert(ids(MESSAGES, shared).links.includes("forwarded"));
});

Deno.test("drawnHalf takes a branch without children for none", () => {
  const path = "root/pipeline/delivery/sources";
  const empty = new Map([...ALL, [path, supervisorPart(path, [])]]);
  assert(!ids(DELIVERY, empty).stations.includes("sources"));
  const one = new Map([...ALL, ...tree("pipeline/delivery/sources")]);
  assert(ids(DELIVERY, one).stations.includes("sources"));
});

Deno.test("stations outside of the node have a text, and links lead from station to station", () => {
  for (const { stations, links } of [DELIVERY, MESSAGES]) {
    const known = new Set(stations.map(({ id }) => id));
    for (const { id, end } of stations) {
      if (end === undefined) assert(OUTSIDE_TEXTS[id.replace("provider-", "")] !== undefined, id);
    }
    for (const { id, from, to } of links) assert(known.has(from) && known.has(to), id);
  }
});

Deno.test("stepsHere leaves out what a node does not have", () => {
  const [notification] = WALKS;
  const steps = notification?.steps ?? [];
  const outside = new Set(["outside/store", "outside/apns"]);
  const paths = stepsHere(steps, "root", ALL, outside).map(({ path }) => path);
  assert(paths.includes("outside/store") && paths.includes("root/pipeline/delivery/router"));
  assert(!paths.includes("root/pipeline/delivery/guard"));
  assertEquals(stepsHere(steps, "root", new Map(), new Set()), []);
});
