/**
 * A service account for tests of FCM, made once for each process.
 *
 * @module
 */

import { generateKeyPairSync } from "node:crypto";
import type { JsonObject } from "../../../transports/provider/provider.ts";

const pair = generateKeyPairSync("rsa", { modulusLength: 2_048 });

/** PKCS#8 PEM of its key. */
export const PRIVATE_KEY = String(pair.privateKey.export({ type: "pkcs8", format: "pem" }));

/** SPKI PEM of the other half. */
export const PUBLIC_KEY = String(pair.publicKey.export({ type: "spki", format: "pem" }));

/** The account, as Google's console hands it out. */
export function serviceAccount(fields: JsonObject = {}): JsonObject {
  return {
    type: "service_account",
    project_id: "shop-1",
    private_key_id: "key1",
    private_key: PRIVATE_KEY,
    client_email: "push@shop-1.iam.gserviceaccount.com",
    client_id: "1",
    token_uri: "https://oauth2.googleapis.com/token",
    ...fields,
  };
}
