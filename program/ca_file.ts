/**
 * The roots of `ca-file` and `store-ca-file`: read and looked at before anything connects, since a file without a certificate
 * would show only as connections that fail.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { readTextFile } from "../transports/command_line/read_file.ts";
import type { Settings } from "../transports/command_line/settings.ts";

/** Largest file of roots: those of a whole operating system are a quarter of it. */
const CA_FILE_BYTES_MAX = 1_048_576;

/** The roots, or the sentence that says what is wrong with their file. */
export type Roots =
  | {
    readonly kind: "ready";
    /** PEM texts; none without the setting. */
    readonly pem: readonly string[];
    /** When each certificate in them ends, in milliseconds since 1970. */
    readonly expiresAt: readonly number[];
  }
  | { readonly kind: "failed"; readonly problem: string };

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Reads the file of `ca-file`, when there is one. */
export function readRoots({ caFile }: Pick<Settings, "caFile">): Roots {
  return readFile("ca-file", caFile);
}

/** Reads the file of `store-ca-file`, when there is one. */
export function readStoreRoots({ storeCaFile }: Pick<Settings, "storeCaFile">): Roots {
  return readFile("store-ca-file", storeCaFile);
}

function readFile(setting: string, file: string | undefined): Roots {
  const failed = (problem: string): Roots => {
    return { kind: "failed", problem: `${setting}: ${problem}` };
  };
  if (file === undefined) return { kind: "ready", pem: [], expiresAt: [] };
  const read = readTextFile(file, CA_FILE_BYTES_MAX);
  if (read.kind !== "text") return failed(`${file} ${read.cause}`);
  const expiresAt: number[] = [];
  for (const [text] of read.text.matchAll(CERTIFICATE)) {
    const end = endOf(text);
    if (end === undefined) {
      return failed(`certificate ${expiresAt.length + 1} of ${file} cannot be read`);
    }
    expiresAt.push(end);
  }
  if (expiresAt.length === 0) return failed(`${file} holds no certificate. Give a PEM file`);
  return { kind: "ready", pem: [read.text], expiresAt };
}

function endOf(pem: string): number | undefined {
  try {
    return Date.parse(new X509Certificate(pem).validTo);
  } catch {
    return undefined;
  }
}
