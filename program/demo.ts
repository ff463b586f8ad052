/**
 * `demo`: a node, a stand-in for Apple, Google and a push service, and a million recipients.
 *
 * The node is the one `serve` runs, asked over its API like any other. Of ten recipients five are
 * Apple's, three Google's and two browsers; some are dead, some put the sender off at first, and every few
 * seconds each provider tells a connection to go away. At the end the counts are compared with what
 * was computed from the addresses beforehand and with what the stand-in has seen.
 *
 * @module
 */

import { ApiClient, type Bytes } from "../transports/api_client/api_client.ts";
import type { NotificationAnswer } from "../transports/api_client/answers.ts";
import { Log, writeToStderr } from "../transports/command_line/log.ts";
import { reportText } from "../transports/command_line/notification_report.ts";
import { parseCommandLine } from "../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../transports/command_line/read_file.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { grouped } from "../transports/command_line/shown_number.ts";
import {
  expectedAnswer,
  type ExpectedCounts,
  type MadeAccounts,
  makeAccounts,
  makeCertificate,
  OUTCOME_OF,
  type Platform,
  type RecipientRow,
  recipientRow,
  type Seen,
  type StandIn,
  startStandIn,
} from "../transports/provider_stand_in/mod.ts";
import { apiError } from "./commands/api_access.ts";
import { RowsProgress } from "./commands/devices.ts";
import { watch } from "./commands/watch.ts";
import { INTERRUPTED, PROCESS, type World } from "./commands/world.ts";
import { type OpenedNode, openNode } from "./open_node.ts";
import { StartError } from "./start_error.ts";

/** What a demonstration was asked. */
export interface DemoOptions {
  /** How many recipients. */
  readonly recipients: number;
  /** Where the node keeps its data; a folder that is removed at the end when absent. */
  readonly dataDir: string | undefined;
  /** Port of the API and the monitor. */
  readonly apiPort: number;
  /** Whether one line of JSON is printed, for programs. */
  readonly json: boolean;
}

/** How the stand-in behaves. */
const SEED = 1;
const SHARES = { dead: 0.02, throttled: 0.01 };
const GOAWAY_EVERY_MS = 3_000;

/** Messages a minute to Google: the stand-in has no quota. */
const FCM_RATE_PER_MINUTE = 60_000_000;

/** Recipients of one part of the import: some 200 KB. */
const ROWS_PER_PART = 1_000;

/** What is not as it should be, one line each. */
type Differences = readonly string[];

/**
 * Runs a demonstration: exit 0 when every count was exact, 1 when not, 130 when a person ended it before.
 *
 * On a terminal the node stays until a person interrupts, so that its monitor can be looked at.
 *
 * @throws {StartError} When something cannot be started, or the node's API does not do what was asked.
 */
export async function runDemo(options: DemoOptions, world: World = PROCESS): Promise<number> {
  await using resources = new AsyncDisposableStack();
  const interrupted = Promise.withResolvers<typeof INTERRUPTED>();
  using _handler = world.onInterrupt(() => interrupted.resolve(INTERRUPTED));
  const demo = Demo.open(options, { world, resources }).then((demo) => demo.run());
  const status = await Promise.race([demo, interrupted.promise]);
  if (status === INTERRUPTED || options.json || world.terminal.live === undefined) return status;
  world.terminal.report("\nThe node goes on until you press Ctrl-C.\n");
  await interrupted.promise;
  return status;
}

/** The parts of a demonstration. */
class Demo {
  readonly #options: DemoOptions;
  readonly #world: World;
  readonly #standIn: StandIn;
  readonly #made: MadeAccounts;
  readonly #api: ApiClient;
  readonly #apiUrl: string;
  readonly #app = `demo-${crypto.randomUUID().slice(0, 8)}`;
  readonly #expected: ExpectedCounts = { delivered: 0, token_invalid: 0, rejected: 0, failed: 0 };

  private constructor(
    options: DemoOptions,
    world: World,
    parts: {
      readonly standIn: StandIn;
      readonly made: MadeAccounts;
      readonly api: ApiClient;
      readonly apiUrl: string;
    },
  ) {
    this.#options = options;
    this.#world = world;
    this.#standIn = parts.standIn;
    this.#made = parts.made;
    this.#api = parts.api;
    this.#apiUrl = parts.apiUrl;
  }

  /** Starts stand-in and node; `resources` ends them. */
  static async open(
    options: DemoOptions,
    { world, resources }: { readonly world: World; readonly resources: AsyncDisposableStack },
  ): Promise<Demo> {
    const data = await openFolder(options.dataDir, resources);
    const made = makeAccounts();
    const { tls, caPem } = makeCertificate();
    const { accounts } = made;
    const standIn = resources.use(await startStandIn({ seed: SEED, accounts, tls }));
    await standIn.behave({ shares: SHARES, goawayEveryMs: GOAWAY_EVERY_MS });
    const caFile = `${data}/stand-in-ca.pem`;
    await Deno.writeTextFile(caFile, caPem);
    const settings = demoSettings({ ...options, data, caFile, standIn });
    const log = new Log({ level: settings.logLevel, clock: world, write: writeToStderr });
    resources.defer(() => log.flush());
    const { node, token } = await openNode(settings, { log, clock: world });
    resources.defer(async () => void await node.stop());
    const apiUrl = `http://127.0.0.1:${node.ports.apiPort}`;
    if (!options.json) world.terminal.report(introduction({ apiUrl, token }, standIn));
    const api = new ApiClient({ origin: apiUrl, token: token.secret.reveal() });
    return new Demo(options, world, { standIn, made, api, apiUrl });
  }

  async run(): Promise<number> {
    await this.#register();
    const id = await this.#submit();
    const watched = await watch(
      id,
      this.#api,
      this.#world,
      this.#options.json ? "nothing" : "lines",
    );
    switch (watched.kind) {
      case "interrupted":
        return INTERRUPTED;
      case "failed":
        throw apiError(watched.failure, this.#client());
      case "ended":
        return this.#judge(watched.notification, await this.#standIn.seen());
    }
  }

  /** How errors of the API name it. */
  #client() {
    return { apiUrl: this.#apiUrl, apiToken: undefined, data: this.#options.dataDir ?? "" };
  }

  async #register(): Promise<void> {
    const { json, recipients } = this.#options;
    const credentials = this.#made.credentials(this.#standIn.origins);
    const saved = await this.#api.putApp(this.#app, credentials);
    if (saved.kind === "failed") throw apiError(saved.failure, this.#client());
    const bytes = rowsOf(recipients, (number) => this.#recipient(number));
    let taken = 0;
    const progress = new RowsProgress({ bytes, size: recipients, read: () => taken }, this.#world);
    const options = { app: this.#app, format: "ndjson" } as const;
    const result = await this.#api.importDevices(bytes, options, (answer) => {
      taken = answer.imported;
      if (!json) progress.show(answer);
    });
    if (!json) progress.end();
    if (result.kind === "failed") throw apiError(result.failure, this.#client());
    const { imported, broken } = result.value;
    if (imported === recipients) return;
    const reason = broken ?? "some rows were refused";
    throw new StartError(`demo: ${imported} of ${recipients} devices were taken: ${reason}`, 1);
  }

  /** A recipient as a device, and counted with what it will come to. */
  #recipient(number: number): RecipientRow {
    const { origins } = this.#standIn;
    const row = recipientRow(number, this.#app, { origins, keys: this.#made.receiver });
    const address = row.platform === "webpush" ? row.subscription.endpoint : row.token;
    this.#expected[OUTCOME_OF[expectedAnswer(address, SEED, SHARES)]]++;
    return row;
  }

  async #submit(): Promise<string> {
    const result = await this.#api.submit({
      app: this.#app,
      content: { title: "Heliograph", body: "A million of these, each counted once." },
      to: { all: true },
    });
    if (result.kind === "failed") throw apiError(result.failure, this.#client());
    return result.value;
  }

  #judge(notification: NotificationAnswer, seen: Readonly<Record<Platform, Seen>>): number {
    const { json, recipients } = this.#options;
    const differences = compare(notification, { recipients, expected: this.#expected, seen });
    const exact = differences.length === 0;
    const { terminal } = this.#world;
    if (json) {
      terminal.print(`${JSON.stringify({ exact, differences, notification, seen })}\n`);
    } else {
      terminal.print(`\n${reportText(notification)}\n${verdict(differences, seen)}`);
    }
    return exact ? 0 : 1;
  }
}

/** The folder of the node's data: the one given, or one that is removed at the end. */
async function openFolder(
  given: string | undefined,
  resources: AsyncDisposableStack,
): Promise<string> {
  if (given !== undefined) {
    await Deno.mkdir(given, { recursive: true });
    return given;
  }
  const folder = await Deno.makeTempDir({ prefix: "heliograph-demo-" });
  resources.defer(() => Deno.remove(folder, { recursive: true }));
  return folder;
}

/** The settings of the node: what `serve` would be started with. */
function demoSettings(
  { data, apiPort, caFile, standIn }: {
    readonly data: string;
    readonly apiPort: number;
    readonly caFile: string;
    readonly standIn: StandIn;
  },
): Settings {
  const flags = {
    "data": data,
    "endpoint-port": "0",
    "device-port": "0",
    "api-port": `${apiPort}`,
    "ca-file": caFile,
    "allowed-push-origin": standIn.origins.webpush,
    "fcm-rate": `${FCM_RATE_PER_MINUTE}`,
    "log-level": "error",
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  // What is set for a real node has no part in this.
  const line = parseCommandLine(["serve", ...args], { get: () => undefined }, readTextFile);
  if (line.kind === "run" && line.command.name === "serve") return line.command.settings;
  throw new StartError(line.kind === "usage_error" ? line.message : `demo: no settings`, 2);
}

/** Rows as NDJSON, made as they are taken. */
function rowsOf(count: number, row: (number: number) => RecipientRow): Bytes {
  const encoder = new TextEncoder();
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      let text = "";
      for (const end = Math.min(next + ROWS_PER_PART, count); next < end; next++) {
        text += `${JSON.stringify(row(next))}\n`;
      }
      if (text !== "") controller.enqueue(encoder.encode(text));
      if (next === count) controller.close();
    },
  });
}

/** What is counted other than it was computed, or other than it was seen. */
export function compare(
  { counts, platforms }: NotificationAnswer,
  { recipients, expected, seen }: {
    readonly recipients: number;
    readonly expected: ExpectedCounts;
    readonly seen: Readonly<Record<Platform, Seen>>;
  },
): Differences {
  const rows: (readonly [what: string, is: number, due: number])[] = [
    ["recipients", counts.total, recipients],
    ["delivered", counts.delivered, expected.delivered],
    ["dead", counts.tokenInvalid, expected.token_invalid],
    ["rejected", counts.rejected, expected.rejected],
    ["failed", counts.failed, expected.failed],
    ["expired", counts.expired, 0],
    ["cancelled", counts.cancelled, 0],
    ["pending", counts.pending, 0],
  ];
  for (const [platform, { recipients, accepted, acceptedAgain, fates }] of Object.entries(seen)) {
    const counted = platforms[platform];
    rows.push(
      [`${platform} recipients`, counted?.total ?? 0, recipients],
      [`${platform} delivered`, counted?.delivered ?? 0, accepted],
      [`${platform} dead`, counted?.tokenInvalid ?? 0, fates.dead],
      [`${platform} delivered twice`, acceptedAgain, 0],
    );
  }
  return rows.filter(([, is, due]) => is !== due)
    .map(([what, is, due]) => `${what}: ${grouped(is)}, and not ${grouped(due)}`);
}

function introduction(
  { apiUrl, token }: { readonly apiUrl: string; readonly token: OpenedNode["token"] },
  { origins }: StandIn,
): string {
  const percent = (share: number) => `${share * 100} %`;
  return `A node, and a stand-in for its providers on this machine:
  monitor and API  ${apiUrl}
  API token        ${token.origin === "made" ? token.secret.reveal() : token.path}
  Apple            ${origins.apns}
  Google           ${origins.fcm}
  push service     ${origins.webpush}
Of the recipients ${percent(SHARES.dead)} are dead and ${
    percent(SHARES.throttled)
  } put off the first request. Every ${GOAWAY_EVERY_MS / 1_000} s
each provider sends a connection away.

`;
}

function verdict(differences: Differences, seen: Readonly<Record<Platform, Seen>>): string {
  if (differences.length > 0) {
    return `The counts are wrong:\n${differences.map((line) => `  ${line}\n`).join("")}`;
  }
  const sum = (of: (one: Seen) => number) =>
    grouped(Object.values(seen).reduce((total, one) => total + of(one), 0));
  return `The counts are exact. The providers saw ${sum((one) => one.requests)} requests over ` +
    `${sum((one) => one.connections)} connections,\nput off ${
      sum((one) => one.deferred)
    } of them, ` +
    `and sent ${sum((one) => one.goaways)} connections away. Nobody was reached twice.\n`;
}
