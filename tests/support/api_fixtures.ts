/**
 * What tests of the API put into it: credentials that are good, with secrets that can be looked for,
 * and subscriptions.
 *
 * @module
 */

import { createECDH, generateKeyPairSync } from "node:crypto";

/** Credentials for all platforms, and the secrets in them. */
export interface PlantedCredentials {
  /** As the API takes them. */
  readonly body: {
    readonly apns: Readonly<Record<string, string>>;
    readonly fcm: { readonly serviceAccount: Readonly<Record<string, string>> };
    readonly webpush: Readonly<Record<string, string>>;
  };
  /** The VAPID public key that belongs to the private one. */
  readonly vapidPublicKey: string;
  /** Texts that must never come out again. */
  readonly secrets: readonly string[];
}

let planted: PlantedCredentials | undefined;

/** The credentials of this process; keys take a while to make. */
export function plantedCredentials(): PlantedCredentials {
  planted ??= makeCredentials();
  return planted;
}

function makeCredentials(): PlantedCredentials {
  const pem = { type: "pkcs8", format: "pem" } as const;
  const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export(pem).toString();
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export(pem).toString();
  const vapid = createECDH("prime256v1");
  vapid.generateKeys();
  const vapidPrivateKey = vapid.getPrivateKey("base64url").padStart(43, "A");
  return {
    body: {
      apns: { key, keyId: "ABC123DEFG", teamId: "DEF123GHIJ", topic: "com.example.shop" },
      fcm: {
        serviceAccount: {
          type: "service_account",
          project_id: "shop-1",
          private_key_id: "0123456789abcdef0123456789abcdef01234567",
          private_key: rsa,
          client_email: "push@shop-1.iam.gserviceaccount.com",
          client_id: "1",
          token_uri: "https://oauth2.googleapis.com/token",
        },
      },
      webpush: { vapidPrivateKey, subject: "mailto:push@example.org" },
    },
    vapidPublicKey: vapid.getPublicKey("base64url"),
    secrets: [bodyOf(key), bodyOf(rsa), vapidPrivateKey],
  };
}

/** A line from the middle of a PEM. */
function bodyOf(pem: string): string {
  return pem.split("\n")[1] ?? pem;
}

/** A browser's subscription. */
export interface SubscriptionJson {
  readonly endpoint: string;
  readonly expirationTime: null;
  readonly keys: { readonly p256dh: string; readonly auth: string };
}

const POINT = createECDH("prime256v1").generateKeys("base64url");

/** A subscription as `PushSubscription.toJSON()` gives it, with differences in its keys. */
export function subscriptionJson(
  differences: Partial<SubscriptionJson["keys"] & { readonly endpoint: string }> = {},
): SubscriptionJson {
  const { endpoint = "https://updates.push.services.mozilla.com/wpush/v2/abc", ...keys } =
    differences;
  return {
    endpoint,
    expirationTime: null,
    keys: { p256dh: POINT, auth: "AAECAwQFBgcICQoLDA0ODw", ...keys },
  };
}
