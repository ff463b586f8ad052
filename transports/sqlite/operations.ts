/**
 * The writes of the Web Push half's store, as its thread is told of them.
 *
 * @module
 */

import type {
  ChannelOutcome,
  PushMessage,
  SaveOutcome,
  UserAgent,
} from "../message_store/records.ts";

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

/** What the thread is opened with. */
export interface WriterSettings {
  /** How long after its last hello a user agent lapses. */
  readonly userLifetimeMs: number;
}
