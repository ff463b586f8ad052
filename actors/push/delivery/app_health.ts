/**
 * How an app's credentials do, as far as this node knows: until when they are good, when a token was
 * last got with them, and what last went wrong.
 *
 * Platforms keep this for the credentials in use and forget it with them; here it is asked for and made
 * a view. Nothing of it is stored: another node may know better, and a new start knows nothing.
 *
 * @module
 */

import type {
  ApnsCredentials,
  Credentials,
  FcmCredentials,
  Platform,
  WebPushCredentials,
} from "./records.ts";

/** What is known of the tokens of some credentials; times are milliseconds since 1970. */
export interface TokenReport {
  /** The newest token; `undefined` when none was got since the start. */
  readonly token: { readonly refreshedAt: number; readonly expiresAt: number } | undefined;
  /** The last time that no token was to be had, or that a fresh one was refused. */
  readonly failure: { readonly at: number; readonly reason: string } | undefined;
}

/** What platforms know of credentials; no answer has a secret in it. */
export interface CredentialReports {
  /** When the certificate among them ends, in milliseconds since 1970; `undefined` when there is none. */
  certificateExpiry(credentials: ApnsCredentials): number | undefined;
  /** A signing key's tokens; `undefined`, as below, when they were not used. */
  apns(credentials: ApnsCredentials): TokenReport | undefined;
  /** A service account's tokens. */
  fcm(credentials: FcmCredentials): TokenReport | undefined;
  /** A VAPID key's tokens. */
  webpush(credentials: WebPushCredentials): TokenReport | undefined;
}

/** How the credentials for one platform do. */
export interface CredentialHealthView {
  /** When their certificate ends; `null` when they have none. */
  readonly certificateExpiresAt: string | null;
  /** The newest token that this node got with them; `null` when it got none since its start. */
  readonly token: { readonly refreshedAt: string; readonly expiresAt: string | null } | null;
  /** The last time that this node could get none, or that a fresh one was refused. */
  readonly failure: { readonly at: string; readonly reason: string } | null;
}

/** How an app's credentials do, by platform. */
export type HealthView = Readonly<Partial<Record<Platform, CredentialHealthView>>>;

/** How these credentials do. */
export function healthView(
  { apns, fcm, webpush }: Credentials,
  reports: CredentialReports,
): HealthView {
  return {
    ...apns && { apns: view(reports.apns(apns), reports.certificateExpiry(apns)) },
    ...fcm && { fcm: view(reports.fcm(fcm)) },
    ...webpush && { webpush: view(reports.webpush(webpush)) },
  };
}

function view(report: TokenReport | undefined, expiry?: number): CredentialHealthView {
  const { token, failure } = report ?? {};
  return {
    certificateExpiresAt: expiry === undefined ? null : time(expiry),
    token: token === undefined
      ? null
      : { refreshedAt: time(token.refreshedAt), expiresAt: time(token.expiresAt) },
    failure: failure === undefined ? null : { at: time(failure.at), reason: failure.reason },
  };
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
