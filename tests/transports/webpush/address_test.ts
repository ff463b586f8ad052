/**
 * Addresses of the public internet, and all others.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { isPublicAddress } from "../../../transports/webpush/address.ts";

const PUBLIC: readonly string[] = [
  "1.1.1.1",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.0",
  "169.253.255.255",
  "172.15.255.255",
  "172.32.0.0",
  "192.0.1.0",
  "192.167.255.255",
  "198.17.255.255",
  "198.20.0.0",
  "223.255.255.255",
  "2000::",
  "2001:200::1",
  "2606:4700:4700::1111",
  "2a00:1450:4001:830::200a",
  "3ffe::1",
  "3fff:1000::",
];

const NOT_PUBLIC: readonly (readonly [address: string, why: string])[] = [
  ["0.0.0.0", "this network"],
  ["0.255.255.255", "this network"],
  ["10.0.0.0", "private"],
  ["10.255.255.255", "private"],
  ["100.64.0.0", "behind a carrier's NAT"],
  ["100.127.255.255", "behind a carrier's NAT"],
  ["127.0.0.1", "loopback"],
  ["127.255.255.255", "loopback"],
  ["169.254.169.254", "metadata of a cloud"],
  ["172.16.0.0", "private"],
  ["172.31.255.255", "private"],
  ["192.0.0.8", "protocol assignments"],
  ["192.0.2.1", "documentation"],
  ["192.88.99.1", "6to4 relay"],
  ["192.168.0.1", "private"],
  ["198.18.0.1", "benchmarking"],
  ["198.19.255.255", "benchmarking"],
  ["198.51.100.7", "documentation"],
  ["203.0.113.9", "documentation"],
  ["224.0.0.1", "multicast"],
  ["239.255.255.255", "multicast"],
  ["240.0.0.1", "reserved"],
  ["255.255.255.255", "broadcast"],
  ["::", "unspecified"],
  ["::1", "loopback"],
  ["::127.0.0.1", "IPv4-compatible"],
  ["::8.8.8.8", "IPv4-compatible"],
  ["::ffff:127.0.0.1", "IPv4-mapped"],
  ["::ffff:7f00:1", "IPv4-mapped"],
  ["::ffff:8.8.8.8", "IPv4-mapped"],
  ["::ffff:0:127.0.0.1", "IPv4-translated"],
  ["64:ff9b::7f00:1", "NAT64"],
  ["64:ff9b::8.8.8.8", "NAT64"],
  ["64:ff9b:1::1", "local NAT64"],
  ["100::1", "discard"],
  ["2001::1", "Teredo"],
  ["2001:2::1", "benchmarking"],
  ["2001:20::1", "ORCHID"],
  ["2001:db8::1", "documentation"],
  ["2002:7f00:1::", "6to4"],
  ["2620:4f:8000::1", "AS112"],
  ["3fff:fff::1", "documentation"],
  ["5f00::1", "segment routing"],
  ["fc00::1", "unique local"],
  ["fd12:3456:789a::1", "unique local"],
  ["fe80::1", "link-local"],
  ["fe80::1%eth0", "with a zone"],
  ["2606:4700::1%eth0", "with a zone"],
  ["fec0::1", "site-local"],
  ["ff02::1", "multicast"],
  ["", "nothing"],
  ["localhost", "a name"],
  ["8.8.8", "three numbers"],
  ["8.8.8.8.8", "five numbers"],
  ["8.8.8.256", "a number too large"],
  ["2606:4700:4700", "three groups"],
  ["2606::4700::1", "two gaps"],
  ["2606:1:2:3:4:5:6:7:8", "nine groups"],
  ["2606:1:2:3::4:5:6:7", "a gap for nothing"],
  ["2606:12345::1", "a group too long"],
  ["2606:g::1", "no hexadecimal digit"],
  ["2606::1.2.3.400", "no IPv4 address inside"],
];

Deno.test("isPublicAddress() holds for the public internet up to its edges", () => {
  assertEquals(PUBLIC.filter((address) => !isPublicAddress(address)), []);
});

Deno.test("isPublicAddress() holds for nothing else", () => {
  const wrong = NOT_PUBLIC.filter(([address]) => isPublicAddress(address));
  assertEquals(wrong, []);
});
