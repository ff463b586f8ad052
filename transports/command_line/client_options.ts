/**
 * The options of the commands that talk to a node's API, as data for parsing and help.
 *
 * They are arguments only: what is sent once has no variable and no key in a file.
 *
 * @module
 */

import * as client from "./client_kinds.ts";
import {
  durationSeconds,
  type Kind,
  oneOf,
  path,
  port,
  type Setting,
  url,
  wholeNumber,
} from "./setting.ts";

/** Longest time a provider keeps a notification, in seconds: what FCM allows, 28 days. */
const TTL_SECONDS_MAX = 2_419_200;

/** An option, with what its help says holds without it. */
function row<T>(name: string, kind: Kind<T>, description: string, whenAbsent: string) {
  return {
    ...kind,
    name,
    initial: undefined,
    initialText: whenAbsent,
    description,
    show: (value: T | undefined) => value === undefined ? "" : kind.show(value),
  } satisfies Setting<T | undefined>;
}

/** An option that may be given several times, a value each. */
function list(name: string, kind: Kind<string>, description: string) {
  return { ...row(name, kind, description, "repeatable"), repeatable: true };
}

/** The platforms, as the API writes them. */
export const PLATFORM_NAMES = ["apns", "fcm", "webpush"] as const;

/** A platform, as the API writes it. */
export type PlatformName = typeof PLATFORM_NAMES[number];

const PLATFORM: Kind<PlatformName> = oneOf(PLATFORM_NAMES, "PLATFORM");
const ORIGIN = url(["https"], "origin");

/** The app a command is about. */
export const APP: Setting<string | undefined> = row("app", client.appName, "the app", "needed");

/** The platform to resume. */
export const APP_PLATFORM: Setting<PlatformName | undefined> = row(
  "platform",
  PLATFORM,
  "only this platform: apns, fcm or webpush",
  "all",
);

/** Options of `send`. */
export const SEND = {
  toTag: list("to-tag", client.identifier("TAG"), "to devices with this tag"),
  toUser: list("to-user", client.identifier("USER"), "to the devices of this user"),
  toDevice: list("to-device", client.identifier("ID"), "to this device"),
  tokens: row(
    "tokens",
    path("FILE"),
    "to the recipients of an NDJSON file, or of standard input with -: a line each, such as " +
      '{"platform":"apns","token":"…"}',
    "",
  ),
  title: row("title", client.text("TEXT"), "the title", ""),
  body: row("body", client.text("TEXT"), "the text", ""),
  data: row("data", client.jsonObject, "what the app gets beside it, an object", ""),
  payload: row(
    "payload",
    path("FILE"),
    "JSON file with the whole content: title, body, data, and apns, fcm, webpush for what " +
      "differs there; --title, --body and --data win over it",
    "",
  ),
  ttl: row(
    "ttl",
    durationSeconds(0, TTL_SECONDS_MAX),
    "time for which an absent device may still get it",
    "28d",
  ),
  urgency: row(
    "urgency",
    oneOf(["very-low", "low", "normal", "high"] as const, "LEVEL"),
    "very-low, low, normal or high",
    "normal",
  ),
  topic: row(
    "topic",
    client.text("TEXT", 64),
    "replaces an undelivered notification of the same topic",
    "",
  ),
  at: row("at", client.sendTime, "when to begin: 2027-01-31T08:00:00Z, or 10m from now", "now"),
  rate: row(
    "rate",
    wholeNumber({ min: 1, max: 1_000_000 }, ""),
    "recipients a second, at most",
    "as fast as possible",
  ),
  record: row(
    "record",
    oneOf(["failures", "all"] as const, "ROWS"),
    "deliveries to keep a row of: failures or all",
    "failures",
  ),
  idempotencyKey: row(
    "idempotency-key",
    client.idempotencyKey,
    "sends once, however often it is called with this key",
    "",
  ),
};

/** Options of `devices`. */
export const DEVICES = {
  platform: row("platform", PLATFORM, "platform of rows that name none", ""),
  format: row(
    "format",
    oneOf(["ndjson", "csv"] as const, "FORMAT"),
    "ndjson or csv",
    "csv for a name that ends in .csv",
  ),
  user: row("user", client.identifier("USER"), "only this user's devices", "all"),
  tag: row("tag", client.identifier("TAG"), "only devices with this tag", "all"),
  state: row(
    "state",
    oneOf(["active", "invalid"] as const, "STATE"),
    "only devices in this state: active or invalid",
    "all",
  ),
  limit: row("limit", wholeNumber({ min: 1, max: 100_000 }, ""), "devices to list", "100"),
};

/** Options of `apps add`, by the path of what they set in the API's request. */
export const CREDENTIALS = {
  "apns.key": row(
    "apns-key",
    path("FILE"),
    "signing key of Apple's developer site, a .p8 file",
    "",
  ),
  "apns.keyId": row("apns-key-id", client.text("ID", 32), "id of that key", ""),
  "apns.teamId": row("apns-team-id", client.text("ID", 32), "id of the team", ""),
  "apns.certificate": row(
    "apns-certificate",
    path("FILE"),
    "client certificate (PEM), instead of a signing key",
    "",
  ),
  "apns.certificateKey": row(
    "apns-certificate-key",
    path("FILE"),
    "private key (PEM) of that certificate",
    "",
  ),
  "apns.topic": row("apns-topic", client.text("TOPIC"), "bundle id of the iOS app", ""),
  "apns.origin": row(
    "apns-origin",
    ORIGIN,
    "where to send instead of Apple's production, such as https://api.sandbox.push.apple.com",
    "",
  ),
  "fcm.serviceAccount": row(
    "fcm-service-account",
    path("FILE"),
    "service account of Google's console, a JSON file",
    "",
  ),
  "fcm.origin": row("fcm-origin", ORIGIN, "where to send instead of Google's origin", ""),
  "webpush.vapidPrivateKey": row(
    "vapid-private-key-file",
    path("FILE"),
    "file of nothing but the private key that heliograph keys vapid prints",
    "",
  ),
  "webpush.subject": row(
    "vapid-subject",
    client.text("URI"),
    "who is responsible: a mailto: or https: address",
    "",
  ),
};

/** Options of `demo`. */
export const DEMO = {
  recipients: row(
    "recipients",
    wholeNumber({ min: 1, max: 100_000_000 }, ""),
    "how many recipients",
    "1000000",
  ),
  data: row("data", path("DIR"), "folder for the store", "a temporary one, removed at the end"),
  apiPort: row("api-port", port, "port of the API and the monitor", "8082"),
};
