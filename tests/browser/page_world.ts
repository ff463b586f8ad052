/**
 * A Chromium on the page of a real API door, with everything it complains about written down.
 *
 * The push endpoint is only a door that answers, since Chromium cannot subscribe here; messages
 * reach the service worker through the browser's own developer protocol.
 *
 * @module
 */
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { Metrics } from "../../transports/api/metrics.ts";
import { type ApiServer, serveApi } from "../../transports/api/serve_api.ts";
import { dashboardFiles } from "../../transports/dashboard/files.ts";
import { answer, type HttpDoor, openHttpDoor } from "../../transports/http_door/http_door.ts";
import { programPath } from "../support/programs.ts";

/** How long the browser may take for anything: much more than it needs on a busy machine. */
const TIMEOUT_MS = 15_000;

/** What the browser pretends to be. */
export interface PageWorldOptions {
  /** The `User-Agent`; Chromium's own when absent. */
  readonly userAgent?: string;
  /** What the user answers when asked for notifications; headless Chromium refuses by itself. */
  readonly notifications?: "granted";
  /** Width of the window; default 1280. */
  readonly widthPx?: number;
}

/** The page, open in a browser. */
export class PageWorld implements AsyncDisposable {
  /** The page's address. */
  readonly url: string;
  /** The open page. */
  readonly page: Page;
  /** Errors in the console, uncaught errors and breaches of the content security policy. */
  readonly complaints: string[] = [];
  readonly #api: ApiServer;
  readonly #endpoint: HttpDoor;
  readonly #browser: Browser;
  readonly #context: BrowserContext;

  private constructor(
    parts: {
      readonly api: ApiServer;
      readonly endpoint: HttpDoor;
      readonly browser: Browser;
      readonly context: BrowserContext;
      readonly page: Page;
    },
  ) {
    this.#api = parts.api;
    this.#endpoint = parts.endpoint;
    this.#browser = parts.browser;
    this.#context = parts.context;
    this.page = parts.page;
    this.url = `http://localhost:${parts.api.port}/browser`;
    this.page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.complaints.push(message.text());
    });
    this.page.on("pageerror", (error) => this.complaints.push(String(error)));
  }

  /** Starts door and browser and opens the page. */
  static async open(options: PageWorldOptions = {}): Promise<PageWorld> {
    const endpoint = await openHttpDoor({
      hostname: "127.0.0.1",
      port: 0,
      handle: (_request, response) => answer(response, 200, {}, "{}"),
    });
    const api = await serveApi({
      hostname: "127.0.0.1",
      port: 0,
      verifyToken: () => ({ kind: "unknown" }),
      ready: () => Promise.resolve([]),
      tree: () => ({}),
      metrics: new Metrics(),
      version: "0.0.0",
      page: {
        files: dashboardFiles,
        endpointOrigin: `http://127.0.0.1:${endpoint.port}`,
        deviceUrl: "ws://127.0.0.1:8081/",
      },
    });
    const browser = await chromium.launch({
      executablePath: programPath("chromium"),
      args: ["--disable-quic", "--disable-background-networking", "--disable-component-update"],
    });
    const { userAgent, notifications, widthPx = 1_280 } = options;
    const context = await browser.newContext({
      viewport: { width: widthPx, height: 900 },
      ...(userAgent === undefined ? {} : { userAgent }),
      ...(notifications === undefined ? {} : { permissions: ["notifications"] }),
    });
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    const world = new PageWorld({ api, endpoint, browser, context, page });
    await page.goto(world.url);
    await page.locator("body:not([data-subscription=checking])").waitFor();
    return world;
  }

  /** Delivers a push message to the service worker, `""` being one without content. */
  async push(...texts: readonly string[]): Promise<void> {
    const session = await this.#context.newCDPSession(this.page);
    const registered = new Promise<string>((resolve) => {
      session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
        const [registration] = registrations;
        if (registration !== undefined) resolve(registration.registrationId);
      });
    });
    await session.send("ServiceWorker.enable");
    const registrationId = await registered;
    const origin = new URL(this.url).origin;
    for (const data of texts) {
      await session.send("ServiceWorker.deliverPushMessage", { origin, registrationId, data });
    }
    await session.detach();
  }

  /** Ends the service under the page. */
  async stopService(): Promise<void> {
    await this.#api.close();
    await this.#endpoint.close(0);
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
    await this.stopService();
  }
}
