/**
 * What autopush's own integration suite stands on, over the service of this project: devices that
 * acknowledge nothing by themselves, application servers that post as that suite does (the older
 * `aesgcm` headers, `Bearer` tokens with the key in `Crypto-Key`, TTL 200), and a document of
 * broadcasts behind a redirect.
 *
 * Nothing sleeps to see that nothing arrives: a device asks a question, and what the service had
 * to say before its answer has arrived with it.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { CompactSign } from "jose";
import { type Notification, PushClient, type Registration } from "../support/push_client.ts";
import type { Answer } from "../support/sender.ts";
import { Service } from "../support/service.ts";
import type { SharedEngine } from "../support/shared_engine.ts";
import { TwoNodes } from "../support/two_nodes.ts";

/** The `Encryption` of every message, padding and quotes included. */
export const ENCRYPTION = 'keyid="http://example.org/bob/keys/123";salt="XZwpw6o37R-6qoZjw6KwAw=="';
/** The same as a device gets it. */
export const ENCRYPTION_SEEN = "keyid=http://example.org/bob/keys/123;salt=XZwpw6o37R-6qoZjw6KwAw";
/** The `Crypto-Key` of every message without VAPID. */
export const CRYPTO_KEY = 'keyid="a1"; dh="JcqK-OLkJZlJ3sJJWstJCA"';
/** The TTL of every message that names no other. */
const TTL_SECONDS = 200;
/** Seconds a VAPID token may last at most (RFC 8292 section 2): what the suite asks for. */
const VAPID_SECONDS = 86_400;

/** The headers of the older encoding, without VAPID. */
export const AESGCM: Readonly<Record<string, string>> = {
  "Content-Encoding": "aesgcm",
  "Encryption": ENCRYPTION,
  "Crypto-Key": CRYPTO_KEY,
};

/** One test of the suite: its sentence, and what it does. */
export type Mirrored = readonly [name: string, run: (world: AutopushWorld) => Promise<void>];

/** What is posted. */
export interface SuitePost {
  /** The body; none by default. */
  readonly body?: string;
  /** `TTL` in seconds, default 200. */
  readonly ttlSeconds?: number;
  /** `Topic`. */
  readonly topic?: string;
  /** Headers in place of those of {@linkcode AESGCM}. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Signs as the older draft has it. */
  readonly vapid?: Signed;
  /** The status that must come back, default 201. */
  readonly status?: number;
}

/** A token and the key that belongs to it. */
export interface Signed {
  /** The JWT. */
  readonly token: string;
  /** The public point, base64url. */
  readonly key: string;
}

/** An application server's key pair. */
export interface Signer {
  /** The public point, base64url. */
  readonly key: string;
  /** Signs these claims; the audience and the latest expiry allowed unless they say otherwise. */
  sign(claims?: Readonly<Record<string, unknown>>): Promise<Signed>;
}

/** A device with one channel. */
export interface Subscribed {
  /** Its connection. */
  readonly device: PushClient;
  /** Its subscription. */
  readonly channel: Registration;
}

/** Where devices and senders find the service. */
export type AutopushDoors = Pick<Service, "devicePort" | "deviceUrl" | "endpointPort">;

/** The service as the suite configures it, and what the suite does with it. */
export class AutopushWorld implements AsyncDisposable {
  /** Where the service is. */
  readonly service: AutopushDoors;
  readonly #running: AsyncDisposable;

  private constructor(service: AutopushDoors, running: AsyncDisposable) {
    this.service = service;
    this.#running = running;
  }

  /** Starts the service with these flags. */
  static async open(flags: readonly string[]): Promise<AutopushWorld> {
    const service = await Service.start({ flags });
    return new AutopushWorld(service, service);
  }

  /** Starts it as autopush is deployed: a node for the devices, and one for the senders. */
  static async openSplit(engine: SharedEngine, flags: readonly string[]): Promise<AutopushWorld> {
    const nodes = await TwoNodes.open({
      ...{ engine, flags },
      a: ["--roles", "endpoint"],
      b: (a) => ["--roles", "devices", "--endpoint-url", `http://127.0.0.1:${a.endpointPort}`],
    });
    const { a: { endpointPort }, b: { devicePort, deviceUrl } } = nodes;
    return new AutopushWorld({ endpointPort, devicePort, deviceUrl }, nodes);
  }

  /** A device that said hello and acknowledges only what the test does. */
  connect(uaid?: string): Promise<PushClient> {
    const known = uaid === undefined ? {} : { uaid };
    return PushClient.connect(this.service.deviceUrl, { ...known, autoAck: false });
  }

  /** A device with a new channel, bound to a key if one is given. */
  async subscribe(key?: string): Promise<Subscribed> {
    const device = await this.connect();
    const channel = await device.register(key === undefined ? {} : { key });
    assertEquals(channel.status, 200);
    return { device, channel };
  }

  /** A subscribed device that left. */
  async subscribeAndLeave(): Promise<{ readonly uaid: string; readonly channel: Registration }> {
    const { device, channel } = await this.subscribe();
    await device.close();
    return { uaid: device.uaid, channel };
  }

  /** A key pair for tokens of this service. */
  async signer(): Promise<Signer> {
    const pair = await crypto.subtle.generateKey(
      { name: "ECDSA", namedCurve: "P-256" },
      true,
      ["sign", "verify"],
    );
    const point = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    const key = base64url(point);
    const audience = `http://127.0.0.1:${this.service.endpointPort}`;
    return {
      key,
      async sign(claims = { sub: "mailto:admin@example.com" }) {
        const exp = Math.floor(Date.now() / 1_000) + VAPID_SECONDS;
        const all = JSON.stringify({ aud: audience, exp, ...claims });
        const token = await new CompactSign(new TextEncoder().encode(all))
          .setProtectedHeader({ alg: "ES256", typ: "JWT" })
          .sign(pair.privateKey);
        return { token, key };
      },
    };
  }

  /** Disposes of the service. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
  }
}

/** Posts as the suite does; an accepted message must tell its `Location` and the TTL it was given. */
export async function post({ endpoint }: Registration, sent: SuitePost = {}): Promise<Answer> {
  const { body, ttlSeconds = TTL_SECONDS, topic, vapid, status = 201 } = sent;
  const headers = new Headers(sent.headers ?? (body === undefined ? {} : AESGCM));
  headers.set("TTL", `${ttlSeconds}`);
  if (topic !== undefined) headers.set("Topic", topic);
  if (vapid !== undefined) {
    headers.set("Authorization", `Bearer ${vapid.token}`);
    headers.set("Crypto-Key", `${CRYPTO_KEY};p256ecdsa="${vapid.key}"`);
  }
  const answer = await request(endpoint, { method: "POST", headers, body: body ?? null });
  assertEquals(answer.status, status, answer.body);
  if (status === 201) {
    assertMatch(answer.location, /\/m\/[A-Za-z0-9_-]+=*$/);
    assertEquals([answer.headers.get("ttl"), answer.body], [`${ttlSeconds}`, ""]);
  }
  return answer;
}

/** Any request, with its answer read to the end. */
export async function request(url: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  const location = response.headers.get("location") ?? "";
  const { status, headers } = response;
  return { status, location, headers, body: await response.text() };
}

/** The next notification, the `count`th of its connection. */
export async function arrived(device: PushClient, count = 1): Promise<Notification> {
  const all = await device.notifications.until(() => true, {
    what: `notification ${count}`,
    count,
  });
  const last = all[count - 1];
  if (last === undefined) throw new Error(`No notification ${count}`);
  return last;
}

/**
 * Sees that exactly `count` notifications came, and that acknowledgements before this have reached
 * the store: the service answers in order, and has nothing left to say before this answer.
 */
export async function onlyArrived(device: PushClient, count: number): Promise<void> {
  assertEquals(await device.unregister(crypto.randomUUID()), 200);
  assertEquals(device.notifications.all.length, count);
}

/** A message in the suite's default dress, as a device must get it. */
export function assertSeen(seen: Notification, channel: Registration, body: string): void {
  assertEquals(seen.channelId, channel.channelId);
  assertEquals(seen.data, base64url(new TextEncoder().encode(body)));
  assertEquals(seen.headers?.get("encoding"), "aesgcm");
  assertEquals(seen.headers?.get("encryption"), ENCRYPTION_SEEN);
}

/** A message without a body: neither `data` nor `headers`. */
export function assertEmpty(seen: Notification, channel: Registration): void {
  assertEquals(
    [seen.channelId, seen.data, seen.headers],
    [channel.channelId, undefined, undefined],
  );
}

/** A body that no other message has. */
export function someBody(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

/** The `errno` of an error's body. */
export function errnoOf({ body }: Answer): unknown {
  const value: unknown = JSON.parse(body);
  return typeof value === "object" && value !== null && "errno" in value ? value.errno : undefined;
}

function base64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** A document of broadcast versions, found behind the redirect that takes a trailing slash away. */
export class Megaphone implements AsyncDisposable {
  /** Where the service is told to look. */
  readonly url: string;
  /** What is published; tests change it. */
  readonly versions = new Map<string, string>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (asked) => this.#answer(new URL(asked.url).pathname),
    );
    this.url = `http://127.0.0.1:${this.#server.addr.port}/v1/broadcasts/`;
  }

  /** Serves a document with these versions. */
  static open(versions: Readonly<Record<string, string>>): Megaphone {
    const megaphone = new Megaphone();
    for (const [id, version] of Object.entries(versions)) megaphone.versions.set(id, version);
    return megaphone;
  }

  #answer(path: string): Response {
    switch (path) {
      case "/v1/broadcasts/":
        return new Response(null, { status: 307, headers: { Location: "/v1/broadcasts" } });
      case "/v1/broadcasts":
        return Response.json({ broadcasts: Object.fromEntries(this.versions), code: 200 });
      default:
        return new Response(null, { status: 404 });
    }
  }

  /** Stops serving. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
