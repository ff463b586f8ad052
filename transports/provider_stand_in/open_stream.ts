/**
 * A stream whose request is arriving.
 *
 * @module
 */

import type { HpackField } from "../http2/hpack_table.ts";
import type { ProviderRequest } from "./service.ts";

/** A request in parts. */
export class OpenStream {
  /** The stream's id. */
  readonly id: number;
  /** Bytes of its body so far. */
  bodyBytes = 0;
  readonly #fields: readonly HpackField[];
  readonly #parts: Uint8Array[] = [];

  /** A stream whose header fields have arrived. */
  constructor(id: number, fields: readonly HpackField[]) {
    this.id = id;
    this.#fields = fields;
  }

  /** Keeps a copy of a part of the body. */
  append(part: Uint8Array): void {
    this.bodyBytes += part.length;
    this.#parts.push(part.slice());
  }

  /** The request, with the last part of its body; valid for as long as that part is. */
  request(rest: Uint8Array): ProviderRequest {
    let method = "";
    let path = "";
    for (const { name, value } of this.#fields) {
      if (name === ":method") method = value;
      else if (name === ":path") path = value;
    }
    return { method, path, fields: this.#fields, body: this.#body(rest) };
  }

  #body(rest: Uint8Array): Uint8Array {
    if (this.#parts.length === 0) return rest;
    const whole = new Uint8Array(this.bodyBytes + rest.length);
    let at = 0;
    for (const part of [...this.#parts, rest]) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}
