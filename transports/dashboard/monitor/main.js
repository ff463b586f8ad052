// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The monitor's frame: sign-in, navigation, and the view that is open.
 *
 * A view is a function that builds itself into an element and stops everything it started when its
 * signal is aborted, which happens when another one is opened or the token is gone. The address after
 * the hash names the view, so that the browser's own history works; it never holds a secret.
 *
 * @module
 */

import { Api, ApiError, setToken, token } from "./api.js";
import { appsView } from "./apps.js";
import { composeView } from "./compose.js";
import { deliveriesView } from "./deliveries.js";
import { devicesView } from "./devices.js";
import { fill, h } from "./dom.js";
import { nodesView } from "./nodes.js";
import { notificationView } from "./notification.js";
import { notificationsView } from "./notifications.js";
import { notice, renewTimes, viewHead } from "./parts.js";
import { tourView } from "./tour.js";

/**
 * What a view is given.
 *
 * @typedef {{
 *   readonly api: Api,
 *   readonly signal: AbortSignal,
 *   readonly path: readonly string[],
 *   readonly query: URLSearchParams,
 *   readonly go: (hash: string) => void,
 *   readonly announce: (text: string) => void,
 *   readonly setLive: (state: "waiting" | "live" | "lost") => void,
 * }} Context `path` are the decoded parts of the address after the view's name, `query` what follows a `?` in it.
 *
 * @typedef {(root: HTMLElement, context: Context) => void | Promise<void>} View
 */

/** @type {Readonly<Record<string, { readonly title: string, readonly open: View, readonly nav?: string }>>} */
const VIEWS = {
  deliveries: { title: "Deliveries", open: deliveriesView },
  tour: { title: "Tour", open: tourView },
  notifications: {
    title: "Notifications",
    open: (root, context) =>
      context.path.length === 0
        ? notificationsView(root, context)
        : notificationView(root, context),
  },
  compose: { title: "Compose", open: composeView, nav: "notifications" },
  devices: { title: "Devices", open: devicesView },
  apps: { title: "Apps", open: appsView },
  nodes: { title: "Nodes", open: nodesView },
};

const FIRST = "deliveries";

/** Time after which "3 s ago" is said anew. */
const TIMES_MS = 5_000;

const SERVICE_TEXTS = {
  waiting: "Connecting…",
  live: "Live",
  lost: "Not live, trying again…",
};

const page = {
  signIn: part("sign-in", HTMLFormElement),
  token: part("token", HTMLInputElement),
  problem: part("token-problem", HTMLElement),
  signOut: part("sign-out", HTMLButtonElement),
  service: part("service", HTMLElement),
  view: part("view", HTMLElement),
  announcer: part("announcer", HTMLElement),
};

/** Ends what the open view started. */
let open = new AbortController();

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
function part(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page has no ${type.name} "${id}"`);
  return found;
}

/** The view of the address, and what follows it there. */
function place() {
  const [address = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [name = "", ...path] = address.split("/");
  return {
    name: Object.hasOwn(VIEWS, name) ? name : FIRST,
    path: path.map(decoded),
    query: new URLSearchParams(query),
  };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // Typed by hand: it names nothing, which the view says.
  }
}

/** @param {"waiting" | "live" | "lost"} state */
function setLive(state) {
  if (page.service.dataset["state"] === state && page.service.textContent !== "") return;
  page.service.dataset["state"] = state;
  const sentence = page.service.querySelector("span");
  if (sentence !== null) fill(sentence, SERVICE_TEXTS[state]);
}

/** @param {string} [problem] */
function showSignIn(problem = "") {
  open.abort();
  setToken(undefined);
  document.body.dataset["signedIn"] = "no";
  delete document.body.dataset["view"];
  document.title = "Sign in – Heliograph";
  page.view.replaceChildren();
  page.view.hidden = true;
  page.signOut.hidden = true;
  page.signIn.hidden = false;
  fill(page.problem, problem);
  page.token.focus();
}

async function showView() {
  if (token() === undefined) return showSignIn();
  open.abort();
  open = new AbortController();
  const { signal } = open;
  const { name, path, query } = place();
  const view = VIEWS[name];
  if (view === undefined) return;
  document.body.dataset["signedIn"] = "yes";
  document.body.dataset["view"] = name;
  document.title = [...path.slice(0, 1), view.title, "Heliograph"].join(" – ");
  page.signIn.hidden = true;
  page.token.value = "";
  page.signOut.hidden = false;
  page.view.hidden = false;
  for (const link of document.querySelectorAll("#views a[data-view]")) {
    const current = link.getAttribute("data-view") === (view.nav ?? name);
    if (current) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else link.removeAttribute("aria-current");
  }
  const root = h("div", { class: `view ${name}` });
  page.view.replaceChildren(root);
  page.view.setAttribute("aria-busy", "true");
  setLive("waiting");
  const api = new Api(signal, () => showSignIn("The token is not good any more. Sign in again."));
  const go = (/** @type {string} */ hash) => {
    if (location.hash === hash) void showView(); // Asked once more, it is looked up once more.
    else location.hash = hash;
  };
  const announce = (/** @type {string} */ text) => fill(page.announcer, text);
  try {
    await view.open(root, { api, signal, path, query, go, announce, setLive });
  } catch (error) {
    if (!signal.aborted) showProblem(root, error, { name, title: view.title });
  }
  if (!signal.aborted) page.view.setAttribute("aria-busy", "false");
}

/**
 * @param {HTMLElement} root
 * @param {unknown} error
 * @param {{ readonly name: string, readonly title: string }} view
 */
function showProblem(root, error, { name, title }) {
  if (!(error instanceof ApiError)) reportError(error);
  const text = error instanceof Error ? error.message : String(error);
  const gone = error instanceof ApiError && error.status === 404;
  // A view that failed before it had its head has one all the same, and a way on.
  if (root.querySelector("h1") === null) {
    const all = h("a", { href: `#/${name}` }, `All ${title.toLowerCase()}`);
    root.append(viewHead(title, gone ? all : null));
  }
  root.append(notice(gone ? "It is not here" : "This cannot be shown now", text));
  setLive(error instanceof ApiError && error.status > 0 ? "live" : "lost");
}

/** @param {SubmitEvent} event */
async function signIn(event) {
  event.preventDefault();
  const given = page.token.value.trim();
  if (!/^[A-Za-z0-9._~+/-]+=*$/.test(given)) {
    return fill(
      page.problem,
      "That is no token: it has letters, digits, and some of . _ ~ + / - = in it.",
    );
  }
  open.abort(); // An attempt before this one: its answer would be about another token.
  open = new AbortController();
  const { signal } = open;
  setToken(given);
  try {
    await new Api(signal, () => {}).get("/v1/nodes");
  } catch (error) {
    if (signal.aborted) return;
    setToken(undefined);
    fill(page.problem, signInProblem(error));
    page.token.select();
    return;
  }
  await showView();
  page.view.focus({ preventScroll: true });
}

/** @param {unknown} error */
function signInProblem(error) {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 401) return "This token is not known here, or has expired.";
  if (error.status === 403) {
    return "This token is good, but not for looking: it needs the scope read.";
  }
  return error.message;
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault(); // The hash names the view: following the link would open another one.
  (page.view.hidden ? page.token : page.view).focus();
}

setInterval(() => document.hidden || renewTimes(page.view), TIMES_MS);
page.signIn.addEventListener("submit", (event) => void signIn(event));
page.signOut.addEventListener("click", () => showSignIn());
document.querySelector(".skip")?.addEventListener("click", skip);
addEventListener("hashchange", () => {
  void showView();
  // Who goes by keyboard or screen reader goes on at the new view's beginning.
  if (token() !== undefined) page.view.focus({ preventScroll: true });
  scrollTo(0, 0);
});
void showView();
