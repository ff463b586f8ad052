/**
 * The writer's thread: an `fsync` takes milliseconds on some disks, and on the main thread it would
 * stop every socket for that long.
 *
 * The thread answers each request with one message, in order. What it cannot foresee, it does not
 * catch: it dies, its owner is told by an `error` event and starts another.
 *
 * @module
 */

import { asOpenError, quoted, storeErrorCode } from "./errors.ts";
import type { WriterAnswer, WriterRequest } from "./operations.ts";
import { Writer } from "./writer.ts";

/** What a dedicated worker finds in its global scope; the compiler is told of windows only. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<WriterRequest>) => void) | null;
  postMessage(answer: WriterAnswer): void;
}

/** The file, from the request `open` until the request `close`. */
let writer: Writer | undefined;

function answer(request: WriterRequest): WriterAnswer {
  switch (request.kind) {
    case "open":
      try {
        writer = new Writer(request.path, request.userLifetimeMs);
        return { kind: "opened", batch: writer.batch };
      } catch (error) {
        const { code, message } = asOpenError(request.path, error);
        return { kind: "refused", code, message };
      }
    case "batch":
      if (writer === undefined) throw new Error("Batch before the file was opened");
      try {
        return { kind: "committed", results: writer.commit(request.batch, request.operations) };
      } catch (error) {
        const code = storeErrorCode(error);
        if (code === undefined) throw error;
        return { kind: "failed", code, message: quoted(error) };
      }
    case "close":
      writer?.[Symbol.dispose]();
      writer = undefined;
      return { kind: "closed" };
  }
}

const scope: WorkerScope = Object(globalThis);
scope.onmessage = (event) => scope.postMessage(answer(event.data));
