/**
 * A sink that posts outcomes of deliveries to a URL, signed.
 *
 * The request is a `POST` of `{"events": […]}` as `application/json`; the events are rows in the
 * order of their positions, as `delivery_row.ts` describes them. It is signed as Standard Webhooks
 * has it, by the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`. Any 2xx takes the
 * batch. Everything else, a redirect included, rejects, and whoever offers the rows offers them
 * again: a receiver gets each row at least once. A repetition may be longer than the first batch,
 * with the rows that came meanwhile; one with the same rows has the same `webhook-id`, and a row that comes again has
 * the same `position`.
 *
 * The URL is the operator's, not a caller's: private addresses are allowed, and plain `http` to this
 * machine only. It is never told to anybody, since its path or query may be a secret: errors name its
 * origin.
 *
 * @example
 * ```ts
 * import { openWebhookSink } from "./webhook_sink.ts";
 *
 * const opened = openWebhookSink({
 *   url: "https://hooks.example/heliograph",
 *   secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
 *   rows: "failures",
 * });
 * if (opened.kind === "refused") throw new Error(opened.problem);
 * using sink = opened.sink;
 * ```
 *
 * @module
 */

import { deliveryJson, type DeliveryRow } from "../delivery_row/delivery_row.ts";
import { HttpPost, isTaken } from "../http_post/http_post.ts";
import { URL_CHARS_MAX } from "../http_post/limits.ts";
import { ANSWER_CHARS_MAX } from "./limits.ts";
import { readWebhookSecret, signWebhook } from "./signature.ts";

/** What a webhook is made of. */
export interface WebhookOptions {
  /** Where to post: `https:`, or `http:` to a loopback address; without user and password. */
  readonly url: string;
  /** Key of the signatures: `whsec_` and base64, or any text of at least 16 bytes. */
  readonly secret: string;
  /** Which rows to post. */
  readonly rows: "failures" | "all";
  /** Its name, under which its position is remembered; default `webhook`. */
  readonly name?: string;
  /** Further roots that may certify the receiver, as PEM; default none. */
  readonly caCerts?: readonly string[];
  /** Time the receiver has to take a batch; default 15,000 ms. */
  readonly timeoutMs?: number;
  /** The wall clock for `webhook-timestamp`, in milliseconds since 1970; default the machine's. */
  readonly wallNow?: () => number;
}

/** A webhook, or what is wrong with its options: a sentence that begins with the option's name. */
export type OpenedWebhook =
  | { readonly kind: "opened"; readonly sink: WebhookSink }
  | { readonly kind: "refused"; readonly problem: string };

/** Makes a webhook; nothing is sent. */
export function openWebhookSink(options: WebhookOptions): OpenedWebhook {
  const url = readUrl(options.url);
  if (typeof url === "string") return { kind: "refused", problem: `url: ${url}` };
  const secret = readWebhookSecret(options.secret);
  if (secret.kind === "refused") return { kind: "refused", problem: `secret: ${secret.problem}` };
  return { kind: "opened", sink: new WebhookSink(options, url, secret.key) };
}

/** The URL, or why it cannot be used. */
function readUrl(text: string): URL | string {
  if (text.length > URL_CHARS_MAX) return `over ${URL_CHARS_MAX} characters`;
  const url = URL.parse(text);
  if (url === null) return "not a URL";
  if (url.username !== "" || url.password !== "") {
    return "has a user or password, which requests cannot carry; the signature says who sends";
  }
  if (url.protocol === "https:") return url;
  if (url.protocol !== "http:") return `${url.protocol} instead of https:`;
  return isLoopback(url.hostname) ? url : "http: to another machine can be read; use https:";
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}

/** A webhook as a sink; see the module. It holds connections, which are closed with it. */
export class WebhookSink implements Disposable {
  /** Its position is remembered under this name. */
  readonly name: string;
  /** Which rows it wants. */
  readonly rows: "failures" | "all";
  readonly #post: HttpPost;
  readonly #key: Uint8Array;
  readonly #wallNow: () => number;

  /** Of checked parts; {@linkcode openWebhookSink} checks. */
  constructor(options: WebhookOptions, url: URL, key: Uint8Array) {
    this.name = options.name ?? "webhook";
    this.rows = options.rows;
    this.#post = new HttpPost({ ...options, url });
    this.#key = key;
    this.#wallNow = options.wallNow ?? Date.now;
  }

  /** Posts these rows; rejects unless the receiver took them, with an error that names its origin and what it said. */
  async record(rows: readonly DeliveryRow[], signal: AbortSignal): Promise<void> {
    const body = `{"events":[${rows.map(deliveryJson).join(",")}]}`;
    const timestamp = Math.floor(this.#wallNow() / 1_000);
    const id = batchId(rows);
    const headers = {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": signWebhook(this.#key, { id, timestamp, body }),
    };
    const result = await this.#post.post(body, headers, signal);
    const { origin } = this.#post;
    if (result.kind === "unanswered") throw new WebhookError(`${origin} ${result.problem}`);
    const { status, text } = result;
    if (isTaken(status)) return;
    throw new WebhookError(`${origin} answered ${status}: "${text.slice(0, ANSWER_CHARS_MAX)}"`);
  }

  /** Closes its connections. */
  [Symbol.dispose](): void {
    this.#post[Symbol.dispose]();
  }
}

/** A batch that was not taken. */
export class WebhookError extends Error {
  /** Its class, as shown before the message. */
  override readonly name = "WebhookError";
}

/**
 * The `webhook-id`: the same for the same rows, another one for others. The first row's time is in
 * it, because positions begin anew with a new store.
 */
function batchId(rows: readonly DeliveryRow[]): string {
  const [first, last] = [rows.at(0), rows.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError("A batch has no rows");
  return `deliveries_${first.position}_${last.position}_${first.at}`;
}
