/**
 * The view of deliveries in Chromium, fed with 200,000 deliveries in each second and with names of strangers: it
 * is drawn once a second, and shows the same whoever points at it.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { MonitorWorld } from "./monitor_world.ts";

/** Deliveries of each second, and the first one. */
const MANY = 200_000;
const SECOND = 1_795_370_000;
/** Seconds of a picture. */
const SECONDS = 600;
/** What a frame of the screen may take. */
const FRAME_MS = 16;
const HOSTILE = `<img src=x onerror="alert(1)">\u202e${"w".repeat(200)}`;

/** Gives the page a stream of events that the test writes, and no bars before it. */
const FEED = `
  const { fetch } = window;
  const none = { span: "ten_minutes", step: 1, from: ${SECOND - SECONDS}, to: ${SECOND}, bars: [] };
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
/** The colour of the lowest part of the newest bar. */
const PIXEL = `{
  const canvas = document.querySelector(".bar-chart canvas");
  const one = new OffscreenCanvas(1, 1).getContext("2d");
  one.drawImage(canvas, 2 - canvas.width, 40 - canvas.height);
  const { data } = one.getImageData(0, 0, 1, 1);
  "#" + [...data.slice(0, 3)].map((part) => part.toString(16).padStart(2, "0")).join("");
}`;

async function feed(page: Page, frames: readonly string[]): Promise<void> {
  await page.evaluate(`feed(${JSON.stringify(frames.join(""))})`);
}

/** A second of the flood. */
function barFrame(second: number): string {
  const counts = (delivered: number, rejected: number, failed: number) => ({
    delivered: delivered * MANY,
    token_invalid: 0,
    rejected: rejected * MANY,
    expired: 0,
    failed: failed * MANY,
    cancelled: 0,
    retries: second,
  });
  const platforms = {
    apns: counts(0.5, 0, 0),
    fcm: counts(0.2, 0, 0.1),
    webpush: counts(0.1, 0.1, 0),
  };
  return `event: bar\nid: ${second}\ndata: ${JSON.stringify({ second, platforms })}\n\n`;
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, place) => place);
}

async function draws(page: Page): Promise<number> {
  return Number(await page.locator(".bar-chart").getAttribute("data-draws"));
}

async function drawsOnceASecond({ page }: MonitorWorld): Promise<void> {
  await feed(page, range(SECONDS).map((place) => barFrame(SECOND + place)));
  const root = page.locator(".deliveries");
  await root.and(page.locator(`[data-ended="${SECONDS * MANY}"]`)).waitFor();
  assertEquals(await page.locator(".bar-chart").getAttribute("data-top"), `${MANY}`);
  assertMatch(await page.locator(".bar-caption").innerText(), /a line every 50,000/);
  const [nodes, before] = [await page.evaluate(NODES), await draws(page)];
  for (const place of range(30)) {
    await feed(page, [barFrame(SECOND + SECONDS + place)]);
    await root.and(page.locator(`[data-to="${SECOND + SECONDS + 1 + place}"]`)).waitFor();
  }
  assertEquals(await root.getAttribute("data-ended"), `${SECONDS * MANY}`);
  assertEquals(await page.evaluate(NODES), nodes);
  assert(await draws(page) <= before + 30, "A second is drawn once");
  const drawMs = await page.evaluate<readonly number[]>(DRAW_MS);
  const median = drawMs.toSorted((a, b) => a - b)[Math.floor(drawMs.length / 2)] ?? Infinity;
  assert(median < FRAME_MS, `Drawing took ${drawMs.join()} ms`);
}

async function followsTheTheme(world: MonitorWorld): Promise<void> {
  const { page } = world;
  assertEquals(await page.evaluate(PIXEL), "#0072b2");
  const before = await draws(page);
  await world.look({ colorScheme: "dark" });
  await page.locator(`.bar-chart:not([data-draws="${before}"])`).waitFor();
  assertEquals(await page.evaluate(PIXEL), "#56b4e9");
  await world.look({});
}

async function tellsWhatIsPointedAt({ page }: MonitorWorld): Promise<void> {
  const readout = page.locator(".bar-readout");
  const second = () => readout.getAttribute("data-second");
  const last = SECOND + SECONDS + 29;
  assertEquals(await second(), `${last}`);
  const { x = 0, y = 0, width = 0, height = 0 } = await page.locator(".u-over").boundingBox() ?? {};
  const half = [x + width / 2 + 0.5, y + height / 2] as const;
  await page.mouse.move(...half);
  assertEquals(await second(), `${last - SECONDS / 2 + 1}`);
  await feed(page, [barFrame(last + 1)]);
  // Under a mouse that rests is the next second then.
  await readout.and(page.locator(`[data-second="${last - SECONDS / 2 + 2}"]`)).waitFor();
  const { delivered, retries } = { delivered: 0.8 * MANY, retries: 3 * (last - SECONDS / 2 + 2) };
  for (const [of, value] of Object.entries({ delivered, retries, ended: MANY })) {
    const cell = page.locator(`[data-platform=all][data-of=${of}]`);
    assertEquals([of, await cell.getAttribute("data-value")], [of, `${value}`]);
  }
  await page.mouse.move(x, 0);
  assertEquals(await second(), `${last + 1}`);
  const touch = { pointerType: "touch", clientX: half[0], clientY: half[1], bubbles: true };
  await page.locator(".u-over").dispatchEvent("pointerdown", touch);
  assertEquals(await second(), `${last - SECONDS / 2 + 2}`);
  await feed(page, [barFrame(last + 2)]);
  // A finger has chosen a second, which goes on with the others.
  await page.locator(`.deliveries[data-to="${last + 3}"]`).waitFor();
  assertEquals(await second(), `${last - SECONDS / 2 + 2}`);
}

async function namesLanesAsText(world: MonitorWorld): Promise<void> {
  const { page } = world;
  const pause = { reason: HOSTILE, since: "2026-11-22T18:00:00Z" };
  // What was fed before is drawn in the frame after the one that shows its numbers.
  await page.evaluate(
    "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))",
  );
  const before = await draws(page);
  const lanes = range(7).map((place) => ({ app: HOSTILE + place, platform: "fcm", pause }));
  const status = { queue: { waiting: 1, leased: 2 }, lanes };
  await feed(page, [`event: status\ndata: ${JSON.stringify(status)}\n\n`]);
  const notice = page.locator(".paused-lanes");
  assertEquals(await notice.locator(".foreign").first().textContent(), `${HOSTILE}0`);
  assertMatch(await notice.innerText(), /Sending is paused: 7 platforms of apps[^]*and 2 more/);
  assertEquals(await notice.locator("a").getAttribute("href"), "#/apps");
  assertEquals(await notice.locator("img").count(), 0);
  assertEquals(await page.locator("[data-figure=waiting]").getAttribute("data-value"), "1");
  assertEquals(await draws(page), before);
  for (const look of [{ widthPx: 390 }, { widthPx: 2_560, colorScheme: "dark" }] as const) {
    await world.look(look);
    assertEquals(await page.evaluate("document.documentElement.scrollWidth"), look.widthPx);
    assertEquals(await world.axe(), []);
  }
}

/** Each begins where the one before has ended. */
const STEPS: readonly (readonly [string, (world: MonitorWorld) => Promise<void>])[] = [
  ["draws each second once, within a frame of the screen", drawsOnceASecond],
  ["takes the colours of a theme at once", followsTheTheme],
  ["tells the exact numbers of what mouse or finger point at", tellsWhatIsPointedAt],
  ["names paused lanes as text, on any screen", namesLanesAsText],
];

Deno.test("the view of deliveries, at 200,000 deliveries a second", async (t) => {
  await using world = await MonitorWorld.open({ view: "nodes" });
  await world.page.addInitScript(FEED);
  await world.page.reload();
  await world.show("deliveries");
  await world.page.locator("#service[data-state=live]").waitFor();
  world.takeComplaints();
  for (const [name, run] of STEPS) {
    assert(await t.step(name, () => run(world)), name);
  }
  assertEquals(world.complaints, []);
});
