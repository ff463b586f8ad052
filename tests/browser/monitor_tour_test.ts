import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { partsOf, type SystemPart } from "../../transports/dashboard/monitor/tour_tree.js";
import {
  actorPart,
  poolPart,
  supervisorPart,
  systemPart,
} from "../transports/dashboard/tour_parts.ts";
import { MonitorWorld } from "./monitor_world.ts";

const WEBHOOK = "root/pipeline/sinks/others/webhook";
const GUARD = "root/pipeline/delivery/guard";
const CONNECTIONS = "root/pipeline/gateways/apns/connections";

/** A receiver of outcomes that refuses them for as long as it is told to. */
class Receiver implements AsyncDisposable {
  refuses = false;
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    return this.refuses ? new Response("<b>not</b> now", { status: 500 }) : new Response();
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/outcomes`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.shutdown();
  }
}

async function treeOf({ origin, token }: MonitorWorld): Promise<SystemPart> {
  const headers = { authorization: `Bearer ${token}` };
  return await (await fetch(`${origin}/v1/tree`, { headers })).json();
}

/** Waits for looks at the tree that were taken later than those that are shown now. */
async function nextLook(page: Page): Promise<void> {
  const at = await page.locator(".tour").getAttribute("data-at");
  await page.locator(`.tour[data-at]:not([data-at="${at}"])`).waitFor();
}

/** What the boxes of the tree say, by path. */
async function shown(page: Page): Promise<Map<string, Record<string, string>>> {
  const names = ["path", "handled", "waiting", "capacity", "size", "started"];
  const boxes = await page.locator(".tour-node").evaluateAll(
    (nodes, names) =>
      nodes.map((node) =>
        Object.fromEntries(names.map((name) => [name, node.getAttribute(`data-${name}`) ?? ""]))
      ),
    names,
  );
  return new Map(boxes.map((box) => [box["path"] ?? "", box]));
}

async function focusedPath(page: Page): Promise<unknown> {
  return await page.evaluate(
    "document.activeElement?.closest('[data-path]')?.getAttribute('data-path')",
  );
}

/** How far the page is wider than its window. */
async function overflow(page: Page): Promise<unknown> {
  return await page.evaluate("document.documentElement.scrollWidth - innerWidth");
}

Deno.test("the tour shows the running node", async (t) => {
  await using receiver = new Receiver();
  const secret = await Deno.makeTempFile();
  await Deno.writeTextFile(secret, "x".repeat(40));
  const flags = [
    ...["--webhook-url", receiver.url, "--webhook-secret-file", secret, "--webhook-rows", "all"],
  ];
  await using world = await MonitorWorld.open({ view: "tour", service: { flags } });
  const { page, campaign } = world;
  const node = (path: string) => page.locator(`.tour-node[data-path="${path}"]`);
  const panel = page.locator(".tour-part");
  await page.locator(".tour[data-at]").waitFor();
  await campaign.register("news", Array.from({ length: 2_000 }, (_, number) => number));

  await t.step("what flows is seen, and the numbers are those of the API", async () => {
    const flowing = page.locator('.tour-link[data-link="expanded"][data-flowing="yes"]').waitFor();
    await campaign.ended(await campaign.send("news"), 60_000);
    await flowing;
    await page.locator('.tour-link[data-link="answers-apns"] .tour-door').waitFor();
    await nextLook(page);
    const tree = partsOf(await treeOf(world));
    await nextLook(page);
    const boxes = await shown(page);
    assertEquals(
      [...boxes.keys()],
      [...tree.values()].flatMap(({ path }) => {
        // Children of pools stand in places of their own.
        return tree.get(path.slice(0, path.lastIndexOf("/")))?.kind === "pool" ? [] : [path];
      }),
    );
    const quiet = [
      ...[GUARD, CONNECTIONS, "root/pipeline/sinks/recorder", "root/pipeline/delivery/batches"],
      ...["apns", "fcm", "webpush"].map((name) => `root/pipeline/gateways/${name}/gateway`),
    ];
    for (const path of quiet) {
      const part = tree.get(path);
      assert(part?.kind === "actor" || part?.kind === "pool");
      const box = boxes.get(path);
      assertEquals(box?.["handled"], String(part.handled), path);
      if (part.kind === "pool") {
        assertEquals([box?.["size"], box?.["started"]], [part.size, part.started].map(String));
      } else {
        assertEquals(box?.["capacity"], String(part.mailbox.capacity));
        assertEquals(box?.["waiting"], "0");
      }
    }
  });

  await t.step("a crash is seen as it happens, and so is the start after it", async () => {
    receiver.refuses = true;
    const marked = node(WEBHOOK).and(page.locator('[data-mark="crashed"]')).waitFor();
    await campaign.send("news");
    await marked;
    // The box of outcomes in the flow stands for it, and says so in a word.
    await page.locator('.tour-station[data-station="sinks"] .tour-mark', { hasText: "crashed" })
      .waitFor();
    receiver.refuses = false;
    const row = page.locator(`.tour-happening[data-path="${WEBHOOK}"]`).last();
    await row.and(page.locator('[data-restarted="yes"]')).waitFor();
    const text = await row.innerText();
    assertStringIncludes(text, "Webhook crashed; started again");
    assertStringIncludes(text, "500");
    await page.locator("#announcer", { hasText: /crash/ }).waitFor({ state: "attached" });
    await nextLook(page);
    const restarts = Number(await node(WEBHOOK).getAttribute("data-restarts"));
    const part = partsOf(await treeOf(world)).get(WEBHOOK);
    assert(part?.kind === "actor" && part.restarts >= restarts && restarts > 0);
    assert(await page.locator(".tour-happened b").count() === 0, "its answer is text");
  });

  await t.step("a click explains a part, and the address names it", async () => {
    await page.locator('.tour-station[data-station="feeder"]').click();
    await panel.getByRole("heading", { name: "Feeder" }).waitFor();
    assertEquals(new URL(page.url()).hash, "#/tour/root/pipeline/delivery/feeder");
    assertEquals(await page.title(), "Feeder – Tour – Heliograph");
    assertEquals(await page.locator(".tour-node a[aria-current=true]").count(), 1);
    await node(GUARD).locator(".tour-box").click();
    await panel.getByRole("heading", { name: "Guard" }).waitFor();
    const part = partsOf(await treeOf(world)).get(GUARD);
    assert(part?.kind === "actor");
    await panel.locator('[data-number="Messages handled"]', { hasText: String(part.handled) })
      .waitFor();
    await page.reload();
    await panel.getByRole("heading", { name: "Guard" }).waitFor();
  });

  await t.step("all of it is done by keys alone", async () => {
    const guard = node(GUARD).locator(":scope > .tour-box > a");
    await panel.getByRole("button", { name: "Close" }).press("Enter");
    await guard.focus();
    await page.keyboard.press("Home");
    assertEquals(await focusedPath(page), "root");
    await page.keyboard.press("ArrowDown");
    assertEquals(await focusedPath(page), "root/pipeline");
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowDown");
    assertEquals(await focusedPath(page), "root/push", "the pipeline is folded");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowRight");
    await node(CONNECTIONS).locator(":scope > .tour-box > a").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    assertStringIncludes(String(await focusedPath(page)), `${CONNECTIONS}/`);
    await page.keyboard.press("Enter");
    await panel.getByRole("heading", { name: "Connection", exact: true }).waitFor();
    assertEquals(await page.evaluate("document.activeElement?.id"), "tour-part-title");
    await nextLook(page);
    assertEquals(await page.evaluate("document.activeElement?.id"), "tour-part-title");
    await page.keyboard.press("Escape");
    assertStringIncludes(String(await focusedPath(page)), `${CONNECTIONS}/`);
    assert(await panel.isHidden());
  });

  await t.step("a walk leads along the way of a notification to its end", async () => {
    await page.getByRole("button", { name: "A notification's way" }).press("Enter");
    const next = panel.locator(".tour-walk button.primary");
    const seen: (string | null)[] = [];
    for (;;) {
      const path = await page.locator(".tour").getAttribute("data-chosen");
      if (path === null) break;
      seen.push(path);
      await next.press("Enter");
      await page.locator(`.tour:not([data-chosen="${path}"])`).waitFor();
    }
    assertEquals(seen.length, new Set(seen).size);
    assertEquals(seen.at(0), "root/push/listeners/api");
    assertEquals(seen.at(-1), "root/pipeline/sinks/resultSweeper");
    assert(seen.includes("outside/apns") && seen.includes(GUARD));
  });

  await t.step("nothing of it keeps anybody out, in both themes and on a phone", async () => {
    await page.locator('.tour-station[data-station="batches"]').click();
    assertEquals(await world.axe(), []);
    await world.look({ widthPx: 390, heightPx: 844, colorScheme: "dark", reducedMotion: true });
    assertEquals(await overflow(page), 0);
    assertEquals(await world.axe(), []);
  });

  await t.step("on a phone the box that is explained stays above the explanation", async () => {
    await panel.getByRole("button", { name: "Close" }).click();
    await page.getByRole("button", { name: "A notification's way" }).click();
    for (const station of ["api", "store", "feeder", "router", "batches"]) {
      const box = page.locator(`.tour-station[data-station="${station}"][aria-current="true"]`);
      const { y = 0, height = 0 } = await box.boundingBox() ?? {};
      const { y: sheet = 0 } = await panel.boundingBox() ?? {};
      assert(y >= 0 && y + height <= sheet, `${station}: ${y} and ${height}, ${sheet}`);
      await panel.getByRole("button", { name: "Next" }).click();
    }
  });
  assertEquals(world.takeComplaints(), []);
  await Deno.remove(secret);
});

const HOSTILE = `<img src=x onerror=document.title='owned'>\u202E\u05D0` + "w".repeat(180);

/** A node that is as full as it gets, with names that people gave to harm. */
function fullTree(second: number): SystemPart {
  const sink = `root/pipeline/sinks/others/${HOSTILE}`;
  const batches = Array.from({ length: second % 2 === 0 ? 20 : 3 }, (_, place) => {
    return actorPart(`root/pipeline/delivery/batches/n-${second}-${place}`, { actor: "batch" });
  });
  const others = supervisorPart("root/pipeline/sinks/others", [
    actorPart(sink, { actor: `${HOSTILE}_sink`, lastCrash: HOSTILE, lastCrashAt: 5, restarts: 7 }),
  ]);
  const recorder = actorPart("root/pipeline/sinks/recorder", { actor: "recorder" });
  const sessions = poolPart("root/push/messages/sessions", {
    ...{ actor: "device_session", size: 20_000, started: 1_234_567, handled: second * 40_000 },
    depths: [19_800, 150, 40, 6, 2, 1, 0, 0, 1],
  });
  const feeder = actorPart("root/pipeline/delivery/feeder", { actor: "feeder" });
  const router = actorPart("root/pipeline/delivery/router", {
    ...{ actor: "router", handled: second * 9_000 },
    mailbox: { length: second * 7, capacity: 4_096, waiting: 0 },
  });
  const pool = poolPart("root/pipeline/delivery/batches", {
    ...{ actor: "batch", size: batches.length, childrenMax: 128, children: batches },
  });
  return systemPart([
    supervisorPart("root/pipeline", [
      supervisorPart("root/pipeline/sinks", [recorder, others]),
      supervisorPart("root/pipeline/delivery", [pool, router, feeder]),
    ]),
    supervisorPart("root/push", [
      supervisorPart("root/push/messages", [sessions]),
      supervisorPart("root/push/listeners", [
        actorPart("root/push/listeners/api", { actor: "api" }),
      ]),
    ]),
  ]);
}

Deno.test("the tour shows hostile names as text, and stands still however much happens", async () => {
  await using world = await MonitorWorld.open({ view: "nodes" });
  const { page } = world;
  let second = 0;
  await page.route("**/v1/events?show=tree*", async (route) => {
    second++;
    const at = second * 1_000;
    const flow = { recipients: second * 200_000, outcomes: { delivered: second * 190_000 } };
    const tree = { at, tree: fullTree(second), flow };
    const crash = { at, kind: "crashed", path: `root/push/messages/sessions/${second}` };
    const frames = [
      ["crash", { ...crash, error: HOSTILE, incarnation: 1 }],
      ["crash", { at, kind: "more", count: 4_321 }],
      ["tree", tree],
    ].map(([type, data]) => `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    await route.fulfill({ contentType: "text/event-stream", body: frames.join("") });
  });
  await world.show(`tour/${encodeURIComponent(HOSTILE)}`);
  await page.locator(".tour-part", { hasText: "no part of that name" }).waitFor();
  await page.locator(".tour-close").click();
  await page.locator('.tour-node[data-path="root/push/messages/sessions"][data-size="20000"]')
    .waitFor();
  const batches = page.locator('.tour-node[data-path="root/pipeline/delivery/batches"]');
  await batches.locator(".tour-opener").first().click();
  await page.locator(".tour-slot").nth(19).waitFor();
  const places = () =>
    page.locator(".tour-station, .tour-node, .tour-slot").evaluateAll((boxes) =>
      boxes.map((box) => {
        const { x, y, width, height } = box.getBoundingClientRect();
        return [x, y, width, height].map(Math.round).join();
      })
    );
  // Once more, so that what happened has its first rows.
  await nextLook(page);
  const before = await places();
  for (let look = 0; look < 2; look++) {
    await nextLook(page);
    assertEquals(await places(), before);
  }
  const error = page.locator(".tour-happening .tour-error").first();
  assertEquals(await error.textContent(), HOSTILE);
  assertEquals(await page.locator(".tour img").count(), 0);
  assert(await page.locator(".tour-happening").count() <= 50);
  assertEquals(await page.title(), "Tour – Heliograph");
  for (const widthPx of [390, 1_280, 2_560]) {
    await world.look({ widthPx });
    assertEquals(await overflow(page), 0, `${widthPx} px`);
  }
  assertEquals(await world.axe(), []);
  assertEquals(world.takeComplaints(), []);
});
