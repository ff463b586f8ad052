/**
 * Sends Web Push messages: RFC 8030, 8188, 8291 and 8292, to the services of the browsers' makers and to
 * those that people run themselves.
 *
 * @module
 */

export type * from "../http2/exchange.ts";
export type { Connect, ConnectTarget } from "../provider/connect.ts";
export type { PayloadSize, Previewed } from "../provider/preview.ts";
export type * from "../provider/provider.ts";
export type { ReportingProvider, TokenHealth } from "../provider/token_health.ts";
export {
  checkWebPushCredentials,
  type CredentialProblem,
  type GivenWebPushCredentials,
} from "./credentials.ts";
export type { Bytes, CryptoName, MessageCrypto } from "./crypto.ts";
export type { EncryptedBlock } from "./encrypt.ts";
export {
  type Encryption,
  type EncryptionOptions,
  EncryptionThreads,
  inlineEncryption,
} from "./encryption.ts";
export {
  type CheckedEndpoint,
  EndpointPolicy,
  type EndpointPolicyOptions,
  type PushOrigin,
} from "./endpoint.ts";
export { pushServiceConnect, type PushServiceConnectOptions } from "./connect.ts";
export { previewWebPush, type WebPushPreview } from "./preview.ts";
export { webPushProvider, type WebPushProviderOptions } from "./provider.ts";
export type { WallClock } from "./vapid_signer.ts";
export type { Vendor, VendorName } from "./vendors.ts";
