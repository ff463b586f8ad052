/**
 * What `send` sends: content, audience and options as the API's request has them.
 *
 * @module
 */

import { type JsonRecord, parseJsonObject, type SendTime } from "./client_kinds.ts";
import { SEND } from "./client_options.ts";
import { DETACH, TO_ALL } from "./commands.ts";
import { CONTENT_FILE_BYTES_MAX, NAMED_RECIPIENTS_MAX } from "./limits.ts";
import type { SettingsReader } from "./settings_reader.ts";

/** What `send` is given. */
export interface SendRequest {
  /** The body of the API's request, but for the time to begin. */
  readonly request: JsonRecord;
  /** When to begin, now when absent. */
  readonly sendTime: SendTime | undefined;
  /** NDJSON file of recipients, `-` for standard input; the audience is in the request when absent. */
  readonly tokens: string | undefined;
  /** Key of the submission. */
  readonly idempotencyKey: string | undefined;
  /** Whether not to wait. */
  readonly detach: boolean;
}

/** Options that say who gets it, with their name in the API's request. */
const AUDIENCES = [
  [SEND.toTag, "tags"],
  [SEND.toUser, "users"],
  [SEND.toDevice, "devices"],
] as const;

/** Reads what to send; problems stay in the reader. */
export function takeSendRequest(
  app: string,
  switches: ReadonlySet<string>,
  reader: SettingsReader,
): SendRequest {
  const options = {
    ttl: reader.option(SEND.ttl),
    urgency: reader.option(SEND.urgency),
    topic: reader.option(SEND.topic),
    ratePerSecond: reader.option(SEND.rate),
    record: reader.option(SEND.record),
  };
  const tokens = reader.option(SEND.tokens);
  const idempotencyKey = reader.option(SEND.idempotencyKey);
  if (tokens !== undefined && idempotencyKey !== undefined) {
    reader.refuse(
      "--idempotency-key",
      "given together with --tokens, whose recipients would be added twice",
      "Use one of them",
    );
  }
  const request = {
    app,
    content: takeContent(reader),
    to: takeAudience(switches, reader),
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
  };
  const sendTime = reader.option(SEND.at);
  if (sendTime?.kind === "in" && idempotencyKey !== undefined) {
    reader.refuse(
      "--at",
      "a time from now, which is another one at each call with the key",
      "Give the time itself, such as 2027-01-31T08:00:00Z",
    );
  }
  return {
    request,
    sendTime,
    tokens,
    idempotencyKey,
    detach: switches.has(DETACH.name),
  };
}

function takeContent(reader: SettingsReader): JsonRecord {
  const text = reader.fileOf(SEND.payload, CONTENT_FILE_BYTES_MAX);
  const payload = text === undefined ? undefined : parseJsonObject(text);
  if (payload?.kind === "problem") {
    const advice = 'Give a JSON file such as {"title":"…","apns":{"aps":{"badge":1}}}';
    reader.refuse("--payload", payload.problem, advice);
  }
  const title = reader.option(SEND.title);
  const body = reader.option(SEND.body);
  const data = reader.option(SEND.data);
  const content = {
    ...(payload?.kind === "value" ? payload.value : {}),
    ...(title === undefined ? {} : { title }),
    ...(body === undefined ? {} : { body }),
    ...(data === undefined ? {} : { data }),
  };
  const options = [SEND.title, SEND.body, SEND.data, SEND.payload];
  if (!options.some((option) => reader.has(option))) {
    reader.refuse("send", "has nothing to say", "Use --title, --body, --data or --payload");
  }
  return content;
}

function takeAudience(switches: ReadonlySet<string>, reader: SettingsReader): JsonRecord {
  const named = AUDIENCES.map(([option, name]) => {
    return { flag: `--${option.name}`, name, values: reader.options(option) };
  });
  const chosen = [
    ...AUDIENCES.map(([option]) => option).filter((option) => reader.has(option)),
    ...(switches.has(TO_ALL.name) ? [TO_ALL] : []),
    ...(reader.has(SEND.tokens) ? [SEND.tokens] : []),
  ].map((option) => `--${option.name}`);
  const [first, second] = chosen;
  if (first === undefined) {
    const ways = [...AUDIENCES.map(([option]) => option), TO_ALL];
    const list = ways.map((option) => `--${option.name}`).join(", ");
    reader.refuse("send", "needs to know who gets it", `Use ${list} or --${SEND.tokens.name}`);
  }
  if (second !== undefined) {
    reader.refuse(second, `given together with ${first}`, "Use one of them");
  }
  for (const { flag, name, values } of named) {
    if (values.length > NAMED_RECIPIENTS_MAX) {
      const advice = `Use at most ${NAMED_RECIPIENTS_MAX}, or --${SEND.tokens.name} FILE`;
      reader.refuse(flag, `given ${values.length} times`, advice);
    }
    if (values.length > 0) return { [name]: values };
  }
  return switches.has(TO_ALL.name) ? { all: true } : { open: true };
}
