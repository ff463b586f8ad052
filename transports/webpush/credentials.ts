/**
 * Checks Web Push credentials when they are given: most push services refuse a wrong one with the same
 * `BadJwtToken` or 401, after a notification was accepted, and say no more.
 *
 * @module
 */

import { quoted } from "../http_door/refusal.ts";
import type { WebPushCredentials } from "../provider/provider.ts";
import { readVapidKey } from "./vapid_signer.ts";

/** Something wrong with credentials. */
export interface CredentialProblem {
  /** The field. */
  readonly path: string;
  /** What it must be, and what was found unless that is a secret. */
  readonly message: string;
}

/** Credentials as they are given: with the public key, too, where somebody has both. */
export interface GivenWebPushCredentials extends WebPushCredentials {
  /** The VAPID public key, base64url; to be checked against the private one. */
  readonly vapidPublicKey?: string;
}

/** What is wrong with credentials; nothing when push services can accept them. The key is never repeated. */
export function checkWebPushCredentials(
  credentials: GivenWebPushCredentials,
): readonly CredentialProblem[] {
  const problems: CredentialProblem[] = [];
  const { vapidPrivateKey, vapidPublicKey, subject } = credentials;
  const key = readVapidKey(vapidPrivateKey);
  if (key === undefined) {
    const message = "must be a P-256 private key of 32 bytes in base64url, 43 characters; found " +
      `${vapidPrivateKey.length} characters`;
    problems.push({ path: "vapidPrivateKey", message });
  } else if (vapidPublicKey !== undefined) {
    const own = key.publicKey.toString("base64url");
    if (vapidPublicKey.replace(/=+$/, "") !== own) {
      const message = `does not belong to vapidPrivateKey, whose public key is "${own}"`;
      problems.push({ path: "vapidPublicKey", message });
    }
  }
  const subjectProblem = checkSubject(subject);
  if (subjectProblem !== undefined) {
    problems.push({
      path: "subject",
      message: `${subjectProblem}; found ${quoted(subject)}`,
    });
  }
  return problems;
}

/** What is wrong with a subject (RFC 8292 section 2.1, and what Apple refuses beyond it). */
function checkSubject(subject: string): string | undefined {
  if (/[\s<>]/.test(subject)) return "must have no spaces and no angle brackets";
  if (/^mailto:mailto:/i.test(subject)) return 'must have "mailto:" once';
  const host = /^mailto:[^@:]+@([^@]+)$/.exec(subject)?.[1] ?? httpsHost(subject);
  if (host === undefined) {
    return 'must be a URI such as "mailto:push@example.org" or "https://example.org/contact"';
  }
  if (/^localhost$|\.localhost$/i.test(host)) return "must not be at localhost: Apple refuses that";
  return undefined;
}

function httpsHost(subject: string): string | undefined {
  if (!subject.startsWith("https://")) return undefined;
  return URL.parse(subject)?.hostname;
}
