/**
 * The view of deliveries in Chromium, on a real node: its numbers are the API's and the campaign's; it goes on
 * over a node that was killed and over sleep; it is drawn once a second however much there is to draw.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { Relay } from "../support/relay.ts";
import { MonitorWorld } from "./monitor_world.ts";

/** Recipients of each campaign. */
const RECIPIENTS = 1_000;
const PLATFORMS = ["apns", "fcm", "webpush"] as const;
const OUTCOMES = [
  "delivered",
  "token_invalid",
  "rejected",
  "expired",
  "failed",
  "cancelled",
] as const;
/** Deliveries of each second of the flood, and its first second. */
const MANY = 200_000;
const SECOND = 1_795_370_000;
/** What a frame of the screen may take. */
const FRAME_MS = 16;
const HOSTILE = `<img src=x onerror="alert(1)">\u202e${"w".repeat(200)}`;
/** Gives the page a stream of events that the test writes, and no bars before it. */
const FEED = `
  const { fetch } = window;
  const none = { span: "ten_minutes", step: 1, from: ${SECOND - 600}, to: ${SECOND}, bars: [] };
  window.fetch = (path, init) => {
    if (path.startsWith("/v1/bars")) return Promise.resolve(Response.json(none));
    if (!path.startsWith("/v1/events")) return fetch(path, init);
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    window.feed = (text) => void writer.write(new TextEncoder().encode(text));
    window.feed(": begins\\n\\n");
    return Promise.resolve(new Response(readable));
  };`;
const NODES = `document.querySelectorAll("*").length`;
const DRAW_MS = `performance.getEntriesByName("bar-chart").map(({ duration }) => duration)`;

type Platform = typeof PLATFORMS[number];
type Outcome = typeof OUTCOMES[number];

/** What is read of the API's bars. */
interface Bars {
  readonly bars: readonly {
    readonly second: number;
    readonly platforms: Readonly<Record<Platform, Readonly<Record<Outcome | "retries", number>>>>;
  }[];
}

async function apiBars({ campaign, token }: MonitorWorld, span: string): Promise<Bars> {
  const url = `http://127.0.0.1:${campaign.service.apiPort}/v1/bars?span=${span}`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  return await response.json();
}

/** Sums of the API's bars by platform and outcome, as the page names them. */
function sumsOf({ bars }: Bars): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const name of [...PLATFORMS, ...OUTCOMES, "retries"]) sums[name] = 0;
  for (const { platforms } of bars) {
    for (const platform of PLATFORMS) {
      const { retries, ...outcomes } = platforms[platform];
      sums["retries"] = (sums["retries"] ?? 0) + retries;
      for (const [outcome, count] of Object.entries(outcomes)) {
        sums[platform] = (sums[platform] ?? 0) + count;
        sums[outcome] = (sums[outcome] ?? 0) + count;
      }
    }
  }
  return sums;
}

/** The exact numbers of the page's parts or figures, by their names. */
async function shown(
  page: Page,
  kind: "part" | "figure",
): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {};
  for (const one of await page.locator(`[data-${kind}]`).all()) {
    const name = await one.getAttribute(`data-${kind}`) ?? "";
    found[name] = Number(await one.getAttribute("data-value"));
  }
  return found;
}

/** Waits until the bars of the page sum up to so many recipients. */
async function untilEnded(page: Page, expected: number): Promise<void> {
  await page.locator(`.deliveries[data-ended="${expected}"]`).waitFor();
}

async function draws(page: Page): Promise<number> {
  return Number(await page.locator(".bar-chart").getAttribute("data-draws"));
}

async function feed(page: Page, frames: readonly string[]): Promise<void> {
  await page.evaluate(`feed(${JSON.stringify(frames.join(""))})`);
}

/** A second of the flood. */
function barFrame(second: number): string {
  const none = {
    delivered: 0,
    token_invalid: 0,
    rejected: 0,
    expired: 0,
    failed: 0,
    cancelled: 0,
    retries: 0,
  };
  const apns = { ...none, delivered: MANY / 2 };
  const fcm = { ...none, delivered: MANY / 5, failed: MANY / 10 };
  const webpush = { ...none, delivered: MANY / 10, rejected: MANY / 10, retries: second };
  return `event: bar\nid: ${second}\ndata: ${
    JSON.stringify({ second, platforms: { apns, fcm, webpush } })
  }\n\n`;
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, place) => place);
}

/** Nothing but what the browser itself writes down of a node that is not there; it is forgotten. */
function assertNodeWasAway(world: MonitorWorld): void {
  for (const complaint of world.takeComplaints()) {
    assertMatch(complaint, /^Failed to load resource: (net::ERR_|.*\b503\b)/);
  }
}

/** Sends to everybody and waits for the end; the counts. */
async function campaignEnded({ campaign }: MonitorWorld) {
  return (await campaign.ended(await campaign.send("news"), 30_000)).counts;
}

function only(part: Readonly<Record<string, number>>, names: readonly string[]) {
  return Object.fromEntries(names.map((name) => [name, part[name]]));
}

Deno.test("the view of deliveries, on a node that runs campaigns", async (t) => {
  const shares = { refused: 0.05, throttled: 0.02 };
  await using world = await MonitorWorld.open({ service: { change: { shares } } });
  const { campaign, page } = world;
  const root = page.locator(".deliveries");
  const chart = page.locator(".bar-chart");
  await campaign.register("news", Array.from({ length: RECIPIENTS }, (_, number) => number));

  // Each step begins where the one before has ended.
  const step = async (name: string, run: () => Promise<void>) => {
    assert(await t.step(name, run), name);
  };

  await step("says what to do when nothing was sent", async () => {
    await chart.and(page.locator("[data-line]")).waitFor();
    assertMatch(await page.locator(".bar-empty").innerText(), /deno task demo/);
    assertEquals(Object.values(await shown(page, "part")), [0, 0, 0]);
    assertEquals(await world.axe(), []);
  });

  await step("shows the numbers of the API and of the campaign", async () => {
    const counts = await campaignEnded(world);
    await untilEnded(page, RECIPIENTS);
    const sums = sumsOf(await apiBars(world, "ten_minutes"));
    assertEquals(await shown(page, "part"), only(sums, PLATFORMS));
    const figures = await shown(page, "figure");
    assertEquals(figures["delivered"], counts.delivered);
    assertEquals(figures["failed"], RECIPIENTS - counts.delivered);
    assertEquals(figures["retries"], counts.retries);
    assert(counts.retries > 0 && counts.rejected > 0);
    assertEquals([figures["waiting"], figures["leased"]], [0, 0]);
    assertEquals(await page.locator(".bar-empty").isVisible(), false);
  });

  await step("is worked by keyboard, and has the exact numbers of each second", async () => {
    await page.locator("#view").focus();
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowRight");
    await root.and(page.locator("[data-stacking=outcome]")).waitFor();
    const sums = sumsOf(await apiBars(world, "ten_minutes"));
    assertEquals(await shown(page, "part"), only(sums, OUTCOMES));
    for (const name of ["span", "pause", "chart"]) {
      await page.keyboard.press("Tab");
      if (name === "pause") await page.keyboard.press("Enter");
    }
    await root.and(page.locator("[data-paused=yes]")).waitFor();
    const { bars } = await apiBars(world, "ten_minutes");
    for (const { second, platforms } of bars) {
      await page.keyboard.press("End");
      const newest = Number(await chart.getAttribute("aria-valuenow"));
      for (let step = newest; step > second; step--) await page.keyboard.press("ArrowLeft");
      assertEquals(await page.locator(".bar-readout").getAttribute("data-second"), `${second}`);
      for (const platform of PLATFORMS) {
        for (const [of, value] of Object.entries(platforms[platform])) {
          const cell = page.locator(`[data-platform=${platform}][data-of=${of}]`);
          assertEquals([of, await cell.getAttribute("data-value")], [of, `${value}`]);
        }
      }
      const all = page.locator("[data-platform=all][data-of=ended]");
      const said = await chart.getAttribute("aria-valuetext") ?? "";
      assert(said.includes(`${await all.innerText()} ended`), said);
    }
    await page.keyboard.press("Escape");
    assertEquals(await chart.getAttribute("data-chosen"), "");
    assertEquals(await world.axe(), []);
  });

  await step("stands still while it is paused, counts on, and jumps to now", async () => {
    const to = await root.getAttribute("data-to");
    const { delivered } = await campaignEnded(world);
    await page.locator(`[data-figure=delivered][data-value="${2 * delivered}"]`).waitFor();
    assertEquals(await root.getAttribute("data-to"), to);
    await untilEnded(page, RECIPIENTS);
    assertMatch(await page.locator(".behind").innerText(), /^\d+ s behind$/);
    await page.getByRole("button", { name: "Resume" }).click();
    await untilEnded(page, 2 * RECIPIENTS);
    assertEquals(await page.locator(".behind").innerText(), "");
  });

  await step("shows the same numbers as a table", async () => {
    await page.getByRole("button", { name: "Show as table" }).click();
    const { bars } = await apiBars(world, "ten_minutes");
    const rows = await page.locator(".bar-table tbody tr").allInnerTexts();
    assertEquals(rows.length, 60);
    const delivered = await page.locator('.bar-table td[data-name="Delivered"]').allInnerTexts();
    const total = delivered.reduce((sum, text) => sum + Number(text.replaceAll(",", "")), 0);
    assertEquals(total, sumsOf({ bars })["delivered"]);
    await world.look({ widthPx: 390, heightPx: 800, colorScheme: "dark" });
    assertEquals(await page.evaluate("document.documentElement.scrollWidth"), 390);
    assertEquals(await world.axe(), []);
    await world.look({});
    await page.getByRole("button", { name: "Hide the table" }).click();
  });

  for (const [span, name] of [["hour", "Hour"], ["day", "Day"]] as const) {
    await step(`shows what is stored of the last ${span}`, async () => {
      await page.getByRole("radio", { name, exact: true }).check();
      await root.and(page.locator(`[data-span=${span}]`)).waitFor();
      await untilEnded(page, 2 * RECIPIENTS);
      const sums = sumsOf(await apiBars(world, span));
      assertEquals(await shown(page, "part"), only(sums, OUTCOMES));
      assertEquals((await shown(page, "figure"))["retries"], sums["retries"]);
    });
  }

  await step(
    "keeps the stored bars while the store is away, and says that they are old",
    async () => {
      assertEquals(world.complaints, []);
      await page.route("**/v1/bars?*", (route) => route.fulfill({ status: 503, body: "" }));
      await page.evaluate(`document.dispatchEvent(new Event("visibilitychange"))`);
      await root.and(page.locator("[data-old=yes]")).waitFor();
      await untilEnded(page, 2 * RECIPIENTS);
      assertMatch(await page.locator(".bar-caption").innerText(), /not up to date/);
      await page.unroute("**/v1/bars?*");
      await page.evaluate(`document.dispatchEvent(new Event("visibilitychange"))`);
      await root.and(page.locator("[data-old=no]")).waitFor();
      assertNodeWasAway(world);
    },
  );

  await step("goes on after the node was killed and started again", async () => {
    await page.getByRole("radio", { name: "10 minutes" }).check();
    await untilEnded(page, 2 * RECIPIENTS);
    await campaign.service.kill9();
    await page.locator("#service[data-state=lost]").waitFor();
    await root.and(page.locator("[data-old=yes]")).waitFor();
    assertMatch(await page.locator(".bar-caption").innerText(), /not up to date/);
    await campaign.service.startAgain();
    await page.locator("#service[data-state=live]").waitFor();
    await campaignEnded(world);
    await untilEnded(page, 3 * RECIPIENTS);
    assertEquals(await root.getAttribute("data-old"), "no");
    // The browser itself writes down each attempt to reach a node that was not there.
    assertNodeWasAway(world);
  });

  await step("asks for what it has missed in sleep, in which its connection was lost", async () => {
    await using relay = Relay.open(campaign.service.apiPort);
    await page.goto(`http://localhost:${relay.port}/#/deliveries`);
    await world.signIn();
    await untilEnded(page, RECIPIENTS);
    const before = await draws(page);
    const session = await page.context().newCDPSession(page);
    await session.send("Page.setWebLifecycleState", { state: "frozen" });
    await relay.cutAll();
    await campaignEnded(world);
    await session.send("Page.setWebLifecycleState", { state: "active" });
    await untilEnded(page, 2 * RECIPIENTS);
    assert(await draws(page) <= before + 5, "What was missed is drawn at once");
    assertNodeWasAway(world);
  });

  await step(
    "draws a second at once, at 200,000 deliveries in each, and hostile names as text",
    async () => {
      await page.addInitScript(FEED);
      await page.goto(`${world.origin}/#/deliveries`);
      assertNodeWasAway(world);
      await page.locator("#service[data-state=live]").waitFor();
      await feed(page, range(600).map((place) => barFrame(SECOND + place)));
      await untilEnded(page, 600 * MANY);
      assertEquals(await chart.getAttribute("data-top"), `${MANY}`);
      assertMatch(await page.locator(".bar-caption").innerText(), /a line every 50,000/);
      const [nodes, before] = [await page.evaluate(NODES), await draws(page)];
      const lanes = [{
        app: HOSTILE,
        platform: "fcm",
        pause: { reason: HOSTILE, since: "2026-11-22T18:00:00Z" },
      }];
      for (const place of range(30)) {
        await feed(page, [barFrame(SECOND + 600 + place)]);
        await root.and(page.locator(`[data-to="${SECOND + 601 + place}"]`)).waitFor();
      }
      assertEquals(await root.getAttribute("data-ended"), `${600 * MANY}`);
      assertEquals(await page.evaluate(NODES), nodes);
      assert(await draws(page) <= before + 30, "A second is drawn once");
      const drawMs = await page.evaluate<readonly number[]>(DRAW_MS);
      const median = drawMs.toSorted((a, b) => a - b)[Math.floor(drawMs.length / 2)] ?? Infinity;
      assert(median < FRAME_MS, `Drawing took ${drawMs.join()} ms`);
      await feed(page, [
        `event: status\ndata: ${JSON.stringify({ queue: { waiting: 1, leased: 2 }, lanes })}\n\n`,
      ]);
      const notice = page.locator(".paused-lanes .foreign");
      assertEquals(await notice.first().textContent(), HOSTILE);
      assertEquals(await page.locator(".paused-lanes img").count(), 0);
      assertEquals(await world.axe(), []);
      assertEquals(world.complaints, []);
    },
  );
});
