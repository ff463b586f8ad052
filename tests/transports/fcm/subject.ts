/**
 * A provider for FCM with a token endpoint of its own, for tests over a scripted connection.
 *
 * @module
 */

import { fcmProvider, type FcmProviderOptions } from "../../../transports/fcm/mod.ts";
import type { ConnectTarget } from "../../../transports/provider/connect.ts";
import type {
  FcmCredentials,
  Leg,
  Notification,
  Prepared,
  Provider,
  Verdict,
} from "../../../transports/provider/provider.ts";
import {
  appOf,
  notificationOf,
  recipientsOf,
  type ScriptedAnswer,
  ScriptedConnection,
  sendAll,
  StandingClock,
} from "../../support/scripted_connection.ts";
import { serviceAccount } from "./account.ts";
import { TokenServer } from "./token_server.ts";

/** The provider and what is around it. */
export class Subject implements AsyncDisposable {
  readonly clock = new StandingClock();
  readonly server = new TokenServer();
  /** What connections were wanted for. */
  readonly targets: ConnectTarget[] = [];
  readonly #provider: Provider;

  constructor(options: Partial<FcmProviderOptions> = {}) {
    this.#provider = fcmProvider({
      connect: (target) => {
        this.targets.push(target);
        return Promise.resolve(new ScriptedConnection());
      },
      clock: this.clock,
      ...options,
    });
  }

  /** Credentials whose tokens this endpoint hands out. */
  credentials(project = "shop-1"): FcmCredentials {
    return { serviceAccount: serviceAccount({ project_id: project, token_uri: this.server.url }) };
  }

  async prepare(
    notification: Partial<Notification> = {},
    credentials = this.credentials(),
  ): Promise<Prepared> {
    return await this.#provider.prepare(
      appOf({ fcm: credentials }),
      notificationOf(notification),
    );
  }

  /** The leg to these tokens. */
  async leg(
    tokens: readonly string[],
    notification: Partial<Notification> = {},
    credentials = this.credentials(),
  ): Promise<Leg> {
    const prepared = await this.prepare(notification, credentials);
    if (prepared.kind === "refused") throw new Error(Deno.inspect(prepared.verdict));
    const { legs: [leg] } = prepared.route(recipientsOf("fcm", tokens));
    if (leg === undefined) throw new Error("No leg");
    return leg;
  }

  /** Sends to one recipient. */
  async verdictOn(answer: ScriptedAnswer): Promise<Verdict | undefined> {
    const connection = new ScriptedConnection(() => answer);
    const [verdict] = await sendAll(await this.leg(["token"]), connection);
    return verdict;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}
