/**
 * Encodes header blocks (RFC 7541).
 *
 * A field says itself whether it may enter the dynamic table. What is in a table already is sent as
 * its index, whatever the field says, except one that is never to be indexed. `version` moves with
 * every change of the table: bytes that were encoded without such a change may be sent again as
 * they are for as long as it stands.
 *
 * @module
 */

import { ByteBuffer } from "./byte_buffer.ts";
import type { HeaderField } from "./exchange.ts";
import { DynamicTable, fieldBytes, type HpackField, STATIC_TABLE } from "./hpack_table.ts";
import { huffmanBytes, writeHuffman } from "./huffman.ts";
import { HEADER_TABLE_BYTES } from "./limits.ts";

/** Index of each field of the static table. */
const staticFields = new Map(STATIC_TABLE.map((field, i) => [key(field), i + 1] as const));
/** Lowest index of each name in the static table. */
const staticNames = new Map(STATIC_TABLE.map(({ name }, i) => [name, i + 1] as const).reverse());

function key({ name, value }: HpackField): string {
  // No name has a line feed.
  return `${name}\n${value}`;
}

/** How an encoder works. */
export interface HpackEncoderOptions {
  /** Bytes of the dynamic table at most, however many the peer allows; 4,096 by default. */
  readonly tableBytesMax?: number;
  /** Whether strings are Huffman coded where that is not longer; they are by default. */
  readonly huffman?: boolean;
}

/** One direction of a connection. */
export class HpackEncoder {
  readonly #table: DynamicTable;
  readonly #tableBytesMax: number;
  readonly #huffman: boolean;
  /** Numbers of the newest equal fields and names in the dynamic table. */
  readonly #fields = new Map<string, number>();
  readonly #names = new Map<string, number>();
  /** Size limits that the peer's decoder was not told of: the smallest since, and the last. */
  #smallestBytes: number | undefined;
  #version = 0;

  /** An encoder whose peer's decoder has a table of the default size (RFC 9113 section 6.5.2). */
  constructor({ tableBytesMax = HEADER_TABLE_BYTES, huffman = true }: HpackEncoderOptions = {}) {
    this.#tableBytesMax = tableBytesMax;
    this.#huffman = huffman;
    this.#table = new DynamicTable(HEADER_TABLE_BYTES, (field, number) => {
      if (this.#fields.get(key(field)) === number) this.#fields.delete(key(field));
      if (this.#names.get(field.name) === number) this.#names.delete(field.name);
    });
    if (tableBytesMax < HEADER_TABLE_BYTES) this.setTableLimit(tableBytesMax);
  }

  /** A number that changes with the table. */
  get version(): number {
    return this.#version;
  }

  /** Bytes of the fields in the dynamic table (RFC 7541 section 4.1). */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /**
   * The peer said SETTINGS_HEADER_TABLE_SIZE. The next block begins with the change (RFC 7541
   * section 4.2).
   */
  setTableLimit(bytes: number): void {
    const bytesMax = Math.min(bytes, this.#tableBytesMax);
    if (bytesMax === this.#table.bytesMax) return;
    this.#smallestBytes = Math.min(this.#smallestBytes ?? bytesMax, bytesMax);
    this.#table.resize(bytesMax);
    this.#version++;
  }

  /** Begins a header block: tells of changes of the table's size. Once for each block, first. */
  beginBlock(out: ByteBuffer): void {
    if (this.#smallestBytes === undefined) return;
    if (this.#smallestBytes < this.#table.bytesMax) {
      writeInteger(out, 0x20, 5, this.#smallestBytes);
    }
    writeInteger(out, 0x20, 5, this.#table.bytesMax);
    this.#smallestBytes = undefined;
  }

  /** Whether the next block must begin with a change of the table's size. */
  get sizeChanged(): boolean {
    return this.#smallestBytes !== undefined;
  }

  /** Appends one field as its {@linkcode HeaderField.indexing} allows. */
  writeField(out: ByteBuffer, field: HeaderField): void {
    if (field.indexing !== "never") {
      const index = this.#indexOf(field);
      if (index > 0) {
        writeInteger(out, 0x80, 7, index);
        return;
      }
    }
    // A field larger than the table would only empty it.
    const indexed = field.indexing === "indexed" && fieldBytes(field) <= this.#table.bytesMax;
    if (indexed) this.#writeName(out, 0x40, 6, field.name);
    else this.#writeName(out, field.indexing === "never" ? 0x10 : 0, 4, field.name);
    this.#writeString(out, field.value);
    if (indexed) this.#insert({ name: field.name, value: field.value });
  }

  /**
   * Appends the beginning of a literal that enters no table: its name. The caller appends the value
   * as a string. Only static names are taken as an index, so these bytes stay true for ever.
   */
  writeLiteralName(out: ByteBuffer, name: string): void {
    const index = staticNames.get(name) ?? 0;
    writeInteger(out, 0, 4, index);
    if (index === 0) this.#writeString(out, name);
  }

  #writeName(out: ByteBuffer, pattern: number, prefixBits: number, name: string): void {
    const number = this.#names.get(name);
    const dynamic = number === undefined ? 0 : this.#dynamicIndex(number);
    const index = staticNames.get(name) ?? dynamic;
    writeInteger(out, pattern, prefixBits, index);
    if (index === 0) this.#writeString(out, name);
  }

  #indexOf(field: HpackField): number {
    const known = staticFields.get(key(field));
    if (known !== undefined) return known;
    const number = this.#fields.get(key(field));
    return number === undefined ? 0 : this.#dynamicIndex(number);
  }

  #dynamicIndex(number: number): number {
    return STATIC_TABLE.length + this.#table.inserted - number;
  }

  #insert(field: HpackField): void {
    const number = this.#table.inserted;
    this.#table.insert(field);
    this.#fields.set(key(field), number);
    this.#names.set(field.name, number);
    this.#version++;
  }

  #writeString(out: ByteBuffer, text: string): void {
    const codedBytes = huffmanBytes(text);
    if (this.#huffman && codedBytes <= text.length) {
      writeInteger(out, 0x80, 7, codedBytes);
      writeHuffman(out, text);
    } else {
      writePlainString(out, text);
    }
  }
}

/** Appends a string without Huffman coding: larger, and much cheaper to make. */
export function writePlainString(out: ByteBuffer, text: string): void {
  const length = text.length;
  writeInteger(out, 0, 7, length);
  out.reserve(length);
  const bytes = out.bytes;
  const at = out.length;
  for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
  out.length = at + length;
}

/** Appends an integer behind the bits of a pattern (RFC 7541 section 5.1). */
export function writeInteger(
  out: ByteBuffer,
  pattern: number,
  prefixBits: number,
  value: number,
): void {
  const prefixMax = (1 << prefixBits) - 1;
  if (value < prefixMax) {
    out.appendByte(pattern | value);
    return;
  }
  out.appendByte(pattern | prefixMax);
  let rest = value - prefixMax;
  while (rest >= 0x80) {
    out.appendByte(rest & 0x7f | 0x80);
    rest >>>= 7;
  }
  out.appendByte(rest);
}
