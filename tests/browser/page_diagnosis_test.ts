/**
 * What the first page says in a real Firefox when something is in the way. That it works when
 * nothing is, `firefox_page_test.ts` shows.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Firefox, type FirefoxOptions } from "../support/firefox.ts";
import { Service } from "../support/service.ts";

/** The page of a service in a Firefox which is set so, once it knows what the browser has. */
async function openPage(
  service: Service,
  options: Partial<FirefoxOptions> = {},
): Promise<Firefox> {
  const firefox = await Firefox.start({ pushUrl: service.deviceUrl, ...options });
  await firefox.navigate(`http://127.0.0.1:${service.apiPort}/browser`);
  await firefox.waitFor(`document.body.dataset.subscription !== "checking"`, "what it found");
  return firefox;
}

/** The page's words about what is wrong, when it has come to this finding. */
async function diagnosis(firefox: Firefox, kind: string): Promise<string> {
  await firefox.waitFor(`document.querySelector("#diagnosis").dataset.kind === "${kind}"`, kind);
  return String(await firefox.evaluate(`document.querySelector("#diagnosis").innerText`));
}

Deno.test("the page leaves no subscription at another push service, and says how to change it", async () => {
  await using service = await Service.start();
  await using other = await Service.start();
  await using firefox = await openPage(service, { pushUrl: other.deviceUrl });
  await firefox.click("#subscribe");
  const words = await diagnosis(firefox, "elsewhere");
  assertStringIncludes(words, `http://127.0.0.1:${other.endpointPort}`);
  assertStringIncludes(words, `http://127.0.0.1:${service.endpointPort}`);
  assertEquals(await firefox.evaluate(`document.querySelector("#setup").open`), true);
  const preferences = await firefox.evaluate(`document.querySelector("#preferences").innerText`);
  assertStringIncludes(String(preferences), service.deviceUrl);
  const kept = `navigator.serviceWorker.ready.then((one) => one.pushManager.getSubscription())`;
  assertEquals(await firefox.evaluate(kept), null);
});

Deno.test("the page says that notifications are blocked, and does not offer to subscribe", async () => {
  await using service = await Service.start();
  await using firefox = await openPage(service, {
    preferences: { "permissions.default.desktop-notification": 2 },
  });
  await diagnosis(firefox, "permission_denied");
  assertEquals(await firefox.evaluate(`document.querySelector("#subscribe").disabled`), true);
});

Deno.test("the page says when the service is gone, and works again when it is back", async () => {
  await using service = await Service.start();
  await using firefox = await openPage(service);
  await firefox.click("#subscribe");
  await firefox.waitFor(`document.body.dataset.subscription === "subscribed"`, "a subscription");
  await service.stop();
  await firefox.click("#send");
  await firefox.waitFor(`document.querySelector("#send-result").dataset.state === "failed"`, "it");
  await firefox.waitFor(`document.querySelector("#service").dataset.state === "unreachable"`, "it");
  await service.startAgain();
  await firefox.waitFor(
    `document.querySelector("#service").dataset.state === "ready"`,
    "readiness",
  );
  await firefox.click("#send");
  await firefox.waitFor(`document.querySelectorAll("#inbox > li").length === 1`, "the message");
  const text = await firefox.evaluate(`document.querySelector("#inbox .text").textContent`);
  assertEquals(text, "Hello from my own push service");
});

Deno.test("the page says what to check when Firefox cannot reach the service", async () => {
  await using service = await Service.start();
  await using firefox = await openPage(service);
  await service.stop();
  await firefox.click("#subscribe");
  await diagnosis(firefox, "registration_failed");
  assertEquals(await firefox.evaluate(`document.querySelector("#setup").open`), true);
  assertEquals(await firefox.evaluate(`document.querySelector("#subscribe").disabled`), false);
});

Deno.test("the page says when Firefox gave the subscription up, and subscribes again", async () => {
  await using service = await Service.start();
  await using firefox = await openPage(service);
  await firefox.click("#subscribe");
  await firefox.waitFor(`document.body.dataset.subscription === "subscribed"`, "a subscription");
  const before = await firefox.evaluate(`document.querySelector("#endpoint").textContent`);
  await service.stop();
  for await (const { name } of Deno.readDir(service.dataDir)) {
    await Deno.remove(`${service.dataDir}/${name}`, { recursive: true });
  }
  await service.startAgain();
  await diagnosis(firefox, "subscription_ended");
  await firefox.click("#subscribe");
  await firefox.waitFor(`document.body.dataset.subscription === "subscribed"`, "a subscription");
  const after = await firefox.evaluate(`document.querySelector("#endpoint").textContent`);
  assertEquals(after === before, false);
});
