/**
 * The commands that talk to a node's API: from what was asked to an exit status.
 *
 * @module
 */

import type { ClientCommand } from "../../transports/command_line/client_command.ts";
import { addApp, listApps, removeApp, resumeApp, showApp } from "./apps.ts";
import type { World } from "./world.ts";
import { exportDevices, importDevices, listDevices, removeDevice } from "./devices.ts";
import { cancel, send } from "./send.ts";
import { nodeStatus, notificationStatus } from "./status.ts";
import { watchNode } from "./status_watch.ts";

/**
 * Runs a command and resolves with its exit status.
 *
 * @throws {StartError} what failed, as a sentence for a person.
 */
export async function runClient(
  command: ClientCommand,
  json: boolean,
  world: World,
): Promise<number> {
  switch (command.name) {
    case "apps_add":
      return await addApp(command, json, world);
    case "apps_list":
      return await listApps(command, json, world);
    case "apps_show":
      return await showApp(command, json, world);
    case "apps_remove":
      return await removeApp(command, json, world);
    case "apps_resume":
      return await resumeApp(command, json, world);
    case "devices_import":
      return await importDevices(command, json, world);
    case "devices_export":
      return await exportDevices(command, world);
    case "devices_list":
      return await listDevices(command, json, world);
    case "devices_remove":
      return await removeDevice(command, json, world);
    case "send":
      return await send(command, json, world);
    case "status":
      if (command.notification !== undefined) {
        return await notificationStatus(command.notification, command, json, world);
      }
      return await (command.watch ? watchNode : nodeStatus)(command.client, json, world);
    case "cancel":
      return await cancel(command, json, world);
  }
}
