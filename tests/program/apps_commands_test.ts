/** `apps show` and `apps list`: how credentials do, for people and for programs. */

import { assertEquals } from "@std/assert";
import { json, Stage } from "../support/command_stage.ts";

const UNKNOWN = { certificateExpiresAt: null, token: null, failure: null };

const APP = {
  name: "shop",
  version: 3,
  apns: { kind: "certificate", topic: "com.example.shop" },
  fcm: { project: "p", clientEmail: "a@example.org" },
  webpush: { vapidPublicKey: "k", subject: "mailto:ops@example.org" },
  pauses: [],
  health: {
    apns: { ...UNKNOWN, certificateExpiresAt: "2030-02-01T10:00:00.000Z" },
    fcm: {
      ...UNKNOWN,
      token: { refreshedAt: "2030-01-01T08:00:00.000Z", expiresAt: "2030-01-01T09:00:00.000Z" },
      failure: { at: "2030-01-01T08:30:00.000Z", reason: "invalid_grant\u001b[31m" },
    },
    webpush: {
      ...UNKNOWN,
      token: { refreshedAt: "2030-01-01T08:00:00.000Z", expiresAt: null },
      failure: { at: "2030-01-01T07:00:00.000Z", reason: "BadJwtToken" },
    },
  },
};

const OLD = { name: "old", version: 1, fcm: APP.fcm, pauses: [] };

Deno.test("apps show tells when a certificate ends, of the last token, and what went wrong", async () => {
  await using stage = new Stage({ "GET /v1/apps/shop": [json(APP), json(APP)] });
  assertEquals(await stage.run("apps", "show", "shop"), 0);
  assertEquals(stage.out.split("\n").slice(6), [
    "  apns certificate  ends 2030-02-01T10:00:00.000Z",
    "  fcm token         of 2030-01-01T08:00:00.000Z, ends 2030-01-01T09:00:00.000Z",
    "  fcm failed        2030-01-01T08:30:00.000Z: invalid_grant\\u001b[31m",
    "  webpush token     of 2030-01-01T08:00:00.000Z",
    "  webpush failed    2030-01-01T07:00:00.000Z: BadJwtToken",
    "",
  ]);
});

Deno.test("apps list tells what is wrong now, and nothing where an older node does not say", async () => {
  await using stage = new Stage({ "GET /v1/apps": [json({ apps: [APP, OLD] })] });
  assertEquals(await stage.run("apps", "list"), 0);
  assertEquals(stage.out.split("\n").map((line) => line.trimEnd()), [
    "  app   platforms         credentials                                          paused",
    "  shop  apns fcm webpush  apns: ends 2030-02-01; fcm: invalid_grant\\u001b[31m",
    "  old   fcm",
    "",
  ]);
});
