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
export { type Connect, type ConnectTarget, http2Connector } from "../provider/connect.ts";
export type * from "../provider/provider.ts";
export type * from "../http2/exchange.ts";
