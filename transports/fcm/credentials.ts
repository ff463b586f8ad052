/**
 * Service accounts for FCM: what is wrong with one, told when it is entered; and what is used of it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { quoted } from "../http_door/refusal.ts";
import { isSafe, parseOrigin } from "../provider/origin.ts";
import { readPrivateKey } from "../provider/pem.ts";
import type { FcmCredentials } from "../provider/provider.ts";

/** Something wrong with credentials, in words without secrets. */
export interface CredentialProblem {
  /** The field, such as `serviceAccount.private_key`. */
  readonly path: string;
  /** What was expected and what was found. */
  readonly message: string;
}

/** What is used of a service account. */
export interface ServiceAccount {
  /** Names it for tokens: the same for all who use the same one, and for nobody else. */
  readonly name: string;
  /** Who signs. */
  readonly clientEmail: string;
  /** PKCS#8 PEM of an RSA key. */
  readonly privateKey: string;
  /** The key's id, where the account has it. */
  readonly privateKeyId: string | undefined;
  /** The project that sends. */
  readonly projectId: string;
  /** Where access tokens come from. */
  readonly tokenUri: string;
}

/** Google's origin. */
export const FCM_ORIGIN = "https://fcm.googleapis.com";

/** Where Google hands out access tokens. */
export const GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token";

/**
 * What is wrong with these credentials; nothing when they can be used. Whether Google accepts them only
 * Google knows.
 *
 * @param credentials As they are to be stored.
 */
export function checkFcmCredentials(credentials: FcmCredentials): readonly CredentialProblem[] {
  const read = readServiceAccount(credentials);
  const problems = read.kind === "account" ? [] : [...read.problems];
  const origin = parseOrigin(credentials.origin ?? FCM_ORIGIN);
  if (origin.kind === "problem") problems.push({ path: "origin", message: origin.message });
  return problems;
}

/** Names an account for tokens: the same for all who use the same one, and for nobody else. It need not be a good one. */
export function accountName({ serviceAccount }: FcmCredentials): string {
  const { client_email, token_uri = GOOGLE_TOKEN_URI, private_key } = serviceAccount;
  return createHash("sha256").update(`${client_email} ${token_uri} ${private_key}`)
    .digest("base64url");
}

/** The account, or all that is wrong with it. */
export function readServiceAccount({ serviceAccount }: FcmCredentials):
  | { readonly kind: "account"; readonly account: ServiceAccount }
  | { readonly kind: "problems"; readonly problems: readonly CredentialProblem[] } {
  const problems: CredentialProblem[] = [];
  const problem = (field: string, message: string): void => {
    problems.push({ path: `serviceAccount.${field}`, message });
  };
  const text = (field: string): string => {
    const value = serviceAccount[field];
    if (typeof value === "string" && value !== "") return value;
    problem(field, value === undefined ? "missing" : "expected a text that is not empty");
    return "";
  };
  const type = serviceAccount.type;
  if (type !== undefined && type !== "service_account") {
    problem("type", `expected "service_account", found ${quoted(String(type))}`);
  }
  const clientEmail = text("client_email");
  const privateKey = text("private_key");
  const projectId = text("project_id");
  const tokenUri = "token_uri" in serviceAccount ? text("token_uri") : GOOGLE_TOKEN_URI;
  if (privateKey !== "") {
    const read = readPrivateKey(privateKey);
    const found = read.kind === "key" ? read.name : read.found;
    if (found !== "an RSA key" || read.kind === "other") {
      problem(
        "private_key",
        `expected an unencrypted RSA private key of 2048 bits or more, found ${found}`,
      );
    }
  }
  if (projectId !== "" && !/^[a-z0-9][a-z0-9:.-]{0,99}$/.test(projectId)) {
    problem("project_id", `expected the id of a project, found ${quoted(projectId)}`);
  }
  const url = URL.parse(tokenUri);
  if (tokenUri !== "" && (url === null || !isSafe(url) || url.username + url.password !== "")) {
    problem("token_uri", "expected an https URL, or http on loopback");
  }
  if (problems.length > 0) return { kind: "problems", problems };
  const id = serviceAccount.private_key_id;
  const account = {
    name: accountName({ serviceAccount }),
    clientEmail,
    privateKey,
    privateKeyId: typeof id === "string" ? id : undefined,
    projectId,
    tokenUri,
  };
  return { kind: "account", account };
}
