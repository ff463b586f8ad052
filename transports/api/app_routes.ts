/**
 * Routes of apps: credentials go in and never come out.
 *
 * @module
 */

import type { Pipeline } from "./pipeline.ts";
import { json, replied } from "./problem.ts";
import { readJson, type Route } from "./route.ts";

const JSON_TYPE = "application/json";

/** The routes. */
export function appRoutes(pipeline: Pipeline): readonly Route[] {
  return [...lookRoutes(pipeline), ...changeRoutes(pipeline)];
}

function lookRoutes({ delivery }: Pipeline): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/v1/apps",
      scope: "read",
      operation: { id: "listApps", summary: "All apps.", gives: { [JSON_TYPE]: "Apps" } },
      answer: async () => json(200, { apps: await delivery.apps() }),
    },
    {
      method: "GET",
      path: "/v1/apps/{app}",
      scope: "read",
      operation: {
        id: "getApp",
        summary: "What is public of an app.",
        gives: { [JSON_TYPE]: "App" },
      },
      answer: async ({ params }) =>
        replied(await delivery.app(params["app"] ?? ""), (app) => json(200, app)),
    },
  ];
}

function changeRoutes({ delivery }: Pipeline): readonly Route[] {
  return [
    {
      method: "PUT",
      path: "/v1/apps/{app}",
      scope: "admin",
      operation: {
        id: "putApp",
        summary: "Saves an app's credentials and resumes its sending.",
        takes: { [JSON_TYPE]: "AppInput" },
        gives: { [JSON_TYPE]: "App" },
      },
      answer: async (call) => {
        const body = await readJson(call);
        if (body.kind === "refused") return body.answer;
        const reply = await delivery.putApp(call.params["app"] ?? "", body.value);
        return replied(reply, (app) => json(200, app));
      },
    },
    {
      method: "DELETE",
      path: "/v1/apps/{app}",
      scope: "admin",
      operation: {
        id: "removeApp",
        summary:
          "Removes an app with its devices, unless it has notifications that have not ended.",
        gives: { [JSON_TYPE]: "Removed" },
        refuses: [409],
      },
      answer: async ({ params: { app = "" } }) =>
        replied(await delivery.removeApp(app), () => json(200, { removed: app })),
    },
    {
      method: "POST",
      path: "/v1/apps/{app}/resume",
      scope: "admin",
      operation: {
        id: "resumeApp",
        summary: "Resumes sending that was paused, on all platforms or one.",
        query: [{
          name: "platform",
          description: "Only this platform.",
          schema: { enum: ["apns", "fcm", "webpush"] },
        }],
        gives: { [JSON_TYPE]: "Resumed" },
      },
      answer: async ({ params, query }) =>
        replied(
          await delivery.resumeApp(params["app"] ?? "", query),
          (resumed) => json(200, { resumed }),
        ),
    },
  ];
}
