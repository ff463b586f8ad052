/**
 * A stand-in for Apple, Google and a push service on loopback, errors included: for demonstrations and
 * for tests of senders.
 *
 * Everything it answers follows from what it is sent, from its behaviour and from a seed, so the
 * outcomes of a campaign can be computed before it begins and compared afterwards with what was seen.
 *
 * @module
 */

import type { Platform } from "../provider/provider.ts";
import type { Seen } from "./behaviour.ts";
import type { Ask, Change, Opening, Ports, Recipient, Told } from "./messages.ts";

/** Where a stand-in's providers are reached: `https://localhost:PORT`, `http:` without TLS. */
export type Origins = Readonly<Record<keyof Ports, string>>;

/** A running stand-in. */
export interface StandIn extends AsyncDisposable {
  /** Where it is reached. */
  readonly origins: Origins;
  /** Changes the behaviour of all providers, or of the ones named. */
  behave(change: Change, platforms?: readonly Platform[]): Promise<void>;
  /** What its providers have seen. */
  seen(): Promise<Readonly<Record<Platform, Seen>>>;
  /** What was seen of one recipient, by its token or endpoint. */
  look(platform: Platform, address: string): Promise<Recipient>;
  /** Forgets what was seen; tokens stay known. */
  forget(): Promise<void>;
}

const EVERY: readonly Platform[] = ["apns", "fcm", "webpush"];

/**
 * Starts a stand-in on a thread of its own.
 *
 * @throws {Error} When a key or the certificate cannot be used.
 */
export async function startStandIn(opening: Opening): Promise<StandIn> {
  const thread = new Thread();
  try {
    const opened = await thread.ask({ kind: "open", opening });
    if (opened.kind === "refused") throw new Error(`Cannot start the stand-in: ${opened.reason}`);
    if (opened.kind !== "opened") throw new Error(`The stand-in answered "${opened.kind}"`);
    return new Handle(thread, opened.ports, opening.tls !== undefined);
  } catch (error) {
    thread.end("it did not start");
    throw error;
  }
}

class Handle implements StandIn {
  readonly origins: Origins;
  readonly #thread: Thread;

  constructor(thread: Thread, ports: Ports, secure: boolean) {
    const origin = (port: number) => `${secure ? "https" : "http"}://localhost:${port}`;
    this.#thread = thread;
    this.origins = {
      apns: origin(ports.apns),
      fcm: origin(ports.fcm),
      webpush: origin(ports.webpush),
      webpushHttp1: origin(ports.webpushHttp1),
    };
  }

  async behave(change: Change, platforms: readonly Platform[] = EVERY): Promise<void> {
    await this.#thread.ask({ kind: "behave", platforms, change });
  }

  async seen(): Promise<Readonly<Record<Platform, Seen>>> {
    const told = await this.#thread.ask({ kind: "seen" });
    if (told.kind !== "seen") throw new Error(`The stand-in answered "${told.kind}"`);
    return told.seen;
  }

  async look(platform: Platform, address: string): Promise<Recipient> {
    const told = await this.#thread.ask({ kind: "look", platform, address });
    if (told.kind !== "recipient") throw new Error(`The stand-in answered "${told.kind}"`);
    return told.recipient;
  }

  async forget(): Promise<void> {
    await this.#thread.ask({ kind: "forget" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread.ask({ kind: "close" });
    this.#thread.end("it was closed");
  }
}

/** The worker, with the asks that wait for their answer. */
class Thread {
  readonly #worker = new Worker(new URL("./thread.ts", import.meta.url), {
    type: "module",
    name: "provider_stand_in",
  });
  #waiting: PromiseWithResolvers<Told>[] = [];
  #ended: string | undefined;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Told>) => this.#waiting.shift()?.resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end(event.message);
    };
  }

  ask(ask: Ask): Promise<Told> {
    if (this.#ended !== undefined) {
      return Promise.reject(new Error(`The stand-in has ended: ${this.#ended}`));
    }
    const waiting = Promise.withResolvers<Told>();
    this.#waiting.push(waiting);
    post(this.#worker, ask);
    return waiting.promise;
  }

  end(reason: string): void {
    this.#ended ??= reason;
    this.#worker.terminate();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(new Error(`The stand-in has ended: ${reason}`));
  }
}

/** Sends an ask to the thread. */
function post(worker: Worker, ask: Ask): void {
  worker.postMessage(ask);
}
