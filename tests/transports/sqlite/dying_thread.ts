/**
 * A writer's thread that can be made to die: a save whose `version` is one of the words below kills
 * it, before or after its transaction is on the disk. A file of the name `….unopenable` beside the
 * store's kills it whenever it is opened.
 *
 * @module
 */

import type { Operation, WriterSettings } from "../../../transports/sqlite/operations.ts";
import { serveWriter } from "../../../transports/sqlite/serve_writer.ts";
import { Writer } from "../../../transports/sqlite/writer.ts";

/** Kills the thread before it commits. */
export const DIE_BEFORE = "die before the commit";
/** Kills the thread between the commit and the answer. */
export const DIE_AFTER = "die after the commit";

serveWriter((path: string, { userLifetimeMs }: WriterSettings) => {
  if (exists(`${path}.unopenable`)) throw new Error("died at the opening");
  const writer = new Writer(path, userLifetimeMs);
  return {
    get batch() {
      return writer.batch;
    },
    commit(batch: number, operations: readonly Operation[]) {
      const words = operations.map((operation) =>
        operation.kind === "save_message" ? operation.message.version : ""
      );
      if (words.includes(DIE_BEFORE)) throw new Error("died before the commit");
      const results = writer.commit(batch, operations);
      if (words.includes(DIE_AFTER)) throw new Error("died after the commit");
      return results;
    },
    [Symbol.dispose]: () => writer[Symbol.dispose](),
  };
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
