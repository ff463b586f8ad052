/**
 * Reads a notification as callers give it, and makes the submission that the store takes.
 *
 * Every problem is told at once, with its path. How large a title or a payload may be is its provider's
 * business: there it is measured as it is sent. More targets than one call takes are not a mistake in
 * the body but too much of it, and have an answer of their own.
 *
 * @module
 */

import { createHash } from "node:crypto";
import * as v from "valibot";
import { appName } from "./app_input.ts";
import {
  deviceId,
  recipient,
  recipientSchema,
  type SubscriptionChecks,
  tagName,
  userId,
} from "./device_input.ts";
import {
  below,
  fields,
  type InputProblem,
  invalid,
  isObject,
  jsonObject,
  oneOf,
  type Read,
  readInput,
  shown,
  text,
  whole,
} from "./input.ts";
import {
  AHEAD_MS_MAX,
  COLLAPSE_ID_CHARS_MAX,
  IDEMPOTENCY_KEY_CHARS_MAX,
  NAME_CHARS_MAX,
  NOW_OR_NEVER_SECONDS,
  PROBLEMS_MAX,
  RATE_PER_SECOND_MAX,
  TARGETS_MAX,
  TOPIC_CHARS_MAX,
  TTL_SECONDS_MAX,
} from "./input_limits.ts";
import type { Audience, Content, DirectRecipient, Submission } from "./records.ts";

const free = v.string("must be a text");
const yes = v.literal(true, "must be true");
const flag = v.boolean("must be true or false");

const content = v.pipe(
  fields({
    title: v.exactOptional(free),
    body: v.exactOptional(free),
    data: v.exactOptional(jsonObject),
    apns: v.exactOptional(fields({
      payload: v.exactOptional(jsonObject),
      aps: v.exactOptional(jsonObject),
      pushType: v.exactOptional(oneOf(
        [
          "alert",
          "background",
          "voip",
          "complication",
          "fileprovider",
          "mdm",
          "liveactivity",
          "location",
          "pushtotalk",
          "widgets",
          "controls",
        ],
      )),
      priority: v.exactOptional(oneOf([1, 5, 10])),
      collapseId: v.exactOptional(text(1, COLLAPSE_ID_CHARS_MAX)),
      topic: v.exactOptional(text(1, NAME_CHARS_MAX, /^[\x21-\x7e]+$/, "visible ASCII")),
    })),
    fcm: v.exactOptional(fields({
      message: v.exactOptional(jsonObject),
      validateOnly: v.exactOptional(flag),
    })),
    webpush: v.exactOptional(fields({
      payload: v.exactOptional(v.union([free, jsonObject], "must be a text or a JSON object")),
      navigate: v.exactOptional(text(1, 2_048)),
    })),
  }),
  v.minEntries(1, "must have at least one of title, body, data, apns, fcm, webpush"),
);

/** A list of targets; that it is too long is said before anything else is looked at. */
function targets<S extends v.GenericSchema>(item: S) {
  const rule = `must be a list of 1 to ${TARGETS_MAX} entries`;
  return v.pipe(v.array(item, rule), v.minLength(1, rule), v.maxLength(TARGETS_MAX, rule));
}

const TO_RULE = "must have exactly one of devices, users, tags, all, tokens, open";

const to = v.pipe(
  fields({
    devices: v.exactOptional(targets(deviceId)),
    users: v.exactOptional(targets(userId)),
    tags: v.exactOptional(targets(tagName)),
    all: v.exactOptional(yes),
    tokens: v.exactOptional(targets(recipientSchema)),
    open: v.exactOptional(yes),
  }),
  v.minEntries(1, TO_RULE),
  v.maxEntries(1, TO_RULE),
);

const SEND_AT_RULE = 'must be a time as RFC 3339 has it, such as "2030-01-31T08:00:00Z"';

/** A notification as callers give it. */
export const notificationSchema = fields({
  app: appName,
  content,
  to,
  ttl: v.exactOptional(whole(0, TTL_SECONDS_MAX, "number of seconds")),
  urgency: v.exactOptional(oneOf(["very-low", "low", "normal", "high"])),
  topic: v.exactOptional(text(1, TOPIC_CHARS_MAX)),
  sendAt: v.exactOptional(v.pipe(v.string(SEND_AT_RULE), v.isoTimestamp(SEND_AT_RULE))),
  ratePerSecond: v.exactOptional(whole(1, RATE_PER_SECOND_MAX, "number of recipients a second")),
  record: v.exactOptional(oneOf(["failures", "all"])),
});

const idempotencyKeySchema = text(1, IDEMPOTENCY_KEY_CHARS_MAX, /^[\x21-\x7e]+$/, "visible ASCII");

/** What a submission is made with. */
export interface SubmissionContext {
  /** The notification's id, a UUID. */
  readonly id: string;
  /** The wall clock. */
  readonly now: number;
  /** The caller's key for repeating the call. */
  readonly idempotencyKey: string | undefined;
  /** Judges subscriptions. */
  readonly checks: SubscriptionChecks;
}

/** A submission that was read, or why there is none. */
export type ReadSubmission =
  | Read<Submission>
  | { readonly kind: "too_many"; readonly message: string };

/** Reads a notification. */
export function readSubmission(body: unknown, context: SubmissionContext): ReadSubmission {
  const { id, now, idempotencyKey, checks } = context;
  const tooMany = excess(body);
  if (tooMany !== undefined) return { kind: "too_many", message: tooMany };
  const key = idempotencyKey === undefined
    ? undefined
    : readInput(idempotencyKeySchema, idempotencyKey);
  if (key?.kind === "problems") {
    return { kind: "problems", problems: below("Idempotency-Key", key.problems) };
  }
  const read = readInput(notificationSchema, body);
  if (read.kind === "problems") return read;
  const input = read.value;
  const sendAt = input.sendAt === undefined ? now : Math.max(now, Date.parse(input.sendAt));
  if (!(sendAt - now <= AHEAD_MS_MAX)) {
    const found = `found ${shown(input.sendAt)}`;
    return invalid("sendAt", `must be at most a year ahead, ${found}`);
  }
  const audience = readAudience(input.to, checks);
  if (audience.kind === "problems") return audience;
  const { ttl: ttlSeconds = TTL_SECONDS_MAX } = input;
  const lifetimeSeconds = ttlSeconds === 0 ? NOW_OR_NEVER_SECONDS : ttlSeconds;
  const said: Content = input.content;
  return {
    kind: "value",
    value: {
      notification: {
        id,
        app: input.app,
        content: said,
        ttlSeconds,
        urgency: input.urgency ?? "normal",
        topic: input.topic,
        createdAt: now,
        sendAt,
        expiresAt: sendAt + lifetimeSeconds * 1_000,
        ratePerSecond: input.ratePerSecond,
        rows: input.record ?? "failures",
      },
      audience: audience.value,
      idempotencyKey,
      digest: digest(body),
    },
  };
}

/** What to say when a call names more targets than one takes. */
function excess(body: unknown): string | undefined {
  const audience = isObject(body) ? body["to"] : undefined;
  if (!isObject(audience)) return undefined;
  for (const kind of ["devices", "users", "tags", "tokens"]) {
    const list = audience[kind];
    if (!Array.isArray(list) || list.length <= TARGETS_MAX) continue;
    return `to.${kind}: ${list.length} targets; split into calls of at most ${TARGETS_MAX}, ` +
      "or open a notification and stream them to it";
  }
  return undefined;
}

function readAudience(
  input: v.InferOutput<typeof to>,
  checks: SubscriptionChecks,
): Read<Audience> {
  const { devices, users, tags, tokens } = input;
  if (devices !== undefined) return audience({ kind: "devices", devices: distinct(devices) });
  if (users !== undefined) return audience({ kind: "users", users: distinct(users) });
  if (tags !== undefined) return audience({ kind: "tags", tags: distinct(tags) });
  if (tokens === undefined) return audience({ kind: input.all === true ? "all" : "open" });
  const recipients: DirectRecipient[] = [];
  const problems: InputProblem[] = [];
  for (const [place, token] of tokens.entries()) {
    const read = recipient(token, checks);
    if (read.kind === "value") recipients.push(read.value);
    else problems.push(...below(`to.tokens[${place}]`, read.problems));
    if (problems.length >= PROBLEMS_MAX) break;
  }
  if (problems.length > 0) return { kind: "problems", problems };
  return audience({ kind: "direct", recipients });
}

function audience(value: Audience): Read<Audience> {
  return { kind: "value", value };
}

function distinct(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}

/** Names what was submitted, whatever the order of its fields. */
function digest(body: unknown): string {
  return createHash("sha256").update(JSON.stringify(body, sorted)).digest("hex");
}

function sorted(_key: string, value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
}
