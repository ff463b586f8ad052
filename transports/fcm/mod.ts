/**
 * Sends to Google's devices, and to those Google relays to, by FCM.
 *
 * @module
 */

export type { FcmClock } from "./clock.ts";
export {
  checkFcmCredentials,
  type CredentialProblem,
  FCM_ORIGIN,
  GOOGLE_TOKEN_URI,
} from "./credentials.ts";
export { fcmProvider, type FcmProviderOptions } from "./provider.ts";
