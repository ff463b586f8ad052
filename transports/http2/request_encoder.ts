/**
 * Encodes the header blocks of requests, the shared part of a block once.
 *
 * What a head encodes to depends on the dynamic table. The first use of a head enters its fields
 * there; the second finds them all, leaves the table as it is, and its bytes serve every later
 * request until the table changes, which the encoder's version tells.
 *
 * @module
 */

import { ByteBuffer } from "./byte_buffer.ts";
import type { RequestBlock, RequestHead } from "./exchange.ts";
import { type HpackEncoder, writePlainString } from "./hpack_encoder.ts";

/** A head as bytes, around the path. */
interface EncodedHead {
  readonly pseudo: Uint8Array;
  readonly fields: Uint8Array;
  /** The table these bytes are true of; `undefined` when they change it themselves. */
  readonly version: number | undefined;
}

const NOT_ENCODED: EncodedHead = {
  pseudo: new Uint8Array(0),
  fields: new Uint8Array(0),
  version: undefined,
};

/** `:path` as a literal that enters no table: index 4 of the static one. */
const PATH_NAME = 0x04;

/** One connection's encoder of requests. */
export class RequestEncoder {
  readonly #encoder: HpackEncoder;
  readonly #scheme: "http" | "https";
  readonly #heads = new WeakMap<RequestHead, EncodedHead>();
  #block: RequestBlock | undefined;
  #names: readonly Uint8Array[] = [];
  #head = NOT_ENCODED;

  /** Requests of one scheme, into one direction of a connection. */
  constructor(encoder: HpackEncoder, scheme: "http" | "https") {
    this.#encoder = encoder;
    this.#scheme = scheme;
  }

  /** Appends the header block of one request. */
  write(out: ByteBuffer, block: RequestBlock, index: number): void {
    if (block !== this.#block) this.#begin(block);
    if (this.#head.version !== this.#encoder.version || this.#encoder.sizeChanged) {
      this.#head = this.#encode(block.head);
      this.#heads.set(block.head, this.#head);
    }
    out.append(this.#head.pseudo);
    out.appendByte(PATH_NAME);
    // Plain: a path is different each time, and coding it costs more than the bytes it saves.
    writePlainString(out, block.paths[index] ?? "");
    out.append(this.#head.fields);
    for (let i = 0; i < this.#names.length; i++) {
      const value = block.fields[i]?.values[index];
      const name = this.#names[i];
      if (value === undefined || name === undefined) continue;
      out.append(name);
      writePlainString(out, value);
    }
  }

  #begin(block: RequestBlock): void {
    this.#block = block;
    this.#head = this.#heads.get(block.head) ?? NOT_ENCODED;
    this.#names = block.fields.map(({ name }) => {
      const out = new ByteBuffer(64);
      this.#encoder.writeLiteralName(out, name);
      return out.view();
    });
  }

  #encode(head: RequestHead): EncodedHead {
    const encoder = this.#encoder;
    const version = encoder.version;
    const resized = encoder.sizeChanged;
    const pseudo = new ByteBuffer(128);
    encoder.beginBlock(pseudo);
    encoder.writeField(pseudo, { name: ":method", value: head.method, indexing: "indexed" });
    encoder.writeField(pseudo, { name: ":scheme", value: this.#scheme, indexing: "indexed" });
    encoder.writeField(pseudo, { name: ":authority", value: head.authority, indexing: "indexed" });
    const fields = new ByteBuffer(512);
    for (const field of head.fields) encoder.writeField(fields, field);
    const stable = !resized && encoder.version === version;
    return {
      pseudo: pseudo.view(),
      fields: fields.view(),
      version: stable ? version : undefined,
    };
  }
}
