/**
 * Credentials for APNs: what is wrong with them, told when they are entered; and what of them names a
 * connection.
 *
 * @module
 */

import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { quoted } from "../http_door/refusal.ts";
import { parseOrigin } from "../provider/origin.ts";
import { readPrivateKey } from "../provider/pem.ts";
import type { ApnsCredentials } from "../provider/provider.ts";
import { CERTIFICATE_CHARACTERS_MAX, TOPIC_CHARACTERS_MAX } from "./limits.ts";

/** Something wrong with credentials, in words without secrets. */
export interface CredentialProblem {
  /** The field, such as `keyId`. */
  readonly path: string;
  /** What was expected and what was found. */
  readonly message: string;
}

/** Apple's production origin. */
export const APNS_PRODUCTION_ORIGIN = "https://api.push.apple.com";

/** Apple's development origin, where tokens of apps run from Xcode are valid. */
export const APNS_SANDBOX_ORIGIN = "https://api.sandbox.push.apple.com";

/**
 * What is wrong with these credentials; nothing when they can be used. Whether Apple accepts them only
 * Apple knows.
 *
 * @param credentials As they are to be stored.
 * @param now The wall clock in milliseconds, for the certificate's validity.
 */
export function checkApnsCredentials(
  credentials: ApnsCredentials,
  now: number = Date.now(),
): readonly CredentialProblem[] {
  const problems: CredentialProblem[] = [];
  if ("key" in credentials) {
    const read = readPrivateKey(credentials.key);
    const found = read.kind === "key" ? read.name : read.found;
    if (found !== "a P-256 key") {
      const message = `expected an unencrypted P-256 private key (.p8), found ${found}`;
      problems.push({ path: "key", message });
    }
    problems.push(...checkId("keyId", credentials.keyId), ...checkId("teamId", credentials.teamId));
  } else {
    problems.push(...checkCertificate(credentials, now));
  }
  const topic = checkTopic(credentials.topic);
  if (topic !== undefined) problems.push({ path: "topic", message: topic });
  const origin = parseOrigin(credentials.origin ?? APNS_PRODUCTION_ORIGIN);
  if (origin.kind === "problem") problems.push({ path: "origin", message: origin.message });
  return problems;
}

/** Why a text cannot be an `apns-topic`; `undefined` when it can. */
export function checkTopic(text: string): string | undefined {
  const fits = text.length <= TOPIC_CHARACTERS_MAX && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text);
  return fits ? undefined : `expected a bundle id such as "com.example.app", found ${quoted(text)}`;
}

/** When the certificate among the credentials ends, in milliseconds since 1970; `undefined` for a signing key. */
export function certificateExpiry(credentials: ApnsCredentials): number | undefined {
  if ("key" in credentials) return undefined;
  const certificate = readCertificate(credentials.certificate);
  return typeof certificate === "string" ? undefined : Date.parse(certificate.validTo);
}

/** Names the credentials for pools and signers: the same for all who use the same ones, and for nobody else. */
export function credentialsName(credentials: ApnsCredentials): string {
  const secret = "key" in credentials
    ? `${credentials.keyId} ${credentials.teamId} ${credentials.key}`
    : `${credentials.certificate} ${credentials.certificateKey}`;
  const digest = createHash("sha256").update(secret).digest("base64url").slice(0, 22);
  return "key" in credentials
    ? `${credentials.teamId} ${credentials.keyId} ${digest}`
    : `certificate ${digest}`;
}

function checkId(path: "keyId" | "teamId", text: string): readonly CredentialProblem[] {
  if (/^[A-Z0-9]{10}$/.test(text)) return [];
  const message = `expected ten capital letters and digits, found ${quoted(text)}`;
  return [{ path, message }];
}

function checkCertificate(
  credentials: Extract<ApnsCredentials, { readonly certificate: string }>,
  now: number,
): readonly CredentialProblem[] {
  const problems: CredentialProblem[] = [];
  const read = readPrivateKey(credentials.certificateKey);
  if (read.kind === "other") {
    const message = `expected an unencrypted private key in PKCS#8 PEM, found ${read.found}`;
    problems.push({ path: "certificateKey", message });
  }
  const certificate = readCertificate(credentials.certificate);
  if (typeof certificate === "string") {
    const message = `expected a certificate in PEM, found ${certificate}`;
    return [...problems, { path: "certificate", message }];
  }
  if (Date.parse(certificate.validTo) <= now) {
    const message = `expected a certificate that is valid, found one that ended on ` +
      new Date(certificate.validTo).toISOString().slice(0, 10);
    problems.push({ path: "certificate", message });
  }
  if (read.kind === "key") {
    const spki = { type: "spki", format: "pem" } as const;
    const own = createPublicKey(read.key).export(spki);
    if (certificate.publicKey.export(spki) !== own) {
      const message = "expected the private key of the certificate, found another's";
      problems.push({ path: "certificateKey", message });
    }
  }
  return problems;
}

/** The first certificate of the text, or what the text is instead. */
function readCertificate(pem: string): X509Certificate | string {
  if (pem.length > CERTIFICATE_CHARACTERS_MAX) return `a text of ${pem.length} characters`;
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) return "a private key";
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) return "a text without one";
  try {
    return new X509Certificate(pem);
  } catch {
    // The library's message says which parser gave up, which helps nobody.
    return "a damaged one";
  }
}
