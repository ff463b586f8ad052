// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/**
 * What flows between which parts, and the two walks along it. Pure.
 *
 * A station is a part of the tree, by the end of its path, or something outside of the node; a link leads from
 * one to the other, with the names of the totals whose rates it shows. Stations that a node does not have are
 * left out, and so are their links: roles decide.
 *
 * @module
 */

/**
 * @typedef {"apns" | "fcm" | "webpush"} Platform
 *
 * A box of the picture; `end` is where its part is beneath the tree's root, and absent for what is outside.
 * `needs` names a station without which it is not drawn.
 * @typedef {{
 *   readonly id: string, readonly end?: string, readonly needs?: string, readonly label?: string,
 * }} Station
 *
 * An arrow and where it points when there is room; `counters` are named as in `totalsOf`, with what they count, and `moves` names the one by which it moves
 * where that is another. A `door` is the end of the path of the part that the arrow passes through.
 * @typedef {{
 *   readonly id: string, readonly from: string, readonly to: string,
 *   readonly way: "right" | "both" | "down" | "up" | "left",
 *   readonly counters: readonly (readonly [name: string, unit: string])[],
 *   readonly moves?: string, readonly door?: string,
 * }} Link
 *
 * One of the two pictures.
 * @typedef {{
 *   readonly id: "delivery" | "messages", readonly title: string, readonly lead: string,
 *   readonly stations: readonly Station[], readonly links: readonly Link[],
 * }} Half
 *
 * A step of a walk: where it stands, by station id or the end of a path, and what happens there.
 * @typedef {{ readonly at: string, readonly says: string }} Step
 */

/** The first part of the paths of what is outside of the node. */
export const OUTSIDE = "outside";

/** @type {readonly (readonly [Platform, string])[]} */
const PLATFORMS = [["apns", "APNs"], ["fcm", "FCM"], ["webpush", "Web Push"]];

/** @type {Half} */
export const DELIVERY = {
  id: "delivery",
  title: "Notifications to providers",
  lead: "From the request that comes in to the outcome of each of its recipients.",
  stations: [
    { id: "api", end: "push/listeners/api", needs: "feeder" },
    { id: "sources", end: "pipeline/delivery/sources" },
    { id: "feeder", end: "pipeline/delivery/feeder" },
    { id: "router", end: "pipeline/delivery/router" },
    { id: "batches", end: "pipeline/delivery/batches" },
    ...PLATFORMS.flatMap(([platform, label]) => [
      { id: `gateway-${platform}`, end: `pipeline/gateways/${platform}/gateway`, label },
      { id: `provider-${platform}`, needs: `gateway-${platform}` },
    ]),
    { id: "recorder", end: "pipeline/sinks/recorder" },
    { id: "store", needs: "recorder" },
    { id: "sinks", end: "pipeline/sinks", needs: "recorder" },
  ],
  links: [
    link("accepted", "api", "feeder", "right", [["notifications", "notifications"]]),
    link("expanded", "feeder", "router", "right", [["recipients", "recipients"]]),
    link("claimed", "router", "batches", "right", [[
      "pipeline/delivery/batches#started",
      "batches",
    ]]),
    ...PLATFORMS.flatMap(([platform]) => [
      {
        ...link(`blocks-${platform}`, "batches", `gateway-${platform}`, "both", []),
        moves: `answers.${platform}`,
      },
      {
        ...link(`answers-${platform}`, `gateway-${platform}`, `provider-${platform}`, "both", [
          [`answers.${platform}`, "answers"],
        ]),
        door: `pipeline/gateways/${platform}/connections`,
      },
    ]),
    link("results", "batches", "recorder", "down", [["batches", "results"]]),
    link("outcomes", "recorder", "store", "left", [["outcomes", "outcomes"]]),
    { ...link("followed", "store", "sinks", "left", []), moves: "outcomes" },
    link("again", "store", "router", "up", [["retries", "to try again"]]),
  ],
};

/** @type {Half} */
export const MESSAGES = {
  id: "messages",
  title: "Messages to devices",
  lead: "The Web Push half: from application servers to the devices that are connected here.",
  stations: [
    { id: "senders", needs: "endpoint" },
    { id: "endpoint", end: "push/listeners/pushEndpoint" },
    { id: "registry", end: "push/messages/registry" },
    { id: "sessions", end: "push/messages/sessions", needs: "sockets" },
    { id: "devices", needs: "sockets" },
    { id: "messages", needs: "registry" },
    { id: "forwarder", end: "cluster/forwarder" },
    { id: "nodes", needs: "forwarder" },
  ],
  links: [
    link("posted", "senders", "endpoint", "right", [["posts", "posts"]]),
    { ...link("kept", "endpoint", "messages", "down", []), moves: "posts" },
    link("handed-on", "endpoint", "registry", "right", [["posts", "messages"]]),
    link("direct", "registry", "sessions", "right", [["direct", "messages"]]),
    link("waiting", "registry", "messages", "down", [["stored", "left waiting"]]),
    {
      ...link("handed", "sessions", "devices", "both", [
        ["handed", "messages"],
        ["acknowledged", "acknowledged"],
      ]),
      door: "push/listeners/deviceSockets",
    },
    { ...link("elsewhere", "registry", "forwarder", "down", []), moves: "forwarded" },
    link("forwarded", "forwarder", "nodes", "right", [["forwarded", "messages"]]),
  ],
};

/** Parts that decide whether something is drawn without being boxes themselves. */
const DECIDE = { sockets: "push/listeners/deviceSockets" };

/**
 * @param {string} id
 * @param {string} from
 * @param {string} to
 * @param {Link["way"]} way
 * @param {Link["counters"]} counters
 * @returns {Link}
 */
function link(id, from, to, way, counters) {
  return { id, from, to, way, counters };
}

/**
 * What a node has of a half.
 *
 * @param {Half} half
 * @param {string} root The path of the tree.
 * @param {ReadonlyMap<string, import("./tour_tree.js").Part>} parts
 * @returns {{
 *   readonly stations: readonly (Station & { readonly path: string })[], readonly links: readonly Link[],
 * }} Empty when it takes no part in it.
 */
export function drawnHalf(half, root, parts) {
  const has = (/** @type {string} */ end) => {
    const part = parts.get(`${root}/${end}`);
    // A branch without children is there only to be able to have some.
    return part !== undefined && (part.kind !== "supervisor" || part.children.length > 0);
  };
  /** @type {Set<string>} */
  const drawn = new Set();
  for (const [id, end] of Object.entries(DECIDE)) if (has(end)) drawn.add(id);
  for (const { id, end } of half.stations) if (end !== undefined && has(end)) drawn.add(id);
  // Who needs one that is not there is not there either; those needed have no needs that are outside.
  for (const { id, end, needs } of half.stations) {
    if (needs === undefined) continue;
    if (!drawn.has(needs)) drawn.delete(id);
    else if (end === undefined) drawn.add(id);
  }
  const stations = half.stations.filter(({ id }) => drawn.has(id)).map((station) => ({
    ...station,
    path: pathOf(station, root),
  }));
  const links = half.links.filter(({ from, to }) => drawn.has(from) && drawn.has(to));
  // The registry alone, on a node that neither takes posts nor has devices, has nothing to show.
  return stations.length < 3 ? { stations: [], links: [] } : { stations, links };
}

/**
 * @param {Station} station
 * @param {string} root
 */
function pathOf({ id, end }, root) {
  return end === undefined ? `${OUTSIDE}/${id.replace("provider-", "")}` : `${root}/${end}`;
}

/** @type {readonly { readonly id: string, readonly title: string, readonly steps: readonly Step[] }[]} */
export const WALKS = [
  {
    id: "notification",
    title: "A notification's way",
    steps: [
      {
        at: "push/listeners/api",
        says:
          "Somebody sends a notification to everybody with a tag. The API checks it and writes it into the store; only then it says yes.",
      },
      {
        at: "outside/store",
        says:
          "From now on it cannot be lost: whatever crashes, its place here says how far it has come.",
      },
      {
        at: "pipeline/delivery/feeder",
        says:
          "Who are they? The feeder has the store turn the audience into batches of up to 1,000 recipients.",
      },
      {
        at: "pipeline/delivery/router",
        says:
          "The batches wait in the queue. The router claims as many as this node may have in flight.",
      },
      {
        at: "pipeline/delivery/batches",
        says:
          "Each claimed batch becomes an actor. It loads its recipients and hands them to the gateway of its platform.",
      },
      {
        at: "pipeline/gateways/apns/gateway",
        says:
          "The gateway writes the request once for all recipients, here as Apple wants it, and looks for a connection with room.",
      },
      {
        at: "pipeline/gateways/apns/connections",
        says:
          "Hundreds of requests travel over one connection at once. When that is not enough, another one is opened.",
      },
      {
        at: "outside/apns",
        says:
          "The provider answers each request: taken, refused, try again later, or this device is gone.",
      },
      {
        at: "pipeline/delivery/guard",
        says:
          "Back in its batch, the answers are shown to the guard. Do they make sense, or is a key wrong? Are there too many retries?",
      },
      {
        at: "pipeline/sinks/recorder",
        says:
          "Now each recipient has an outcome or another attempt. The recorder writes all of it in one transaction.",
      },
      {
        at: "pipeline/sinks/feedback",
        says:
          "Those who want to know read on from there. The feedback takes dead devices out of all audiences.",
      },
      { at: "pipeline/sinks/history", says: "The history adds it to what is kept for two days." },
      {
        at: "pipeline/sinks/bars/monitor",
        says:
          "And the monitor draws it: a second later it is a part of a bar in the deliveries view.",
      },
      {
        at: "pipeline/sinks/resultSweeper",
        says:
          "When the time for which results are kept is over, the sweeper removes them. That was its life.",
      },
    ],
  },
  {
    id: "message",
    title: "A Web Push message's way",
    steps: [
      {
        at: "push/listeners/deviceSockets",
        says: "It begins with a device: a browser opens a connection and says hello.",
      },
      {
        at: "push/messages/sessions",
        says:
          "It gets a session, an actor of its own, and subscribes. The address it is given goes to an application server.",
      },
      {
        at: "outside/senders",
        says: "Some day that server has something to say, and posts it to that address.",
      },
      {
        at: "push/listeners/pushEndpoint",
        says: "The push endpoint looks whether there is such a subscription.",
      },
      {
        at: "outside/messages",
        says:
          "A message with a time to live is written into the store, and then accepted. From now on it cannot be lost.",
      },
      {
        at: "push/messages/registry",
        says:
          "Is the device connected here? The registry knows, and gives the message to its session.",
      },
      {
        at: "cluster/forwarder",
        says:
          "If not, it may be connected to another node: the forwarder asks the store, and hands the message over.",
      },
      {
        at: "outside/devices",
        says:
          "The session writes it to the device's connection. The device decrypts it, shows it, and says that it has it.",
      },
      {
        at: "push/messages/broadcasts",
        says:
          "Beside messages for one there is news for all: broadcasts tell every device that something has changed.",
      },
      {
        at: "push/messages/sweeper",
        says:
          "What was acknowledged is removed from the store. What nobody fetched in its time is removed by the sweeper.",
      },
    ],
  },
];

/**
 * The steps of a walk that this node can show, each with the path of where it stands.
 *
 * @param {readonly Step[]} steps
 * @param {string} root
 * @param {{ has(path: string): boolean }} parts
 * @param {{ has(path: string): boolean }} outside What is drawn of what is outside.
 * @returns {readonly { readonly path: string, readonly says: string }[]}
 */
export function stepsHere(steps, root, parts, outside) {
  return steps.flatMap(({ at, says }) => {
    if (at.startsWith(`${OUTSIDE}/`)) return outside.has(at) ? [{ path: at, says }] : [];
    const path = `${root}/${at}`;
    return parts.has(path) ? [{ path, says }] : [];
  });
}
