/**
 * A certificate for a listener on loopback, and the authority that signed it, made on the spot: a
 * demonstration has to run where there is no `openssl`.
 *
 * Only what RFC 5280 asks of these two certificates, in DER (ITU-T X.690). Why not a library: those for
 * X.509 bring a dozen packages and one that patches `Reflect`, for the seventy lines below.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import type { Tls } from "./server.ts";

/** A listener's certificate and the root to trust for it. */
export interface MadeCertificate {
  /** For the listener. */
  readonly tls: Tls;
  /** For its clients: the authority's certificate, PEM. */
  readonly caPem: string;
}

/** Tags of DER. */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  /** Context-specific and constructed: the version and the extensions of a certificate. */
  version: 0xa0,
  extensions: 0xa3,
  /** The kinds of a subject alternative name (RFC 5280 section 4.2.1.6). */
  dnsName: 0x82,
  ipAddress: 0x87,
  /** In an authority key identifier (section 4.2.1.1). */
  keyIdentifier: 0x80,
} as const;

/** Object identifiers, encoded. */
const OID = {
  ecdsaWithSha256: oid("2a8648ce3d040302"),
  commonName: oid("550403"),
  subjectKeyIdentifier: oid("551d0e"),
  keyUsage: oid("551d0f"),
  subjectAltName: oid("551d11"),
  basicConstraints: oid("551d13"),
  authorityKeyIdentifier: oid("551d23"),
} as const;

/** Says that who does not know an extension must refuse the certificate. */
const CRITICAL = der(TAG.boolean, Buffer.of(0xff));

/** Validity around now: the clocks of a machine's own programs do not differ by more. */
const VALID_FROM_MS = -3_600_000;
const VALID_FOR_MS = 7 * 86_400_000;

/** What a certificate says. */
interface Subject {
  readonly name: string;
  readonly key: KeyObject;
  readonly extensions: readonly Buffer[];
}

/** Makes an authority and a certificate of it for `localhost` and `127.0.0.1`, good for a week. */
export function makeCertificate(now: number = Date.now()): MadeCertificate {
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const server = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = { name: "Heliograph stand-in authority", key: authority.privateKey };
  const keyIdentifier = randomBytes(20);
  const ca = certificate(issuer, {
    name: issuer.name,
    key: authority.publicKey,
    extensions: [
      extension(OID.basicConstraints, sequence(der(TAG.boolean, Buffer.of(0xff))), CRITICAL),
      // keyCertSign: the sixth of the bits, two unused ones behind it.
      extension(OID.keyUsage, der(TAG.bitString, Buffer.of(2, 0x04)), CRITICAL),
      extension(OID.subjectKeyIdentifier, der(TAG.octetString, keyIdentifier)),
    ],
  }, now);
  const cert = certificate(issuer, {
    name: "localhost",
    key: server.publicKey,
    extensions: [
      extension(OID.basicConstraints, sequence(), CRITICAL),
      extension(OID.keyUsage, der(TAG.bitString, Buffer.of(7, 0x80)), CRITICAL),
      extension(OID.authorityKeyIdentifier, sequence(der(TAG.keyIdentifier, keyIdentifier))),
      extension(
        OID.subjectAltName,
        sequence(
          der(TAG.dnsName, Buffer.from("localhost")),
          der(TAG.ipAddress, Buffer.of(127, 0, 0, 1)),
        ),
      ),
    ],
  }, now);
  const key = server.privateKey.export({ type: "pkcs8", format: "pem" });
  return { tls: { cert: pem(cert), key: `${key}` }, caPem: pem(ca) };
}

/** A signed certificate (RFC 5280 section 4.1). */
function certificate(
  issuer: { readonly name: string; readonly key: KeyObject },
  subject: Subject,
  now: number,
): Buffer {
  const algorithm = sequence(OID.ecdsaWithSha256);
  // A serial number is positive and not zero.
  const serial = Buffer.concat([Buffer.of(1), randomBytes(15)]);
  const toSign = sequence(
    der(TAG.version, der(TAG.integer, Buffer.of(2))),
    der(TAG.integer, serial),
    algorithm,
    distinguishedName(issuer.name),
    sequence(utcTime(now + VALID_FROM_MS), utcTime(now + VALID_FOR_MS)),
    distinguishedName(subject.name),
    Buffer.from(subject.key.export({ type: "spki", format: "der" })),
    der(TAG.extensions, sequence(...subject.extensions)),
  );
  const signature = sign("sha256", toSign, issuer.key);
  return sequence(toSign, algorithm, der(TAG.bitString, Buffer.concat([Buffer.of(0), signature])));
}

function distinguishedName(name: string): Buffer {
  return sequence(
    der(TAG.set, sequence(OID.commonName, der(TAG.utf8String, Buffer.from(name)))),
  );
}

function extension(id: Buffer, value: Buffer, critical: Buffer = Buffer.alloc(0)): Buffer {
  return sequence(id, critical, der(TAG.octetString, value));
}

/** `YYMMDDHHMMSSZ`; years from 2050 on would need another form (RFC 5280 section 4.1.2.5). */
function utcTime(time: number): Buffer {
  const digits = new Date(time).toISOString().replace(/\D/g, "").slice(2, 14);
  return der(TAG.utcTime, Buffer.from(`${digits}Z`));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(TAG.sequence, Buffer.concat(parts));
}

function oid(hex: string): Buffer {
  return der(TAG.objectId, Buffer.from(hex, "hex"));
}

/** Tag, length in its shortest form (X.690 section 10.1), content. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const header = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >>> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), content]);
}

function pem(certificate: Buffer): string {
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
