/**
 * A growing buffer that is filled, written to a socket and used again.
 *
 * Invariants: `0 <= length <= bytes.length`; what lies below `length` is what was appended since the
 * last `clear`. `bytes` changes its identity when the buffer grows, so a holder reads it anew after
 * each `reserve`. Why not a list of chunks: hundreds of frames leave in one write, and joining them
 * costs more than writing them in place.
 *
 * @module
 */

/** Bytes on their way out. */
export class ByteBuffer {
  /** The storage; valid below {@linkcode length}. */
  bytes: Uint8Array<ArrayBuffer>;
  /** How many bytes were appended. */
  length = 0;
  readonly #keptBytesMax: number;

  /**
   * An empty buffer.
   *
   * @param capacityBytes What it holds before it first grows.
   * @param keptBytesMax What it keeps when it is cleared; a larger burst is given back.
   */
  constructor(capacityBytes = 4_096, keptBytesMax = 1_048_576) {
    this.bytes = new Uint8Array(capacityBytes);
    this.#keptBytesMax = keptBytesMax;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** Appends bytes. */
  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Appends one byte. */
  appendByte(byte: number): void {
    this.reserve(1);
    this.bytes[this.length++] = byte;
  }

  /** What was appended; a view, valid until the buffer is changed. */
  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }

  /** Empties the buffer. */
  clear(): void {
    this.length = 0;
    if (this.bytes.length > this.#keptBytesMax) this.bytes = new Uint8Array(this.#keptBytesMax);
  }
}
