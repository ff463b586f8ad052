/**
 * The table of settings: from its rows come the flags, the environment variables, the keys of the
 * configuration file, the help text, the table in the README and the report of `check`.
 *
 * A name has one spelling: `--ping-interval`, `HELIOGRAPH_PING_INTERVAL` and `ping-interval = …`.
 *
 * @module
 */

import * as kinds from "./setting.ts";
import { type EngineAddress, engineAddress, queue, store } from "./engine_address.ts";
import type { Kind, LogLevel, Setting, StoreAddress } from "./setting.ts";
import type { Secret } from "./secret.ts";

/** Every setting of a running node, read and checked. */
export interface Settings {
  /** Address the listeners bind to. */
  readonly host: string;
  /** Port of the push endpoint, 0 for any free one. */
  readonly endpointPort: number;
  /** Port of the device sockets, 0 for any free one. */
  readonly devicePort: number;
  /** Port of the API and the monitor, 0 for any free one. */
  readonly apiPort: number;
  /** Port where other nodes hand over messages, 0 for any free one; none when absent. */
  readonly nodePort: number | undefined;
  /** Where other nodes reach that port; derived from the bound address when absent. */
  readonly nodeUrl: string | undefined;
  /** What this node does. */
  readonly roles: readonly Role[];
  /** Child processes that share the ports; this process alone when absent. */
  readonly processes: number | undefined;
  /** Public origin of the push endpoint; derived from the bound address when absent. */
  readonly endpointUrl: string | undefined;
  /** Public URL of the device sockets, for people; derived when absent. */
  readonly deviceUrl: string | undefined;
  /** PEM file of the certificate chain; given exactly when `tlsKey` is. */
  readonly tlsCert: string | undefined;
  /** PEM file of the certificate's private key. */
  readonly tlsKey: string | undefined;
  /** Folder of everything the embedded default keeps. */
  readonly data: string;
  /** Where everything is stored; SQLite in the data folder when absent. */
  readonly store: StoreAddress | undefined;
  /** Where batches wait. */
  readonly queue: EngineAddress | "store";
  /** PEM file of further roots that PostgreSQL and Redis may be certified by. */
  readonly storeCaFile: string | undefined;
  /** Redis whose stream brings notifications; none when absent. */
  readonly source: EngineAddress | undefined;
  /** Redis that counts outcomes; none when absent. */
  readonly counters: EngineAddress | undefined;
  /** PostgreSQL that keeps a row of each outcome; none when absent. */
  readonly resultsDatabase: EngineAddress | undefined;
  /** Which outcomes it keeps. */
  readonly resultsDatabaseRows: RowsWanted;
  /** How long it keeps them. */
  readonly resultsDatabaseRetentionMs: number;
  /** Fernet keys of endpoints, first the one which encrypts; made in the data folder when absent. */
  readonly cryptoKeys: Secret<readonly string[]> | undefined;
  /** Token of the API; made in the data folder when absent. */
  readonly apiToken: Secret<string> | undefined;
  /** Largest body of a push message, in bytes. */
  readonly payloadBytesMax: number;
  /** Longest TTL of a message; longer ones are cut to it (RFC 8030 section 5.2). */
  readonly ttlSecondsMax: number;
  /** Messages that may wait for one user agent. */
  readonly messagesMax: number;
  /** Silence after which a device is pinged. */
  readonly pingIntervalMs: number;
  /** Time a device has to answer a ping. */
  readonly pingTimeoutMs: number;
  /** Time a device has to say hello. */
  readonly helloTimeoutMs: number;
  /** Time after its last hello for which a user agent is remembered. */
  readonly userLifetimeSeconds: number;
  /** Device connections at once. */
  readonly connectionsMax: number;
  /** Where the versions of broadcasts are read; no broadcasts when absent. */
  readonly broadcastUrl: string | undefined;
  /** Time between two reads of broadcast versions. */
  readonly broadcastIntervalMs: number;
  /** How much is logged. */
  readonly logLevel: LogLevel;
  /** Host names the public doors accept beside their own. */
  readonly allowedHosts: readonly string[];
  /** Addresses of proxies in front of the device sockets. */
  readonly proxyAddresses: readonly string[];
  /** PEM file of further roots that providers and push services may be certified by. */
  readonly caFile: string | undefined;
  /** Origins of push services that are allowed whatever `pushHosts` says and wherever they are. */
  readonly allowedPushOrigins: readonly string[];
  /** Which push services are sent to: the known ones, or any at a public address. */
  readonly pushHosts: PushHosts;
  /** Where outcomes are posted; nowhere when absent. */
  readonly webhookUrl: string | undefined;
  /** Key of the posts' signatures; given exactly when `webhookUrl` is. */
  readonly webhookSecret: Secret<string> | undefined;
  /** Which outcomes are posted. */
  readonly webhookRows: RowsWanted;
  /** NDJSON file that outcomes are appended to; none when absent. */
  readonly resultsFile: string | undefined;
  /** Which outcomes are appended. */
  readonly resultsRows: RowsWanted;
  /** The write API of an InfluxDB that gets points; none when absent. */
  readonly influxUrl: string | undefined;
  /** What this side proves itself with there; nothing when absent. Only given with `influxUrl`. */
  readonly influxToken: Secret<string> | undefined;
  /** Batches of recipients in flight at once. */
  readonly batchesMax: number;
  /** Connections to APNs at once, for each app. */
  readonly apnsConnections: number;
  /** Connections to FCM at once, for each app. */
  readonly fcmConnections: number;
  /** Recipients a minute that one FCM project is sent. */
  readonly fcmRatePerMinute: number;
  /** Connections to one push service at once. */
  readonly webPushConnections: number;
  /** Threads that encrypt for Web Push; one less than the machine's cores, at least one, when absent. */
  readonly encryptionThreads: number | undefined;
  /** Time after its end for which a notification and its rows are kept. */
  readonly resultsRetentionMs: number;
  /** Of so many notifications and messages one is traced, when the runtime exports traces. */
  readonly traceOneIn: number;
}

/** What a node can do, in the order of starting: hold device sockets, take messages, deliver, serve the API. */
export const ROLES = ["devices", "endpoint", "delivery", "api"] as const;

/** One of {@link ROLES}. */
export type Role = typeof ROLES[number];

/** Which push services are sent to. */
export type PushHosts = "known" | "public";

/** Which outcomes a webhook or a file is told. */
export type RowsWanted = "failures" | "all";

const ROWS_WANTED: Kind<RowsWanted> = kinds.oneOf(["failures", "all"], "ROWS");

const DAY_SECONDS = 86_400;

/** Connections to one provider: hundreds of requests share one, so a few are many. */
const CONNECTIONS = kinds.wholeNumber({ min: 1, max: 64 }, "");

/** The row of a setting whose initial value has a value of its own. */
function row<T>(name: string, kind: Kind<T>, initial: T, description: string): Setting<T> {
  return { ...kind, name, initial, initialText: kind.show(initial), description };
}

/** The row of a setting that may be absent; `initialText` says what happens then. */
function absent<T>(
  name: string,
  kind: Kind<T>,
  initialText: string,
  description: string,
): Setting<T | undefined> {
  return { ...kinds.optional(kind), name, initial: undefined, initialText, description };
}

/** The rows by the property that holds their value, in the order in which help shows them. */
export const SETTINGS: { readonly [K in keyof Settings]: Setting<Settings[K]> } = {
  host: row("host", kinds.host, "127.0.0.1", "address the listeners bind to"),
  endpointPort: row("endpoint-port", kinds.port, 8080, "port of the push endpoint"),
  devicePort: row("device-port", kinds.port, 8081, "port of the device sockets"),
  apiPort: row("api-port", kinds.port, 8082, "port of the API and the monitor"),
  nodePort: absent(
    "node-port",
    kinds.port,
    "none",
    "port where other nodes of the store hand over messages for devices connected here",
  ),
  nodeUrl: absent(
    "node-url",
    kinds.url(["http", "https"], "origin"),
    "from host and node-port",
    "address at which other nodes reach node-port",
  ),
  roles: row("roles", kinds.someOf(ROLES, "ROLE"), ROLES, "what this node does"),
  processes: absent(
    "processes",
    kinds.wholeNumber({ min: 1, max: 64 }, ""),
    "none: one process",
    "child processes that share the ports, started again when they fail; more than one needs a shared store",
  ),
  endpointUrl: absent(
    "endpoint-url",
    kinds.url(["http", "https"], "origin"),
    "from host and endpoint-port",
    "public address of the push endpoint, as senders reach it; every endpoint URL begins with it",
  ),
  deviceUrl: absent(
    "device-url",
    kinds.url(["ws", "wss"], "with_path"),
    "from host and device-port",
    "public address of the device sockets, as Firefox is told it",
  ),
  tlsCert: absent(
    "tls-cert",
    kinds.path("FILE"),
    "none: no TLS",
    "certificate chain (PEM) for the push endpoint and the device sockets",
  ),
  tlsKey: absent("tls-key", kinds.path("FILE"), "none", "private key (PEM) of tls-cert"),
  data: row(
    "data",
    kinds.path("DIR"),
    "./data",
    "folder for the store, the keys and the API token",
  ),
  store: absent(
    "store",
    store,
    "sqlite:DATA",
    "where everything is kept: sqlite:DIR, postgres://…, redis://…, or memory: to lose it at the end",
  ),
  queue: row("queue", queue, "store", "where batches wait: store, or redis://… for its streams"),
  storeCaFile: absent(
    "store-ca-file",
    kinds.path("FILE"),
    "none",
    "further roots (PEM) that may certify PostgreSQL and Redis",
  ),
  source: absent(
    "source",
    engineAddress("redis"),
    "none",
    "Redis whose stream of notifications is taken from, beside the API",
  ),
  counters: absent(
    "counters",
    engineAddress("redis"),
    "none",
    "Redis that counts outcomes by notification, platform and second",
  ),
  resultsDatabase: absent(
    "results-database",
    engineAddress("postgres"),
    "none",
    "PostgreSQL that keeps a row of each outcome, in partitions of a day",
  ),
  resultsDatabaseRows: row(
    "results-database-rows",
    ROWS_WANTED,
    "failures",
    "outcomes to keep there: failures or all",
  ),
  resultsDatabaseRetentionMs: row(
    "results-database-retention",
    kinds.durationMs(DAY_SECONDS * 1_000, 3_650 * DAY_SECONDS * 1_000),
    90 * DAY_SECONDS * 1_000,
    "time for which it keeps them",
  ),
  cryptoKeys: absent(
    "crypto-keys",
    kinds.cryptoKeys,
    "DATA/endpoint-keys, made at first start",
    "Fernet keys of endpoint URLs, newest first; an endpoint lives as long as its key is listed",
  ),
  apiToken: absent(
    "api-token",
    kinds.apiToken,
    "DATA/api-token, made at first start",
    "token that opens the API",
  ),
  payloadBytesMax: row(
    "max-payload-bytes",
    // RFC 8030 section 7.2: a push service must take 4,096 bytes.
    kinds.wholeNumber({ min: 4_096, max: 65_536 }, "bytes"),
    5_630,
    "largest body of a push message",
  ),
  ttlSecondsMax: row(
    "max-ttl",
    kinds.durationSeconds(1, 365 * DAY_SECONDS),
    30 * DAY_SECONDS,
    "longest time a message may wait; a longer TTL is cut to it",
  ),
  messagesMax: row(
    "message-limit",
    kinds.wholeNumber({ min: 1, max: 1_000_000 }, ""),
    10_000,
    "messages that may wait for one user agent",
  ),
  pingIntervalMs: row(
    "ping-interval",
    kinds.durationMs(100, 3_600_000),
    300_000,
    "time between two pings of a device, and between looks for news of broadcasts",
  ),
  pingTimeoutMs: row(
    "ping-timeout",
    kinds.durationMs(100, 60_000),
    4_000,
    "time a device has to answer a ping",
  ),
  helloTimeoutMs: row(
    "hello-timeout",
    kinds.durationMs(100, 60_000),
    5_000,
    "time a device has to say hello",
  ),
  userLifetimeSeconds: row(
    "user-lifetime",
    kinds.durationSeconds(DAY_SECONDS, 3_650 * DAY_SECONDS),
    60 * DAY_SECONDS,
    "time after its last hello for which a user agent is remembered",
  ),
  connectionsMax: row(
    "connections-max",
    kinds.wholeNumber({ min: 1, max: 1_000_000 }, ""),
    20_000,
    "device connections at once",
  ),
  broadcastUrl: absent(
    "broadcast-url",
    kinds.url(["http", "https"], "with_path"),
    "none: no broadcasts",
    "where the versions of broadcasts are read, a JSON object of ids and versions",
  ),
  broadcastIntervalMs: row(
    "broadcast-interval",
    kinds.durationMs(1_000, 86_400_000),
    30_000,
    "time between two reads of broadcast-url",
  ),
  logLevel: row("log-level", kinds.logLevel, "info", "least severe events to log"),
  allowedHosts: {
    ...row("allowed-host", kinds.hosts, [], "further host name to accept in requests"),
    initialText: "none",
  },
  proxyAddresses: {
    ...row(
      "proxy-address",
      kinds.addresses,
      [],
      "address of a proxy before the device sockets: without a limit of connections, as loopback is",
    ),
    initialText: "none",
  },
  caFile: absent(
    "ca-file",
    kinds.path("FILE"),
    "none",
    "further roots (PEM) that may certify providers, push services, the webhook and InfluxDB",
  ),
  allowedPushOrigins: {
    ...row(
      "allowed-push-origin",
      kinds.pushOrigins,
      [],
      "origin of a push service to send to even though it is private or not known",
    ),
    initialText: "none",
  },
  pushHosts: row(
    "push-hosts",
    kinds.oneOf(["known", "public"], "HOSTS"),
    "public",
    "push services to send to: known (of the browsers' makers), or any with a public address",
  ),
  webhookUrl: absent(
    "webhook-url",
    kinds.url(["http", "https"], "with_query"),
    "none: no webhook",
    "where outcomes of deliveries are posted, signed; needs webhook-secret",
  ),
  webhookSecret: absent(
    "webhook-secret",
    kinds.webhookSecret,
    "none",
    "key of the signatures of what is posted to webhook-url",
  ),
  webhookRows: row("webhook-rows", ROWS_WANTED, "failures", "outcomes to post: failures or all"),
  resultsFile: absent(
    "results-file",
    kinds.path("FILE"),
    "none",
    "NDJSON file to append outcomes of deliveries to",
  ),
  resultsRows: row("results-rows", ROWS_WANTED, "failures", "outcomes to append: failures or all"),
  influxUrl: absent(
    "influx-url",
    kinds.url(["http", "https"], "with_query"),
    "none",
    "write API of an InfluxDB that gets points of outcomes and of this node: …/api/v2/write?org=…&bucket=…, or …/write?db=…",
  ),
  influxToken: absent(
    "influx-token",
    kinds.influxToken,
    "none",
    "token for influx-url, or USER:PASSWORD for version 1",
  ),
  batchesMax: row(
    "batches-max",
    kinds.wholeNumber({ min: 1, max: 4_096 }, ""),
    128,
    "batches of at most 1,000 recipients in flight at once",
  ),
  apnsConnections: row("apns-connections", CONNECTIONS, 8, "connections to APNs for each app"),
  fcmConnections: row("fcm-connections", CONNECTIONS, 8, "connections to FCM for each app"),
  fcmRatePerMinute: row(
    "fcm-rate",
    kinds.wholeNumber({ min: 1, max: 100_000_000 }, ""),
    // The quota a Firebase project has unless Google raised it.
    600_000,
    "recipients a minute that one Firebase project is sent",
  ),
  webPushConnections: row(
    "webpush-connections",
    CONNECTIONS,
    4,
    "connections to one push service",
  ),
  encryptionThreads: absent(
    "encryption-threads",
    kinds.wholeNumber({ min: 1, max: 256 }, ""),
    "one less than cores",
    "threads that encrypt for Web Push",
  ),
  resultsRetentionMs: row(
    "results-retention",
    kinds.durationMs(3_600_000, 3_650 * DAY_SECONDS * 1_000),
    30 * DAY_SECONDS * 1_000,
    "time after its end for which a notification's results are kept",
  ),
  traceOneIn: row(
    "trace-one-in",
    kinds.wholeNumber({ min: 1, max: 1_000_000_000 }, ""),
    1,
    "of so many notifications and messages one is traced, if Deno exports traces",
  ),
};

/** The variable of a setting: `HELIOGRAPH_PING_INTERVAL`; the kind decides whether `_FILE` exists. */
export function environmentName(name: string): string {
  return `HELIOGRAPH_${name.toUpperCase().replaceAll("-", "_")}`;
}
