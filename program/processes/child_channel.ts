/**
 * The child's end of the channel: tells the parent that it serves and lives, and hears when the
 * parent is gone.
 *
 * Invariants: one write at a time, and a heartbeat is left out while one waits, so a parent that
 * does not read costs no memory and holds up nobody. Standard output belongs to the channel.
 *
 * @module
 */

import { type LoopClock, loopClock } from "../loop_delay.ts";
import { type ChildLine, lineText, type SharedPorts } from "./channel.ts";
import { HEARTBEAT_MS } from "./limits.ts";

/** What the channel needs of the process. */
export interface ChannelParts {
  /** Time and a repeating timer. */
  readonly clock: LoopClock;
  /** Where messages go: the standard output. */
  readonly output: WritableStream<Uint8Array>;
  /** What ends with the parent: the standard input. */
  readonly input: ReadableStream<Uint8Array>;
  /** Memory in use, in bytes. */
  memory(): { readonly rss: number; readonly heapUsed: number };
}

/** The child's end of the channel. Disposed of, it no longer tells that the child lives. */
export interface ChildChannel extends Disposable {
  /** Resolves when the parent has ended, in whatever way. */
  readonly orphaned: Promise<void>;
  /** Tells that the child serves on these ports, and what it calls itself, in at most 1,000 characters. */
  ready(ports: SharedPorts, node: string): void;
}

/** Opens the channel and begins to tell that this process lives; `parts` are the process's unless a test says so. */
export function openChildChannel(parts?: ChannelParts): ChildChannel {
  return new Channel(
    parts ?? {
      clock: loopClock,
      output: Deno.stdout.writable,
      input: Deno.stdin.readable,
      memory: () => Deno.memoryUsage(),
    },
  );
}

class Channel implements ChildChannel {
  readonly orphaned: Promise<void>;
  readonly #parts: ChannelParts;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stop: () => void;
  #waiting = 0;
  #before: number;

  constructor(parts: ChannelParts) {
    this.#parts = parts;
    this.#writer = parts.output.getWriter();
    this.orphaned = untilEnd(parts.input);
    this.#before = parts.clock.now();
    this.#stop = parts.clock.every(HEARTBEAT_MS, () => this.#beat());
  }

  ready(ports: SharedPorts, node: string): void {
    const { endpointPort, devicePort, apiPort } = ports;
    this.#write({ type: "ready", ports: { endpointPort, devicePort, apiPort }, node });
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #beat(): void {
    const { clock, memory } = this.#parts;
    const now = clock.now();
    const lateMs = Math.max(0, Math.round(now - this.#before - HEARTBEAT_MS));
    this.#before = now;
    if (this.#waiting > 0) return;
    const { rss, heapUsed } = memory();
    this.#write({ type: "heartbeat", lateMs, residentBytes: rss, heapBytes: heapUsed });
  }

  #write(line: ChildLine): void {
    this.#waiting++;
    this.#writer.write(new TextEncoder().encode(lineText(line)))
      // Nobody hears a broken pipe: the parent is gone, and the other pipe tells that.
      .catch(() => {})
      .finally(() => this.#waiting--);
  }
}

/** Resolves when there is no more to read; a pipe that fails has no other end either. */
async function untilEnd(input: ReadableStream<Uint8Array>): Promise<void> {
  try {
    await input.pipeTo(new WritableStream());
  } catch {
    return;
  }
}
