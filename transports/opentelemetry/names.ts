/**
 * What steps and facts are called in OpenTelemetry: its semantic conventions for messaging, HTTP and servers
 * where they have a word, `heliograph.…` where they have none.
 *
 * @module
 */

import { type Attributes, SpanKind } from "@opentelemetry/api";
import { ATTRIBUTE_CHARS_MAX } from "./limits.ts";

/** The steps of notifications and of messages, by the names that the actors give them; they are the spans' names too. */
export type Step =
  | "submit"
  | "expand"
  | "batch"
  | "request"
  | "record"
  | "done"
  | "accept"
  | "store"
  | "hand_over"
  | "acknowledge";

/** How a step is shown: its kind, and what the conventions for messaging call it (`messaging.operation.type`). */
interface Shown {
  readonly kind: SpanKind;
  readonly operation?: "create" | "send" | "process" | "settle";
}

const STEPS: Readonly<Record<Step, Shown>> = {
  submit: { kind: SpanKind.PRODUCER, operation: "create" },
  expand: { kind: SpanKind.INTERNAL },
  batch: { kind: SpanKind.CONSUMER, operation: "process" },
  request: { kind: SpanKind.CLIENT, operation: "send" },
  record: { kind: SpanKind.INTERNAL, operation: "settle" },
  done: { kind: SpanKind.INTERNAL },
  accept: { kind: SpanKind.SERVER, operation: "create" },
  store: { kind: SpanKind.INTERNAL },
  hand_over: { kind: SpanKind.PRODUCER, operation: "send" },
  acknowledge: { kind: SpanKind.CONSUMER, operation: "settle" },
};

/** What is told of a step. */
export interface Facts {
  /** The app. */
  readonly app?: string;
  /** The platform. */
  readonly platform?: string;
  /** The batch's number. */
  readonly batch?: number;
  /** Attempts made before. */
  readonly attempt?: number;
  /** How many recipients or messages it is about. */
  readonly count?: number;
  /** The provider's origin. */
  readonly origin?: string;
  /** The connection's number. */
  readonly connection?: number;
  /** How many recipients ended how. */
  readonly outcomes?: Readonly<Record<string, number | undefined>>;
  /** How many recipients are tried again. */
  readonly retries?: number;
  /** How many requests were answered how. */
  readonly answers?: ReadonlyMap<string, number>;
  /** Whether nothing is left to do. */
  readonly complete?: boolean;
  /** What kept it from being done. */
  readonly failure?: string;
}

/** The kind of a step's span. */
export function kindOf(step: Step): SpanKind {
  return STEPS[step].kind;
}

/** The attributes that every span of a step has. */
export function stepAttributes(step: Step): Attributes {
  const { operation } = STEPS[step];
  if (operation === undefined) return {};
  return {
    ...(step === "accept" ? { "http.route": "/wpush/{version}/{token}" } : {}),
    "messaging.system": "heliograph",
    "messaging.operation.name": step,
    "messaging.operation.type": operation,
  };
}

/** Facts as attributes. */
export function factAttributes(facts: Facts): Attributes {
  const { app, platform, batch, attempt, count, origin, connection, retries, complete } = facts;
  const attributes: Attributes = {};
  if (app !== undefined) attributes["messaging.destination.name"] = cut(app);
  if (platform !== undefined) attributes["heliograph.platform"] = platform;
  if (batch !== undefined) attributes["heliograph.batch"] = batch;
  if (attempt !== undefined) attributes["heliograph.attempt"] = attempt;
  if (count !== undefined) attributes["messaging.batch.message_count"] = count;
  if (origin !== undefined) Object.assign(attributes, serverAttributes(origin));
  if (connection !== undefined) attributes["heliograph.connection"] = connection;
  if (retries !== undefined) attributes["heliograph.retries"] = retries;
  if (complete !== undefined) attributes["heliograph.complete"] = complete;
  for (const [outcome, many] of Object.entries(facts.outcomes ?? {})) {
    if (many !== undefined && many > 0) attributes[`heliograph.outcome.${outcome}`] = many;
  }
  for (const [answer, many] of facts.answers ?? []) {
    attributes[`heliograph.answer.${answer}`] = many;
  }
  if (facts.failure !== undefined) attributes["error.type"] = facts.failure;
  return attributes;
}

/** Host and port of an origin; nothing of what stands behind them in a URL. */
function serverAttributes(origin: string): Attributes {
  const url = URL.parse(origin);
  if (url === null) return {};
  const port = url.port === "" ? (url.protocol === "http:" ? 80 : 443) : Number(url.port);
  return { "server.address": cut(url.hostname), "server.port": port };
}

function cut(text: string): string {
  return text.slice(0, ATTRIBUTE_CHARS_MAX);
}
