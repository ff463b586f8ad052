import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  elsewhere,
  notPermitted,
  obstacle,
  subscribeFailed,
} from "../../../transports/dashboard/diagnosis.js";

const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";
const CHROMIUM = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " +
  "Chrome/142.0.0.0 Safari/537.36";
const SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 " +
  "(KHTML, like Gecko) Version/26.0 Safari/605.1.15";

/** A Firefox with nothing in the way; each row is a difference from it. */
const GOOD = {
  userAgent: FIREFOX,
  secureContext: true,
  serviceWorkers: true,
  pushManager: true,
  permission: "default",
};

for (
  const [change, kind, words] of [
    [{}, undefined, ""],
    [{ permission: "granted" }, undefined, ""],
    [{ userAgent: CHROMIUM }, "wrong_browser", "push service of Google"],
    [{ userAgent: SAFARI }, "wrong_browser", "push service of its maker"],
    [{ userAgent: CHROMIUM, secureContext: false }, "wrong_browser", "Firefox lets you choose"],
    [{ secureContext: false, serviceWorkers: false }, "insecure_page", "http://localhost"],
    [{ serviceWorkers: false }, "no_push", "private windows"],
    [{ pushManager: false }, "no_push", "private windows"],
    [{ permission: "denied" }, "permission_denied", "address bar"],
  ] as const
) {
  Deno.test(`obstacle() of ${Deno.inspect(change, { compact: true, breakLength: Infinity })} => ${kind}`, () => {
    const found = obstacle({ ...GOOD, ...change });
    assertEquals(found?.kind, kind);
    assertStringIncludes(found?.text ?? "", words);
  });
}

for (
  const [error, kind, setup] of [
    [
      new DOMException("Error retrieving push subscription.", "AbortError"),
      "registration_failed",
      true,
    ],
    [new DOMException("User denied permission", "NotAllowedError"), "permission_denied", false],
    [new TypeError("surprise"), "unexpected", false],
    ["text", "unexpected", false],
  ] as const
) {
  Deno.test(`subscribeFailed() of ${String(error)} => ${kind}`, () => {
    const found = subscribeFailed(error);
    assertEquals([found.kind, found.setup], [kind, setup]);
  });
}

Deno.test("notPermitted() tells a refusal from a question left open", () => {
  assertEquals(notPermitted("denied").kind, "permission_denied");
  assertEquals(notPermitted("default").kind, "permission_dismissed");
});

Deno.test("elsewhere() names both services and leads to the settings", () => {
  const found = elsewhere("https://updates.push.services.mozilla.com", "http://127.0.0.1:8080");
  assertEquals([found.kind, found.setup], ["elsewhere", true]);
  assertStringIncludes(found.text, "https://updates.push.services.mozilla.com");
  assertStringIncludes(found.text, "http://127.0.0.1:8080");
});
