/**
 * A device door for one test: a real listener on a free port, a manual clock, and owners which
 * write down what they hear and answer `echo:` and the text.
 *
 * @module
 */

import { ManualClock } from "../../actors/runtime/clock.ts";
import {
  type DeviceDoorEvent,
  type DeviceEvents,
  type DeviceListener,
  type DeviceListenerOptions,
  type DeviceSocket,
  listenDevices,
  type SocketEnd,
  type UpgradeInfo,
} from "../../transports/device_socket/listener.ts";
import { type ConnectOptions, WebSocketClient } from "./websocket_client.ts";

/** The owner of one socket. */
export class Owner implements DeviceEvents {
  /** Texts in the order of arrival. */
  readonly texts: string[] = [];
  /** How often `pong` was called. */
  pongs = 0;
  /** Every call of `closed`; more than one is a bug. */
  readonly ends: SocketEnd[] = [];

  /** Keeps what `open` was given. */
  constructor(readonly socket: DeviceSocket, readonly upgrade: UpgradeInfo) {}

  /** Echoes. */
  text(message: string): void | Promise<void> {
    this.texts.push(message);
    this.socket.send(`echo:${message}`);
  }

  /** Counts. */
  pong(): void {
    this.pongs++;
  }

  /** Writes the end down. */
  closed(how: SocketEnd): void {
    this.ends.push(how);
  }
}

/** A listener under test; clients are to be disposed before it. */
export class DeviceDoor implements AsyncDisposable {
  /** The listener's time. */
  readonly clock = new ManualClock();
  /** What the listener reported. */
  readonly events: DeviceDoorEvent[] = [];
  /** The owners, in the order of their upgrades. */
  readonly owners: Owner[] = [];
  /** The listener. */
  readonly listener: DeviceListener;

  /** Listens on loopback; options replace the defaults. */
  constructor(options: Partial<DeviceListenerOptions> = {}) {
    this.listener = listenDevices({
      hostname: "127.0.0.1",
      port: 0,
      clock: this.clock,
      status: () => ({ status: "OK", version: "1" }),
      open: (socket, upgrade) => this.own(new Owner(socket, upgrade)),
      onEvent: (event) => void this.events.push(event),
      ...options,
    });
  }

  /** Remembers an owner. */
  own(owner: Owner): Owner {
    this.owners.push(owner);
    return owner;
  }

  /** The owner of the only socket, or of the last one. */
  get owner(): Owner {
    const owner = this.owners.at(-1);
    if (owner === undefined) throw new Error("No device has connected");
    return owner;
  }

  /** Connects and upgrades. */
  connect(options: Partial<ConnectOptions> = {}): Promise<WebSocketClient> {
    return WebSocketClient.connect({ port: this.listener.port, ...options });
  }

  /** Connects and upgrades, and has one text echoed: after it any frame may come. */
  async greet(options: Partial<ConnectOptions> = {}): Promise<WebSocketClient> {
    const device = await this.connect(options);
    await device.send("hello");
    const answer = await device.text();
    if (answer !== "echo:hello") throw new Error(`Greeted with ${answer}`);
    return device;
  }

  /** Throws unless a well-behaved device is served now. */
  async proveWell(): Promise<void> {
    await using device = await this.greet();
    await device.sendClose(1000);
    const close = await device.closed();
    if (close?.code !== 1000) throw new Error(`Closed with ${Deno.inspect(close)}`);
  }

  /**
   * Moves time on in steps, with turns of the event loop between them, until the promise settles.
   *
   * @returns The result, and how far time was moved.
   */
  async advanceUntil<T>(promise: Promise<T>, stepMs = 500): Promise<[result: T, movedMs: number]> {
    let settled = false;
    const mark = () => void (settled = true);
    promise.then(mark, mark);
    const from = this.clock.now();
    while (!settled) {
      this.clock.advance(stepMs);
      await turn();
    }
    return [await promise, this.clock.now() - from];
  }

  /** Shuts down; time moves as far as closing needs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.advanceUntil(this.listener.shutdown());
  }
}

/** Lets the event loop turn, sockets included, until the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited 10 s for ${condition}`);
    await turn();
  }
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
