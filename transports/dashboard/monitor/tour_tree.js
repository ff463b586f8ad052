// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/**
 * The live tree as the tour reads it: parts by path, rates from counters that grow, what keeps its place.
 * Pure: nothing here touches the document.
 *
 * @module
 */

/**
 * @typedef {"starting" | "running" | "stopping" | "restarting" | "stopped"} PartState
 *
 * @typedef {{
 *   readonly kind: "actor", readonly path: string, readonly actor: string, readonly state: PartState,
 *   readonly busy: boolean,
 *   readonly mailbox: { readonly length: number, readonly capacity: number, readonly waiting: number },
 *   readonly restarts: number, readonly handled: number,
 *   readonly lastCrash?: string | null, readonly lastCrashAt?: number | null,
 *   readonly children: readonly ActorPart[],
 * }} ActorPart
 *
 * @typedef {{
 *   readonly kind: "pool", readonly path: string, readonly actor: string, readonly state: PartState,
 *   readonly size: number, readonly childrenMax: number, readonly started: number, readonly crashed: number,
 *   readonly handled: number, readonly waiting: number, readonly busy: number,
 *   readonly depths: readonly number[],
 *   readonly lastCrash?: string | null, readonly lastCrashAt?: number | null,
 *   readonly children: readonly ActorPart[],
 * }} PoolPart
 *
 * @typedef {{
 *   readonly kind: "supervisor", readonly path: string,
 *   readonly strategy: "one_for_one" | "one_for_all" | "rest_for_one",
 *   readonly state: PartState, readonly restarts: number, readonly children: readonly Part[],
 * }} SupervisorPart
 *
 * @typedef {{
 *   readonly kind: "system", readonly path: string, readonly state: PartState,
 *   readonly children: readonly Part[],
 * }} SystemPart
 *
 * A node of `GET /v1/tree`.
 * @typedef {SystemPart | SupervisorPart | PoolPart | ActorPart} Part
 *
 * A `tree` frame; the totals of `flow` are named by their place in it, `answers.apns`.
 * @typedef {{ readonly at: number, readonly tree: SystemPart, readonly flow: unknown }} TreeFrame
 */

/** Time over which a rate is taken, from the oldest frame that is kept. */
export const RATE_MS = 3_000;
/** Frames that are this far apart tell nothing of the present second: the page slept, or the stream was lost. */
export const GAP_MS = 10_000;
/** Children of a pool that a frame names one by one. */
export const SLOTS = 24;

/** The classes of {@link PoolPart.depths}, as people read them. */
export const DEPTH_NAMES = ["0", "1", "2–3", "4–7", "8–15", "16–31", "32–63", "64–127", "128 +"];

/**
 * All parts by path, in the order of the tree; those that a pool folds are not among them.
 *
 * @param {Part} tree
 * @returns {Map<string, Part>}
 */
export function partsOf(tree) {
  /** @type {Map<string, Part>} */
  const parts = new Map();
  /** @type {Part[]} */
  const left = [tree];
  for (let part = left.pop(); part !== undefined; part = left.pop()) {
    parts.set(part.path, part);
    left.push(...part.children.toReversed());
  }
  return parts;
}

/**
 * What grows in a tree, by name: a path for the messages that a part has handled, and with `#started`
 * after it for the children that a pool has started.
 *
 * @param {Iterable<Part>} parts
 * @returns {Map<string, number>}
 */
export function countersOf(parts) {
  /** @type {Map<string, number>} */
  const counters = new Map();
  for (const part of parts) {
    if (part.kind === "actor" || part.kind === "pool") counters.set(part.path, part.handled);
    if (part.kind === "pool") counters.set(`${part.path}#started`, part.started);
  }
  return counters;
}

/**
 * The totals of a flow by their place in it; groups have their sum under their own name.
 *
 * @param {unknown} flow
 * @returns {Map<string, number>}
 */
export function totalsOf(flow) {
  /** @type {Map<string, number>} */
  const totals = new Map();
  for (const [name, value] of Object.entries(flow ?? {})) {
    if (typeof value === "number") totals.set(name, value);
    if (typeof value !== "object" || value === null) continue;
    let sum = 0;
    for (const [part, one] of Object.entries(value)) {
      if (typeof one !== "number") continue;
      totals.set(`${name}.${part}`, one);
      sum += one;
    }
    totals.set(name, sum);
  }
  return totals;
}

/** Rates of counters that only grow, from what they were some seconds ago. */
export class Rates {
  /** @type {{ readonly at: number, readonly counters: ReadonlyMap<string, number> }[]} */
  #frames = [];

  /**
   * Takes the counters as they are at a time of the node; a clock that was set back begins anew.
   *
   * @param {number} at
   * @param {ReadonlyMap<string, number>} counters
   */
  take(at, counters) {
    const last = this.#frames.at(-1);
    if (last !== undefined && (at <= last.at || at - last.at > GAP_MS)) this.#frames = [];
    this.#frames = this.#frames.filter((frame) => at - frame.at <= RATE_MS);
    this.#frames.push({ at, counters });
  }

  /**
   * How much a counter grows in a second; `undefined` while only one frame knows it. One that is lower
   * than it was belongs to a node that was started again.
   *
   * @param {string} name
   * @returns {number | undefined}
   */
  of(name) {
    const now = this.#frames.at(-1);
    const value = now?.counters.get(name);
    if (now === undefined || value === undefined) return undefined;
    for (const { at, counters } of this.#frames) {
      const before = counters.get(name);
      if (at < now.at && before !== undefined && before <= value) {
        return (value - before) * 1_000 / (now.at - at);
      }
    }
    return undefined;
  }
}

/**
 * Places that keep what is in them: what stays stays where it is, what is new takes the first free place,
 * so that nothing moves under the reader while others come and go.
 */
export class Slots {
  /** @type {(string | undefined)[]} */
  #places;

  /** @param {number} count How many there are; what finds none is not placed. */
  constructor(count) {
    this.#places = Array.from({ length: count }, () => undefined);
  }

  /**
   * Places these.
   *
   * @param {readonly string[]} keys
   * @returns {readonly (string | undefined)[]} By place.
   */
  place(keys) {
    const wanted = new Set(keys);
    const kept = this.#places.map((key) =>
      key !== undefined && wanted.delete(key) ? key : undefined
    );
    const [...fresh] = wanted;
    this.#places = kept.map((key) => key ?? fresh.shift());
    return this.#places;
  }
}

/**
 * The part that is drawn for a path: itself, or the nearest above it, as the pool of a child that it folds.
 *
 * @param {string} path
 * @param {{ has(path: string): boolean }} drawn
 * @returns {string | undefined}
 */
export function drawnFor(path, drawn) {
  for (let at = path; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) {
    if (drawn.has(at)) return at;
  }
  return undefined;
}

/**
 * The last name of a path.
 *
 * @param {string} path
 * @returns {string}
 */
export function nameOf(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}

/**
 * Where the tour shows a part.
 *
 * @param {string} path
 * @returns {string} An address of the page.
 */
export function addressOf(path) {
  return `#/tour/${path.split("/").map(encodeURIComponent).join("/")}`;
}

/**
 * Heights of a histogram's columns, the highest 1; a class with few is still to be seen beside one with
 * thousands, so they are by the logarithm.
 *
 * @param {readonly number[]} counts
 * @returns {readonly number[]}
 */
export function heights(counts) {
  const most = Math.log1p(Math.max(0, ...counts));
  return counts.map((count) => count <= 0 ? 0 : Math.log1p(count) / most);
}

/**
 * A pool's depths in words: `19,800 with 0, 200 with 1, 3 with 4–7`.
 *
 * @param {readonly number[]} depths
 * @returns {string}
 */
export function depthsText(depths) {
  const texts = depths.flatMap((count, place) =>
    count === 0 ? [] : [`${count.toLocaleString("en")} with ${DEPTH_NAMES[place] ?? "more"}`]
  );
  return texts.length === 0 ? "none" : texts.join(", ");
}
