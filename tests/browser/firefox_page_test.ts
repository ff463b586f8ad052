/**
 * The newcomer's five minutes, in a real Firefox: open the service's own page, click Subscribe,
 * press Send, see it arrive; run the commands the page shows; come back later; unsubscribe.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Firefox } from "../support/firefox.ts";
import { Service } from "../support/service.ts";

/** Texts of the inbox, newest first. */
const INBOX = `[...document.querySelectorAll("#inbox > li .text")].map((one) => one.textContent)`;

Deno.test("The page in a real Firefox", async (t) => {
  await using service = await Service.start();
  await using firefox = await Firefox.start({ pushUrl: service.deviceUrl });
  const address = `http://localhost:${service.apiPort}/browser`;
  await firefox.navigate(address);

  const steps: readonly (readonly [name: string, play: () => Promise<void>])[] = [
    ["says that this browser may subscribe", async () => {
      await firefox.waitFor(`document.body.dataset.browser === "ready"`, "a ready browser");
      await firefox.waitFor(
        `document.querySelector("#service").dataset.state === "ready"`,
        "service",
      );
      assertEquals(await firefox.evaluate(`document.querySelector("#diagnosis").hidden`), true);
    }],
    ["subscribes at a click", async () => {
      await firefox.click("#subscribe");
      await firefox.waitFor(`document.body.dataset.subscription === "subscribed"`, "subscription");
      assertMatch(
        await textOf(firefox, "#endpoint"),
        /^http:\/\/[\w.]+:\d+\/wpush\/v2\/[\w-]{100,}$/,
      );
    }],
    ["sends what was typed, and shows it arrive", async () => {
      await firefox.evaluate(`document.querySelector("#message").select()`);
      await firefox.type("Hello <b>hills</b>");
      await firefox.click("#send");
      await firefox.waitFor(`${INBOX}[0] === "Hello <b>hills</b>"`, "the message");
      await firefox.waitFor(
        `document.querySelector("#send-result").dataset.state === "sent"`,
        "result",
      );
    }],
    ["shows a command that sends without content", async () => {
      assertMatch(await shell(await textOf(firefox, "#curl-empty")), /HTTP\/1\.1 201/);
      await firefox.waitFor(`${INBOX}.length === 2`, "a second arrival");
    }],
    ["shows a command that sends the text, encrypted", async () => {
      assertMatch(await shell(await textOf(firefox, "#curl-encrypted")), /HTTP\/1\.1 201/);
      await firefox.waitFor(`${INBOX}.length === 3`, "a third arrival");
      assertEquals(await firefox.evaluate(`${INBOX}[0]`), "Hello <b>hills</b>");
    }],
    ["keeps its subscription and shows what came while it was closed", async () => {
      const command = await textOf(firefox, "#curl-encrypted");
      await firefox.navigate("about:blank");
      assertMatch(await shell(command), /HTTP\/1\.1 201/);
      await firefox.navigate(address);
      await firefox.waitFor(`${INBOX}.length === 4`, "the arrival of meanwhile");
      await firefox.waitFor(`document.body.dataset.subscription === "subscribed"`, "subscription");
    }],
    ["keeps its subscription over kill -9 of the service", async () => {
      await service.kill9();
      await firefox.navigate("about:blank");
      await service.startAgain();
      await firefox.navigate(address);
      await firefox.waitFor(`document.body.dataset.subscription === "subscribed"`, "subscription");
      await firefox.evaluate(`document.querySelector("#message").select()`);
      await firefox.type("after kill -9");
      await firefox.click("#send");
      await firefox.waitFor(`${INBOX}[0] === "after kill -9"`, "the message");
    }],
    ["unsubscribes at a click, after which the endpoint is gone", async () => {
      const command = await textOf(firefox, "#curl-empty");
      await firefox.click("#unsubscribe");
      await firefox.waitFor(`document.body.dataset.subscription === "none"`, "no subscription");
      assertMatch(await shell(command), /HTTP\/1\.1 410/);
    }],
  ];
  for (const [name, play] of steps) if (!await t.step(name, play)) return;
});

async function textOf(firefox: Firefox, selector: string): Promise<string> {
  const text = await firefox.evaluate(`document.querySelector("${selector}").textContent`);
  assert(typeof text === "string" && text !== "", `${selector} is empty`);
  return text;
}

/** Runs a command as somebody who pasted it into a terminal. */
async function shell(command: string): Promise<string> {
  const output = await new Deno.Command("sh", { args: ["-c", command], stderr: "piped" }).output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((one) =>
    new TextDecoder().decode(one)
  );
  assertEquals(output.code, 0, stderr);
  return stdout ?? "";
}
