/**
 * A node from settings alone: keys and tokens of its data folder, certificate, telemetry.
 *
 * @module
 */

import { Metrics } from "../transports/api/metrics.ts";
import { ApiTokens, type TokenClock } from "../transports/command_line/api_tokens.ts";
import {
  loadApiToken,
  type LoadedSecret,
  loadEndpointKeys,
} from "../transports/command_line/key_files.ts";
import type { Log } from "../transports/command_line/log.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { type DurabilityNotice, durabilityNotices } from "./durability.ts";
import { type Node, startNode } from "./node.ts";
import { PROVIDER_REASONS } from "./provider_reasons.ts";
import { StartError, startError } from "./start_error.ts";
import { Telemetry } from "./telemetry.ts";
import { readTls } from "./tls.ts";
import { openTracing } from "./tracing.ts";

/** A node that was opened. */
export interface OpenedNode {
  /** The node. */
  readonly node: Node;
  /** Its metrics and its log. */
  readonly telemetry: Telemetry;
  /** What a crash of a Redis it stands on loses. */
  readonly notices: readonly DurabilityNotice[];
  /** What opens its API. */
  readonly token: Extract<LoadedSecret<string>, { readonly kind: "ready" }>;
}

/**
 * Opens the node that settings describe.
 *
 * @throws {StartError} When a part cannot be opened; its text is for people.
 */
export async function openNode(
  settings: Settings,
  { log, clock, sharedPorts = false }: {
    readonly log: Log;
    readonly clock: TokenClock;
    /** Whether other processes of this machine listen on the same ports. */
    readonly sharedPorts?: boolean;
  },
): Promise<OpenedNode> {
  const keys = loadEndpointKeys(settings.data, settings.cryptoKeys);
  if (keys.kind === "failed") throw new StartError(`data: ${keys.problem}`, 1);
  const token = loadApiToken(settings.data, settings.apiToken);
  if (token.kind === "failed") throw new StartError(`data: ${token.problem}`, 1);
  const tokens = new ApiTokens({
    data: settings.data,
    main: token.secret,
    clock,
    onProblem: (problem) => log.warn("api_tokens_unusable", { problem }),
  });
  const tls = readTls(settings, clock.wallNow());
  if (tls?.kind === "failed") throw new StartError(tls.problem, 1);
  for (const warning of tls?.warnings ?? []) log.warn("certificate", { warning });
  const tracer = await openTracing(settings);
  const telemetry = new Telemetry(new Metrics(PROVIDER_REASONS), log);
  const node = await startNode({
    settings,
    endpointKeys: keys.secret.reveal(),
    verifyToken: (text) => tokens.verify(text),
    tls,
    telemetry,
    tracer,
    sharedPorts,
  }).catch((error: unknown) => {
    throw startError(error);
  });
  const notices = await durabilityNotices(settings);
  for (const { setting, loses, text } of notices) {
    log[loses ? "warn" : "info"]("durability", { setting, text });
  }
  return { node, telemetry, notices, token };
}
