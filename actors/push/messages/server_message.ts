/**
 * What the server says to a device: every message of the device's wire, as JSON text.
 *
 * Key names and their presence follow autopush, which Firefox was written against: `uaid` has no
 * dashes, channel ids have them, `data` and `headers` are absent for an empty message.
 *
 * @module
 */

import type { PushMessage } from "../ports.ts";

/** The answer to both spellings of an application ping. */
export const PONG = "{}";

/** What a device learns about the broadcasts it named: newer versions, and ids nobody publishes. */
export interface BroadcastDelta {
  /** Broadcast id to its current version, where it differs from the device's. */
  readonly changes: ReadonlyMap<string, string>;
  /** Ids which are not published. */
  readonly unknown: readonly string[];
}

/** The reply to hello: always the first frame, and always status 200. */
export function helloReply(uaid: string, broadcasts: BroadcastDelta): string {
  return JSON.stringify({
    messageType: "hello",
    uaid,
    status: 200,
    use_webpush: true,
    broadcasts: broadcastFields(broadcasts),
  });
}

/** The reply to register: 200 with the endpoint, 400 for an undecodable key, 500 for a refusing store. */
export function registerReply(channelId: string, status: number, pushEndpoint: string): string {
  return JSON.stringify({ messageType: "register", channelID: channelId, status, pushEndpoint });
}

/** The reply to unregister: 200, also for a channel that never was, or 500. */
export function unregisterReply(channelId: string, status: number): string {
  return JSON.stringify({ messageType: "unregister", channelID: channelId, status });
}

/** News of broadcasts. */
export function broadcast(delta: BroadcastDelta): string {
  return JSON.stringify({ messageType: "broadcast", broadcasts: broadcastFields(delta) });
}

/** A message for one channel; `data` is base64url without padding. */
export function notification(message: PushMessage): string {
  const { channelId, version, content } = message;
  if (content === undefined) {
    return JSON.stringify({ messageType: "notification", channelID: channelId, version });
  }
  return JSON.stringify({
    messageType: "notification",
    channelID: channelId,
    version,
    data: content.body.toBase64({ alphabet: "base64url", omitPadding: true }),
    headers: content.headers,
  });
}

/** A plain object of the map; `errors` is one of its keys, which is where Firefox expects it. */
function broadcastFields(delta: BroadcastDelta): Readonly<Record<string, unknown>> {
  const fields = Object.fromEntries<unknown>(delta.changes);
  if (delta.unknown.length > 0) {
    fields["errors"] = Object.fromEntries(delta.unknown.map((id) => [id, "Broadcast not found"]));
  }
  return fields;
}
