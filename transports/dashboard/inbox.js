// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The list of what arrived: asks the service worker, which keeps it, and shows it newest first.
 *
 * Invariant: a message is listed once, also when the worker announces it while the list loads.
 *
 * @module
 */
import { element } from "./elements.js";

/** How many arrivals are shown: as many as the worker keeps, so that a reload changes nothing. */
const SHOWN_MAX = 100;

/** An arrival later than this is not set off against the last message sent. */
const TOOK_MAX_MS = 60_000;

/**
 * A message as the worker kept it; `text` is `null` for one without content.
 *
 * @typedef {{ readonly id: number, readonly arrivedAt: number, readonly text: string | null }} Arrival
 */

/**
 * What this page sent last, and when, in milliseconds since 1970.
 *
 * @typedef {{ readonly text: string, readonly at: number }} Sent
 */

/**
 * Asks the worker and gives its list of arrivals, newest first.
 *
 * @param {ServiceWorker} worker
 * @param {"list" | "clear"} type
 * @returns {Promise<readonly Arrival[]>}
 */
export function askWorker(worker, type) {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = (event) => {
      port1.close();
      resolve(event.data);
    };
    worker.postMessage({ type }, [port2]);
  });
}

/**
 * Shows what had arrived before the page opened.
 *
 * @param {readonly Arrival[]} arrivals
 * @returns {void}
 */
export function showKept(arrivals) {
  for (const arrival of arrivals) place(itemOf(arrival, ""), arrival.id);
}

/**
 * Shows a message that has just arrived, with the time it took if it is the one sent last.
 *
 * @param {Arrival} arrival
 * @param {Sent | undefined} sent
 * @returns {void}
 */
export function showArrival(arrival, sent) {
  const { id, arrivedAt, text } = arrival;
  const tookMs = sent?.text === (text ?? "") ? arrivedAt - sent.at : Infinity;
  const took = tookMs >= 0 && tookMs <= TOOK_MAX_MS ? `${tookMs} ms after Send` : "";
  const item = itemOf(arrival, took);
  item.classList.add("fresh");
  place(item, id);
}

/**
 * Empties the list.
 *
 * @returns {void}
 */
export function showNothing() {
  inbox().replaceChildren();
  showFrame();
}

/**
 * Puts an item where its id belongs, once; what is older than the newest hundred goes.
 *
 * @param {HTMLLIElement} item
 * @param {number} id
 */
function place(item, id) {
  const items = [...inbox().children];
  const ids = items.map((other) => Number(other.getAttribute("data-id")));
  if (ids.includes(id)) return;
  inbox().insertBefore(item, items[ids.findIndex((other) => other < id)] ?? null);
  while (inbox().childElementCount > SHOWN_MAX) inbox().lastElementChild?.remove();
  showFrame();
}

function inbox() {
  return element("inbox", HTMLOListElement);
}

function showFrame() {
  const empty = inbox().childElementCount === 0;
  element("inbox-empty", HTMLParagraphElement).hidden = !empty;
  element("clear", HTMLButtonElement).hidden = empty;
}

/**
 * @param {Arrival} arrival
 * @param {string} took
 */
function itemOf({ id, arrivedAt, text }, took) {
  const template = element("arrival", HTMLTemplateElement);
  const item = template.content.firstElementChild?.cloneNode(true);
  if (!(item instanceof HTMLLIElement)) throw new Error("The template of an arrival has no item");
  const [time, duration, body] = item.querySelectorAll("time, .took, .text");
  if (!(time instanceof HTMLTimeElement) || duration === undefined || body === undefined) {
    throw new Error("The template of an arrival lacks a part");
  }
  const date = new Date(arrivedAt);
  const today = date.toDateString() === new Date().toDateString();
  item.dataset["id"] = String(id);
  time.dateTime = date.toISOString();
  time.textContent = today ? date.toLocaleTimeString() : date.toLocaleString();
  duration.textContent = took;
  body.textContent = text ?? "No content";
  body.classList.toggle("none", text === null);
  return item;
}
