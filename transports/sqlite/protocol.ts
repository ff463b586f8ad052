/**
 * What a store says to its writer's thread and what it hears back: plain data, many to a message.
 *
 * A batch is one transaction. Its results are also written into the file, by that same transaction,
 * so a thread that dies between the commit and the answer leaves no call in doubt: the results are
 * read back.
 *
 * @module
 */

import type { StoreErrorCode, StoreOpenErrorCode } from "./errors.ts";

/** The end of one write of a committed batch: its outcome, or the rule that it broke. */
export type Result<Outcome> = Outcome | { readonly broken: string };

/** The last batch that reached the disk, as the file itself remembers it. */
export interface Receipt<Outcome> {
  /** Its number; batches are numbered from 1 for the life of the file. */
  readonly batch: number;
  /** The results of its operations, in their order. */
  readonly results: readonly Result<Outcome>[];
}

/** What the thread is told. The first message opens the file, the last one closes it. */
export type WriterRequest<Operation, Settings> =
  | { readonly kind: "open"; readonly path: string; readonly settings: Settings }
  | { readonly kind: "batch"; readonly batch: number; readonly operations: readonly Operation[] }
  | { readonly kind: "close" };

/** What the thread answers, one answer to a request. */
export type WriterAnswer<Outcome> =
  | { readonly kind: "opened"; readonly batch: number }
  | { readonly kind: "refused"; readonly code: StoreOpenErrorCode; readonly message: string }
  | { readonly kind: "committed"; readonly results: readonly Result<Outcome>[] }
  | { readonly kind: "failed"; readonly code: StoreErrorCode; readonly message: string }
  | { readonly kind: "closed" };

/** Whether a write has broken a rule instead of having an outcome. */
export function isBroken<Outcome>(
  result: Result<Outcome>,
): result is Extract<Result<Outcome>, { readonly broken: string }> {
  return typeof result === "object" && result !== null && "broken" in result;
}
