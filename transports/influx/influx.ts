/**
 * An InfluxDB that points are written to, by its HTTP API: version 2's `/api/v2/write`, which 3 and
 * Cloud have, too, or version 1's `/write`.
 *
 * Invariants: a write resolves only when InfluxDB has all points, but for those older than it keeps
 * anything; the token is in no error, and of the address only the origin; nothing is followed to
 * another address.
 *
 * Points that InfluxDB says are beyond its retention have been taken as far as they can be: it drops
 * them and keeps the others, each time. Offering them again would stop everything behind them.
 *
 * The address is the operator's, not a caller's, and usually one of an internal network: private
 * addresses are allowed, and so is `http` to any of them. Over that, whoever sees the network sees the
 * token.
 *
 * @module
 */

import { HttpPost, isTaken } from "../http_post/http_post.ts";
import { URL_CHARS_MAX } from "../http_post/limits.ts";
import { ANSWER_CHARS_MAX, REQUEST_POINTS_MAX, TOKEN_CHARS_MAX } from "./limits.ts";
import { type Point, pointLine } from "./line_protocol.ts";

/** Where and as whom to write. */
export interface InfluxOptions {
  /**
   * `http:` or `https:` with the path of the write API: `…/api/v2/write?org=ORG&bucket=BUCKET`, or
   * `…/write?db=DATABASE` with what else version 1 takes. Without user and password; the precision is
   * set here.
   */
  readonly url: string;
  /** The token; for version 1 `USER:PASSWORD`. Without it nothing is proved. */
  readonly token?: string | undefined;
  /** Further roots that may certify the server, as PEM; default none. */
  readonly caCerts?: readonly string[];
  /** Time a request may take; default 15,000 ms. */
  readonly timeoutMs?: number;
}

/** An InfluxDB, or what is wrong with its options: a sentence that begins with the option's name. */
export type OpenedInflux =
  | { readonly kind: "opened"; readonly influx: Influx }
  | { readonly kind: "refused"; readonly problem: string };

/** Looks at the options; nothing is sent. */
export function openInflux(options: InfluxOptions): OpenedInflux {
  const url = readUrl(options.url);
  if (typeof url === "string") return { kind: "refused", problem: `url: ${url}` };
  const { token = "" } = options;
  if (token.length > TOKEN_CHARS_MAX) {
    return { kind: "refused", problem: `token: over ${TOKEN_CHARS_MAX} characters` };
  }
  if (!/^[ -~]*$/.test(token)) {
    return { kind: "refused", problem: "token: has characters other than visible ASCII ones" };
  }
  return { kind: "opened", influx: new Influx(options, url) };
}

/** The address to post to, or why it cannot be used. */
function readUrl(text: string): URL | string {
  if (text.length > URL_CHARS_MAX) return `over ${URL_CHARS_MAX} characters`;
  const url = URL.parse(text);
  if (url === null) return "not a URL";
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return `${url.protocol} instead of http: or https:`;
  }
  const { searchParams: query } = url;
  const named = url.username + url.password !== "" || query.has("u") || query.has("p");
  if (named) return "has a user or password; give the token, or USER:PASSWORD in its place";
  const problem = isVersion2(url)
    ? query.get("bucket") ? undefined : "has no bucket: …/api/v2/write?org=ORG&bucket=BUCKET"
    : query.get("db")
    ? undefined
    : "has no database: …/write?db=DATABASE";
  if (!url.pathname.endsWith("/write")) {
    return "is not a write API: …/api/v2/write?org=ORG&bucket=BUCKET, or …/write?db=DATABASE";
  }
  if (problem !== undefined) return problem;
  query.set("precision", "ns");
  return url;
}

function isVersion2({ pathname }: URL): boolean {
  return pathname.endsWith("/api/v2/write");
}

/** See the module. It holds connections, which are closed with it. */
export class Influx implements Disposable {
  /** Where it is, for people. */
  readonly origin: string;
  readonly #post: HttpPost;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #secrets: readonly string[];

  /** Of checked parts; {@linkcode openInflux} checks. */
  constructor(options: InfluxOptions, url: URL) {
    const { token } = options;
    const proof = token === undefined ? undefined : authorization(url, token);
    this.origin = url.origin;
    this.#post = new HttpPost({ ...options, url });
    this.#headers = {
      "content-type": "text/plain; charset=utf-8",
      ...(proof === undefined ? {} : { authorization: proof }),
    };
    this.#secrets = secretsOf(token, proof);
  }

  /**
   * Writes points; one that is there already, with the same measurement, tags and time, is replaced.
   *
   * @throws {InfluxError} When some of them may not have been taken: writing all again is right then.
   */
  async write(points: readonly Point[], signal: AbortSignal): Promise<void> {
    for (let from = 0; from < points.length; from += REQUEST_POINTS_MAX) {
      const lines = points.slice(from, from + REQUEST_POINTS_MAX).map(pointLine);
      await this.#send(lines.join("\n"), signal);
    }
  }

  /**
   * Resolves when points would be taken: posts a comment, which is no point.
   *
   * @throws {InfluxError} When they would not.
   */
  async ping(): Promise<void> {
    await this.#send("# Would you take points?");
  }

  /** Closes its connections. */
  [Symbol.dispose](): void {
    this.#post[Symbol.dispose]();
  }

  async #send(body: string, signal?: AbortSignal): Promise<void> {
    const result = await this.#post.post(body, this.#headers, signal);
    if (result.kind === "unanswered") throw new InfluxError(`${this.origin} ${result.problem}`);
    const said = reasonIn(result.text);
    if (isTaken(result.status) || isBeyondRetention(said)) return;
    const shown = this.#secrets.reduce((text, secret) => text.replaceAll(secret, "…"), said);
    throw new InfluxError(
      `${this.origin} answered ${result.status}: "${shown.slice(0, ANSWER_CHARS_MAX)}"`,
    );
  }
}

/** Points that were not taken. */
export class InfluxError extends Error {
  /** Its class, as shown before the message. */
  override readonly name = "InfluxError";
}

/** Version 2's scheme; version 1 knows a user with a password and no token. */
function authorization(url: URL, token: string): string {
  if (isVersion2(url) || !token.includes(":")) return `Token ${token}`;
  return `Basic ${btoa(token)}`;
}

/** What must not be shown, though a proxy may repeat it: the token, its password, and how both are sent. */
function secretsOf(token = "", proof = ""): readonly string[] {
  const [, password = ""] = /^[^:]*:(.*)/.exec(token) ?? [];
  const [, sent = ""] = proof.split(" ");
  return [token, sent, password].filter((secret) => secret !== "");
}

/** In the words of versions 1 and 2.0, and of later ones; the status is 400, 422 or 500. */
function isBeyondRetention(said: string): boolean {
  return /partial write: (points beyond|dropped \d+ points outside) retention policy/.test(said);
}

/** What an answer says: the reason in its JSON, or its text. */
function reasonIn(text: string): string {
  // `error` in version 1, `message` since 2. What was cut is no JSON any more.
  const [, reason] = /"(?:error|message)":\s*"((?:[^"\\]|\\.)*)/.exec(text) ?? [];
  return (reason?.replaceAll(/\\(["\\])/g, "$1") ?? text).trim();
}
