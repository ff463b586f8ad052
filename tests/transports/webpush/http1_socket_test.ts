/**
 * The parser of HTTP/1.1 answers, given every way to cut an answer and anything that is none.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  BadAnswerError,
  type ByteStream,
  type Http1Answer,
  Http1Socket,
} from "../../../transports/webpush/http1_socket.ts";

const REQUEST = new TextEncoder().encode("POST / HTTP/1.1\r\n\r\n");

/** A stream that gives these parts and then ends. */
class Parts implements ByteStream {
  readonly #parts: Uint8Array[];

  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts.filter(({ length }) => length > 0);
  }

  read(into: Uint8Array): Promise<number | null> {
    const part = this.#parts.shift();
    if (part === undefined) return Promise.resolve(null);
    const read = Math.min(into.length, part.length);
    into.set(part.subarray(0, read));
    if (read < part.length) this.#parts.unshift(part.subarray(read));
    return Promise.resolve(read);
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve(bytes.length);
  }

  close(): void {}
}

/** Cuts bytes at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): readonly Uint8Array[] {
  const edges = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length];
  const sorted = edges.toSorted((one, other) => one - other);
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

function exchange(parts: readonly Uint8Array[]): Promise<Http1Answer> {
  return new Http1Socket(new Parts(parts)).exchange(REQUEST);
}

const ANSWERS: readonly string[] = [
  "HTTP/1.1 429 Too Many\r\nRetry-After: 5\r\nContent-Length: 10\r\n\r\n0123456789",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 410 Gone\r\nTransfer-Encoding: chunked\r\n\r\n3;a\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n",
  "HTTP/1.0 500 \r\nX:y\r\n\r\nuntil the end",
];

Deno.test("Http1Socket.exchange() reads an answer the same however it is cut", async () => {
  for (const answer of ANSWERS) {
    const bytes = new TextEncoder().encode(answer);
    const whole = await exchange([bytes]);
    const places = fc.array(fc.nat(), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(places, async (where) => {
        assertEquals(await exchange(cut(bytes, where)), whole);
      }),
      { numRuns: 100 },
    );
  }
});

Deno.test("Http1Socket.exchange() rejects an answer that ends early, wherever that is", async () => {
  for (const answer of ANSWERS.slice(0, 2)) {
    const bytes = new TextEncoder().encode(answer);
    for (let length = 0; length < bytes.length; length++) {
      await assertRejects(() => exchange([bytes.subarray(0, length)]), Error, "ended without");
    }
  }
});

Deno.test("Http1Socket.exchange() answers or rejects, whatever comes", async () => {
  const soup = fc.array(
    fc.oneof(
      fc.constantFrom(
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 C\r\n\r\n",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "\r\n",
        "\n",
        ":",
        "ffffffff\r\n",
        "0\r\n",
        "a\r\n",
      ).map((text) => new TextEncoder().encode(text)),
      fc.uint8Array({ maxLength: 20 }),
    ),
    { maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(soup, async (parts) => {
      try {
        const { status, body } = await exchange(parts);
        assert(status >= 200 && status <= 999 && body.length <= 4_096);
      } catch (error) {
        const ended = error instanceof Error && error.message.includes("ended without");
        assert(error instanceof BadAnswerError || ended, Deno.inspect(error));
      }
    }),
    { numRuns: 1_000 },
  );
});
