/**
 * A token endpoint on loopback whose answers a test writes.
 *
 * @module
 */

/** What it answers. */
export interface TokenAnswer {
  /** 200 when absent. */
  readonly status?: number;
  /** Text as it is, anything else as JSON; a new token when absent. */
  readonly body?: unknown;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A token endpoint. */
export class TokenServer implements AsyncDisposable {
  /** The forms that were posted. */
  readonly forms: URLSearchParams[] = [];
  /** Its URL. */
  readonly url: string;
  /** What it answers from now on; may wait. */
  answer: () => TokenAnswer | Promise<TokenAnswer> = () => ({});
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** Starts one on a free port. */
  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
    this.url = `http://127.0.0.1:${this.#server.addr.port}/token`;
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname !== "/token" || request.method !== "POST") {
      return new Response(null, { status: 404 });
    }
    this.forms.push(new URLSearchParams(await request.text()));
    const { status = 200, body, headers = {} } = await this.answer();
    const granted = { access_token: `token-${this.forms.length}`, expires_in: 3_600 };
    const text = typeof body === "string" ? body : JSON.stringify(body ?? granted);
    return new Response(text, { status, headers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
