/**
 * The provider stand-in for tests: keys once for all tests of a process, tokens as senders make them,
 * connections to its origins.
 *
 * @module
 */

import { importPKCS8, SignJWT } from "jose";
import {
  connectHttp2,
  type HttpConnection,
  type RequestBlock,
} from "../../transports/http2/mod.ts";
import {
  type Change,
  type MadeAccounts,
  makeAccounts,
  type Platform,
  recipientAddress,
  type StandIn,
  startStandIn,
  type Tls,
} from "../../transports/provider_stand_in/mod.ts";

/** Keys of all stand-ins of this process. */
export const MADE: MadeAccounts = makeAccounts();

/** How a stand-in of a test is started. */
export interface StandInOptions {
  /** Behaviour from the beginning. */
  readonly change?: Change;
  /** TLS; plain TCP without. */
  readonly tls?: Tls;
  /** Who is who; 1 by default. */
  readonly seed?: number;
}

/** Starts a stand-in with {@linkcode MADE}. */
export async function openStandIn({ change = {}, tls, seed = 1 }: StandInOptions = {}): Promise<
  StandIn
> {
  const standIn = await startStandIn({ seed, accounts: MADE.accounts, tls });
  await standIn.behave(change);
  return standIn;
}

/** What a provider token is made of when it differs from a good one. */
export interface ApnsTokenOptions {
  /** The key's id. */
  readonly keyId?: string;
  /** The team. */
  readonly teamId?: string;
  /** Seconds since it was issued. */
  readonly ageSeconds?: number;
  /** The key, PKCS#8 PEM. */
  readonly key?: string;
}

/** The value of `authorization` for APNs. */
export async function apnsAuthorization(options: ApnsTokenOptions = {}): Promise<string> {
  const { keyId, teamId } = MADE.accounts.apns;
  const credentials = MADE.credentials(NOWHERE).apns;
  const key = "key" in credentials ? credentials.key : "";
  const jwt = new SignJWT({
    iss: options.teamId ?? teamId,
    iat: Math.floor(Date.now() / 1_000) - (options.ageSeconds ?? 0),
  });
  jwt.setProtectedHeader({ alg: "ES256", kid: options.keyId ?? keyId });
  return `bearer ${await jwt.sign(await importPKCS8(options.key ?? key, "ES256"))}`;
}

/** Origins for credentials whose origins do not matter. */
export const NOWHERE = {
  apns: "https://apns.invalid",
  fcm: "https://fcm.invalid",
  webpush: "https://push.invalid",
  webpushHttp1: "https://push1.invalid",
} as const;

/** Connects to an origin of a stand-in without TLS. */
export async function connectPlain(origin: string): Promise<HttpConnection> {
  const { hostname, port } = new URL(origin);
  return await connectHttp2({ hostname, port: Number(port), security: { kind: "none" } });
}

/** Addresses of the recipients from one number to before another. */
export function addresses(
  platform: Platform,
  from: number,
  to: number,
  standIn: StandIn,
): readonly string[] {
  return Array.from(
    { length: to - from },
    (_, i) => recipientAddress(platform, from + i, standIn.origins),
  );
}

/** A block of alerts to these devices. */
export function alerts(tokens: readonly string[], authorization: string): RequestBlock {
  const shared = [
    { name: "apns-topic", value: MADE.accounts.apns.topic, indexing: "indexed" },
    { name: "apns-push-type", value: "alert", indexing: "indexed" },
    { name: "authorization", value: authorization, indexing: "literal" },
  ] as const;
  return {
    head: { method: "POST", authority: "localhost", fields: shared },
    paths: tokens.map((token) => `/3/device/${token}`),
    fields: [],
    bodies: new TextEncoder().encode('{"aps":{"alert":"hello"}}'),
  };
}
