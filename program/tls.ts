/**
 * Certificate and key of the public doors: read and checked before anything listens.
 *
 * @module
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readTextFile } from "../transports/command_line/read_file.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { StartError } from "./start_error.ts";

/** A chain of a few certificates has some kilobytes. */
const PEM_BYTES_MAX = 1_048_576;

/** A certificate chain and its key, as PEM, with what `check` tells of them. */
export interface Tls {
  /** The chain. */
  readonly cert: string;
  /** The private key. */
  readonly key: string;
  /** When the first certificate expires, in milliseconds since 1970. */
  readonly expiresAt: number;
  /** Names and addresses it is valid for, as OpenSSL writes them. */
  readonly names: string;
}

/**
 * Reads the certificate and key the settings name, if they do.
 *
 * @throws {StartError} When a file cannot be read, is no PEM, or the key belongs to another certificate.
 */
export function readTls(
  { tlsCert, tlsKey }: Pick<Settings, "tlsCert" | "tlsKey">,
): Tls | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  const cert = readPem("tls-cert", tlsCert);
  const key = readPem("tls-key", tlsKey);
  const certificate = attempt("tls-cert", `${tlsCert} holds no certificate in PEM form`, () => {
    return new X509Certificate(cert);
  });
  const privateKey = attempt(
    "tls-key",
    `${tlsKey} holds no unencrypted private key in PEM form`,
    () => {
      return createPrivateKey(key);
    },
  );
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new StartError(
      `tls-key: the key in ${tlsKey} does not belong to the certificate in ${tlsCert}. ` +
        "Give the key the certificate was issued for",
      2,
    );
  }
  const names = certificate.subjectAltName ?? certificate.subject;
  return { cert, key, expiresAt: Date.parse(certificate.validTo), names };
}

function readPem(setting: string, path: string): string {
  const read = readTextFile(path, PEM_BYTES_MAX);
  if (read.kind === "text") return read.text;
  throw new StartError(`${setting}: ${path} ${read.cause}. Give a readable PEM file`, 2);
}

function attempt<T>(setting: string, problem: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new StartError(`${setting}: ${problem}. Give a PEM file`, 2, { cause: error });
  }
}
