/**
 * A browser on the monitor of a real node: the service as a child process with its stand-in for the
 * providers, Chromium signed in by the form, and everything the browser complains about written down.
 *
 * Invariants: the token is typed as a person types it, so that no address ever holds it; disposal ends the
 * browser and the service. What a test of a view needs of a browser is {@linkcode MonitorWorld.page}; a
 * world for another browser gives the same functions over its own way of driving it.
 *
 * @module
 */

import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { CampaignService, type CampaignServiceOptions } from "../support/campaign_service.ts";
import { programPath } from "../support/programs.ts";

/** How long the browser may take for anything: much more than it needs on a busy machine. */
const TIMEOUT_MS = 20_000;

/** Which look the browser asks for. */
export interface MonitorLook {
  /** Width of the window; default 1280. */
  readonly widthPx?: number;
  /** Its height; default 900. */
  readonly heightPx?: number;
  /** Default light. */
  readonly colorScheme?: "light" | "dark";
  /** Whether to keep motion away; default not. */
  readonly reducedMotion?: boolean;
}

/** What a world is made of. */
export interface MonitorWorldOptions extends MonitorLook {
  /** The service under the page and its providers. */
  readonly service?: CampaignServiceOptions;
  /** The view to begin with, and what follows it in the address: `notifications/ID`; default deliveries. */
  readonly view?: string;
}

/** The monitor, open in Chromium and signed in. */
export class MonitorWorld implements AsyncDisposable {
  /** The service and its providers; its `api` asks what the page asks. */
  readonly campaign: CampaignService;
  /** The open page. */
  readonly page: Page;
  /** Errors and warnings in the console, uncaught errors, breaches of the content security policy. */
  readonly complaints: string[] = [];
  readonly #browser: Browser;

  private constructor(campaign: CampaignService, browser: Browser, page: Page) {
    this.campaign = campaign;
    this.#browser = browser;
    this.page = page;
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
  }

  /** Starts the service and the browser, signs in and opens the view. */
  static async open(options: MonitorWorldOptions = {}): Promise<MonitorWorld> {
    const { service, view = "deliveries", ...look } = options;
    await using opening = new AsyncDisposableStack();
    const campaign = opening.use(await CampaignService.open(service));
    const browser = await chromium.launch({
      executablePath: programPath("chromium"),
      args: ["--disable-quic", "--disable-background-networking", "--disable-component-update"],
    });
    opening.defer(() => browser.close());
    const page = await browser.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    const world = new MonitorWorld(campaign, browser, page);
    await world.look(look);
    await page.goto(`${world.origin}/#/${view}`);
    await world.signIn();
    opening.move();
    return world;
  }

  /** Where the page comes from. */
  get origin(): string {
    return `http://localhost:${this.campaign.service.apiPort}`;
  }

  /** The token that the node wrote at its first start. */
  get token(): string {
    return Deno.readTextFileSync(`${this.campaign.service.dataDir}/api-token`).trim();
  }

  /** Changes window and preferences of the browser at once, as a person may while the page is open. */
  async look(look: MonitorLook): Promise<void> {
    const { widthPx = 1_280, heightPx = 900, colorScheme = "light", reducedMotion = false } = look;
    await this.page.setViewportSize({ width: widthPx, height: heightPx });
    await this.page.emulateMedia({
      colorScheme,
      reducedMotion: reducedMotion ? "reduce" : "no-preference",
    });
  }

  /** Types the token into the form and waits for the view. */
  async signIn(): Promise<void> {
    try {
      await this.page.locator("#token").fill(this.token);
      await this.page.locator("#token").press("Enter");
      await this.page.locator("body[data-signed-in=yes]").waitFor();
      await this.#opened();
    } catch (cause) {
      throw new Error(`Cannot sign in; the page says:\n${this.complaints.join("\n")}`, { cause });
    }
  }

  /** Goes to a view by its address, `notifications/ID` or `devices?app=news`, and waits until it stands. */
  async show(view: string): Promise<void> {
    await this.page.evaluate((hash) => void (location.hash = hash), `#/${view}`);
    const name = /^[a-z]+/.exec(view)?.[0] ?? "";
    await this.page.locator(`body[data-view="${name}"]`).waitFor();
    await this.#opened();
  }

  /**
   * What axe-core finds serious or critical on the page as it is now: rule, what it is about, and where.
   *
   * @param within Only in what this CSS selector finds; the whole page by default.
   */
  async axe(within = "body"): Promise<readonly string[]> {
    // Evaluated by the browser's own protocol: the page's policy lets no script tag in.
    await this.page.evaluate(axe.source);
    return await this.page.evaluate(findViolations, within);
  }

  /** The complaints so far, which are forgotten: those of a part that had to have some. */
  takeComplaints(): readonly string[] {
    return this.complaints.splice(0);
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
    await this.campaign[Symbol.asyncDispose]();
  }

  async #opened(): Promise<void> {
    await this.page.locator("#view[aria-busy=false]").waitFor();
  }
}

/** Runs in the page, where the library's name is a global one. */
async function findViolations(within: string): Promise<string[]> {
  const { violations } = await axe.run(within, { resultTypes: ["violations"] });
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, failureSummary }) =>
        `${id} (${help}): ${target.join(" ")}: ${failureSummary ?? ""}`
      )
    );
}
