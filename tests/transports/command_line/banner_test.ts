import { assert, assertEquals } from "@std/assert";
import { readyJson, readyText } from "../../../transports/command_line/banner.ts";
import type { ReadyFacts } from "../../../transports/command_line/banner.ts";
import { ROLES } from "../../../transports/command_line/settings.ts";
import { Secret } from "../../../transports/command_line/secret.ts";

const LOCAL: ReadyFacts = {
  version: "0.1.0",
  roles: ROLES,
  addresses: {
    endpointUrl: "http://127.0.0.1:8080",
    deviceUrl: "ws://127.0.0.1:8081/",
    apiUrl: "http://127.0.0.1:8082/",
  },
  store: "sqlite:./data",
  newToken: {
    token: new Secret("0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"),
    path: "data/api-token",
  },
};

Deno.test("readyText() tells a newcomer what to do, at the first start", () => {
  assertEquals(
    readyText(LOCAL),
    `Heliograph 0.1.0 is ready.

  push endpoint    http://127.0.0.1:8080
  device sockets   ws://127.0.0.1:8081/
  monitor and API  http://127.0.0.1:8082/
  store            sqlite:./data

In Firefox, open about:config and set, in this order:

  dom.push.testing.allowInsecureServerURL  true
  dom.push.serverURL                       ws://127.0.0.1:8081/

Then open http://127.0.0.1:8082/browser and click "Subscribe this browser".
The page shows the endpoint and a curl command for it. An endpoint made without
a key needs no signature:

  curl -i -X POST -H "TTL: 60" "$ENDPOINT"

API token, for the monitor too, shown this once and kept in data/api-token:

  0123456789abcdefghijklmnopqrstuvwxyzABCDEFG

Stop with Ctrl-C.
`,
  );
});

Deno.test("readyText() asks for one preference on TLS and shows a token never again", () => {
  const addresses = { ...LOCAL.addresses, deviceUrl: "wss://push.example/" };
  const text = readyText({ ...LOCAL, addresses, store: "memory:", newToken: undefined });
  assert(!text.includes("allowInsecureServerURL"));
  assert(!text.includes("token"));
  assert(text.includes("  store            in memory, lost when this process ends\n"), text);
  assertEquals(text.split("\n").filter((line) => line.length > 80), []);
});

Deno.test("readyJson() is one line with the ports", () => {
  const line = readyJson({ endpointPort: 1, devicePort: 2, apiPort: 3 });
  assertEquals(line, '{"ready":true,"endpointPort":1,"devicePort":2,"apiPort":3}\n');
});

Deno.test("readyJson() and readyText() tell how many processes a parent has", () => {
  const line = readyJson({ endpointPort: 1, devicePort: 2, apiPort: 3 }, 4);
  assertEquals(line, '{"ready":true,"endpointPort":1,"devicePort":2,"apiPort":3,"processes":4}\n');
  const text = readyText({ ...LOCAL, processes: 4 });
  assert(text.includes("\n  processes        4\n  store            sqlite:./data\n"), text);
});

Deno.test("readyText() and readyJson() tell of the doors a node has, and no others", () => {
  assertEquals(readyJson({ nodePort: 4 }), '{"ready":true,"nodePort":4}\n');
  const facts = { ...LOCAL, newToken: undefined };
  assertEquals(
    readyText({ ...facts, roles: ["delivery"] }),
    `Heliograph 0.1.0 is ready.

  roles  delivery
  store  sqlite:./data

Stop with Ctrl-C.
`,
  );
  const devices = readyText({ ...facts, roles: ["devices"] });
  assert(devices.includes("dom.push.serverURL"), devices);
  assert(!devices.includes("8080") && !devices.includes("8082"), devices);
});
