// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The page: subscribes this browser, plays application server for it, and lists what arrives.
 *
 * Invariants: text from outside reaches the document by `textContent` only; a subscription that is
 * not at our own endpoint, or not bound to the page's present key, is never kept; the page shows
 * what `render` computes from `state` and holds nothing else.
 *
 * The hooks for tests are listed at the top of `browser.html`.
 *
 * @module
 */
import { toBase64url, utf8 } from "./bytes.js";
import { curlEmpty, curlEncrypted, firefoxCommand, preferences } from "./commands.js";
import {
  elsewhere,
  notPermitted,
  obstacle,
  subscribeFailed,
  subscriptionEnded,
  unexpected,
} from "./diagnosis.js";
import { copy, element, setState, setText } from "./elements.js";
import { encrypt, PLAINTEXT_BYTES_MAX } from "./encrypt.js";
import { askWorker, showArrival, showKept, showNothing } from "./inbox.js";
import { authorization, HEADER_LIFETIME_SECONDS, isStoredKey, newKey, publicKey } from "./vapid.js";

/** @import { Diagnosis } from "./diagnosis.js" */
/** @import { Sent } from "./inbox.js" */
/** @import { StoredKey } from "./vapid.js" */

/** @typedef {{ readonly endpointOrigin: string, readonly deviceUrl: string }} Config */

/** How often the service is asked whether it is ready, while somebody looks at the page. */
const STATUS_INTERVAL_MS = 5_000;

/** Where the page keeps its key. */
const KEY_NAME = "vapid-key";

const state = {
  /** @type {Config | undefined} */
  config: undefined,
  /** @type {ServiceWorkerRegistration | undefined} */
  registration: undefined,
  /** @type {PushSubscription | undefined} */
  subscription: undefined,
  /** @type {Diagnosis | undefined} What keeps this browser from subscribing at all. */
  obstacle: undefined,
  /** @type {Diagnosis | undefined} What the last attempt met. */
  diagnosis: undefined,
  /** Whether it is known what the browser has. */
  started: false,
  /** Whether something the user asked for is under way. */
  busy: false,
  /** @type {Sent | undefined} */
  sent: undefined,
  /** @type {{ readonly value: string, readonly renewAt: number } | undefined} */
  authorization: undefined,
};

const page = {
  service: element("service", HTMLParagraphElement),
  setup: element("setup", HTMLDetailsElement),
  diagnosis: element("diagnosis", HTMLDivElement),
  subscribe: element("subscribe", HTMLButtonElement),
  unsubscribe: element("unsubscribe", HTMLButtonElement),
  message: element("message", HTMLTextAreaElement),
  ttl: element("ttl", HTMLSelectElement),
  send: element("send", HTMLButtonElement),
  sendResult: element("send-result", HTMLParagraphElement),
};

function render() {
  const { subscription, busy } = state;
  const blocked = state.obstacle ?? state.diagnosis;
  if (state.started) {
    document.body.dataset["browser"] = state.obstacle?.kind ?? "ready";
    document.body.dataset["subscription"] = subscription === undefined ? "none" : "subscribed";
  }
  page.diagnosis.hidden = blocked === undefined;
  page.diagnosis.dataset["kind"] = blocked?.kind ?? "";
  setText("diagnosis-title", blocked?.title ?? "");
  setText("diagnosis-text", blocked?.text ?? "");
  if (blocked?.setup === true) page.setup.open = true;
  element("not-subscribed", HTMLDivElement).hidden = subscription !== undefined;
  element("subscribed", HTMLDivElement).hidden = subscription === undefined;
  element("commands", HTMLElement).hidden = subscription === undefined;
  setText("endpoint", subscription?.endpoint ?? "");
  page.subscribe.disabled = busy || state.registration === undefined ||
    state.obstacle !== undefined;
  page.subscribe.textContent = busy ? "Asking Firefox…" : "Subscribe this browser";
  page.unsubscribe.disabled = busy;
  page.send.disabled = subscription === undefined || messageBytes() > PLAINTEXT_BYTES_MAX;
  setText("message-size", `${messageBytes()} of at most ${PLAINTEXT_BYTES_MAX} bytes`);
}

/** @param {Config} config */
function renderSetup(config) {
  const template = element("preference", HTMLTemplateElement);
  const rows = preferences(config.deviceUrl).map(({ name, value }) => {
    const row = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    const [nameCode, valueCode] = row.querySelectorAll("code");
    const button = row.querySelector("button");
    if (nameCode === undefined || valueCode === undefined || button === null) {
      throw new Error("The template of a preference lacks its parts");
    }
    nameCode.textContent = name;
    valueCode.textContent = String(value);
    // A boolean is switched, not typed: there the name is what one needs.
    const copied = value === true ? name : value;
    button.textContent = value === true ? "Copy name" : "Copy";
    button.ariaLabel = `${button.textContent} ${copied}`; // Who speaks to the browser says what stands there.
    button.addEventListener("click", () => copy(copied, button));
    return row;
  });
  element("preferences", HTMLDListElement).replaceChildren(...rows);
  element("preference-hint", HTMLParagraphElement).hidden = rows.length === 1;
  setText("firefox-command", firefoxCommand(config.deviceUrl, location.origin + "/browser"));
}

async function checkService() {
  if (document.hidden) return;
  try {
    const response = await fetch("/readyz", { cache: "no-store" });
    /** @type {{ ready: boolean, checks: readonly { name: string, ok: boolean, detail: string }[] }} */
    const { ready, checks } = await response.json();
    if (!ready) {
      const failed = checks.filter((check) => !check.ok);
      const names = failed.map(({ name, detail }) => `${name}: ${detail}`).join("; ");
      return setState(page.service, "not_ready", `The service is not ready. ${names}`);
    }
  } catch {
    return setState(page.service, "unreachable", "The service does not answer. Is it running?");
  }
  const origin = state.config?.endpointOrigin;
  try {
    // An opaque answer is enough: only a connection that fails makes this reject.
    if (origin !== undefined) await fetch(`${origin}/status`, { mode: "no-cors" });
    setState(page.service, "ready", "The service is ready");
  } catch {
    setState(page.service, "endpoint_unreachable", `The push endpoint ${origin} does not answer`);
  }
}

/** @returns {Promise<StoredKey>} */
async function ownKey() {
  const stored = storedKey();
  if (stored !== undefined) return stored;
  const key = await newKey();
  localStorage.setItem(KEY_NAME, JSON.stringify(key));
  return key;
}

/** @returns {StoredKey | undefined} */
function storedKey() {
  try {
    const value = JSON.parse(localStorage.getItem(KEY_NAME) ?? "null");
    return isStoredKey(value) ? value : undefined;
  } catch {
    // Something else wrote there; a fresh key will replace it.
    return undefined;
  }
}

/**
 * Whether a subscription is one this page can use.
 *
 * @param {PushSubscription} subscription
 * @param {Config} config
 */
function isOurs(subscription, config) {
  const key = storedKey();
  const bound = subscription.options.applicationServerKey;
  return new URL(subscription.endpoint).origin === config.endpointOrigin &&
    key !== undefined && bound !== null &&
    toBase64url(new Uint8Array(bound)) === toBase64url(publicKey(key));
}

/** Takes over what the browser has: a subscription made here before, unless it is of no use. */
async function adoptSubscription() {
  const { registration, config } = state;
  if (registration === undefined || config === undefined) return;
  const subscription = await registration.pushManager.getSubscription() ?? undefined;
  if (subscription !== undefined && !isOurs(subscription, config)) {
    await subscription.unsubscribe();
    state.subscription = undefined;
  } else {
    state.subscription = subscription;
  }
}

async function subscribe() {
  const { registration, config } = state;
  if (registration === undefined || config === undefined) return;
  const permission = await Notification.requestPermission();
  if (permission !== "granted") {
    state.diagnosis = notPermitted(permission);
    return;
  }
  // Another tab may have subscribed in the meantime, or the key may have been cleared away.
  await adoptSubscription();
  if (state.subscription !== undefined) return;
  try {
    const applicationServerKey = publicKey(await ownKey());
    const subscription = await registration.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey,
    });
    if (isOurs(subscription, config)) {
      state.subscription = subscription;
      page.setup.open = false;
    } else {
      await subscription.unsubscribe();
      state.diagnosis = elsewhere(new URL(subscription.endpoint).origin, config.endpointOrigin);
    }
  } catch (error) {
    state.diagnosis = subscribeFailed(error);
  }
}

/** Firefox says that it changed the subscription by itself. */
async function subscriptionChanged() {
  const before = state.subscription;
  await adoptSubscription();
  if (before !== undefined && state.subscription === undefined) {
    state.diagnosis = subscriptionEnded();
  }
}

async function unsubscribe() {
  await state.subscription?.unsubscribe();
  state.subscription = undefined;
  state.authorization = undefined;
  page.sendResult.hidden = true;
}

async function clear() {
  const worker = state.registration?.active;
  if (worker) await askWorker(worker, "clear");
  showNothing();
}

/**
 * Runs something the user asked for, one at a time, and shows how it ended.
 *
 * @param {() => Promise<void>} action
 */
async function act(action) {
  if (state.busy) return;
  state.busy = true;
  state.diagnosis = undefined;
  render();
  try {
    await action();
  } catch (error) {
    state.diagnosis = unexpected(error);
  } finally {
    state.busy = false;
    render();
    page.diagnosis.scrollIntoView({ block: "nearest" });
    keepFocus();
  }
  await renderCommands();
}

/** A button that was pressed may be gone; the keyboard's user goes on at the next one. */
function keepFocus() {
  const { activeElement } = document;
  const lost = activeElement === null || activeElement === document.body ||
    activeElement.checkVisibility() === false;
  const next = state.subscription === undefined ? page.subscribe : page.send;
  if (lost) (next.disabled ? page.message : next).focus();
}

function messageBytes() {
  return utf8(page.message.value).length;
}

/**
 * A signed header for our endpoint; made anew after half its life.
 *
 * @param {string} audience
 */
async function signedHeader(audience) {
  const nowSeconds = Date.now() / 1_000;
  if (state.authorization === undefined || nowSeconds >= state.authorization.renewAt) {
    const value = await authorization(await ownKey(), audience, nowSeconds);
    state.authorization = { value, renewAt: nowSeconds + HEADER_LIFETIME_SECONDS / 2 };
  }
  return state.authorization.value;
}

/**
 * The message in the box, encrypted for the subscription; empty when the box is.
 *
 * @param {PushSubscription} subscription
 */
async function messageBody(subscription) {
  const { keys } = subscription.toJSON();
  const text = utf8(page.message.value);
  if (text.length === 0) return new Uint8Array();
  return await encrypt(text, { p256dh: keys?.["p256dh"] ?? "", auth: keys?.["auth"] ?? "" });
}

async function renderCommands() {
  const { subscription, config } = state;
  if (subscription === undefined || config === undefined) return;
  if (messageBytes() > PLAINTEXT_BYTES_MAX) return;
  const text = page.message.value;
  const header = await signedHeader(config.endpointOrigin);
  const body = await messageBody(subscription);
  if (page.message.value !== text) return; // Typed on meanwhile: a newer call is under way.
  setText("curl-empty", curlEmpty(subscription.endpoint, header));
  setText(
    "curl-encrypted",
    body.length === 0
      ? "Write a message above."
      : curlEncrypted(subscription.endpoint, header, body),
  );
}

async function send() {
  const { subscription, config } = state;
  if (subscription === undefined || config === undefined) return;
  /** @type {[string, string]} */
  let result;
  try {
    const body = await messageBody(subscription);
    /** @type {Record<string, string>} */
    const encoding = body.length === 0 ? {} : { "Content-Encoding": "aes128gcm" };
    const headers = {
      ...encoding,
      "TTL": page.ttl.value,
      "Authorization": await signedHeader(config.endpointOrigin),
    };
    state.sent = { text: page.message.value, at: Date.now() };
    const response = await fetch(subscription.endpoint, { method: "POST", headers, body });
    result = response.status === 201
      ? ["sent", "Accepted with 201 Created"]
      : ["failed", await refusal(response)];
  } catch (error) {
    const answer = error instanceof TypeError ? "The push endpoint did not answer" : String(error);
    result = ["failed", answer];
    void checkService();
  }
  page.sendResult.hidden = false;
  setState(page.sendResult, ...result);
}

/**
 * The service's refusal in words.
 *
 * @param {Response} response
 */
async function refusal(response) {
  if (response.status === 404 || response.status === 410) {
    return `${response.status}: this subscription is no longer known. Unsubscribe and subscribe again.`;
  }
  const text = await response.text();
  try {
    return `${response.status}: ${JSON.parse(text).message}`;
  } catch {
    // A proxy's page, not the service's document: the status says all that helps.
    return `${response.status} ${response.statusText}`;
  }
}

/** @param {MessageEvent} event */
function heardFromWorker(event) {
  switch (event.data?.type) {
    case "arrived":
      showArrival(event.data.arrival, state.sent);
      state.sent = undefined;
      return;
    case "subscription_changed":
      return void act(subscriptionChanged);
  }
}

function listen() {
  page.subscribe.addEventListener("click", () => act(subscribe));
  page.unsubscribe.addEventListener("click", () => act(unsubscribe));
  element("send-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    void send();
  });
  page.message.addEventListener("input", () => {
    render();
    void renderCommands();
  });
  page.message.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) page.send.click();
  });
  element("clear", HTMLButtonElement).addEventListener("click", () => act(clear));
  for (const button of document.querySelectorAll("button[data-copy]")) {
    if (!(button instanceof HTMLButtonElement)) continue;
    const source = element(button.dataset["copy"] ?? "", HTMLElement);
    button.addEventListener("click", () => copy(source.textContent, button));
  }
  document.addEventListener("visibilitychange", checkService);
  setInterval(checkService, STATUS_INTERVAL_MS);
}

async function start() {
  listen();
  render();
  const response = await fetch("/page.json");
  /** @type {Config} */
  const config = await response.json();
  state.config = config;
  renderSetup(config);
  void checkService();
  const workers = "serviceWorker" in navigator ? navigator.serviceWorker : undefined;
  state.obstacle = obstacle({
    userAgent: navigator.userAgent,
    secureContext: isSecureContext,
    serviceWorkers: workers !== undefined,
    pushManager: "PushManager" in globalThis,
    permission: "Notification" in globalThis ? Notification.permission : "default",
  });
  render();
  if (workers !== undefined) {
    workers.addEventListener("message", heardFromWorker);
    await workers.register("/worker.js");
    const registration = await workers.ready;
    state.registration = registration;
    if (state.obstacle === undefined) await adoptSubscription();
    if (registration.active !== null) showKept(await askWorker(registration.active, "list"));
  }
  page.setup.open = state.subscription === undefined;
  await renderCommands();
}

start().catch((error) => {
  state.diagnosis = unexpected(error);
  void checkService();
}).finally(() => {
  state.started = true;
  render();
});
