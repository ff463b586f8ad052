// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/**
 * Which text belongs to which part of the tree, and the words for kinds, strategies and states.
 *
 * Every part that a node can have has a text of its own; parts of trees that a program has added to a node
 * get one by their kind.
 *
 * @module
 */

import { DELIVERY_ACTORS, DELIVERY_POOLS, DELIVERY_SUPERVISORS } from "./tour_texts_delivery.js";
import {
  MESSAGES_ACTORS,
  MESSAGES_POOLS,
  MESSAGES_SUPERVISORS,
  OUTSIDE,
} from "./tour_texts_messages.js";
import { nameOf } from "./tour_tree.js";

/**
 * What the tour says of a part; `waits` is absent where there is no mailbox.
 *
 * @typedef {{
 *   readonly title: string, readonly what: string, readonly why: string, readonly crash: string,
 *   readonly waits?: string,
 * }} PartText
 *
 * @typedef {import("./tour_tree.js").Part} Part
 */

const ACTORS = { ...DELIVERY_ACTORS, ...MESSAGES_ACTORS };
const POOLS = { ...DELIVERY_POOLS, ...MESSAGES_POOLS };
const SUPERVISORS = { ...DELIVERY_SUPERVISORS, ...MESSAGES_SUPERVISORS };

/** @type {PartText} */
const SYSTEM = {
  title: "This node",
  what:
    "One process with everything in it: its trees start in this order and stop in the reverse. Each box is an actor, " +
    "which handles one message after the other and shares nothing with the rest, or it holds others.",
  why:
    "A part that fails is started again by the one above it, so that a fault stays as small as it can be.",
  crash:
    "When a tree as a whole gives up, the process ends with an error, and whoever started it, such as systemd, " +
    "starts it anew. What was accepted is in the store.",
};

/** @type {Readonly<Record<"actor" | "pool" | "supervisor", PartText>>} */
const UNKNOWN = {
  actor: {
    title: "Actor",
    what: "An actor of the program that runs this node. The tour knows its numbers only.",
    why: "An actor handles one message after the other, so nothing in it happens at the same time.",
    crash: "Whoever started it decides what happens then.",
    waits: "Messages from others, up to its mailbox's bound.",
  },
  pool: {
    title: "Pool",
    what: "Actors of one kind that come and go. The tour knows their numbers only.",
    why: "One actor for each thing that has a life of its own.",
    crash: "A pool starts nobody again.",
    waits: "Messages in the mailbox of each.",
  },
  supervisor: {
    title: "Supervisor",
    what: "Starts what is beneath it in order, and stops it in the reverse.",
    why: "What belongs together is started and stopped together.",
    crash: "Its strategy says who is started again.",
  },
};

/** What a strategy means. @type {Readonly<Record<string, string>>} */
export const STRATEGIES = {
  one_for_one: "One for one: only the child that crashed is started again.",
  one_for_all: "One for all: when a child crashes, all of them are started again.",
  rest_for_one:
    "Rest for one: when a child crashes, it and those that were started after it are started again.",
};

/** @type {Readonly<Record<Part["kind"], string>>} */
export const KIND_NAMES = {
  system: "node",
  supervisor: "supervisor",
  pool: "pool",
  actor: "actor",
};

/** The strategy as a short name. @type {Readonly<Record<string, string>>} */
export const STRATEGY_NAMES = {
  one_for_one: "one for one",
  one_for_all: "one for all",
  rest_for_one: "rest for one",
};

/** @type {Readonly<Record<import("./tour_tree.js").PartState, string>>} */
export const STATE_NAMES = {
  starting: "starting",
  running: "running",
  stopping: "stopping",
  restarting: "between two starts",
  stopped: "stopped",
};

/** What is outside of the node, by name. @type {Readonly<Record<string, PartText>>} */
export const OUTSIDE_TEXTS = OUTSIDE;

/**
 * The text of a part.
 *
 * @param {Part} part
 * @returns {PartText & { readonly key: string }} `key` is empty when the part is not one of a node's own.
 */
export function textOf(part) {
  switch (part.kind) {
    case "system":
      return { ...SYSTEM, key: "system" };
    case "supervisor": {
      const key = part.path.slice(part.path.indexOf("/") + 1);
      return own(SUPERVISORS, key) ?? { ...UNKNOWN.supervisor, title: nameOf(part.path), key: "" };
    }
    case "pool":
      return own(POOLS, part.actor) ?? { ...UNKNOWN.pool, title: part.actor, key: "" };
    case "actor":
      return actorText(part);
  }
}

/**
 * People name sources and sinks: theirs has the text of its kind, under their name.
 *
 * @param {import("./tour_tree.js").ActorPart} part
 */
function actorText({ path, actor }) {
  const known = own(ACTORS, actor);
  const [kind] = /(?:sink|source)$/.exec(actor) ?? [];
  if (kind !== undefined && (known === undefined || actor === kind)) {
    const named = own(ACTORS, kind);
    if (named !== undefined) return { ...named, title: nameOf(path) };
  }
  return known ?? { ...UNKNOWN.actor, title: actor, key: "" };
}

/**
 * @param {Readonly<Record<string, PartText>>} texts
 * @param {string} key
 * @returns {(PartText & { readonly key: string }) | undefined}
 */
function own(texts, key) {
  const text = Object.hasOwn(texts, key) ? texts[key] : undefined;
  return text === undefined ? undefined : { ...text, key };
}
