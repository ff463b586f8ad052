/**
 * `send` and `cancel`.
 *
 * Invariant: whatever happens to this command, it is clear whether something is being sent and how
 * to look at it: once the node has it, it goes on by itself; before that, nothing is sent.
 *
 * @module
 */

import type { ApiClient } from "../../transports/api_client/api_client.ts";
import type { CommandOf } from "../../transports/command_line/client_command.ts";
import type { SendTime } from "../../transports/command_line/client_kinds.ts";
import { reportText, wentWell } from "../../transports/command_line/notification_report.ts";
import { apiError, openClient, type PathName } from "./api_access.ts";
import { INTERRUPTED, type World } from "./world.ts";
import { openRows, rowProblems, RowsProgress } from "./devices.ts";
import { StartError } from "../start_error.ts";
import { watch } from "./watch.ts";
import { fullReport } from "./why.ts";

/** `send`: exit 0 when it went well, 1 otherwise, 130 when a person stopped watching. */
export async function send(
  command: CommandOf<"send">,
  json: boolean,
  world: World,
): Promise<number> {
  const { terminal } = world;
  const client = openClient(command.client);
  const id = command.tokens === undefined
    ? await submit(command, client, world)
    : await submitRecipients(command.tokens, command, client, json, world);
  if (id === undefined) return INTERRUPTED;
  if (command.detach) {
    terminal.print(json ? `${JSON.stringify({ id })}\n` : `${id}\n`);
    return 0;
  }
  if (!json && terminal.live === undefined) terminal.report(`notification ${id}\n`);
  const watched = await watch(id, client, world, json ? "nothing" : "lines");
  switch (watched.kind) {
    case "ended": {
      const { notification } = watched;
      terminal.print(
        json ? `${JSON.stringify(notification)}\n` : `\n${await fullReport(notification, client)}`,
      );
      return wentWell(notification) ? 0 : 1;
    }
    case "interrupted":
      terminal.report(`\nheliograph: ${goesOn(id)}.\n`);
      return INTERRUPTED;
    case "failed":
      terminal.report(`\nheliograph: ${goesOn(id)}.\n`);
      throw apiError(watched.failure, command.client);
  }
}

/** Time by which --at may be over: clocks differ, and a script takes a moment. */
const PAST_MS = 60_000;

/** That it goes on, and how to look at it. */
function goesOn(id: string): string {
  return `Notification ${id} goes on at the node. "heliograph status ${id} --watch" shows it, ` +
    `"heliograph cancel ${id}" stops it`;
}

/** The options by what they are called in the API's request. */
const FLAGS: Readonly<Record<string, string>> = {
  "app": "--app",
  "content.title": "--title",
  "content.body": "--body",
  "content.data": "--data",
  "content": "--payload",
  "to.tags": "--to-tag",
  "to.users": "--to-user",
  "to.devices": "--to-device",
  "ttl": "--ttl",
  "urgency": "--urgency",
  "topic": "--topic",
  "sendAt": "--at",
  "ratePerSecond": "--rate",
  "record": "--record",
};

/** The option that a path of the request speaks of. */
const sendFlag: PathName = (path) => {
  const known = Object.keys(FLAGS).find((known) =>
    path === known || (path.startsWith(known) && /^[.[]/.test(path.slice(known.length)))
  );
  return known === undefined ? undefined : FLAGS[known];
};

function bodyOf({ request, sendTime, idempotencyKey }: CommandOf<"send">, world: World) {
  if (sendTime === undefined) return request;
  // Called again with its key after its time, it is still the same notification.
  if (
    sendTime.kind === "at" && idempotencyKey === undefined &&
    sendTime.timeMs < world.wallNow() - PAST_MS
  ) {
    const [time, now] = [sendTime.timeMs, world.wallNow()].map((ms) => new Date(ms).toISOString());
    throw new StartError(`--at: ${time} is over, it is ${now}. Leave it out to begin now`, 2);
  }
  return { ...request, sendAt: new Date(timeOf(sendTime, world.wallNow())).toISOString() };
}

function timeOf(time: SendTime, now: number): number {
  return time.kind === "at" ? time.timeMs : now + time.delayMs;
}

/** Submits a notification whose audience the node knows; answers with its id. */
async function submit(
  command: CommandOf<"send">,
  client: ApiClient,
  world: World,
): Promise<string> {
  const result = await client.submit(bodyOf(command, world), command.idempotencyKey);
  if (result.kind === "ok") return result.value;
  const error = apiError(result.failure, command.client, sendFlag);
  const text = error.message.replace(/^Idempotency-Key:/, "--idempotency-key:");
  throw new StartError(text, error.status);
}

/**
 * Opens a notification, streams its recipients and closes it; answers with its id, `undefined` when
 * a person interrupted. Unless all of it arrived nothing is sent: it is cancelled.
 */
async function submitRecipients(
  path: string,
  command: CommandOf<"send">,
  client: ApiClient,
  json: boolean,
  world: World,
): Promise<string | undefined> {
  const rows = await openRows(path, "--tokens", world);
  const id = await submit(command, client, world);
  const progress = new RowsProgress(rows, world);
  const interrupted = Promise.withResolvers<"interrupted">();
  using _handler = world.onInterrupt(() => interrupted.resolve("interrupted"));
  const added = client.addRecipients(id, rows.bytes, (answer) => {
    if (!json) progress.show(answer);
  });
  const outcome = await Promise.race([added, interrupted.promise]);
  if (!json) progress.end();
  if (outcome === "interrupted") {
    await giveUp(id, client, world);
    return undefined;
  }
  if (outcome.kind === "failed") {
    await giveUp(id, client, world);
    throw apiError(outcome.failure, command.client);
  }
  const { imported, failed, broken } = outcome.value;
  if (failed > 0 || broken !== undefined) {
    world.terminal.report(rowProblems(outcome.value));
    await giveUp(id, client, world);
    const advice = "Correct what is wrong and send again";
    throw new StartError(`--tokens: ${imported} lines are right, ${failed} wrong. ${advice}`, 2);
  }
  const closed = await client.close(id);
  if (closed.kind === "failed") {
    await giveUp(id, client, world);
    throw apiError(closed.failure, command.client);
  }
  return id;
}

/** Cancels what was not closed, and says what is known of it. */
async function giveUp(id: string, client: ApiClient, { terminal }: World): Promise<void> {
  const result = await client.cancel(id);
  terminal.report(
    result.kind === "ok"
      ? "heliograph: Nothing was sent: the notification is cancelled.\n"
      : `heliograph: "heliograph status ${id}" says what became of the notification.\n`,
  );
}

/** `cancel`: stops what has not been sent. */
export async function cancel(
  { client: settings, notification: id }: CommandOf<"cancel">,
  json: boolean,
  { terminal }: World,
): Promise<number> {
  const result = await openClient(settings).cancel(id);
  if (result.kind === "failed") throw apiError(result.failure, settings);
  terminal.print(json ? `${JSON.stringify(result.value)}\n` : reportText(result.value));
  return 0;
}
