// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/**
 * What the parts of the Web Push half do, in plain words, and those that join nodes: from the post of an
 * application server to the acknowledgement of a device.
 *
 * @module
 */

/** @typedef {import("./tour_texts.js").PartText} PartText */

const DOOR_WAITS =
  "Questions whether it is open, as from the readiness check. Requests do not wait here: each is taken as it comes.";
const DOOR_WHY =
  "One actor per door, so that the door is open exactly as long as the actor lives, and can be closed first when " +
  "the node stops.";

/** By the name of the actor. @type {Readonly<Record<string, PartText>>} */
export const MESSAGES_ACTORS = {
  registry: {
    title: "Registry",
    what:
      "Knows which device is connected here, and through which session. Every message for a connected device " +
      "passes through here. A device that says hello again takes the place of its older connection, and that one " +
      "is told to end.",
    why: "One actor, so that a device has one session at any moment and there is no doubt which.",
    crash:
      "Without it the sessions could not be found, so all of them end with it, and the devices connect again. " +
      "What they did not acknowledge is in the store and waits for them.",
    waits:
      "Messages to hand over, and devices that come and go. There is room for 16,384. A post that finds none waits; " +
      "after five seconds it is accepted all the same, since its message is in the store, unless it was to be " +
      "delivered now or never.",
  },
  broadcasts: {
    title: "Broadcasts",
    what:
      "Knows the version of each broadcast, which is news for all devices at once, such as that a list of settings " +
      "has changed. It asks their source now and then, and tells each session what is new for it.",
    why: "One actor, so that the source is asked once and not by each of thousands of devices.",
    crash:
      "It asks the source again at its start. The sweeper and the sessions are started after it, so they are " +
      "stopped with it, and the devices connect again.",
    waits:
      "Questions of sessions, one at each hello. There is room for 16,384, for when all devices come back at once.",
  },
  sweeper: {
    title: "Sweeper",
    what:
      "Removes messages whose time is over, and user agents that have not been seen for long, 1,000 rows at a " +
      "step, once a minute. An expired message is never delivered, swept or not.",
    why: "One actor with one job: small steps, so that posts are written in between.",
    crash:
      "It sweeps again a minute later. The sessions are started after it, so they end with it, and the devices " +
      "connect again.",
    waits: "Nothing from others: it goes by its own clock.",
  },
  device_session: {
    title: "Device session",
    what:
      "One device's connection: answers its hello, gives it its messages, up to 128 at a time without an " +
      "acknowledgement, removes what it acknowledges from the store, and pings it now and then.",
    why: "One actor per connection: each device has its own pace, and its trouble is its own.",
    crash:
      "The connection ends and nothing else does. The device connects again, and gets from the store what it " +
      "has not acknowledged.",
    waits:
      "What the device says, and messages for it. There is room for 128. When it is full, the registry leaves the " +
      "message in the store and has the session look there later; what the device says is not read from its " +
      "socket until there is room.",
  },
  push_endpoint: {
    title: "Push endpoint",
    what:
      "The door for application servers: they post messages for a subscription here (RFC 8030). A message is " +
      "written into the store before it is accepted, unless it is to be delivered now or never.",
    why: DOOR_WHY,
    crash:
      "The door is opened again at the same port within seconds; posts that were under way are cut off.",
    waits: DOOR_WAITS,
  },
  device_sockets: {
    title: "Device sockets",
    what:
      "The door for devices: it takes their WebSocket connections and starts a session for each.",
    why: DOOR_WHY,
    crash: "The door is opened again at the same port within seconds, and devices connect again.",
    waits: DOOR_WAITS,
  },
  api: {
    title: "API",
    what:
      "The door for you and your programs: notifications, devices and apps, metrics, and this page. A " +
      "notification is accepted when it is in the store.",
    why: DOOR_WHY,
    crash:
      "The door is opened again at the same port within seconds; this page comes back by itself. What was " +
      "accepted is sent meanwhile.",
    waits: DOOR_WAITS,
  },
  forwarder: {
    title: "Forwarder",
    what:
      "Hands messages to devices that are connected to other nodes. It asks the store where a device is, up to 512 " +
      "at a time, and sends the message there in a block with others.",
    why:
      "One actor, so that there is one question to the store and one block to each node under way.",
    crash:
      "Messages in hand stay in the store, and their devices find them when they look there next. It is started " +
      "again within seconds.",
    waits:
      "Messages whose device is not here. There is room for 16,384; what finds none stays in the store until its " +
      "device looks there.",
  },
  node_port: {
    title: "Node port",
    what:
      "The door for the other nodes of this store: they hand over messages for devices that are connected here.",
    why: DOOR_WHY,
    crash: "The door is opened again within seconds; the other nodes try again after one.",
    waits: DOOR_WAITS,
  },
  lease_keeper: {
    title: "Lease keeper",
    what:
      "Keeps this node in the directory of those that share its store, with a sign of life every 2.5 seconds. When " +
      "another node gives none for ten seconds, it makes the batches of that one due again.",
    why: "One actor, so that nothing else can make this node seem dead to the others.",
    crash:
      "It is started again within seconds and enters the directory anew. Should that take more than ten, the " +
      "others take this node for dead, and its sessions look into the store when it is back.",
    waits: "Nothing from others: it goes by its own clock.",
  },
};

/** By the name of the actor of a pool. @type {Readonly<Record<string, PartText>>} */
export const MESSAGES_POOLS = {
  device_session: {
    title: "Device sessions",
    what:
      "All devices that are connected to this node, one actor each: 20,000 unless it is set otherwise. Most of " +
      "them wait in silence for most of the time.",
    why: "One actor per connection: each device has its own pace, and its trouble is its own.",
    crash:
      "A pool starts nobody again: a device whose session crashed connects again, and gets from the store what " +
      "it has not acknowledged.",
    waits:
      "Messages in the mailbox of each session, up to 128. The columns show how many sessions have how many " +
      "waiting; nearly all should have none.",
  },
};

/** By the path of the supervisor, its tree first. @type {Readonly<Record<string, PartText>>} */
export const MESSAGES_SUPERVISORS = {
  push: {
    title: "Web Push half, and the doors",
    what:
      "All that takes messages of application servers to devices, and the doors of this node. The doors open last " +
      "and close first, so that nothing new comes in while the rest is started or stopped.",
    why: "The doors hand what comes in to the half above them, so they are started after it.",
    crash: "When the messages half gives up, the doors are closed and opened again with it.",
  },
  "push/messages": {
    title: "Messages",
    what: "Knows who is connected, and brings messages to them.",
    why: "Sessions are known to the registry: one without the other is of no use.",
    crash:
      "What was started after the part that crashed is started again with it: sessions hang on the registry.",
  },
  "push/listeners": {
    title: "Doors",
    what: "The ports at which this node listens, those that its roles need.",
    why: "Side by side: that one door has to be opened again does not concern the others.",
    crash: "Each door is opened again by itself.",
  },
  cluster: {
    title: "Other nodes",
    what: "What nodes that share a store do for each other.",
    why:
      "It starts before the doors and stops after them: who is connected can be found as long as it is here.",
    crash: "Each is started again by itself, after half a second and up to ten.",
  },
  "cluster/doors": {
    title: "Node door",
    what: "The port at which the other nodes reach this one, if it has one.",
    why: "A branch of its own, so that it can be empty.",
    crash: "The door is opened again by itself.",
  },
};

/** What is outside of the node, by its name in the flow. @type {Readonly<Record<string, PartText>>} */
export const OUTSIDE = {
  apns: {
    title: "Apple",
    what:
      "The Apple Push Notification service takes notifications for iPhones, iPads and Macs, and brings them there.",
    why: "Not a part of this node: it is where the way of a notification ends for us.",
    crash:
      "When it does not answer, what was sent to it is tried again later, with growing pauses, until the " +
      "notification's time is over.",
  },
  fcm: {
    title: "Google",
    what:
      "Firebase Cloud Messaging takes notifications for Android devices and others, and brings them there.",
    why: "Not a part of this node: it is where the way of a notification ends for us.",
    crash:
      "When it does not answer, what was sent to it is tried again later, with growing pauses, until the " +
      "notification's time is over.",
  },
  webpush: {
    title: "Push services",
    what:
      "Each browser has a push service, named in its subscription: Mozilla's, Google's, Apple's, or one like the " +
      "Web Push half of this node.",
    why: "Not a part of this node: it is where the way of a notification ends for us.",
    crash:
      "When one does not answer, what was sent to it is tried again later, with growing pauses, until the " +
      "notification's time is over.",
  },
  store: {
    title: "Store",
    what:
      "Where all is kept that must outlive a crash: apps, devices, notifications, the queue of batches, results. It " +
      "is a file of SQLite, PostgreSQL or Redis; with a shared one several nodes work on the same queue.",
    why: "All state that matters is here, so that each part of the tree may crash and begin anew.",
    crash:
      "While it cannot be reached nothing new is accepted or claimed. Answers of providers that have come in are " +
      "held by their batches, and written when it is back.",
  },
  messages: {
    title: "Message store",
    what:
      "Where messages wait for their devices, with subscriptions and user agents. A message with a time to live is " +
      "here before its sender is told that it was accepted.",
    why: "A device that is away, or a node that crashes, must not cost a message.",
    crash: "While it cannot be reached posts are refused, and application servers try again.",
  },
  senders: {
    title: "Application servers",
    what: "They post messages for browsers and apps whose subscription names this node.",
    why: "Not a part of this node: anybody who was given a subscription may post to it.",
    crash: "Nothing here waits for any of them.",
  },
  devices: {
    title: "Devices",
    what: "Browsers and apps that keep a connection open, and get their messages over it at once.",
    why: "Not a part of this node.",
    crash:
      "One that is gone has its messages kept until it comes back, or until their time is over.",
  },
  nodes: {
    title: "Other nodes",
    what: "Nodes that share this node's store. The nodes view shows how they are.",
    why: "Not a part of this node: each has a tree like this one.",
    crash:
      "When one dies, its batches are due again within seconds, and its devices connect to another one.",
  },
};
