/**
 * The script that shows several nodes, as a person runs it: a real Firefox on one node gets what is
 * posted to the other, a campaign runs on both and outlives one of them, and nothing is left when
 * the script has ended.
 */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { ApiClient } from "../../transports/api_client/api_client.ts";
import type { NotificationAnswer } from "../../transports/api_client/answers.ts";
import {
  expectedCounts,
  makeCertificate,
  recipientRow,
  type StandIn,
  startStandIn,
} from "../../transports/provider_stand_in/mod.ts";
import { readSubscription } from "../browser/firefox_world.ts";
import { Arrivals } from "../support/arrivals.ts";
import { total, valueOf } from "../support/campaign_service.ts";
import { Firefox } from "../support/firefox.ts";
import { PushPage } from "../support/push_page.ts";
import { newVapidKeys, postText } from "../support/sender.ts";
import { eachLine, freePort } from "../support/service.ts";
import { MADE } from "../support/stand_in.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const APP = "shop";
const SEED = 7;
const SHARES = { dead: 0.02 };
const RECIPIENTS = 12_000;
/** Ports from the first one on that the script uses. */
const PORTS = [0, 1, 2, 10, 11, 12, 20, 21] as const;
/** How long the script may take to start all, and to end, in milliseconds. */
const SCRIPT_MS = 90_000;
/** How long the campaign may take; the batches of a lost node are due again after its lease of 10 s. */
const CAMPAIGN_MS = 90_000;
/** Time between two looks at the campaign, in milliseconds. */
const LOOK_MS = 50;

/** A node, by the letter the script gives it. */
type Name = "a" | "b";

/** The running script. */
class Script implements AsyncDisposable {
  /** What it printed. */
  readonly printed = new Arrivals<string>();
  readonly #folder: string;
  readonly #port = freePorts();
  readonly #child: Deno.ChildProcess;
  readonly #streams: Promise<unknown>;

  constructor(folder: string, serveOptions: string) {
    this.#folder = folder;
    const path = `${new URL(".", `file://${Deno.execPath()}`).pathname}:${Deno.env.get("PATH")}`;
    // In a process group of its own, as a shell starts it.
    this.#child = new Deno.Command("setsid", {
      args: ["sh", `${ROOT}examples/two_nodes.sh`, this.#folder],
      env: { PATH: path, PORT: `${this.#port}`, SERVE_OPTIONS: serveOptions },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const add = (line: string) => this.printed.add(line);
    this.#streams = Promise.all([
      eachLine(this.#child.stdout, add),
      eachLine(this.#child.stderr, add),
    ]).then(() => this.printed.end("the script ended"));
  }

  /** Waits until it says that all is ready. */
  async ready(): Promise<void> {
    await this.printed.next((line) => line === "Stop with Ctrl-C.", {
      what: "the script to be ready",
      withinMs: SCRIPT_MS,
    });
  }

  /** A port of a node: its endpoint's, its devices' or its API's. */
  port(name: Name, door: "endpoint" | "devices" | "api"): number {
    const doors = { endpoint: 0, devices: 1, api: 2 };
    return this.#port + (name === "a" ? 0 : 10) + doors[door];
  }

  /** A client of a node's API. */
  api(name: Name): ApiClient {
    const token = Deno.readTextFileSync(`${this.#folder}/api-token`);
    return new ApiClient({ origin: `http://127.0.0.1:${this.port(name, "api")}`, token });
  }

  /** How many recipients a node has brought to their outcome since it started. */
  async outcomes(name: Name): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.port(name, "api")}/metrics`);
    const values = (await response.text()).matchAll(/^heliograph_deliveries_total\{.*\} (\d+)$/gm);
    return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** Kills a node as the script says a person can. */
  kill9(name: Name): void {
    Deno.kill(this.#pid(`${name}.pid`), "SIGKILL");
  }

  /** Starts it again, with the command the script has written. */
  async startAgain(name: Name): Promise<void> {
    const args = [`${this.#folder}/start-node`, name];
    const { code, stderr } = await new Deno.Command("sh", { args, stdin: "null" }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  }

  /** Every process of it that must end with it. */
  pids(): readonly number[] {
    const files = ["a.pid", "b.pid", "redis.pid", "postgres/postmaster.pid"];
    return [this.#child.pid, ...files.map((file) => this.#pid(file))];
  }

  /** What Ctrl-C does, and its exit status. */
  async interrupt(): Promise<number> {
    Deno.kill(-this.#child.pid, "SIGINT");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), SCRIPT_MS);
    const { code } = await this.#child.status;
    clearTimeout(timer);
    await this.#streams;
    return code;
  }

  /** What a node logged. */
  log(name: Name): string {
    return Deno.readTextFileSync(`${this.#folder}/${name}.log`);
  }

  /** Ends it, if it has not ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.interrupt().catch(() => {}); // It has ended.
  }

  #pid(file: string): number {
    return Number.parseInt(Deno.readTextFileSync(`${this.#folder}/${file}`));
  }
}

Deno.test("examples/two_nodes.sh runs two nodes that outlive kill -9 of one, ends with all it started, and starts again where it was", async () => {
  await using world = new AsyncDisposableStack();
  const { tls, caPem } = makeCertificate();
  const standIn = world.use(await startStandIn({ seed: SEED, accounts: MADE.accounts, tls }));
  await standIn.behave({ shares: SHARES, latencyMs: 100 });
  const caFile = await Deno.makeTempFile({ suffix: ".pem" });
  world.defer(() => Deno.remove(caFile));
  await Deno.writeTextFile(caFile, caPem);
  const trust = `--ca-file ${caFile} --allowed-push-origin ${standIn.origins.webpush}`;
  const root = await Deno.makeTempDir({ prefix: "heliograph-script-" });
  world.defer(() => Deno.remove(root, { recursive: true }));
  await Deno.chmod(root, 0o755); // PostgreSQL's user comes by.
  const folder = `${root}/two nodes`; // With a space, as a person's folder may have.
  const script = world.use(new Script(folder, `${trust} --batches-max 1`));
  const page = world.use(new PushPage());
  await script.ready();

  const pushUrl = `ws://127.0.0.1:${script.port("b", "devices")}/`;
  const firefox = world.use(await Firefox.start({ pushUrl }));
  await firefox.navigate(page.url);
  const vapid = newVapidKeys();
  const key = JSON.stringify(vapid.publicKey);
  const subscription = readSubscription(await firefox.evaluate(`subscribe(${key})`));
  const shows = async (text: string) => {
    assertEquals((await postText(subscription, text, { vapid })).status, 201);
    await page.seen.next((one) => one.text === text, { what: `Firefox to show "${text}"` });
  };
  assertEquals(new URL(subscription.endpoint).port, `${script.port("a", "endpoint")}`);
  await shows("posted to the other node");

  const id = await begin(script, standIn);
  await until(
    script,
    id,
    async (found) =>
      found.counts.pending > 0 && await script.outcomes("a") > 0 && await script.outcomes("b") > 0,
  );
  script.kill9("a");
  const { counts } = await until(script, id, ({ status }) => Promise.resolve(status === "done"));
  const expected = expectedCounts(RECIPIENTS, {
    seed: SEED,
    shares: SHARES,
    origins: standIn.origins,
  });
  assertEquals(
    [counts.total, counts.delivered, counts.tokenInvalid, counts.failed, counts.pending],
    [RECIPIENTS, expected.delivered, expected.token_invalid, 0, 0],
  );
  assertEquals(total(await standIn.seen(), (one) => one.accepted), expected.delivered);

  await script.startAgain("a");
  await shows("posted to the node that is back");
  assertEquals(page.seen.all.length, 2);

  const pids = script.pids();
  assertGreater(Math.min(...pids), 1);
  assertEquals(await script.interrupt(), 130);
  assertEquals(pids.filter(isAlive), []);
  for (const name of ["a", "b"] as const) assert(script.log(name).trimEnd().endsWith(ENDED), name);

  const again = world.use(new Script(folder, trust));
  await again.ready();
  assertEquals(valueOf(await again.api("b").notification(id)).counts, counts);
});

/** The last event of a node that has handed back all it had. */
const ENDED = '"event":"stopped","cut_requests":0,"cut_batches":0}';

/** Registers all recipients through one node and sends to them through the other. */
async function begin(script: Script, { origins }: StandIn): Promise<string> {
  valueOf(await script.api("a").putApp(APP, MADE.credentials(origins)));
  const world = { origins, keys: MADE.receiver };
  const rows = Array.from(
    { length: RECIPIENTS },
    (_, number) => `${JSON.stringify(recipientRow(number, APP, world))}\n`,
  );
  const options = { app: APP, format: "ndjson" } as const;
  const imported = await script.api("a").importDevices(new Blob(rows).stream(), options, () => {});
  assertEquals(valueOf(imported).imported, RECIPIENTS);
  const notification = { app: APP, content: { title: "Hello" }, to: { all: true } };
  return valueOf(await script.api("b").submit(notification));
}

/** Looks at a notification, at node b, until it is as awaited. */
async function until(
  script: Script,
  id: string,
  match: (found: NotificationAnswer) => Promise<boolean>,
): Promise<NotificationAnswer> {
  const deadline = performance.now() + CAMPAIGN_MS;
  for (;;) {
    const found = valueOf(await script.api("b").notification(id));
    if (await match(found)) return found;
    assert(performance.now() < deadline, `${found.status}, ${JSON.stringify(found.counts)}`);
    assert(found.status !== "done", "It ended too early");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** A port from which on all ports of the script are free. */
function freePorts(): number {
  for (;;) {
    const port = freePort();
    try {
      for (const more of PORTS) Deno.listen({ hostname: "127.0.0.1", port: port + more }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return !Deno.readTextFileSync(`/proc/${pid}/stat`).includes(") Z ");
  } catch {
    return false;
  }
}
