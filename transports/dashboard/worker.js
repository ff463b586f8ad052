// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="webworker" />
/**
 * The service worker of the page: receives push messages, keeps the last ones, shows them, tells
 * open pages, and serves the page when the service cannot be reached.
 *
 * Invariants: a message is kept before anything else is tried with it, so that one which came while
 * no tab was open is listed later; at most {@linkcode KEPT_MAX} are kept. A notification that the
 * desktop refuses does not fail the message.
 *
 * It alone opens the database, pages ask it; and it imports nothing: not every Firefox in use can
 * load a service worker as a module.
 *
 * Messages from a page: `{type: "list"}`, answered on the port with all kept arrivals;
 * `{type: "clear"}`, answered with an empty list. To pages: `{type: "arrived", arrival}` and
 * `{type: "subscription_changed"}`.
 *
 * @module
 */

/**
 * A message as it arrived; `text` is `null` for one without content.
 *
 * @typedef {{ readonly id: number, readonly arrivedAt: number, readonly text: string | null }} Arrival
 */

/** How many arrivals are kept: more than anybody reads here, and at most 400 KiB of text. */
const KEPT_MAX = 100;

/** How much of a text a notification shows; desktops cut it anyway. */
const NOTIFIED_LENGTH_MAX = 200;

const CACHE = "page-2";

/** What the page is made of. A file added here must also be served. */
const FILES = [
  ...["/browser", "/style.css", "/icon.svg", "/page.json", "/page.js", "/bytes.js", "/commands.js"],
  ...["/diagnosis.js", "/elements.js", "/encrypt.js", "/inbox.js", "/vapid.js"],
];

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (origin === location.origin && FILES.includes(pathname)) {
    event.respondWith(freshOrKept(event.request, pathname));
  }
});
worker.addEventListener("push", (event) => event.waitUntil(receive(event.data?.text() ?? null)));
worker.addEventListener("pushsubscriptionchange", (event) => {
  const changed = /** @type {ExtendableEvent} */ (event);
  changed.waitUntil(tellPages({ type: "subscription_changed" }));
});
worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(showPage());
});
worker.addEventListener("message", (event) => event.waitUntil(answer(event)));

async function install() {
  try {
    await (await caches.open(CACHE)).addAll(FILES);
  } catch {
    // Storage may be forbidden or full: then the page needs the service, and push works all the same.
  }
  await worker.skipWaiting();
}

async function activate() {
  await worker.clients.claim();
  try {
    // What an older worker kept is of a page that is no more.
    const names = (await caches.keys()).filter((name) => name !== CACHE);
    await Promise.all(names.map((name) => caches.delete(name)));
  } catch {
    // As at installation.
  }
}

/**
 * The newest copy when the service answers, else the one kept. Copies are kept by path: a query is
 * whatever a visitor likes, and may not make more of them.
 *
 * @param {Request} request
 * @param {string} path
 */
async function freshOrKept(request, path) {
  try {
    const response = await fetch(request);
    if (response.ok) await keepCopy(path, response.clone());
    return response;
  } catch (error) {
    const kept = await caches.match(path, { cacheName: CACHE });
    if (kept === undefined) throw error;
    return kept;
  }
}

/**
 * @param {string} path
 * @param {Response} response
 */
async function keepCopy(path, response) {
  try {
    await (await caches.open(CACHE)).put(path, response);
  } catch {
    // As at installation: the visitor has the answer, and that is what counts.
  }
}

/** @param {string | null} text */
async function receive(text) {
  const arrival = await keep(text);
  // The message is safe; whether anybody can be shown it now does not change that.
  await Promise.allSettled([
    tellPages({ type: "arrived", arrival }),
    worker.registration.showNotification("Heliograph", {
      body: text === null ? "A message without content" : text.slice(0, NOTIFIED_LENGTH_MAX),
      icon: "/icon.svg",
      tag: `arrival-${arrival.id}`,
    }),
  ]);
}

/** The open pages that list what arrives; the monitor is another page. */
async function openPages() {
  const pages = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  return pages.filter(({ url }) => new URL(url).pathname === "/browser");
}

/** @param {unknown} message */
async function tellPages(message) {
  for (const page of await openPages()) page.postMessage(message);
}

async function showPage() {
  const [page] = await openPages();
  await (page === undefined ? worker.clients.openWindow("/browser") : page.focus());
}

/** @param {ExtendableMessageEvent} event */
async function answer(event) {
  const [port] = event.ports;
  if (event.data?.type === "clear") await inbox("readwrite", (store) => store.clear());
  port?.postMessage(await list());
}

/** @returns {Promise<readonly Arrival[]>} */
async function list() {
  return await inbox("readonly", (store) => store.getAll());
}

/**
 * @param {string | null} text
 * @returns {Promise<Arrival>}
 */
async function keep(text) {
  const arrival = { arrivedAt: Date.now(), text };
  const id = Number(await inbox("readwrite", (store) => store.add(arrival)));
  // Ids are given in ascending order and never again, so everything this far below is surplus.
  const surplus = IDBKeyRange.upperBound(id - KEPT_MAX);
  await inbox("readwrite", (store) => store.delete(surplus));
  return { id, ...arrival };
}

/**
 * Runs one request on the store of arrivals; resolves when its transaction has completed.
 *
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} run
 * @returns {Promise<T>}
 */
async function inbox(mode, run) {
  const opening = indexedDB.open("inbox", 1);
  opening.onupgradeneeded = () =>
    opening.result.createObjectStore("arrivals", { keyPath: "id", autoIncrement: true });
  const database = await settled(opening);
  try {
    const transaction = database.transaction("arrivals", mode);
    const request = run(transaction.objectStore("arrivals"));
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    return request.result;
  } finally {
    database.close();
  }
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
