/**
 * `serve`: one process alone, a parent of several, or one of its children.
 *
 * Which it is follows from the setting `processes` and from what a parent tells its children. All
 * three end in order at the first SIGINT or SIGTERM. One that comes later ends at once, except in a
 * child: who stops a group of processes (a terminal, a service manager) signals all of it, and the
 * parent, which is signalled too, asks its children to end as well.
 *
 * @module
 */

import { openPorts, publicAddresses } from "../transports/command_line/addresses.ts";
import { readyJson, readyText } from "../transports/command_line/banner.ts";
import { loadApiToken, loadEndpointKeys } from "../transports/command_line/key_files.ts";
import { errorText, Log, writeToStderr } from "../transports/command_line/log.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { durabilityNotices } from "./durability.ts";
import { encryptionName } from "./lazy_encryption.ts";
import type { Node } from "./node.ts";
import { openNode } from "./open_node.ts";
import { storeText } from "./open_store.ts";
import { type ChildRole, readRole, ROLE_VARIABLE } from "./processes/channel.ts";
import { openChildChannel } from "./processes/child_channel.ts";
import { logProcessEvent } from "./processes/events.ts";
import { DRAIN_MS } from "./processes/limits.ts";
import { ownCommand } from "./processes/own_command.ts";
import { runParent } from "./processes/parent.ts";
import { listening, StartError } from "./start_error.ts";
import { openTracing } from "./tracing.ts";
import { VERSION } from "./version.ts";

const CLOCK = { now: () => performance.now(), wallNow: () => Date.now() };

/**
 * Time after the first signal in which others are the same wish, in milliseconds. Started by `deno
 * task`, or by it in npx, a process gets Ctrl-C from the terminal and again from each of them, within
 * some milliseconds; nobody presses it twice in this time.
 */
const SAME_WISH_MS = 500;

/** The status of a process ended by SIGINT, as shells count. */
const INTERRUPTED = 130;

/** How `serve` tells what it does. */
export interface ServeVoice {
  /** Whether it is ready in JSON. */
  readonly json: boolean;
  /** Writes to standard output. */
  readonly print: (text: string) => void;
}

/**
 * Serves until it is told to stop.
 *
 * @returns The exit status.
 * @throws {StartError} When it cannot start.
 */
export async function serve(settings: Settings, voice: ServeVoice): Promise<number> {
  const role = readRole(Deno.env.get(ROLE_VARIABLE));
  const log = new Log({
    level: settings.logLevel,
    clock: CLOCK,
    write: writeToStderr,
    ...(role === undefined ? {} : { common: { process: role.index } }),
  });
  const isParent = role === undefined && settings.processes !== undefined;
  // Only a parent starts programs, and it opens no door. Who may run the runtime may do anything.
  if (!isParent) await Deno.permissions.revoke({ name: "run" });
  try {
    if (isParent) return await serveAsParent(settings, voice, log);
    if (role !== undefined) return await serveAsChild(settings, role, log);
    return await serveAlone(settings, voice, log);
  } finally {
    log.flush();
  }
}

async function serveAlone(settings: Settings, voice: ServeVoice, log: Log): Promise<number> {
  const { node, notices, token } = await openNode(settings, { log, clock: CLOCK });
  // Heard from before anybody is told that it runs, so that no signal finds it unprepared.
  using signals = hearSignals(() => Deno.exit(INTERRUPTED));
  tellReady(node, settings, log);
  voice.print(
    voice.json ? readyJson(openPorts(settings, node.ports)) : readyText({
      version: VERSION,
      roles: settings.roles,
      addresses: publicAddresses(settings, node.ports),
      store: storeText(settings),
      notices: notices.filter(({ loses }) => loses),
      newToken: token.origin === "made" ? { token: token.secret, path: token.path } : undefined,
    }),
  );
  return await stopWhenTold(node, log, signals.first);
}

/** A child's node: on the ports of the first child, with a node port of its own, for as long as its parent lives. */
async function serveAsChild(settings: Settings, role: ChildRole, log: Log): Promise<number> {
  using channel = openChildChannel();
  const orphaned = channel.orphaned.then(() => {
    // Nobody is left to kill it when its stop hangs.
    Deno.unrefTimer(setTimeout(() => Deno.exit(1), DRAIN_MS));
    return "the parent has ended";
  });
  const { processes = 1, nodePort = processes > 1 ? 0 : undefined } = settings;
  const { node } = await openNode(
    { ...settings, nodePort, ...role.ports },
    { log, clock: CLOCK, sharedPorts: true },
  );
  using signals = hearSignals(() => {});
  tellReady(node, settings, log);
  channel.ready(node.ports, node.id);
  return await stopWhenTold(node, log, Promise.race([signals.first, orphaned]));
}

async function serveAsParent(settings: Settings, voice: ServeVoice, log: Log): Promise<number> {
  const { processes = 1, data } = settings;
  // Here a runtime that must not trace so is one sentence; its children would each end with it, again and again.
  await openTracing(settings);
  // Made before there are children, which would all make their own.
  const keys = loadEndpointKeys(data, settings.cryptoKeys);
  if (keys.kind === "failed") throw new StartError(`data: ${keys.problem}`, 1);
  const token = loadApiToken(data, settings.apiToken);
  if (token.kind === "failed") throw new StartError(`data: ${token.problem}`, 1);
  await refuseTakenPorts(settings);
  const notices = await durabilityNotices(settings);
  const command = await ownCommand();
  const stop = new AbortController();
  const kill = new AbortController();
  using signals = hearSignals(() => kill.abort());
  void signals.first.then(() => stop.abort());
  return await runParent({
    processes,
    command,
    stop: stop.signal,
    kill: kill.signal,
    onEvent(event) {
      logProcessEvent(log, event);
      if (event.kind !== "ready") return;
      voice.print(
        voice.json ? readyJson(openPorts(settings, event.ports), processes) : readyText({
          version: VERSION,
          roles: settings.roles,
          addresses: publicAddresses(settings, event.ports),
          store: storeText(settings),
          notices: notices.filter(({ loses }) => loses),
          newToken: token.origin === "made" ? { token: token.secret, path: token.path } : undefined,
          processes,
        }),
      );
    },
  });
}

/**
 * Ports that are shared can be taken twice: that another program, or another parent, listens already
 * shows only to one who does not share.
 */
async function refuseTakenPorts(settings: Settings): Promise<void> {
  const { host: hostname, endpointPort, devicePort, apiPort, roles } = settings;
  const doors = [
    ["endpoint", "endpoint-port", endpointPort],
    ["devices", "device-port", devicePort],
    ["api", "api-port", apiPort],
  ] as const;
  for (const [role, setting, port] of doors) {
    if (!roles.includes(role)) continue;
    using _free = await listening(
      setting,
      { hostname, port },
      () => Deno.listen({ hostname, port }),
    );
  }
}

function tellReady({ ports, id }: Node, settings: Settings, log: Log): void {
  const message_encryption = encryptionName();
  log.info("ready", {
    ...openPorts(settings, ports),
    node: id,
    version: VERSION,
    message_encryption,
  });
}

/** Waits for a reason to stop or for the tree's own end, and stops the node in order. */
async function stopWhenTold(node: Node, log: Log, told: Promise<string>): Promise<number> {
  try {
    const reason = await Promise.race([told, node.ended.then(() => undefined)]);
    log.info("stopping", { reason: reason ?? "the tree ended" });
    const { cutRequests, cutBatches } = await node.stop();
    log.info("stopped", { cut_requests: cutRequests, cut_batches: cutBatches });
    return reason !== undefined && cutRequests + cutBatches === 0 ? 0 : 1;
  } catch (error) {
    log.error("stop_failed", { error: errorText(error) });
    return 1;
  }
}

/** The signals that ask a process to end. */
interface Signals extends Disposable {
  /** Resolves at the first one. */
  readonly first: Promise<string>;
}

/** Hears SIGINT and SIGTERM until disposed of; `again` is called when somebody asks once more. */
function hearSignals(again: () => void): Signals {
  const first = Promise.withResolvers<string>();
  let firstAt: number | undefined;
  const onSignal = () => {
    firstAt ??= CLOCK.now();
    if (CLOCK.now() - firstAt >= SAME_WISH_MS) again();
    first.resolve("signal");
  };
  Deno.addSignalListener("SIGINT", onSignal);
  Deno.addSignalListener("SIGTERM", onSignal);
  return {
    first: first.promise,
    [Symbol.dispose]() {
      Deno.removeSignalListener("SIGINT", onSignal);
      Deno.removeSignalListener("SIGTERM", onSignal);
    },
  };
}
