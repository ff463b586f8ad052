/**
 * One device's session as a state machine without socket, store or clock: an input in, the next
 * session and the effects to carry out.
 *
 * A session goes `greeting` → `identifying` → `open` → `closed`. Storage is read in pages: first
 * the replaceable messages, then the others in the order of acceptance; a full page is followed by
 * the next one when everything sent is acknowledged. While waiting messages are left in the store
 * (`reading` is not `"drained"`), a new one with a TTL is not sent past them: its turn comes when
 * its page is read. That keeps the order of acceptance per channel.
 *
 * Invariants: a sort key is in at most one of `outstanding`, `acknowledged` and `removing`; a
 * message in any of them is not sent again on this connection; at most one page, one removal and
 * one server ping are under way. The maps are owned by the session that holds them: `step` changes
 * them in place, so the session before a step must not be used after it.
 *
 * @module
 */

import {
  BROADCAST_IDS_MAX,
  CLIENT_PING_MIN_MS,
  OUTSTANDING_MAX,
  PLAIN_PAGE,
  TOPIC_PAGE,
} from "../limits.ts";
import type { PushMessage } from "../ports.ts";
import {
  canonicalChannelId,
  type ClientMessage,
  decodeKey,
  parseClientMessage,
} from "./client_message.ts";
import {
  broadcast,
  type BroadcastDelta,
  helloReply,
  notification,
  PONG,
  registerReply,
  unregisterReply,
} from "./server_message.ts";

/** Times and bounds of a session, set by the operator. */
export interface SessionSettings {
  /** Time from the upgrade to the first message; then 1011 `HandshakeTimeout`. */
  readonly helloTimeoutMs: number;
  /** Time between two server pings. */
  readonly pingIntervalMs: number;
  /** Time a Pong may take; then 1011 `PongTimeout`. */
  readonly pingTimeoutMs: number;
  /**
   * Messages sent of those that waited for the device to come, without finding the store empty; one
   * more resets the user agent. What comes while it is here does not count, as in autopush.
   */
  readonly messageLimit: number;
}

/** Which broadcasts a session follows, and the tracker's count up to which it knows them. */
export interface BroadcastSubscription {
  /** The ids, all of them published. */
  readonly ids: readonly string[];
  /** The tracker's position at the last news. */
  readonly position: number;
}

/** A session waiting for its hello, or for the answer to it, or over. */
export type Session =
  | { readonly phase: "greeting" }
  | { readonly phase: "identifying" }
  | OpenSession
  | { readonly phase: "closed" };

/** A session whose device is known. */
export interface OpenSession {
  /** Tells it from the others. */
  readonly phase: "open";
  /** The user agent it speaks for. */
  readonly uaid: string;
  /** Whether the user agent is in the store; a new one is written at its first register. */
  userStored: boolean;
  /** What of the store is still to be read. */
  reading: "topic" | "plain" | "drained";
  /** Whether something came into the store that was not sent directly. */
  missed: boolean;
  /** The largest sort key read from the store; a message up to it is never sent directly. */
  readUpTo: number;
  /** The first sort key that came while it could not be sent directly; from here on none is counted. */
  liveFrom: number;
  /** Messages older than that, sent since the store was last found empty. */
  sentFromStore: number;
  /** Sent (at this monotonic time) and not acknowledged, by version. Made when first needed: most sessions idle. */
  outstanding: Map<string, { readonly sortKey: number; readonly sentAt: number }> | undefined;
  /** Acknowledged, not yet on the way out of the store. */
  acknowledged: number[];
  /** Acknowledged, being removed from the store. */
  removing: readonly number[];
  /** Monotonic time of the device's last accepted ping. */
  clientPingAt: number | undefined;
  /** Whether a server ping is unanswered. */
  awaitingPong: boolean;
  /** What it follows. */
  broadcasts: BroadcastSubscription | undefined;
}

/** Answer to a subscription to broadcasts. */
export interface BroadcastAnswer {
  /** What is new, and what nobody publishes. */
  readonly delta: BroadcastDelta;
  /** What the session follows from now on. */
  readonly subscription: BroadcastSubscription | undefined;
}

/** What happens to a session. Results of effects come back as inputs, before anything else does. */
export type Input =
  | { readonly kind: "text"; readonly text: string }
  | {
    readonly kind: "identified";
    readonly uaid: string;
    readonly known: boolean;
    readonly broadcasts: BroadcastAnswer;
  }
  | { readonly kind: "page"; readonly messages: readonly PushMessage[]; readonly limit: number }
  | { readonly kind: "delivered"; readonly message: PushMessage }
  | { readonly kind: "storage_changed" }
  | { readonly kind: "removed" }
  | {
    readonly kind: "registered";
    readonly channelId: string;
    readonly outcome: RegisterOutcome;
  }
  | { readonly kind: "unregistered"; readonly channelId: string; readonly done: boolean }
  | { readonly kind: "broadcasts"; readonly answer: BroadcastAnswer; readonly tick: boolean }
  | { readonly kind: "keep_alive_due" }
  | { readonly kind: "ponged" }
  | { readonly kind: "pong_due" }
  | { readonly kind: "hello_due" }
  | { readonly kind: "displaced" }
  | { readonly kind: "storage_failed" };

/** How a register went. */
export type RegisterOutcome =
  | { readonly kind: "registered"; readonly endpoint: string }
  | { readonly kind: "over_limit" }
  | { readonly kind: "storage_failed" };

/** What a session wants done, in order. */
export type Effect =
  | { readonly kind: "send"; readonly text: string }
  | {
    readonly kind: "send_message";
    readonly text: string;
    readonly message: PushMessage;
    readonly source: "direct" | "stored";
  }
  | {
    readonly kind: "identify";
    readonly uaid: string | undefined;
    readonly broadcasts: ReadonlyMap<string, string>;
  }
  | { readonly kind: "read_page"; readonly messages: "topic" | "plain"; readonly limit: number }
  | { readonly kind: "remove"; readonly sortKeys: readonly number[] }
  | {
    readonly kind: "register";
    readonly channelId: string;
    readonly key: Uint8Array | undefined;
    readonly userStored: boolean;
  }
  | { readonly kind: "unregister"; readonly channelId: string }
  | {
    readonly kind: "subscribe_broadcasts";
    readonly wanted: ReadonlyMap<string, string>;
    readonly subscription: BroadcastSubscription | undefined;
    /** Whether the keep-alive tick asks, and a ping takes the place of no news. */
    readonly tick: boolean;
  }
  | { readonly kind: "ping" }
  | { readonly kind: "arm_keep_alive" }
  | { readonly kind: "reset_user"; readonly uaid: string }
  | { readonly kind: "count"; readonly what: Countable }
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

/** What a device told that only statistics care about. */
export type Countable =
  | { readonly kind: "acknowledged"; readonly code: 100 | 101 | 102; readonly delayMs: number }
  | { readonly kind: "nacked"; readonly code: 0 | 301 | 302 | 303 }
  | { readonly kind: "unregistered"; readonly code: number }
  | { readonly kind: "registered"; readonly status: 200 | 400 | 500 };

/** The next session, and what to do. */
export type Step = readonly [Session, readonly Effect[]];

const NOTHING: readonly Effect[] = [];
const CLOSED: Session = { phase: "closed" };

/** A session at the moment its socket was upgraded. */
export const GREETING: Session = { phase: "greeting" };

/** Advances a session by one input. */
export function step(
  session: Session,
  input: Input,
  nowMs: number,
  settings: SessionSettings,
): Step {
  switch (session.phase) {
    case "greeting":
      return greet(session, input);
    case "identifying":
      if (input.kind === "identified") return identified(input);
      return input.kind === "storage_failed" ? close("SM") : [session, NOTHING];
    case "open":
      return stepOpen(session, input, nowMs, settings);
    case "closed":
      return [session, NOTHING];
  }
}

function greet(session: Session, input: Input): Step {
  if (input.kind === "hello_due") return close("HandshakeTimeout");
  if (input.kind !== "text") return [session, NOTHING];
  const message = parseClientMessage(input.text);
  if (message === undefined) return close("Json");
  if (message.kind !== "hello") return close("SM");
  const broadcasts = bounded(message.broadcasts);
  return [{ phase: "identifying" }, [{ kind: "identify", uaid: message.uaid, broadcasts }]];
}

function identified(input: Extract<Input, { kind: "identified" }>): Step {
  const session: OpenSession = {
    phase: "open",
    uaid: input.uaid,
    userStored: input.known,
    reading: input.known ? "topic" : "drained",
    missed: false,
    readUpTo: 0,
    liveFrom: Number.MAX_SAFE_INTEGER,
    sentFromStore: 0,
    outstanding: undefined,
    acknowledged: [],
    removing: [],
    clientPingAt: undefined,
    awaitingPong: false,
    broadcasts: input.broadcasts.subscription,
  };
  const effects: Effect[] = [
    { kind: "send", text: helloReply(input.uaid, input.broadcasts.delta) },
    { kind: "arm_keep_alive" },
  ];
  if (input.known) effects.push(readPage(session));
  return [session, effects];
}

function stepOpen(
  session: OpenSession,
  input: Input,
  nowMs: number,
  settings: SessionSettings,
): Step {
  switch (input.kind) {
    case "text": {
      const message = parseClientMessage(input.text);
      return message === undefined ? close("Json") : handle(session, message, nowMs);
    }
    case "delivered":
      return deliver(session, input.message, nowMs);
    case "page":
      return sendPage(session, input, nowMs, settings);
    case "removed":
      session.removing = [];
      return [session, removal(session)];
    case "storage_changed":
      session.missed = true;
      return [session, readOn(session)];
    case "registered":
      return registered(session, input.channelId, input.outcome);
    case "unregistered":
      return say(session, unregisterReply(input.channelId, input.done ? 200 : 500));
    case "broadcasts":
      return broadcastNews(session, input.answer, input.tick);
    case "keep_alive_due":
      return keepAlive(session);
    case "ponged": {
      if (!session.awaitingPong) return [session, NOTHING];
      session.awaitingPong = false;
      return [session, [{ kind: "arm_keep_alive" }]];
    }
    case "pong_due":
      return session.awaitingPong ? close("PongTimeout") : [session, NOTHING];
    case "displaced":
    case "storage_failed":
      return close("SM");
    case "hello_due":
      return [session, NOTHING];
    case "identified":
      throw new Error("Cannot identify a session twice");
  }
}

function handle(session: OpenSession, message: ClientMessage, nowMs: number): Step {
  switch (message.kind) {
    case "hello":
      return close("SM");
    case "ping": {
      const last = session.clientPingAt;
      if (last !== undefined && nowMs - last < CLIENT_PING_MIN_MS) return close("SM");
      session.clientPingAt = nowMs;
      return say(session, PONG);
    }
    case "register":
      return register(session, message.channelId, message.key);
    case "unregister":
      return [session, [
        { kind: "count", what: { kind: "unregistered", code: message.code } },
        { kind: "unregister", channelId: message.channelId },
      ]];
    case "ack":
      return acknowledge(session, message.updates, nowMs);
    case "nack":
      return [session, [{ kind: "count", what: { kind: "nacked", code: message.code } }]];
    case "broadcast_subscribe": {
      const wanted = bounded(message.broadcasts);
      const { broadcasts: subscription } = session;
      return [session, [{ kind: "subscribe_broadcasts", wanted, subscription, tick: false }]];
    }
  }
}

function register(session: OpenSession, channelId: string, keyText: string | undefined): Step {
  if (canonicalChannelId(channelId) !== channelId) return close("SM");
  const key = keyText === undefined ? undefined : decodeKey(keyText);
  if (keyText !== undefined && key === undefined) {
    return [session, [
      { kind: "count", what: { kind: "registered", status: 400 } },
      { kind: "send", text: registerReply(channelId, 400, "Failed to generate endpoint") },
    ]];
  }
  return [session, [{ kind: "register", channelId, key, userStored: session.userStored }]];
}

function registered(session: OpenSession, channelId: string, outcome: RegisterOutcome): Step {
  const done = outcome.kind === "registered";
  if (outcome.kind !== "storage_failed") session.userStored = true;
  const status = done ? 200 : 500;
  return [session, [
    { kind: "count", what: { kind: "registered", status } },
    { kind: "send", text: registerReply(channelId, status, done ? outcome.endpoint : "") },
  ]];
}

function deliver(session: OpenSession, message: PushMessage, nowMs: number): Step {
  if (message.ttlSeconds === 0) return [session, [notify(message, "direct")]];
  const outstanding = session.outstanding ??= new Map();
  // Older ones are still to be read, or a page may have brought this one already, or the device
  // is slow to acknowledge: in each case the store is asked when the device has caught up.
  if (
    session.reading !== "drained" || message.sortKey <= session.readUpTo ||
    outstanding.size >= OUTSTANDING_MAX
  ) {
    // A device that is here is not reset for what came meanwhile, however long it takes to catch up.
    session.liveFrom = Math.min(session.liveFrom, message.sortKey);
    session.missed = true;
    return [session, readOn(session)];
  }
  outstanding.set(message.version, { sortKey: message.sortKey, sentAt: nowMs });
  return [session, [notify(message, "direct")]];
}

function sendPage(
  session: OpenSession,
  { messages, limit }: Extract<Input, { kind: "page" }>,
  nowMs: number,
  settings: SessionSettings,
): Step {
  const fresh = messages.filter(({ sortKey }) => !isUnderWay(session, sortKey));
  const page = fresh.slice(0, pageLength(session));
  const effects: Effect[] = page.map((message) => notify(message, "stored"));
  for (const { version, sortKey } of page) {
    session.readUpTo = Math.max(session.readUpTo, sortKey);
    (session.outstanding ??= new Map()).set(version, { sortKey, sentAt: nowMs });
    if (sortKey < session.liveFrom) session.sentFromStore++;
  }
  if (session.sentFromStore > settings.messageLimit) {
    return [CLOSED, [
      { kind: "reset_user", uaid: session.uaid },
      { kind: "close", code: 1000, reason: "SM" },
    ]];
  }
  if (messages.length < limit && page.length === fresh.length) {
    // Read to the end: topics are followed by the others at once, and those by what comes.
    session.reading = session.reading === "topic" ? "plain" : "drained";
    if (session.reading === "plain") effects.push(readPage(session));
  }
  if (session.reading === "drained") effects.push(...readOn(session));
  return [session, effects];
}

function acknowledge(
  session: OpenSession,
  updates: readonly { readonly version: string; readonly code: 100 | 101 | 102 }[],
  nowMs: number,
): Step {
  const effects: Effect[] = [];
  for (const { version, code } of updates) {
    const sent = session.outstanding?.get(version);
    if (sent === undefined) continue;
    session.outstanding?.delete(version);
    session.acknowledged.push(sent.sortKey);
    const delayMs = nowMs - sent.sentAt;
    effects.push({ kind: "count", what: { kind: "acknowledged", code, delayMs } });
  }
  effects.push(...removal(session), ...readOn(session));
  return [session, effects];
}

/** Starts removing what was acknowledged, unless a removal is under way; its end asks again. */
function removal(session: OpenSession): readonly Effect[] {
  if (session.removing.length > 0 || session.acknowledged.length === 0) return NOTHING;
  session.removing = session.acknowledged;
  session.acknowledged = [];
  return [{ kind: "remove", sortKeys: session.removing }];
}

/** Reads the next page when the last one is acknowledged, from the start when something was missed. */
function readOn(session: OpenSession): readonly Effect[] {
  if (session.outstanding !== undefined && session.outstanding.size > 0) return NOTHING;
  if (session.reading === "drained") {
    session.sentFromStore = 0;
    if (!session.missed) return NOTHING;
    session.missed = false;
    session.reading = "topic";
  }
  return [readPage(session)];
}

/** A page with room for what was sent before and is still in the store. */
function readPage(session: OpenSession): Effect {
  const messages = session.reading === "topic" ? "topic" : "plain";
  const underWay = (session.outstanding?.size ?? 0) + session.acknowledged.length +
    session.removing.length;
  return { kind: "read_page", messages, limit: pageLength(session) + underWay };
}

/** Messages sent from one page, whatever was read to find them. */
function pageLength(session: OpenSession): number {
  return session.reading === "topic" ? TOPIC_PAGE : PLAIN_PAGE;
}

function isUnderWay(session: OpenSession, sortKey: number): boolean {
  if (session.acknowledged.includes(sortKey) || session.removing.includes(sortKey)) return true;
  if (session.outstanding === undefined) return false;
  for (const sent of session.outstanding.values()) if (sent.sortKey === sortKey) return true;
  return false;
}

/**
 * The keep-alive tick: news of broadcasts in place of a ping, where there are any. It also looks
 * into the store, for whatever a lost signal left there.
 */
function keepAlive(session: OpenSession): Step {
  if (session.broadcasts !== undefined) {
    const subscription = session.broadcasts;
    const wanted = new Map<string, string>();
    return [session, [{ kind: "subscribe_broadcasts", wanted, subscription, tick: true }]];
  }
  return ping(session);
}

function ping(session: OpenSession): Step {
  session.awaitingPong = true;
  session.missed ||= session.userStored;
  return [session, [{ kind: "ping" }, ...readOn(session)]];
}

function broadcastNews(session: OpenSession, answer: BroadcastAnswer, tick: boolean): Step {
  session.broadcasts = answer.subscription;
  const { delta } = answer;
  if (delta.changes.size === 0 && delta.unknown.length === 0) {
    return tick ? ping(session) : [session, NOTHING];
  }
  return [session, [{ kind: "send", text: broadcast(delta) }, { kind: "arm_keep_alive" }]];
}

function notify(message: PushMessage, source: "direct" | "stored"): Effect {
  return { kind: "send_message", text: notification(message), message, source };
}

function say(session: Session, text: string): Step {
  return [session, [{ kind: "send", text }]];
}

function close(reason: "HandshakeTimeout" | "Json" | "SM" | "PongTimeout"): Step {
  return [CLOSED, [{ kind: "close", code: 1011, reason }]];
}

/** Only so many ids: a device that names more is not told about the rest. */
function bounded(broadcasts: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (broadcasts.size <= BROADCAST_IDS_MAX) return broadcasts;
  return new Map([...broadcasts].slice(0, BROADCAST_IDS_MAX));
}
