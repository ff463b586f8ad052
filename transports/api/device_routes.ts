/**
 * Routes of devices: one by one, and by the million as NDJSON or CSV.
 *
 * @module
 */

import type { Query } from "./delivery.ts";
import { appParameter, pageParameters, type Pipeline, strangers, takeRows } from "./pipeline.ts";
import { type Answer, invalid, json, lines, NDJSON_TYPE, replied } from "./problem.ts";
import { type Call, headerOf, mediaType, readJson, type Route, typeRefusal } from "./route.ts";
import { csvDevices, ndjsonRows, type Row } from "./rows.ts";

const JSON_TYPE = "application/json";
const CSV_TYPE = "text/csv";

/** The routes. */
export function deviceRoutes(pipeline: Pipeline): readonly Route[] {
  return [...listRoutes(pipeline), ...singleRoutes(pipeline)];
}

function listRoutes(pipeline: Pipeline): readonly Route[] {
  const { delivery } = pipeline;
  return [
    {
      method: "GET",
      path: "/v1/devices",
      scope: "read",
      operation: {
        id: "listDevices",
        summary: "A page of an app's devices, ordered by id.",
        query: [
          appParameter(true),
          ...pageParameters("Continue after this id: `next` of the page before."),
          {
            name: "idPrefix",
            description: "Only those whose id begins so.",
            schema: { type: "string" },
          },
          { name: "user", description: "Only this person's.", schema: { type: "string" } },
          { name: "tag", description: "Only those with this tag.", schema: { type: "string" } },
          {
            name: "state",
            description: "Only those in this state.",
            schema: { enum: ["active", "invalid"] },
          },
        ],
        gives: { [JSON_TYPE]: "Devices" },
        refuses: [404],
      },
      answer: async ({ query }) =>
        replied(await delivery.devices(query), (page) => json(200, page)),
    },
    {
      method: "POST",
      path: "/v1/devices",
      scope: "send",
      operation: {
        id: "importDevices",
        summary: "Registers any number of devices, a row each, and tells how far it is.",
        query: [appParameter(false), {
          name: "platform",
          description: "The platform of rows that name none.",
          schema: { enum: ["apns", "fcm", "webpush"] },
        }],
        takes: { [NDJSON_TYPE]: "DeviceRow", [CSV_TYPE]: { type: "string" } },
        gives: { [NDJSON_TYPE]: "BulkLine" },
      },
      answer: (call) => importDevices(pipeline, call),
    },
    {
      method: "GET",
      path: "/v1/devices/export",
      // Whoever has the keys of subscriptions can write messages that look right to browsers.
      scope: "admin",
      operation: {
        id: "exportDevices",
        summary: "An app's active devices with everything an import takes.",
        query: [appParameter(true)],
        gives: { [NDJSON_TYPE]: "DeviceRow" },
        refuses: [404],
      },
      answer: async ({ query }) =>
        replied(await delivery.exportDevices(query), (parts) => lines(exportLines(parts))),
    },
  ];
}

function singleRoutes({ delivery }: Pipeline): readonly Route[] {
  return [
    {
      method: "PUT",
      path: "/v1/devices/{id}",
      scope: "send",
      operation: {
        id: "putDevice",
        summary: "Registers a device, in place of the one of the same id.",
        takes: { [JSON_TYPE]: "DeviceInput" },
        gives: { [JSON_TYPE]: "Device" },
        refuses: [409],
      },
      answer: async (call) => {
        const body = await readJson(call);
        if (body.kind === "refused") return body.answer;
        const reply = await delivery.putDevice(call.params["id"] ?? "", body.value);
        return replied(reply, (device) => json(200, device));
      },
    },
    {
      method: "GET",
      path: "/v1/devices/{id}",
      scope: "read",
      operation: { id: "getDevice", summary: "A device.", gives: { [JSON_TYPE]: "Device" } },
      answer: async ({ params }) =>
        replied(await delivery.device(params["id"] ?? ""), (device) => json(200, device)),
    },
    {
      method: "DELETE",
      path: "/v1/devices/{id}",
      scope: "send",
      operation: {
        id: "removeDevice",
        summary: "Removes a device.",
        gives: { [JSON_TYPE]: "Removed" },
      },
      answer: async ({ params: { id = "" } }) =>
        replied(await delivery.removeDevice(id), () => json(200, { removed: id })),
    },
  ];
}

function importDevices(pipeline: Pipeline, call: Call): Answer {
  const wrongType = typeRefusal(call, [NDJSON_TYPE, CSV_TYPE]);
  if (wrongType !== undefined) return wrongType;
  const problems = strangers(call.query, ["app", "platform"]);
  if (problems.length > 0) return invalid(problems);
  const { delivery } = pipeline;
  return takeRows(pipeline, call, deviceRows(call), (rows) => delivery.importDevices(rows));
}

/** Rows of an import; the query stands for what a row does not name. */
async function* deviceRows(call: Call): AsyncGenerator<readonly Row[], void, void> {
  const type = mediaType(headerOf(call, "content-type") ?? "");
  const rows = type === CSV_TYPE ? csvDevices(call.body.chunks()) : ndjsonRows(call.body.chunks());
  if (Object.keys(call.query).length === 0) yield* rows;
  else for await (const part of rows) yield part.map((row) => completed(row, call.query));
}

function completed(row: Row, defaults: Query): Row {
  if (row.kind === "wrong") return row;
  const { value } = row;
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? { ...row, value: { ...defaults, ...value } } : row;
}

async function* exportLines(
  parts: AsyncIterable<readonly unknown[]>,
): AsyncGenerator<string, void, void> {
  for await (const part of parts) {
    yield part.map((device) => `${JSON.stringify(device)}\n`).join("");
  }
}
