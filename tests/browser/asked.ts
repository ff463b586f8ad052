/**
 * What the node answers to a path of its API, read by a schema: for tests that compare a page with it.
 *
 * @module
 */

import { assert } from "@std/assert";
import * as v from "valibot";
import type { MonitorWorld } from "./monitor_world.ts";

/** Asks for a path; fails when the node refuses or answers something else than the schema says. */
export async function asked<S extends v.GenericSchema>(
  { origin, token }: MonitorWorld,
  path: string,
  schema: S,
): Promise<v.InferOutput<S>> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${origin}${path}`, { headers });
  const text = await response.text();
  assert(response.ok, `${path}: ${text}`);
  return v.parse(schema, JSON.parse(text));
}

const count = v.number();

/** Counts of a notification, as the page names them, too. */
export const COUNTS = v.object({
  ...{ total: count, delivered: count, tokenInvalid: count, rejected: count, expired: count },
  ...{ failed: count, cancelled: count, pending: count, retries: count },
});

/** A notification, as far as tests compare it. */
export const NOTIFICATION = v.object({
  id: v.string(),
  title: v.nullable(v.string()),
  status: v.string(),
  counts: COUNTS,
  platforms: v.record(v.string(), COUNTS),
});

/** A page of notifications. */
export const NOTIFICATIONS = v.object({
  notifications: v.array(NOTIFICATION),
  next: v.nullable(v.string()),
});

/** Why recipients were not reached. */
export const REASONS = v.object({
  reasons: v.array(v.object({ platform: v.string(), reason: v.string(), count })),
  counted: count,
  complete: v.boolean(),
});
