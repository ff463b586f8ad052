/**
 * Makes what a sender and a stand-in have to agree on: keys, accounts, and the addresses of recipients.
 *
 * @module
 */

import { createECDH, generateKeyPairSync, randomBytes } from "node:crypto";
import type { Credentials, Platform } from "../provider/provider.ts";
import { hashAddress } from "./fate.ts";
import type { Accounts } from "./messages.ts";
import type { Origins } from "./stand_in.ts";

/** Keys that were made for one stand-in. */
export interface MadeAccounts {
  /** What the stand-in is told. */
  readonly accounts: Accounts;
  /** `p256dh` (65 bytes) and `auth` (16 bytes) of every Web Push recipient. */
  readonly receiverKeys: Uint8Array;
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
  const receiverKeys = new Uint8Array([...receiver.generateKeys(), ...auth]);
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
    receiverKeys,
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

/**
 * The address of a recipient by its number: always the same, and as long as real ones are.
 *
 * @param platform Whose recipient.
 * @param number Its number, an integer below 2^32.
 * @param origins Where the stand-in is.
 */
export function recipientAddress(platform: Platform, number: number, origins: Origins): string {
  const digits = digitsOf(number);
  switch (platform) {
    case "apns":
      return digits + digits;
    case "fcm":
      return `${digits.slice(0, 22)}:APA91b${digits.repeat(4)}`;
    case "webpush":
      return `${origins.webpush}/wp/${digits}${digits}`;
  }
}

/** 32 hexadecimal digits that begin with the number's own eight, so that no two are the same. */
function digitsOf(number: number): string {
  const own = number.toString(16).padStart(8, "0");
  const { high, low } = hashAddress(own);
  const more = `${high.toString(16).padStart(8, "0")}${low.toString(16).padStart(8, "0")}`;
  return own + more + more.slice(0, 8);
}

/** Node's types know a PEM export as text or bytes; it is text. */
function pem(exported: string | Uint8Array): string {
  return typeof exported === "string" ? exported : new TextDecoder().decode(exported);
}
