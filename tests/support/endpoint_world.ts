/**
 * A push endpoint on a free port with a service in memory, a clock that stands still, and a sender
 * with a VAPID key: what the tests of the HTTP door of the Web Push half share.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type {
  Acceptance,
  EndpointEvent,
  PostedMessage,
  PushService,
} from "../../transports/push_endpoint/ports.ts";
import {
  type PushEndpoint,
  type PushEndpointOptions,
  servePushEndpoint,
} from "../../transports/push_endpoint/serve_push_endpoint.ts";
import { TokenBox } from "../../transports/push_endpoint/token_box.ts";
import { exchange, type RawAnswer } from "../transports/http_door/raw_client.ts";

/** The second at which the clock stands. */
export const NOW_SECONDS = 1_700_000_000;

/** The user agent all channels belong to. */
export const UAID = "00112233445566778899aabbccddeeff";

/** A channel that is subscribed. */
export const CHANNEL = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

/** A channel that is not subscribed. */
export const OTHER_CHANNEL = "ffffffff-4b5a-6978-8796-a5b4c3d2e1f0";

/** A service that remembers what it was given. */
export class MemoryService implements PushService {
  /** Everything accepted, in order. */
  readonly messages: PostedMessage[] = [];
  /** Sort keys of withdrawn messages. */
  readonly withdrawn: number[] = [];
  /** What the next call does instead. */
  fault: "none" | "no_subscription" | "over_limit" | "unavailable" | "rejects" = "none";
  /** When set, messages are accepted only after it resolves; `held` hears of the first that waits. */
  gate: { readonly opened: Promise<void>; held(): void } | undefined;
  readonly #identifiers: TokenBox;

  /** Message ids are made by these identifiers. */
  constructor(identifiers: TokenBox) {
    this.#identifiers = identifiers;
  }

  /** Only one channel is subscribed. */
  subscription(uaid: string, channelId: string): Promise<"subscribed" | "no_channel" | "no_user"> {
    if (this.fault === "rejects") return Promise.reject(new Error("no store"));
    if (uaid !== UAID) return Promise.resolve("no_user");
    return Promise.resolve(channelId === CHANNEL ? "subscribed" : "no_channel");
  }

  /** Takes every message, or fails as told. */
  async accept(message: PostedMessage): Promise<Acceptance> {
    this.gate?.held();
    await this.gate?.opened;
    if (this.fault === "rejects") throw new Error("no store");
    if (this.fault !== "none") return { kind: this.fault };
    this.messages.push(message);
    const messageId = this.#identifiers.messageId(
      message.uaid,
      message.channelId,
      this.messages.length,
    );
    return { kind: "accepted", messageId };
  }

  /** Remembers the sort key. */
  withdraw(_uaid: string, sortKey: number): Promise<void> {
    if (this.fault === "rejects") return Promise.reject(new Error("no store"));
    this.withdrawn.push(sortKey);
    return Promise.resolve();
  }
}

/** One request as the tests write it. */
export interface Posted {
  /** Default `POST`. */
  readonly method?: string;
  /** Default: the v1 endpoint of the subscribed channel. */
  readonly path?: string;
  /** Lines of the head; default a TTL of 60. */
  readonly headers?: readonly string[];
  /** Default empty; each character is one byte. */
  readonly body?: string;
}

/** The endpoint under test with all that surrounds it. */
export class EndpointWorld implements AsyncDisposable {
  /** Everything the endpoint reported. */
  readonly events: EndpointEvent[] = [];
  /** The identifiers. */
  readonly identifiers: TokenBox;
  /** The service. */
  readonly service: MemoryService;
  /** The endpoint. */
  readonly endpoint: PushEndpoint;
  /** Moves the clock by setting it, in milliseconds since 1970. */
  readonly clock: { now: number; wallNow(): number };

  private constructor(
    parts: Pick<EndpointWorld, "identifiers" | "service" | "endpoint" | "clock">,
    events: EndpointEvent[],
  ) {
    this.identifiers = parts.identifiers;
    this.service = parts.service;
    this.endpoint = parts.endpoint;
    this.clock = parts.clock;
    this.events = events;
  }

  /** Opens an endpoint on a free port. */
  static async open(options: Partial<PushEndpointOptions> = {}): Promise<EndpointWorld> {
    const clock = {
      now: NOW_SECONDS * 1_000,
      wallNow(): number {
        return this.now;
      },
    };
    const identifiers = new TokenBox({ keys: [TokenBox.generateKey()], clock });
    const service = new MemoryService(identifiers);
    const events: EndpointEvent[] = [];
    const endpoint = await servePushEndpoint({
      hostname: "127.0.0.1",
      port: 0,
      identifiers,
      service,
      clock,
      status: () => ({ status: "OK", version: "1.2.3", connections: 7 }),
      onEvent: (event) => events.push(event),
      ...options,
    });
    return new EndpointWorld({ identifiers, service, endpoint, clock }, events);
  }

  /** The path of a fresh endpoint of the subscribed channel, bound to a key if one is given. */
  path(key?: Uint8Array, channelId: string = CHANNEL): string {
    const url = this.identifiers.endpointUrl(UAID, channelId, key);
    return url.slice(this.endpoint.url.length);
  }

  /** Sends one request on a connection of its own. */
  async send(posted: Posted = {}): Promise<RawAnswer> {
    const { method = "POST", path = this.path(), headers = ["TTL: 60"], body = "" } = posted;
    const lines = [`${method} ${path} HTTP/1.1`, "Host: localhost", ...headers];
    const head = [...lines, `Content-Length: ${body.length}`, "", ""].join("\r\n");
    return await exchange(this.endpoint.port, head + body);
  }

  /** Closes the endpoint. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.endpoint.close(0);
  }
}

/** The claims of a token; `undefined` leaves one out. */
export type Claims = Readonly<Record<string, unknown>>;

/** An application server with a VAPID key. */
export class Sender {
  /** Its public key, 65 bytes. */
  readonly publicKey: Uint8Array;
  readonly #privateKey: KeyObject;

  /** Makes a sender with a fresh key. */
  constructor() {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { x = "", y = "" } = pair.publicKey.export({ format: "jwk" });
    this.publicKey = Uint8Array.from([
      4,
      ...Buffer.from(x, "base64url"),
      ...Buffer.from(y, "base64url"),
    ]);
    this.#privateKey = pair.privateKey;
  }

  /** Its public key as URL-safe base64. */
  get key(): string {
    return Buffer.from(this.publicKey).toString("base64url");
  }

  /** SHA-256 of its public key. */
  get keyHash(): Uint8Array {
    return createHash("sha256").update(this.publicKey).digest();
  }

  /** A token with these claims; the header can be replaced too. */
  token(claims: Claims, header: unknown = { typ: "JWT", alg: "ES256" }): string {
    const signed = `${encoded(JSON.stringify(header))}.${encoded(JSON.stringify(claims))}`;
    return `${signed}.${this.signature(signed)}`;
  }

  /** The raw signature of a text, or its DER form. */
  signature(text: string, dsaEncoding: "ieee-p1363" | "der" = "ieee-p1363"): string {
    const options = { key: this.#privateKey, dsaEncoding };
    return sign("sha256", Buffer.from(text), options).toString("base64url");
  }

  /** The claims of a good token for this endpoint. */
  claims(world: EndpointWorld, changed: Claims = {}): Claims {
    const aud = new URL(world.endpoint.url).origin;
    return { aud, exp: NOW_SECONDS + 86_400, sub: "mailto:admin@example.com", ...changed };
  }

  /** The `Authorization` line of a token with these changes to good claims. */
  authorization(world: EndpointWorld, changed: Claims = {}): string {
    return `Authorization: vapid t=${this.token(this.claims(world, changed))}, k=${this.key}`;
  }
}

/** URL-safe base64 of a text. */
export function encoded(text: string): string {
  return Buffer.from(text).toString("base64url");
}
