/**
 * The OpenAPI 3.1 document, made from the routes that are served: it cannot name one that is not.
 *
 * @module
 */

import type { DeliveryApi, JsonSchema } from "./delivery.ts";
import { ref, SCHEMAS } from "./openapi_schemas.ts";
import { PROBLEM_TYPE } from "./problem.ts";
import type { Operation, Route, SchemaRef } from "./route.ts";

/** Makes the document. */
export function openApi(
  routes: readonly Route[],
  schemas: DeliveryApi["schemas"] | undefined,
  version: string,
): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    if (route.operation === undefined) continue;
    const path = paths[route.path] ?? {};
    path[route.method.toLowerCase()] = operation(route, route.operation);
    paths[route.path] = path;
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Heliograph",
      version,
      description: "Errors are problem documents (RFC 9457). Times are RFC 3339 in UTC.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: {
        ...SCHEMAS,
        ...schemas === undefined ? {} : {
          AppInput: schemas.app,
          DeviceInput: schemas.device,
          DeviceRow: schemas.deviceRow,
          NotificationInput: schemas.notification,
          RecipientRow: schemas.recipient,
        },
      },
    },
  };
}

function operation(route: Route, described: Operation): JsonSchema {
  const { id, summary, takes, gives, status = 200 } = described;
  const scoped = route.scope === undefined ? { security: [] } : {
    security: [{ token: [] }],
    description: `Needs a token with the scope \`${route.scope}\`.`,
  };
  const refusals = [...new Set(refusalsOf(route, described))].sort();
  const problem = { [PROBLEM_TYPE]: { schema: ref("Problem") } };
  return {
    operationId: id,
    summary,
    ...scoped,
    parameters: parameters(route, described),
    ...takes === undefined ? {} : { requestBody: { required: true, content: content(takes) } },
    responses: {
      [status]: { description: "Done.", content: content(gives) },
      ...Object.fromEntries(
        refusals.map((code) => [code, { description: MEANINGS[code], content: problem }]),
      ),
      default: { description: "Refused.", content: problem },
    },
  };
}

/** What a refusal means, by status. */
const MEANINGS: Readonly<Record<number, string>> = {
  400: "The body is not JSON.",
  401: "A token is missing, unknown or expired.",
  403: "The token lacks the scope, or a page of another origin asks.",
  404: "It is not there.",
  408: "The body did not come in time.",
  409: "It does not fit what is there.",
  413: "The body is too large, or names too many targets.",
  415: "The body is of another type.",
  422: "The request is wrong; `problems` has every place.",
  503: "Not now; come again after `Retry-After`.",
};

function refusalsOf(route: Route, { query, takes, refuses = [] }: Operation): readonly number[] {
  const wholeBody = takes !== undefined && "application/json" in takes;
  return [
    ...route.scope === undefined ? [] : [401, 403, 503],
    ...route.path.includes("{") ? [404] : [],
    ...query === undefined ? [] : [422],
    ...takes === undefined ? [] : [415],
    ...wholeBody ? [400, 408, 413, 422] : [],
    ...refuses,
  ];
}

function parameters(route: Route, { query = [], headers = {} }: Operation): readonly JsonSchema[] {
  const places = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  return [
    ...places.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
    ...query.map(({ name, description, schema, required = false }) => ({
      ...{ name, in: "query", description, schema, required },
    })),
    ...Object.entries(headers).map(([name, description]) => ({
      ...{ name, in: "header", description, schema: { type: "string" } },
    })),
  ];
}

function content(types: Readonly<Record<string, SchemaRef>>): JsonSchema {
  return Object.fromEntries(
    Object.entries(types).map(([type, schema]) => [
      type,
      { schema: typeof schema === "string" ? ref(schema) : schema },
    ]),
  );
}
