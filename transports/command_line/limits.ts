/**
 * Every bound of the command line, its files and its log, each with its reason.
 *
 * @module
 */

/** Bytes of a configuration file: the whole table with comments is about 6 KiB. */
export const CONFIG_FILE_BYTES_MAX = 65_536;

/** Bytes of a file that holds one secret or a list of keys: 32 Fernet keys are 1.5 KiB. */
export const SECRET_FILE_BYTES_MAX = 16_384;

/** Bytes of a certificate chain or private key file: long chains with RSA keys stay under 20 KiB. */
export const PEM_FILE_BYTES_MAX = 262_144;

/** Bytes of `api-tokens.json`: the largest number of tokens, 256, at about 250 bytes each, twice. */
export const API_TOKENS_FILE_BYTES_MAX = 131_072;

/** Problems told in one answer: more than a screen of them is read by nobody. */
export const PROBLEMS_MAX = 10;

/** Characters of a refused value that an answer repeats: enough to recognise it, short enough for a line. */
export const SHOWN_VALUE_CHARS_MAX = 60;

/** Characters of a configuration line that an answer repeats. */
export const SHOWN_LINE_CHARS_MAX = 120;

/** Host names in `allowed-host`: each request's Host is compared with all of them. */
export const ALLOWED_HOSTS_MAX = 64;

/** Fernet keys in use at once: each wrong endpoint token is tried with all of them. */
export const CRYPTO_KEYS_MAX = 32;

/** Characters of an API token: longer ones gain nothing over 256 random bits. */
export const API_TOKEN_CHARS_MAX = 256;

/** Fewest characters of an API token: 16 random ones hold about 95 bits, a chosen password is shorter. */
export const API_TOKEN_CHARS_MIN = 16;

/** Named API tokens: each wrong token is compared with all of them, in constant time. */
export const API_TOKENS_MAX = 256;

/** Characters of a token's name: it is shown in one column of a list. */
export const TOKEN_NAME_CHARS_MAX = 64;

/** Milliseconds between two looks at `api-tokens.json`: a revoked token is refused that soon. */
export const API_TOKENS_LOOK_MS = 1_000;

/** Characters of one log value: enough for a reason with its advice, useless for smuggling a page into a log. */
export const LOG_VALUE_CHARS_MAX = 400;

/** Characters of a field's name in a log line. */
export const LOG_NAME_CHARS_MAX = 60;

/** Fields of one log line beside time, level and event. */
export const LOG_FIELDS_MAX = 16;

/** Lines of one event in one second; the rest of that second is counted and told in one line. */
export const LOG_LINES_PER_SECOND_MAX = 20;

/** Event names that are counted apart; further names share one count. The code has far fewer. */
export const LOG_EVENTS_MAX = 256;

/** Proxies in front of one node: a pair, or a small fleet. */
export const PROXY_ADDRESSES_MAX = 64;

/** Push services allowed by name: each subscription's origin is looked up among them. */
export const PUSH_ORIGINS_MAX = 64;

/** Fewest characters of a webhook's secret: 16 random ones hold about 95 bits. */
export const WEBHOOK_SECRET_CHARS_MIN = 16;

/** Characters of a webhook's secret: a longer key than HMAC's block gains nothing (RFC 2104 section 3). */
export const WEBHOOK_SECRET_CHARS_MAX = 256;

/** Characters of a token for InfluxDB: those that it makes have 88, and a password may be longer. */
export const INFLUX_TOKEN_CHARS_MAX = 1_024;

/** Characters of an app's name, as the API has it. */
export const APP_NAME_CHARS_MAX = 64;

/** Characters of an id or tag in an argument: the longest the API takes, a user's id. */
export const RECIPIENT_CHARS_MAX = 256;

/** Characters of an `Idempotency-Key` header: two UUIDs and a name fit several times. */
export const IDEMPOTENCY_KEY_CHARS_MAX = 255;

/** Characters of a title, text or origin in an argument: more than any provider's payload holds. */
export const OPTION_TEXT_CHARS_MAX = 4_096;

/** Bytes of a file with a notification's content: over ten times the largest payload of a provider. */
export const CONTENT_FILE_BYTES_MAX = 65_536;

/** Recipients named by options: a command line holds few more, and `--tokens` takes any number. */
export const NAMED_RECIPIENTS_MAX = 1_000;

/** Samples a rate is taken from: four a second over five seconds, and as many again. */
export const PROGRESS_SAMPLES_MAX = 48;

/** Problems of a file of devices or recipients that are told: more than a screen is read by nobody. */
export const LINE_PROBLEMS_MAX = 10;

/** Characters of an answer of the API that a problem repeats. */
export const SHOWN_DETAIL_CHARS_MAX = 400;

/** Devices asked for at a time: the largest page of the API. */
export const PAGE_DEVICES = 1_000;

/** Failures asked for to find their reasons: the largest page of the API. */
export const PAGE_DELIVERIES = 1_000;

/** Reasons of failures that are shown: the first ones say what to do. */
export const REASONS_MAX = 5;

/** Characters of one reason: two lines of a terminal. */
export const REASON_CHARS_MAX = 120;

/** Seconds of bars that are kept: the node has as many. */
export const BAR_SECONDS_MAX = 600;

/** Lines of notes below bars: the queue, and the first pauses; more would take the place of the bars. */
export const CHART_NOTES_MAX = 6;
