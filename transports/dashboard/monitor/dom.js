// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Making elements. What comes from outside becomes text or an attribute's value, never markup: there is
 * no other way in here.
 *
 * @module
 */

/**
 * What an element may have beside its children: `class`, `dataset` (an object), `on` (listeners by the name
 * of the event), and attributes by their name; `undefined`, `null` and `false` leave an attribute away,
 * `true` writes it empty.
 *
 * @typedef {{
 *   readonly class?: string,
 *   readonly dataset?: Readonly<Record<string, string>>,
 *   readonly on?: Readonly<Record<string, (event: Event) => void>>,
 *   readonly [attribute: string]: unknown,
 * }} Props
 *
 * What stands in an element: texts and numbers become text, absent ones nothing.
 * @typedef {Node | string | number | null | undefined | false} Child
 */

/**
 * Attributes through which an address from outside could do harm; they take only what begins so. A second
 * slash would name another host, and to a browser a backslash is one, and tabs and line breaks are nothing.
 */
const SAFE_ADDRESS = /^(?:#|\/(?![/\\\t\r\n]))/;

/**
 * Makes an HTML element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props} [props]
 * @param {...(Child | readonly Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  give(made, props);
  made.append(...nodes(children));
  return made;
}

/**
 * Makes an SVG element.
 *
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Props} [props]
 * @param {...(Child | readonly Child[])} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, props = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  give(made, props);
  made.append(...nodes(children));
  return made;
}

/**
 * Puts these in place of what an element had; a text that is the same stays, so that no reader announces it again.
 *
 * @param {Element} parent
 * @param {...(Child | readonly Child[])} children
 * @returns {void}
 */
export function fill(parent, ...children) {
  const made = nodes(children);
  const [only] = made;
  if (made.length === 1 && typeof only === "string") {
    if (parent.textContent !== only) parent.textContent = only;
    return;
  }
  parent.replaceChildren(...made);
}

/**
 * Draws before the next frame of the screen, once however often it is asked; a hidden page has no frames, and
 * waits.
 *
 * @param {AbortSignal} signal After it nothing is drawn any more.
 * @param {() => void} draw
 * @returns {() => void} Asks for it.
 */
export function onceAFrame(signal, draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      if (!signal.aborted) draw();
    });
  };
}

/**
 * @param {Element} element
 * @param {Props} props
 */
function give(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    switch (name) {
      case "class":
        element.setAttribute("class", String(value));
        break;
      case "dataset":
        for (const [key, text] of Object.entries(/** @type {Record<string, string>} */ (value))) {
          element.setAttribute(`data-${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`, text);
        }
        break;
      case "on":
        for (const [type, listener] of listeners(value)) element.addEventListener(type, listener);
        break;
      default:
        attribute(element, name, value === true ? "" : String(value));
    }
  }
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
function attribute(element, name, value) {
  if (/^on/i.test(name) || name === "style") throw new TypeError(`No attribute "${name}" here`);
  if (["href", "src", "action"].includes(name) && !SAFE_ADDRESS.test(value)) {
    throw new TypeError(`"${value.slice(0, 40)}" is no address of this page`);
  }
  element.setAttribute(name, value);
}

/**
 * @param {unknown} value
 * @returns {readonly [string, EventListener][]}
 */
function listeners(value) {
  return Object.entries(/** @type {Record<string, EventListener>} */ (value));
}

/**
 * @param {readonly (Child | readonly Child[])[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  /** @type {(Node | string)[]} */
  const made = [];
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    made.push(child instanceof Node ? child : String(child));
  }
  return made;
}
