/**
 * The tables of HPACK: the static one and a dynamic one (RFC 7541 sections 2.3 and 4, appendix A).
 *
 * @module
 */

/** A header field as it stands in a table and as the decoder gives it. */
export interface HpackField {
  /** Its name as it came; lower-case where the sender keeps to RFC 9113 section 8.2. */
  readonly name: string;
  /** Its value, one character for each byte. */
  readonly value: string;
}

/** What a table counts for each field beside its name and value (section 4.1). */
export const FIELD_OVERHEAD_BYTES = 32;

/** Size of a field for tables and header list limits (RFC 7541 section 4.1, RFC 9113 section 6.5.2). */
export function fieldBytes({ name, value }: HpackField): number {
  return name.length + value.length + FIELD_OVERHEAD_BYTES;
}

/** The static table in the order of its indices, the first of which is 1. */
export const STATIC_TABLE: readonly HpackField[] = staticTable(`
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
`);

function staticTable(text: string): readonly HpackField[] {
  return text.trim().split("\n").map((line) => {
    const [name = "", ...rest] = line.split(" ");
    return { name, value: rest.join(" ") };
  });
}

/**
 * Fields added at one end and evicted at the other (section 4).
 *
 * Invariants: `bytes` is the sum of the sizes of its fields and at most `bytesMax`. A field is known
 * by the number of insertions before it, which never changes, and by its index, which does.
 */
export class DynamicTable {
  /** Fields by insertion number, from `#first` to `inserted`. A ring, as large as the table allows. */
  #ring: (HpackField | undefined)[] = new Array(16).fill(undefined);
  #first = 0;
  #bytes = 0;
  #bytesMax: number;
  #inserted = 0;
  readonly #evicted: (field: HpackField, number: number) => void;

  /**
   * An empty table.
   *
   * @param bytesMax Its size limit at the beginning.
   * @param evicted Hears of each field that leaves, with its number.
   */
  constructor(bytesMax: number, evicted: (field: HpackField, number: number) => void = () => {}) {
    this.#bytesMax = bytesMax;
    this.#evicted = evicted;
  }

  /** Fields inserted so far; the number of the next one. */
  get inserted(): number {
    return this.#inserted;
  }

  /** Fields in the table. */
  get length(): number {
    return this.#inserted - this.#first;
  }

  /** Size of the fields in the table. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Its size limit. */
  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** The field of this index, 0 being the newest; `undefined` beyond the oldest. */
  at(index: number): HpackField | undefined {
    if (index >= this.length) return undefined;
    return this.#ring[this.#inserted - 1 - index & this.#ring.length - 1];
  }

  /** Adds a field, evicting old ones; one larger than the table empties it (section 4.4). */
  insert(field: HpackField): void {
    const bytes = fieldBytes(field);
    this.#evict(this.#bytesMax - bytes);
    if (bytes > this.#bytesMax) {
      this.#first = ++this.#inserted;
      return;
    }
    if (this.length === this.#ring.length) this.#grow();
    this.#ring[this.#inserted++ & this.#ring.length - 1] = field;
    this.#bytes += bytes;
  }

  /** Changes the size limit, evicting what no longer fits (section 4.3). */
  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evict(bytesMax);
  }

  #evict(bytesMax: number): void {
    const mask = this.#ring.length - 1;
    while (this.#bytes > bytesMax && this.#first < this.#inserted) {
      const field = this.#ring[this.#first & mask];
      this.#ring[this.#first & mask] = undefined;
      if (field !== undefined) {
        this.#bytes -= fieldBytes(field);
        this.#evicted(field, this.#first);
      }
      this.#first++;
    }
  }

  #grow(): void {
    const old = this.#ring;
    this.#ring = new Array(old.length * 2).fill(undefined);
    for (let number = this.#first; number < this.#inserted; number++) {
      this.#ring[number & this.#ring.length - 1] = old[number & old.length - 1];
    }
  }
}
