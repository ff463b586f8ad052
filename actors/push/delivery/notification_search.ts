/**
 * Looks through the notifications, newest first, for those that somebody asks for.
 *
 * Stores know notifications by app and time alone: what they say is looked for here. So that a search
 * for something rare costs no more than one for something common, a call reads so many notifications at
 * most and says where the next one is to go on; a page then may be short, or empty, without being the
 * last. Between two steps the event loop turns: a store may answer without waiting for anything.
 *
 * @module
 */

import { SEARCH_READ_MAX, SEARCH_STEP } from "./input_limits.ts";
import type { NotificationState, NotificationStatus } from "./records.ts";
import type { DeliveryStore } from "./store.ts";

/** Which notifications. */
export interface NotificationsQuery {
  /** Only this app's. */
  readonly app?: string;
  /** Only those that have this text, in either case, in their id, title, body or topic. */
  readonly search?: string;
  /** Only those that are here in their life. */
  readonly status?: NotificationState;
  /** Continue after this id. */
  readonly after: string | undefined;
  /** At most so many. */
  readonly limit: number;
}

/** What is read from, and what is waited for between two steps. */
export interface SearchParts {
  /** Where the notifications are. */
  readonly store: Pick<DeliveryStore, "notifications">;
  /** Lets the event loop turn. */
  readonly breathe: () => Promise<void>;
}

/** A part of the list. */
export interface FoundNotifications {
  /** Those that were asked for, newest first. */
  readonly found: readonly NotificationStatus[];
  /** The id after which to go on; `undefined` when all were read. */
  readonly next: string | undefined;
}

/** Looks for notifications; see the module. */
export async function searchNotifications(
  query: NotificationsQuery,
  { store, breathe }: SearchParts,
): Promise<FoundNotifications> {
  const { app, search, status, limit } = query;
  const scope = app === undefined ? {} : { app };
  const choosy = search !== undefined || status !== undefined;
  const step = choosy ? SEARCH_STEP : limit;
  const says = search === undefined ? undefined : new RegExp(RegExp.escape(search), "iu");
  const found: NotificationStatus[] = [];
  let { after } = query;
  for (let read = 0; read < SEARCH_READ_MAX; read += step) {
    if (read > 0) await breathe();
    const page = await store.notifications({ ...scope, after, limit: step });
    for (const one of page) {
      after = one.notification.id;
      if (status !== undefined && one.state !== status) continue;
      if (says !== undefined && !isSaid(one, says)) continue;
      found.push(one);
      if (found.length === limit) return { found, next: after };
    }
    if (page.length < step) return { found, next: undefined };
  }
  return { found, next: after };
}

function isSaid({ notification: { id, content, topic } }: NotificationStatus, text: RegExp) {
  return [id, content.title, content.body, topic].some((part) =>
    part !== undefined && text.test(part)
  );
}
