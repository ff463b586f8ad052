/**
 * Wrong credentials for APNs and what is said about them: what was expected, what was found, never
 * the content.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { certificateExpiry, checkApnsCredentials } from "../../../transports/apns/mod.ts";
import { Signer } from "../../../transports/apns/signer.ts";
import type { ApnsCredentials } from "../../../transports/provider/provider.ts";
import { runWell } from "../../support/programs.ts";
import { StandingClock } from "../../support/scripted_connection.ts";
import { type CertificateFiles, makeClientCertificate } from "./client_certificate.ts";
import { newKey, TOKEN_CREDENTIALS } from "./keys.ts";

function pem(
  type: "ec" | "rsa",
  curve = "prime256v1",
  encoding: "pkcs8" | "sec1" = "pkcs8",
): string {
  const { privateKey } = type === "rsa"
    ? generateKeyPairSync("rsa", { modulusLength: 2_048 })
    : generateKeyPairSync("ec", { namedCurve: curve });
  return String(privateKey.export({ type: encoding, format: "pem" }));
}

const KEY = TOKEN_CREDENTIALS.key;
const PUBLIC = String(
  generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey.export({
    type: "spki",
    format: "pem",
  }),
);

/** What the file holds, and what is found in it. */
const KEYS: readonly (readonly [string, string, string])[] = [
  [
    "a certificate",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "a certificate",
  ],
  ["an RSA key", pem("rsa"), "an RSA key"],
  [
    "an RSA key in PKCS#1",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----\n",
    "an RSA key",
  ],
  [
    "an encrypted key",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
    "an encrypted key",
  ],
  [
    "a key encrypted in the old way",
    "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIB\n-----END EC PRIVATE KEY-----\n",
    "an encrypted key",
  ],
  ["a key in SEC 1", pem("ec", "prime256v1", "sec1"), "an EC key that is not in PKCS#8"],
  ["a key on P-384", pem("ec", "secp384r1"), "an EC key on another curve"],
  ["a public key", PUBLIC, "a public key"],
  ["half a key", KEY.slice(0, 90), "a damaged key"],
  ["a JWT", "eyJhbGciOiJFUzI1NiJ9.e30.x", "a text that is not PEM"],
  ["nothing", " \n", "an empty text"],
  ["far too much", KEY.repeat(100), `a text of ${KEY.length * 100} characters`],
];

for (const [name, key, found] of KEYS) {
  Deno.test(`checkApnsCredentials() finds ${name} in place of a key`, () => {
    assertEquals(checkApnsCredentials({ ...TOKEN_CREDENTIALS, key }), [{
      path: "key",
      message: `expected an unencrypted P-256 private key (.p8), found ${found}`,
    }]);
  });
}

Deno.test("checkApnsCredentials() takes keys with either line end", () => {
  assertEquals(checkApnsCredentials(TOKEN_CREDENTIALS), []);
  const key = KEY.replaceAll("\n", "\r\n");
  assertEquals(checkApnsCredentials({ ...TOKEN_CREDENTIALS, key }), []);
});

Deno.test("checkApnsCredentials() takes a key in the form Apple hands out, and it signs", async () => {
  // Apple's files repeat the curve inside of the key (RFC 5915 section 3); few other programs do.
  const jwk = createPrivateKey(KEY).export({ format: "jwk" });
  const bytes = (text = "") => [...Uint8Array.fromBase64(text, { alphabet: "base64url" })];
  const item = (tag: number, content: readonly number[]) =>
    content.length < 128
      ? [tag, content.length, ...content]
      : [tag, 0x81, content.length, ...content];
  const curve = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
  const publicKey = item(0x03, [0, 4, ...bytes(jwk.x), ...bytes(jwk.y)]);
  const privateKey = item(0x30, [
    ...[2, 1, 1, ...item(0x04, bytes(jwk.d))],
    ...[...item(0xa0, curve), ...item(0xa1, publicKey)],
  ]);
  const ecPublicKey = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
  const algorithm = item(0x30, [...ecPublicKey, ...curve]);
  const der = item(0x30, [2, 1, 0, ...algorithm, ...item(0x04, privateKey)]);
  const base64 = new Uint8Array(der).toBase64();
  const lines = base64.match(/.{1,64}/g) ?? [];
  const key = ["-----BEGIN PRIVATE KEY-----", ...lines, "-----END PRIVATE KEY-----"].join("\n");
  assert(key.includes("MIGTAgEAMBMGByqGSM49"));
  const credentials = { ...TOKEN_CREDENTIALS, key };
  assertEquals(checkApnsCredentials(credentials), []);
  assert((await new Signer(credentials, new StandingClock()).token()).startsWith("eyJ"));
});

const ID = "expected ten capital letters and digits, found";
const TOPIC = 'expected a bundle id such as "com.example.app", found';
const ORIGIN = "expected an https origin without a path, or http on loopback, found";

Deno.test("checkApnsCredentials() names each field that is wrong, and what it saw", () => {
  const rows:
    readonly (readonly [Partial<typeof TOKEN_CREDENTIALS | ApnsCredentials>, object[]])[] = [
      [{ keyId: "KEYID0000" }, [{ path: "keyId", message: `${ID} "KEYID0000"` }]],
      [{ teamId: "teamid0001" }, [{ path: "teamId", message: `${ID} "teamid0001"` }]],
      [{ topic: "" }, [{ path: "topic", message: `${TOPIC} ""` }]],
      [{ topic: "com.a\nb" }, [{ path: "topic", message: `${TOPIC} "com.a?b"` }]],
      [{ origin: "http://push.example" }, [{
        path: "origin",
        message: `${ORIGIN} "http://push.example"`,
      }]],
      [{ origin: "https://push.example/3" }, [{
        path: "origin",
        message: `${ORIGIN} "https://push.example/3"`,
      }]],
      [{ origin: "https://user:secret@push.example" }, [{
        path: "origin",
        message: `${ORIGIN} "(with user info)"`,
      }]],
      [{ origin: "push.example" }, [{ path: "origin", message: `${ORIGIN} "push.example"` }]],
      [{ origin: "http://127.0.0.1:8080" }, []],
      [{ origin: "http://[::1]:8080" }, []],
      [{ origin: "http://localhost:8080/" }, []],
      [{ origin: "https://api.sandbox.push.apple.com" }, []],
    ];
  for (const [fields, problems] of rows) {
    assertEquals<unknown>(
      checkApnsCredentials({ ...TOKEN_CREDENTIALS, ...fields }),
      problems,
      Deno.inspect(fields),
    );
  }
});

Deno.test("checkApnsCredentials() names all problems at once", () => {
  const found = checkApnsCredentials({ key: "", keyId: "", teamId: "", topic: "", origin: "" });
  assertEquals(found.map(({ path }) => path), ["key", "keyId", "teamId", "topic", "origin"]);
});

Deno.test("checkApnsCredentials() checks a certificate and that the key is its own", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const files: CertificateFiles = await makeClientCertificate(folder);
    const { certificate, key: certificateKey } = files;
    const good = { certificate, certificateKey, topic: "com.example.app" };
    const later = Date.now() + 3 * 86_400_000;
    const rows:
      readonly (readonly [ApnsCredentials, number, readonly (readonly [string, string])[]])[] = [
        [good, Date.now(), []],
        [{ ...good, certificate: certificate.replaceAll("\n", "\r\n") }, Date.now(), []],
        [good, later, [["certificate", "found one that ended on"]]],
        [{ ...good, certificateKey: newKey() }, Date.now(), [[
          "certificateKey",
          "found another's",
        ]]],
        [{ ...good, certificateKey: certificate }, Date.now(), [[
          "certificateKey",
          "found a certificate",
        ]]],
        [{ ...good, certificate: certificateKey }, Date.now(), [[
          "certificate",
          "found a private key",
        ]]],
        [{ ...good, certificate: "x" }, Date.now(), [["certificate", "found a text without one"]]],
        [{ ...good, certificate: certificate.slice(0, 200) }, Date.now(), [[
          "certificate",
          "found a damaged one",
        ]]],
      ];
    for (const [credentials, now, expected] of rows) {
      const found = checkApnsCredentials(credentials, now);
      assertEquals(found.map(({ path }) => path), expected.map(([path]) => path));
      for (const [index, [, text]] of expected.entries()) {
        const message = found[index]?.message ?? "";
        assert(message.includes(text), message);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("certificateExpiry() is the end of the first certificate, and nothing for what has none", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { certificate, key: certificateKey } = await makeClientCertificate(folder);
    const good = { certificate, certificateKey, topic: "com.example.app" };
    const said = await runWell("openssl", [
      ...["x509", "-noout", "-enddate", "-in", `${folder}/client.pem`],
    ]);
    const end = Date.parse(said.replace("notAfter=", ""));
    const other = newKey();
    assertEquals(certificateExpiry(good), end);
    assertEquals(certificateExpiry({ ...good, certificate: certificate + certificate }), end);
    assertEquals(certificateExpiry({ ...good, certificate: other }), undefined);
    assertEquals(certificateExpiry(TOKEN_CREDENTIALS), undefined);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("checkApnsCredentials() shows nothing of a key", () => {
  const secret = KEY.split("\n")[1]?.slice(0, 20) ?? "";
  const damaged = KEY.replace("-----END", "----END");
  for (const key of [damaged, KEY.slice(0, 100), secret, `${KEY}${KEY}`]) {
    const text = JSON.stringify(checkApnsCredentials({ ...TOKEN_CREDENTIALS, key, topic: "" }));
    assert(!text.includes(secret), text);
  }
});
