/**
 * What the API answers, as far as a client looks into it.
 *
 * Answers are read loosely: what is not named here stays in them, so that a program which prints
 * them whole shows what a newer node says.
 *
 * @module
 */

import * as v from "valibot";

/** A value that was read, or the place where it is not as it should be; `null` for the whole. */
export type ReadAnswer<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "wrong"; readonly path: string | null };

/** Reads a parsed JSON value. */
export type AnswerReader<T> = (value: unknown) => ReadAnswer<T>;

/** How many recipients stand where. */
export interface CountsAnswer {
  /** Recipients found so far. */
  readonly total: number;
  /** Accepted by the provider. */
  readonly delivered: number;
  /** Their token is dead. */
  readonly tokenInvalid: number;
  /** Refused for what was sent. */
  readonly rejected: number;
  /** Not sent in time. */
  readonly expired: number;
  /** Given up. */
  readonly failed: number;
  /** Not sent because somebody cancelled. */
  readonly cancelled: number;
  /** Without an outcome yet. */
  readonly pending: number;
  /** Requests that had to be made again. */
  readonly retries: number;
}

/** A notification with its progress; times are RFC 3339. */
export interface NotificationAnswer {
  /** Its id. */
  readonly id: string;
  /** Its app. */
  readonly app: string;
  /** Where it is; `done` and `cancelled` are its ends. */
  readonly status: "open" | "scheduled" | "expanding" | "sending" | "done" | "cancelled";
  /** Whether every recipient has an outcome. */
  readonly sendingDone: boolean;
  /** All platforms together. */
  readonly counts: CountsAnswer;
  /** Each platform that has recipients. */
  readonly platforms: Readonly<Record<string, CountsAnswer>>;
  /** When it was accepted. */
  readonly createdAt: string;
  /** When its first batch was claimed. */
  readonly startedAt: string | null;
  /** When its last recipient had its outcome. */
  readonly finishedAt: string | null;
}

/** A pause of one platform of an app. */
export interface PauseAnswer {
  /** The platform. */
  readonly platform: string;
  /** Why. */
  readonly reason: string;
  /** Since when, RFC 3339. */
  readonly since: string;
}

/** An app without its secrets. */
export interface AppAnswer {
  /** Its name. */
  readonly name: string;
  /** Grows with each change of its credentials. */
  readonly version: number;
  /** What is public of its credentials for APNs: of a signing key its ids. */
  readonly apns?: {
    readonly kind: string;
    readonly keyId?: string;
    readonly teamId?: string;
    readonly topic: string;
    readonly origin?: string;
  };
  /** What is public of its credentials for FCM. */
  readonly fcm?: {
    readonly project: string | null;
    readonly clientEmail: string | null;
    readonly origin?: string;
  };
  /** What is public of its credentials for Web Push. */
  readonly webpush?: { readonly vapidPublicKey: string | null; readonly subject: string };
  /** What is paused. */
  readonly pauses: readonly PauseAnswer[];
  /** How the credentials do, by platform, as far as the node knows; older nodes do not say. */
  readonly health?: Readonly<Record<string, CredentialHealthAnswer>>;
}

/** How the credentials for one platform do; times are RFC 3339. */
export interface CredentialHealthAnswer {
  /** When their certificate ends. */
  readonly certificateExpiresAt: string | null;
  /** The newest token. */
  readonly token: { readonly refreshedAt: string; readonly expiresAt: string | null } | null;
  /** What last went wrong with them. */
  readonly failure: { readonly at: string; readonly reason: string } | null;
}

/** A device without the keys of a subscription. */
export interface DeviceAnswer {
  /** Its id. */
  readonly id: string;
  /** Its app. */
  readonly app: string;
  /** Its platform. */
  readonly platform: string;
  /** Its token, or the endpoint of its subscription. */
  readonly address: string;
  /** Whose it is. */
  readonly user: string | null;
  /** Its tags. */
  readonly tags: readonly string[];
  /** `active` or `invalid`. */
  readonly state: string;
  /** When it was last registered, RFC 3339. */
  readonly registeredAt: string;
}

/** A page of devices. */
export interface DevicesAnswer {
  /** The devices, ordered by id. */
  readonly devices: readonly DeviceAnswer[];
  /** The id after which the next page begins; `null` behind the last one. */
  readonly next: string | null;
}

/** One app on one platform. */
export interface LaneAnswer {
  /** The app. */
  readonly app: string;
  /** The platform. */
  readonly platform: string;
  /** Batches that wait. */
  readonly waiting: number;
  /** Batches in flight. */
  readonly leased: number;
  /** Why nothing of it is sent. */
  readonly pause: PauseAnswer | null;
}

/** How a node and its pipeline are loaded. */
export interface NodeAnswer {
  /** The node. */
  readonly node: { readonly id: string; readonly version: string; readonly startedAt: string };
  /** All lanes together, in batches. */
  readonly queue: { readonly waiting: number; readonly leased: number };
  /** Lanes with work or a pause. */
  readonly lanes: readonly LaneAnswer[];
  /** What ended in the last seconds; `null` when the node does not know. */
  readonly rates: RatesAnswer | null;
}

/** How a delivery ended. */
export interface DeliveryAnswer {
  /** The platform. */
  readonly platform: string;
  /** `delivered`, `token_invalid`, `rejected`, `expired`, `failed` or `cancelled`. */
  readonly outcome: string;
  /** The provider's status, 0 when there was none. */
  readonly status: number;
  /** The provider's reason, or the node's. */
  readonly reason: string;
}

/** What ends on one platform, a second. */
export interface PlatformRates {
  /** Accepted by the provider. */
  readonly delivered: number;
  /** Dead addresses. */
  readonly tokenInvalid: number;
  /** Refused for what was sent. */
  readonly rejected: number;
  /** Not sent in time. */
  readonly expired: number;
  /** Given up. */
  readonly failed: number;
  /** Requests that are to be sent again. */
  readonly retries: number;
}

/** What ends, a second. */
export interface RatesAnswer {
  /** Seconds over which these are the means. */
  readonly seconds: number;
  /** By platform. */
  readonly platforms: Readonly<Record<string, PlatformRates>>;
}

/** One thing that is wrong with a request. */
export interface Problem {
  /** The place: `content.apns.priority`; empty for the whole. */
  readonly path: string;
  /** What is wrong. */
  readonly message: string;
}

/** A problem document (RFC 9457) with the extension `problems`. */
export interface ProblemAnswer {
  /** What is wrong, as a sentence. */
  readonly detail: string;
  /** All that is wrong, by place. */
  readonly problems: readonly Problem[];
}

/** How far an import is. */
export interface ImportProgress {
  /** Rows that are stored. */
  readonly imported: number;
  /** Rows that are wrong. */
  readonly failed: number;
}

/** What an import came to. */
export interface ImportResult extends ImportProgress {
  /** What is wrong with the first wrong rows, by line. */
  readonly problems: readonly (Problem & { readonly line: number })[];
  /** Why it was not read to its end; `undefined` when it was. */
  readonly broken: string | undefined;
}

/** A line of an import's answer: a wrong row, or how far it is; `done` is in the last one. */
export type ImportLine =
  | { readonly kind: "row"; readonly line: number; readonly problems: readonly Problem[] }
  | (ImportProgress & {
    readonly kind: "progress";
    /** Whether it was read to its end; `undefined` while it runs. */
    readonly done: boolean | undefined;
    /** Why not. */
    readonly detail: string | undefined;
  });

/** What reads values of a schema. */
export function reader<T>(schema: v.GenericSchema<unknown, T>): AnswerReader<T> {
  return (value) => {
    const parsed = v.safeParse(schema, value);
    return parsed.success
      ? { kind: "value", value: parsed.output }
      : { kind: "wrong", path: v.getDotPath(parsed.issues[0]) };
  };
}

const text = v.string();
const count = v.pipe(v.number(), v.minValue(0));
const maybe = v.nullable(text);
const extra = v.exactOptional(text);

const counts = v.looseObject({
  total: count,
  delivered: count,
  tokenInvalid: count,
  rejected: count,
  expired: count,
  failed: count,
  cancelled: count,
  pending: count,
  retries: count,
});

const rates = v.looseObject({
  delivered: count,
  tokenInvalid: count,
  rejected: count,
  expired: count,
  failed: count,
  retries: count,
});

const pause = v.looseObject({ platform: text, reason: text, since: text });

const health = v.looseObject({
  certificateExpiresAt: maybe,
  token: v.nullable(v.looseObject({ refreshedAt: text, expiresAt: maybe })),
  failure: v.nullable(v.looseObject({ at: text, reason: text })),
});

const app = v.looseObject({
  name: text,
  version: v.number(),
  apns: v.exactOptional(
    v.looseObject({ kind: text, keyId: extra, teamId: extra, topic: text, origin: extra }),
  ),
  fcm: v.exactOptional(v.looseObject({ project: maybe, clientEmail: maybe, origin: extra })),
  webpush: v.exactOptional(v.looseObject({ vapidPublicKey: maybe, subject: text })),
  pauses: v.array(pause),
  health: v.exactOptional(v.record(text, health)),
});

const device = v.looseObject({
  id: text,
  app: text,
  platform: text,
  address: text,
  user: maybe,
  tags: v.array(text),
  state: text,
  registeredAt: text,
});

const problems = v.array(v.object({ path: v.optional(text, ""), message: text }));

/** Reads a notification. */
export const readNotification: AnswerReader<NotificationAnswer> = reader(v.looseObject({
  id: text,
  app: text,
  status: v.picklist(["open", "scheduled", "expanding", "sending", "done", "cancelled"]),
  sendingDone: v.boolean(),
  counts,
  platforms: v.record(text, counts),
  createdAt: text,
  startedAt: maybe,
  finishedAt: maybe,
}));

/** Reads the id of what was accepted. */
export const readAccepted: AnswerReader<{ readonly id: string }> = reader(
  v.looseObject({ id: text }),
);

/** Reads an app. */
export const readApp: AnswerReader<AppAnswer> = reader(app);

/** Reads all apps. */
export const readApps: AnswerReader<{ readonly apps: readonly AppAnswer[] }> = reader(
  v.looseObject({ apps: v.array(app) }),
);

/** Reads which platforms send again. */
export const readResumed: AnswerReader<{ readonly resumed: readonly string[] }> = reader(
  v.looseObject({ resumed: v.array(text) }),
);

/** Reads a page of devices. */
export const readDevices: AnswerReader<DevicesAnswer> = reader(
  v.looseObject({ devices: v.array(device), next: maybe }),
);

/** Reads a page of deliveries. */
export const readDeliveries: AnswerReader<{ readonly deliveries: readonly DeliveryAnswer[] }> =
  reader(v.looseObject({
    deliveries: v.array(
      v.looseObject({ platform: text, outcome: text, status: count, reason: text }),
    ),
  }));

/** Reads how a node is loaded. */
export const readNode: AnswerReader<NodeAnswer> = reader(v.looseObject({
  node: v.looseObject({ id: text, version: text, startedAt: text }),
  queue: v.looseObject({ waiting: count, leased: count }),
  lanes: v.array(
    v.looseObject({
      app: text,
      platform: text,
      waiting: count,
      leased: count,
      pause: v.nullable(pause),
    }),
  ),
  rates: v.nullable(v.looseObject({ seconds: count, platforms: v.record(text, rates) })),
}));

/** Reads a problem document. */
export const readProblem: AnswerReader<ProblemAnswer> = reader(
  v.looseObject({ detail: v.optional(text, ""), problems: v.optional(problems, []) }),
);

/** Reads a line of an import's answer. */
export const readImportLine: AnswerReader<ImportLine> = reader(v.union([
  v.pipe(
    v.object({ line: v.number(), problems }),
    v.transform((row) => ({ ...row, kind: "row" as const })),
  ),
  v.pipe(
    v.object({
      imported: count,
      failed: count,
      done: v.optional(v.boolean()),
      detail: v.optional(text),
    }),
    v.transform(({ imported, failed, done, detail }) => {
      return { kind: "progress" as const, imported, failed, done, detail };
    }),
  ),
]));
