/**
 * The keys a node makes for itself at its first start: the endpoint keys and the API token, each
 * in a private file of the data folder.
 *
 * Because a token always exists, set or made, the API is never open: a node that can neither read
 * nor make one does not start, whatever address it was to bind to.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { SECRET_FILE_BYTES_MAX } from "./limits.ts";
import { createPrivateFile, makePrivateFolder, readPrivateFile } from "./private_file.ts";
import { Secret } from "./secret.ts";
import { apiToken, cryptoKeys } from "./setting.ts";
import type { Kind } from "./setting.ts";

/** A secret that is in force, or why there is none. */
export type LoadedSecret<T> =
  | {
    readonly kind: "ready";
    readonly secret: Secret<T>;
    /** Whether it was set, found in its file, or made just now. */
    readonly origin: "setting" | "file" | "made";
    /** The file of the data folder that holds it, or would. */
    readonly path: string;
  }
  | { readonly kind: "failed"; readonly problem: string };

/** What tells one of the files from the other. */
interface SecretFile<T> {
  readonly name: string;
  readonly kind: Kind<Secret<T>>;
  readonly make: () => string;
  readonly onMalformed: string;
}

const ENDPOINT_KEYS: SecretFile<readonly string[]> = {
  name: "endpoint-keys",
  kind: cryptoKeys,
  make: generateEndpointKey,
  onMalformed: "Restore it from a backup: without its keys all endpoints are lost",
};

const API_TOKEN: SecretFile<string> = {
  name: "api-token",
  kind: apiToken,
  make: generateApiToken,
  onMalformed: "Correct it, or remove it to have a new token made",
};

/** A new Fernet key: 32 random bytes in padded base64url, 44 characters. */
export function generateEndpointKey(): string {
  return `${randomBytes(32).toString("base64url")}=`;
}

/** A new API token: 256 random bits in base64url, 43 characters. */
export function generateApiToken(): string {
  return randomBytes(32).toString("base64url");
}

function read<T>(path: string, file: SecretFile<T>): LoadedSecret<T> | undefined {
  const found = readPrivateFile(path, SECRET_FILE_BYTES_MAX);
  if (found.kind === "missing") return undefined;
  if (found.kind === "refused") return { kind: "failed", problem: found.problem };
  const parsed = file.kind.parse(found.text.trim());
  if (parsed.kind === "problem") {
    return { kind: "failed", problem: `${path}: ${parsed.problem}. ${file.onMalformed}` };
  }
  return { kind: "ready", secret: parsed.value, origin: "file", path };
}

function readOrMake<T>(data: string, file: SecretFile<T>): LoadedSecret<T> {
  const path = join(data, file.name);
  const found = read(path, file);
  if (found !== undefined) return found;
  const folder = makePrivateFolder(data);
  if (folder.kind === "failed") return folder;
  const written = createPrivateFile(path, `${file.make()}\n`);
  if (written.kind === "failed") return written;
  const made = read(path, file);
  if (made === undefined) return { kind: "failed", problem: `${path} vanished while it was made` };
  // When another process was first, its file counts and is not ours to announce.
  return made.kind === "ready" && written.kind === "written" ? { ...made, origin: "made" } : made;
}

/**
 * The Fernet keys of endpoint URLs, first the one which encrypts: those which were set, else those
 * of `DATA/endpoint-keys`, which the first start makes with mode 0600.
 *
 * @param data The data folder.
 * @param configured The keys which were set, if any.
 */
export function loadEndpointKeys(
  data: string,
  configured: Secret<readonly string[]> | undefined,
): LoadedSecret<readonly string[]> {
  if (configured === undefined) return readOrMake(data, ENDPOINT_KEYS);
  const path = join(data, ENDPOINT_KEYS.name);
  return { kind: "ready", secret: configured, origin: "setting", path };
}

/**
 * The API token: the one which was set, else that of `DATA/api-token`, which the first start makes
 * with mode 0600; print it then (`origin` is `"made"`) and never again.
 *
 * @param data The data folder.
 * @param configured The token which was set, if any.
 */
export function loadApiToken(
  data: string,
  configured: Secret<string> | undefined,
): LoadedSecret<string> {
  if (configured === undefined) return readOrMake(data, API_TOKEN);
  const path = join(data, API_TOKEN.name);
  return { kind: "ready", secret: configured, origin: "setting", path };
}

/** The API token of a node on this machine, for its clients; nothing is made when there is none. */
export function findApiToken(
  data: string,
  configured: Secret<string> | undefined,
): LoadedSecret<string> | { readonly kind: "missing"; readonly path: string } {
  const path = join(data, API_TOKEN.name);
  if (configured !== undefined) {
    return { kind: "ready", secret: configured, origin: "setting", path };
  }
  return read(path, API_TOKEN) ?? { kind: "missing", path };
}
