/**
 * The thread that writes the delivery store.
 *
 * @module
 */

import { serveWriter } from "../serve_writer.ts";
import { DeliveryWriter } from "./writer.ts";

serveWriter((path: string) => new DeliveryWriter(path));
