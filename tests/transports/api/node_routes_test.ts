import { assertEquals } from "@std/assert";
import { Metrics } from "../../../transports/api/metrics.ts";
import {
  type NodesFound,
  type NodeView,
  serveApi,
  type ServeApiOptions,
} from "../../../transports/api/serve_api.ts";
import { factsOf } from "../../support/node_facts.ts";
import { AnswerValidator } from "../../support/openapi.ts";

const NODE: NodeView = {
  ...{ id: "<b>node</b>", self: true, url: null, roles: ["api", "delivery"], version: "1.2.3" },
  ...{ startedAt: "2030-01-01T00:00:00.000Z", facts: factsOf() },
};
const OTHER: NodeView = {
  ...NODE,
  id: "other",
  self: false,
  url: "http://10.0.0.1:1",
  facts: null,
};
const FOUND: NodesFound = { now: 0, nodes: [NODE, OTHER], problem: undefined };
const STORE = { name: "store", ok: true, detail: "answers" };

/** Asks a door over these nodes, and has the answer validated against its own document. */
async function ask(
  nodes: NodesFound | undefined,
  token: string,
  changes: Partial<ServeApiOptions> = {},
): Promise<{ readonly status: number; readonly body: unknown }> {
  await using api = await serveApi({
    hostname: "127.0.0.1",
    port: 0,
    verifyToken: (token) => ({ kind: "ok", scopes: token === "reading" ? ["read"] : ["send"] }),
    ready: () => Promise.resolve([STORE]),
    tree: () => ({}),
    metrics: new Metrics(),
    version: "1.2.3",
    page: { files: [], endpointOrigin: "http://127.0.0.1:1", deviceUrl: "ws://127.0.0.1:1/" },
    ...(nodes === undefined ? {} : { nodes: () => Promise.resolve(nodes) }),
    ...changes,
  });
  const origin = `http://127.0.0.1:${api.port}`;
  const response = await fetch(`${origin}/v1/nodes`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const body = await response.text();
  const { status, headers } = response;
  if (status !== 404) {
    const contentType = headers.get("content-type");
    const validator = await AnswerValidator.fetch(origin);
    validator.check({ method: "GET", path: "/v1/nodes", status, contentType, body });
  }
  return { status, body: JSON.parse(body) };
}

Deno.test("GET /v1/nodes has the nodes, the time and the checks, as its document says", async () => {
  assertEquals(await ask(FOUND, "reading"), {
    status: 200,
    body: { now: "1970-01-01T00:00:00.000Z", nodes: [NODE, OTHER], checks: [STORE] },
  });
});

Deno.test("GET /v1/nodes tells why others are not known as a check that failed", async () => {
  const { body } = await ask({ ...FOUND, problem: "the store is away" }, "reading");
  assertEquals(Object(body).checks, [
    STORE,
    { name: "directory", ok: false, detail: "the store is away" },
  ]);
});

Deno.test("GET /v1/nodes answers while checks fail", async () => {
  const away = { ...STORE, ok: false, detail: "away" };
  const answered = await ask(FOUND, "reading", { ready: () => Promise.resolve([away]) });
  assertEquals([answered.status, Object(answered.body).checks], [200, [away]]);
});

Deno.test("GET /v1/nodes needs the scope read", async () => {
  assertEquals((await ask(FOUND, "sending")).status, 403);
});

Deno.test("GET /v1/nodes is not there where nobody lists nodes", async () => {
  assertEquals((await ask(undefined, "reading")).status, 404);
});
