/**
 * What the store says to its writer's thread and what it hears back: plain data, many to a message.
 *
 * A batch is one transaction. Its results are also written into the file, by that same transaction,
 * so a thread that dies between the commit and the answer leaves no call in doubt: the results are
 * read back.
 *
 * @module
 */

import type { StoreErrorCode, StoreOpenErrorCode } from "./errors.ts";
import type { ChannelOutcome, PushMessage, SaveOutcome, UserAgent } from "./records.ts";

/** One write. `nowMs` is the wall clock at the call: it decides who has lapsed. */
export type Operation =
  | { readonly kind: "save_user"; readonly user: UserAgent; readonly nowMs: number }
  | { readonly kind: "refresh_user"; readonly user: UserAgent; readonly nowMs: number }
  | { readonly kind: "remove_user"; readonly uaid: string }
  | {
    readonly kind: "add_channel";
    readonly uaid: string;
    readonly channelId: string;
    readonly channelsMax: number;
    readonly nowMs: number;
  }
  | {
    readonly kind: "remove_channel";
    readonly uaid: string;
    readonly channelId: string;
    readonly nowMs: number;
  }
  | {
    readonly kind: "save_message";
    readonly message: PushMessage;
    readonly waitingMax: number;
    readonly nowMs: number;
  }
  | {
    readonly kind: "remove_messages";
    readonly uaid: string;
    readonly sortKeys: readonly number[];
  }
  | { readonly kind: "sweep"; readonly nowSeconds: number; readonly limit: number }
  | { readonly kind: "touch" };

/** What each kind of write answers. */
export interface Outcomes {
  /** See {@link Operation}. */
  readonly save_user: null;
  /** Whether the user agent was known. */
  readonly refresh_user: boolean;
  /** See {@link Operation}. */
  readonly remove_user: null;
  /** See {@link Operation}. */
  readonly add_channel: ChannelOutcome;
  /** Whether the channel existed. */
  readonly remove_channel: boolean;
  /** See {@link Operation}. */
  readonly save_message: SaveOutcome;
  /** See {@link Operation}. */
  readonly remove_messages: null;
  /** How many messages and user agents were removed. */
  readonly sweep: number;
  /** Only proves that a write reaches the disk. */
  readonly touch: null;
}

/** What any write answers. */
export type Outcome = Outcomes[keyof Outcomes];

/** The end of one write of a committed batch: its outcome, or the rule that it broke. */
export type Result = Outcome | { readonly broken: string };

/** The last batch that reached the disk, as the file itself remembers it. */
export interface Receipt {
  /** Its number; batches are numbered from 1 for the life of the file. */
  readonly batch: number;
  /** The results of its operations, in their order. */
  readonly results: readonly Result[];
}

/** What the thread is told. The first message opens the file, the last one closes it. */
export type WriterRequest =
  | { readonly kind: "open"; readonly path: string; readonly userLifetimeMs: number }
  | { readonly kind: "batch"; readonly batch: number; readonly operations: readonly Operation[] }
  | { readonly kind: "close" };

/** What the thread answers, one answer to a request. */
export type WriterAnswer =
  | { readonly kind: "opened"; readonly batch: number }
  | { readonly kind: "refused"; readonly code: StoreOpenErrorCode; readonly message: string }
  | { readonly kind: "committed"; readonly results: readonly Result[] }
  | { readonly kind: "failed"; readonly code: StoreErrorCode; readonly message: string }
  | { readonly kind: "closed" };
