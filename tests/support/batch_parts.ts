/** What batches are made of where a test stands for everything around them. */

import type { Ref } from "../../actors/runtime/actor.ts";
import type { BatchServices } from "../../actors/push/delivery/batch.ts";
import type { GuardProtocol, Guidance, LaneReport } from "../../actors/push/delivery/guard.ts";
import type { Answers, DeliveryEvent, SendBlock } from "../../actors/push/delivery/ports.ts";
import type { App, Notification } from "../../actors/push/delivery/records.ts";
import type { RecorderProtocol, Recording } from "../../actors/push/delivery/sinks/recorder.ts";
import type {
  BatchResult,
  ClaimedBatch,
  CommitOutcome,
  DeadLetter,
  Lease,
  LoadedBatch,
} from "../../actors/push/delivery/store.ts";
import { Probe } from "../../actors/testing/mod.ts";
import { DELIVERED, same } from "./gateway_world.ts";
import { TraceLedger } from "./trace_ledger.ts";

export const APP: App = { name: "shop", version: 1, credentials: {} };

export const NOTIFICATION: Notification = {
  id: "0190f0e4-8a3b-7c11-9d55-3f2b6c1a7e90",
  app: "shop",
  content: { title: "hello" },
  ttlSeconds: 3_600,
  urgency: "normal",
  topic: undefined,
  createdAt: 0,
  sendAt: 0,
  expiresAt: Number.MAX_SAFE_INTEGER,
  ratePerSecond: undefined,
  rows: "failures",
};

/** A batch as the queue hands it out. */
export function claimedBatch(batch: number, change: Partial<ClaimedBatch> = {}): ClaimedBatch {
  return {
    app: "shop",
    platform: "apns",
    lease: { batch, token: 1 },
    notification: NOTIFICATION.id,
    count: 2,
    attempt: 0,
    deliveries: 1,
    ...change,
  };
}

/** Everything around batches; a test changes what it is about. */
export class BatchParts {
  readonly events: DeliveryEvent[] = [];
  readonly sent: SendBlock[] = [];
  readonly released: Lease[] = [];
  readonly renewed: Lease[] = [];
  readonly done: Lease[] = [];
  readonly letters: DeadLetter[] = [];
  readonly traces: TraceLedger = new TraceLedger();
  app = APP;
  notification = NOTIFICATION;
  send: (block: SendBlock) => Promise<Answers> = ({ recipients }) =>
    Promise.resolve(same(DELIVERED, recipients.numbers.length));
  load: () => Promise<LoadedBatch | "stale" | "unreadable"> = () =>
    Promise.resolve({
      recipients: {
        platform: "apns",
        numbers: [1, 2],
        addresses: ["a", "b"],
        keys: new Uint8Array(),
        suspects: [],
      },
      gone: [],
    });
  renew: () => Promise<readonly boolean[]> = () => Promise.resolve([true]);
  tell: () => Promise<void> = () => Promise.resolve();
  guidance: (report: LaneReport) => Guidance = () => ({ brake: false, overBudget: false });
  record: (recording: Recording) => CommitOutcome | Promise<CommitOutcome> = () => ({
    kind: "committed",
    notificationDone: false,
  });
  readonly guard: Probe<GuardProtocol> = new Probe<GuardProtocol>({
    guidance: (report) => this.guidance(report),
    trust: "record",
  });
  readonly recorder: Probe<RecorderProtocol> = new Probe<RecorderProtocol>({
    record: (recording) => this.record(recording),
    recorded: "record",
  });

  /** What was offered to be recorded. */
  get results(): readonly BatchResult[] {
    return this.recorder.received.flatMap((message) =>
      message.type === "record" ? [message.payload.result] : []
    );
  }

  /** What batches get, with the probes as they run in the test's tree. */
  services(guard: Ref<GuardProtocol>, recorder: Ref<RecorderProtocol>): BatchServices {
    const gateway = {
      send: (block: SendBlock) => {
        this.sent.push(block);
        return this.send(block);
      },
    };
    return {
      queue: {
        renew: (leases) => {
          this.renewed.push(...leases);
          return this.renew();
        },
        release: (lease) => {
          this.released.push(lease);
          return Promise.resolve();
        },
        done: (lease) => {
          this.done.push(lease);
          return this.tell();
        },
      },
      store: {
        campaign: () => Promise.resolve({ notification: this.notification, app: this.app }),
        load: () => this.load(),
        bury: (letter) => {
          this.letters.push(letter);
          return Promise.resolve();
        },
      },
      gateways: { apns: gateway, fcm: gateway, webpush: gateway },
      guard,
      recorder,
      observer: { record: (event) => void this.events.push(event) },
      allRows: false,
      tracer: this.traces,
    };
  }
}
