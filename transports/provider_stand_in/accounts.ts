/**
 * Makes what a sender and a stand-in have to agree on: keys and accounts.
 *
 * @module
 */

import { createECDH, generateKeyPairSync, randomBytes } from "node:crypto";
import type { Credentials } from "../provider/provider.ts";
import type { Accounts } from "./messages.ts";
import type { Origins } from "./stand_in.ts";

/** What a browser tells of its keys, base64url (RFC 8291 section 2). */
export interface ReceiverKeys {
  /** Its public key, 65 bytes. */
  readonly p256dh: string;
  /** Its authentication secret, 16 bytes. */
  readonly auth: string;
}

/** Keys that were made for one stand-in. */
export interface MadeAccounts {
  /** What the stand-in is told. */
  readonly accounts: Accounts;
  /** The keys of every Web Push recipient. */
  readonly receiver: ReceiverKeys;
  /** The VAPID public key, base64url. */
  readonly vapidPublicKey: string;
  /** What the sender's app is told, when it is known where the stand-in is. */
  credentials(origins: Origins): Required<Credentials>;
}

const APNS = { keyId: "STANDIN001", teamId: "HELIOGRAPH", topic: "org.example.heliograph" };
const PROJECT = "heliograph-stand-in";
const CLIENT_EMAIL = `sender@${PROJECT}.iam.gserviceaccount.com`;
const SUBJECT = "mailto:operator@example.org";

/** Makes keys and accounts; takes a moment, for the RSA key. */
export function makeAccounts(): MadeAccounts {
  const apns = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const fcm = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const vapid = createECDH("prime256v1");
  const vapidPublicKey = vapid.generateKeys().toString("base64url");
  const receiver = createECDH("prime256v1");
  const auth = randomBytes(16);
  const p256dh = receiver.generateKeys().toString("base64url");
  const accounts: Accounts = {
    apns: { ...APNS, publicKey: pem(apns.publicKey.export({ type: "spki", format: "pem" })) },
    fcm: {
      projectId: PROJECT,
      clientEmail: CLIENT_EMAIL,
      publicKey: pem(fcm.publicKey.export({ type: "spki", format: "pem" })),
    },
    webpush: {
      receiver: {
        privateKey: receiver.getPrivateKey().toString("base64url"),
        auth: auth.toString("base64url"),
      },
      vapidPublicKey,
    },
  };
  const apnsKey = pem(apns.privateKey.export({ type: "pkcs8", format: "pem" }));
  const fcmKey = pem(fcm.privateKey.export({ type: "pkcs8", format: "pem" }));
  const vapidPrivateKey = vapid.getPrivateKey().toString("base64url");
  return {
    accounts,
    receiver: { p256dh, auth: auth.toString("base64url") },
    vapidPublicKey,
    credentials: (origins) => ({
      apns: { ...APNS, key: apnsKey, origin: origins.apns },
      fcm: {
        serviceAccount: {
          type: "service_account",
          project_id: PROJECT,
          private_key_id: "1",
          private_key: fcmKey,
          client_email: CLIENT_EMAIL,
          token_uri: `${origins.fcm}/token`,
        },
        origin: origins.fcm,
      },
      webpush: { vapidPrivateKey, subject: SUBJECT },
    }),
  };
}

/** Node's types know a PEM export as text or bytes; it is text. */
function pem(exported: string | Uint8Array): string {
  return typeof exported === "string" ? exported : new TextDecoder().decode(exported);
}
