/**
 * The tables of the embedded store, each with where its rows go in PostgreSQL.
 *
 * Invariants: rows are read in the order of their key, so that the key of the last one says how far a
 * copy has come; numbers are kept, for they name rows elsewhere: devices in batches, positions in
 * sinks. What differs between the two stores is said in the columns, in SQL: `from` is how SQLite reads
 * one, `into` what PostgreSQL makes of it. State that belongs to an open file, the receipt of its last
 * batch, is left behind.
 *
 * @module
 */

/** The files of the embedded store. */
export type SourceFile = "messages" | "delivery";

/** The types of columns in PostgreSQL. */
type ColumnType = "boolean" | "bytea" | "float8" | "int2" | "int4" | "int8" | "text" | "uuid";

/** How a column gets across; a type alone when both sides call it the same and mean the same. */
type Column = ColumnType | {
  /** Its type on the way. */
  readonly type: ColumnType;
  /** What SQLite reads, by default the column of this name. */
  readonly from?: string;
  /** What PostgreSQL stores, by default what it was given. */
  readonly into?: string;
};

/** One table. */
export interface Table {
  /** Its name in PostgreSQL, and for people. */
  readonly name: string;
  /** The file it comes from. */
  readonly file: SourceFile;
  /** Where SQLite finds its rows. */
  readonly from: string;
  /** The columns that order them, and that no two of them share. */
  readonly key: readonly [string, ...string[]];
  /** All columns that PostgreSQL stores. */
  readonly columns: Readonly<Record<string, Column>>;
  /** Whether the key is a number that PostgreSQL counts on; SQLite may have given larger ones than are left. */
  readonly counted: boolean;
}

function table(
  name: string,
  file: SourceFile,
  key: Table["key"],
  columns: Table["columns"],
  { from = name, counted = false }: { readonly from?: string; readonly counted?: boolean } = {},
): Table {
  return { name, file, from, key, columns, counted };
}

const COUNTED = { counted: true };

/** What a lease says of its holder in the copy: all leases are ended together when the copy is complete. */
export const LEASE_HOLDER = "store_copy";

/**
 * Recipients as a list; NULL, which no node can read either, where they are not what was written. In
 * PostgreSQL what has its turn by a rate waits at place 3.
 */
const BATCH: Table["columns"] = {
  id: { type: "int8", from: "batch.id" },
  seq: { type: "int8", from: "batch.seq" },
  lane_id: "int4",
  chunk_id: "int8",
  count: "int4",
  attempt: "int4",
  token: "int4",
  deliveries: "int4",
  deaths: "int4",
  place: { type: "int2", from: "CASE WHEN place = 2 AND rate IS NOT NULL THEN 3 ELSE place END" },
  due_at: "int8",
  virtual_time: "int8",
  node: { type: "text", from: `CASE place WHEN 1 THEN '${LEASE_HOLDER}' END` },
  numbers: {
    type: "text",
    from: `(SELECT CASE WHEN count(*) > 0 AND min(type) = 'integer' AND max(type) = 'integer'
        THEN '{' || group_concat(value, ',' ORDER BY key) || '}' END
      FROM json_each(CASE WHEN json_valid(numbers) THEN numbers END))`,
    into: "numbers::int8[]",
  },
};

/** The outcomes of a batch, or of all of a notification on a platform. */
function outcomes(type: ColumnType): Table["columns"] {
  return {
    delivered: type,
    token_invalid: type,
    rejected: type,
    expired: type,
    failed: type,
    cancelled: type,
    retries: type,
  };
}

/** The Web Push half; a user agent comes before what is its own. */
const MESSAGES: readonly Table[] = [
  table("user_agent", "messages", ["id"], {
    id: "int8",
    uaid: "uuid",
    connected_at: "int8",
    // SQLite keeps one for all: no key up to it is given to any of them again.
    last_sort_key: { type: "int8", from: "(SELECT last_sort_key FROM state)" },
  }, { from: "user", ...COUNTED }),
  table("channel", "messages", ["user_id", "channel_id"], { user_id: "int8", channel_id: "uuid" }),
  table("message", "messages", ["sort_key"], {
    sort_key: "int8",
    user_id: "int8",
    channel_id: "uuid",
    version: "text",
    ttl_seconds: "int8",
    expires_at: "int8",
    topic: "text",
    encoding: "text",
    encryption: "text",
    crypto_key: "text",
    body: "bytea",
  }),
];

/** Apps, lanes and devices. */
const DIRECTORY: readonly Table[] = [
  table("app", "delivery", ["id"], {
    id: "int4",
    name: "text",
    version: "int4",
    credentials: "text",
  }, COUNTED),
  table("lane", "delivery", ["id"], {
    id: "int4",
    app_id: "int4",
    platform: "int2",
    virtual_time: "int8",
    served_at: "int8",
    pause_reason: "text",
    paused_at: "int8",
  }, COUNTED),
  table("device", "delivery", ["number"], {
    number: "int8",
    app_id: "int4",
    platform: "int2",
    state: "int2",
    suspect: "boolean",
    registered_at: "int8",
    id: "text",
    address: "text",
    keys: "bytea",
    person: { type: "text", from: "user" },
    tags: "text",
    reason: "text",
  }, COUNTED),
  table("tag", "delivery", ["id"], { id: "int4", app_id: "int4", name: "text" }, COUNTED),
  table("device_tag", "delivery", ["tag_id", "number"], { tag_id: "int4", number: "int8" }),
];

/** Notifications and their batches. */
const NOTIFICATIONS: readonly Table[] = [
  table("notification", "delivery", ["seq"], {
    seq: "int8",
    id: "text",
    app_id: "int4",
    idempotency_key: "text",
    digest: "text",
    direct: "boolean",
    send_at: "int8",
    expires_at: "int8",
    rate: "float8",
    state: "text",
    expand_at: "int8",
    last_device: "int8",
    cursor: "int8",
    numbered: "int8",
    batches: "int4",
    paced_at: "int8",
    started_at: "int8",
    finished_at: "int8",
  }, COUNTED),
  table("campaign", "delivery", ["seq"], {
    seq: "int8",
    body: "text",
    audience: { type: "text", from: "audience ->> 'kind'" },
    names: {
      type: "text",
      from: "coalesce(audience -> 'devices', audience -> 'users', audience -> 'tags', '[]')",
      into: "ARRAY (SELECT json_array_elements_text(names::json))",
    },
  }),
  table("progress", "delivery", ["seq", "platform"], {
    seq: "int8",
    platform: "int2",
    virtual_time: "int8",
    total: "int8",
    ...outcomes("int8"),
  }, { from: "tally" }),
  table("batch", "delivery", ["id"], BATCH, {
    from: `batch LEFT JOIN recipients ON batch_id = batch.id
      LEFT JOIN notification ON notification.seq = batch.seq`,
    ...COUNTED,
  }),
  table("chunk", "delivery", ["id"], {
    id: "int8",
    seq: "int8",
    first_number: "int8",
    addresses: "text",
    keys: "bytea",
  }, COUNTED),
];

/** What sinks follow, and what surrounds it. A tally names its notification; one without cannot be read here either. */
const LOGS: readonly Table[] = [
  table("delivery", "delivery", ["position"], {
    position: "int8",
    seq: "int8",
    number: "int8",
    at: "int8",
    registered_before: "int8",
    status: "int4",
    attempts: "int4",
    platform: "int2",
    outcome: "int2",
    // SQLite keeps the last row about each device; here rows say which may be it.
    may_be_last: {
      type: "boolean",
      from:
        "(SELECT last_row.position FROM last_row WHERE last_row.number = delivery.number) IS position",
    },
    address: "text",
    reason: "text",
  }, COUNTED),
  table("tally", "delivery", ["position"], {
    position: "int8",
    at: "int8",
    platform: "int2",
    ...outcomes("int4"),
    notification: { type: "text", from: "notification.id" },
    app: { type: "text", from: "app.name" },
  }, {
    from: `tally_log CROSS JOIN notification ON notification.seq = tally_log.seq
      CROSS JOIN app ON app.id = notification.app_id`,
    ...COUNTED,
  }),
  table("history", "delivery", ["second", "platform"], {
    second: "int8",
    platform: "int2",
    ...outcomes("int8"),
  }),
  table("sink", "delivery", ["name"], { name: "text", position: "int8" }),
  table("dead_letter", "delivery", ["id"], {
    id: "int8",
    source: "text",
    entry: "text",
    reason: "text",
    body: "text",
    at: "int8",
  }, COUNTED),
];

/** All tables, in the order in which they are copied. */
export const TABLES: readonly Table[] = [
  ...MESSAGES,
  ...DIRECTORY,
  ...NOTIFICATIONS,
  ...LOGS,
];

function typeOf(column: Column): ColumnType {
  return typeof column === "string" ? column : column.type;
}

function fromOf(name: string, column: Column): string {
  return typeof column === "string" ? name : column.from ?? name;
}

/** Reads the rows of a table from SQLite, of which those up to a key, when there is one, have been read. */
export function selectText({ from, key, columns }: Table, resumed: boolean): string {
  const all = Object.entries(columns).map(([name, column]) => `${fromOf(name, column)} AS ${name}`);
  const keys = key.map((name) => fromOf(name, columns[name] ?? "int8")).join(", ");
  const after = resumed ? `WHERE (${keys}) > (${key.map(() => "?").join(", ")})` : "";
  return `SELECT ${all.join(", ")} FROM ${from} ${after} ORDER BY ${keys}`;
}

/** Stores rows of a table in PostgreSQL, given as one list for each column. */
export function insertText({ name, columns }: Table): string {
  const names = Object.keys(columns).join(", ");
  const lists = Object.values(columns).map((column, index) => `$${index + 1}::${typeOf(column)}[]`);
  const values = Object.entries(columns).map(([name, column]) =>
    typeof column === "string" ? name : column.into ?? name
  );
  return `INSERT INTO ${name} (${names}) OVERRIDING SYSTEM VALUE
    SELECT ${values.join(", ")} FROM unnest(${lists.join(", ")}) AS one (${names})`;
}

/** The name by which SQLite counts the numbers of a table, and the column it counts. */
export function counterOf(
  { from, key }: Table,
): { readonly table: string; readonly column: string } {
  return { table: from.split(" ")[0] ?? from, column: key[0] };
}
