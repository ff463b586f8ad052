/**
 * The API door over the delivery service and a store in memory, for tests: every answer they get is
 * validated against the document the door serves.
 *
 * @module
 */

import type { CredentialReports } from "../../actors/push/delivery/app_health.ts";
import { DeliveryService } from "../../actors/push/delivery/delivery_service.ts";
import { type PlatformParts, platformParts } from "../../program/platforms.ts";
import type { Bar } from "../../actors/push/delivery/sinks/monitor.ts";
import type { ApiEvents, TokenVerdict } from "../../transports/api/serve_api.ts";
import { type ApiServer, serveApi } from "../../transports/api/serve_api.ts";
import { type ApiClock, apiClock } from "../../transports/api/readiness.ts";
import { Metrics } from "../../transports/api/metrics.ts";
import {
  MemoryDeliveryStore,
  type MemoryDeliveryStoreOptions,
} from "../../transports/memory/memory_delivery_store.ts";
import { EndpointPolicy } from "../../transports/webpush/endpoint.ts";
import { AnswerValidator } from "./openapi.ts";

/** The platforms' real checks and rendering, and nothing that is known of tokens. */
export function realPlatforms(): PlatformParts {
  return platformParts(new EndpointPolicy(), () => undefined);
}

/** The time in these tests, until somebody changes it. */
export const NOW = Date.UTC(2030, 0, 1);

const VERDICTS: Readonly<Record<string, TokenVerdict>> = {
  "read-token": { kind: "ok", scopes: ["read"] },
  "send-token": { kind: "ok", scopes: ["send"] },
  "admin-token": { kind: "ok", scopes: ["admin"] },
  "old-token": { kind: "expired" },
};

/** How a world is made. */
export interface ApiWorldOptions {
  /** The store's faults and delays. */
  readonly store?: MemoryDeliveryStoreOptions;
  /** What is known of credentials. */
  readonly reports?: CredentialReports;
  /** Events to watch. */
  readonly events?: ApiEvents;
  /** The door's clock. */
  readonly clock?: ApiClock;
}

/** A request. */
export interface CallOptions {
  /** The token; `admin-token` when absent, none when `undefined`. */
  readonly token?: string | undefined;
  /** A body to be sent as JSON. */
  readonly json?: unknown;
  /** A body as it is, or as it comes. */
  readonly body?: string | ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Its type, for a `body`. */
  readonly type?: string;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer. */
export interface Called {
  /** Its status. */
  readonly status: number;
  /** Its headers. */
  readonly headers: Headers;
  /** Its body. */
  readonly text: string;
}

/** The world of one test. */
export class ApiWorld implements AsyncDisposable {
  /** The store. */
  readonly store: MemoryDeliveryStore;
  /** The service. */
  readonly service: DeliveryService;
  /** The wall clock of the service. */
  now = NOW;
  /** What the monitor answers. */
  bars: (since: number) => Promise<readonly Bar[]> = () => Promise.resolve([]);
  /** How often feeder and router were told to look. */
  woken = 0;
  /** How often the event loop was let turn in long work. */
  breaths = 0;
  /** Apps whose notifications were accepted. */
  readonly submitted: string[] = [];
  /** Tokens that are no longer known. */
  readonly withdrawn = new Set<string>();
  /** What the door could not do. */
  readonly failures: string[] = [];
  /** Everything that was answered, headers too. */
  readonly answered: string[] = [];
  #api: ApiServer | undefined;
  #validator: AnswerValidator | undefined;

  private constructor(options: ApiWorldOptions) {
    let made = 0;
    this.store = new MemoryDeliveryStore({ clock: { wallNow: () => this.now }, ...options.store });
    this.service = new DeliveryService({
      store: this.store,
      ...realPlatforms(),
      ...options.reports && { reports: options.reports },
      wallNow: () => this.now,
      breathe: () => {
        this.breaths++;
        return Promise.resolve();
      },
      newId: () => `00000000-0000-4000-8000-${String(++made).padStart(12, "0")}`,
      wake: () => this.woken++,
      resumed: () => {},
      observer: {
        record: (event) => {
          if (event.kind === "submitted") this.submitted.push(event.app);
        },
      },
      bars: (since) => this.bars(since),
      node: { id: "node-1", version: "1.2.3", startedAt: new Date(NOW).toISOString() },
    });
  }

  /** Opens a door on a free port. */
  static async open(options: ApiWorldOptions = {}): Promise<ApiWorld> {
    const world = new ApiWorld(options);
    const { events, clock = apiClock } = options;
    world.#api = await serveApi({
      hostname: "127.0.0.1",
      port: 0,
      verifyToken: (token) =>
        (world.withdrawn.has(token) ? undefined : VERDICTS[token]) ?? { kind: "unknown" },
      ready: () => Promise.resolve([]),
      tree: () => ({ path: "root" }),
      metrics: new Metrics(),
      version: "1.2.3",
      page: { files: [], endpointOrigin: "http://127.0.0.1:1", deviceUrl: "ws://127.0.0.1:1/" },
      delivery: world.service,
      ...(events === undefined ? {} : { events }),
      clock,
      onEvent: (event) => world.failures.push(event.kind),
    });
    world.#validator = await AnswerValidator.fetch(world.origin);
    return world;
  }

  /** Where the door is. */
  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Its port. */
  get port(): number {
    if (this.#api === undefined) throw new Error("The world is not open");
    return this.#api.port;
  }

  /** What judges the answers. */
  get validator(): AnswerValidator {
    if (this.#validator === undefined) throw new Error("The world is not open");
    return this.#validator;
  }

  /** Asks, with the token of an administrator, and validates the answer. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Called> {
    const response = await this.fetch(method, path, options);
    const text = await response.text();
    const { status, headers } = response;
    this.answered.push(text, JSON.stringify([...headers]));
    const contentType = headers.get("content-type");
    this.validator.check({ method, path, status, contentType, body: text });
    return { status, headers, text };
  }

  /** The text of a good answer. */
  async ok(method: string, path: string, options: CallOptions = {}): Promise<string> {
    const { status, text } = await this.call(method, path, options);
    if (status >= 300) throw new Error(`${method} ${path} => ${status} ${text}`);
    return text;
  }

  /** Asks and leaves the answer's body to the caller. */
  fetch(method: string, path: string, options: CallOptions = {}): Promise<Response> {
    const token = "token" in options ? options.token : "admin-token";
    const { json, body = json === undefined ? undefined : JSON.stringify(json) } = options;
    const type = options.type ?? "application/json";
    return fetch(`${this.origin}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": type }),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body }),
    });
  }

  /** Stops the door as a node does. */
  async close(): Promise<void> {
    await this.#api?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api?.[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
  }
}
