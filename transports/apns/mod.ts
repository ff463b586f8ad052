/**
 * Sends to Apple's devices by APNs.
 *
 * @module
 */

export {
  APNS_PRODUCTION_ORIGIN,
  APNS_SANDBOX_ORIGIN,
  certificateExpiry,
  checkApnsCredentials,
  type CredentialProblem,
} from "./credentials.ts";
export { type ApnsPreview, previewApns } from "./preview.ts";
export { apnsProvider, type ApnsProviderOptions } from "./provider.ts";
export type { WallClock } from "./signer.ts";
export { type Connect, type ConnectTarget, http2Connector } from "../provider/connect.ts";
export type { PayloadSize, Previewed } from "../provider/preview.ts";
export type * from "../provider/provider.ts";
export type { ReportingProvider, TokenHealth } from "../provider/token_health.ts";
export type * from "../http2/exchange.ts";
