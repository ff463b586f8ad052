/**
 * Validates answers of the API against the document it serves.
 *
 * Invariants: an answer that the document does not describe (its path, method, status, media type or
 * body) is an error with everything that is wrong; answers of lines are validated line by line.
 *
 * @module
 */

import { Ajv2020 } from "ajv/2020";

/** An answer to be judged. */
export interface DocumentedAnswer {
  /** The request's method. */
  readonly method: string;
  /** The request's path, a query may follow. */
  readonly path: string;
  /** Its status. */
  readonly status: number;
  /** Its `Content-Type`. */
  readonly contentType: string | null;
  /** Its whole body. */
  readonly body: string;
}

interface MediaTypes {
  readonly [type: string]: { readonly schema: object } | undefined;
}

interface Described {
  readonly [status: string]: { readonly content?: MediaTypes } | undefined;
}

/** An OpenAPI 3.1 document, as far as it is looked into. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly responses: Described }>>>
  >;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** A document that judges answers. */
export class AnswerValidator {
  /** The document. */
  readonly document: OpenApiDocument;
  readonly #ajv: Ajv2020;

  /** A judge over this document. */
  constructor(document: OpenApiDocument) {
    this.document = document;
    this.#ajv = new Ajv2020({
      allErrors: true,
      strict: false, // The document has fields that are no keywords of JSON Schema.
      formats: {
        "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
        uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
      },
    });
    this.#ajv.addSchema({ $id: "api", ...document });
  }

  /** Fetches the document that an API serves at this origin. */
  static async fetch(origin: string): Promise<AnswerValidator> {
    const response = await fetch(`${origin}/v1/openapi.json`);
    if (!response.ok) throw new Error(`Cannot get the document: status ${response.status}`);
    return new AnswerValidator(await response.json());
  }

  /** Schemas among the components that are none. */
  wrongSchemas(): readonly string[] {
    const schemas = Object.entries(this.document.components.schemas);
    return schemas.flatMap(([name, schema]) => {
      const checked = new Ajv2020({ strict: false });
      return checked.validateSchema(schema) === true ? [] : [`${name}: ${checked.errorsText()}`];
    });
  }

  /** Throws, with all that is wrong, unless the document describes the answer. */
  check({ method, path, status, contentType, body }: DocumentedAnswer): void {
    const what = `${method} ${path} => ${status} ${contentType}`;
    const described = this.#responses(method, path);
    const content = (described[`${status}`] ?? described["default"])?.content ?? {};
    const type = (contentType ?? "").split(";", 1)[0] ?? "";
    const media = content[type];
    if (media === undefined) {
      throw new Error(`${what}: the document has only ${Object.keys(content).join(", ")}`);
    }
    const schema = rooted(media.schema);
    for (const value of valuesOf(type, body)) {
      if (this.#ajv.validate(schema, value)) continue;
      throw new Error(`${what}: ${this.#ajv.errorsText()} in ${JSON.stringify(value)}`);
    }
  }

  #responses(method: string, path: string): Described {
    const bare = path.split("?", 1)[0] ?? "";
    const { paths } = this.document;
    const name = bare in paths ? bare : Object.keys(paths).find((name) => {
      const pattern = name.split("/").map((part) => part.startsWith("{") ? "[^/]+" : part);
      return new RegExp(`^${pattern.join("/")}$`).test(bare);
    });
    const operations = name === undefined ? undefined : paths[name];
    // A method that is not there is answered as the door answers everything it does not know.
    const operation = operations?.[method.toLowerCase()] ?? Object.values(operations ?? {})[0];
    if (operation === undefined) throw new Error(`The document has no ${method} ${path}`);
    return operation.responses;
  }
}

/** References lead into the document. */
function rooted(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"api#/'));
}

function valuesOf(type: string, body: string): readonly unknown[] {
  switch (type) {
    case "application/x-ndjson":
      return body.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
    case "application/json":
    case "application/problem+json":
      return [JSON.parse(body)];
    default:
      return [body];
  }
}
