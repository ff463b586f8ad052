// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * One notification: how far it is and how fast, why recipients were not reached, what it says.
 *
 * It is looked at every two seconds until it is over; rows stay where they are while their numbers change.
 *
 * For tests: `.notification[data-id][data-status][data-over]`, `.how-far tr[data-platform] [data-of][data-value]`,
 * `#cancel`, `#again`; the parts of the page name theirs.
 *
 * @module
 */

import { ask } from "./ask.js";
import { fill, h } from "./dom.js";
import {
  duration,
  OUTCOME_MEANINGS,
  OUTCOME_NAMES,
  PLATFORM_NAMES,
  PLATFORMS,
  share,
  whole,
} from "./format.js";
import { liveTable, marked, rowHead, setNumber } from "./live_table.js";
import { contentCard } from "./notification_content.js";
import { Deliveries } from "./notification_deliveries.js";
import {
  COUNTS,
  dueText,
  ended,
  isOver,
  paceText,
  progressText,
  restText,
  STATUS_MEANINGS,
  took,
  withSample,
} from "./notification_figures.js";
import { progressBar, refusalText, statusBadge } from "./notification_parts.js";
import { Reasons } from "./notification_reasons.js";
import { button, foreign, notice, time, viewHead } from "./parts.js";
import { poll } from "./poll.js";

/** @typedef {import("./notification_figures.js").Notification} Notification */
/** @typedef {import("./notification_figures.js").Counts} Counts */
/** @typedef {Notification & { readonly content: Readonly<Record<string, unknown>> }} Details */

/** Time between two looks while it is unfinished, and when it is over. */
const BUSY_MS = 2_000;
const IDLE_MS = 15_000;

/**
 * The view.
 *
 * @param {HTMLElement} root
 * @param {import("./main.js").Context} context
 * @returns {Promise<void>}
 */
export async function notificationView(root, context) {
  const { api, path: [id = ""] } = context;
  const path = `/v1/notifications/${encodeURIComponent(id)}`;
  /** @type {Details} */
  const first = await api.get(path);
  context.setLive("live");
  const progress = new Progress();
  const reasons = new Reasons(context, path);
  const deliveries = new Deliveries(context, path, first);
  const problem = h("div");
  const old = h("p", { class: "old-numbers", role: "status" });
  const again = h(
    "a",
    { class: "button primary", id: "again", href: `#/compose?like=${encodeURIComponent(id)}` },
    "Send again…",
  );
  let shown = first;
  const show = (/** @type {Details} */ found) => {
    shown = found;
    root.dataset["id"] = found.id;
    root.dataset["status"] = found.status;
    root.dataset["over"] = isOver(found) ? "yes" : "no";
    progress.update(found);
    // Cancelled, it may still have requests under way.
    const settled = isOver(found) || found.status === "cancelled";
    // What has vanished keeps no focus; what stands beside it takes it.
    if (settled && document.activeElement === cancel) again.focus();
    cancel.hidden = settled;
  };
  const cancel = button("Cancel…", () => void cancelIt(context, path, problem, show), {
    id: "cancel",
  });
  root.classList.add("notification");
  root.append(
    viewHead("Notification", h("span", { class: "clamped" }, foreign(first.title)), again, cancel),
    problem,
    old,
    progress.element,
    reasons.element,
    contentCard(first),
    deliveries.element,
  );
  show(first);
  let looked = false;
  poll(context, () => isOver(shown) && reasons.complete ? IDLE_MS : BUSY_MS, async () => {
    if (looked) show(await api.get(path));
    looked = true;
    await reasons.look(shown);
    await deliveries.look();
  }, (trouble) => {
    root.classList.toggle("is-old", trouble !== undefined);
    fill(old, trouble === undefined ? "" : `Not up to date: ${trouble}`);
  });
}

/**
 * @param {import("./main.js").Context} context
 * @param {string} path
 * @param {HTMLElement} problem
 * @param {(found: Details) => void} show
 */
async function cancelIt({ api, signal, announce }, path, problem, show) {
  fill(problem);
  const sure = await ask(signal, {
    title: "Cancel this notification?",
    text:
      "Who has not been sent to is not sent to any more, and is counted as cancelled. What was sent " +
      "stays sent: it cannot be taken back from devices. Requests under way still end.",
    yes: "Cancel the notification",
    no: "Let it go on",
  });
  if (!sure) return;
  try {
    show(await api.delete(path));
    announce("The notification is cancelled.");
  } catch (error) {
    if (!signal.aborted) fill(problem, notice("It was not cancelled", refusalText(error)));
  }
}

/** How far it is: figures, a bar, and all counts by platform. */
class Progress {
  /** @type {HTMLElement} */
  element;
  #bar = progressBar();
  #figures = {
    status: h("dd", { class: "figure-status" }),
    progress: h("dd"),
    pace: h("dd"),
    duration: h("dd"),
    started: h("dd"),
    finished: h("dd"),
  };
  #details = { progress: h("dd", { class: "detail" }), pace: h("dd", { class: "detail" }) };
  #meaning = h("p", { class: "small" });
  #table;
  /** @type {readonly import("./notification_figures.js").Sample[]} */
  #samples = [];

  constructor() {
    this.#table = liveTable({
      caption: "Recipients by platform and outcome",
      columns: [
        { name: "Platform" },
        { name: "Recipients", number: true },
        ...COUNTS.map(([of]) => ({ name: OUTCOME_NAMES[of], number: true, swatch: of })),
        { name: OUTCOME_NAMES.retries, number: true, swatch: "retries" },
      ],
      keyOf: (/** @type {PlatformCounts} */ { of }) => of,
      make: countsRow,
      empty: "No recipients yet.",
    });
    const { status, progress, pace, duration, started, finished } = this.#figures;
    const names = /** @type {const} */ ([
      ["Status", status],
      ["Recipients", progress, this.#details.progress],
      ["Speed", pace, this.#details.pace],
      ["Took", duration],
      ["Started", started],
      ["Finished", finished],
    ]);
    this.element = h(
      "section",
      { class: "card how-far", "aria-label": "Progress" },
      h(
        "dl",
        { class: "figures" },
        names.map(([name, ...values]) => h("div", {}, h("dt", {}, name), values)),
      ),
      this.#meaning,
      this.#bar.element,
      this.#table.element,
      outcomeKey(),
    );
  }

  /** @param {Notification} found */
  update(found) {
    const now = Date.now();
    const { counts, platforms, status, startedAt, finishedAt } = found;
    this.#samples = withSample(this.#samples, { at: now, ended: ended(counts) });
    const ms = took(found, now);
    fill(this.#figures.status, statusBadge(status));
    fill(this.#meaning, [STATUS_MEANINGS[status], dueText(found, now)].join(" ").trim());
    const far = counts.pending > 0;
    fill(this.#figures.progress, far ? share(ended(counts), counts.total) : whole(counts.total));
    fill(this.#details.progress, far ? progressText(found) : "");
    fill(this.#figures.pace, paceText(found, this.#samples, now));
    fill(this.#details.pace, restText(found, this.#samples));
    fill(this.#figures.duration, ms === undefined ? "–" : duration(ms));
    fill(this.#figures.started, time(startedAt));
    fill(this.#figures.finished, time(finishedAt));
    this.#bar.update(counts);
    /** @type {PlatformCounts[]} */
    const rows = [];
    for (const of of PLATFORMS) {
      const part = platforms[of];
      if (part !== undefined) rows.push({ of, counts: part });
    }
    this.#table.show(counts.total === 0 ? [] : [...rows, { of: "all", counts }]);
  }
}

/** @typedef {{ readonly of: import("./format.js").Platform | "all", readonly counts: Counts }} PlatformCounts */

/** @param {PlatformCounts} row */
function countsRow({ of }) {
  const cells = /** @type {const} */ (["total", ...COUNTS.map(([, key]) => key), "retries"]).map((
    key,
  ) => ({
    key,
    cell: h("td", { dataset: { of: key } }),
  }));
  const head = of === "all" ? rowHead("All") : rowHead(marked(of, PLATFORM_NAMES[of]));
  return {
    cells: [head, ...cells.map(({ cell }) => cell)],
    update: (/** @type {PlatformCounts} */ { counts }, /** @type {HTMLElement} */ row) => {
      row.dataset["platform"] = of;
      for (const { key, cell } of cells) setNumber(cell, counts[key]);
    },
  };
}

/** What the outcomes mean, for who does not know yet. */
function outcomeKey() {
  return h(
    "details",
    { class: "key" },
    h("summary", {}, "What the outcomes mean"),
    h(
      "dl",
      { class: "facts" },
      Object.entries(OUTCOME_MEANINGS).map(([of, meaning]) => [
        h(
          "dt",
          {},
          h("span", { class: "swatch", dataset: { of } }),
          OUTCOME_NAMES[/** @type {import("./format.js").Outcome} */ (of)],
        ),
        h("dd", {}, meaning),
      ]).flat(),
    ),
  );
}
