/**
 * Load for rounds in which the service ends: devices that come and go and acknowledge as they
 * like, senders that post one message after the other to each channel and write down every 201.
 *
 * @module
 */

import { type Notification, PushClient } from "../support/push_client.ts";
import type { Seeded } from "../support/seeded.ts";
import { type Answer, post } from "../support/sender.ts";
import type { Entry, Kind, Ledger } from "./ledger.ts";

/** Seconds a plain or topic message may wait: longer than any run. */
const TTL_SECONDS = 3_600;
/** How likely a post has a topic, and how likely it is for now or never. */
const TOPIC_CHANCE = 0.05;
const NOW_CHANCE = 0.05;
/** Acknowledgements of a device that stops after some. */
const FEW_ACKS_MAX = 30;
/** How likely a device stays away for a round. */
const AWAY_CHANCE = 0.3;
/** How likely a session acknowledges everything. */
const ALL_ACKS_CHANCE = 0.7;

/** A subscription a sender posts to. */
export interface Channel {
  /** The channel. */
  readonly channelId: string;
  /** Its endpoint URL. */
  readonly endpoint: string;
}

/** The service gave a device that it knew another UAID: its subscriptions are lost. */
export class ForgottenError extends Error {
  /** The class, for the text of a failure. */
  override readonly name = "ForgottenError";
}

/** A device of the load: the same UAID over many sessions. */
export class LoadDevice {
  /** Its subscriptions. */
  readonly channels: Channel[] = [];
  readonly #ledger: Ledger;
  #uaid: string | undefined;
  #client: PushClient | undefined;
  #acksLeft = 0;
  #acked: Entry[] = [];
  #reading: Promise<void> = Promise.resolve();

  /** A device that writes into this book. */
  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Connects; acknowledges at most so many notifications in this session. */
  async connect(deviceUrl: string, acksMax: number): Promise<void> {
    const known = this.#uaid === undefined ? {} : { uaid: this.#uaid };
    const client = await PushClient.connect(deviceUrl, { autoAck: false, ...known });
    if (this.#uaid !== undefined && client.uaid !== this.#uaid) {
      throw new ForgottenError(`The service forgot ${this.#uaid}`);
    }
    this.#uaid = client.uaid;
    this.#client = client;
    this.#acksLeft = acksMax;
    this.#acked = [];
    this.#reading = this.#read(client);
  }

  /** Subscribes so many channels. */
  async subscribe(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const registration = await this.#client?.register();
      if (registration?.status !== 200) throw new Error("Cannot subscribe a channel");
      this.channels.push(registration);
    }
  }

  /** Acknowledges everything from now on, also what was left so far in this session. */
  acknowledgeAll(): void {
    this.#acksLeft = Infinity;
  }

  /**
   * Makes sure that the acknowledgements sent so far were received: the service handles a
   * device's messages in order and has one removal under way at a time, so that two answers to
   * later questions tell that both the last removal and one behind it are done.
   */
  async confirmAcks(): Promise<void> {
    const acked = this.#acked;
    this.#acked = [];
    for (let i = 0; i < 2; i++) await this.#client?.unregister(crypto.randomUUID());
    for (const entry of acked) entry.acknowledged = "received";
  }

  /** Resolves when the connection has ended, or there is none. */
  async ended(): Promise<void> {
    await this.#client?.ended;
  }

  /** Waits until the connection has ended, because the service did or this closes it. */
  async disconnect(): Promise<void> {
    await this.#client?.close();
    await this.#reading;
    this.#client = undefined;
    this.#acked = []; // Whether these were received, nobody knows.
  }

  async #read(client: PushClient): Promise<void> {
    let from = 0;
    for (;;) {
      try {
        await client.notifications.next(() => true, {
          what: "a notification",
          from,
          withinMs: 600_000,
        });
      } catch {
        return; // The connection ended, which is what these rounds are about.
      }
      const fresh = client.notifications.all.slice(from);
      from += fresh.length;
      this.#handle(client, fresh);
    }
  }

  #handle(client: PushClient, fresh: readonly Notification[]): void {
    for (const notification of fresh) {
      const { channelId, version, data } = notification;
      const entry = this.#ledger.arrived(channelId, version, data ?? "");
      if (this.#acksLeft-- <= 0) continue;
      try {
        client.ack([notification]);
      } catch {
        continue; // Closed meanwhile.
      }
      if (entry.acknowledged === "no") entry.acknowledged = "sent";
      this.#acked.push(entry);
    }
  }
}

/** The whole load on one service. */
export class Load {
  /** The devices. */
  readonly devices: readonly LoadDevice[];
  readonly #ledger: Ledger;
  readonly #random: Seeded;
  #posting = false;
  #senders: readonly Promise<void>[] = [];

  private constructor(devices: readonly LoadDevice[], ledger: Ledger, random: Seeded) {
    this.devices = devices;
    this.#ledger = ledger;
    this.#random = random;
  }

  /** Connects devices to a running service and subscribes their channels. */
  static async open(
    options: {
      readonly deviceUrl: string;
      readonly ledger: Ledger;
      readonly random: Seeded;
      readonly devices: number;
      readonly channels: number;
    },
  ): Promise<Load> {
    const devices = Array.from({ length: options.devices }, () => new LoadDevice(options.ledger));
    for (const device of devices) {
      await device.connect(options.deviceUrl, 0);
      await device.subscribe(options.channels);
    }
    return new Load(devices, options.ledger, options.random);
  }

  /** Lets some devices come back, each with habits of its own for this session. */
  async devicesReturn(deviceUrl: string): Promise<void> {
    const random = this.#random;
    await Promise.all(this.devices.map(async (device) => {
      if (random.chance(AWAY_CHANCE)) return;
      const all = random.chance(ALL_ACKS_CHANCE);
      await device.connect(deviceUrl, all ? Infinity : random.between(0, FEW_ACKS_MAX));
    }));
  }

  /** Starts one sender per channel; each posts its next message when the last was answered. */
  startPosting(): void {
    this.#posting = true;
    const channels = this.devices.flatMap((device) => device.channels);
    this.#senders = channels.map((channel) => this.#send(channel));
  }

  /** Ends the senders and waits for their last answers, or failures. */
  async stopPosting(): Promise<void> {
    this.#posting = false;
    await Promise.all(this.#senders);
  }

  async #send(channel: Channel): Promise<void> {
    while (this.#posting) {
      const answer = await postNext(this.#ledger, this.#random, channel);
      if (answer === undefined) return; // The service ended under this post.
    }
  }
}

/**
 * Posts the next message of a channel, to another door than its endpoint's if one is given, and
 * writes down what was answered; no answer means that nobody knows whether it was accepted.
 */
export async function postNext(
  ledger: Ledger,
  random: Seeded,
  channel: Channel,
  url: string = channel.endpoint,
): Promise<Answer | undefined> {
  const draw = random.next();
  const kind: Kind = draw < TOPIC_CHANCE
    ? "topic"
    : draw < TOPIC_CHANCE + NOW_CHANCE
    ? "now_or_never"
    : "plain";
  const { entry, body } = ledger.post(channel.channelId, kind);
  let answer: Answer;
  try {
    answer = await post(url, body, {
      ttlSeconds: kind === "now_or_never" ? 0 : TTL_SECONDS,
      ...(kind === "topic" ? { topic: "news" } : {}),
    });
  } catch {
    return undefined;
  }
  if (answer.status === 201) {
    const { pathname } = new URL(answer.location);
    ledger.accepted(entry, decodeURIComponent(pathname.split("/").pop() ?? ""));
  }
  return answer;
}
