/**
 * One device's WebSocket after the upgrade: reading, writing, closing (RFC 6455 sections 5 to 7).
 *
 * Phases: `opening` (the owner is being asked, what it sends waits behind the 101), `open`,
 * `closing` (Close is sent or queued; what arrives is thrown away) and `ended` (TCP is closed).
 * Phases only go forward, and `ended` follows `closing` within the close timeout whatever the
 * device does: Firefox never answers a Close and waits for the end of TCP.
 *
 * Invariants: one read at most and one write at most are under way; what waits for all devices, and
 * what of their messages waits for its end, is bounded, and the slowest pay for it; frames queued in one turn or
 * while a write is under way leave together in the next one; the owner's `closed` is called
 * exactly once, and nothing after it; while the owner's `text` is being awaited nothing is read,
 * so a fast device is slowed by TCP and not by memory.
 *
 * Why no timer, stream or closure per connection: ten thousand idle ones should fit in the memory
 * of a browser tab. An idle connection is this object, its reader and one pending read.
 *
 * @module
 */

import type { BufferPool } from "./buffers.ts";
import type { DeadlineQueue, DeviceClock } from "./deadlines.ts";
import { type EarlyBytes, FrameReader, type Incoming, join } from "./frame_reader.ts";
import { writeCloseFrame, writeFrame, writeTextFrame } from "./frames.ts";
import type { DeviceLimits } from "./limits.ts";

/** How a socket ended. */
export type SocketEnd =
  /** The device sent Close; 1005 when it gave no code (RFC 6455 section 7.1.5). */
  | { readonly kind: "device_closed"; readonly code: number; readonly reason: string }
  /** We sent Close: the owner, the listener's shutdown, or an answer to a fault of the device. */
  | { readonly kind: "server_closed"; readonly code: number; readonly reason: string }
  /** TCP ended without a Close. */
  | { readonly kind: "lost"; readonly reason: string };

/** What the owner of a socket hears. All are called from the connection's own turn. */
export interface DeviceEvents {
  /**
   * A text message. A promise is back-pressure: nothing more is read until it settles. A throw or
   * a rejection closes the socket with 1011.
   */
  text(message: string): void | Promise<void>;
  /** A Pong arrived, asked for or not. */
  pong(): void;
  /** The socket left its open state, by whatever cause; called once, and nothing after it. */
  closed(how: SocketEnd): void;
}

/** The socket as its owner sees it. */
export interface DeviceSocket extends Disposable {
  /** Queues a text message; `false` when the socket is closing or closed, or this was too much. */
  send(text: string): boolean;
  /** Queues a Ping without payload. */
  ping(): void;
  /** Sends Close and ends TCP within a second; a reason over 123 bytes is cut. */
  close(code: number, reason: string): void;
}

/** What connections share: the listener's limits, clock, buffers and deadlines. */
export interface ConnectionHub {
  /** The listener's limits. */
  readonly limits: DeviceLimits;
  /** The listener's time. */
  readonly clock: DeviceClock;
  /** Where read buffers come from. */
  readonly buffers: BufferPool;
  /** Messages which have begun. */
  readonly messageDeadlines: DeadlineQueue<Connection>;
  /** Connections which are ending. */
  readonly closeDeadlines: DeadlineQueue<Ending>;
  /** What waits to be sent to all devices. */
  readonly backlog: Backlog;
  /** What all devices have sent of messages that are not complete. */
  readonly arriving: { bytes: number };
  /** The owner failed while it handled an event. */
  ownerFailed(error: unknown): void;
  /** The socket left its open state. */
  left(how: SocketEnd): void;
  /** TCP has ended. */
  ended(connection: Connection): void;
}

/** The bytes that wait for all devices together, and whose fault that is. */
export class Backlog {
  /** Bytes that were queued and neither written nor dropped. */
  bytes = 0;
  /** Connections with a write under way, the one that began first at the front. */
  readonly #writing = new Set<Connection>();

  /** A write began. */
  began(connection: Connection): void {
    this.#writing.add(connection);
  }

  /** The write ended, or its connection did. */
  ended(connection: Connection): void {
    this.#writing.delete(connection);
  }

  /** Cuts the devices that have not read for longest until no more than `bytesMax` bytes wait. */
  cutTo(bytesMax: number): void {
    for (const connection of this.#writing) {
      if (this.bytes <= bytesMax) return;
      connection.cut("too slow");
    }
  }
}

/** Something whose TCP connection must end. */
export interface Ending {
  /** Ends TCP now. */
  end(): void;
}

type Phase = "opening" | "open" | "closing" | "ended";

const EMPTY = new Uint8Array(0);

/** The server side of one WebSocket. */
export class Connection implements DeviceSocket, Ending {
  readonly #hub: ConnectionHub;
  readonly #conn: Deno.Conn;
  readonly #reader: FrameReader;
  /** Whatever the listener counts this connection under. */
  readonly address: string;
  #events: DeviceEvents | undefined;
  #phase: Phase = "opening";
  #writing = false;
  /** Frames which wait for the write under way; `undefined` while there are none. */
  #outbox: Uint8Array<ArrayBuffer>[] | undefined;
  #queuedBytes = 0;
  #arrivingBytes = 0;
  #controlSecond = 0;
  #controlFrames = 0;

  /** Nothing is read from `conn` before `start`. */
  constructor(hub: ConnectionHub, conn: Deno.Conn, address: string) {
    this.#hub = hub;
    this.#conn = conn;
    this.address = address;
    this.#reader = new FrameReader(hub.buffers, hub.limits);
  }

  /**
   * Takes over TCP and the bytes that came with the request: sends the 101 and what the owner
   * queued meanwhile, then reads until TCP ends.
   */
  start(events: DeviceEvents, switching: Uint8Array<ArrayBuffer>, early: EarlyBytes): void {
    this.#events = events;
    this.#reader.begin(early);
    (this.#outbox ??= []).unshift(switching);
    this.#count(switching.length);
    if (this.#phase === "opening") this.#phase = "open";
    void this.#flush();
    void this.#read();
  }

  /** Has neither parameters nor variables: while it waits, every one of them would stay in memory. */
  async #read(): Promise<void> {
    try {
      await this.#handleReceived();
      while (
        this.#phase !== "ended" && this.#received(await this.#conn.read(this.#reader.room()))
      ) {
        await this.#handleReceived();
      }
      this.#lose("the device ended TCP");
    } catch (error) {
      this.#lose(error instanceof Error ? error.message : String(error));
    } finally {
      this.#reader.release();
    }
  }

  /** Gives up before `start`, refused by its owner: TCP and the early bytes stay the caller's. */
  abandon(): void {
    this.#phase = "ended";
    this.#count(-this.#queuedBytes);
    this.#hub.closeDeadlines.disarm(this);
    this.#reader.release();
  }

  send(text: string): boolean {
    if (this.#phase !== "open" && this.#phase !== "opening") return false;
    return this.#queue(writeTextFrame(text));
  }

  ping(): void {
    if (this.#phase === "open" || this.#phase === "opening") this.#queue(writeFrame("ping", EMPTY));
  }

  close(code: number, reason: string): void {
    this.#leave({ kind: "server_closed", code, reason }, writeCloseFrame(code, reason));
  }

  /** Closes with 1011: an owner that ends in order has sent its own Close before. */
  [Symbol.dispose](): void {
    this.close(1011, "session ended");
  }

  /** A message did not arrive in time. */
  messageOverdue(): void {
    this.close(1008, `message not complete after ${this.#hub.limits.messageTimeoutMs} ms`);
  }

  /** Ends TCP at once and so frees its memory: with a Close that would take another second. */
  cut(reason: string): void {
    const wasOpen = this.#phase === "open";
    this.end();
    if (wasOpen) this.#tellClosed({ kind: "server_closed", code: 1008, reason });
  }

  /** Ends TCP now; a socket that was open is lost to its owner. */
  end(): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#outbox = undefined;
    this.#count(-this.#queuedBytes);
    this.#countArriving(0);
    this.#hub.backlog.ended(this);
    this.#hub.messageDeadlines.disarm(this);
    this.#hub.closeDeadlines.disarm(this);
    // Cancels the read and the write under way; the kernel still sends what it has taken.
    this.#conn.close();
    this.#hub.ended(this);
  }

  /** Takes what a read brought; `false` at the end of TCP. */
  #received(count: number | null): boolean {
    if (count !== null) this.#reader.received(count);
    return count !== null;
  }

  /** Handles what has arrived, waiting where the owner asks for it. */
  async #handleReceived(): Promise<void> {
    let progress = false;
    while (this.#phase === "open") {
      const incoming = this.#reader.next();
      if (incoming === undefined) return this.#watchProgress(progress);
      // A Ping between two fragments does not bring their message forward.
      progress = progress || !this.#reader.fragmented;
      const handled = this.#handle(incoming);
      if (handled !== undefined) await handled;
    }
    this.#reader.discard();
  }

  /** A message that has begun must end in time; between messages there is no deadline. */
  #watchProgress(progress: boolean): void {
    const deadlines = this.#hub.messageDeadlines;
    if (!this.#reader.unfinished) deadlines.disarm(this);
    else if (progress || !deadlines.has(this)) deadlines.arm(this);
    this.#countArriving(this.#reader.heldBytes);
    const { arriving, limits } = this.#hub;
    while (arriving.bytes > limits.messagesBytesMax) {
      // Who began first has had the most time.
      const slowest = deadlines.first;
      if (slowest === undefined) return;
      slowest.cut("message not complete while many are");
    }
  }

  #countArriving(bytes: number): void {
    this.#hub.arriving.bytes += bytes - this.#arrivingBytes;
    this.#arrivingBytes = bytes;
  }

  #handle(incoming: Incoming): Promise<void> | undefined {
    switch (incoming.kind) {
      case "text":
        return this.#deliver(incoming.text);
      case "ping":
        if (this.#countControlFrame()) this.#queue(writeFrame("pong", incoming.payload));
        return undefined;
      case "pong":
        if (this.#countControlFrame()) this.#guard((events) => events.pong());
        return undefined;
      case "close": {
        const { code, reason } = incoming;
        const echo = code === 1005 ? writeFrame("close", EMPTY) : writeCloseFrame(code, reason);
        this.#leave({ kind: "device_closed", code, reason }, echo);
        return undefined;
      }
      case "failed":
        this.close(incoming.code, incoming.reason);
        return undefined;
    }
  }

  #deliver(text: string): Promise<void> | undefined {
    // Whatever the owner has to wait for is not the device's delay.
    const answer = this.#guard((events) => events.text(text));
    if (!(answer instanceof Promise)) return undefined;
    this.#hub.messageDeadlines.disarm(this);
    return answer.catch((error: unknown) => this.#ownerFailed(error));
  }

  /** Calls the owner; its failure ends this socket and no other. */
  #guard<R>(call: (events: DeviceEvents) => R): R | undefined {
    if (this.#events === undefined) return undefined;
    try {
      return call(this.#events);
    } catch (error) {
      this.#ownerFailed(error);
      return undefined;
    }
  }

  #ownerFailed(error: unknown): void {
    this.#hub.ownerFailed(error);
    this.close(1011, "internal error");
  }

  /** Counts a Ping or Pong; too many in one second close the socket. */
  #countControlFrame(): boolean {
    const second = Math.floor(this.#hub.clock.now() / 1000);
    if (second !== this.#controlSecond) {
      this.#controlSecond = second;
      this.#controlFrames = 0;
    }
    const max = this.#hub.limits.controlFramesPerSecondMax;
    if (++this.#controlFrames <= max) return true;
    this.close(1008, `more than ${max} Ping and Pong frames in a second`);
    return false;
  }

  /** Queues a frame; a device that lets too much pile up is closed, what waits is dropped. */
  #queue(frame: Uint8Array<ArrayBuffer>): boolean {
    if (this.#queuedBytes + frame.length > this.#hub.limits.sendQueueBytesMax) {
      this.#outbox = undefined;
      this.close(1008, "too slow");
      return false;
    }
    this.#push(frame);
    const { backlog, limits } = this.#hub;
    if (backlog.bytes > limits.sendQueuesBytesMax) backlog.cutTo(limits.sendQueuesBytesMax);
    return this.#phase !== "ended";
  }

  #push(frame: Uint8Array<ArrayBuffer>): void {
    (this.#outbox ??= []).push(frame);
    this.#count(frame.length);
    if (!this.#writing && this.#events !== undefined) void this.#flush();
  }

  /** Counts bytes that came to wait, or wait no longer. */
  #count(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#hub.backlog.bytes += bytes;
  }

  /** What waits, as one piece: while it is being written, its frames must not stay in memory too. */
  #takeOutbox(): Uint8Array<ArrayBuffer> | undefined {
    const batch = this.#outbox;
    this.#outbox = undefined;
    if (batch === undefined) return undefined;
    const [first = EMPTY] = batch;
    return batch.length === 1 ? first : join(batch);
  }

  async #flush(): Promise<void> {
    this.#writing = true;
    this.#hub.backlog.began(this);
    try {
      // What is sent in one turn leaves in one write: fewer system calls, and over TLS, where
      // Nagle's delay cannot be switched off, no second write that waits 40 ms for the first.
      await undefined;
      for (let bytes = this.#takeOutbox(); bytes !== undefined; bytes = this.#takeOutbox()) {
        for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
        if (this.#phase !== "ended") this.#count(-bytes.length);
      }
      this.#writing = false;
      this.#hub.backlog.ended(this);
      if (this.#phase === "closing") await this.#conn.closeWrite();
    } catch (error) {
      this.#lose(error instanceof Error ? error.message : String(error));
    }
  }

  /** Leaves the open state: sends Close as the last frame and gives TCP its time to end. */
  #leave(how: SocketEnd, closeFrame: Uint8Array<ArrayBuffer>): void {
    if (this.#phase === "closing" || this.#phase === "ended") return;
    this.#phase = "closing";
    this.#hub.messageDeadlines.disarm(this);
    this.#countArriving(0);
    this.#hub.closeDeadlines.arm(this);
    this.#push(closeFrame);
    this.#tellClosed(how);
  }

  /** TCP has failed or ended: nothing can be sent or received any more. */
  #lose(reason: string): void {
    const wasOpen = this.#phase === "open" || this.#phase === "opening";
    this.end();
    if (wasOpen) this.#tellClosed({ kind: "lost", reason });
  }

  /** The owner may be inside its own `close` at this moment, so it hears of it afterwards. */
  #tellClosed(how: SocketEnd): void {
    this.#hub.left(how);
    queueMicrotask(() => this.#guard((events) => events.closed(how)));
  }
}
