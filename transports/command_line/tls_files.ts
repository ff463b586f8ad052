/**
 * The certificate and key of the public listeners, checked before anything is bound.
 *
 * A pair that cannot work is refused with the setting to change; one which works and will not be
 * trusted (expired, not yet valid, made for another name) is a warning, because whoever tests with
 * such a certificate means it.
 *
 * @module
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { isIP } from "node:net";
import { PEM_FILE_BYTES_MAX } from "./limits.ts";
import type { ReadFile } from "./read_file.ts";

/** What is needed to load a pair. */
export interface TlsRequest {
  /** PEM file of the certificate chain, the node's own first. */
  readonly certPath: string;
  /** PEM file of its private key, not encrypted. */
  readonly keyPath: string;
  /** The hosts of the public URLs, IPv6 with or without brackets. */
  readonly hosts: readonly string[];
  /** Wall-clock time in milliseconds since 1970. */
  readonly now: number;
  /** Reads the files. */
  readonly readFile: ReadFile;
}

/** A pair for the listeners, or the sentence that says what is wrong. */
export type TlsFiles =
  | {
    readonly kind: "ready";
    /** The chain, PEM. */
    readonly cert: string;
    /** The key, PEM. */
    readonly key: string;
    /** When the certificate ends, in milliseconds since 1970. */
    readonly expiresAt: number;
    /** What clients will not like, one sentence each. */
    readonly warnings: readonly string[];
  }
  | { readonly kind: "failed"; readonly problem: string };

function failed(problem: string): TlsFiles {
  return { kind: "failed", problem };
}

function parseCertificate(pem: string): X509Certificate | undefined {
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) return undefined;
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** The key, or what is in its place. */
function parseKey(pem: string): KeyObject | string {
  if (/-----BEGIN ENCRYPTED |Proc-Type: 4,ENCRYPTED/.test(pem)) return "an encrypted private key";
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) return "no private key";
  try {
    return createPrivateKey(pem);
  } catch {
    return "a private key that cannot be read";
  }
}

function warningsOf(certificate: X509Certificate, request: TlsRequest): readonly string[] {
  const warnings: string[] = [];
  const { certPath, hosts, now } = request;
  if (Date.parse(certificate.validTo) <= now) {
    warnings.push(`tls-cert: ${certPath} expired on ${certificate.validTo}`);
  }
  if (Date.parse(certificate.validFrom) > now) {
    warnings.push(`tls-cert: ${certPath} is valid from ${certificate.validFrom}`);
  }
  for (const host of new Set(hosts.map((host) => host.replace(/^\[|\]$/g, "")))) {
    const name = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
    if (name === undefined) warnings.push(`tls-cert: ${certPath} is not for ${host}`);
  }
  return warnings;
}

/** Reads and checks a certificate and its key. */
export function loadTlsFiles(request: TlsRequest): TlsFiles {
  const { certPath, keyPath, readFile } = request;
  const cert = readFile(certPath, PEM_FILE_BYTES_MAX);
  if (cert.kind !== "text") return failed(`tls-cert: ${certPath} ${cert.cause}`);
  const key = readFile(keyPath, PEM_FILE_BYTES_MAX);
  if (key.kind !== "text") return failed(`tls-key: ${keyPath} ${key.cause}`);
  const certificate = parseCertificate(cert.text);
  if (certificate === undefined) {
    return failed(`tls-cert: ${certPath} holds no certificate. Give a PEM file`);
  }
  const parsed = parseKey(key.text);
  if (typeof parsed === "string") {
    return failed(`tls-key: ${keyPath} holds ${parsed}. Give a PEM file with an unencrypted key`);
  }
  if (!certificate.checkPrivateKey(parsed)) {
    return failed(`tls-key: ${keyPath} does not belong to the certificate in ${certPath}`);
  }
  return {
    kind: "ready",
    cert: cert.text,
    key: key.text,
    expiresAt: Date.parse(certificate.validTo),
    warnings: warningsOf(certificate, request),
  };
}
