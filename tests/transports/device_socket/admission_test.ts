import { assertEquals } from "@std/assert";
import { Admission, countedAddress } from "../../../transports/device_socket/admission.ts";

const ADDRESSES: readonly (readonly [hostname: string, expected: string])[] = [
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["127.0.0.1", "loopback"],
  ["127.9.9.9", "loopback"],
  ["::1", "loopback"],
  ["::ffff:127.0.0.1", "loopback"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8:1:2::6", "2001:db8:1:2"],
  ["2001:db8::6", "2001:db8:0:0"],
  ["2001:db8:1:2:3::", "2001:db8:1:2"],
  ["::2", "0:0:0:0"],
];

for (const [hostname, expected] of ADDRESSES) {
  Deno.test(`countedAddress("${hostname}") => "${expected}"`, () => {
    assertEquals(countedAddress(hostname), expected);
  });
}

Deno.test("Admission.enter() refuses an address at its limit and no other", () => {
  const admission = new Admission(2, []);
  assertEquals([1, 2, 3].map(() => admission.enter("192.0.2.7")), [true, true, false]);
  assertEquals(admission.enter("192.0.2.8"), true);
  admission.leave("192.0.2.7");
  assertEquals([1, 2].map(() => admission.enter("192.0.2.7")), [true, false]);
});

Deno.test("Admission.enter() never refuses an unlimited address, however it is written", () => {
  const admission = new Admission(1, ["127.0.0.1", "192.0.2.1"]);
  for (const hostname of ["::1", "::ffff:192.0.2.1"]) {
    const address = countedAddress(hostname);
    assertEquals([1, 2, 3].map(() => admission.enter(address)), [true, true, true]);
  }
});
