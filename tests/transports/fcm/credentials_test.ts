/**
 * Wrong service accounts and what is said about them: the field, what was expected, never the content.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { generateKeyPairSync } from "node:crypto";
import { checkFcmCredentials } from "../../../transports/fcm/mod.ts";
import type { JsonObject } from "../../../transports/provider/provider.ts";
import { PRIVATE_KEY, serviceAccount } from "./account.ts";

const KEY = "expected an unencrypted RSA private key of 2048 bits or more, found";
const EC_KEY = String(
  generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey.export({
    type: "pkcs8",
    format: "pem",
  }),
);

const SHORT_KEY = String(
  generateKeyPairSync("rsa", { modulusLength: 1_024 }).privateKey.export({
    type: "pkcs8",
    format: "pem",
  }),
);

/** Fields that differ, the path of the problem and its text. */
const ROWS: readonly (readonly [string, JsonObject, string, string])[] = [
  ["an EC key", { private_key: EC_KEY }, "private_key", `${KEY} a P-256 key`],
  ["a short key", { private_key: SHORT_KEY }, "private_key", `${KEY} an RSA key of 1024 bits`],
  ["half a key", { private_key: PRIVATE_KEY.slice(0, 300) }, "private_key", `${KEY} a damaged key`],
  ["a text for a key", { private_key: "hunter2" }, "private_key", `${KEY} a text that is not PEM`],
  ["an empty key", { private_key: "" }, "private_key", "expected a text that is not empty"],
  ["a number for a key", { private_key: 7 }, "private_key", "expected a text that is not empty"],
  [
    "another type",
    { type: "authorized_user" },
    "type",
    'expected "service_account", found "authorized_user"',
  ],
  [
    "a project that leaves the path",
    { project_id: "a/../b" },
    "project_id",
    'expected the id of a project, found "a/../b"',
  ],
  [
    "a token endpoint without TLS",
    { token_uri: "http://tokens.example/" },
    "token_uri",
    "expected an https URL, or http on loopback",
  ],
  [
    "a token endpoint with a password",
    { token_uri: "https://a:b@tokens.example/" },
    "token_uri",
    "expected an https URL, or http on loopback",
  ],
  [
    "no URL",
    { token_uri: "token" },
    "token_uri",
    "expected an https URL, or http on loopback",
  ],
];

for (const [name, fields, field, message] of ROWS) {
  Deno.test(`checkFcmCredentials() finds ${name}`, () => {
    assertEquals(checkFcmCredentials({ serviceAccount: serviceAccount(fields) }), [
      { path: `serviceAccount.${field}`, message },
    ]);
  });
}

Deno.test("checkFcmCredentials() names the field that is missing", () => {
  for (const field of ["client_email", "private_key", "project_id"]) {
    const { [field]: _, ...rest } = serviceAccount();
    assertEquals(checkFcmCredentials({ serviceAccount: rest }), [
      { path: `serviceAccount.${field}`, message: "missing" },
    ]);
  }
  assertEquals(checkFcmCredentials({ serviceAccount: {} }).map(({ path }) => path), [
    "serviceAccount.client_email",
    "serviceAccount.private_key",
    "serviceAccount.project_id",
  ]);
});

Deno.test("checkFcmCredentials() takes what Google hands out, and what can be done without", () => {
  const { token_uri: _uri, private_key_id: _id, type: _type, ...rest } = serviceAccount();
  assertEquals(checkFcmCredentials({ serviceAccount: serviceAccount() }), []);
  assertEquals(checkFcmCredentials({ serviceAccount: rest }), []);
  const loopback = { serviceAccount: serviceAccount(), origin: "http://127.0.0.1:9" };
  assertEquals(checkFcmCredentials(loopback), []);
  const crlf = serviceAccount({ private_key: PRIVATE_KEY.replaceAll("\n", "\r\n") });
  assertEquals(checkFcmCredentials({ serviceAccount: crlf }), []);
});

Deno.test("checkFcmCredentials() checks the origin", () => {
  const origin = "http://fcm.example";
  assertEquals(checkFcmCredentials({ serviceAccount: serviceAccount(), origin }), [{
    path: "origin",
    message: `expected an https origin without a path, or http on loopback, found "${origin}"`,
  }]);
});

Deno.test("checkFcmCredentials() shows nothing of a key", () => {
  const secret = PRIVATE_KEY.split("\n")[1] ?? "";
  for (
    const private_key of [PRIVATE_KEY.slice(0, 300), secret, PRIVATE_KEY.replace("-----END", "")]
  ) {
    const text = JSON.stringify(checkFcmCredentials({ serviceAccount: { private_key } }));
    assert(!text.includes(secret.slice(0, 20)), text);
  }
});
