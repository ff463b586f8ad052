/**
 * The writes of the store that are committed in groups.
 *
 * @module
 */

import type {
  ChannelOutcome,
  PushMessage,
  SaveOutcome,
  UserAgent,
  Whereabouts,
} from "../message_store/records.ts";

/** One write. `nowMs` is the wall clock at the call, `lapsedAt` the time by which who was last seen is gone. */
export type Operation =
  | { readonly kind: "save_user"; readonly user: UserAgent; readonly lapsedAt: number }
  | { readonly kind: "refresh_user"; readonly user: UserAgent; readonly lapsedAt: number }
  | { readonly kind: "remove_user"; readonly uaid: string }
  | {
    readonly kind: "add_channel";
    readonly uaid: string;
    readonly channelId: string;
    readonly channelsMax: number;
    readonly lapsedAt: number;
  }
  | {
    readonly kind: "remove_channel";
    readonly uaid: string;
    readonly channelId: string;
    readonly lapsedAt: number;
  }
  | {
    readonly kind: "save_message";
    readonly message: PushMessage;
    readonly waitingMax: number;
    readonly nowMs: number;
    readonly lapsedAt: number;
  }
  | {
    readonly kind: "remove_messages";
    readonly uaid: string;
    readonly sortKeys: readonly number[];
  }
  | { readonly kind: "arrive"; readonly uaid: string; readonly at: Whereabouts }
  | { readonly kind: "depart"; readonly uaid: string; readonly at: Whereabouts }
  | { readonly kind: "touch" };

/** The kinds of writes. */
export type Kind = Operation["kind"];

/** The writes of one kind. */
export type OperationOf<K extends Kind> = Extract<Operation, { readonly kind: K }>;

/** What each kind of write answers. */
export interface Outcomes {
  /** Nothing. */
  readonly save_user: undefined;
  /** Whether the user agent was known. */
  readonly refresh_user: boolean;
  /** Nothing. */
  readonly remove_user: undefined;
  /** See {@link ChannelOutcome}. */
  readonly add_channel: ChannelOutcome;
  /** Whether the channel existed. */
  readonly remove_channel: boolean;
  /** See {@link SaveOutcome}. */
  readonly save_message: SaveOutcome;
  /** Nothing. */
  readonly remove_messages: undefined;
  /** Where the user agent was before. */
  readonly arrive: Whereabouts | undefined;
  /** Nothing. */
  readonly depart: undefined;
  /** Nothing: it only proves that a write reaches the disk. */
  readonly touch: undefined;
}

/** What any write answers. */
export type Outcome = Outcomes[Kind];

/** Whose rows a write touches. */
export function uaidOf(operation: Operation): string | undefined {
  switch (operation.kind) {
    case "save_user":
    case "refresh_user":
      return operation.user.uaid;
    case "save_message":
      return operation.message.uaid;
    case "remove_user":
    case "add_channel":
    case "remove_channel":
    case "remove_messages":
    case "arrive":
    case "depart":
      return operation.uaid;
    case "touch":
      return undefined;
  }
}
