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
import type { Result, WriterAnswer, WriterRequest } from "./protocol.ts";

/** The connection a thread writes with. */
export interface ThreadWriter<Operation, Outcome> extends Disposable {
  /** The number of the last batch on the disk. */
  readonly batch: number;
  /** Applies a batch as one transaction. */
  commit(batch: number, operations: readonly Operation[]): readonly Result<Outcome>[];
}

/** What a dedicated worker finds in its global scope; the compiler is told of windows only. */
interface WorkerScope<Operation, Outcome, Settings> {
  onmessage: ((event: MessageEvent<WriterRequest<Operation, Settings>>) => void) | null;
  postMessage(answer: WriterAnswer<Outcome>): void;
}

/** Makes this thread one that writes what it is sent, with what `open` opens. */
export function serveWriter<Operation, Outcome, Settings>(
  open: (path: string, settings: Settings) => ThreadWriter<Operation, Outcome>,
): void {
  /** The file, from the request `open` until the request `close`. */
  let writer: ThreadWriter<Operation, Outcome> | undefined;

  const answer = (request: WriterRequest<Operation, Settings>): WriterAnswer<Outcome> => {
    switch (request.kind) {
      case "open":
        try {
          writer = open(request.path, request.settings);
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
  };

  const scope: WorkerScope<Operation, Outcome, Settings> = Object(globalThis);
  scope.onmessage = (event) => scope.postMessage(answer(event.data));
}
