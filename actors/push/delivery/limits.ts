/**
 * Every bound of the delivery pipeline, with its reason. Bounds an operator may want to change are
 * settings with these values as defaults; the others are constants.
 *
 * @module
 */

/** Recipients of one batch: large enough that what a batch costs is nothing for each of them, small enough that a crash repeats little. */
export const BATCH_RECIPIENTS_MAX = 1_000;

/** Batches in flight on a node: about 128,000 recipients with their addresses, some 25 MB. */
export const BATCHES_MAX = 128;

/** Batches of one lane in flight: a lane whose provider hangs leaves seven eighths to the others. */
export const LANE_BATCHES_MAX = 16;

/** How long a batch may stay without a sign of life before another node may claim it. */
export const LEASE_MS = 30_000;

/** Time between two renewals of a lease: two may fail before it ends. */
export const LEASE_RENEW_MS = 10_000;

/** Deliveries of a batch that ended without a result, after which it is given up: what crashes a node five times will again. */
export const BATCH_DELIVERIES_MAX = 5;

/** Requests made for one recipient before it is given up, whatever time is left: with the backoff below, some hours. */
export const ATTEMPTS_MAX = 16;

/** Delay before the second request for a recipient; doubled for each one after it, with jitter. */
export const RETRY_MIN_MS = 1_000;

/** Largest delay between two requests for a recipient that no provider asked for: Apple advises 15 minutes after a 500. */
export const RETRY_MAX_MS = 900_000;

/** Share of jitter in a delay, so that recipients who failed together do not come back together. */
export const RETRY_JITTER = 0.5;

/** Delay of recipients whose lane has spent its retry budget. */
export const OVER_BUDGET_MS = 60_000;

/** Retries a lane may make for each first request, so that a failing provider is not asked twice as much as a sound one. */
export const RETRY_SHARE = 0.1;

/** Retries a lane may make beyond its share, before it has sent much, and at most save up. */
export const RETRIES_SAVED_MAX = 10_000;

/** Answers over which doubtful ones are counted before an app is paused. */
export const BRAKE_ANSWERS_MIN = 50;

/** Share of doubtful answers that pauses an app: a wrong key or environment makes all of them so, a neglected list some. */
export const BRAKE_SHARE = 0.2;

/** Answers after which the brake's counts are halved, so that it looks at the recent past. */
export const BRAKE_WINDOW = 10_000;

/** Answers of a lane that are believed, whatever they say, after somebody resumed it. */
export const BRAKE_TRUSTED = 10_000;

/** Lanes whose budget and brake are remembered; the one used longest ago is forgotten. */
export const LANES_MAX = 10_000;

/** Messages that may wait for the router: an end and a few pokes for each batch in flight. */
export const ROUTER_MAILBOX = 4_096;

/** Time after which the router looks at the queue though nobody told it to: other nodes put work there. */
export const ROUTER_LOOK_MS = 1_000;

/** Time after which the feeder looks at the store though nobody told it to. */
export const FEEDER_LOOK_MS = 1_000;

/** Notifications expanded in turns: a small one does not wait for a large one. */
export const EXPANDING_MAX = 16;

/** Recipients put into batches by one step of one notification; some milliseconds of the store's writer. */
export const EXPAND_STEP = 10_000;

/** Delay before something the store could not do is tried again. */
export const STORE_RETRY_MS = 1_000;

/** Time in which a batch must have its answers, whatever the gateway does: longer than a thousand requests of the slowest provider through one connection. */
export const GATEWAY_MS = 600_000;

/** Time a batch in flight has to end when the node stops; then its lease is left to run out. */
export const BATCH_DRAIN_MS = 10_000;

/** Time in which the store must have recorded a result; then the batch offers it again. */
export const COMMIT_MS = 10_000;

/** Results that may wait for the store: one for each batch in flight, and some of a node that was restarted. */
export const RECORDER_MAILBOX = 1_024;

/** Blocks that may wait for a gateway: one for each batch in flight. */
export const GATEWAY_MAILBOX = 4_096;

/** Notifications a gateway keeps rendered. */
export const PREPARED_MAX = 256;

/** Destinations a gateway remembers, beside those in use. */
export const DESTINATIONS_MAX = 4_096;

/** Connections of one gateway. */
export const CONNECTIONS_MAX = 1_024;

/** Blocks that may wait for one connection. */
export const CONNECTION_MAILBOX = 1_024;

/** Times a request that was not processed is sent again over another connection, before it becomes a retry with a delay. */
export const RESENDS_MAX = 3;

/** Estimated waiting time in a connection at which another one is opened. */
export const QUEUE_DELAY_MS = 250;

/** Time for opening a connection, name look-up and TLS included. */
export const CONNECT_MS = 15_000;

/** Time after which a connection without requests is closed. Apple takes frequent reconnecting for an attack. */
export const IDLE_MS = 900_000;

/** Time between two looks for idle connections. */
export const IDLE_LOOK_MS = 60_000;

/** Answers after which a circuit is judged. */
export const CIRCUIT_ANSWERS_MIN = 20;

/** Share of failures among recent answers that opens a circuit. */
export const CIRCUIT_SHARE = 0.5;

/** Answers after which the circuit's counts are halved. */
export const CIRCUIT_WINDOW = 1_000;

/** First pause of a circuit that opened; doubled while probes fail. */
export const CIRCUIT_MIN_MS = 1_000;

/** Longest pause of a circuit: an origin that is back is used again within half a minute. */
export const CIRCUIT_MAX_MS = 20_000;

/** Recipients sent as a probe through a circuit that was open. */
export const PROBE_MAX = 8;

/** Characters of a provider's reason kept in rows and messages. */
export const REASON_CHARS_MAX = 200;

/** Notifications whose reasons are remembered: those that people look at now, some 5 MB when full of long reasons. */
export const REASON_COUNTS_MAX = 64;

/** Reasons of one notification that are told apart: providers have some tens, and what they say is not ours to bound. */
export const REASONS_MAX = 200;

/** Rows one call counts on by: twenty pages of the store, well below a second. */
export const REASON_ROWS_MAX = 20_000;
