/**
 * Reads the `Authorization` of a push in both dialects: `vapid t=…,k=…` (RFC 8292 section 3) and the
 * older `WebPush` or `Bearer` token whose key is the `p256ecdsa` of `Crypto-Key`.
 *
 * @module
 */

import { quoted } from "../http_door/refusal.ts";
import { badEncryption, type PushError, unauthorized } from "./errors.ts";
import { readParameters } from "./headers.ts";
import { findParameter } from "./parameters.ts";
import type { VapidFault } from "./ports.ts";

/** A token and the key that is said to have signed it. Nothing is verified yet. */
export interface Credentials {
  /** Which dialect it came in. */
  readonly draft: "01" | "02";
  /** The JWT. */
  readonly token: string;
  /** The public key, base64 of either alphabet. */
  readonly key: string;
}

/** A VAPID failure: what is answered and what is counted. */
export interface VapidRefusal {
  /** The answer. */
  readonly error: PushError;
  /** The counter. */
  readonly fault: VapidFault;
}

/** Credentials, or why there are none. */
export type Claimed =
  | { readonly ok: true; readonly credentials: Credentials }
  | { readonly ok: false } & VapidRefusal;

/** Reads the header; `cryptoKey` is needed for the older dialect only. */
export function readAuthorization(authorization: string, cryptoKey: string | undefined): Claimed {
  const space = authorization.indexOf(" ");
  if (space < 0) return missingToken();
  const rest = authorization.slice(space + 1).replaceAll(" ", "");
  switch (authorization.slice(0, space).toLowerCase()) {
    case "vapid":
      return readVapid(rest);
    case "bearer":
    case "webpush":
      return rest === "" ? missingToken() : withCryptoKey(rest, cryptoKey);
    default: {
      const seen = quoted(authorization.slice(0, space));
      return refused(
        unauthorized(`Unknown auth scheme: expected vapid, webpush or bearer, found ${seen}`),
        "unknown_scheme",
      );
    }
  }
}

function readVapid(rest: string): Claimed {
  let token: string | undefined;
  let key: string | undefined;
  for (const item of rest.split(",")) {
    if (item.startsWith("t=")) token = unquoted(item.slice(2));
    else if (item.startsWith("k=")) key = unquoted(item.slice(2));
  }
  if (token === undefined || token === "") return missingToken();
  if (key === undefined || key === "") {
    return refused(unauthorized("Missing VAPID public key: expected k= after t="), "missing_key");
  }
  return { ok: true, credentials: { draft: "02", token, key } };
}

function withCryptoKey(token: string, header: string | undefined): Claimed {
  if (header === undefined) {
    return refused(badEncryption("Missing Crypto-Key header"), "invalid_crypto_key");
  }
  const read = readParameters("Crypto-Key", header);
  if (!read.ok) return refused(read.error, "invalid_crypto_key");
  const key = read.value === undefined ? undefined : findParameter(read.value, "p256ecdsa");
  if (key === undefined) {
    return refused(badEncryption("Missing p256ecdsa in Crypto-Key header"), "invalid_crypto_key");
  }
  return { ok: true, credentials: { draft: "01", token, key } };
}

function missingToken(): Claimed {
  return refused(unauthorized("Missing VAPID token: expected vapid t=…,k=…"), "missing_token");
}

function refused(error: PushError, fault: VapidFault): Claimed {
  return { ok: false, error, fault };
}

function unquoted(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
}
