/**
 * Reads which part of a list is asked for, as it stands in a query: texts by their names.
 *
 * @module
 */

import * as v from "valibot";
import { appName } from "./app_input.ts";
import { deviceId, tagName, userId } from "./device_input.ts";
import type { DevicesQuery } from "./device_list.ts";
import { fields, oneOf, type Read, readInput, text } from "./input.ts";
import { PAGE_DEFAULT, PAGE_MAX, SEARCH_CHARS_MAX } from "./input_limits.ts";
import type { NotificationsQuery } from "./notification_search.ts";
import { NOTIFICATION_STATES, OUTCOMES, PLATFORMS } from "./records.ts";
import type { DeliveriesPage } from "./store.ts";

/** Parameters of a query by their names. */
export type Query = Readonly<Record<string, string>>;

function number(min: number, max: number) {
  const rule = `must be a whole number from ${min} to ${max}`;
  return v.pipe(
    v.string(rule),
    v.regex(/^[0-9]{1,15}$/, rule),
    v.transform(Number),
    v.minValue(min, rule),
    v.maxValue(max, rule),
  );
}

const limit = v.optional(number(1, PAGE_MAX), `${PAGE_DEFAULT}`);
const after = v.optional(deviceId);

const devicesQuery = fields({
  app: appName,
  idPrefix: v.exactOptional(deviceId),
  after,
  limit,
  user: v.exactOptional(userId),
  tag: v.exactOptional(tagName),
  state: v.exactOptional(oneOf(["active", "invalid"])),
});

const notificationsQuery = fields({
  app: v.exactOptional(appName),
  // What a title may have in it may be looked for.
  search: v.exactOptional(text(1, SEARCH_CHARS_MAX, /^[^]*$/)),
  status: v.exactOptional(oneOf(NOTIFICATION_STATES)),
  after,
  limit,
});

const deliveriesQuery = fields({
  after: v.optional(number(0, Number.MAX_SAFE_INTEGER), "0"),
  limit,
  outcome: v.exactOptional(oneOf(OUTCOMES)),
});

const limitQuery = fields({ limit });
const resumeQuery = fields({ platform: v.exactOptional(oneOf(PLATFORMS)) });
const appQuery = fields({ app: appName });

/** Which devices. */
export function readDevicesPage(query: Query): Read<DevicesQuery> {
  const read = readInput(devicesQuery, query);
  if (read.kind === "problems") return read;
  return { kind: "value", value: { ...read.value, after: read.value.after } };
}

/** Which notifications. */
export function readNotificationsPage(query: Query): Read<NotificationsQuery> {
  const read = readInput(notificationsQuery, query);
  if (read.kind === "problems") return read;
  return { kind: "value", value: { ...read.value, after: read.value.after } };
}

/** Which deliveries of a notification. */
export function readDeliveriesPage(notification: string, query: Query): Read<DeliveriesPage> {
  const read = readInput(deliveriesQuery, query);
  if (read.kind === "problems") return read;
  return { kind: "value", value: { notification, ...read.value } };
}

/** How many. */
export function readLimit(query: Query): Read<{ readonly limit: number }> {
  return readInput(limitQuery, query);
}

/** Which platforms to resume: one, or all. */
export function readResume(query: Query): Read<{ readonly platform?: typeof PLATFORMS[number] }> {
  return readInput(resumeQuery, query);
}

/** Which app. */
export function readAppQuery(query: Query): Read<{ readonly app: string }> {
  return readInput(appQuery, query);
}
