// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The node's API as the page calls it: with the token in a header, refusals as errors with a sentence.
 *
 * The token lives in `sessionStorage`: it ends with the tab, and no address ever holds it.
 *
 * @module
 */

const TOKEN_NAME = "heliograph-token";

/** Time a call may take: the node's own limits are shorter. */
const CALL_MS = 30_000;

/** The API refused, or could not be reached (status 0). Its message is a sentence for people. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {readonly { readonly path: string, readonly message: string }[]} [problems] By field, when the
   * request was wrong.
   */
  constructor(status, message, problems = []) {
    super(message);
    this.name = "ApiError";
    /** @type {number} */
    this.status = status;
    /** @type {readonly { readonly path: string, readonly message: string }[]} */
    this.problems = problems;
  }
}

/** The token of this tab. @returns {string | undefined} */
export function token() {
  return sessionStorage.getItem(TOKEN_NAME) ?? undefined;
}

/**
 * Keeps the token for this tab, or forgets it.
 *
 * @param {string | undefined} value
 * @returns {void}
 */
export function setToken(value) {
  if (value === undefined) sessionStorage.removeItem(TOKEN_NAME);
  else sessionStorage.setItem(TOKEN_NAME, value);
}

/** The API, until its signal is aborted. */
export class Api {
  #signal;
  #onRefused;

  /**
   * @param {AbortSignal} signal Ends all calls.
   * @param {() => void} onRefused Called when the token is no longer good.
   */
  constructor(signal, onRefused) {
    this.#signal = signal;
    this.#onRefused = onRefused;
  }

  /**
   * Asks for something; parameters that are empty or absent are left away.
   *
   * @param {string} path
   * @param {Readonly<Record<string, string | number | undefined>>} [parameters]
   * @param {AbortSignal} [signal] Ends this call earlier.
   * @returns {Promise<any>} Its JSON. Rejects with {@linkcode ApiError}.
   */
  get(path, parameters = {}, signal = undefined) {
    return this.#json("GET", withParameters(path, parameters), undefined, signal);
  }

  /**
   * Sends JSON.
   *
   * @param {string} path
   * @param {unknown} [body]
   * @param {Readonly<Record<string, string>>} [headers]
   * @returns {Promise<any>} The answer's JSON, `undefined` when it has none.
   */
  post(path, body = undefined, headers = {}) {
    return this.#json("POST", path, body, undefined, headers);
  }

  /**
   * Deletes, cancels.
   *
   * @param {string} path
   * @returns {Promise<any>}
   */
  delete(path) {
    return this.#json("DELETE", path, undefined, undefined);
  }

  /**
   * Opens a stream of events.
   *
   * @param {Readonly<Record<string, string | number | undefined>>} parameters
   * @param {AbortSignal} signal
   * @returns {Promise<ReadableStream<Uint8Array>>}
   */
  async events(parameters, signal) {
    const wanted = AbortSignal.any([this.#signal, signal]);
    const { body } = await this.#fetch("GET", withParameters("/v1/events", parameters), wanted, {
      signal: wanted,
      headers: { accept: "text/event-stream" },
    });
    if (body === null) throw new ApiError(0, "The node sent an empty stream.");
    return body;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} body
   * @param {AbortSignal | undefined} signal
   * @param {Readonly<Record<string, string>>} [headers]
   */
  async #json(method, path, body, signal, headers = {}) {
    const wanted = AbortSignal.any([this.#signal, ...signal ? [signal] : []]);
    const response = await this.#fetch(method, path, wanted, {
      signal: AbortSignal.any([wanted, AbortSignal.timeout(CALL_MS)]),
      ...body === undefined ? {} : { body: JSON.stringify(body) },
      headers: { ...body === undefined ? {} : { "content-type": "application/json" }, ...headers },
    });
    const text = await answered(response.text(), wanted);
    return text === "" ? undefined : JSON.parse(text);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {AbortSignal} wanted
   * @param {RequestInit & { readonly headers: Readonly<Record<string, string>> }} init
   */
  async #fetch(method, path, wanted, { headers, ...init }) {
    const response = await answered(
      fetch(path, {
        ...init,
        method,
        cache: "no-store",
        headers: { ...headers, authorization: `Bearer ${token() ?? ""}` },
      }),
      wanted,
    );
    if (response.ok) return response;
    const refusal = await refused(response);
    // A call of a view that was left may have had an older token: it tells nothing of the one there is now.
    if (response.status === 401 && !this.#signal.aborted) this.#onRefused();
    throw refusal;
  }
}

/**
 * A step of a call. That it fails is the node's or the network's doing, at any byte and also by being
 * late, unless the caller no longer wants it.
 *
 * @template T
 * @param {Promise<T>} step
 * @param {AbortSignal} wanted
 */
async function answered(step, wanted) {
  try {
    return await step;
  } catch (error) {
    if (wanted.aborted) throw error;
    throw new ApiError(0, "The node does not answer.");
  }
}

/**
 * @param {string} path
 * @param {Readonly<Record<string, string | number | undefined>>} parameters
 */
function withParameters(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== "") query.set(name, String(value));
  }
  return query.size === 0 ? path : `${path}?${query}`;
}

/**
 * What a refusal says (RFC 9457).
 *
 * @param {Response} response
 */
async function refused(response) {
  try {
    const { title, detail, problems } = await response.json();
    return new ApiError(response.status, String(detail ?? title), problems ?? []);
  } catch {
    // A proxy's page, not the node's document: the status says all that helps.
    return new ApiError(response.status, `${response.status} ${response.statusText}`);
  }
}
