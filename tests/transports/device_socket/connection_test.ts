import { assert, assertEquals } from "@std/assert";
import { DeviceDoor, Owner, turn, until } from "../../support/device_door.ts";
import { frameBytes } from "../../support/websocket_client.ts";

Deno.test("DeviceSocket.send() answers false after close, and for a device that is gone", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  const { owner } = door;
  owner.socket.close(1000, "done");
  assertEquals(owner.socket.send("late"), false);
  owner.socket.close(1011, "twice");
  assertEquals(await device.closed(), { code: 1000, reason: "done" });
  await using gone = await door.greet();
  gone.abort();
  await until(() => door.owner.ends.length === 1);
  assertEquals(door.owner.ends[0]?.kind, "lost");
  assertEquals(door.owner.socket.send("late"), false);
});

Deno.test("DeviceSocket.ping() is answered and reported once", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  door.owner.socket.ping();
  assertEquals(await device.receive(), { kind: "ping", payload: new Uint8Array(0) });
  await device.pong();
  await until(() => door.owner.pongs === 1);
});

Deno.test("DeviceSocket disposal closes with 1011, once", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  door.owner.socket[Symbol.dispose]();
  door.owner.socket[Symbol.dispose]();
  assertEquals(await device.closed(), { code: 1011, reason: "session ended" });
  const ended = [{ kind: "server_closed", code: 1011, reason: "session ended" }];
  assertEquals<unknown>(door.owner.ends, ended);
});

Deno.test("DeviceSocket.send() keeps the order of many messages of all sizes", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  const sizes = Array.from({ length: 200 }, (_, i) => (i * i * 31) % 5_000);
  for (const size of sizes) assert(door.owner.socket.send(`${size}:${"x".repeat(size)}`));
  for (const size of sizes) assertEquals(await device.text(), `${size}:${"x".repeat(size)}`);
});

Deno.test("DeviceEvents.closed() is not called inside the owner's own close", async () => {
  await using door = new DeviceDoor();
  await using _device = await door.greet();
  door.owner.socket.close(1000, "");
  assertEquals(door.owner.ends.length, 0);
  await Promise.resolve();
  assertEquals(door.owner.ends.length, 1);
});

Deno.test("DeviceEvents.text() that is awaited holds back the frames behind it", async () => {
  const gates: PromiseWithResolvers<void>[] = [];
  class Slow extends Owner {
    override text(message: string): Promise<void> {
      this.texts.push(message);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      return gate.promise;
    }
  }
  await using door: DeviceDoor = new DeviceDoor({ open: (s, u) => door.own(new Slow(s, u)) });
  await using device = await door.connect();
  // The first message comes in two parts, so its deadline has been running.
  const first = frameBytes({ opcode: 1, payload: "1" });
  await device.raw(first.subarray(0, 3));
  const armed = door.clock.armed;
  await until(() => door.clock.armed > armed);
  await device.raw(first.subarray(3));
  await device.send("2");
  await device.ping("3");
  await until(() => gates.length === 1);
  for (let i = 0; i < 20; i++) await turn();
  assertEquals(door.owner.texts, ["1"]);
  // A slow owner is not the device's fault: no deadline runs meanwhile.
  door.clock.advance(120_000);
  gates[0]?.resolve();
  await until(() => gates.length === 2);
  gates[1]?.resolve();
  const pong = { kind: "pong", payload: new TextEncoder().encode("3") } as const;
  assertEquals(await device.receive(), pong);
  assertEquals(door.owner.texts, ["1", "2"]);
});

const FAILURES: readonly (readonly [name: string, fail: () => void | Promise<void>])[] = [
  ["throws", () => {
    throw new Error("secret");
  }],
  ["rejects", () => Promise.reject(new Error("secret"))],
];

for (const [name, fail] of FAILURES) {
  Deno.test(`DeviceEvents.text() that ${name} closes this socket with 1011 and no other`, async () => {
    class Failing extends Owner {
      override text(message: string): void | Promise<void> {
        return message === "fail" ? fail() : super.text(message);
      }
    }
    await using door: DeviceDoor = new DeviceDoor({ open: (s, u) => door.own(new Failing(s, u)) });
    await using other = await door.greet();
    await using device = await door.greet();
    await device.send("fail");
    assertEquals(await device.closed(), { code: 1011, reason: "internal error" });
    assertEquals(door.events.filter(({ kind }) => kind === "owner_failed").length, 1);
    await other.send("well?");
    assertEquals(await other.text(), "echo:well?");
  });
}

Deno.test("an idle connection stays for days", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  door.clock.advance(7 * 86_400_000);
  await device.send("still here");
  assertEquals(await device.text(), "echo:still here");
});

Deno.test("a message must be complete in time, however many Pings are between", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  await device.frame({ opcode: 1, payload: "begun", fin: false });
  for (let second = 0; second < 30; second++) {
    await device.ping();
    assertEquals((await device.receive()).kind, "pong");
    door.clock.advance(1_000);
  }
  const close = await device.closed();
  assertEquals(close, { code: 1008, reason: "message not complete after 30000 ms" });
});

Deno.test("a message that comes slowly but in time is read, and the next has its own time", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  const bytes = frameBytes({ opcode: 1, payload: "x".repeat(300) });
  for (let round = 0; round < 3; round++) {
    await device.raw(bytes.subarray(0, 200));
    await until(() => door.clock.armed > 0);
    door.clock.advance(20_000);
    await device.raw(bytes.subarray(200));
    assertEquals(await device.text(), `echo:${"x".repeat(300)}`);
  }
});

Deno.test("a device that does not read is closed at the limit of its queue", async () => {
  await using door = new DeviceDoor({ limits: { sendQueueBytesMax: 100_000 } });
  await using device = await door.greet();
  const { socket, ends } = door.owner;
  let sent = 0;
  while (socket.send("x".repeat(60_000))) {
    sent++;
    await turn();
  }
  await until(() => ends.length === 1);
  assertEquals<unknown>(ends, [{ kind: "server_closed", code: 1008, reason: "too slow" }]);
  // It reads again within the second: whole frames, then the Close. What was queued is dropped.
  let received = 0;
  for (let next = await device.receive(); next.kind !== "end"; next = await device.receive()) {
    if (next.kind === "text") received++;
    else assertEquals<unknown>(next, { kind: "close", code: 1008, reason: "too slow" });
  }
  assert(received > 0 && received <= sent, `${received} of ${sent}`);
});

Deno.test("a device that never reads again costs a second and no more", async () => {
  await using door = new DeviceDoor({ limits: { sendQueueBytesMax: 100_000 } });
  await using _device = await door.greet();
  while (door.owner.socket.send("x".repeat(60_000))) await turn();
  for (let i = 0; i < 20; i++) await turn();
  assertEquals(door.listener.connections, 1);
  door.clock.advance(1_000);
  assertEquals(door.listener.connections, 0);
});

Deno.test("a flood of Pings is closed, ten in a second are answered", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  for (let second = 0; second < 3; second++) {
    for (let i = 0; i < 10; i++) {
      await device.ping(String(i));
      assertEquals((await device.receive()).kind, "pong");
    }
    door.clock.advance(1_000);
  }
  for (let i = 0; i < 11; i++) await device.ping();
  const close = await device.closed();
  assertEquals(close, { code: 1008, reason: "more than 10 Ping and Pong frames in a second" });
});

Deno.test("frames after the device's Close are not handled", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  const close = frameBytes({ opcode: 8 });
  const text = frameBytes({ opcode: 1, payload: "after" });
  await device.raw(new Uint8Array([...close, ...text]));
  assertEquals(await device.closed(), { code: 1005, reason: "" });
  assertEquals(door.owner.texts, ["hello"]);
});

Deno.test("a device that ends TCP inside a frame is lost, once", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  await device.raw(frameBytes({ opcode: 1, payload: "half" }).subarray(0, 5));
  await device.closeWrite();
  assertEquals(await device.closed(), undefined);
  assertEquals<unknown>(door.owner.ends, [{ kind: "lost", reason: "the device ended TCP" }]);
  assertEquals(door.listener.connections, 0);
});

Deno.test("devices that do not read are cut, oldest first, when too much waits for all together", async () => {
  const sendQueuesBytesMax = 8_000_000;
  await using door = new DeviceDoor({
    limits: { sendQueueBytesMax: 2 * sendQueuesBytesMax, sendQueuesBytesMax },
  });
  await using _first = await door.greet();
  const first = door.owner;
  await using _second = await door.greet();
  const second = door.owner;
  await using good = await door.greet();
  const text = "x".repeat(60_000);
  // The kernel takes some; then three fifths of the limit wait for the first device.
  const fill = async (owner: Owner) => {
    for (let sent = 0; sent < sendQueuesBytesMax * 0.6; sent += text.length) {
      owner.socket.send(text);
    }
    await turn();
  };
  while (first.ends.length === 0) {
    await fill(first);
    await fill(second);
  }
  await turn();
  assertEquals<unknown>(first.ends, [{ kind: "server_closed", code: 1008, reason: "too slow" }]);
  assertEquals([second.ends.length, first.socket.send("late")], [0, false]);
  await good.send("still");
  assertEquals(await good.text(), "echo:still");
});

Deno.test("devices whose messages do not end are cut, oldest first, when all together hold too much", async () => {
  await using door = new DeviceDoor({ limits: { messagesBytesMax: 150_000 } });
  const part = frameBytes({ opcode: 1, payload: "x".repeat(60_000) }).subarray(0, 59_000);
  const owners: Owner[] = [];
  await using stack = new AsyncDisposableStack();
  for (let i = 0; i < 3; i++) {
    const device = stack.use(await door.greet());
    owners.push(door.owner);
    await device.raw(part);
    for (let turns = 0; turns < 20; turns++) await turn(); // Until all of it was read.
  }
  await until(() => owners[0]?.ends.length === 1);
  const reason = "message not complete while many are";
  assertEquals<unknown>(owners[0]?.ends, [{ kind: "server_closed", code: 1008, reason }]);
  assertEquals(owners.map(({ ends }) => ends.length), [1, 0, 0]);
  await using good = await door.greet();
  await good.send("y".repeat(60_000));
  assertEquals((await good.text()).length, 60_005);
});
