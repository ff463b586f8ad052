/**
 * The header fields of a push message that say how a push service treats it (RFC 8030 section 5).
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { HeaderField } from "../http2/exchange.ts";
import type { Notification } from "../provider/provider.ts";
import { TTL_SECONDS_MAX } from "./limits.ts";
import type { Vendor } from "./vendors.ts";

/** The fields of a notification's messages to a vendor, sent at this time. */
export function messageFields(
  notification: Notification,
  vendor: Vendor,
  now: number,
): readonly HeaderField[] {
  const ttlSeconds = remainingSeconds(notification, vendor, now);
  const fields: HeaderField[] = [
    { name: "ttl", value: `${ttlSeconds}`, indexing: "literal" },
    { name: "urgency", value: notification.urgency, indexing: "indexed" },
  ];
  if (notification.topic !== undefined) {
    const value = topicFor(vendor, notification.topic);
    fields.push({ name: "topic", value, indexing: "literal" });
  }
  if (vendor.cachePolicy) {
    const value = ttlSeconds === 0 ? "no-cache" : "cache";
    fields.push({ name: "x-wns-cache-policy", value, indexing: "indexed" });
  }
  return fields;
}

/** How long the push service may keep the message: no longer than the notification is wanted (RFC 8030 section 5.2). */
function remainingSeconds(notification: Notification, vendor: Vendor, now: number): number {
  const left = Math.floor((notification.expiresAt - now) / 1_000);
  const wanted = Math.min(notification.ttlSeconds, left, TTL_SECONDS_MAX);
  return Math.max(wanted, vendor.ttlSecondsMin);
}

/** A topic as RFC 8030 section 5.4 allows it; one that it does not allow has a digest in its place. */
function topicFor(vendor: Vendor, topic: string): string {
  if (!vendor.topicHashed && /^[A-Za-z0-9_-]{1,32}$/.test(topic)) return topic;
  const digest = createHash("sha256").update(topic).digest();
  return Buffer.from(digest.subarray(0, 24)).toString("base64url");
}
