/**
 * `apps`: credentials go in and never come out again.
 *
 * @module
 */

import type { AppAnswer } from "../../transports/api_client/answers.ts";
import type { CommandOf } from "../../transports/command_line/client_command.ts";
import { credentialFlag } from "../../transports/command_line/credential_options.ts";
import { cell, table } from "../../transports/command_line/table.ts";
import { apiError, openClient } from "./api_access.ts";
import type { World } from "./world.ts";

/** Characters of a column about credentials: two platforms with a reason each, usually. */
const TROUBLE_CHARS = 60;

/** `apps add`: saves an app's credentials, and says which of those it had are gone. */
export async function addApp(
  { client, app, credentials }: CommandOf<"apps_add">,
  json: boolean,
  { terminal }: World,
): Promise<number> {
  const api = openClient(client);
  const before = await api.app(app);
  const result = await api.putApp(app, credentials.reveal());
  if (result.kind === "failed") throw apiError(result.failure, client, credentialFlag);
  terminal.print(json ? line(result.value) : `Saved.\n\n${appText(result.value)}`);
  const kept = platformsOf(result.value);
  const gone = before.kind === "ok"
    ? platformsOf(before.value).filter((platform) => !kept.includes(platform))
    : [];
  if (gone.length > 0) {
    const what = `the credentials that ${app} had for ${gone.join(" and ")} are gone`;
    terminal.report(`heliograph: ${what}: all of an app are saved in one call.\n`);
  }
  return 0;
}

/** `apps list`. */
export async function listApps(
  { client }: CommandOf<"apps_list">,
  json: boolean,
  { terminal }: World,
): Promise<number> {
  const result = await openClient(client).apps();
  if (result.kind === "failed") throw apiError(result.failure, client);
  const apps = result.value;
  if (json) terminal.print(line({ apps }));
  else if (apps.length === 0) terminal.print('No apps. "heliograph apps add --help" says how.\n');
  else {
    const rows = apps.map((app) => [
      ...[app.name, platformsOf(app).join(" "), cell(troubleOf(app), TROUBLE_CHARS), pausedOf(app)],
    ]);
    terminal.print(`${table([["app", "platforms", "credentials", "paused"], ...rows])}\n`);
  }
  return 0;
}

/** `apps show`. */
export async function showApp(
  { client, app }: CommandOf<"apps_show" | "apps_remove">,
  json: boolean,
  { terminal }: World,
): Promise<number> {
  const result = await openClient(client).app(app);
  if (result.kind === "failed") throw apiError(result.failure, client);
  terminal.print(json ? line(result.value) : appText(result.value));
  return 0;
}

/** `apps remove`. */
export async function removeApp(
  { client, app }: CommandOf<"apps_show" | "apps_remove">,
  json: boolean,
  { terminal }: World,
): Promise<number> {
  const result = await openClient(client).removeApp(app);
  if (result.kind === "failed") throw apiError(result.failure, client);
  terminal.print(json ? line({ removed: app }) : `Removed ${app} and its devices.\n`);
  return 0;
}

/** `apps resume`. */
export async function resumeApp(
  { client, app, platform }: CommandOf<"apps_resume">,
  json: boolean,
  { terminal }: World,
): Promise<number> {
  const result = await openClient(client).resumeApp(app, platform);
  if (result.kind === "failed") throw apiError(result.failure, client);
  const resumed = result.value;
  const text = resumed.length === 0 ? "Nothing was paused.\n" : `Resumed ${resumed.join(", ")}.\n`;
  terminal.print(json ? line({ resumed }) : text);
  return 0;
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function platformsOf({ apns, fcm, webpush }: AppAnswer): readonly string[] {
  const configured = { apns, fcm, webpush };
  return Object.entries(configured).flatMap(([name, value]) => value === undefined ? [] : [name]);
}

function pausedOf({ pauses }: AppAnswer): string {
  return pauses.map(({ platform, reason }) => `${platform}: ${reason}`).join("; ");
}

/** What a person should know of its credentials: when they end, and what went wrong since they last did their work. */
function troubleOf({ health = {} }: AppAnswer): string {
  return Object.entries(health).flatMap(([platform, { certificateExpiresAt, token, failure }]) => [
    ...certificateExpiresAt === null
      ? []
      : [`${platform}: ends ${certificateExpiresAt.slice(0, 10)}`],
    ...failure === null || (token !== null && token.refreshedAt > failure.at)
      ? []
      : [`${platform}: ${failure.reason}`],
  ]).join("; ");
}

/** How its credentials do, as far as the node knows. */
function healthRows({ health = {} }: AppAnswer): readonly (readonly [string, string])[] {
  return Object.entries(health).flatMap(([platform, { certificateExpiresAt, token, failure }]) => [
    ...certificateExpiresAt === null ? [] : [
      [`${platform} certificate`, `ends ${certificateExpiresAt}`] as const,
    ],
    ...token === null ? [] : [
      [
        `${platform} token`,
        `of ${token.refreshedAt}${ending(token.expiresAt)}`,
      ] as const,
    ],
    ...failure === null
      ? []
      : [[`${platform} failed`, `${failure.at}: ${failure.reason}`] as const],
  ]);
}

function ending(time: string | null): string {
  return time === null ? "" : `, ends ${time}`;
}

/** An app for a person: what is public of its credentials, and what is paused. */
function appText(app: AppAnswer): string {
  const { apns, fcm, webpush } = app;
  const rows: (readonly [string, string | null | undefined])[] = [
    ["app", app.name],
    [
      "apns",
      apns &&
      (apns.kind === "key"
        ? `key ${apns.keyId}, team ${apns.teamId}, topic ${apns.topic}`
        : `certificate, topic ${apns.topic}`),
    ],
    ["apns origin", apns?.origin],
    ["fcm project", fcm?.project],
    ["fcm account", fcm?.clientEmail],
    ["fcm origin", fcm?.origin],
    ["vapid public key", webpush?.vapidPublicKey],
    ["vapid subject", webpush?.subject],
    ...healthRows(app),
    ...app.pauses.map(({ platform, reason, since }) =>
      ["paused", `${platform} since ${since}: ${reason}`] as const
    ),
  ];
  const known = rows.flatMap(([name, text]) =>
    text === undefined || text === null ? [] : [[name, text]]
  );
  return `${table(known)}\n`;
}
