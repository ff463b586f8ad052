/**
 * Reads devices and direct recipients: APNs and FCM tokens as they are, subscriptions of browsers with
 * their keys.
 *
 * What a token looks like is its provider's business: a wrong one becomes a rejected delivery. A
 * subscription names a URL we are going to connect to, and keys we encrypt for, so both are judged
 * here: the URL by a check that is injected, the keys as RFC 8291 section 2.1 has them.
 *
 * @module
 */

import * as v from "valibot";
import { appName } from "./app_input.ts";
import {
  below,
  fields,
  type InputProblem,
  isObject,
  oneOf,
  type Read,
  readInput,
  text,
} from "./input.ts";
import {
  AUTH_BYTES,
  ENDPOINT_CHARS_MAX,
  ID_CHARS_MAX,
  KEY_CHARS_MAX,
  POINT_BYTES,
  TAG_CHARS_MAX,
  TAGS_MAX,
  TOKEN_CHARS_MAX,
  USER_CHARS_MAX,
} from "./input_limits.ts";
import { type DeviceRecord, type DirectRecipient, PLATFORMS } from "./records.ts";

/** What is known of browsers' subscriptions. */
export interface SubscriptionChecks {
  /** What is wrong with an endpoint URL as a place to connect to, without its name being looked up. */
  endpoint(url: string): string | undefined;
  /** Whether 65 bytes that begin with 4 are a point on P-256. */
  point(bytes: Uint8Array): boolean;
}

/** The id of a device: visible ASCII, so that it can stand in a URL. */
export const deviceId = text(1, ID_CHARS_MAX, /^[\x21-\x7e]+$/, "visible ASCII");

/** The id of a person. */
export const userId = text(1, USER_CHARS_MAX);

/** A tag. */
export const tagName = text(1, TAG_CHARS_MAX);

const tokenPlatform = oneOf(["apns", "fcm"]);

/** `PushSubscription.toJSON()` of a browser; fields we do not know are left alone. */
const subscription = v.object({
  endpoint: text(1, ENDPOINT_CHARS_MAX),
  keys: v.object(
    { p256dh: text(0, KEY_CHARS_MAX, /^[^]*$/), auth: text(0, KEY_CHARS_MAX, /^[^]*$/) },
    partRule,
  ),
}, partRule);

const TAGS_RULE = `must be a list of at most ${TAGS_MAX} tags`;

const common = {
  app: appName,
  user: v.exactOptional(userId),
  tags: v.exactOptional(
    v.pipe(v.array(tagName, TAGS_RULE), v.maxLength(TAGS_MAX, TAGS_RULE)),
  ),
} as const;

const token = text(1, TOKEN_CHARS_MAX);
const webpush = v.literal("webpush");
const PLATFORM_RULE = `must be one of ${PLATFORMS.join(", ")}`;

/** A device, its id elsewhere. */
export const deviceSchema = v.variant("platform", [
  fields({ ...common, platform: tokenPlatform, token }),
  fields({ ...common, platform: webpush, subscription }),
], platformRule);

/** A device with its id: a row of an import. */
export const deviceRowSchema = v.variant("platform", [
  fields({ id: deviceId, ...common, platform: tokenPlatform, token }),
  fields({ id: deviceId, ...common, platform: webpush, subscription }),
], platformRule);

/** A recipient that is no registered device; even an empty token is its provider's to refuse. */
export const recipientSchema = v.variant("platform", [
  fields({ platform: tokenPlatform, token: text(0, TOKEN_CHARS_MAX) }),
  fields({ platform: webpush, subscription }),
], platformRule);

/** What is read when the platform does not say which fields there should be. */
const rowWithoutPlatform = v.looseObject({ id: deviceId, ...common }, partRule);

/** Reads a device whose id is known. */
export function readDevice(
  id: string,
  body: unknown,
  checks: SubscriptionChecks,
): Read<DeviceRecord> {
  const named = readInput(deviceId, id);
  const read = readInput(deviceSchema, body);
  const problems = [
    ...named.kind === "problems" ? below("id", named.problems) : [],
    ...read.kind === "problems" ? [...read.problems, ...others(body, { id })] : [],
  ];
  if (read.kind === "problems" || problems.length > 0) return { kind: "problems", problems };
  return record({ id, ...read.value }, checks);
}

/** Reads a row of an import. */
export function readDeviceRow(row: unknown, checks: SubscriptionChecks): Read<DeviceRecord> {
  const read = readInput(deviceRowSchema, row);
  if (read.kind === "value") return record(read.value, checks);
  return { kind: "problems", problems: [...read.problems, ...others(row)] };
}

/** Reads a direct recipient. */
export function readRecipient(row: unknown, checks: SubscriptionChecks): Read<DirectRecipient> {
  const read = readInput(recipientSchema, row);
  return read.kind === "value" ? recipient(read.value, checks) : read;
}

/** Turns a recipient that has the right form into what is stored, its subscription judged. */
export function recipient(
  input: v.InferOutput<typeof recipientSchema>,
  checks: SubscriptionChecks,
): Read<DirectRecipient> {
  if (input.platform !== "webpush") {
    return {
      kind: "value",
      value: { platform: input.platform, address: input.token, keys: undefined },
    };
  }
  const { endpoint, keys } = input.subscription;
  const p256dh = decode(keys.p256dh, POINT_BYTES);
  const auth = decode(keys.auth, AUTH_BYTES);
  const problems: InputProblem[] = [];
  const add = (path: string, message: string | undefined) => {
    if (message !== undefined) problems.push({ path: `subscription.${path}`, message });
  };
  add("endpoint", checks.endpoint(endpoint));
  add("keys.p256dh", p256dh.problem ?? pointProblem(p256dh.bytes, checks));
  add("keys.auth", auth.problem);
  if (problems.length > 0) return { kind: "problems", problems };
  const both = new Uint8Array(POINT_BYTES + AUTH_BYTES);
  both.set(p256dh.bytes);
  both.set(auth.bytes, POINT_BYTES);
  return { kind: "value", value: { platform: "webpush", address: endpoint, keys: both } };
}

function record(
  input: v.InferOutput<typeof deviceRowSchema>,
  checks: SubscriptionChecks,
): Read<DeviceRecord> {
  const read = recipient(input, checks);
  if (read.kind === "problems") return read;
  const { id, app, user, tags = [] } = input;
  return { kind: "value", value: { id, app, user, tags: [...new Set(tags)], ...read.value } };
}

/** What else is wrong with a device whose platform is, so that all problems are told at once. */
function others(row: unknown, known: { readonly id?: string } = {}): readonly InputProblem[] {
  if (!isObject(row) || PLATFORMS.some((platform) => platform === row["platform"])) return [];
  const read = readInput(rowWithoutPlatform, { ...known, ...row });
  return read.kind === "problems" ? read.problems : [];
}

function platformRule(issue: v.VariantIssue): string {
  if (issue.path === undefined) return "must be an object";
  return PLATFORM_RULE;
}

function partRule(issue: v.BaseIssue<unknown>): string {
  return issue.path === undefined ? "must be an object" : "missing";
}

/** Decodes base64url of a known length, padded or not (RFC 4648 section 5). */
function decode(
  encoded: string,
  bytesExpected: number,
): { readonly bytes: Uint8Array; readonly problem?: string } {
  const plain = encoded.replace(/={1,2}$/, "");
  const wrong = plain.search(/[^A-Za-z0-9_-]/);
  const none = new Uint8Array(0);
  if (wrong >= 0) return { bytes: none, problem: `not base64url at position ${wrong + 1}` };
  if (plain.length % 4 === 1) return { bytes: none, problem: "not base64url: cut off" };
  const bytes = Uint8Array.fromBase64(plain, { alphabet: "base64url" });
  if (bytes.length === bytesExpected) return { bytes };
  return { bytes, problem: `${bytesExpected} bytes expected, ${bytes.length} found` };
}

function pointProblem(bytes: Uint8Array, checks: SubscriptionChecks): string | undefined {
  if (bytes[0] !== 4) return "uncompressed point expected";
  return checks.point(bytes) ? undefined : "not a point on P-256";
}
