/**
 * Posts to an address that the operator has named: a webhook, an InfluxDB.
 *
 * Invariants: nothing is followed to another address, which must not get what proves this side; a post
 * and its answer end in time, and of the answer only the beginning is read; no text names more of the
 * address than its origin, since its path or query may be a secret.
 *
 * @module
 */

import { ANSWER_BYTES_MAX, POST_TIMEOUT_MS } from "./limits.ts";

/** Where to post, and how. */
export interface HttpPostOptions {
  /** The address: `http:` or `https:`, without user and password. */
  readonly url: URL;
  /** Further roots that may certify the other side, as PEM; default none. */
  readonly caCerts?: readonly string[] | undefined;
  /** Time a post may take, its answer included; default 15,000 ms. */
  readonly timeoutMs?: number | undefined;
}

/** What came of a post. */
export type PostResult =
  /** It was answered: with what status, and how the text of the answer begins. */
  | { readonly kind: "answered"; readonly status: number; readonly text: string }
  /** It was not, or not in time; the problem goes on from the origin: `did not answer within 15000 ms`. */
  | { readonly kind: "unanswered"; readonly problem: string };

/** See the module. It holds connections, which are closed with it. */
export class HttpPost implements Disposable {
  /** Whose answers they are, for people. */
  readonly origin: string;
  readonly #url: URL;
  readonly #client: Deno.HttpClient;
  readonly #timeoutMs: number;

  /** Nothing is sent before {@linkcode post}. */
  constructor({ url, caCerts = [], timeoutMs = POST_TIMEOUT_MS }: HttpPostOptions) {
    this.origin = url.origin;
    this.#url = url;
    this.#client = Deno.createHttpClient({ caCerts: [...caCerts] });
    this.#timeoutMs = timeoutMs;
  }

  /** Posts a body; rejects with the signal's reason, and for nothing else. */
  async post(
    body: string,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<PostResult> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.#timeoutMs);
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { "user-agent": "heliograph", ...headers },
        body,
        redirect: "manual",
        signal: AbortSignal.any([deadline.signal, ...signal === undefined ? [] : [signal]]),
        client: this.#client,
      });
      return { kind: "answered", status: response.status, text: await beginning(response) };
    } catch (error) {
      signal?.throwIfAborted();
      const problem = deadline.signal.aborted
        ? `did not answer within ${this.#timeoutMs} ms`
        : `could not be reached: ${reasonOf(error)}`;
      return { kind: "unanswered", problem };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes its connections. */
  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** Whether a status says that a post was taken. */
export function isTaken(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** The beginning of an answer's body; the rest is not read. */
async function beginning(response: Response): Promise<string> {
  const bytes = new Uint8Array(ANSWER_BYTES_MAX);
  let length = 0;
  for await (const chunk of response.body ?? []) {
    const part = chunk.subarray(0, bytes.length - length);
    bytes.set(part, length);
    length += part.length;
    if (length === bytes.length) break;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/** Why a request failed, without the address that the platform's message repeats. */
function reasonOf(error: unknown): string {
  let cause: unknown = error;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.replaceAll(/\(?\bhttps?:\/\/\S+/g, "…");
}
