/**
 * A real, headless Firefox ESR, driven over WebDriver BiDi with nothing but a WebSocket.
 *
 * Invariants: each browser has a profile folder of its own; disposal ends the process and, when
 * the profile was made here, removes it. The preferences point its push client at the address
 * under test, and keep it silent otherwise.
 *
 * @module
 */

import { Arrivals } from "./arrivals.ts";
import { programPath, runWell } from "./programs.ts";
import { eachLine } from "./service.ts";

/** How long the browser may take to start, in milliseconds. */
const START_MS = 60_000;
/** How long one command may take, in milliseconds. */
const COMMAND_MS = 60_000;
/** How long the browser may take to close, in milliseconds. */
const CLOSE_MS = 15_000;

/** How Firefox is started. */
export interface FirefoxOptions {
  /** Where its push client connects: `ws://127.0.0.1:PORT/` or `wss://…`. */
  readonly pushUrl: string;
  /** Root certificate to trust, for `wss://`, a PEM file. */
  readonly caFile?: string;
  /** Preferences beyond those every test needs. */
  readonly preferences?: Readonly<Record<string, string | number | boolean>>;
}

/** An answer or event of the remote end; the fields are checked where they are used. */
type Answer = ReadonlyMap<string, unknown>;

/** One life of the browser. */
interface Process {
  readonly child: Deno.ChildProcess;
  readonly streams: Promise<unknown>;
  readonly socket: WebSocket;
  readonly answers: Arrivals<Answer>;
}

/** Runs in each page before its own scripts. */
const LISTEN = `() => {
  const complaints = window.complaints = [];
  addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
    complaints.push("policy: " + violatedDirective + " " + blockedURI);
  });
  addEventListener("unhandledrejection", ({ reason }) => complaints.push("rejected: " + reason));
  // Of elements, too: their errors do not bubble.
  addEventListener("error", ({ message, target }) => {
    complaints.push("error: " + (message ?? target.outerHTML));
  }, true);
  for (const level of ["error", "warn"]) {
    const write = console[level];
    console[level] = (...words) => {
      complaints.push(level + ": " + words.join(" "));
      write.apply(console, words);
    };
  }
}`;

/** A running Firefox with one tab. */
export class Firefox implements AsyncDisposable {
  readonly #profile: string;
  #process: Process;
  #context = "";
  #lastId = 0;

  private constructor(profile: string, process: Process) {
    this.#profile = profile;
    this.#process = process;
  }

  /** Starts a browser with a fresh profile; resolves when its tab can be driven. */
  static async start(options: FirefoxOptions): Promise<Firefox> {
    const profile = await Deno.makeTempDir({ prefix: "heliograph-firefox-" });
    try {
      await Deno.writeTextFile(`${profile}/user.js`, preferenceLines(options));
      if (options.caFile !== undefined) await trust(profile, options.caFile);
      const firefox = new Firefox(profile, await startProcess(profile));
      await firefox.#openSession();
      return firefox;
    } catch (error) {
      await Deno.remove(profile, { recursive: true });
      throw error;
    }
  }

  /** Closes the browser and keeps its profile. */
  async close(): Promise<void> {
    const { child, socket, streams } = this.#process;
    const timer = setTimeout(() => child.kill("SIGKILL"), CLOSE_MS);
    // The answer may be lost with the browser; what counts is that the process ends.
    const closed = this.#command("browser.close", {}).catch(() => undefined);
    await child.status;
    clearTimeout(timer);
    socket.close();
    await closed;
    await streams;
  }

  /** Starts a closed browser again, with everything it had kept. */
  async startAgain(): Promise<void> {
    this.#process = await startProcess(this.#profile);
    await this.#openSession();
  }

  /** From the next page on, pages write down what goes wrong in them; see {@linkcode Firefox.complaints}. */
  async listen(): Promise<void> {
    await this.#command("script.addPreloadScript", { functionDeclaration: LISTEN });
  }

  /**
   * Errors that nobody caught, refused or missing resources, breaches of the content security policy
   * and what was written to the console as an error or a warning, since the page was loaded.
   */
  async complaints(): Promise<readonly string[]> {
    const found = await this.evaluate("window.complaints");
    return Array.isArray(found) ? found.map(String) : ["the page does not listen"];
  }

  /** Loads a page and waits until it is complete. */
  async navigate(url: string): Promise<void> {
    await this.#command("browsingContext.navigate", {
      context: this.#context,
      url,
      wait: "complete",
    });
  }

  /**
   * Evaluates an expression in the page, awaits it when it is a promise, and returns its value by
   * way of JSON.
   *
   * @throws {Error} When the expression throws or rejects, with the page's own words.
   */
  async evaluate(expression: string): Promise<unknown> {
    const answer = await this.#command("script.evaluate", {
      expression: `(async () => JSON.stringify((await (${expression})) ?? null))()`,
      target: { context: this.#context },
      awaitPromise: true,
      userActivation: true,
    });
    if (answer.get("type") === "exception") {
      const details = record(answer.get("exceptionDetails"));
      throw new Error(`The page threw: ${String(details.get("text"))} (in ${expression})`);
    }
    const value = record(answer.get("result")).get("value");
    const parsed: unknown = typeof value === "string" ? JSON.parse(value) : undefined;
    return parsed;
  }

  /** Clicks the middle of an element with the pointer, as a person does. */
  async click(selector: string): Promise<void> {
    const find = `(() => {
      const found = document.querySelector(${JSON.stringify(selector)});
      found?.scrollIntoView({ block: "center" });
      return found;
    })()`;
    const target = { context: this.#context };
    const parameters = { expression: find, target, awaitPromise: false };
    const answer = await this.#command("script.evaluate", parameters);
    const sharedId = record(answer.get("result")).get("sharedId");
    if (typeof sharedId !== "string") throw new Error(`Nothing to click at "${selector}"`);
    const origin = { type: "element", element: { sharedId } };
    const actions = [
      { type: "pointerMove", x: 0, y: 0, origin },
      { type: "pointerDown", button: 0 },
      { type: "pointerUp", button: 0 },
    ];
    const mouse = { type: "pointer", id: "mouse", actions };
    await this.#command("input.performActions", { context: this.#context, actions: [mouse] });
  }

  /** Types into whatever has the focus. */
  async type(text: string): Promise<void> {
    const actions = [...text].flatMap((value) => [
      { type: "keyDown", value },
      { type: "keyUp", value },
    ]);
    const keyboard = { type: "key", id: "keyboard", actions };
    await this.#command("input.performActions", { context: this.#context, actions: [keyboard] });
  }

  /** Waits in the page, checking every 20 ms, until the expression is true. */
  async waitFor(expression: string, what: string): Promise<void> {
    const done = await this.evaluate(`new Promise((resolve) => {
      const limit = Date.now() + 20000;
      const look = () => {
        if (${expression}) resolve(true);
        else if (Date.now() > limit) resolve(false);
        else setTimeout(look, 20);
      };
      look();
    })`);
    if (done !== true) throw new Error(`The page never showed ${what}: ${expression}`);
  }

  /** Closes the browser and removes its profile. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await Deno.remove(this.#profile, { recursive: true });
  }

  async #openSession(): Promise<void> {
    await this.#command("session.new", { capabilities: {} });
    const tree = await this.#command("browsingContext.getTree", {});
    const contexts = tree.get("contexts");
    const first = record(Array.isArray(contexts) ? contexts[0] : undefined);
    this.#context = String(first.get("context"));
  }

  async #command(method: string, params: Readonly<Record<string, unknown>>): Promise<Answer> {
    const id = ++this.#lastId;
    const { socket, answers } = this.#process;
    socket.send(JSON.stringify({ id, method, params }));
    const answer = await answers.next((one) => one.get("id") === id, {
      what: `Firefox to answer ${method}`,
      withinMs: COMMAND_MS,
    });
    if (answer.get("type") === "error") {
      throw new Error(`Firefox refused ${method}: ${String(answer.get("message"))}`);
    }
    return record(answer.get("result"));
  }
}

/** Checks that a value is an object and gives its fields. */
function record(value: unknown): Answer {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`Not an object from the browser: ${Deno.inspect(value)}`);
  }
  return new Map<string, unknown>(Object.entries(value));
}

async function startProcess(profile: string): Promise<Process> {
  const child = spawn(profile);
  const lines = new Arrivals<string>();
  const streams = Promise.all([
    eachLine(child.stdout, () => {}),
    eachLine(child.stderr, (line) => lines.add(line)).then(() => lines.end("Firefox ended")),
  ]);
  try {
    const line = await lines.next((text) => text.includes("WebDriver BiDi listening on"), {
      what: "Firefox to listen",
      withinMs: START_MS,
    });
    const socket = await connect(`${/ws:\/\/\S+/.exec(line)?.[0] ?? ""}/session`);
    const answers = new Arrivals<Answer>();
    socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") answers.add(record(JSON.parse(data)));
    });
    socket.addEventListener("close", () => answers.end("the browser went away"));
    return { child, streams, socket, answers };
  } catch (error) {
    child.kill("SIGKILL");
    await child.status;
    await streams;
    throw error;
  }
}

function spawn(profile: string): Deno.ChildProcess {
  const remote = ["--remote-debugging-port=0", "--headless", "--no-remote", "--new-instance"];
  return new Deno.Command(programPath("firefox-esr"), {
    args: [...remote, "--profile", profile, "about:blank"],
    // A home of its own: the browser must neither read nor leave anything outside the profile.
    env: { HOME: profile, MOZ_CRASHREPORTER_DISABLE: "1", TMPDIR: profile },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function connect(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  const opened = Promise.withResolvers<void>();
  socket.addEventListener("open", () => opened.resolve(), { once: true });
  socket.addEventListener(
    "error",
    () => opened.reject(new Error(`Cannot drive Firefox at "${url}"`)),
    { once: true },
  );
  await opened.promise;
  return socket;
}

async function trust(profile: string, caFile: string): Promise<void> {
  await runWell("certutil", ["-N", "-d", `sql:${profile}`, "--empty-password"]);
  const add = ["-A", "-n", "heliograph-test", "-t", "C,,", "-i", caFile];
  await runWell("certutil", [...add, "-d", `sql:${profile}`]);
}

function preferenceLines(options: FirefoxOptions): string {
  const preferences: Readonly<Record<string, string | number | boolean>> = {
    "dom.push.enabled": true,
    "dom.push.connection.enabled": true,
    "dom.push.serverURL": options.pushUrl,
    "dom.push.testing.allowInsecureServerURL": true,
    "dom.push.maxQuotaPerSubscription": 1_000_000,
    "dom.push.retryBaseInterval": 200,
    "dom.push.requestTimeout": 5_000,
    "permissions.default.desktop-notification": 1,
    // Without a desktop bus the system's alerts fail, and the worker with them.
    "alerts.useSystemBackend": false,
    // Nothing leaves the machine.
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "app.normandy.enabled": false,
    "app.update.auto": false,
    "browser.safebrowsing.downloads.remote.enabled": false,
    "browser.safebrowsing.malware.enabled": false,
    "browser.safebrowsing.phishing.enabled": false,
    "browser.search.update": false,
    "browser.shell.checkDefaultBrowser": false,
    "captivedetect.canonicalURL": "",
    "datareporting.healthreport.uploadEnabled": false,
    "datareporting.policy.dataSubmissionEnabled": false,
    "extensions.getAddons.cache.enabled": false,
    "extensions.update.enabled": false,
    "geo.enabled": false,
    "media.gmp-manager.url": "data:,",
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
    "toolkit.telemetry.enabled": false,
    "toolkit.telemetry.server": "data:,",
    ...options.preferences,
  };
  return Object.entries(preferences)
    .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`)
    .join("");
}
