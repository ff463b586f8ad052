/**
 * A node as a person starts it, with a stand-in for its providers, asked over its API; all it says is
 * kept, so that secrets can be looked for in it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { makeCertificate, type StandIn } from "../../transports/provider_stand_in/mod.ts";
import { Service } from "./service.ts";
import { MADE, openStandIn } from "./stand_in.ts";

/** Between two looks at a notification, in milliseconds. */
const LOOK_MS = 20;
/** Looks before a notification is said not to end: twenty seconds. */
const LOOKS_MAX = 1_000;

/** Text in everything that is sent: it is nobody's business but the device's. */
export const CANARY = "canary7Zq";

/** A recipient as the API takes it. */
export type Recipient = Readonly<Record<string, unknown>>;

/** A request to the API. */
export interface ApiCall {
  /** The token; the node's own when absent, none when `undefined`. */
  readonly token?: string | undefined;
  /** The body, sent as JSON. */
  readonly json?: unknown;
}

/** What became of one recipient. */
export interface Result {
  /** `OUTCOME STATUS REASON`, or `pending`. */
  readonly said: string;
  /** Requests that had to be sent again. */
  readonly retries: number;
}

/** A node, its providers, and its app `shop` with the device `good`. */
export class NodeWorld implements AsyncDisposable {
  /** The providers. */
  readonly standIn: StandIn;
  /** The node. */
  readonly service: Service;
  /** Everything its API has answered. */
  readonly answers: string[] = [];
  readonly #token: string;
  #resources = new AsyncDisposableStack();
  #apps = 0;

  private constructor(standIn: StandIn, service: Service) {
    this.standIn = standIn;
    this.service = service;
    this.#token = Deno.readTextFileSync(`${service.dataDir}/api-token`).trim();
  }

  /**
   * Starts both; the node may send to these push services, and knows {@linkcode NAMED_TOKENS}. It is started
   * with further flags.
   */
  static async open(
    pushOrigins: readonly string[],
    more: readonly string[] = [],
  ): Promise<NodeWorld> {
    await using opening = new AsyncDisposableStack();
    const { tls, caPem } = makeCertificate();
    const standIn = opening.use(await openStandIn({ tls }));
    const dataDir = await Deno.makeTempDir({ prefix: "heliograph-inputs-" });
    opening.defer(() => Deno.remove(dataDir, { recursive: true }));
    await Deno.writeTextFile(`${dataDir}/api-tokens.json`, tokensFile(), { mode: 0o600 });
    await Deno.writeTextFile(`${dataDir}/ca.pem`, caPem);
    const allowed = pushOrigins.flatMap((origin) => ["--allowed-push-origin", origin]);
    const flags = ["--log-level", "debug", "--ca-file", `${dataDir}/ca.pem`, ...allowed, ...more];
    const service = opening.use(await Service.start({ flags, dataDir }));
    const world = new NodeWorld(standIn, service);
    await world.ok("PUT", "/v1/apps/shop", MADE.credentials(standIn.origins));
    const good = { app: "shop", platform: "apns", token: "600d".repeat(16) };
    await world.ok("PUT", "/v1/devices/good", good);
    world.#resources = opening.move();
    return world;
  }

  /** Asks the API. */
  async call(
    method: string,
    path: string,
    call: ApiCall = {},
  ): Promise<{ readonly status: number; readonly text: string }> {
    const token = "token" in call ? call.token : this.#token;
    const response = await fetch(`http://127.0.0.1:${this.service.apiPort}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        "content-type": "application/json",
      },
      ...(call.json === undefined ? {} : { body: JSON.stringify(call.json) }),
    });
    const text = await response.text();
    this.answers.push(text, JSON.stringify([...response.headers]));
    return { status: response.status, text };
  }

  /** Asks what must be answered, and gives the answer. */
  async ok(
    method: string,
    path: string,
    json?: unknown,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { status, text } = await this.call(method, path, { json });
    if (status >= 300) throw new Error(`${method} ${path} => ${status} ${text}`);
    return JSON.parse(text);
  }

  /** Makes an app with the stand-in's credentials but for these; gives its name. */
  async app(change: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Promise<string> {
    const name = `app-${++this.#apps}`;
    const made: Readonly<Record<string, object>> = { ...MADE.credentials(this.standIn.origins) };
    const entries = Object.entries(made).map(([platform, credentials]) => [
      platform,
      { ...credentials, ...change[platform] },
    ]);
    await this.ok("PUT", `/v1/apps/${name}`, Object.fromEntries(entries));
    return name;
  }

  /** Sends to one recipient; gives the notification's id. */
  async send(
    app: string,
    to: Recipient,
    options: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const content = { title: CANARY };
    const body = { app, content, to, record: "all", ...options };
    const { id } = await this.ok("POST", "/v1/notifications", body);
    return String(id);
  }

  /** What became of a notification to one recipient, as soon as it has ended or was tried so often. */
  async result(id: string, retriesMin = Infinity): Promise<Result> {
    for (let look = 0; look < LOOKS_MAX; look++) {
      const { sendingDone, counts } = await this.ok("GET", `/v1/notifications/${id}`);
      const { retries } = Object(counts);
      if (sendingDone === true) return { said: await this.#row(id), retries };
      if (retries >= retriesMin) return { said: "pending", retries };
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    throw new Error(`Notification ${id} does not end. The log:\n${this.service.stderr}`);
  }

  async #row(id: string): Promise<string> {
    const { deliveries } = await this.ok("GET", `/v1/notifications/${id}/deliveries`);
    const [row] = Array.isArray(deliveries) ? deliveries : [];
    const { outcome, status, reason } = Object(row);
    return [outcome, status, reason].join(" ").trim();
  }

  /** A good client works: what it sends is delivered. */
  async assertWorks(): Promise<void> {
    const id = await this.send("shop", { devices: ["good"] });
    assertEquals(await this.result(id), { said: "delivered 0", retries: 0 });
  }

  /** No key is in any answer or line of the log, and nothing that was sent or to whom is in the log. */
  assertNoSecrets(): void {
    const said = this.answers.join("\n");
    const log = this.service.stderr;
    for (const secret of secrets(MADE.credentials(this.standIn.origins))) {
      assert(!said.includes(secret) && !log.includes(secret), "a key of the app");
    }
    assert(!said.includes(this.#token) && !log.includes(this.#token), "the API token");
    assert(!log.includes(CANARY) && !log.includes("600d600d"), log);
    assert(log.includes('"level":"debug"'), "the log is not there");
  }

  /** Stops both. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** Named tokens of the node, by what is right or wrong with them. */
export const NAMED_TOKENS = { old: `old-${CANARY}`, reading: `reading-${CANARY}` } as const;

function tokensFile(): string {
  const token = (name: keyof typeof NAMED_TOKENS, expires: string | null) => ({
    name,
    sha256: createHash("sha256").update(NAMED_TOKENS[name]).digest("hex"),
    created: "2020-01-01T00:00:00Z",
    expires,
    scopes: ["read"],
  });
  return JSON.stringify({ tokens: [token("old", "2020-01-02T00:00:00Z"), token("reading", null)] });
}

/** What of credentials must never come out: the middle of each key. */
export function secrets(
  { apns, fcm, webpush }: ReturnType<typeof MADE.credentials>,
): readonly string[] {
  const keys = ["key" in apns ? apns.key : "", String(fcm.serviceAccount["private_key"])];
  const found = [...keys.map((pem) => pem.split("\n")[1] ?? ""), webpush.vapidPrivateKey];
  assert(found.every(({ length }) => length > 40));
  return found;
}
