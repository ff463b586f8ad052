/**
 * A store that cannot write is told honestly: 503 and never 201, with what needs no store still
 * served, and the service comes back by itself.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { hasNameSpaces, NAME_SPACE } from "../transports/sqlite/child_process.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test({
  name: "A service on a full disk, then on a failing one, accepts nothing it cannot keep",
  ignore: !hasNameSpaces,
  async fn() {
    const disk = await Deno.makeTempDir({ prefix: "heliograph-disk-" });
    try {
      const mounted = 'mount -t tmpfs -o size=4m small_disk "$1" && disk="$1" && shift && ' +
        'exec "$@" "$disk"';
      const program = [Deno.execPath(), "run", "-A", "tests/end_to_end/small_disk.ts"];
      const [command = "", ...args] = [...NAME_SPACE, "sh", "-c", mounted, "sh", disk];
      const { code, stderr } = await new Deno.Command(command, {
        args: [...args, ...program],
        cwd: ROOT,
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
    } finally {
      await Deno.remove(disk, { recursive: true });
    }
  },
});
