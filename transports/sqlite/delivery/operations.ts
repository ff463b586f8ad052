/**
 * The writes of the delivery store, as its thread is told of them.
 *
 * @module
 */

import type {
  BatchResult,
  Claimed,
  ClaimRequest,
  CommitOutcome,
  DeadLetter,
  DeliveryRow,
  DeviceRecord,
  DirectRecipient,
  Expanded,
  Lane,
  Lease,
  SinkClaim,
  SinkLog,
  Submission,
  SubmitOutcome,
  Tally,
  UnsavedDevices,
} from "../../delivery_store/records.ts";

/** One write. `now` is the wall clock at the call. */
export type Operation =
  | { readonly kind: "save_app"; readonly name: string; readonly credentials: string }
  | { readonly kind: "remove_app"; readonly name: string }
  | { readonly kind: "clear_removed_apps"; readonly limit: number }
  | { readonly kind: "pause"; readonly lane: Lane; readonly reason: string; readonly now: number }
  | { readonly kind: "resume"; readonly lane: Lane }
  | {
    readonly kind: "save_devices";
    readonly devices: readonly DeviceRecord[];
    readonly now: number;
  }
  | { readonly kind: "remove_device"; readonly id: string }
  | { readonly kind: "invalidate"; readonly rows: readonly DeliveryRow[] }
  | { readonly kind: "submit"; readonly submission: Submission }
  | {
    readonly kind: "add_recipients";
    readonly id: string;
    readonly recipients: readonly DirectRecipient[];
  }
  | { readonly kind: "close_notification"; readonly id: string; readonly now: number }
  | { readonly kind: "cancel"; readonly id: string; readonly now: number }
  | {
    readonly kind: "expand";
    readonly id: string;
    readonly limit: number;
    readonly batchMax: number;
    readonly now: number;
  }
  | { readonly kind: "claim"; readonly request: ClaimRequest }
  | { readonly kind: "renew"; readonly leases: readonly Lease[]; readonly until: number }
  | {
    readonly kind: "release";
    readonly lease: Lease;
    readonly notBefore: number;
    readonly now: number;
  }
  | { readonly kind: "end_leases"; readonly node: string | null; readonly now: number }
  | { readonly kind: "commit"; readonly result: BatchResult }
  | { readonly kind: "sink_position"; readonly name: string; readonly log: SinkLog }
  | { readonly kind: "claim_sink"; readonly claim: SinkClaim }
  | { readonly kind: "save_sink_position"; readonly name: string; readonly position: number }
  | { readonly kind: "add_to_history"; readonly tallies: readonly Tally[]; readonly now: number }
  | { readonly kind: "bury"; readonly entry: DeadLetter }
  | { readonly kind: "sweep"; readonly endedBefore: number; readonly limit: number }
  | { readonly kind: "touch" };

/** What each kind of write answers. */
export interface Outcomes {
  /** The app's new version. */
  readonly save_app: number;
  /** What became of the app. */
  readonly remove_app: "removed" | "unknown" | "busy";
  /** How many devices of removed apps were removed. */
  readonly clear_removed_apps: number;
  /** See {@link Operation}. */
  readonly pause: null;
  /** Whether the lane was paused. */
  readonly resume: boolean;
  /** Those that were not saved. */
  readonly save_devices: UnsavedDevices;
  /** Whether it was there. */
  readonly remove_device: boolean;
  /** How many devices were marked. */
  readonly invalidate: number;
  /** What became of the submission. */
  readonly submit: SubmitOutcome;
  /** Whether they were added. */
  readonly add_recipients: "added" | "unknown" | "closed";
  /** Whether it was closed. */
  readonly close_notification: "closed" | "unknown" | "already_closed";
  /** Whether it was cancelled. */
  readonly cancel: "cancelled" | "unknown" | "already_ended";
  /** What the step did. */
  readonly expand: Expanded;
  /** The batches; `dueAt` is `null` when there is none, for JSON knows no `undefined`. */
  readonly claim: Pick<Claimed, "batches"> & { readonly dueAt: number | null };
  /** For each lease whether it is still held. */
  readonly renew: readonly boolean[];
  /** See {@link Operation}. */
  readonly release: null;
  /** How many batches there were under a lease. */
  readonly end_leases: number;
  /** What became of the result. */
  readonly commit: CommitOutcome;
  /** The position. */
  readonly sink_position: number;
  /** The position; `null` while another node has the lease. */
  readonly claim_sink: number | null;
  /** See {@link Operation}. */
  readonly save_sink_position: null;
  /** See {@link Operation}. */
  readonly add_to_history: null;
  /** See {@link Operation}. */
  readonly bury: null;
  /** How many rows were removed. */
  readonly sweep: number;
  /** Only proves that a write reaches the disk. */
  readonly touch: null;
}

/** What any write answers. */
export type Outcome = Outcomes[keyof Outcomes];
