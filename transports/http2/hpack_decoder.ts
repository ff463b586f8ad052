/**
 * Decodes header blocks (RFC 7541).
 *
 * Invariants: whatever a block holds, the table afterwards is the sender's or the connection is at
 * its end; what is kept of a block is at most the header list limit, while the rest is still read
 * for the table's sake.
 *
 * Most answers of a connection repeat the one before byte for byte. The last block is therefore
 * remembered with its result, as long as the table it refers to stands: comparing some bytes takes
 * the place of decoding them, and the same array tells the caller that nothing has changed.
 *
 * @module
 */

import { ERROR_CODE, Http2Error } from "./errors.ts";
import { DynamicTable, fieldBytes, type HpackField, STATIC_TABLE } from "./hpack_table.ts";
import { readHuffman } from "./huffman.ts";
import { HEADER_TABLE_BYTES, HPACK_REMEMBERED_BYTES_MAX } from "./limits.ts";

/** How a decoder works. */
export interface HpackDecoderOptions {
  /** Bytes of the dynamic table at most, as SETTINGS_HEADER_TABLE_SIZE tells the peer; 4,096 by default. */
  readonly tableBytesMax?: number;
  /** Bytes of a header list, 32 added for each field (RFC 9113 section 6.5.2). */
  readonly listBytesMax: number;
}

/** A block that was decoded, and what it did. */
interface Remembered {
  readonly bytes: Uint8Array;
  readonly fields: readonly HpackField[];
  readonly inserted: readonly HpackField[];
  /** Insertions when it was decoded, if it refers to the table; else it means the same always. */
  readonly tableNumber: number | undefined;
}

/** One direction of a connection. */
export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #tableBytesMax: number;
  readonly #listBytesMax: number;
  #remembered: Remembered | undefined;
  #scratch = new Uint8Array(256);
  // State of the block being decoded.
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #refers = false;
  #fields: HpackField[] = [];
  #inserted: HpackField[] = [];
  #listBytes = 0;

  /** A decoder whose peer knows its table size, or the default one of 4,096 bytes. */
  constructor({ tableBytesMax = HEADER_TABLE_BYTES, listBytesMax }: HpackDecoderOptions) {
    this.#tableBytesMax = tableBytesMax;
    this.#listBytesMax = listBytesMax;
    this.#table = new DynamicTable(tableBytesMax);
  }

  /** Bytes of the fields in the dynamic table (RFC 7541 section 4.1). */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** Fields in the dynamic table, the newest first. */
  get tableFields(): readonly HpackField[] {
    const first = STATIC_TABLE.length + 1;
    return Array.from({ length: this.#table.length }, (_, i) => this.#field(first + i));
  }

  /**
   * Decodes a whole block; `"too_large"` when its list exceeds the limit. The same array again
   * means the same fields again.
   *
   * @throws {Http2Error} COMPRESSION_ERROR when it breaks RFC 7541; the connection must end then
   * (RFC 9113 section 4.3).
   */
  decode(bytes: Uint8Array, start: number, end: number): readonly HpackField[] | "too_large" {
    const known = this.#recall(bytes, start, end);
    if (known !== undefined) return known;
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#refers = false;
    this.#fields = [];
    this.#inserted = [];
    this.#listBytes = 0;
    const tableNumber = this.#table.inserted;
    const resized = this.#readSizeUpdates();
    while (this.#at < this.#end) this.#readField();
    if (this.#listBytes > this.#listBytesMax) return "too_large";
    const repeatable = !resized && !(this.#refers && this.#inserted.length > 0);
    if (repeatable && end - start <= HPACK_REMEMBERED_BYTES_MAX) {
      this.#remembered = {
        bytes: bytes.slice(start, end),
        fields: this.#fields,
        inserted: this.#inserted,
        tableNumber: this.#refers ? tableNumber : undefined,
      };
    }
    return this.#fields;
  }

  #recall(bytes: Uint8Array, start: number, end: number): readonly HpackField[] | undefined {
    const known = this.#remembered;
    if (known === undefined || end - start !== known.bytes.length) return undefined;
    if (known.tableNumber !== undefined && known.tableNumber !== this.#table.inserted) {
      return undefined;
    }
    for (let i = 0; i < known.bytes.length; i++) {
      if (bytes[start + i] !== known.bytes[i]) return undefined;
    }
    for (const field of known.inserted) this.#table.insert(field);
    return known.fields;
  }

  /** Changes of the table's size stand at the beginning of a block only (RFC 7541 section 4.2). */
  #readSizeUpdates(): boolean {
    let found = false;
    while (this.#at < this.#end && ((this.#bytes[this.#at] ?? 0) & 0xe0) === 0x20) {
      const bytesMax = this.#readInteger(5);
      if (bytesMax > this.#tableBytesMax) {
        fail(`A table size of ${bytesMax} bytes exceeds ${this.#tableBytesMax}`);
      }
      // Evictions do not move the insertion number, so what refers to the table is forgotten here.
      this.#remembered = undefined;
      this.#table.resize(bytesMax);
      found = true;
    }
    return found;
  }

  #readField(): void {
    const first = this.#bytes[this.#at] ?? 0;
    if ((first & 0x80) !== 0) {
      this.#keep(this.#field(this.#readInteger(7)));
    } else if ((first & 0x40) !== 0) {
      const field = this.#readLiteral(6);
      this.#keep(field);
      this.#inserted.push(field);
      this.#table.insert(field);
    } else if ((first & 0x20) !== 0) {
      fail("A table size update is not at the beginning of its block");
    } else {
      this.#keep(this.#readLiteral(4));
    }
  }

  /** Keeps a field for the caller, unless the list has become too large. */
  #keep(field: HpackField): void {
    this.#listBytes += fieldBytes(field);
    if (this.#listBytes <= this.#listBytesMax) this.#fields.push(field);
  }

  #readLiteral(prefixBits: number): HpackField {
    const index = this.#readInteger(prefixBits);
    const name = index === 0 ? this.#readString() : this.#field(index).name;
    return { name, value: this.#readString() };
  }

  #field(index: number): HpackField {
    const known = STATIC_TABLE[index - 1];
    if (known !== undefined) return known;
    this.#refers = true;
    const field = this.#table.at(index - 1 - STATIC_TABLE.length);
    if (index === 0 || field === undefined) fail(`No field has index ${index}`);
    return field;
  }

  /** Reads an integer (section 5.1); 28 bits are more than any that makes sense here. */
  #readInteger(prefixBits: number): number {
    const prefixMax = (1 << prefixBits) - 1;
    let value = (this.#bytes[this.#at++] ?? 0) & prefixMax;
    if (value < prefixMax) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#at >= this.#end) fail("An integer is cut off");
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail("An integer is too large");
  }

  #readString(): string {
    if (this.#at >= this.#end) fail("A string is cut off");
    const coded = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#readInteger(7);
    const start = this.#at;
    if (length > this.#end - start) fail("A string is longer than its block");
    this.#at += length;
    if (!coded) return latin1(this.#bytes, start, this.#at);
    // No code is shorter than five bits.
    const decodedMax = Math.ceil(length * 8 / 5);
    if (this.#scratch.length < decodedMax) this.#scratch = new Uint8Array(decodedMax);
    const count = readHuffman(this.#bytes, start, this.#at, this.#scratch);
    return latin1(this.#scratch, 0, count);
  }
}

/** Characters per call of `fromCharCode`, far below what engines take as arguments. */
const CHARS_PER_CALL = 4_096;

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let from = start; from < end; from += CHARS_PER_CALL) {
    const part = bytes.subarray(from, Math.min(from + CHARS_PER_CALL, end));
    text += Reflect.apply(String.fromCharCode, undefined, part);
  }
  return text;
}

function fail(message: string): never {
  throw new Http2Error(ERROR_CODE.compressionError, message);
}
