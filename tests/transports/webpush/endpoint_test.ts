/**
 * Endpoints that a stranger gives: which may be sent to by what their text says.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { pushServiceConnect } from "../../../transports/webpush/connect.ts";
import { EndpointPolicy } from "../../../transports/webpush/endpoint.ts";

const policy = new EndpointPolicy();
const known = new EndpointPolicy({ hosts: "known" });

/** URLs that must not be posted to, whatever they resolve to. */
const HOSTILE: readonly (readonly [url: string, why: string])[] = [
  ["http://push.example.net/p/1", "no TLS"],
  ["https://127.0.0.1/", "loopback"],
  ["https://127.1/", "loopback in two numbers"],
  ["https://2130706433/", "loopback in one number"],
  ["https://0x7f000001/", "loopback in hexadecimal"],
  ["https://0177.0.0.1/", "loopback in octal"],
  ["https://127.0.0.1./", "loopback with a dot at the end"],
  ["https://127.0.0.01/", "loopback with a leading zero"],
  ["https://%31%32%37.0.0.1/", "loopback in percent-escapes"],
  ["https://１２７.0.0.1/", "loopback in full-width digits"],
  ["https://127。0。0。1/", "loopback with ideographic dots"],
  ["https://0.0.0.0/", "this network"],
  ["https://0/", "this network in one number"],
  ["https://10.0.0.1/", "private"],
  ["https://100.64.0.1/", "behind a carrier's NAT"],
  ["https://169.254.169.254/latest/meta-data/", "metadata of a cloud"],
  ["https://172.16.0.1/", "private"],
  ["https://192.168.1.1/", "private"],
  ["https://198.18.0.1/", "benchmarking"],
  ["https://203.0.113.5/", "documentation"],
  ["https://224.0.0.1/", "multicast"],
  ["https://255.255.255.255/", "broadcast"],
  ["https://[::1]/", "loopback"],
  ["https://[::]/", "unspecified"],
  ["https://[0:0:0:0:0:0:0:1]/", "loopback in full"],
  ["https://[::ffff:127.0.0.1]/", "mapped loopback"],
  ["https://[::ffff:7f00:1]/", "mapped loopback in hexadecimal"],
  ["https://[::127.0.0.1]/", "compatible loopback"],
  ["https://[64:ff9b::7f00:1]/", "loopback behind NAT64"],
  ["https://[2002:7f00:1::]/", "loopback behind 6to4"],
  ["https://[fd00::1]/", "unique local"],
  ["https://[fe80::1]/", "link-local"],
  ["https://[fe80::1%25eth0]/", "link-local with a zone"],
  ["https://localhost/", "a local name"],
  ["https://LOCALHOST/", "a local name in capitals"],
  ["https://localhost./", "a local name with a dot at the end"],
  ["https://push.localhost/", "below a local name"],
  ["https://metadata.google.internal/", "an internal name"],
  ["https://printer.local/", "a name of the local network"],
  ["https://intranet/", "a name without a dot"],
  ["https://push.example.net./", "a dot at the end"],
  ["https://push.example.net:8443/", "another port"],
  ["https://push.example.net:22/", "another port"],
  ["https://user@push.example.net/", "user info"],
  ["https://user:secret@push.example.net/", "user info"],
  ["https://push.example.net@127.0.0.1/", "a host that looks like user info"],
  ["https://push.example.net\\@127.0.0.1/", "a backslash"],
  ["https:\\\\127.0.0.1\\", "backslashes"],
  ["https:push.example.net/", "no authority"],
  ["https:///127.0.0.1/", "an empty authority"],
  ["https://push.example.net/#x", "a fragment"],
  ["https://push.example.net/a b", "a space"],
  ["https://push.example.net/\r\nHost: x", "a line break"],
  ["https://push.exa\tmple.net/", "a tab"],
  [" https://push.example.net/", "a space before"],
  ["https://push.example.net/é", "not ASCII"],
  ["https://bücher.example/", "a name that is not ASCII"],
  ["https://ex ample.net/", "a space in the name"],
  ["//push.example.net/", "no scheme"],
  ["ftp://push.example.net/", "another scheme"],
  ["file:///etc/passwd", "a file"],
  ["javascript:alert(1)", "a script"],
  ["", "nothing"],
  [`https://push.example.net/${"a".repeat(1_000)}`, "too long"],
];

Deno.test("EndpointPolicy refuses every hostile URL, with a reason", () => {
  for (const [url, why] of HOSTILE) {
    const checked = policy.check(url);
    assertEquals(checked.kind, "refused", `${url}: ${why}`);
    assert((policy.problem(url) ?? "").startsWith("must "), url);
    assertEquals(known.check(url).kind, "refused", `${url}: ${why}`);
  }
});

Deno.test("pushServiceConnect() opens nothing for the origin of a hostile URL", async () => {
  const connect = pushServiceConnect({
    policy,
    lookup: () => Promise.reject(new Error("looked up")),
  });
  for (const [url] of HOSTILE) {
    const origin = URL.parse(url)?.origin ?? url;
    // Some are hostile for what stands behind the origin.
    if (policy.check(`${origin}/`).kind === "endpoint") continue;
    const error = await assertRejects(() => connect({ origin }), Error);
    assert(error.message.startsWith("Cannot connect to"), `${origin}: ${error.message}`);
  }
});

Deno.test("EndpointPolicy.check() gives origin, authority and the path byte for byte", () => {
  const rows: readonly (readonly [url: string, origin: string, path: string])[] = [
    [
      "https://fcm.googleapis.com/fcm/send/dX:APA91b-_x=",
      "https://fcm.googleapis.com",
      "/fcm/send/dX:APA91b-_x=",
    ],
    [
      "https://wns2-par02p.notify.windows.com/w/?token=BQYAAA%2b%2B/x%3d%3D",
      "https://wns2-par02p.notify.windows.com",
      "/w/?token=BQYAAA%2b%2B/x%3d%3D",
    ],
    ["https://push.example.net", "https://push.example.net", "/"],
    ["https://push.example.net?id=1", "https://push.example.net", "/?id=1"],
    ["https://push.example.net:443/x", "https://push.example.net", "/x"],
    ["https://Push.Example.net/X", "https://push.example.net", "/X"],
    ["https://push.example.net/a/../b/%2e%2e", "https://push.example.net", "/a/../b/%2e%2e"],
    ["https://1.1.1.1/x", "https://1.1.1.1", "/x"],
    ["https://[2606:4700::1]/x", "https://[2606:4700::1]", "/x"],
  ];
  for (const [url, origin, path] of rows) {
    const checked = policy.check(url);
    assert(checked.kind === "endpoint", url);
    const { service } = checked;
    assertEquals([service.origin, checked.path], [origin, path]);
    assertEquals(`https://${service.authority}`, origin);
    assertEquals(service.allowed, false);
    assertEquals(policy.problem(url), undefined);
  }
});

Deno.test("EndpointPolicy with known hosts goes by whole labels", () => {
  const rows: readonly (readonly [host: string, vendor: string | undefined])[] = [
    ["fcm.googleapis.com", "google"],
    ["updates.push.services.mozilla.com", "mozilla"],
    ["web.push.apple.com", "apple"],
    ["api.push.apple.com", "apple"],
    ["wns2-bl2p.notify.windows.com", "microsoft"],
    ["evilfcm.googleapis.com", undefined],
    ["fcm.googleapis.com.evil.example", undefined],
    ["notify.windows.com.evil.example", undefined],
    ["xpush.apple.com", undefined],
    ["googleapis.com", undefined],
    ["push.example.net", undefined],
    ["1.1.1.1", undefined],
  ];
  for (const [host, vendor] of rows) {
    const checked = known.check(`https://${host}/x`);
    assertEquals(
      checked.kind === "endpoint" ? checked.service.vendor.name : undefined,
      vendor,
      host,
    );
    assertEquals(policy.check(`https://${host}/x`).kind, "endpoint", host);
  }
});

Deno.test("EndpointPolicy takes allowed origins exactly as they are", () => {
  const allowedOrigins = ["http://127.0.0.1:8080", "https://push.local:8443/"];
  for (const hosts of ["known", "public"] as const) {
    const own = new EndpointPolicy({ hosts, allowedOrigins });
    for (const url of ["http://127.0.0.1:8080/wpush/v2/x", "https://push.local:8443/x"]) {
      const checked = own.check(url);
      assert(checked.kind === "endpoint" && checked.service.allowed, url);
    }
    for (
      const url of [
        "http://127.0.0.1:8081/x",
        "https://127.0.0.1:8080/x",
        "http://127.0.0.2:8080/x",
        "https://push.local/x",
        "http://push.local:8443/x",
        "https://x.push.local:8443/x",
        "http://127.0.0.1:8080@push.example.net/x",
      ]
    ) {
      assertEquals(own.check(url).kind, "refused", url);
    }
  }
});

Deno.test("EndpointPolicy throws for an allowed origin that is none", () => {
  for (const origin of ["push.example", "ftp://push.example", ""]) {
    assertThrows(() => new EndpointPolicy({ allowedOrigins: [origin] }), TypeError, "Cannot allow");
  }
});

Deno.test("EndpointPolicy.check() knows the endpoint of a subscription that was removed", () => {
  for (const path of ["", "/", "/fcm/send/x"]) {
    assertEquals(policy.check(`https://permanently-removed.invalid${path}`).kind, "dead");
    assertEquals(known.check(`https://permanently-removed.invalid${path}`).kind, "dead");
  }
  assertEquals(policy.check("https://x.permanently-removed.invalid/").kind, "refused");
  assert(policy.problem("https://permanently-removed.invalid/")?.includes("removed"));
});
