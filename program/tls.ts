/**
 * Certificate and key of the public doors, for the hosts the settings name.
 *
 * @module
 */

import { publicAddresses } from "../transports/command_line/addresses.ts";
import { readTextFile } from "../transports/command_line/read_file.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { loadTlsFiles, type TlsFiles } from "../transports/command_line/tls_files.ts";

/** Reads and checks the pair, when there is one. */
export function readTls(settings: Settings, now: number): TlsFiles | undefined {
  const { tlsCert: certPath, tlsKey: keyPath } = settings;
  if (certPath === undefined || keyPath === undefined) return undefined;
  const { endpointUrl, deviceUrl } = publicAddresses(settings, settings);
  const hosts = [...new Set([endpointUrl, deviceUrl].map((url) => new URL(url).hostname))];
  return loadTlsFiles({ certPath, keyPath, hosts, now, readFile: readTextFile });
}
