// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/**
 * A notification as it is typed, and as the API takes it. Pure functions.
 *
 * What can be told without asking is told here, by field; everything else is the API's to judge, and its
 * problems are led back to the fields they are about.
 *
 * @module
 */

/** The fields of the form, all as text. */
export const FIELDS = /** @type {const} */ ([
  "app",
  "audience",
  "target",
  "title",
  "body",
  "data",
  "parts",
  "ttl",
  "urgency",
  "topic",
  "sendAt",
  "rate",
  "record",
]);

/** @typedef {typeof FIELDS[number]} FieldName */

/** @typedef {Readonly<Record<FieldName, string>>} Draft */

/** What is wrong, and with which field; with none when it is the whole. @typedef {{ readonly field: FieldName | undefined, readonly message: string }} FieldProblem */

/** A form nobody has written in. @type {Draft} */
export const EMPTY = {
  app: "",
  audience: "tag",
  target: "",
  title: "",
  body: "",
  data: "",
  parts: "",
  ttl: "",
  urgency: "normal",
  topic: "",
  sendAt: "",
  rate: "",
  record: "failures",
};

/** Whom a notification may go to: the value, its words, what the API calls a list of them, and what to type. */
export const AUDIENCES = /** @type {const} */ ([
  ["tag", "Devices with a tag", "tags", "Tag"],
  ["device", "One device", "devices", "Device id"],
  ["user", "All devices of a user", "users", "User id"],
  ["all", "Everyone", "all", ""],
]);

/** Parts of the content that are for one platform each. */
const PARTS = ["apns", "fcm", "webpush"];

/** @type {Readonly<Record<string, FieldName>>} */
const FIELD_OF_PATH = {
  app: "app",
  to: "target",
  "content.title": "title",
  "content.body": "body",
  "content.data": "data",
  "content.apns": "parts",
  "content.fcm": "parts",
  "content.webpush": "parts",
  ttl: "ttl",
  urgency: "urgency",
  topic: "topic",
  sendAt: "sendAt",
  ratePerSecond: "rate",
  record: "record",
};

/**
 * The field that a path of the API is about: of `to.tags[0]` the target.
 *
 * @param {string} path
 * @returns {FieldName | undefined}
 */
export function fieldOf(path) {
  const steps = path.split(/[.[]/);
  const short = steps[0] === "content" ? steps.slice(0, 2).join(".") : steps[0] ?? "";
  return Object.hasOwn(FIELD_OF_PATH, short) ? FIELD_OF_PATH[short] : undefined;
}

/**
 * What is wrong with a text that is to be a JSON object; empty when nothing is.
 *
 * @param {string} text
 * @returns {string}
 */
export function objectProblem(text) {
  if (text.trim() === "") return "";
  try {
    return isObject(JSON.parse(text)) ? "" : 'must be an object, such as {"key": "value"}';
  } catch (error) {
    return `Not JSON yet: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * What is wrong with the parts for single platforms; empty when nothing is.
 *
 * @param {string} text
 * @returns {string}
 */
export function partsProblem(text) {
  const problem = objectProblem(text);
  if (problem !== "" || text.trim() === "") return problem;
  const strange = Object.keys(JSON.parse(text)).find((name) => !PARTS.includes(name));
  return strange === undefined
    ? ""
    : `has "${strange.slice(0, 40)}"; known are ${PARTS.join(", ")}`;
}

/**
 * Whether there is anything to say yet.
 *
 * @param {Draft} draft
 * @returns {boolean}
 */
export function saysNothing({ title, body, data, parts }) {
  return [title, body, data, parts].every((text) => text.trim() === "");
}

/**
 * The body that the API takes.
 *
 * @param {Draft} draft
 * @returns {{ readonly body: Readonly<Record<string, unknown>>, readonly problems: readonly FieldProblem[] }}
 * The body is complete when there are no problems.
 */
export function bodyOf(draft) {
  /** @type {FieldProblem[]} */
  const problems = [];
  const data = objectProblem(draft.data);
  const parts = partsProblem(draft.parts);
  if (data !== "") problems.push({ field: "data", message: data });
  if (parts !== "") problems.push({ field: "parts", message: parts });
  if (saysNothing(draft)) {
    problems.push({
      field: "title",
      message: "Write a title, a body or data: there is nothing to send yet.",
    });
  }
  const audience = AUDIENCES.find(([value]) => value === draft.audience) ?? AUDIENCES[0];
  const [kind, , list, name] = audience;
  if (kind !== "all" && draft.target === "") {
    problems.push({ field: "target", message: `Say which ${name.toLowerCase()}.` });
  }
  const body = {
    app: draft.app,
    to: kind === "all" ? { all: true } : { [list]: [draft.target] },
    content: {
      ...draft.title === "" ? {} : { title: draft.title },
      ...draft.body === "" ? {} : { body: draft.body },
      ...data !== "" || draft.data.trim() === "" ? {} : { data: JSON.parse(draft.data) },
      ...parts !== "" || draft.parts.trim() === "" ? {} : JSON.parse(draft.parts),
    },
    ...draft.ttl === "" ? {} : { ttl: number(draft.ttl) },
    ...draft.urgency === "normal" ? {} : { urgency: draft.urgency },
    ...draft.topic === "" ? {} : { topic: draft.topic },
    ...draft.sendAt === "" ? {} : { sendAt: utc(draft.sendAt) },
    ...draft.rate === "" ? {} : { ratePerSecond: number(draft.rate) },
    ...draft.record === "failures" ? {} : { record: draft.record },
  };
  return { body, problems };
}

/**
 * The body to preview: as to send, but that nobody need be named yet. Nothing while it has problems of its own.
 *
 * @param {Draft} draft
 * @returns {Readonly<Record<string, unknown>> | undefined}
 */
export function previewBodyOf(draft) {
  const { body, problems } = bodyOf(draft.target === "" ? { ...draft, audience: "all" } : draft);
  return problems.length === 0 ? body : undefined;
}

/**
 * A form filled with what another notification said, so that it can be sent again. To whom it went is not
 * known any more, and its time is over: both stay open.
 *
 * @param {{
 *   readonly app: string, readonly ttl: number, readonly urgency: string, readonly topic: string | null,
 *   readonly ratePerSecond: number | null, readonly record: string,
 *   readonly content: Readonly<Record<string, unknown>>,
 * }} like
 * @returns {Draft}
 */
export function draftLike({ app, ttl, urgency, topic, ratePerSecond, record, content }) {
  const parts = Object.entries(content).filter(([name]) => PARTS.includes(name));
  return {
    ...EMPTY,
    app,
    title: String(content["title"] ?? ""),
    body: String(content["body"] ?? ""),
    data: content["data"] === undefined ? "" : JSON.stringify(content["data"], null, 2),
    parts: parts.length === 0 ? "" : JSON.stringify(Object.fromEntries(parts), null, 2),
    ttl: String(ttl),
    urgency,
    topic: topic ?? "",
    rate: ratePerSecond === null ? "" : String(ratePerSecond),
    record,
  };
}

/**
 * Keys for calls: the same message has the same key however often it is sent, so that it arrives once; a message
 * that was changed has a new one.
 *
 * @param {() => string} makeKey
 * @returns {(body: unknown) => string}
 */
export function keyPerMessage(makeKey) {
  let text = "";
  let key = "";
  return (body) => {
    const now = JSON.stringify(body);
    if (now !== text) {
      text = now;
      key = makeKey();
    }
    return key;
  };
}

/** A text of digits as a number; another as it is, for the API to say what is allowed. @param {string} text */
function number(text) {
  return /^-?[0-9.]+$/.test(text) ? Number(text) : text;
}

/** A local time as typed, in UTC. @param {string} local */
function utc(local) {
  const ms = Date.parse(local);
  return Number.isNaN(ms) ? local : new Date(ms).toISOString();
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
