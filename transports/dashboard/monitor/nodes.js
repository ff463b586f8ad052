// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The nodes: what each one does, how it does, and whether what it stands on works.
 *
 * A node says how it does with each renewal of its lease; what it said last stays, marked as old, until
 * the lease has ended and the node is gone from the list. The small pictures are of what this page saw.
 *
 * For tests: `.node[data-id][data-self]`, in it `[data-fact]` with the exact number in `data-value`;
 * `.check[data-name][data-ok]`.
 *
 * @module
 */

import { fill, h, svg } from "./dom.js";
import { bytes, duration, rate, whole } from "./format.js";
import { keyed } from "./keyed.js";
import { badge, foreign, setOld, time, viewHead } from "./parts.js";
import { poll } from "./poll.js";

/**
 * @typedef {{
 *   readonly at: number, readonly deno: string, readonly rssBytes: number, readonly heapBytes: number,
 *   readonly cpuPercent: number,
 *   readonly loopDelayMs: { readonly p50: number, readonly p99: number, readonly max: number },
 *   readonly devices: number, readonly batches: number, readonly deliveriesPerSecond: number,
 *   readonly providerConnections: number,
 * }} Facts
 *
 * @typedef {{
 *   readonly id: string, readonly self: boolean, readonly url: string | null,
 *   readonly roles: readonly string[], readonly version: string, readonly startedAt: string,
 *   readonly facts: Facts | null,
 * }} Node
 *
 * @typedef {{ readonly name: string, readonly ok: boolean, readonly detail: string }} Check
 *
 * @typedef {{ readonly now: string, readonly nodes: readonly Node[], readonly checks: readonly Check[] }} Answer
 */

const LOOK_MS = 2_000;

/** Facts older than this are marked: nodes renew every few seconds. */
const OLD_MS = 10_000;

/** Looks that the small pictures remember: five minutes. */
const SEEN_MAX = 150;

/** What a check is about, for people. @type {Readonly<Record<string, string>>} */
const CHECK_NAMES = {
  listeners: "Doors",
  store: "Store of messages",
  delivery_store: "Store of deliveries",
  queue: "Queue",
  counters: "Counters",
  results: "Results database",
  source: "Source",
  directory: "Directory of nodes",
};

/**
 * What is shown of a node: a name, the exact number, how it reads, and what stands small beneath it.
 *
 * @typedef {{
 *   readonly key: string, readonly name: string, readonly value: (facts: Facts) => number,
 *   readonly text: (facts: Facts) => string, readonly detail?: (facts: Facts) => string,
 *   readonly drawn?: true,
 * }} Figure
 *
 * @type {readonly Figure[]}
 */
const FIGURES = [
  {
    key: "deliveriesPerSecond",
    name: "Deliveries a second",
    value: (facts) => facts.deliveriesPerSecond,
    text: (facts) => rate(facts.deliveriesPerSecond),
    drawn: true,
  },
  {
    key: "cpuPercent",
    name: "CPU",
    value: (facts) => facts.cpuPercent,
    text: (facts) => `${Math.round(facts.cpuPercent)}%`,
    detail: () => "of one core",
    drawn: true,
  },
  {
    key: "rssBytes",
    name: "Memory",
    value: (facts) => facts.rssBytes,
    text: (facts) => bytes(facts.rssBytes),
    detail: (facts) => `heap ${bytes(facts.heapBytes)}`,
    drawn: true,
  },
  {
    key: "loopDelay",
    name: "Event-loop delay",
    value: (facts) => facts.loopDelayMs.p99,
    text: ({ loopDelayMs: { p99 } }) => `${duration(p99)}, ${judged(p99)}`,
    detail: ({ loopDelayMs: { p50, max } }) =>
      `99% under it, half under ${duration(p50)}, longest ${duration(max)}`,
    drawn: true,
  },
  {
    key: "devices",
    name: "Devices connected",
    value: (facts) => facts.devices,
    text: (facts) => whole(facts.devices),
  },
  {
    key: "batches",
    name: "Batches in flight",
    value: (facts) => facts.batches,
    text: (facts) => whole(facts.batches),
  },
  {
    key: "providerConnections",
    name: "Provider connections",
    value: (facts) => facts.providerConnections,
    text: (facts) => whole(facts.providerConnections),
  },
];

/** What a delay of the event loop means for who waits behind it. @param {number} p99 */
function judged(p99) {
  if (p99 < 20) return "prompt";
  return p99 < 100 ? "busy" : "overloaded";
}

/**
 * The view.
 *
 * @param {HTMLElement} root
 * @param {import("./main.js").Context} context
 * @returns {void}
 */
export function nodesView(root, context) {
  const problem = h("div");
  const checks = h("ul", { class: "checks" });
  const nodes = h("div", { class: "grid nodes-grid" });
  root.append(
    viewHead(
      "Nodes",
      "Every process that shares this store, how it is loaded, and whether what this one stands on works.",
    ),
    problem,
    h("section", { class: "card" }, h("h2", {}, "What this node stands on"), checks),
    nodes,
  );
  const showChecks = keyed(checks, (/** @type {Check} */ { name }) => name, makeCheck);
  const showNodes = keyed(nodes, (/** @type {Shown} */ { node }) => node.id, makeNode);
  poll(context, LOOK_MS, async () => {
    /** @type {Answer} */
    const answer = await context.api.get("/v1/nodes");
    const now = Date.parse(answer.now);
    showChecks(answer.checks);
    showNodes(answer.nodes.map((node) => ({ node, now })));
  }, (text) => setOld(problem, text));
}

/** @returns {import("./keyed.js").Entry<Check>} */
function makeCheck() {
  const element = h("li", { class: "check" });
  let before = "";
  return {
    element,
    update({ name, ok, detail }) {
      const text = `${ok} ${detail}`;
      if (text === before) return;
      before = text;
      element.dataset["name"] = name;
      element.dataset["ok"] = String(ok);
      fill(
        element,
        badge(ok ? "good" : "bad", CHECK_NAMES[name] ?? name.replaceAll("_", " ")),
        h("span", { class: "detail" }, foreign(detail)),
      );
    },
  };
}

/** @typedef {{ readonly node: Node, readonly now: number }} Shown */

/**
 * @param {Shown} first
 * @returns {import("./keyed.js").Entry<Shown>}
 */
function makeNode({ node }) {
  const age = h("p", { class: "age small" });
  const figures = FIGURES.map((figure) => makeFigure(figure));
  const title = `node-${node.id}`;
  const element = h(
    "article",
    {
      class: "card node",
      dataset: { id: node.id, self: String(node.self) },
      "aria-labelledby": title,
    },
    h(
      "header",
      {},
      h("h2", { id: title }, foreign(node.id)),
      node.self ? h("span", { class: "tag" }, "this one") : null,
    ),
    h("p", { class: "roles" }, foreign(node.roles.join(", "))),
    h("dl", { class: "figures" }, figures.map(({ elements }) => elements)),
    h(
      "p",
      { class: "small" },
      "Version ",
      foreign(node.version),
      node.facts === null ? null : [", Deno ", foreign(node.facts.deno)],
      ", started ",
      time(node.startedAt),
      node.url === null ? null : [", reached at ", foreign(node.url)],
    ),
    age,
  );
  return {
    element,
    update({ node: { facts }, now }) {
      for (const { update } of figures) update(facts);
      const oldMs = facts === null ? 0 : now - facts.at;
      element.classList.toggle("old", facts === null || oldMs > OLD_MS);
      fill(age, ageText(facts, oldMs));
    },
  };
}

/**
 * @param {Facts | null} facts
 * @param {number} oldMs
 */
function ageText(facts, oldMs) {
  if (facts === null) return "It does not say how it does.";
  return oldMs > OLD_MS ? `As it was ${duration(oldMs)} ago: it has not said more since.` : "";
}

/** @param {Figure} figure */
function makeFigure({ key, name, value, text, detail, drawn }) {
  const number = h("span");
  const more = detail === undefined ? undefined : h("span", { class: "detail" });
  const picture = drawn ? new Sparkline() : undefined;
  const place = h("dd", { dataset: { fact: key } }, number, more, picture?.element);
  let seenAt = 0;
  return {
    elements: h("div", {}, h("dt", {}, name), place),
    /** @param {Facts | null} facts */
    update(facts) {
      fill(number, facts === null ? "–" : text(facts));
      if (more !== undefined) fill(more, facts === null ? "" : detail?.(facts));
      place.dataset["value"] = facts === null ? "" : String(value(facts));
      if (facts === null || facts.at === seenAt) return;
      seenAt = facts.at;
      picture?.add(value(facts));
    },
  };
}

/** A line of the last values, without axes: whether it grows, not how much. */
class Sparkline {
  #line = svg("polyline", { points: "" });
  element = svg(
    "svg",
    {
      class: "sparkline",
      viewBox: "0 0 150 24",
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    this.#line,
  );
  /** @type {number[]} */
  #values = [];

  /** @param {number} value */
  add(value) {
    this.#values.push(value);
    if (this.#values.length > SEEN_MAX) this.#values.shift();
    const highest = Math.max(...this.#values, 1e-9);
    const first = SEEN_MAX - this.#values.length;
    if (this.#values.length < 2) return;
    const points = this.#values.map((one, index) => {
      return `${first + index},${(23 - 22 * one / highest).toFixed(1)}`;
    });
    this.#line.setAttribute("points", points.join(" "));
  }
}
