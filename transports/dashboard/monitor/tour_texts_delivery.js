// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/**
 * What the parts of the delivery pipeline do, in plain words: from a notification that was accepted to the
 * outcomes of its recipients.
 *
 * @module
 */

/** @typedef {import("./tour_texts.js").PartText} PartText */

const SINK_WHY =
  "One actor per receiver: one that is slow or away holds up no batch and no other receiver. What it " +
  "missed meanwhile is in the store, and read from there. Of several nodes that share a store, one at a time " +
  "feeds it.";
const SINK_CRASH =
  "It crashes by design: a receiver that refuses, or takes more than 30 seconds, ends this actor and nothing " +
  "else. It is started again after a pause that grows from one second to a minute, and goes on after the last " +
  "page that was taken. So nothing is left out, and a page may come twice.";
const SINK_WAITS =
  "Only the word that there is something new, and one is as good as many: there is room for one, and others " +
  "are dropped. The outcomes themselves wait in the store.";

/**
 * A receiver of outcomes.
 *
 * @param {string} title
 * @param {string} what
 * @returns {PartText}
 */
function sink(title, what) {
  return { title, what, why: SINK_WHY, crash: SINK_CRASH, waits: SINK_WAITS };
}

/**
 * A platform's gateway.
 *
 * @param {string} title
 * @param {string} how
 * @returns {PartText}
 */
function gateway(title, how) {
  return {
    title,
    what:
      `Sends blocks of recipients to one provider. ${how} It gives each block to the connection with the most ` +
      "room, and opens another one when requests would wait longer than a quarter of a second. What a connection " +
      "did not send goes over another one, three times at most. When half of the recent answers are failures, " +
      "it leaves that address alone for a second, later for up to 20, and tries it with eight recipients.",
    why:
      "One actor per platform: one place knows all connections to the provider and how well it answers, and " +
      "trouble with one provider stays with it.",
    crash:
      "It is started again within seconds and opens new connections. The answers of blocks in hand are lost: " +
      "their batches end without a result and are claimed again. The other platforms notice nothing.",
    waits:
      "Blocks that batches hand over, and news of its connections. There is room for 4,096, far more than all " +
      "batches in flight need; a batch that finds none waits for it.",
  };
}

/** By the name of the actor. @type {Readonly<Record<string, PartText>>} */
export const DELIVERY_ACTORS = {
  feeder: {
    title: "Feeder",
    what:
      "Turns the audience of each accepted notification into batches of up to 1,000 recipients. It asks the " +
      "store for one step after the other, 10,000 recipients each; the audience itself never passes through " +
      "here. Of several notifications each has a step in turn, so a small one does not wait for a large one.",
    why: "One actor, because the store does the work: all that is left is to say what is next.",
    crash:
      "It is started again, looks into the store and goes on. The store remembers how far each audience has " +
      "come, so nobody is left out and nobody is in two batches. Batches that exist are sent meanwhile.",
    waits:
      "The word that a notification came in or ended. One word is as good as many: there is room for one, and " +
      "others are dropped. It looks by itself after a second, too.",
  },
  router: {
    title: "Router",
    what:
      "Claims batches from the queue for this node and starts an actor for each. The number in flight is " +
      "bounded (128 unless it is set otherwise), and so is each lane, which is one app on one platform, to 16: a " +
      "provider that hangs leaves room for the others. Lanes that a provider asked to leave alone are not " +
      "claimed from until their time.",
    why: "One actor, so that one place counts what is in flight and the bounds hold.",
    crash:
      "Batches at work go on, and the new router counts their places as taken. A batch that was claimed and not " +
      "yet started is free again when its claim ends, after 30 seconds.",
    waits:
      "News that a batch has ended, and the word that there is work. There is room for 4,096; an end that finds " +
      "none waits for it, since ends are counted.",
  },
  batch: {
    title: "Batch",
    what:
      "Carries one batch from its recipients to its recorded result: it loads them, has the gateway send to " +
      "them, asks the guard what to make of the answers, and hands the result to the recorder. Meanwhile it " +
      "renews its claim every ten seconds. Who is to be tried again becomes a batch of its own, for later: no " +
      "batch waits for a retry.",
    why:
      "One actor per batch: what goes wrong with one costs its recipients some time, and nobody else anything.",
    crash:
      "It is not started again. Its claim ends after 30 seconds without a sign of life, and then this node or " +
      "another one claims it anew, with the same delivery ids. A batch that ends so five times is given up, and its " +
      "recipients have failed.",
    waits:
      "Nothing from others: all it hears is what it asked for itself. So it needs room for one.",
  },
  guard: {
    title: "Guard",
    what:
      "Watches over each lane, which is one app on one platform, in two ways. Retry budget: ten first requests " +
      "earn one retry, and what goes beyond that and some savings waits a minute, so that a provider in trouble " +
      "is not asked twice as much. Brake: when more than a fifth of the recent answers say that devices are gone, a wrong key is " +
      "likelier than so many dead devices. The lane is paused, and no device is taken for dead.",
    why:
      "One actor that all batches ask: only who sees the answers of all of them can tell a dead device from a " +
      "wrong key.",
    crash:
      "Budgets and counts begin anew. A batch that was waiting for its word asks once more. Lanes that are paused " +
      "stay paused: the store remembers that.",
    waits:
      "Questions of batches that have their answers. There is room for 1,024; a batch that finds none waits.",
  },
  apns_gateway: gateway(
    "APNs gateway",
    "This one talks to Apple, over HTTP/2: many requests travel on one connection at once.",
  ),
  fcm_gateway: gateway(
    "FCM gateway",
    "This one talks to Google's Firebase Cloud Messaging, one request for each recipient, many on one " +
      "connection at once.",
  ),
  webpush_gateway: gateway(
    "Web Push gateway",
    "This one talks to the push services of browsers, each at its own address; each message is encrypted for " +
      "its recipient first.",
  ),
  connection: {
    title: "Connection",
    what:
      "One connection to a provider: opens it, within 15 seconds or not at all, carries requests over it, many at " +
      "once, and ends with it. When the provider says goodbye, it waits for the answers that are still to come.",
    why:
      "One actor per connection: one that breaks takes its own requests with it and no others. One that has " +
      "nothing to do for 15 minutes is closed.",
    crash:
      "It is not started again; its gateway opens another one when it needs it. Whether requests it had in hand " +
      "were processed is unknown: they are tried again later.",
    waits:
      "Blocks of requests. There is room for 1,024, but its gateway gives it only so much that it never idles.",
  },
  recorder: {
    title: "Recorder",
    what:
      "Writes what batches came to into the store: counts, rows about recipients, who is to be tried again, and " +
      "the end of the batch, all in one transaction. It offers many results at a time, so that the store can " +
      "write them together, and then tells the receivers of outcomes that there is something to read.",
    why:
      "One actor, so that a store which stands still is given each result once, however often its batch offers it.",
    crash:
      "Batches offer their results again a second later. One that was written already does not count twice: the " +
      "claim that goes with it is used up.",
    waits:
      "Results of batches. There is room for 1,024; a batch that finds none for ten seconds offers its result " +
      "again a second later.",
  },
  feedback_sink: sink(
    "Feedback",
    "Marks devices whose address is dead, because the provider said so, and they leave all audiences. A device " +
      "that was registered again since is left alone.",
  ),
  history_sink: sink(
    "History",
    "Adds what ended to slots of ten seconds, which the store keeps for 48 hours: the bars of an hour and of a " +
      "day are drawn from them. The store adds and remembers how far it has come in one transaction, so each " +
      "result counts once, also when a page comes twice.",
  ),
  webhook_sink: sink(
    "Webhook",
    "Posts outcomes to an address of yours, signed, up to 1,000 at a time and in the order of the store.",
  ),
  file_sink: sink("File", "Appends outcomes to a file, one line of JSON for each."),
  influx_sink: sink(
    "InfluxDB",
    "Writes counts of outcomes into InfluxDB as points. A page that comes again overwrites its own points.",
  ),
  counters_sink: sink("Counters", "Adds up outcomes in counters that Redis keeps."),
  rows_sink: sink("Rows", "Writes a row for each outcome into PostgreSQL."),
  sink: sink(
    "Sink",
    "Hands outcomes to a receiver that was named when this node was started, a page at a time and in the " +
      "order of the store.",
  ),
  monitor: {
    title: "Monitor",
    what:
      "Counts how many recipients ended how in each second of the last ten minutes: the bars of the deliveries " +
      "view. Every second it tells the pages that watch.",
    why: "One ring of counters costs the same for one batch a minute as for a thousand a second.",
    crash:
      "The bars of the last ten minutes are gone and begin anew: they are for eyes. The exact counts are in the " +
      "store.",
    waits:
      "Results of batches. There is room for 4,096, more than a second of them; beyond that the oldest is " +
      "dropped, and a bar is too low. No count in the store is.",
  },
  bar_follower: {
    title: "Bar follower",
    what:
      "Reads once a second what all nodes of this store have delivered, and gives it to the monitor: the results " +
      "of this node alone would be a part of the picture.",
    why: "One actor, so that reading from a slow store never holds up the monitor.",
    crash: "Started again, it goes on where it was; the bars stand still meanwhile.",
    waits: "Nothing from others: it looks by itself.",
  },
  result_sweeper: {
    title: "Result sweeper",
    what:
      "Removes results whose time is over, once a minute, 2,000 rows at a step, so that the results of batches " +
      "are written in between.",
    why: "One actor with one job: that it is busy holds up nobody.",
    crash: "It sweeps again a minute later. What is left lying costs space and nothing else.",
    waits: "Nothing from others: it goes by its own clock.",
  },
  source: {
    title: "Source",
    what:
      "Takes notifications from elsewhere, as from a stream in Redis, one entry after the other: it stores the " +
      "notification, then acknowledges the entry, and only then asks for the next one. A store that is full so " +
      "holds the source back.",
    why:
      "One actor per source: one that is away is opened again and again without anybody else noticing.",
    crash:
      "The entry in hand was not acknowledged, so it comes again; its id makes sure that there is no second " +
      "notification. An entry that was handed out five times is set aside, with the reason.",
    waits: "Nothing from others. What is to come waits in the source itself.",
  },
};

/** By the name of the actor of a pool. @type {Readonly<Record<string, PartText>>} */
export const DELIVERY_POOLS = {
  batch: {
    title: "Batches",
    what:
      "The batches in flight on this node, one actor each: up to 1,000 recipients of one app on one platform, from " +
      "the claim to the recorded result. They come and go every moment.",
    why:
      "One actor per batch: what goes wrong with one costs its recipients some time, and nobody else anything.",
    crash:
      "A pool starts nobody again. The claim of a batch that crashed ends after 30 seconds, and it is claimed " +
      "anew. When the node stops, batches have ten seconds to end; the rest is handed back.",
    waits: "Batches wait in the queue, not here: the router claims only what has a place.",
  },
  connection: {
    title: "Connections",
    what:
      "The open connections to one provider, one actor each. Each carries many requests at once; another one is " +
      "opened when those there are cannot keep up.",
    why: "One actor per connection: one that breaks takes its own requests with it and no others.",
    crash:
      "A pool starts nobody again: the gateway opens a connection when it needs one. The gateway itself goes on, " +
      "and sends again what was not processed.",
    waits:
      "Blocks of requests, in the mailbox of each connection. Most of the time there is one or none.",
  },
};

/** By the path of the supervisor, its tree first. @type {Readonly<Record<string, PartText>>} */
export const DELIVERY_SUPERVISORS = {
  pipeline: {
    title: "Delivery pipeline",
    what:
      "All that moves notifications to the providers. It starts top to bottom and stops bottom to top: first " +
      "nothing new is claimed, then batches in flight end, connections close, and the last results are written.",
    why: "Under one roof, so that they start and stop in an order in which nothing is lost.",
    crash: "Each of its three branches is started again by itself; the others go on.",
  },
  "pipeline/sinks": {
    title: "Outcomes",
    what: "Writes what batches came to, and hands it on to all who want to know.",
    why: "They all live on what the recorder has written, and on nothing of each other.",
    crash:
      "Each is started again by itself. It allows many restarts: a receiver may be away for a night.",
  },
  "pipeline/sinks/bars": {
    title: "Bars",
    what: "What the deliveries view shows second by second.",
    why: "It is for eyes, and so kept apart from what counts exactly.",
    crash: "The monitor or its follower is started again; deliveries go on.",
  },
  "pipeline/sinks/bars/followers": {
    title: "Followers",
    what:
      "Who tells the monitor of other nodes. Empty when this node's own results are all there are.",
    why: "A branch of its own, so that it can be empty.",
    crash: "The follower is started again by itself.",
  },
  "pipeline/sinks/others": {
    title: "Receivers",
    what:
      "The receivers of outcomes that were named when this node was started: webhook, file and the like.",
    why: "A branch of its own, because their failures have causes outside, and are expected.",
    crash: "Each is started again by itself, after a pause that grows up to a minute.",
  },
  "pipeline/gateways": {
    title: "Gateways",
    what: "One gateway for each platform, with its connections.",
    why: "Side by side, so that a provider in trouble stays by itself.",
    crash: "Each platform is started again by itself.",
  },
  "pipeline/gateways/apns": {
    title: "APNs",
    what: "The gateway to Apple and its connections.",
    why: "The pool of connections comes first, since the gateway works with it.",
    crash: "When the gateway crashes, it alone is started again, and opens connections anew.",
  },
  "pipeline/gateways/fcm": {
    title: "FCM",
    what: "The gateway to Google and its connections.",
    why: "The pool of connections comes first, since the gateway works with it.",
    crash: "When the gateway crashes, it alone is started again, and opens connections anew.",
  },
  "pipeline/gateways/webpush": {
    title: "Web Push",
    what: "The gateway to the push services of browsers and its connections.",
    why: "The pool of connections comes first, since the gateway works with it.",
    crash: "When the gateway crashes, it alone is started again, and opens connections anew.",
  },
  "pipeline/delivery": {
    title: "Delivery",
    what: "Makes batches, claims them and carries them out.",
    why: "None of them holds what the crash of another one makes wrong: all of it is in the store.",
    crash: "Each is started again by itself; batches go on through it.",
  },
  "pipeline/delivery/sources": {
    title: "Sources",
    what: "Where notifications come from beside the API. Empty when no source is set.",
    why: "A branch of its own, because their failures have causes outside.",
    crash: "Each is started again by itself, after a pause that grows up to half a minute.",
  },
  bars: {
    title: "Bars",
    what:
      "This node delivers nothing itself; so that its pages can show what the others do, it follows their " +
      "results in the store.",
    why: "A tree of its own: it is all of the pipeline that such a node needs.",
    crash: "The monitor or its follower is started again.",
  },
  "bars/followers": {
    title: "Followers",
    what: "Who tells the monitor of the other nodes.",
    why: "A branch of its own, as on nodes that deliver.",
    crash: "The follower is started again by itself.",
  },
};
