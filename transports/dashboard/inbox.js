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
 * Shows these arrivals and no others.
 *
 * @param {readonly Arrival[]} arrivals Newest first.
 * @returns {void}
 */
export function showInbox(arrivals) {
  inbox().replaceChildren(...arrivals.map((arrival) => itemOf(arrival, "")));
  showFrame();
}

/**
 * Puts a message that has just arrived on top, with the time it took if it is the one sent last.
 *
 * @param {Arrival} arrival
 * @param {Sent | undefined} sent
 * @returns {void}
 */
export function showArrival(arrival, sent) {
  const { id, arrivedAt, text } = arrival;
  if (inbox().querySelector(`[data-id="${id}"]`) !== null) return;
  const tookMs = sent?.text === (text ?? "") ? arrivedAt - sent.at : Infinity;
  const took = tookMs >= 0 && tookMs <= TOOK_MAX_MS ? `${tookMs} ms after Send` : "";
  const item = itemOf(arrival, took);
  item.classList.add("fresh");
  inbox().prepend(item);
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
