/**
 * A writer's thread that can be made to die: a save whose `version` is one of the words below kills
 * it, before or after its transaction is on the disk. A file of the name `….unopenable` beside the
 * store's kills it whenever it is opened.
 *
 * @module
 */

import type { WriterAnswer, WriterRequest } from "../../../transports/sqlite/operations.ts";
import { Writer } from "../../../transports/sqlite/writer.ts";

/** Kills the thread before it commits. */
export const DIE_BEFORE = "die before the commit";
/** Kills the thread between the commit and the answer. */
export const DIE_AFTER = "die after the commit";

let writer: Writer | undefined;

/** What a dedicated worker finds in its global scope; the compiler is told of windows only. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<WriterRequest>) => void) | null;
  postMessage(answer: WriterAnswer): void;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function answer(request: WriterRequest): WriterAnswer {
  switch (request.kind) {
    case "open":
      if (exists(`${request.path}.unopenable`)) throw new Error("died at the opening");
      writer = new Writer(request.path, request.userLifetimeMs);
      return { kind: "opened", batch: writer.batch };
    case "batch": {
      if (writer === undefined) throw new Error("not open");
      const words = request.operations.map((operation) =>
        operation.kind === "save_message" ? operation.message.version : ""
      );
      if (words.includes(DIE_BEFORE)) throw new Error("died before the commit");
      const results = writer.commit(request.batch, request.operations);
      if (words.includes(DIE_AFTER)) throw new Error("died after the commit");
      return { kind: "committed", results };
    }
    case "close":
      writer?.[Symbol.dispose]();
      return { kind: "closed" };
  }
}

const scope: WorkerScope = Object(globalThis);
scope.onmessage = (event) => scope.postMessage(answer(event.data));
