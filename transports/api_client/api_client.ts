/**
 * A client of the HTTP API: apps, devices, notifications, status.
 *
 * Invariants: nothing here throws for what the other side or the network does, it is an
 * {@link ApiFailure}; the token goes to the given origin only, for redirects are not followed; what is
 * read is bounded; a stream is sent as fast as the node takes it, and never whole in memory.
 *
 * @example
 * ```ts ignore
 * const client = new ApiClient({ origin: "http://127.0.0.1:8082", token });
 * const sent = await client.submit({ app: "shop", content: { title: "Hi" }, to: { all: true } });
 * if (sent.kind === "ok") console.log(sent.value.id);
 * ```
 *
 * @module
 */

import {
  type AnswerReader,
  type AppAnswer,
  type DeliveryAnswer,
  type DevicesAnswer,
  type ImportProgress,
  type ImportResult,
  type NodeAnswer,
  type NotificationAnswer,
  type Problem,
  readAccepted,
  type ReadAnswer,
  readApp,
  readApps,
  readDeliveries,
  readDevices,
  readImportLine,
  readNode,
  readNotification,
  readProblem,
  readResumed,
} from "./answers.ts";
import { type BarsAnswer, type LiveEvent, readBars, readLiveEvent } from "./event_answers.ts";
import { serverSentEvents } from "./event_stream.ts";
import {
  ANSWER_BYTES_MAX,
  ANSWER_MS,
  DETAIL_CHARS_MAX,
  EVENT_CHARS_MAX,
  EVENTS_SILENCE_MS,
  LINE_BYTES_MAX,
  PROBLEMS_MAX,
} from "./limits.ts";
import { lines } from "./lines.ts";
import { type NodesAnswer, readNodes } from "./node_answers.ts";
import { Silence } from "./silence.ts";

/** Why there is no answer. */
export type ApiFailure =
  /** Nobody answers at the origin, or the connection broke. */
  | { readonly kind: "unreachable"; readonly reason: string }
  /** The token is not accepted (401), or not for this (403). */
  | { readonly kind: "refused"; readonly status: 401 | 403; readonly detail: string }
  /** The node says what is wrong. */
  | {
    readonly kind: "problem";
    readonly status: number;
    readonly detail: string;
    readonly problems: readonly Problem[];
  }
  /** What answers is no node, or one that this client does not understand. */
  | { readonly kind: "strange"; readonly status: number; readonly reason: string };

/** An answer, or why there is none. */
export type ApiResult<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "failed"; readonly failure: ApiFailure };

/** A stream of bytes to send. */
export type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Where the API is and what opens it. */
export interface ApiClientOptions {
  /** Its origin, without a path. */
  readonly origin: string;
  /** The bearer token. */
  readonly token: string;
  /** Milliseconds for one whole answer; 30 s when absent. Streams have no such bound. */
  readonly answerMs?: number;
  /** Milliseconds that a stream of events may be silent; 45 s when absent. */
  readonly silenceMs?: number;
}

/** What to watch. */
export interface EventsOptions {
  /** Seconds of deliveries, the load, the live tree with its crashes; bars and status when absent. */
  readonly show?: readonly ("bars" | "status" | "tree")[] | undefined;
  /** Begin with the bars of this second since 1970 and after it, at most ten minutes of them. */
  readonly since?: number | undefined;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

/** Which devices to list. */
export interface DevicesQuery {
  /** The app. */
  readonly app: string;
  /** Begin after this id. */
  readonly after?: string | undefined;
  /** At most so many, up to 1,000. */
  readonly limit?: number | undefined;
  /** Only this user's. */
  readonly user?: string | undefined;
  /** Only with this tag. */
  readonly tag?: string | undefined;
  /** Only in this state. */
  readonly state?: string | undefined;
}

/** How rows to import are written. */
export interface ImportOptions {
  /** The app of rows that name none. */
  readonly app: string;
  /** The platform of rows that name none. */
  readonly platform?: string | undefined;
  /** How they are written. */
  readonly format: "ndjson" | "csv";
}

const MEDIA_TYPES = { ndjson: "application/x-ndjson", csv: "text/csv" } as const;

/** A request as this module makes it. */
interface Call {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Bytes;
  readonly signal?: AbortSignal;
}

/** What else a request may have. */
interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** The client; see the module. */
export class ApiClient {
  readonly #origin: string;
  readonly #token: string;
  readonly #answerMs: number;
  readonly #silenceMs: number;

  /** A client of this API. Nothing is sent yet. */
  constructor(options: ApiClientOptions) {
    const { origin, token, answerMs = ANSWER_MS, silenceMs = EVENTS_SILENCE_MS } = options;
    this.#origin = origin;
    this.#token = token;
    this.#answerMs = answerMs;
    this.#silenceMs = silenceMs;
  }

  /** Saves an app's credentials in place of those it has. */
  putApp(app: string, credentials: unknown): Promise<ApiResult<AppAnswer>> {
    return this.#json(readApp, "PUT", `/v1/apps/${encodeURIComponent(app)}`, credentials);
  }

  /** All apps. */
  async apps(): Promise<ApiResult<readonly AppAnswer[]>> {
    const result = await this.#json(readApps, "GET", "/v1/apps");
    return result.kind === "ok" ? ok(result.value.apps) : result;
  }

  /** An app. */
  app(app: string): Promise<ApiResult<AppAnswer>> {
    return this.#json(readApp, "GET", `/v1/apps/${encodeURIComponent(app)}`);
  }

  /** Removes an app with its devices. */
  removeApp(app: string): Promise<ApiResult<null>> {
    return this.#remove(`/v1/apps/${encodeURIComponent(app)}`);
  }

  /** Lets an app's paused platforms send again, or one of them; answers with those that were paused. */
  async resumeApp(app: string, platform?: string): Promise<ApiResult<readonly string[]>> {
    const path = `/v1/apps/${encodeURIComponent(app)}/resume${query({ platform })}`;
    const result = await this.#json(readResumed, "POST", path);
    return result.kind === "ok" ? ok(result.value.resumed) : result;
  }

  /** A page of devices, and after which id the next one begins. */
  devices(options: DevicesQuery): Promise<ApiResult<DevicesAnswer>> {
    return this.#json(readDevices, "GET", `/v1/devices${query({ ...options })}`);
  }

  /** Removes a device. */
  removeDevice(id: string): Promise<ApiResult<null>> {
    return this.#remove(`/v1/devices/${encodeURIComponent(id)}`);
  }

  /**
   * Registers the devices of a stream; `onProgress` hears while it runs. Nothing of the stream is
   * held but what is on its way.
   */
  importDevices(
    rows: Bytes,
    { app, platform, format }: ImportOptions,
    onProgress: (progress: ImportProgress) => void,
  ): Promise<ApiResult<ImportResult>> {
    const path = `/v1/devices${query({ app, platform })}`;
    return this.#upload(path, rows, MEDIA_TYPES[format], onProgress);
  }

  /** All active devices of an app as NDJSON that can be imported again. */
  async exportDevices(app: string): Promise<ApiResult<Bytes>> {
    const call = { method: "GET", path: `/v1/devices/export${query({ app })}` } as const;
    const answered = await this.#fetch(call);
    if (answered.kind === "failed") return answered;
    return ok(answered.value.body ?? ReadableStream.from([]));
  }

  /** Submits a notification; answers with its id. */
  async submit(body: unknown, idempotencyKey?: string): Promise<ApiResult<string>> {
    const headers = idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey };
    const result = await this.#json(readAccepted, "POST", "/v1/notifications", body, { headers });
    return result.kind === "ok" ? ok(result.value.id) : result;
  }

  /** Adds the recipients of an NDJSON stream to an open notification. */
  addRecipients(
    id: string,
    rows: Bytes,
    onProgress: (progress: ImportProgress) => void,
  ): Promise<ApiResult<ImportResult>> {
    const path = `/v1/notifications/${encodeURIComponent(id)}/recipients`;
    return this.#upload(path, rows, MEDIA_TYPES.ndjson, onProgress);
  }

  /** Closes an open notification: it is sent from now on. */
  close(id: string): Promise<ApiResult<NotificationAnswer>> {
    const path = `/v1/notifications/${encodeURIComponent(id)}/close`;
    return this.#json(readNotification, "POST", path);
  }

  /** Stops what has not been sent. */
  cancel(id: string): Promise<ApiResult<NotificationAnswer>> {
    const path = `/v1/notifications/${encodeURIComponent(id)}`;
    return this.#json(readNotification, "DELETE", path);
  }

  /** A notification with its progress. */
  notification(id: string): Promise<ApiResult<NotificationAnswer>> {
    const path = `/v1/notifications/${encodeURIComponent(id)}`;
    return this.#json(readNotification, "GET", path);
  }

  /** The first recorded deliveries that ended so, at most 1,000. */
  deliveries(
    id: string,
    options: { readonly outcome: string; readonly limit: number },
  ): Promise<ApiResult<{ readonly deliveries: readonly DeliveryAnswer[] }>> {
    const path = `/v1/notifications/${encodeURIComponent(id)}/deliveries${query({ ...options })}`;
    return this.#json(readDeliveries, "GET", path);
  }

  /** How the node is loaded. */
  status(): Promise<ApiResult<NodeAnswer>> {
    return this.#json(readNode, "GET", "/v1/status");
  }

  /** The nodes that share its store. */
  nodes(): Promise<ApiResult<NodesAnswer>> {
    return this.#json(readNodes, "GET", "/v1/nodes");
  }

  /** What ended in each second of the last ten minutes; the signal ends the waiting for it. */
  bars(signal?: AbortSignal): Promise<ApiResult<BarsAnswer>> {
    return this.#json(readBars, "GET", "/v1/bars?span=ten_minutes", undefined, { signal });
  }

  /**
   * What happens, as it happens. A failure is the last thing it gives; it ends without one when the
   * signal is aborted or the node closes. Whoever wants more asks again, `since` some seconds before
   * the last one seen, for a result may come late.
   */
  async *events(
    { show, since, signal }: EventsOptions = {},
  ): AsyncGenerator<ApiResult<LiveEvent>, void, void> {
    using silence = new Silence(this.#answerMs);
    const left = () => signal?.aborted === true;
    const ends = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
    const path = `/v1/events${query({ show: show?.join(","), since })}`;
    const answered = await this.#fetch({ method: "GET", path, signal: ends });
    if (left()) return;
    if (answered.kind === "failed") return yield answered;
    const { body, status, headers } = answered.value;
    if (headers.get("content-type") !== "text/event-stream") {
      await body?.cancel();
      return yield failed({ kind: "strange", status, reason: "it gives no stream of events" });
    }
    silence.endsAfter(this.#silenceMs);
    const heard = (body ?? ReadableStream.from([])).pipeThrough(silence.hearing());
    try {
      for await (const { type, data } of serverSentEvents(heard, EVENT_CHARS_MAX)) {
        const read = readLiveEvent(type, parseJson(data));
        if (read === undefined) continue;
        const result = understood(read, status);
        yield result;
        if (result.kind === "failed") return;
      }
    } catch (error) {
      if (!left()) yield failed({ kind: "unreachable", reason: reasonOf(error) });
    }
  }

  async #json<T>(
    read: AnswerReader<T>,
    method: Call["method"],
    path: string,
    body?: unknown,
    { headers = {}, signal }: CallOptions = {},
  ): Promise<ApiResult<T>> {
    const inTime = AbortSignal.timeout(this.#answerMs);
    const answered = await this.#fetch({
      method,
      path,
      signal: signal === undefined ? inTime : AbortSignal.any([signal, inTime]),
      headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (answered.kind === "failed") return answered;
    const text = await readText(answered.value);
    if (text.kind === "failed") return text;
    return parse(read, text.value, answered.value.status);
  }

  async #remove(path: string): Promise<ApiResult<null>> {
    const signal = AbortSignal.timeout(this.#answerMs);
    const answered = await this.#fetch({ method: "DELETE", path, signal });
    if (answered.kind === "failed") return answered;
    const text = await readText(answered.value);
    return text.kind === "failed" ? text : ok(null);
  }

  async #upload(
    path: string,
    rows: Bytes,
    mediaType: string,
    onProgress: (progress: ImportProgress) => void,
  ): Promise<ApiResult<ImportResult>> {
    const source = rows.getReader();
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        const { done, value } = await source.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => source.cancel(reason),
    });
    const headers = { "content-type": mediaType };
    const answered = await this.#fetch({ method: "POST", path, headers, body });
    const result = answered.kind === "ok" ? await readImport(answered.value, onProgress) : answered;
    // A node that refused has not read all of it: what is left ends here, and the request with it.
    // One that failed itself has ended already, and was told as the request's failure.
    await source.cancel().catch(() => {});
    return result;
  }

  /** Sends a request; an answer of 2xx is handed out, any other one is a failure. */
  async #fetch({ method, path, headers, body, signal }: Call): Promise<ApiResult<Response>> {
    let response: Response;
    try {
      response = await fetch(`${this.#origin}${path}`, {
        method,
        headers: { ...headers, authorization: `Bearer ${this.#token}` },
        redirect: "manual",
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      return failed({ kind: "unreachable", reason: reasonOf(error) });
    }
    if (response.ok) return ok(response);
    const text = await readText(response);
    return text.kind === "failed" ? text : failed(failureOf(response, text.value));
  }
}

/** Reads the lines of an import's answer to the last one. */
async function readImport(
  { body, status }: Response,
  onProgress: (progress: ImportProgress) => void,
): Promise<ApiResult<ImportResult>> {
  const problems: ImportResult["problems"][number][] = [];
  try {
    for await (const line of lines(body ?? ReadableStream.from([]), LINE_BYTES_MAX)) {
      const parsed = parse(readImportLine, line, status);
      if (parsed.kind === "failed") return parsed;
      if (parsed.value.kind === "row") {
        const row = parsed.value;
        const room = PROBLEMS_MAX - problems.length;
        problems.push(...row.problems.slice(0, room).map((one) => ({ ...one, line: row.line })));
        continue;
      }
      const { imported, failed, done, detail } = parsed.value;
      if (done === undefined) onProgress({ imported, failed });
      else return ok({ imported, failed, problems, broken: done ? undefined : detail ?? "" });
    }
  } catch (error) {
    return failed({ kind: "unreachable", reason: reasonOf(error) });
  }
  return failed({ kind: "unreachable", reason: "the answer ended before it was done" });
}

function ok<T>(value: T): ApiResult<T> {
  return { kind: "ok", value };
}

function failed(failure: ApiFailure): { readonly kind: "failed"; readonly failure: ApiFailure } {
  return { kind: "failed", failure };
}

/** The parts that are there as a query string with its mark, or an empty text. */
function query(parts: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, part] of Object.entries(parts)) {
    if (part !== undefined) search.set(name, `${part}`);
  }
  return search.size === 0 ? "" : `?${search}`;
}

/** A whole body as text, within its bound. */
async function readText(response: Response): Promise<ApiResult<string>> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    for await (const part of response.body ?? []) {
      bytes += part.length;
      if (bytes > ANSWER_BYTES_MAX) {
        const reason = `the answer has more than ${ANSWER_BYTES_MAX} bytes`;
        return failed({ kind: "strange", status: response.status, reason });
      }
      text += decoder.decode(part, { stream: true });
    }
  } catch (error) {
    return failed({ kind: "unreachable", reason: reasonOf(error) });
  }
  return ok(text + decoder.decode());
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parse<T>(read: AnswerReader<T>, text: string, status: number): ApiResult<T> {
  return understood(read(parseJson(text)), status);
}

/** What was read, or where it is not as expected. */
function understood<T>(parsed: ReadAnswer<T>, status: number): ApiResult<T> {
  if (parsed.kind === "value") return ok(parsed.value);
  const { path } = parsed;
  const reason = path === null
    ? "the answer is not as expected"
    : `the answer has no right ${path}`;
  return failed({ kind: "strange", status, reason });
}

/** What an answer that is no success says. */
function failureOf({ status, headers }: Response, text: string): ApiFailure {
  const isProblem = headers.get("content-type")?.startsWith("application/problem+json") === true;
  const document = readProblem(isProblem ? parseJson(text) : undefined);
  if (document.kind === "wrong") return { kind: "strange", status, reason: `it answers ${status}` };
  const detail = document.value.detail.slice(0, DETAIL_CHARS_MAX);
  if (status === 401 || status === 403) return { kind: "refused", status, detail };
  const problems = document.value.problems.slice(0, PROBLEMS_MAX);
  return { kind: "problem", status, detail, problems };
}

/** Why a request failed, in the network's words without the URL and the runtime's preamble. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "the connection failed";
  if (error.name === "TimeoutError") return "it does not answer in time";
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return (error.message.split(": ").at(-1) ?? "").slice(0, DETAIL_CHARS_MAX);
}
