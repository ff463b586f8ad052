import { assertEquals, assertThrows } from "@std/assert";
import { parseRedisAddress, type RedisAddress } from "../../../transports/redis/address.ts";
import { StoreOpenError } from "../../../transports/redis/errors.ts";

/** What `redis://host` means; each row is a difference from it. */
const PLAIN: RedisAddress = {
  host: "host",
  port: 6379,
  tls: false,
  username: undefined,
  password: undefined,
  database: 0,
  prefix: "heliograph",
  cluster: false,
  place: "host:6379",
};

const GOOD: readonly (readonly [address: string, differences: Partial<RedisAddress>])[] = [
  ["redis://host", {}],
  ["redis://host/", {}],
  ["redis://host:7000", { port: 7000, place: "host:7000" }],
  ["rediss://host", { tls: true }],
  ["redis://:s%25cret@host", { password: "s%cret" }],
  ["redis://ann:s@host", { username: "ann", password: "s" }],
  ["redis://host/3", { database: 3 }],
  ["redis://host?prefix=a_b-9", { prefix: "a_b-9" }],
  ["redis://host?cluster=true", { cluster: true }],
  ["redis://host/0?cluster=false", {}],
  ["redis://[::1]:7000", { host: "::1", port: 7000, place: "[::1]:7000" }],
];

for (const [address, differences] of GOOD) {
  Deno.test(`parseRedisAddress() takes ${address}`, () => {
    assertEquals(parseRedisAddress(address), { ...PLAIN, ...differences });
  });
}

const BAD: readonly (readonly [address: string, problem: string])[] = [
  ["", "it is not of the form redis://user:password@host:port or rediss://…"],
  ["http://ann:secret@host", "it is not of the form redis://user:password@host:port or rediss://…"],
  ["redis://host:99999", "it is not of the form redis://user:password@host:port or rediss://…"],
  ["redis://", "the host is missing"],
  ["redis://host:0", "port 0 is no port"],
  ["redis://:secret%@host", 'the password has a "%" that is no escape; write %25'],
  ["redis://:secret@host/x", '"/x" is no number of a database, as in redis://host/1'],
  ["redis://:secret@host#x", 'it has a "#"; write %23 where it belongs to the password'],
  ["redis://:secret@host?prefx=a", '"prefx" is not known; "prefix" and "cluster" are'],
  ["redis://host?prefix=a&prefix=b", '"prefix" is given twice'],
  [
    "redis://host?prefix=A",
    '"prefix" is "A"; it has 1 to 32 of the characters a-z, 0-9, _ and -',
  ],
  [
    `redis://host?prefix=${"a".repeat(50)}`,
    `"prefix" is "${"a".repeat(40)}"; it has 1 to 32 of the characters a-z, 0-9, _ and -`,
  ],
  ["redis://host?cluster=yes", '"cluster" is "yes"; it is true or false'],
  ["redis://host/2?cluster=true", "a cluster has no database 2, only 0"],
];

for (const [address, problem] of BAD) {
  Deno.test(`parseRedisAddress() refuses "${address.slice(0, 40)}": ${problem}`, () => {
    const error = assertThrows(() => parseRedisAddress(address), StoreOpenError);
    assertEquals(error.code, "bad_address");
    assertEquals(error.message, `Cannot use this address of Redis: ${problem}`);
  });
}
