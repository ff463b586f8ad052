import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { MonitorWorld } from "./monitor_world.ts";
import { PageWorld } from "./page_world.ts";

/** Scripts for the page; here its globals have no types. */
const FOCUSED = "document.activeElement?.id || document.activeElement?.textContent";
const WIDER_BY = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
/** What outlives the page, or could be sent from it. */
const TRACES = `(async () => {
  const cached = [];
  for (const name of await caches.keys()) {
    const keys = await (await caches.open(name)).keys();
    cached.push(...keys.map(({ url }) => new URL(url).pathname));
  }
  const kept = [location.href, document.referrer, document.cookie, history.state, localStorage];
  return JSON.stringify([...kept, ...cached]);
})()`;

const VIEWS = ["deliveries", "tour", "notifications", "compose", "devices", "apps", "nodes"];

Deno.test("the monitor's frame keeps the token to itself, and the reader's place", async (t) => {
  await using world = await MonitorWorld.open({ view: "nodes" });
  const { page, token } = world;
  const sent: string[] = [];
  page.on("request", (request) => sent.push(`${request.url()} ${request.headers()["referer"]}`));

  await t.step("the link to the content stays in the view and gives it the focus", async () => {
    await page.locator(".skip").focus();
    await page.keyboard.press("Enter");
    assertEquals(await page.evaluate(FOCUSED), "view");
    assertEquals(await page.title(), "Nodes – Heliograph");
    assertStringIncludes(page.url(), "#/nodes");
  });

  await t.step("a view has the focus when it is opened, and needs no wide window", async () => {
    for (const widthPx of [1_280, 390, 320]) {
      await world.look({ widthPx });
      for (const view of VIEWS) {
        await world.show(view);
        assertEquals(await page.evaluate(FOCUSED), "view", view);
        assertEquals(await page.evaluate(WIDER_BY), 0, `${view} at ${widthPx} px`);
      }
    }
    await world.look({});
  });

  await t.step(
    "a thing has a title of its own, which comes and goes with its address",
    async () => {
      await world.show("apps");
      await world.show("devices/nobody");
      assertEquals(await page.title(), "nobody – Devices – Heliograph");
      await page.getByText("It is not here").waitFor();
      assertEquals(await page.locator("h1:visible").allInnerTexts(), ["Devices"]);
      assertEquals(await page.getByText("All devices").getAttribute("href"), "#/devices");
      await page.goBack();
      await page.locator("body[data-view=apps]").waitFor();
      assertEquals(await page.title(), "Apps – Heliograph");
      await page.goForward();
      await page.locator("body[data-view=devices]").waitFor();
    },
  );

  await t.step("the token is in no address, no history and no cache", async () => {
    await page.goto(`${world.origin}/browser`);
    await page.evaluate("navigator.serviceWorker.ready");
    await page.reload();
    await page.goto(`${world.origin}/#/deliveries`);
    await page.locator("#service[data-state=live]").waitFor();
    const traces = String(await page.evaluate(TRACES));
    assertStringIncludes(traces, "/page.js");
    assert(!traces.includes(token) && !/\/v1\/|\/monitor\//.test(traces), traces);
    assert(sent.length > 0 && !sent.some((line) => line.includes(token)));
    assertEquals(await page.evaluate("Object.keys(sessionStorage)"), ["heliograph-token"]);
  });

  await t.step("the page without a token has the same look, and leads back", async () => {
    await page.getByRole("link", { name: "This browser" }).click();
    await page.waitForURL("**/browser");
    assertEquals(await page.title(), "This browser – Heliograph");
    assertEquals(await page.locator("nav [aria-current=page]").textContent(), "This browser");
    for (const widthPx of [1_280, 320]) {
      await world.look({ widthPx });
      assertEquals([await page.evaluate(WIDER_BY), await world.axe()], [0, []]);
    }
    await world.look({});
    await page.getByRole("link", { name: "Monitor" }).click();
    await page.locator("#service[data-state=live]").waitFor();
  });

  await t.step(
    "signing out leaves nothing, ends the stream, and back leads to no view",
    async () => {
      await world.show("nodes");
      await world.show("deliveries");
      await page.locator("#service[data-state=live]").waitFor();
      await Promise.all([
        page.waitForEvent("requestfailed", (request) => request.url().includes("/v1/events")),
        page.locator("#sign-out").click(),
      ]);
      assertEquals(await page.evaluate("sessionStorage.length"), 0);
      await page.goBack();
      assertStringIncludes(page.url(), "#/nodes");
      await page.locator("#sign-in").waitFor();
      assertEquals(await page.evaluate(FOCUSED), "token");
      assertEquals(await page.locator("#view").textContent(), "");
    },
  );

  await t.step(
    "the form is good for keyboards and readers, in both looks and on small screens",
    async () => {
      for (const colorScheme of ["light", "dark"] as const) {
        for (const widthPx of [1_280, 390, 320]) {
          await world.look({ colorScheme, widthPx });
          assertEquals(await world.axe(), [], `${colorScheme} at ${widthPx}`);
          assertEquals(await page.evaluate(WIDER_BY), 0);
        }
      }
      await page.locator("#token").fill("wrong");
      await page.keyboard.press("Enter");
      await page.getByText("not known here").waitFor();
      assertEquals(await page.evaluate(FOCUSED), "token");
      await page.locator("#token").fill("no token");
      await page.keyboard.press("Enter");
      await page.getByText("That is no token").waitFor();
    },
  );

  const complaints = world.takeComplaints().filter((text) => !/status of (401|404)/.test(text));
  assertEquals(complaints, []);
});

/** What `keyed()` makes of these lists, one after the other, with the focus on `c` from the first on. */
const KEYED = `(async () => {
  const { keyed } = await import("/monitor/keyed.js");
  const list = document.body.appendChild(document.createElement("ul"));
  const show = keyed(list, ({ key }) => key, () => {
    const element = document.createElement("button");
    return { element, update: ({ text }) => element.textContent = text };
  });
  const shown = [];
  for (const texts of [["a1", "b1", "c1"], ["b2", "c2"], ["c3", "d3"], ["e4", "c4"], ["c5", "c6"], []]) {
    show(texts.map((text) => ({ key: text[0], text })));
    if (shown.length === 0) list.children[2].focus();
    shown.push(list.innerText + " " + document.activeElement.textContent);
  }
  return shown;
})()`;

Deno.test("keyed() takes the focus from nothing that stays, whatever comes and goes before it", async () => {
  await using world = await PageWorld.open();
  const shown = await world.page.evaluate<readonly string[]>(KEYED);
  const lists = ["a1b1c1 c1", "b2c2 c2", "c3d3 c3", "e4c4 c4", "c6 c6"];
  assertEquals(shown.slice(0, -1), lists);
});

/** Which of these addresses `h()` takes. */
const ADDRESSES = String.raw`import("/monitor/dom.js").then(({ h }) => {
  const addresses = ["#/apps", "/browser", "/", "//evil.example", "/\\evil.example", "/\t/evil.example",
    "/\n/evil.example", "https://evil.example", "javascript:alert(1)", " javascript:alert(1)", ""];
  return addresses.filter((href) => {
    try {
      return h("a", { href }) !== undefined;
    } catch {
      return false;
    }
  });
})`;

Deno.test("h() takes addresses of this page only, however a browser would read them", async () => {
  await using world = await PageWorld.open();
  assertEquals(await world.page.evaluate(ADDRESSES), ["#/apps", "/browser", "/"]);
});

/** How often a view asks for its stream: until another tab is before it, then in an hour behind it, then in sight. */
const UNSEEN = `(async () => {
  const { followEvents } = await import("/monitor/event_stream.js");
  let asked = 0;
  let ended = Promise.withResolvers();
  const show = (hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  };
  globalThis.tabs = { show, asked: () => asked, ended: () => ended.promise };
  followEvents({
    events: async (_, signal) => {
      asked++;
      ended = Promise.withResolvers();
      signal.addEventListener("abort", ended.resolve);
      return new ReadableStream({
        start(controller) {
          const timer = setInterval(() => controller.enqueue(new TextEncoder().encode(": here\\n\\n")), 5_000);
          signal.addEventListener("abort", () => {
            clearInterval(timer);
            controller.error(signal.reason);
          });
        },
      });
    },
  }, { show: ["bars"], onFrame() {}, onState() {} }, new AbortController().signal);
})()`;

Deno.test("followEvents() lets a stream go that nobody sees for a minute, and follows again in sight", async () => {
  await using world = await PageWorld.open();
  const { page } = world;
  await page.clock.install();
  await page.evaluate(UNSEEN);
  await page.clock.runFor(120_000);
  await page.evaluate("tabs.show(true)");
  await page.clock.runFor(50_000);
  await page.evaluate("tabs.show(false); tabs.show(true)");
  await page.clock.runFor(50_000);
  assertEquals(await page.evaluate("tabs.asked()"), 1);
  await page.clock.runFor(15_000);
  await page.evaluate("tabs.ended()");
  await page.clock.runFor(600_000);
  assertEquals(await page.evaluate("tabs.asked()"), 1);
  await page.evaluate("tabs.show(false)");
  assertEquals(await page.evaluate("tabs.asked()"), 2);
});

Deno.test("a token that is withdrawn ends what is open: the form says why, and takes another", async () => {
  await using world = await MonitorWorld.open();
  const { page } = world;
  await page.locator("#service[data-state=live]").waitFor();
  await page.route("**/v1/**", (route) => route.fulfill({ status: 401, json: { detail: "gone" } }));
  await page.evaluate("void (location.hash = '#/nodes')");
  await page.getByText("The token is not good any more").waitFor();
  assertEquals(await page.evaluate("sessionStorage.length"), 0);
  await page.unroute("**/v1/**");
  await world.signIn();
  assertEquals(await page.locator("body").getAttribute("data-view"), "nodes");
  assertEquals(await page.locator("#token").inputValue(), "");
});

/** Streams by what the node does at each attempt; ends with what the view heard. */
const ATTEMPTS = String.raw`(async () => {
  const { followEvents } = await import("/monitor/event_stream.js");
  const { ApiError } = await import("/monitor/api.js");
  const stream = (...seconds) => new Response(
    "retry: 2000\n\n" + seconds.map((second) => "event: bar\ndata: " + second + "\n\n").join(""),
  ).body;
  const attempts = [
    () => stream(1, 2),
    () => { throw new ApiError(503, "as many viewers as there may be"); },
    () => { throw new ApiError(403, "needs scope read"); },
    () => stream(3),
    () => { throw new ApiError(401, "token expired"); },
  ];
  const heard = [];
  const { promise, resolve } = Promise.withResolvers();
  let last;
  const view = new AbortController();
  followEvents({
    events: async ({ since }) => {
      heard.push("asks from " + since);
      const attempt = attempts.shift();
      if (attempts.length === 0) setTimeout(resolve);
      return attempt();
    },
  }, {
    show: ["bars"],
    since: () => last,
    onFrame: ({ data }) => {
      last = data;
      heard.push(data);
      if (data === 1) throw new Error("the view's own");
    },
    onState: (state) => {
      if (heard.at(-1) !== state) heard.push(state);
      if (state === "lost") setTimeout(() => dispatchEvent(new Event("online")));
    },
  }, view.signal);
  await promise;
  view.abort();
  return heard.join(", ");
})()`;

Deno.test("followEvents() comes again until the token is gone, from what it has, whatever a view does with it", async () => {
  await using world = await PageWorld.open();
  const heard = await world.page.evaluate(ATTEMPTS);
  assertEquals(
    heard,
    "asks from undefined, 1, 2, live, lost, asks from 2, lost, asks from 2, lost, asks from 2, 3, live, lost, asks from 3",
  );
  assertEquals(world.complaints, ["Error: the view's own"]);
});
