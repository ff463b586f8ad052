/**
 * Routes of notifications: submit, watch, cancel, and the stream of recipients of an open one.
 *
 * @module
 */

import { NOTIFICATION_BYTES_MAX } from "./limits.ts";
import { appParameter, pageParameters, type Pipeline, takeRows } from "./pipeline.ts";
import { type Answer, json, NDJSON_TYPE, replied } from "./problem.ts";
import { type Call, headerOf, readJson, type Route, typeRefusal } from "./route.ts";
import { STATUS } from "./openapi_schemas.ts";
import { ndjsonRows } from "./rows.ts";

const JSON_TYPE = "application/json";

/** The routes. */
export function notificationRoutes(pipeline: Pipeline): readonly Route[] {
  return [...listRoutes(pipeline), ...singleRoutes(pipeline), ...openRoutes(pipeline)];
}

function listRoutes({ delivery }: Pipeline): readonly Route[] {
  return [
    {
      method: "POST",
      path: "/v1/notifications",
      scope: "send",
      operation: {
        id: "submitNotification",
        summary: "Accepts a notification; it is stored when the answer comes.",
        headers: {
          "Idempotency-Key": "Names the call: the same key with the same body answers the same id.",
        },
        takes: { [JSON_TYPE]: "NotificationInput" },
        status: 202,
        gives: { [JSON_TYPE]: "Accepted" },
        refuses: [409],
      },
      answer: async (call) => {
        const body = await readJson(call, NOTIFICATION_BYTES_MAX);
        if (body.kind === "refused") return body.answer;
        const reply = await delivery.submit(body.value, headerOf(call, "idempotency-key"));
        return replied(
          reply,
          (made) => json(202, made, { location: `/v1/notifications/${made.id}` }),
        );
      },
    },
    {
      method: "GET",
      path: "/v1/notifications",
      scope: "read",
      operation: {
        id: "listNotifications",
        summary:
          "A page of notifications, newest first; with search or status perhaps a short one.",
        query: [
          appParameter(false),
          {
            name: "search",
            description: "Only those with this text in id, title, body or topic, in either case.",
            schema: { type: "string", minLength: 1, maxLength: 100 },
          },
          { name: "status", description: "Only those that are there.", schema: STATUS },
          ...pageParameters("Continue after this id: `next` of the page before."),
        ],
        gives: { [JSON_TYPE]: "Notifications" },
      },
      answer: async ({ query }) =>
        replied(await delivery.notifications(query), (page) => json(200, page)),
    },
    {
      method: "POST",
      path: "/v1/notifications/preview",
      scope: "send",
      operation: {
        id: "previewNotification",
        summary: "What would be sent on each platform of the app; nothing is stored or sent.",
        takes: { [JSON_TYPE]: "NotificationInput" },
        gives: { [JSON_TYPE]: "Preview" },
      },
      answer: async (call) => {
        const body = await readJson(call, NOTIFICATION_BYTES_MAX);
        if (body.kind === "refused") return body.answer;
        return replied(await delivery.preview(body.value), (preview) => json(200, preview));
      },
    },
  ];
}

function singleRoutes({ delivery }: Pipeline): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/v1/notifications/{id}",
      scope: "read",
      operation: {
        id: "getNotification",
        summary: "A notification with its progress.",
        gives: { [JSON_TYPE]: "NotificationDetails" },
      },
      answer: async ({ params }) =>
        replied(await delivery.notification(params["id"] ?? ""), (found) => json(200, found)),
    },
    {
      method: "DELETE",
      path: "/v1/notifications/{id}",
      scope: "send",
      operation: {
        id: "cancelNotification",
        summary: "Stops what has not been sent.",
        gives: { [JSON_TYPE]: "NotificationDetails" },
        refuses: [409],
      },
      answer: async ({ params }) =>
        replied(await delivery.cancel(params["id"] ?? ""), (found) => json(200, found)),
    },
    {
      method: "GET",
      path: "/v1/notifications/{id}/reasons",
      scope: "read",
      operation: {
        id: "listReasons",
        summary:
          "Why recipients were not reached, the largest first; each call counts further rows.",
        gives: { [JSON_TYPE]: "Reasons" },
      },
      answer: async ({ params }) =>
        replied(await delivery.reasons(params["id"] ?? ""), (found) => json(200, found)),
    },
    {
      method: "GET",
      path: "/v1/notifications/{id}/deliveries",
      scope: "read",
      operation: {
        id: "listDeliveries",
        summary: "A page of recorded deliveries: the failures, or all if that was asked for.",
        query: [
          ...pageParameters("Continue after this position: `next` of the page before."),
          {
            name: "outcome",
            description: "Only those which ended so.",
            schema: {
              enum: ["delivered", "token_invalid", "rejected", "expired", "failed", "cancelled"],
            },
          },
        ],
        gives: { [JSON_TYPE]: "Deliveries" },
      },
      answer: async ({ params, query }) =>
        replied(
          await delivery.deliveries(params["id"] ?? "", query),
          (page) => json(200, page),
        ),
    },
  ];
}

function openRoutes(pipeline: Pipeline): readonly Route[] {
  const { delivery } = pipeline;
  return [
    {
      method: "POST",
      path: "/v1/notifications/{id}/recipients",
      scope: "send",
      operation: {
        id: "addRecipients",
        summary: "Adds any number of recipients to an open notification, a row each.",
        takes: { [NDJSON_TYPE]: "RecipientRow" },
        gives: { [NDJSON_TYPE]: "BulkLine" },
        refuses: [409],
      },
      answer: (call) => addRecipients(pipeline, call),
    },
    {
      method: "POST",
      path: "/v1/notifications/{id}/close",
      scope: "send",
      operation: {
        id: "closeNotification",
        summary: "Closes an open notification: it is sent from now on.",
        gives: { [JSON_TYPE]: "NotificationDetails" },
        refuses: [409],
      },
      answer: async ({ params }) =>
        replied(await delivery.close(params["id"] ?? ""), (found) => json(200, found)),
    },
  ];
}

async function addRecipients(pipeline: Pipeline, call: Call): Promise<Answer> {
  const { delivery } = pipeline;
  const id = call.params["id"] ?? "";
  const wrongType = typeRefusal(call, [NDJSON_TYPE]);
  if (wrongType !== undefined) return wrongType;
  return replied(
    await delivery.open(id),
    () =>
      takeRows(pipeline, call, ndjsonRows(call.body.chunks()), async (rows) => {
        const reply = await delivery.addRecipients(id, rows);
        if (reply.kind === "ok") return reply.value;
        return "message" in reply ? reply.message : "the notification cannot be added to";
      }),
  );
}
