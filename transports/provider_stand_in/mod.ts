/**
 * A stand-in for Apple, Google and a push service, errors included, with all that a demonstration or
 * a test needs beside it.
 *
 * ```ts
 * import { makeAccounts, startStandIn } from "./mod.ts";
 *
 * const { accounts } = makeAccounts();
 * await using standIn = await startStandIn({ seed: 1, accounts, tls: undefined });
 * await standIn.behave({ shares: { dead: 0.02, throttled: 0.01 }, goawayEveryMs: 3_000 });
 * const { apns } = await standIn.seen();
 * if (apns.requests !== 0) throw new Error("nobody has sent anything yet");
 * ```
 *
 * @module
 */

export { type MadeAccounts, makeAccounts, type ReceiverKeys } from "./accounts.ts";
export type { ApnsAccount } from "./apns.ts";
export type { Behaviour, Seen } from "./behaviour.ts";
export { type MadeCertificate, makeCertificate } from "./certificate.ts";
export { expectedAnswer, type Fate, FATES, OUTCOME_OF, type Shares } from "./fate.ts";
export type { Accounts, Change, Opening, Ports, Recipient } from "./messages.ts";
export {
  type ExpectedCounts,
  expectedCounts,
  recipientAddress,
  recipientPlatform,
  type RecipientRow,
  recipientRow,
} from "./recipients.ts";
export type { ServiceAccount } from "./oauth.ts";
export type { Tls } from "./server.ts";
export { type Origins, type StandIn, startStandIn } from "./stand_in.ts";
export type { Receiver, WebPushAccount } from "./web_push.ts";
export type {
  ApnsCredentials,
  Credentials,
  FcmCredentials,
  Json,
  JsonObject,
  Platform,
  WebPushCredentials,
} from "../provider/provider.ts";
