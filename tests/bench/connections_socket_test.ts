import { assert } from "@std/assert";

Deno.test("bench/connections_socket.ts measures at its smallest size", async () => {
  const bench = new URL("../../bench/connections_socket.ts", import.meta.url).href;
  const sizes = ["--from", "5", "--to", "20", "--seconds", "0.2", "--readings", "1"];
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", bench, ...sizes],
    stderr: "inherit",
  }).output();
  assert(success);
  const figures = new Map<string, unknown>(
    Object.entries(JSON.parse(new TextDecoder().decode(stdout))),
  );
  for (const name of ["residentBytes", "acceptedPerSecond", "messagesPerSecond"]) {
    assert(Number(figures.get(name)) > 0, `${name}: ${figures.get(name)}`);
  }
});
