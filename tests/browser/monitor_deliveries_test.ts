/**
 * The view of deliveries in Chromium, on a real node: its numbers are the API's and the campaign's; it goes on
 * over a node that was killed and over sleep.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { Relay } from "../support/relay.ts";
import { MonitorWorld } from "./monitor_world.ts";

const VIEW = ".deliveries";
const CHART = ".bar-chart";
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

async function saysWhatToDo(world: MonitorWorld): Promise<void> {
  const { page } = world;
  await page.locator(`${CHART}[data-line]`).waitFor();
  assertMatch(await page.locator(".bar-empty").innerText(), /deno task demo --api-port 0/);
  assertEquals(Object.values(await shown(page, "part")), [0, 0, 0]);
  assertEquals(await world.axe(), []);
}

async function isLeftWhileItLoads(world: MonitorWorld): Promise<void> {
  const { page } = world;
  await world.show("apps");
  const asked = Promise.withResolvers<void>();
  await page.route("**/v1/bars?*", () => asked.resolve()); // Never answered.
  await world.show("deliveries");
  await asked.promise;
  await world.show("apps");
  await page.unroute("**/v1/bars?*");
  await world.show("deliveries");
  assertEquals(world.complaints, []);
}

async function showsNumbers(world: MonitorWorld): Promise<void> {
  const { page } = world;
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
}

async function worksByKeyboard(world: MonitorWorld): Promise<void> {
  const { page } = world;
  await page.locator("#view").focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowRight");
  await page.locator(`${VIEW}[data-stacking=outcome]`).waitFor();
  const sums = sumsOf(await apiBars(world, "ten_minutes"));
  assertEquals(await shown(page, "part"), only(sums, OUTCOMES));
  for (const name of ["span", "pause", "chart"]) {
    await page.keyboard.press("Tab");
    if (name === "pause") await page.keyboard.press("Enter");
  }
  await page.locator(`${VIEW}[data-paused=yes]`).waitFor();
  const { bars } = await apiBars(world, "ten_minutes");
  for (const { second, platforms } of bars) {
    await page.keyboard.press("End");
    const newest = Number(await page.locator(VIEW).getAttribute("data-to")) - 1;
    for (let step = newest; step > second; step--) await page.keyboard.press("ArrowLeft");
    assertEquals(await page.locator(".bar-readout").getAttribute("data-second"), `${second}`);
    for (const platform of PLATFORMS) {
      for (const [of, value] of Object.entries(platforms[platform])) {
        const cell = page.locator(`[data-platform=${platform}][data-of=${of}]`);
        assertEquals([of, await cell.getAttribute("data-value")], [of, `${value}`]);
      }
    }
    const all = page.locator("[data-platform=all][data-of=ended]");
    const said = await page.locator(CHART).getAttribute("aria-valuetext") ?? "";
    assert(said.includes(`${await all.innerText()} ended`), said);
  }
  await page.keyboard.press("Escape");
  assertEquals(await page.locator(CHART).getAttribute("data-chosen"), "");
  assertEquals(await world.axe(), []);
}

async function standsStill(world: MonitorWorld): Promise<void> {
  const { page } = world;
  const to = await page.locator(VIEW).getAttribute("data-to");
  const { delivered } = await campaignEnded(world);
  await page.locator(`[data-figure=delivered][data-value="${2 * delivered}"]`).waitFor();
  assertEquals(await page.locator(VIEW).getAttribute("data-to"), to);
  await untilEnded(page, RECIPIENTS);
  assertMatch(await page.locator(".behind").innerText(), /^\d+ s behind$/);
  await page.getByRole("button", { name: "Resume" }).click();
  await untilEnded(page, 2 * RECIPIENTS);
  assertEquals(await page.locator(".behind").innerText(), "");
}

async function showsTable(world: MonitorWorld): Promise<void> {
  const { page } = world;
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
}

async function showsStored(world: MonitorWorld, span: string, name: string): Promise<void> {
  const { page } = world;
  await page.getByRole("radio", { name, exact: true }).check();
  await page.locator(`${VIEW}[data-span=${span}]`).waitFor();
  await untilEnded(page, 2 * RECIPIENTS);
  const sums = sumsOf(await apiBars(world, span));
  assertEquals(await shown(page, "part"), only(sums, OUTCOMES));
  assertEquals((await shown(page, "figure"))["retries"], sums["retries"]);
}

async function keepsOldBars(world: MonitorWorld): Promise<void> {
  const { page } = world;
  assertEquals(world.complaints, []);
  await page.route("**/v1/bars?*", (route) => route.fulfill({ status: 503, body: "" }));
  await page.evaluate(`document.dispatchEvent(new Event("visibilitychange"))`);
  await page.locator(`${VIEW}[data-old=yes]`).waitFor();
  await untilEnded(page, 2 * RECIPIENTS);
  assertMatch(await page.locator(".bar-caption").innerText(), /not up to date/);
  await page.unroute("**/v1/bars?*");
  await page.evaluate(`document.dispatchEvent(new Event("visibilitychange"))`);
  await page.locator(`${VIEW}[data-old=no]`).waitFor();
  assertNodeWasAway(world);
}

async function goesOnAfterKill(world: MonitorWorld): Promise<void> {
  const { campaign, page } = world;
  await page.getByRole("radio", { name: "10 minutes" }).check();
  await untilEnded(page, 2 * RECIPIENTS);
  await campaign.service.kill9();
  await page.locator("#service[data-state=lost]").waitFor();
  await page.locator(`${VIEW}[data-old=yes]`).waitFor();
  assertMatch(await page.locator(".bar-caption").innerText(), /not up to date/);
  await campaign.service.startAgain();
  await page.locator("#service[data-state=live]").waitFor();
  await campaignEnded(world);
  await untilEnded(page, 3 * RECIPIENTS);
  assertEquals(await page.locator(VIEW).getAttribute("data-old"), "no");
  // The browser itself writes down each attempt to reach a node that was not there.
  assertNodeWasAway(world);
}

async function asksForMissed(world: MonitorWorld): Promise<void> {
  const { campaign, page } = world;
  await using relay = Relay.open(campaign.service.apiPort);
  await page.goto(`http://localhost:${relay.port}/#/deliveries`);
  await world.signIn();
  await untilEnded(page, RECIPIENTS);
  const session = await page.context().newCDPSession(page);
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
  await relay.cutAll();
  await campaignEnded(world);
  await session.send("Page.setWebLifecycleState", { state: "active" });
  await untilEnded(page, 2 * RECIPIENTS);
  assertNodeWasAway(world);
}

/** Each begins where the one before has ended. */
const STEPS: readonly (readonly [string, (world: MonitorWorld) => Promise<void>])[] = [
  ["says what to do when nothing was sent", saysWhatToDo],
  ["is left while it loads, without a complaint", isLeftWhileItLoads],
  ["shows the numbers of the API and of the campaign", showsNumbers],
  ["is worked by keyboard, and has the exact numbers of each second", worksByKeyboard],
  ["stands still while it is paused, counts on, and jumps to now", standsStill],
  ["shows the same numbers as a table", showsTable],
  ["shows what is stored of the last hour", (world) => showsStored(world, "hour", "Hour")],
  ["shows what is stored of the last day", (world) => showsStored(world, "day", "Day")],
  ["keeps the stored bars while the store is away, and says that they are old", keepsOldBars],
  ["goes on after the node was killed and started again", goesOnAfterKill],
  ["asks for what it has missed in sleep, in which its connection was lost", asksForMissed],
];

Deno.test("the view of deliveries, on a node that runs campaigns", async (t) => {
  const shares = { refused: 0.05, throttled: 0.02 };
  await using world = await MonitorWorld.open({ service: { change: { shares } } });
  await world.campaign.register("news", Array.from({ length: RECIPIENTS }, (_, number) => number));
  for (const [name, run] of STEPS) {
    assert(await t.step(name, () => run(world)), name);
  }
});
