import { assertEquals } from "@std/assert";
import { WebSocketClient } from "../../support/websocket_client.ts";
import { listenDevices } from "../../../transports/device_socket/listener.ts";

Deno.test("listenDevices() upgrades a device and carries text both ways", async () => {
  await using listener = listenDevices({
    hostname: "127.0.0.1",
    port: 0,
    status: () => ({ status: "OK" }),
    open: (socket) => ({
      text: (message) => void socket.send(message.toUpperCase()),
      pong() {},
      closed() {},
    }),
  });
  await using device = await WebSocketClient.connect({ port: listener.port });
  await device.send("hello");
  assertEquals(await device.text(), "HELLO");
  assertEquals(listener.connections, 1);
  await device.sendClose(1000, "bye");
  assertEquals(await device.closed(), { code: 1000, reason: "bye" });
});
