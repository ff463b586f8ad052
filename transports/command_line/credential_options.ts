/**
 * The credentials of an app from options and the files they name, as the API's request has them.
 *
 * What is in a key or certificate is the API's to judge; here stands which options belong together,
 * and which option a path in the API's answer speaks of.
 *
 * @module
 */

import { type JsonRecord, parseJsonObject } from "./client_kinds.ts";
import { CREDENTIALS } from "./client_options.ts";
import { PEM_FILE_BYTES_MAX, SECRET_FILE_BYTES_MAX } from "./limits.ts";
import { Secret } from "./secret.ts";
import type { SettingsReader } from "./settings_reader.ts";

/** Credentials for the API, by platform; hidden wherever they are printed by mistake. */
export type AppCredentials = Secret<{ readonly [platform: string]: JsonRecord }>;

/** The path of one credential in the API's request. */
type Path = keyof typeof CREDENTIALS;

/** Ways to give one platform's credentials: the paths that are needed, one way in full. */
const WAYS: Readonly<Record<string, readonly (readonly Path[])[]>> = {
  apns: [
    ["apns.key", "apns.keyId", "apns.teamId", "apns.topic"],
    ["apns.certificate", "apns.certificateKey", "apns.topic"],
  ],
  fcm: [["fcm.serviceAccount"]],
  webpush: [["webpush.vapidPrivateKey", "webpush.subject"]],
};

const PATHS = Object.keys(CREDENTIALS).filter((path): path is Path =>
  Object.hasOwn(CREDENTIALS, path)
);

/** Reads the credentials; problems stay in the reader. */
export function takeCredentials(reader: SettingsReader): AppCredentials {
  const given = PATHS.filter((path) => reader.has(CREDENTIALS[path]));
  if (given.length === 0) {
    reader.refuse(
      "apps add",
      "needs credentials",
      "Give those of one platform at least: --apns-key, --apns-certificate, " +
        "--fcm-service-account or --vapid-private-key-file, and what belongs to them",
    );
  }
  const credentials: Record<string, Record<string, unknown>> = {};
  for (const [platform, ways] of Object.entries(WAYS)) {
    const own = given.filter((path) => path.startsWith(`${platform}.`));
    if (own.length === 0) continue;
    checkWay(own, ways, reader);
    const fields = own.map((path) => [path.slice(platform.length + 1), take(path, reader)]);
    credentials[platform] = Object.fromEntries(fields);
  }
  return new Secret(credentials);
}

/** Refuses what is missing of the way that was begun, and what belongs to another. */
function checkWay(
  own: readonly Path[],
  ways: readonly (readonly Path[])[],
  reader: SettingsReader,
): void {
  const begun = (way: readonly Path[]) => own.filter((path) => way.includes(path)).length;
  const [way = []] = ways.toSorted((a, b) => begun(b) - begun(a));
  for (const path of way.filter((path) => !own.includes(path))) {
    const cause = own.find((path) => way.includes(path)) ?? own[0] ?? path;
    reader.refuse(flagOf(path), `missing although ${flagOf(cause)} is given`, "Give both");
  }
  const others = ways.flat().filter((path) => !way.includes(path) && own.includes(path));
  for (const path of others) {
    reader.refuse(
      flagOf(path),
      `given together with ${flagOf(way[0] ?? path)}`,
      "Use a signing key or a certificate",
    );
  }
}

function flagOf(path: Path): string {
  return `--${CREDENTIALS[path].name}`;
}

/** The value of one credential: text, the content of a file, or the JSON in it. */
function take(path: Path, reader: SettingsReader): unknown {
  switch (path) {
    case "apns.key":
    case "apns.certificate":
    case "apns.certificateKey":
      return reader.fileOf(CREDENTIALS[path], PEM_FILE_BYTES_MAX);
    case "webpush.vapidPrivateKey":
      return reader.fileOf(CREDENTIALS[path], SECRET_FILE_BYTES_MAX)?.trim();
    case "fcm.serviceAccount": {
      const text = reader.fileOf(CREDENTIALS[path], SECRET_FILE_BYTES_MAX);
      if (text === undefined) return undefined;
      const parsed = parseJsonObject(text);
      if (parsed.kind === "value") return parsed.value;
      const advice = "Give the file as Google's console hands it out";
      return reader.refuse(flagOf(path), parsed.problem, advice);
    }
    case "apns.keyId":
    case "apns.teamId":
    case "apns.topic":
    case "apns.origin":
    case "fcm.origin":
    case "webpush.subject":
      return reader.option(CREDENTIALS[path]);
  }
}

/** The option that a path of the API's request speaks of: `--apns-key` for `apns.key`. */
export function credentialFlag(path: string): string | undefined {
  const known = PATHS.find((known) =>
    path === known || /^[.[]/.test(path.slice(known.length)) &&
      path.startsWith(known)
  );
  return known === undefined ? undefined : flagOf(known);
}
