/**
 * Read buffers, shared by the connections of one listener.
 *
 * Nearly every connection is idle at nearly every moment, and its pending read pins a buffer. So
 * an idle read gets 128 bytes, cut from a slab: a view costs a fraction of an allocation of its
 * own. Only a connection in the middle of something larger holds a burst buffer.
 *
 * Invariants: a buffer is held by one owner; it is given back after the read into it has settled.
 * Slabs are never returned: they grow to the peak of open connections, 128 bytes for each.
 *
 * @module
 */

import {
  BURST_BUFFER_BYTES,
  BURST_BUFFERS_KEPT_MAX,
  IDLE_BUFFER_BYTES,
  IDLE_BUFFERS_PER_SLAB,
} from "./limits.ts";

/** Hands out read buffers and takes them back. */
export class BufferPool {
  readonly #idle: Uint8Array[] = [];
  readonly #burst: Uint8Array[] = [];

  /** A buffer of {@linkcode IDLE_BUFFER_BYTES}. */
  takeIdle(): Uint8Array {
    const buffer = this.#idle.pop();
    if (buffer !== undefined) return buffer;
    const slab = new ArrayBuffer(IDLE_BUFFER_BYTES * IDLE_BUFFERS_PER_SLAB);
    for (let i = 1; i < IDLE_BUFFERS_PER_SLAB; i++) {
      this.#idle.push(new Uint8Array(slab, i * IDLE_BUFFER_BYTES, IDLE_BUFFER_BYTES));
    }
    return new Uint8Array(slab, 0, IDLE_BUFFER_BYTES);
  }

  /** A buffer of {@linkcode BURST_BUFFER_BYTES}. */
  takeBurst(): Uint8Array {
    return this.#burst.pop() ?? new Uint8Array(BURST_BUFFER_BYTES);
  }

  /** Takes a buffer back; one of another size is left to the garbage collector. */
  give(buffer: Uint8Array): void {
    if (buffer.length === IDLE_BUFFER_BYTES) {
      this.#idle.push(buffer);
    } else if (
      buffer.length === BURST_BUFFER_BYTES && this.#burst.length < BURST_BUFFERS_KEPT_MAX
    ) {
      this.#burst.push(buffer);
    }
  }
}
