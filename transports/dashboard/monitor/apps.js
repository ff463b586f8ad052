// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The apps: whose notifications these are, whether their credentials do, and what is paused.
 *
 * What is known of tokens and failures is the answering node's own, since its start; certificates say
 * themselves when they end.
 *
 * For tests: `.app[data-name]`, in it `.lane[data-platform][data-paused]` with `[data-waiting]` and
 * `[data-leased]`; the button `.resume`; `.dead-letters li`.
 *
 * @module
 */

import { ask } from "./ask.js";
import { fill, h } from "./dom.js";
import { duration, PLATFORM_NAMES, PLATFORMS, whole } from "./format.js";
import { keyed } from "./keyed.js";
import { badge, button, fact, foreign, notice, setOld, time, viewHead } from "./parts.js";
import { poll } from "./poll.js";

/** @typedef {import("./format.js").Platform} Platform */

/**
 * @typedef {{ readonly platform: Platform, readonly reason: string, readonly since: string }} Pause
 *
 * @typedef {{
 *   readonly certificateExpiresAt: string | null,
 *   readonly token: { readonly refreshedAt: string, readonly expiresAt: string | null } | null,
 *   readonly failure: { readonly at: string, readonly reason: string } | null,
 * }} Health
 *
 * @typedef {{
 *   readonly name: string, readonly version: number,
 *   readonly apns?: {
 *     readonly kind: "key" | "certificate", readonly keyId?: string, readonly teamId?: string,
 *     readonly topic: string, readonly origin?: string,
 *   },
 *   readonly fcm?: {
 *     readonly project: string | null, readonly clientEmail: string | null, readonly origin?: string,
 *   },
 *   readonly webpush?: { readonly vapidPublicKey: string | null, readonly subject: string },
 *   readonly pauses: readonly Pause[],
 *   readonly health: { readonly [platform in Platform]?: Health },
 * }} App
 *
 * @typedef {{
 *   readonly app: string, readonly platform: Platform, readonly waiting: number, readonly leased: number,
 * }} Lane
 *
 * @typedef {{
 *   readonly source: string, readonly id: string, readonly reason: string, readonly body: string,
 *   readonly at: string,
 * }} DeadLetter
 */

const LOOK_MS = 3_000;

/** From so long before its end on a certificate's end is a warning: renewing one takes people days. */
const CERTIFICATE_WARNING_MS = 30 * 86_400_000;

/** Entries set aside that are shown. */
const DEAD_LETTERS_SHOWN = 20;

/**
 * The view.
 *
 * @param {HTMLElement} root
 * @param {import("./main.js").Context} context
 * @returns {void}
 */
export function appsView(root, context) {
  const { api } = context;
  const problem = h("div");
  const refused = h("div");
  const none = h("div");
  const apps = h("div", { class: "apps" });
  const letters = h("div");
  root.append(
    viewHead(
      "Apps",
      "Each app has its own credentials and its own queue to each platform. A platform is paused when going on would do harm; it waits for you, and nothing is lost.",
    ),
    problem,
    refused,
    none,
    apps,
    letters,
  );
  const show = keyed(
    apps,
    (/** @type {Shown} */ { app }) => app.name,
    (shown) => makeApp(shown.app.name, (platform) => resume(platform, shown.app.name)),
  );
  const look = poll(context, LOOK_MS, async () => {
    const [found, status, dead] = await Promise.all([
      api.get("/v1/apps"),
      api.get("/v1/status"),
      api.get("/v1/dead-letters", { limit: DEAD_LETTERS_SHOWN }),
    ]);
    /** @type {readonly App[]} */
    const all = found.apps;
    /** @type {readonly Lane[]} */
    const lanes = status.lanes;
    fill(none, all.length === 0 ? noApp() : "");
    show(all.map((app) => ({ app, lanes: lanes.filter((lane) => lane.app === app.name) })));
    showLetters(letters, dead.deadLetters);
  }, (text) => setOld(problem, text));

  /**
   * @param {Pause} pause
   * @param {string} app
   */
  async function resume(pause, app) {
    const name = PLATFORM_NAMES[pause.platform];
    const sure = await ask(context.signal, {
      title: `Resume ${name} of ${app}?`,
      text: "It was paused to protect your devices and your standing with the provider: " +
        `${pause.reason}. If the cause is still there, it will be paused again.`,
      yes: "Resume",
    });
    if (!sure) return;
    fill(refused);
    try {
      const path = `/v1/apps/${encodeURIComponent(app)}/resume?platform=${pause.platform}`;
      await api.post(path);
      context.announce(`${name} of ${app} is resumed.`);
    } catch (error) {
      fill(
        refused,
        notice(
          `${name} of ${app} was not resumed`,
          String(error instanceof Error ? error.message : error),
        ),
      );
      return;
    }
    look.now();
  }
}

function noApp() {
  return h(
    "div",
    { class: "card" },
    h("h2", {}, "No app yet"),
    h(
      "p",
      {},
      "An app is whom you send for: it holds the keys for Apple, Google and browsers. From a terminal:",
    ),
    h(
      "pre",
      { tabindex: "0" },
      "heliograph apps add news --webpush-subject mailto:you@example.com",
    ),
  );
}

/** @typedef {{ readonly app: App, readonly lanes: readonly Lane[] }} Shown */

/**
 * @param {string} name
 * @param {(pause: Pause) => void} resume
 * @returns {import("./keyed.js").Entry<Shown>}
 */
function makeApp(name, resume) {
  const version = h("p", { class: "small" });
  const lanes = h("div", { class: "grid" });
  const title = `app-${name}`;
  const show = keyed(
    lanes,
    (/** @type {LaneShown} */ { platform }) => platform,
    (lane) => makeLane(lane, resume),
  );
  return {
    element: h(
      "section",
      { class: "app", dataset: { name }, "aria-labelledby": title },
      h("header", {}, h("h2", { id: title }, foreign(name)), version),
      lanes,
    ),
    update({ app, lanes: all }) {
      fill(version, `Credentials version ${app.version}`);
      show(
        PLATFORMS.filter((platform) => app[platform] !== undefined).map((platform) => ({
          platform,
          app,
          lane: all.find((lane) => lane.platform === platform),
          pause: app.pauses.find((pause) => pause.platform === platform),
        })),
      );
    },
  };
}

/**
 * @typedef {{
 *   readonly platform: Platform, readonly app: App, readonly lane: Lane | undefined,
 *   readonly pause: Pause | undefined,
 * }} LaneShown
 */

/**
 * @param {LaneShown} first
 * @param {(pause: Pause) => void} resume
 * @returns {import("./keyed.js").Entry<LaneShown>}
 */
function makeLane({ platform }, resume) {
  const state = h("p", { class: "lane-state" });
  const pauseText = h("p", { class: "reason" });
  const facts = h("dl", { class: "facts" });
  const health = h("dl", { class: "facts" });
  /** @type {Pause | undefined} */
  let paused;
  const resumeButton = button("Resume…", () => paused && resume(paused), {
    class: "primary resume",
  });
  const pauseBox = h("div", { class: "notice" }, pauseText, resumeButton);
  const element = h(
    "article",
    { class: "card lane", dataset: { platform }, "aria-label": PLATFORM_NAMES[platform] },
    h(
      "h3",
      {},
      h("span", { class: "swatch", dataset: { of: platform } }),
      PLATFORM_NAMES[platform],
    ),
    state,
    pauseBox,
    facts,
    h("h4", {}, "Health"),
    health,
  );
  let before = "";
  return {
    element,
    update({ app, lane, pause }) {
      paused = pause;
      element.dataset["paused"] = String(pause !== undefined);
      const { waiting, leased } = lane ?? { waiting: 0, leased: 0 };
      element.dataset["waiting"] = String(waiting);
      element.dataset["leased"] = String(leased);
      fill(
        state,
        pause === undefined ? badge("good", "Sending") : badge("bad", "Paused"),
        ` ${waiting === 1 ? "1 batch" : `${whole(waiting)} batches`} waiting, ${
          whole(leased)
        } in flight`,
      );
      pauseBox.hidden = pause === undefined;
      // Times grow older by themselves; what is copied or pointed at stands still while nothing changed.
      const now = JSON.stringify([app[platform], app.health[platform], pause]) +
        Math.floor(Date.now() / 60_000);
      if (now === before) return;
      before = now;
      if (pause !== undefined) {
        fill(pauseText, "Paused ", time(pause.since), ": ", foreign(pause.reason), ".");
      }
      fill(facts, factsOf(app, platform));
      fill(health, healthOf(app.health[platform]));
    },
  };
}

/**
 * @param {App} app
 * @param {Platform} platform
 */
function factsOf({ apns, fcm, webpush }, platform) {
  switch (platform) {
    case "apns":
      return [
        fact("Bundle id", foreign(apns?.topic ?? null)),
        apns?.kind === "certificate" ? fact("Signed by", "a client certificate") : fact(
          "Signing key",
          foreign(apns?.keyId ?? null),
          " of team ",
          foreign(apns?.teamId ?? null),
        ),
        apns?.origin === undefined ? [] : fact("Sent to", foreign(apns.origin)),
      ].flat();
    case "fcm":
      return [
        fact("Project", foreign(fcm?.project ?? null)),
        fact("Service account", foreign(fcm?.clientEmail ?? null)),
        fcm?.origin === undefined ? [] : fact("Sent to", foreign(fcm.origin)),
      ].flat();
    case "webpush":
      return [
        ...fact("Contact", foreign(webpush?.subject ?? null)),
        ...fact("Public key", h("code", {}, webpush?.vapidPublicKey ?? "–")),
      ];
  }
}

/** @param {Health | undefined} health */
function healthOf(health) {
  if (health === undefined) return fact("Token", "nothing known yet");
  const { certificateExpiresAt, token, failure } = health;
  return [
    certificateExpiresAt === null
      ? []
      : fact("Certificate", ...certificateText(certificateExpiresAt)),
    fact("Token", ...tokenText(token)),
    fact(
      "Last failure",
      ...failure === null
        ? [badge("good", "none since this node's start")]
        : [badge("bad", foreign(failure.reason)), " ", time(failure.at)],
    ),
  ].flat();
}

/** @param {string} expiresAt */
function certificateText(expiresAt) {
  const leftMs = Date.parse(expiresAt) - Date.now();
  if (leftMs <= 0) return [badge("bad", "has ended"), " ", time(expiresAt)];
  const text = `ends in ${duration(leftMs)}`;
  return leftMs < CERTIFICATE_WARNING_MS
    ? [badge("bad", `${text}: renew it`)]
    : [badge("good", text)];
}

/** @param {Health["token"]} token */
function tokenText(token) {
  if (token === null) return ["made when something is sent"];
  return [
    "made ",
    time(token.refreshedAt),
    ...token.expiresAt === null ? [] : [
      Date.parse(token.expiresAt) > Date.now() ? ", expires " : ", expired ",
      time(token.expiresAt),
    ],
  ];
}

/**
 * Entries that nobody can use.
 *
 * @param {HTMLElement} place
 * @param {readonly DeadLetter[]} letters
 */
function showLetters(place, letters) {
  const key = letters.map(({ source, id }) => `${source} ${id}`).join("\n");
  if (place.dataset["shown"] === key) return;
  place.dataset["shown"] = key;
  if (letters.length === 0) return fill(place);
  fill(
    place,
    h(
      "section",
      { class: "card dead-letters" },
      h("h2", {}, "Set aside"),
      h(
        "p",
        { class: "small" },
        "Entries of sources and the queue that no node can use, newest first.",
      ),
      h(
        "ul",
        {},
        letters.map(({ source, id, reason, body, at }) =>
          h(
            "li",
            {},
            h("p", {}, foreign(reason), " – ", foreign(source), " ", foreign(id), ", ", time(at)),
            h("pre", { tabindex: "0", "aria-label": "Its beginning" }, body),
          )
        ),
      ),
    ),
  );
}
