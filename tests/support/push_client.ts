/**
 * A device of the Web Push service: the client side of the autopush WebSocket protocol, in the
 * dialects of the three clients that exist.
 *
 * Invariants: every message the service sends is kept in order; with `autoAck` each notification
 * is acknowledged as the dialect does it, once it is kept.
 * Why Deno's own WebSocket under it: it is somebody else's reading of RFC 6455.
 *
 * @module
 */

import { Arrivals } from "./arrivals.ts";

/** How often a batching client acknowledges, in milliseconds. */
const BATCH_MS = 200;

/** A client whose habits are imitated. */
export type Dialect = "firefox" | "kunifiedpush" | "autopush_manager";

/** What a dialect does its own way. */
interface Habits {
  readonly protocols: readonly string[];
  /** The hello of a client that has this UAID, or none yet. */
  hello(uaid: string | undefined): Readonly<Record<string, unknown>>;
  /** How it writes an application server's key. */
  readonly key: "padded" | "as_given" | "unpadded";
  readonly acks: "single" | "batched";
  readonly ackCode: number | undefined;
}

const HABITS: Readonly<Record<Dialect, Habits>> = {
  firefox: {
    protocols: ["push-notification"],
    hello: (uaid) => ({
      broadcasts: {},
      use_webpush: true,
      ...(uaid === undefined ? {} : { uaid }),
    }),
    key: "padded",
    acks: "single",
    ackCode: 100,
  },
  kunifiedpush: {
    protocols: [],
    hello: (uaid) => uaid === undefined ? {} : { uaid },
    key: "as_given",
    acks: "single",
    ackCode: undefined,
  },
  autopush_manager: {
    protocols: [],
    hello: (uaid) => ({ uaid: uaid ?? "", channelIDs: [], use_webpush: true }),
    key: "unpadded",
    acks: "batched",
    ackCode: 100,
  },
};

/** A message from the service; the fields are read through the accessors of {@linkcode text}. */
export type ServerMessage = ReadonlyMap<string, unknown>;

/** A notification as it came. */
export interface Notification {
  /** Channel it belongs to. */
  readonly channelId: string;
  /** Its public id. */
  readonly version: string;
  /** Its body, base64url, if it has one. */
  readonly data: string | undefined;
  /** Its cryptographic headers, if it has a body. */
  readonly headers: ServerMessage | undefined;
}

/** A subscription the service gave out. */
export interface Registration {
  /** Its channel. */
  readonly channelId: string;
  /** Status of the answer: 200 when it stands. */
  readonly status: number;
  /** Its endpoint URL. */
  readonly endpoint: string;
}

/** How a connection ended. */
export interface Ended {
  /** Close code, 1006 when there was no Close frame (RFC 6455 section 7.4.1). */
  readonly code: number;
  /** Reason of the Close frame. */
  readonly reason: string;
}

/** How a device connects. */
export interface PushClientOptions {
  /** Default `"firefox"`. */
  readonly dialect?: Dialect;
  /** The UAID of an earlier session. */
  readonly uaid?: string;
  /** Acknowledges each notification; default true. */
  readonly autoAck?: boolean;
}

/** A connected device. */
export class PushClient implements AsyncDisposable {
  /** Every message, in order. */
  readonly messages: Arrivals<ServerMessage> = new Arrivals();
  /** Every notification, in order. */
  readonly notifications: Arrivals<Notification> = new Arrivals();
  /** Versions this client acknowledged, in order. */
  readonly acks: Arrivals<string> = new Arrivals();
  /** Texts that are not objects with a `messageType`, such as `{}`. */
  readonly others: Arrivals<string> = new Arrivals();
  /** Resolves when the connection has ended. */
  readonly ended: Promise<Ended>;
  readonly #socket: WebSocket;
  readonly #habits: Habits;
  readonly #autoAck: boolean;
  #uaid = "";
  #batch: Notification[] = [];
  #batchTimer: ReturnType<typeof setTimeout> | undefined;

  private constructor(socket: WebSocket, options: PushClientOptions) {
    this.#socket = socket;
    this.#habits = HABITS[options.dialect ?? "firefox"];
    this.#autoAck = options.autoAck ?? true;
    const ended = Promise.withResolvers<Ended>();
    this.ended = ended.promise;
    socket.addEventListener("message", ({ data }) => this.#received(String(data)));
    socket.addEventListener("close", ({ code, reason }) => {
      clearTimeout(this.#batchTimer);
      for (const arrivals of [this.messages, this.notifications, this.acks, this.others]) {
        arrivals.end(`the connection ended with ${code} "${reason}"`);
      }
      ended.resolve({ code, reason });
    });
  }

  /** Connects without a word. */
  static async open(url: string, options: PushClientOptions = {}): Promise<PushClient> {
    const habits = HABITS[options.dialect ?? "firefox"];
    const socket = new WebSocket(url, [...habits.protocols]);
    const opened = Promise.withResolvers<void>();
    socket.addEventListener("open", () => opened.resolve(), { once: true });
    socket.addEventListener(
      "error",
      (event) => {
        const detail = event instanceof ErrorEvent ? event.message : "no detail";
        opened.reject(new Error(`Cannot connect a device to "${url}": ${detail}`));
      },
      { once: true },
    );
    // The constructor listens before anything can arrive: events come in later turns only.
    const client = new PushClient(socket, options);
    await opened.promise;
    return client;
  }

  /** Connects and says hello. */
  static async connect(url: string, options: PushClientOptions = {}): Promise<PushClient> {
    const client = await PushClient.open(url, options);
    await client.hello(options.uaid);
    return client;
  }

  /** The UAID the service gave or confirmed. */
  get uaid(): string {
    return this.#uaid;
  }

  /** Sends any text. */
  sendText(text: string): void {
    this.#socket.send(text);
  }

  /** Sends a message of this type. */
  send(messageType: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.sendText(JSON.stringify({ messageType, ...fields }));
  }

  /** Says hello and waits for the answer. */
  async hello(uaid?: string): Promise<ServerMessage> {
    const answer = await this.#ask("hello", this.#habits.hello(uaid), () => true);
    this.#uaid = text(answer, "uaid");
    return answer;
  }

  /** Subscribes a channel, a new one by default, to an application server's key if given. */
  async register(
    options: { readonly key?: string; readonly channelId?: string } = {},
  ): Promise<Registration> {
    const channelId = options.channelId ?? crypto.randomUUID();
    const key = options.key === undefined ? {} : { key: spell(options.key, this.#habits.key) };
    const answer = await this.#ask(
      "register",
      { channelID: channelId, ...key },
      (one) => one.get("channelID") === channelId,
    );
    const status = answer.get("status");
    if (typeof status !== "number") throw new TypeError("No status in the answer to register");
    return { channelId, status, endpoint: text(answer, "pushEndpoint") };
  }

  /** Ends a subscription and returns the status of the answer. */
  async unregister(channelId: string): Promise<unknown> {
    const answer = await this.#ask(
      "unregister",
      { channelID: channelId, code: 200 },
      (one) => one.get("channelID") === channelId,
    );
    return answer.get("status");
  }

  /** Acknowledges notifications in one message; the dialect's code unless given. */
  ack(
    notifications: readonly Notification[],
    code: number | undefined = this.#habits.ackCode,
  ): void {
    this.send("ack", {
      updates: notifications.map(({ channelId, version }) => ({
        channelID: channelId,
        version,
        ...(code === undefined ? {} : { code }),
      })),
    });
    for (const { version } of notifications) this.acks.add(version);
  }

  /** Sends the application's ping and waits for its answer, `{}`. */
  async ping(): Promise<void> {
    const from = this.others.size;
    this.sendText("{}");
    await this.others.next((one) => one === "{}", { what: "the answer to a ping", from });
  }

  /** Closes and waits for the end. */
  async close(): Promise<Ended> {
    if (this.#socket.readyState <= WebSocket.OPEN) this.#socket.close(1000);
    return await this.ended;
  }

  /** Closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #ask(
    messageType: string,
    fields: Readonly<Record<string, unknown>>,
    match: (answer: ServerMessage) => boolean,
  ): Promise<ServerMessage> {
    const from = this.messages.size;
    this.send(messageType, fields);
    return await this.messages.next(
      (one) => one.get("messageType") === messageType && match(one),
      { what: `the answer to ${messageType}`, from },
    );
  }

  #received(data: string): void {
    const value: unknown = JSON.parse(data);
    const message = new Map(
      typeof value === "object" && value !== null ? Object.entries(value) : [],
    );
    if (typeof message.get("messageType") !== "string") {
      this.others.add(data);
      return;
    }
    this.messages.add(message);
    if (message.get("messageType") !== "notification") return;
    const notification = readNotification(message);
    this.notifications.add(notification);
    if (this.#autoAck) this.#acknowledge(notification);
  }

  #acknowledge(notification: Notification): void {
    if (this.#habits.acks === "single") {
      this.ack([notification]);
      return;
    }
    this.#batch.push(notification);
    this.#batchTimer ??= setTimeout(() => {
      const batch = this.#batch;
      this.#batch = [];
      this.#batchTimer = undefined;
      this.ack(batch);
    }, BATCH_MS);
  }
}

/** A field that must be text. */
export function text(message: ServerMessage, name: string): string {
  const value = message.get(name);
  if (typeof value !== "string") {
    throw new TypeError(`"${name}" is not text in ${Deno.inspect(Object.fromEntries(message))}`);
  }
  return value;
}

function readNotification(message: ServerMessage): Notification {
  const data = message.get("data");
  const headers = message.get("headers");
  return {
    channelId: text(message, "channelID"),
    version: text(message, "version"),
    data: typeof data === "string" ? data : undefined,
    headers: typeof headers === "object" && headers !== null
      ? new Map(Object.entries(headers))
      : undefined,
  };
}

function spell(key: string, how: Habits["key"]): string {
  const bare = key.replace(/=+$/, "");
  switch (how) {
    case "as_given":
      return key;
    case "unpadded":
      return bare;
    case "padded":
      return bare + "=".repeat((4 - bare.length % 4) % 4);
  }
}
