/**
 * Sends to Apple's devices by APNs.
 *
 * @module
 */

export {
  APNS_PRODUCTION_ORIGIN,
  APNS_SANDBOX_ORIGIN,
  checkApnsCredentials,
  type CredentialProblem,
} from "./credentials.ts";
export { apnsProvider, type ApnsProviderOptions } from "./provider.ts";
export type { WallClock } from "./signer.ts";
