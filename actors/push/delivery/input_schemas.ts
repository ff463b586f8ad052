/**
 * The inputs' JSON Schemas (2020-12), made of the schemas that read them, for the API's document.
 *
 * @module
 */

import { type ConversionConfig, toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { APNS_FORMS, credentialsSchema } from "./app_input.ts";
import { deviceRowSchema, deviceSchema, recipientSchema } from "./device_input.ts";
import { notificationSchema } from "./submission.ts";

/** A JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** The schemas of what callers give. */
export interface InputSchemas {
  /** An app's credentials. */
  readonly app: JsonSchema;
  /** A device, its id elsewhere. */
  readonly device: JsonSchema;
  /** A device with its id. */
  readonly deviceRow: JsonSchema;
  /** A notification. */
  readonly notification: JsonSchema;
  /** A recipient that is no registered device. */
  readonly recipient: JsonSchema;
}

/** Makes the schemas. */
export function inputSchemas(): InputSchemas {
  return {
    app: schema(credentialsSchema),
    device: schema(deviceSchema),
    deviceRow: schema(deviceRowSchema),
    notification: schema(notificationSchema),
    recipient: schema(recipientSchema),
  };
}

const CONFIG: ConversionConfig = {
  target: "draft-2020-12",
  // What JSON Schema cannot say, such as a check by a function, is left out of the document.
  errorMode: "ignore",
  overrideSchema: ({ valibotSchema }) => {
    if (valibotSchema.type === "custom") return { type: "object" };
    if (valibotSchema.type !== "lazy") return undefined;
    return { oneOf: APNS_FORMS.map((form) => toJsonSchema(form, NESTED)) };
  },
};

const NESTED: ConversionConfig = { target: "draft-2020-12", errorMode: "ignore" };

function schema(source: v.GenericSchema): JsonSchema {
  // The document names the dialect once, and every form stands where it is used.
  const drop = ["$schema", "$defs"];
  const json = JSON.stringify(
    toJsonSchema(source, CONFIG),
    (key, value) => drop.includes(key) ? undefined : value,
  );
  return JSON.parse(json);
}
