/**
 * Reads an app's credentials. Their form is checked here, what a platform makes of them by its own
 * check, which is injected: whether a key is one, and what is in a service account.
 *
 * No problem repeats a value, since every one of them may be a secret in the wrong field.
 *
 * @module
 */

import * as v from "valibot";
import {
  below,
  fields,
  type InputProblem,
  isObject,
  jsonObject,
  type Read,
  readInput,
  text,
} from "./input.ts";
import { NAME_CHARS_MAX, PEM_CHARS_MAX } from "./input_limits.ts";
import type {
  ApnsCredentials,
  Credentials,
  FcmCredentials,
  WebPushCredentials,
} from "./records.ts";

/** What a platform knows of its credentials: everything that is wrong, each path within them. */
export type CredentialCheck<C> = (
  credentials: C,
) => readonly InputProblem[] | Promise<readonly InputProblem[]>;

/** Credentials for Web Push as they are given. */
export interface GivenWebPushCredentials extends WebPushCredentials {
  /** The VAPID public key, to be compared with the private one; it is not kept. */
  readonly vapidPublicKey?: string;
}

/** The platforms' own checks. */
export interface CredentialChecks {
  /** A signing key or certificate with its key. No message repeats a secret. */
  readonly apns: CredentialCheck<ApnsCredentials>;
  /** A service account. */
  readonly fcm: CredentialCheck<FcmCredentials>;
  /** A VAPID key and its subject. */
  readonly webpush: CredentialCheck<GivenWebPushCredentials>;
}

/** An app's name: part of URLs and commands, so no character of it needs a quote anywhere. */
export const appName = text(
  1,
  64,
  /^[a-z0-9][a-z0-9._-]*$/,
  "a name of lower-case letters, digits, dots, dashes and underscores",
);

/** Whether it is an origin, and one to connect to, is its platform's to say. */
const origin = text(1, NAME_CHARS_MAX, /^[\x21-\x7e]+$/, "an origin");

const tenCharacters = text(10, 10, /^[A-Z0-9]+$/, "an id of capital letters and digits");
const pem = text(1, PEM_CHARS_MAX, /^[\x20-\x7e\r\n\t]+$/, "PEM");
const bundle = text(1, NAME_CHARS_MAX, /^[\x21-\x7e]+$/, "a bundle id");

const apnsKey = fields({
  key: pem,
  keyId: tenCharacters,
  teamId: tenCharacters,
  topic: bundle,
  origin: v.exactOptional(origin),
});

const apnsCertificate = fields({
  certificate: pem,
  certificateKey: pem,
  topic: bundle,
  origin: v.exactOptional(origin),
});

/** Credentials for APNs by what they are; for the document, both forms. */
export const APNS_FORMS = [apnsKey, apnsCertificate] as const;

/** Which form is meant shows in its fields, so that problems concern that form alone. */
const apns = v.lazy((input) =>
  isObject(input) && ("certificate" in input || "certificateKey" in input)
    ? apnsCertificate
    : apnsKey
);

/** An app's credentials: those of one platform at least. */
export const credentialsSchema = v.pipe(
  fields({
    apns: v.exactOptional(apns),
    fcm: v.exactOptional(
      fields({ serviceAccount: jsonObject, origin: v.exactOptional(origin) }),
    ),
    webpush: v.exactOptional(fields({
      vapidPrivateKey: text(43, 43, /^[A-Za-z0-9_-]+$/, "a base64url private key"),
      vapidPublicKey: v.exactOptional(text(87, 88, /^[A-Za-z0-9_=-]+$/, "a base64url public key")),
      subject: text(
        1,
        NAME_CHARS_MAX,
        /^(mailto:[\x21-\x7e]+|https:\/\/[\x21-\x7e]+)$/,
        "a mailto: or https: URI",
      ),
    })),
  }),
  v.minEntries(1, "must have at least one of apns, fcm, webpush"),
);

/** Reads an app's credentials and has the platforms look at them. */
export async function readCredentials(
  body: unknown,
  checks: CredentialChecks,
): Promise<Read<Credentials>> {
  const read = readInput(credentialsSchema, body, { secret: true });
  if (read.kind === "problems") return read;
  const { apns, fcm, webpush } = read.value;
  const problems = [
    ...below("apns", await found(apns, checks.apns)),
    ...below("fcm", await found(fcm, checks.fcm)),
    ...below("webpush", await found(webpush, checks.webpush)),
  ];
  if (problems.length > 0) return { kind: "problems", problems };
  return { kind: "value", value: { ...read.value, ...webpush === undefined ? {} : kept(webpush) } };
}

function kept({ vapidPrivateKey, subject }: GivenWebPushCredentials): Credentials {
  return { webpush: { vapidPrivateKey, subject } };
}

async function found<C>(
  credentials: C | undefined,
  check: CredentialCheck<C>,
): Promise<readonly InputProblem[]> {
  return credentials === undefined ? [] : await check(credentials);
}
