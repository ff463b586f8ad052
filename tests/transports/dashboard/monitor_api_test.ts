import { assertEquals, assertRejects } from "@std/assert";
import { Api, ApiError } from "../../../transports/dashboard/monitor/api.js";

/** Serves one connection these bytes and cuts it. */
async function served(text: string, call: (url: string) => Promise<void>): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(4_096));
    await connection.write(new TextEncoder().encode(text));
  };
  await Promise.all([serve(), call(`http://127.0.0.1:${listener.addr.port}/v1/bars`)]);
}

function api(signal = new AbortController().signal): Api {
  return new Api(signal, () => {});
}

Deno.test("Api.get() gives the JSON of an answer", async () => {
  await served('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"to":17}', async (url) => {
    assertEquals(await api().get(url), { to: 17 });
  });
});

Deno.test("Api.get() says that the node does not answer when it ends amid an answer", async () => {
  await served('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"to":17', async (url) => {
    const error = await assertRejects(() => api().get(url), ApiError, "does not answer");
    assertEquals(error.status, 0);
  });
});

Deno.test("Api.get() says so when nobody listens, and is silent about what nobody wants", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}/v1/bars`;
  listener.close();
  await assertRejects(() => api().get(url), ApiError, "does not answer");
  await assertRejects(() => api(AbortSignal.abort()).get(url), DOMException, "aborted");
  await assertRejects(() => api().get(url, {}, AbortSignal.abort()), DOMException, "aborted");
});
