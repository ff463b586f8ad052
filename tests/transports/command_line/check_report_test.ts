import { assertEquals } from "@std/assert";
import {
  checkJson,
  checkStatus,
  checkText,
} from "../../../transports/command_line/check_report.ts";
import type { Finding } from "../../../transports/command_line/check_report.ts";

const SETTINGS = [
  { name: "host", value: "127.0.0.1", origin: "default" },
  { name: "api-token", value: "(hidden)", origin: "HELIOGRAPH_API_TOKEN" },
];
const FINDINGS: readonly Finding[] = [
  { what: "store", outcome: "ok", detail: "data can be read and written" },
  { what: "certificate", outcome: "warning", detail: "expired\u001b[2J", setting: "tls-cert" },
  { what: "port 8080", outcome: "failed", detail: "is in use", setting: "endpoint-port" },
];

Deno.test("checkText() lists settings with their origins, findings and a verdict", () => {
  assertEquals(
    checkText(FINDINGS, SETTINGS),
    `Settings and where they come from:
  host       127.0.0.1  default
  api-token  (hidden)   HELIOGRAPH_API_TOKEN

Checks:
  ok       store        data can be read and written
  warning  certificate  expired\\u001b[2J (tls-cert)
  failed   port 8080    is in use (endpoint-port)

1 ok, 1 to think about, 1 failed.
`,
  );
});

Deno.test("checkJson() carries the same as data in one line", () => {
  const line = checkJson(FINDINGS, SETTINGS);
  assertEquals(line.indexOf("\n"), line.length - 1);
  assertEquals(JSON.parse(line), { ok: false, findings: FINDINGS, settings: SETTINGS });
});

Deno.test("checkStatus() is 1 only when something failed", () => {
  assertEquals(checkStatus(FINDINGS), 1);
  assertEquals(checkStatus(FINDINGS.slice(0, 2)), 0);
  assertEquals(checkStatus([]), 0);
});
