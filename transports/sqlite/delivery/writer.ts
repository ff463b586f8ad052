/**
 * The one connection that writes the delivery store: each operation goes to the part it belongs to.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Result } from "../protocol.ts";
import { integerColumn } from "../rows.ts";
import { openForWriting } from "../schema.ts";
import { Transactions } from "../transactions.ts";
import { Apps } from "./apps.ts";
import { Batches } from "./batches.ts";
import { Claims } from "./claims.ts";
import { Devices } from "./devices.ts";
import { Expansion } from "./expansion.ts";
import { HistoryWriter } from "./history.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Notifications } from "./notifications.ts";
import type { Operation, Outcome } from "./operations.ts";
import { Results } from "./results.ts";
import { DELIVERY_SCHEMA } from "./schema.ts";

/** The parts of the store. */
interface Parts {
  readonly apps: Apps;
  readonly devices: Devices;
  readonly notifications: Notifications;
  readonly expansion: Expansion;
  readonly claims: Claims;
  readonly results: Results;
  readonly housekeeping: Housekeeping;
  readonly history: HistoryWriter;
}

function partsOf(database: DatabaseSync): Parts {
  const apps = new Apps(database);
  const devices = new Devices(database, apps);
  const batches = new Batches(database, apps);
  const notifications = new Notifications(database, apps, batches);
  const housekeeping = new Housekeeping(database);
  return {
    apps,
    devices,
    notifications,
    expansion: new Expansion(database, notifications, batches),
    claims: new Claims(database, batches),
    results: new Results(database, apps, batches, devices),
    housekeeping,
    history: new HistoryWriter(database, housekeeping),
  };
}

/** The writing connection to one file. All its calls are synchronous: it lives on its own thread. */
export class DeliveryWriter implements Disposable {
  readonly #database: DatabaseSync;
  readonly #parts: Parts;
  readonly #saveState: StatementSync;
  readonly #transactions: Transactions<Operation, Outcome>;

  /**
   * Opens the file at `path`, creates it when missing and brings its schema up to date.
   *
   * @throws What `schemaVersion` throws, and SQLite's own errors.
   */
  constructor(path: string) {
    this.#database = openForWriting(path, DELIVERY_SCHEMA);
    try {
      this.#parts = partsOf(this.#database);
      this.#saveState = this.#database.prepare("UPDATE state SET batch = ?, results = ?");
      const state = this.#database.prepare("SELECT batch FROM state").get();
      this.#transactions = new Transactions(this.#database, {
        batch: integerColumn(state, "batch"),
        apply: (operation) => this.#apply(operation),
        save: (batch, results) => this.#saveState.run(batch, results),
        begin: () => () => this.#parts.devices.forget(),
      });
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** The number of the last batch on the disk, 0 for a new file. */
  get batch(): number {
    return this.#transactions.batch;
  }

  /**
   * Applies these operations as the transaction number `batch`, synced when this returns.
   *
   * @throws SQLite's error when the transaction could not be written: then none was applied.
   */
  commit(batch: number, operations: readonly Operation[]): readonly Result<Outcome>[] {
    return this.#transactions.commit(batch, operations);
  }

  /** Closes the connection, copying the write-ahead log into the file. */
  [Symbol.dispose](): void {
    this.#database.close();
  }

  #apply(operation: Operation): Outcome {
    const { apps, devices, notifications, expansion, claims, results, housekeeping, history } = this
      .#parts;
    switch (operation.kind) {
      case "save_app":
        return apps.save(operation.name, operation.credentials);
      case "remove_app":
        return apps.remove(operation.name);
      case "clear_removed_apps":
        return devices.clearRemovedApps(operation.limit);
      case "pause":
        apps.pause(operation.lane, operation.reason, operation.now);
        return null;
      case "resume":
        return apps.resume(operation.lane);
      case "save_devices":
        return devices.save(operation.devices, operation.now);
      case "remove_device":
        return devices.remove(operation.id);
      case "invalidate":
        return devices.invalidate(operation.rows);
      case "submit":
        return notifications.submit(operation.submission);
      case "add_recipients":
        return notifications.addRecipients(operation.id, operation.recipients);
      case "close_notification":
        return notifications.close(operation.id, operation.now);
      case "cancel":
        return notifications.cancel(operation.id, operation.now);
      case "expand":
        return expansion.step(operation.id, operation);
      case "claim":
        return claims.claim(operation.request);
      case "renew":
        return claims.renew(operation.leases, operation.until);
      case "release":
        claims.release(operation.lease, operation.notBefore, operation.now);
        return null;
      case "end_leases":
        housekeeping.freeSinks(operation.node);
        return claims.endOf(operation.node, operation.now);
      case "commit":
        return results.commit(operation.result);
      case "sink_position":
        return housekeeping.sinkPosition(operation.name, operation.log);
      case "claim_sink":
        return housekeeping.claimSink(operation.claim);
      case "save_sink_position":
        housekeeping.saveSinkPosition(operation.name, operation.position);
        return null;
      case "add_to_history":
        history.add(operation.tallies, operation.now);
        return null;
      case "bury":
        housekeeping.bury(operation.entry);
        return null;
      case "sweep": {
        const count = housekeeping.sweep(operation.endedBefore, operation.limit);
        // What the removal of an app left behind when the node ended in the middle of it.
        return count + devices.clearRemovedApps(Math.max(0, operation.limit - count));
      }
      case "touch":
        return null;
    }
  }
}
