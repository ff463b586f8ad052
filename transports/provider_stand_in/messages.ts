/**
 * What a stand-in's handle and its thread say to each other.
 *
 * @module
 */

import type { Platform } from "../provider/provider.ts";
import type { ApnsAccount } from "./apns.ts";
import type { Behaviour, Seen } from "./behaviour.ts";
import type { ServiceAccount } from "./oauth.ts";
import type { Tls } from "./server.ts";
import type { WebPushAccount } from "./web_push.ts";

/** Whom the stand-in knows. */
export interface Accounts {
  /** At Apple. */
  readonly apns: ApnsAccount;
  /** At Google. */
  readonly fcm: ServiceAccount;
  /** At the push service. */
  readonly webpush: WebPushAccount;
}

/** The ports a stand-in listens on. */
export interface Ports {
  /** Apple's. */
  readonly apns: number;
  /** Google's, for messages and tokens. */
  readonly fcm: number;
  /** The push service's. */
  readonly webpush: number;
  /** The same push service's, HTTP/1.1 only. */
  readonly webpushHttp1: number;
}

/** How a stand-in is opened. */
export interface Opening {
  /** Decides which recipient has which fate. */
  readonly seed: number;
  /** Certificate and key; plain TCP without. */
  readonly tls: Tls | undefined;
  /** Whom it knows. */
  readonly accounts: Accounts;
}

/** A change of behaviour: what is named; the rest stays. */
export type Change = Partial<Behaviour>;

/** What is asked of the thread. */
export type Ask =
  | { readonly kind: "open"; readonly opening: Opening }
  | { readonly kind: "behave"; readonly platforms: readonly Platform[]; readonly change: Change }
  | { readonly kind: "seen" }
  | { readonly kind: "look"; readonly platform: Platform; readonly address: string }
  | { readonly kind: "forget" }
  | { readonly kind: "close" };

/** What was seen of one recipient. */
export interface Recipient {
  /** Requests that reached it. */
  readonly requests: number;
  /** How many of them it accepted. */
  readonly accepted: number;
}

/** What the thread answers, in the order of the asks. */
export type Told =
  | { readonly kind: "opened"; readonly ports: Ports }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "done" }
  | { readonly kind: "seen"; readonly seen: Readonly<Record<Platform, Seen>> }
  | { readonly kind: "recipient"; readonly recipient: Recipient };
