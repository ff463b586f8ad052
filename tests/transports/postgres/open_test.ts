/** Opening a database, or saying why not, over every kind of server and with no secret in any text. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  openPostgres,
  type PostgresOptions,
  sql,
  StoreOpenError,
  type StoreOpenErrorCode,
} from "../../../transports/postgres/mod.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { startPostgres } from "../../support/postgres_server.ts";

const open = (await startPostgres()).endWithTests();
const locked = (await startPostgres({ password: true })).endWithTests();
const encrypted = (await startPostgres({ tls: true, password: true })).endWithTests();
const folder = await Deno.makeTempDir();
const otherCa = (await makeCertificates(folder)).caPem;
await Deno.remove(folder, { recursive: true });
const caCert = encrypted.certificates?.caPem ?? "";

function changed(url: string, change: (url: URL) => void): string {
  const parsed = new URL(url);
  change(parsed);
  return parsed.href;
}

const WELL: readonly (readonly [title: string, options: PostgresOptions])[] = [
  ["in the clear", { url: open.url() }],
  ["with a password (SCRAM)", { url: locked.url() }],
  ["with an address that hides itself", { url: { reveal: () => locked.url() } }],
  ["over TLS, verified", { url: encrypted.url(), caCert }],
  ["over TLS because of the authority alone", {
    url: changed(encrypted.url(), (url) => url.searchParams.delete("sslmode")),
    caCert,
  }],
  ["over TLS by the server's name", {
    url: changed(encrypted.url(), (url) => url.hostname = "localhost"),
    caCert,
  }],
];

for (const [title, options] of WELL) {
  Deno.test(`openPostgres() opens a database ${title}`, async () => {
    await using postgres = await openPostgres({ ...options, applicationName: "test of openings" });
    const { rows } = await postgres.query(
      "look",
      sql`SELECT application_name, coalesce(ssl, false) AS ssl, current_setting('search_path') AS path
        FROM pg_stat_activity LEFT JOIN pg_stat_ssl USING (pid) WHERE pid = pg_backend_pid()`,
    );
    const ssl = options.caCert !== undefined;
    assertEquals(rows, [{ application_name: "test of openings", ssl, path: "heliograph" }]);
  });
}

const REFUSALS: readonly (readonly [
  title: string,
  options: PostgresOptions,
  code: StoreOpenErrorCode,
  message: RegExp,
])[] = [
  [
    "a wrong password",
    { url: changed(locked.url(), (url) => url.password = "hunter2") },
    "refused",
    /it does not let us in \(password authentication failed .*\)\. Check user and password/,
  ],
  [
    "no password where one is asked for",
    { url: changed(locked.url(), (url) => url.password = "") },
    "refused",
    /Check user and password/,
  ],
  [
    "an unknown user",
    { url: changed(locked.url(), (url) => url.username = "hunter2") },
    "refused",
    /it does not let us in/,
  ],
  [
    "a missing database",
    { url: locked.url(undefined, "nowhere") },
    "no_database",
    /database "nowhere" does not exist\. Create it, or name another one in the address/,
  ],
  [
    "a port where nobody listens",
    { url: changed(locked.url(), (url) => url.port = "1") },
    "unreachable",
    /nobody answers \(.*ECONNREFUSED.*\)\. Is PostgreSQL running there\?/,
  ],
  [
    "a server that demands TLS",
    { url: changed(encrypted.url(), (url) => url.searchParams.delete("sslmode")) },
    "refused",
    /it demands TLS \(.*\)\. Add "\?sslmode=verify-full" to the address/,
  ],
  [
    "a server that has no TLS",
    { url: `${locked.url("x")}&sslmode=verify-full` },
    "tls",
    /it does not offer TLS, and the address says "sslmode=verify-full"/,
  ],
  [
    "a certificate of an authority that is not the given one",
    { url: encrypted.url(), caCert: otherCa },
    "tls",
    /its certificate is not accepted \(.+\)/,
  ],
  [
    "a certificate of an authority that the system does not know",
    { url: encrypted.url() },
    "tls",
    /its certificate is not accepted \(.+\)/,
  ],
  [
    "one connection",
    { url: open.url(), connectionsMax: 1 },
    "bad_address",
    /at least 2 are needed/,
  ],
];

for (const [title, options, code, message] of REFUSALS) {
  Deno.test(`openPostgres() refuses ${title}, with a sentence and without a secret`, async () => {
    const error = await assertRejects(() => openPostgres(options), StoreOpenError);
    assertEquals(error.code, code, error.message);
    assert(message.test(error.message), error.message);
    const shown = Deno.inspect(error);
    for (const secret of [locked.password, encodeURIComponent(locked.password)]) {
      assert(!shown.includes(secret), shown);
    }
    const password = new URL(String(options.url)).password;
    assert(password === "" || !shown.includes(password), shown);
  });
}

Deno.test("openPostgres() refuses a listener that says nothing", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = silent.accept();
  const url = changed(open.url(), (address) => address.port = `${silent.addr.port}`);
  const error = await assertRejects(() => openPostgres({ url }), StoreOpenError);
  (await accepted).close();
  assertEquals(error.code, "unreachable");
  assert(/no answer for 3000 ms/.test(error.message), error.message);
});

Deno.test("openPostgres() refuses a listener that speaks another protocol", async () => {
  await using other = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  const url = changed(open.url(), (address) => address.port = `${other.addr.port}`);
  const error = await assertRejects(() => openPostgres({ url }), StoreOpenError);
  assertEquals(error.code, "unreachable");
});
