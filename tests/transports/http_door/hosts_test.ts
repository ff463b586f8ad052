/**
 * Which `Host` headers a door answers to.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { HostList, type HostVerdict } from "../../../transports/http_door/hosts.ts";

Deno.test("HostList.judge() allows loopback, the arriving address and listed names only", () => {
  const rows: readonly (readonly [host: string, localAddress: string | undefined, HostVerdict])[] =
    [
      ["localhost", undefined, "allowed"],
      ["LocalHost:8080", undefined, "allowed"],
      ["app.localhost", undefined, "allowed"],
      ["127.0.0.1", undefined, "allowed"],
      ["127.255.255.254:1", undefined, "allowed"],
      ["[::1]", undefined, "allowed"],
      ["push.example", undefined, "allowed"],
      ["PUSH.example.:443", undefined, "allowed"],
      ["[2001:db8::1]:80", undefined, "allowed"],
      ["192.0.2.7:80", "192.0.2.7", "allowed"],
      ["192.0.2.7", "::ffff:192.0.2.7", "allowed"],
      ["[2001:DB8::2]", "2001:db8::2", "allowed"],
      ["192.0.2.7", "192.0.2.8", "unknown"],
      ["192.0.2.7", undefined, "unknown"],
      ["127.0.0.1.evil.example", undefined, "unknown"],
      ["evillocalhost", undefined, "unknown"],
      ["push.example.evil", undefined, "unknown"],
      ["xn--push-example", undefined, "unknown"],
      ["::1", undefined, "malformed"],
      ["[::1", undefined, "malformed"],
      ["", undefined, "malformed"],
      [":80", undefined, "malformed"],
      ["push.example:http", undefined, "malformed"],
      ["push.example/", undefined, "malformed"],
      ["user@push.example", undefined, "malformed"],
      ["push.example,localhost", undefined, "malformed"],
      ["push example", undefined, "malformed"],
    ];
  const list = new HostList(["Push.Example:8443", "[2001:db8::1]"]);
  for (const [host, localAddress, verdict] of rows) {
    assertEquals(list.judge(host, localAddress), verdict, host);
    assertEquals(list.judge(host, localAddress), verdict, `${host}, again`);
  }
});

Deno.test("HostList.judge() stays right when more spellings were seen than it remembers", () => {
  const list = new HostList([]);
  for (let port = 0; port < 200; port++) {
    assertEquals(list.judge(`localhost:${port}`, undefined), "allowed");
    assertEquals(list.judge(`evil.example:${port}`, undefined), "unknown");
  }
});
