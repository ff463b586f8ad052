/**
 * What the API answers, as far as a client looks into it.
 *
 * Answers are read loosely: what is not named here stays in them, so that a program which prints
 * them whole shows what a newer node says.
 *
 * @module
 */

import * as v from "valibot";

const count = v.pipe(v.number(), v.minValue(0));
const maybe = v.optional(v.nullable(v.string()), null);

const countsSchema = v.looseObject({
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

/** How many recipients stand where. */
export type CountsAnswer = v.InferOutput<typeof countsSchema>;

/** A notification with its progress. */
export const notificationSchema = v.looseObject({
  id: v.string(),
  app: v.string(),
  status: v.picklist(["open", "scheduled", "expanding", "sending", "done", "cancelled"]),
  sendingDone: v.boolean(),
  counts: countsSchema,
  platforms: v.record(v.string(), countsSchema),
  createdAt: v.string(),
  sendAt: maybe,
  startedAt: maybe,
  finishedAt: maybe,
});

/** A notification with its progress. */
export type NotificationAnswer = v.InferOutput<typeof notificationSchema>;

/** The id of what was accepted. */
export const acceptedSchema = v.looseObject({ id: v.string() });

const pauseSchema = v.looseObject({ platform: v.string(), reason: v.string(), since: v.string() });

/** An app without its secrets. */
export const appSchema = v.looseObject({
  name: v.string(),
  version: v.number(),
  apns: v.optional(v.looseObject({
    kind: v.string(),
    keyId: v.optional(v.string()),
    teamId: v.optional(v.string()),
    topic: v.string(),
    origin: v.optional(v.string()),
  })),
  fcm: v.optional(v.looseObject({
    project: v.nullable(v.string()),
    clientEmail: v.nullable(v.string()),
    origin: v.optional(v.string()),
  })),
  webpush: v.optional(v.looseObject({
    vapidPublicKey: v.nullable(v.string()),
    subject: v.string(),
  })),
  pauses: v.array(pauseSchema),
});

/** An app without its secrets. */
export type AppAnswer = v.InferOutput<typeof appSchema>;

/** All apps. */
export const appsSchema = v.looseObject({ apps: v.array(appSchema) });

/** The platforms whose sending goes on again. */
export const resumedSchema = v.looseObject({ resumed: v.array(v.string()) });

const deviceSchema = v.looseObject({
  id: v.string(),
  app: v.string(),
  platform: v.string(),
  address: v.string(),
  user: v.nullable(v.string()),
  tags: v.array(v.string()),
  state: v.string(),
  registeredAt: v.string(),
  reason: maybe,
});

/** A device without the keys of a subscription. */
export type DeviceAnswer = v.InferOutput<typeof deviceSchema>;

/** A page of devices, and where the next one begins. */
export const devicesSchema = v.looseObject({
  devices: v.array(deviceSchema),
  next: v.nullable(v.string()),
});

/** How the node and its pipeline are loaded. */
export const nodeSchema = v.looseObject({
  node: v.looseObject({ id: v.string(), version: v.string(), startedAt: v.string() }),
  queue: v.looseObject({ waiting: count, leased: count }),
  lanes: v.array(v.looseObject({
    app: v.string(),
    platform: v.string(),
    waiting: count,
    leased: count,
    pause: v.optional(v.nullable(pauseSchema), null),
  })),
});

/** How the node and its pipeline are loaded. */
export type NodeAnswer = v.InferOutput<typeof nodeSchema>;

const problemSchema = v.looseObject({ path: v.optional(v.string(), ""), message: v.string() });

/** One thing that is wrong with a request: where, and what is allowed. */
export interface Problem {
  /** The place: `content.apns.priority`; empty for the whole. */
  readonly path: string;
  /** What is wrong. */
  readonly message: string;
}

/** A problem document (RFC 9457) with the extension `problems`. */
export const problemDocumentSchema = v.looseObject({
  detail: v.optional(v.string(), ""),
  problems: v.optional(v.array(problemSchema), []),
});

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

/** A line of an import's answer: a wrong row, or how far it is. */
export const importLineSchema = v.union([
  v.object({ line: v.number(), problems: v.array(problemSchema) }),
  v.object({
    imported: count,
    failed: count,
    done: v.optional(v.boolean()),
    detail: v.optional(v.string()),
  }),
]);
