/**
 * Reads a request's body into one buffer, with its limit checked while it arrives.
 *
 * Invariants: never more than `bytesMax` bytes are held; a declared length above the limit is refused
 * before a byte is read; nothing is ever inflated. What is left unread after an answer is dropped
 * by the door, up to a bound.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";

/** How reading a body ended. */
export type BodyOutcome =
  | { readonly kind: "body"; readonly bytes: Uint8Array }
  /** `declaredBytes` is the `Content-Length`, absent when the body was chunked. */
  | { readonly kind: "too_large"; readonly declaredBytes: number | undefined }
  /** The connection ended first; nobody waits for an answer. */
  | { readonly kind: "aborted" };

const EMPTY: BodyOutcome = { kind: "body", bytes: new Uint8Array(0) };
const ABORTED: BodyOutcome = { kind: "aborted" };

/**
 * Reads the body, up to `bytesMax` bytes; asks a waiting client to go on (`100 Continue`) only now.
 * It never rejects.
 */
export function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  bytesMax: number,
): Promise<BodyOutcome> {
  const declared = request.headers["content-length"];
  const declaredBytes = declared === undefined ? undefined : Number(declared);
  if (declaredBytes !== undefined && declaredBytes > bytesMax) {
    return Promise.resolve({ kind: "too_large", declaredBytes });
  }
  if (declaredBytes === 0 || (declaredBytes === undefined && !isChunked(request))) {
    return Promise.resolve(EMPTY);
  }
  if (request.destroyed) return Promise.resolve(ABORTED);
  if (request.headers.expect !== undefined) {
    response.writeContinue();
    response.shouldKeepAlive = true; // The client sends its body now, so the next request can be found.
  }
  return collect(request, bytesMax);
}

function isChunked(request: IncomingMessage): boolean {
  return request.headers["transfer-encoding"] !== undefined;
}

function collect(request: IncomingMessage, bytesMax: number): Promise<BodyOutcome> {
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    request.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else {
        chunks.length = 0;
        resolve({ kind: "too_large", declaredBytes: undefined });
      }
    });
    request.once("end", () => resolve({ kind: "body", bytes: joined(chunks, bytes) }));
    request.once("close", () => resolve(ABORTED));
  });
}

function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  // Always a copy: a chunk is a view of a read buffer many times its size, and bodies may wait for days.
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
