/**
 * Every bound of the API door, each with its reason. The bounds of connections and headers are those
 * of the HTTP door.
 *
 * @module
 */

/** How long `/readyz` waits for its checks: a load balancer's probe usually gives up after 5 s, and should get an answer, not silence. */
export const READY_DEADLINE_MS = 2_000;

/** Longest bearer token looked at: ours have 43 characters; what is longer is refused without hashing it. */
export const TOKEN_LENGTH_MAX = 256;

/** How long answers in work may take when the door closes; each of them is small. */
export const DRAIN_MS = 1_000;

/** Bytes of a body: an app with a certificate has 20 KiB. */
export const BODY_BYTES_MAX = 1_048_576;

/** Bytes of a notification with its targets: 10,000 subscriptions with endpoints of 600 characters are 8 MB. */
export const NOTIFICATION_BYTES_MAX = 8_388_608;

/** Bytes of bodies in memory at once, over all requests; a call beyond them is asked to come again. */
export const BODIES_BYTES_MAX = 67_108_864;

/** Milliseconds for a body that is read as a whole: at 100 bytes a second still 3,000 bytes. */
export const BODY_MS = 30_000;

/** Milliseconds a streamed body may stand still while we wait for it. */
export const STREAM_IDLE_MS = 30_000;

/** Milliseconds for a whole streamed body: a million devices at 100 KB a second. */
export const STREAM_MS = 3_600_000;

/** Milliseconds a streamed answer may wait for a client that does not read. */
export const UNREAD_MS = 30_000;

/** Bodies streamed at once: each keeps a part of them in memory and asks the store as fast as it can. */
export const STREAMS_MAX = 16;

/** Characters of one line of a streamed body: a device with a hundred tags has 8,000. */
export const LINE_CHARS_MAX = 65_536;

/** Rows given to the store at once. */
export const ROWS_STEP = 1_000;

/** Characters of the rows given to the store at once, where they are long. */
export const ROWS_CHARS_MAX = 4_194_304;

/** Rows whose problems are told; the others are counted. */
export const ROW_PROBLEMS_MAX = 100;

/** Milliseconds between two lines that tell how far a streamed body is: so few that they never fill the buffers of a client that reads when it has written. */
export const PROGRESS_MS = 500;

/** Pages that watch events at once. */
export const VIEWERS_MAX = 64;

/** Frames that wait for a page which does not read, four minutes of bars; then it is dropped. */
export const VIEWER_FRAMES_MAX = 256;

/** Bytes of frames that wait for one page: a tree of thousands of actors has some 50 KB, a load of a hundred apps 30 KB, a bar 400 bytes. Pages share the bytes of a frame. */
export const VIEWER_BYTES_MAX = 1_048_576;

/** Milliseconds without an event after which a page is told that we are here: proxies cut silent answers after 60 s. */
export const HEARTBEAT_MS = 15_000;

/** Milliseconds between two looks at the token of a page that watches: one that was withdrawn shows nothing for longer. */
export const TOKEN_LOOK_MS = 10_000;

/** Milliseconds after which a page that lost its events is to come again. */
export const RECONNECT_MS = 2_000;

/** Seconds after which a client may come again when something is not available now. */
export const RETRY_AFTER_SECONDS = 1;
