/**
 * Schemas of what the API answers, by the names under which the OpenAPI document has them. What it takes
 * comes with the pipeline, from the schemas that read it.
 *
 * Every object here names all its fields and allows no other, so that an answer with a field too many
 * is found by whoever validates it.
 *
 * @module
 */

import type { JsonSchema } from "./delivery.ts";

const TEXT = { type: "string" } as const;
const COUNT = { type: "integer", minimum: 0 } as const;
const YES_NO = { type: "boolean" } as const;
const TIME = { type: "string", format: "date-time" } as const;
const ANYTHING = { type: "object" } as const;
const PLATFORM = { enum: ["apns", "fcm", "webpush"] } as const;
const TEXTS = { type: "object", additionalProperties: TEXT } as const;
const SIZE = { bytes: COUNT, bytesMax: COUNT } as const;
const OUTCOME = {
  enum: ["delivered", "token_invalid", "rejected", "expired", "failed", "cancelled"],
} as const;

/** Where a notification is. */
export const STATUS: JsonSchema = {
  enum: ["open", "scheduled", "expanding", "sending", "done", "cancelled"],
};

/** An object with these fields; a name that ends in `?` may be absent. */
function object(fields: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const names = Object.keys(fields);
  return {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [bare(name), fields[name]])),
    required: names.filter((name) => !name.endsWith("?")),
    additionalProperties: false,
  };
}

function bare(name: string): string {
  return name.endsWith("?") ? name.slice(0, -1) : name;
}

function list(items: JsonSchema): JsonSchema {
  return { type: "array", items };
}

function orNull(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: "null" }] };
}

/** A reference to a component. */
export function ref(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

const PROBLEMS = list(object({ path: TEXT, message: TEXT }));

const COUNTS = object({
  total: COUNT,
  delivered: COUNT,
  tokenInvalid: COUNT,
  rejected: COUNT,
  expired: COUNT,
  failed: COUNT,
  cancelled: COUNT,
  pending: COUNT,
  retries: COUNT,
});

const AMOUNT = { type: "number", minimum: 0 } as const;

/** Means a second; with tenths. */
const RATE = { type: "number", minimum: 0 } as const;

const RATES = object({
  delivered: RATE,
  tokenInvalid: RATE,
  rejected: RATE,
  expired: RATE,
  failed: RATE,
  cancelled: RATE,
  retries: RATE,
});

const NOTIFICATION = {
  id: { type: "string", format: "uuid" },
  app: TEXT,
  title: orNull(TEXT),
  status: STATUS,
  sendingDone: YES_NO,
  counts: ref("Counts"),
  platforms: object({
    "apns?": ref("Counts"),
    "fcm?": ref("Counts"),
    "webpush?": ref("Counts"),
  }),
  createdAt: TIME,
  sendAt: TIME,
  expiresAt: TIME,
  startedAt: orNull(TIME),
  finishedAt: orNull(TIME),
  ttl: COUNT,
  urgency: { enum: ["very-low", "low", "normal", "high"] },
  topic: orNull(TEXT),
  ratePerSecond: orNull(COUNT),
  record: { enum: ["failures", "all"] },
};

/** The components by name. */
export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  Problem: object({ title: TEXT, status: COUNT, detail: TEXT, "problems?": PROBLEMS }),
  Counts: COUNTS,
  App: object({
    name: TEXT,
    version: COUNT,
    "apns?": object({
      kind: { enum: ["key", "certificate"] },
      "keyId?": TEXT,
      "teamId?": TEXT,
      topic: TEXT,
      "origin?": TEXT,
    }),
    "fcm?": object({ project: orNull(TEXT), clientEmail: orNull(TEXT), "origin?": TEXT }),
    "webpush?": object({ vapidPublicKey: orNull(TEXT), subject: TEXT }),
    pauses: list(ref("Pause")),
    health: object({
      "apns?": ref("CredentialHealth"),
      "fcm?": ref("CredentialHealth"),
      "webpush?": ref("CredentialHealth"),
    }),
  }),
  CredentialHealth: {
    ...object({
      certificateExpiresAt: orNull(TIME),
      token: orNull(object({ refreshedAt: TIME, expiresAt: orNull(TIME) })),
      failure: orNull(object({ at: TIME, reason: TEXT })),
    }),
    description:
      "How the credentials do: of tokens and failures what this node knows since its start.",
  },
  Pause: object({ platform: PLATFORM, reason: TEXT, since: TIME }),
  Apps: object({ apps: list(ref("App")) }),
  Removed: object({ removed: TEXT }),
  Resumed: object({ resumed: list(PLATFORM) }),
  Device: object({
    id: TEXT,
    app: TEXT,
    platform: PLATFORM,
    address: { type: "string", description: "The token, or the endpoint of the subscription." },
    user: orNull(TEXT),
    tags: list(TEXT),
    state: { enum: ["active", "invalid"] },
    registeredAt: TIME,
    reason: orNull(TEXT),
    lastOutcome: orNull(object({
      notification: TEXT,
      outcome: OUTCOME,
      status: COUNT,
      reason: TEXT,
      at: TIME,
    })),
  }),
  Devices: object({ devices: list(ref("Device")), next: orNull(TEXT) }),
  BulkLine: {
    description: "One line of the answer; the last one has `done`.",
    anyOf: [
      object({ line: COUNT, problems: PROBLEMS }),
      object({ imported: COUNT, failed: COUNT, "done?": YES_NO, "detail?": TEXT }),
    ],
  },
  Accepted: object({ id: { type: "string", format: "uuid" }, repeated: YES_NO }),
  Notification: object(NOTIFICATION),
  NotificationDetails: object({ ...NOTIFICATION, content: ANYTHING }),
  Notifications: object({ notifications: list(ref("Notification")), next: orNull(TEXT) }),
  Delivery: object({
    position: COUNT,
    number: COUNT,
    device: orNull(TEXT),
    platform: PLATFORM,
    address: TEXT,
    outcome: OUTCOME,
    status: COUNT,
    reason: TEXT,
    attempts: COUNT,
    at: TIME,
  }),
  Reasons: object({
    reasons: list(object({
      platform: PLATFORM,
      outcome: OUTCOME,
      status: COUNT,
      reason: TEXT,
      count: COUNT,
    })),
    counted: COUNT,
    complete: YES_NO,
  }),
  Preview: object({
    platforms: object({
      "apns?": object({ headers: TEXTS, payload: ANYTHING, ...SIZE }),
      "fcm?": object({ message: ANYTHING, ...SIZE }),
      "webpush?": object({ headers: TEXTS, payload: TEXT, ...SIZE }),
    }),
    problems: list(object({ platform: PLATFORM, message: TEXT })),
  }),
  Deliveries: object({ deliveries: list(ref("Delivery")), next: orNull(COUNT) }),
  Status: object({
    node: object({ id: TEXT, version: TEXT, startedAt: TIME }),
    queue: object({ waiting: COUNT, leased: COUNT }),
    lanes: list(object({
      app: TEXT,
      platform: PLATFORM,
      waiting: COUNT,
      leased: COUNT,
      pause: orNull(ref("Pause")),
    })),
    rates: {
      ...orNull(object({
        seconds: COUNT,
        platforms: object({ apns: ref("Rates"), fcm: ref("Rates"), webpush: ref("Rates") }),
      })),
      description:
        "What ended in the last seconds, on all nodes where they share the store; null when that is not known now.",
    },
  }),
  Rates: RATES,
  Bars: object({
    span: { enum: ["ten_minutes", "hour", "day"] },
    step: { ...COUNT, description: "Seconds of a bar." },
    from: { ...COUNT, description: "The first second since 1970, a multiple of the step." },
    to: { ...COUNT, description: "The first second after the present step." },
    bars: list(ref("Bar")),
  }),
  Bar: object({
    second: { ...COUNT, description: "Where its step begins." },
    platforms: object({
      apns: ref("PlatformBar"),
      fcm: ref("PlatformBar"),
      webpush: ref("PlatformBar"),
    }),
  }),
  PlatformBar: object({
    delivered: COUNT,
    token_invalid: COUNT,
    rejected: COUNT,
    expired: COUNT,
    failed: COUNT,
    cancelled: COUNT,
    retries: COUNT,
  }),
  DeadLetters: object({
    deadLetters: list(object({ source: TEXT, id: TEXT, reason: TEXT, body: TEXT, at: TIME })),
  }),
  Nodes: object({
    now: { ...TIME, description: "The time of the node that answers." },
    nodes: list(ref("Node")),
    checks: list(ref("Check")),
  }),
  Node: object({
    id: TEXT,
    self: { type: "boolean", description: "Whether it is the one that answers." },
    url: {
      ...orNull(TEXT),
      description: "Where other nodes reach it; null when it takes nothing from them.",
    },
    roles: list(TEXT),
    version: TEXT,
    startedAt: TIME,
    facts: {
      ...orNull(ref("NodeFacts")),
      description: "What it said of itself with the last renewal of its lease.",
    },
  }),
  NodeFacts: object({
    at: { type: "number", description: "Milliseconds since 1970, by the node's own clock." },
    deno: TEXT,
    rssBytes: AMOUNT,
    heapBytes: AMOUNT,
    cpuPercent: { ...AMOUNT, description: "Of one core, over the last ten seconds." },
    loopDelayMs: {
      ...object({ p50: AMOUNT, p99: AMOUNT, max: AMOUNT }),
      description: "How late timers fired in the last ten seconds.",
    },
    devices: { ...AMOUNT, description: "Device sockets open." },
    batches: { ...AMOUNT, description: "Batches in flight." },
    deliveriesPerSecond: {
      ...AMOUNT,
      description:
        "Recipients whose delivery ended, whatever the outcome, over the last ten seconds.",
    },
    providerConnections: { ...AMOUNT, description: "Connections to providers open." },
  }),
  Live: object({ live: { const: true } }),
  Ready: object({ ready: YES_NO, checks: list(ref("Check")) }),
  Check: object({ name: TEXT, ok: YES_NO, detail: TEXT }),
};
