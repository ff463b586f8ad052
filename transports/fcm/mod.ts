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
export { type FcmPreview, previewFcm } from "./preview.ts";
export { fcmProvider, type FcmProviderOptions } from "./provider.ts";
export { type Connect, type ConnectTarget, http2Connector } from "../provider/connect.ts";
export type { PayloadSize, Previewed } from "../provider/preview.ts";
export type * from "../provider/provider.ts";
export type { ReportingProvider, TokenHealth } from "../provider/token_health.ts";
export type * from "../http2/exchange.ts";
