/**
 * The thread that writes the messages of the Web Push half.
 *
 * @module
 */

import type { WriterSettings } from "./operations.ts";
import { serveWriter } from "./serve_writer.ts";
import { Writer } from "./writer.ts";

serveWriter((path: string, { userLifetimeMs }: WriterSettings) => new Writer(path, userLifetimeMs));
