import { assert, assertEquals } from "@std/assert";
import {
  isLoopback,
  openPorts,
  publicAddresses,
} from "../../../transports/command_line/addresses.ts";
import { parseCommandLine } from "../../../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../../../transports/command_line/read_file.ts";
import type { Settings } from "../../../transports/command_line/settings.ts";

const PORTS = { endpointPort: 8080, devicePort: 8081, apiPort: 8082 };

function settingsOf(...args: readonly string[]): Settings {
  const line = parseCommandLine(["serve", ...args], new Map(), readTextFile);
  assert(line.kind === "run" && line.command.name === "serve");
  return line.command.settings;
}

Deno.test("publicAddresses() derives what was not set from the bound address", () => {
  const tls = ["--tls-cert=c", "--tls-key=k"];
  const rows: readonly (readonly [readonly string[], typeof PORTS, readonly string[]])[] = [
    [[], PORTS, ["http://127.0.0.1:8080", "ws://127.0.0.1:8081/", "http://127.0.0.1:8082/"]],
    [["--host=::1"], PORTS, ["http://[::1]:8080", "ws://[::1]:8081/", "http://[::1]:8082/"]],
    [tls, PORTS, ["https://127.0.0.1:8080", "wss://127.0.0.1:8081/", "http://127.0.0.1:8082/"]],
    [
      ["--host=push.lan", ...tls],
      { endpointPort: 443, devicePort: 8443, apiPort: 80 },
      ["https://push.lan", "wss://push.lan:8443/", "http://push.lan/"],
    ],
    [
      ["--host=0.0.0.0", "--endpoint-url=https://push.example"],
      PORTS,
      ["https://push.example", "ws://push.example:8081/", "http://127.0.0.1:8082/"],
    ],
    [
      ["--endpoint-url=https://push.example", "--device-url=wss://push.example/devices"],
      PORTS,
      ["https://push.example", "wss://push.example/devices", "http://127.0.0.1:8082/"],
    ],
  ];
  for (const [args, ports, expected] of rows) {
    const { endpointUrl, deviceUrl, apiUrl } = publicAddresses(settingsOf(...args), ports);
    assertEquals([endpointUrl, deviceUrl, apiUrl], expected);
  }
});

Deno.test("isLoopback() knows the addresses of this machine alone", () => {
  const rows: readonly (readonly [string, boolean])[] = [
    ["127.0.0.1", true],
    ["127.255.0.9", true],
    ["::1", true],
    ["localhost", true],
    ["a.localhost", true],
    ["0.0.0.0", false],
    ["::", false],
    ["128.0.0.1", false],
    ["localhost.example", false],
    ["127.0.0.1.example", false],
  ];
  for (const [host, expected] of rows) assertEquals(isLoopback(host), expected, host);
});

Deno.test("openPorts() names the ports of the roles a node has, and its node port", () => {
  assertEquals(openPorts(settingsOf(), PORTS), PORTS);
  assertEquals(openPorts({ roles: ["delivery"] }, { ...PORTS, nodePort: 5 }), { nodePort: 5 });
  assertEquals(openPorts({ roles: ["api", "devices"] }, PORTS), {
    devicePort: 8081,
    apiPort: 8082,
  });
});
