/**
 * Everything a scenario with a real Firefox needs, in one disposable: the service, a relay that
 * records the wire, the test site, and the browser.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Arrivals } from "../support/arrivals.ts";
import { Firefox } from "../support/firefox.ts";
import { PushPage } from "../support/push_page.ts";
import { Relay } from "../support/relay.ts";
import {
  type Answer,
  newVapidKeys,
  type Post,
  postText,
  type PushSubscription,
  type VapidKeys,
} from "../support/sender.ts";
import { Service } from "../support/service.ts";
import { logMessages, type WireMessage } from "../support/wire_log.ts";

/** A running world. */
export class FirefoxWorld implements AsyncDisposable {
  /** The application server's keys. */
  readonly vapid: VapidKeys = newVapidKeys();
  /** Texts that must have been seen by the worker exactly once when all is over. */
  readonly #expected = new Set<string>();
  readonly #resources: AsyncDisposableStack;
  #subscription: PushSubscription | undefined;

  private constructor(
    /** The service under test. */
    readonly service: Service,
    /** Between the browser's push client and the service. */
    readonly relay: Relay,
    /** What went over the relay. */
    readonly wire: Arrivals<WireMessage>,
    /** The test site. */
    readonly page: PushPage,
    /** The browser. */
    readonly firefox: Firefox,
    resources: AsyncDisposableStack,
  ) {
    this.#resources = resources;
  }

  /** Starts everything and loads the page. */
  static async open(): Promise<FirefoxWorld> {
    await using resources = new AsyncDisposableStack();
    const service = resources.use(await Service.start());
    const relay = resources.use(Relay.open(service.devicePort));
    const wire = logMessages(relay);
    const page = resources.use(new PushPage());
    const pushUrl = `ws://127.0.0.1:${relay.port}/`;
    const firefox = resources.use(await Firefox.start({ pushUrl }));
    await firefox.navigate(page.url);
    return new FirefoxWorld(service, relay, wire, page, firefox, resources.move());
  }

  /** The present subscription. */
  get subscription(): PushSubscription {
    if (this.#subscription === undefined) throw new Error("The page has not subscribed yet");
    return this.#subscription;
  }

  /** Subscribes the page, to the application server's key unless told. */
  async subscribe(key: string | null = this.vapid.publicKey): Promise<PushSubscription> {
    const answer = await this.firefox.evaluate(`subscribe(${JSON.stringify(key)})`);
    this.#subscription = readSubscription(answer);
    return this.#subscription;
  }

  /** Posts a text that must be accepted, and returns its public id. */
  async accepted(text: string, options: Post = {}): Promise<string> {
    const answer = await this.post(text, options);
    assertEquals(answer.status, 201, `posting "${text.slice(0, 40)}": ${answer.body}`);
    return versionOf(answer);
  }

  /** Posts a text, signed with the application server's key. */
  async post(
    text: string | null,
    options: Post & { readonly encoding?: "aes128gcm" | "aesgcm" } = {},
  ): Promise<Answer> {
    return await postText(this.subscription, text, { vapid: this.vapid, ...options });
  }

  /** Waits until the worker saw this text, which it must see exactly once until the end. */
  async seen(text: string): Promise<void> {
    this.#expected.add(text);
    await this.page.seen.next((one) => one.kind === "push" && one.text === text, {
      what: `the worker to see "${text.slice(0, 40)}"`,
    });
  }

  /** Posts a text and waits until the worker saw it: also a marker, which comes after all before. */
  async deliver(text: string, options: Post = {}): Promise<string> {
    const version = await this.accepted(text, options);
    await this.seen(text);
    return version;
  }

  /** Cuts the browser off and keeps it away. */
  async away(): Promise<void> {
    this.relay.refuse = true;
    await this.relay.cutAll();
  }

  /** Lets the browser come back, and waits until it has said hello again. */
  async back(): Promise<WireMessage> {
    const from = this.wire.size;
    this.relay.refuse = false;
    return await this.wire.next(({ type, direction }) => type === "hello" && direction === "down", {
      what: "the browser's hello to be answered",
      from,
    });
  }

  /** The notifications seen on the wire, from a position on. */
  notifications(from = 0): readonly WireMessage[] {
    return this.wire.all.slice(from).filter((one) => one.type === "notification");
  }

  /** Waits for the browser's acknowledgement of this version and returns its code. */
  async ackCode(version: string, from = 0): Promise<unknown> {
    const ack = await this.wire.next(
      ({ type, text }) => type === "ack" && text.includes(JSON.stringify(version)),
      { what: `an ack of ${version.slice(0, 16)}…`, from },
    );
    const updates = ack.body.get("updates");
    const first: unknown = Array.isArray(updates) ? updates[0] : undefined;
    return typeof first === "object" && first !== null && "code" in first ? first.code : undefined;
  }

  /** Asserts that the worker saw every expected text exactly once and nothing else. */
  assertExactlyOnce(): void {
    const pushes = this.page.seen.all.filter((one) => one.kind === "push" && one.text !== null);
    const texts = pushes.map((one) => one.text ?? "").toSorted();
    assertEquals(texts, [...this.#expected].toSorted(), "each message once, and no other");
  }

  /** Ends everything, the browser first. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

/** The public id of an accepted message: the last segment of its `Location`. */
export function versionOf(answer: Answer): string {
  return decodeURIComponent(new URL(answer.location).pathname.split("/").pop() ?? "");
}

/** Reads what `PushSubscription.toJSON` gives. */
export function readSubscription(value: unknown): PushSubscription {
  const fields = fieldsOf(value);
  const keys = fieldsOf(fields.get("keys"));
  const read = (from: ReadonlyMap<string, unknown>, name: string): string => {
    const found = from.get(name);
    if (typeof found !== "string") throw new TypeError(`No "${name}" in the subscription`);
    return found;
  };
  return {
    endpoint: read(fields, "endpoint"),
    keys: { p256dh: read(keys, "p256dh"), auth: read(keys, "auth") },
  };
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`Not a subscription: ${Deno.inspect(value)}`);
  }
  return new Map(Object.entries(value));
}
