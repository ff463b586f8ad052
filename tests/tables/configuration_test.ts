/**
 * Wrong configuration, as one table: arguments, environment and file in, the exact answer out.
 *
 * Each row is read by the real parser from real files, and after each row a right command line
 * over the same folder still works.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { parseCommandLine } from "../../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../../transports/command_line/read_file.ts";

/** One wrong configuration. */
interface Row {
  /** Number in the table of bad input, and what is wrong. */
  readonly title: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Files by name; `{dir}` in arguments, variables and texts is the folder they lie in. */
  readonly files?: Readonly<Record<string, string>>;
  /** The answer, line by line, without `heliograph: `. */
  readonly answer: readonly string[];
}

const PORT = "Use a whole number from 0 to 65535 (0 takes any free port).";
const TIME = "Use seconds or a duration such as 45s, 5m, 12h or 30d, from";

const ROWS: readonly Row[] = [
  {
    title: "93 an unknown option",
    args: ["serve", "--prot", "80"],
    answer: ["--prot: unknown option. Did you mean --endpoint-port, --device-port or --api-port?"],
  },
  {
    title: "93 an unknown option that is near one other",
    args: ["serve", "--endpoint_port=80"],
    answer: ["--endpoint_port: unknown option. Did you mean --endpoint-port?"],
  },
  {
    title: "93 an unknown option that is near nothing",
    args: ["serve", "--xyzzy\u001b[31m"],
    answer: [
      "--xyzzy\\u001b[31m: unknown option. heliograph COMMAND --help lists the options.",
    ],
  },
  {
    title: "93 an option of another command",
    args: ["keys", "vapid", "--host", "::1"],
    answer: [
      "--host: not an option of keys vapid. heliograph keys vapid --help lists its options.",
    ],
  },
  {
    title: "93 a value for a switch",
    args: ["serve", "--json=yes"],
    answer: ["--json: takes no value. Write --json alone."],
  },
  {
    title: "93 an unknown command",
    args: ["srve"],
    answer: ['"srve": unknown command. Did you mean serve?'],
  },
  {
    title: "93 no command",
    args: [],
    answer: [
      "needs a command. Use serve, check, migrate, store, apps, devices, send, status, cancel, demo " +
      "or keys; --help explains them.",
    ],
  },
  {
    title: "93 half a command",
    args: ["keys"],
    answer: ["keys: needs a command. Use vapid, endpoint or token; --help explains them."],
  },
  {
    title: "93 an argument too many",
    args: ["serve", "now"],
    answer: ['"now": unexpected argument. Remove it.'],
  },
  {
    title: "94 a port without value",
    args: ["serve", "--endpoint-port"],
    answer: [`--endpoint-port: needs a value. ${PORT}`],
  },
  {
    title: "94 a port followed by another option",
    args: ["serve", "--endpoint-port", "--json"],
    answer: [`--endpoint-port: needs a value. ${PORT}`],
  },
  {
    title: "94 ports that are none",
    args: ["serve", "--endpoint-port=abc", "--device-port=70000", "--api-port=-1"],
    answer: [
      `--endpoint-port: not a number: "abc". ${PORT}`,
      `--device-port: out of range: "70000". ${PORT}`,
      `--api-port: out of range or not whole: "-1". ${PORT}`,
    ],
  },
  {
    title: "94 a port given twice",
    args: ["serve", "--api-port=1", "--api-port=2"],
    answer: ["--api-port: given more than once. Give it once."],
  },
  {
    title: "95 a configuration file which does not exist",
    args: ["serve", "--config", "{dir}/none.toml"],
    answer: ['--config: "{dir}/none.toml" does not exist. Give the name of a TOML file.'],
  },
  {
    title: "95 a configuration file which is a folder",
    args: ["serve", "--config", "{dir}"],
    answer: ['--config: "{dir}" is a folder. Give the name of a TOML file.'],
  },
  {
    title: "95 a configuration file beneath a file",
    args: ["serve"],
    env: { HELIOGRAPH_CONFIG: "{dir}/c.toml/d" },
    files: { "c.toml": "" },
    answer: [
      'HELIOGRAPH_CONFIG: "{dir}/c.toml/d" lies beneath what is no folder. Give the name of a TOML file.',
    ],
  },
  {
    title: "95 a configuration file of 64 KiB and a byte",
    args: ["serve", "--config", "{dir}/c.toml"],
    files: { "c.toml": "#".repeat(65_537) },
    answer: ['--config: "{dir}/c.toml" is larger than 65536 bytes. Give the name of a TOML file.'],
  },
  {
    title: "96 a syntax error",
    args: ["serve", "--config", "{dir}/c.toml"],
    files: { "c.toml": 'host = "::1"\nmax-ttl = 30d\n' },
    answer: [
      '{dir}/c.toml:2:13: illegal character in numeric literal: "max-ttl = 30d". ' +
      'Correct this line; a setting is written as name = "text" or name = number.',
    ],
  },
  {
    title: "96 a syntax error in the line of a secret, which is masked",
    args: ["serve", "--config", "{dir}/c.toml"],
    files: { "c.toml": "api-token = canary0123456789abcdef\n" },
    answer: [
      '{dir}/c.toml:1:13: invalid value: "api-token = …". ' +
      'Correct this line; a setting is written as name = "text" or name = number.',
    ],
  },
  {
    title: "96 syntax errors in other lines of a secret, which are masked",
    args: ["serve", "--config", "{dir}/c.toml"],
    files: {
      "c.toml": 'crypto-keys = [\n  "canary0123456789abcdef=",\n  canary0123456789abcdef=\n',
    },
    answer: [
      '{dir}/c.toml:3:3: invalid value: "… = …". ' +
      'Correct this line; a setting is written as name = "text" or name = number.',
    ],
  },
  {
    title: "96 a syntax error in a mistyped secret of words",
    args: ["serve", "--config", "{dir}/c.toml"],
    files: { "c.toml": 'api_token = "my canary bird\n' },
    answer: [
      '{dir}/c.toml:1:28: control characters are not allowed in strings: "api_token = …". ' +
      'Correct this line; a setting is written as name = "text" or name = number.',
    ],
  },
  {
    title: "96 a key that is set twice",
    args: ["serve", "--config", "{dir}/c.toml"],
    files: { "c.toml": "api-port = 1\napi-port = 2\n" },
    answer: [
      "{dir}/c.toml:2:1: trying to redefine an already defined table or value: " +
      '"api-port = 2". Correct this line; a setting is written as name = "text" or name = number.',
    ],
  },
  {
    title: "97 unknown keys",
    args: ["serve", "--config", "{dir}/c.toml"],
    files: { "c.toml": '# one\n\n  log-levl = "info"\nendpoint_port = 1\n[server]\nport = 3\n' },
    answer: [
      '{dir}/c.toml:3: unknown key "log-levl". Did you mean log-level?',
      '{dir}/c.toml:4: unknown key "endpoint_port". Did you mean endpoint-port?',
      '{dir}/c.toml:5: unknown key "server". heliograph serve --help lists the settings.',
    ],
  },
  {
    title: "97 keys that are names of JavaScript",
    args: ["serve", "--config", "{dir}/c.toml"],
    files: { "c.toml": "__proto__ = 1\nconstructor = 2\n" },
    answer: [
      '{dir}/c.toml:1: unknown key "__proto__". heliograph serve --help lists the settings.',
      '{dir}/c.toml:2: unknown key "constructor". heliograph serve --help lists the settings.',
    ],
  },
  {
    title: "97 values of a wrong type",
    args: ["serve", "--config", "{dir}/c.toml"],
    files: { "c.toml": 'api-port = true\nhost = ["a", "b"]\nmax-ttl = { days = 3 }\n' },
    answer: [
      "{dir}/c.toml:2: host: has a value of a wrong type. Use a host name or an IP address " +
      "without a port, such as 127.0.0.1, :: or 0.0.0.0.",
      `{dir}/c.toml:1: api-port: has a value of a wrong type. ${PORT}`,
      `{dir}/c.toml:3: max-ttl: has a value of a wrong type. ${TIME} 1s to 365d.`,
    ],
  },
  {
    title: "99 an empty variable",
    args: ["serve"],
    env: { HELIOGRAPH_MAX_TTL: "" },
    answer: [`HELIOGRAPH_MAX_TTL: empty. ${TIME} 1s to 365d.`],
  },
  {
    title: "99 a duration in words",
    args: ["serve"],
    env: { HELIOGRAPH_MAX_TTL: "30 days" },
    answer: [`HELIOGRAPH_MAX_TTL: not a duration: "30 days". ${TIME} 1s to 365d.`],
  },
  {
    title: "99 durations outside of their range",
    args: ["serve", "--ping-interval", "0", "--max-ttl=1500ms"],
    answer: [
      `--max-ttl: not whole seconds: "1500ms". ${TIME} 1s to 365d.`,
      `--ping-interval: out of range: "0". ${TIME} 100ms to 1h.`,
    ],
  },
  {
    title: "a push message smaller than RFC 8030 allows as a limit",
    args: ["serve", "--max-payload-bytes", "4095"],
    answer: [
      '--max-payload-bytes: out of range: "4095". Use a whole number from 4096 to 65536.',
    ],
  },
  {
    title: "a secret among the arguments, not repeated",
    args: ["serve", "--api-token", "canary0123456789abcdef"],
    answer: [
      "--api-token: a secret among the arguments can be read by every user of this machine. " +
      "Use HELIOGRAPH_API_TOKEN, HELIOGRAPH_API_TOKEN_FILE or --api-token-file FILE.",
    ],
  },
  {
    title: "secrets that are none, not repeated",
    args: ["serve", "--crypto-keys-file", "{dir}/keys"],
    env: { HELIOGRAPH_API_TOKEN: "canary" },
    files: { keys: "canary-canary\n" },
    answer: [
      '--crypto-keys-file "{dir}/keys": key 1 is not 32 bytes in base64url. ' +
      "Use one or more keys as heliograph keys endpoint prints them, separated by commas.",
      "HELIOGRAPH_API_TOKEN: under 16 characters. Use 16 to 256 letters, digits or -._~+/, " +
      "such as heliograph keys token prints.",
    ],
  },
  {
    title: "a secret's file which is missing, one which is empty",
    args: ["serve"],
    env: {
      HELIOGRAPH_API_TOKEN_FILE: "{dir}/none",
      HELIOGRAPH_CRYPTO_KEYS_FILE: "{dir}/empty",
    },
    files: { empty: "\n" },
    answer: [
      'HELIOGRAPH_CRYPTO_KEYS_FILE: "{dir}/empty" is empty. ' +
      "Use one or more keys as heliograph keys endpoint prints them, separated by commas.",
      'HELIOGRAPH_API_TOKEN_FILE: "{dir}/none" does not exist. Give the name of a file.',
    ],
  },
  {
    title: "a secret set in two ways",
    args: ["serve"],
    env: { HELIOGRAPH_API_TOKEN: "canary0123456789", HELIOGRAPH_API_TOKEN_FILE: "{dir}/none" },
    answer: [
      "HELIOGRAPH_API_TOKEN: set together with HELIOGRAPH_API_TOKEN_FILE. Unset one of them.",
    ],
  },
  {
    title: "a store's password among the arguments",
    args: ["serve", "--store", "postgres://user:canary@db/push"],
    answer: [
      "--store: has a password, and arguments can be read by every user of this machine. " +
      "Use HELIOGRAPH_STORE or HELIOGRAPH_STORE_FILE.",
    ],
  },
  {
    title: "URLs that are not what they should be",
    args: [
      "serve",
      "--endpoint-url=https://push.example/wpush",
      "--device-url=http://push.example/",
      "--broadcast-url=https://user:canary@push.example/",
    ],
    answer: [
      '--endpoint-url: contains a path: "https://push.example/wpush". ' +
      "Use http:// or https:// and a host without a path, such as https://push.example.org.",
      '--device-url: wrong kind of URL: "http://push.example/". ' +
      "Use ws:// or wss:// and a host, such as wss://push.example.org/.",
      '--broadcast-url: contains a user name: "https://…@push.example/". ' +
      "Use http:// or https:// and a host, such as https://push.example.org/.",
    ],
  },
  {
    title: "104 a public address nobody can connect to",
    args: ["serve", "--host", "0.0.0.0"],
    answer: [
      "endpoint-url: missing although host is 0.0.0.0, an address nobody can connect to. " +
      "Set the address senders will use, such as https://push.example.org.",
    ],
  },
  {
    title: "104 a certificate without its key",
    args: ["serve", "--tls-cert", "cert.pem"],
    answer: ["tls-key: missing although tls-cert is set. Set both or none."],
  },
  {
    title: "104 a key without its certificate",
    args: ["check"],
    env: { HELIOGRAPH_TLS_KEY: "key.pem" },
    answer: ["tls-cert: missing although tls-key is set. Set both or none."],
  },
  {
    title: "104 a webhook without its secret",
    args: ["serve", "--webhook-url", "https://hooks.example/push"],
    answer: ["webhook-secret: missing although webhook-url is set. Set both or none."],
  },
  {
    title: "104 a webhook's secret without a webhook",
    args: ["serve"],
    env: { HELIOGRAPH_WEBHOOK_SECRET: "canary-0123456789" },
    answer: ["webhook-url: missing although webhook-secret is set. Set both or none."],
  },
  {
    title: "104 a token for InfluxDB without its address",
    args: ["serve"],
    env: { HELIOGRAPH_INFLUX_TOKEN: "canary" },
    answer: ["influx-url: missing although influx-token is set. Set both, or influx-url alone."],
  },
  {
    title: "a token for InfluxDB that no header can carry",
    args: ["serve", "--influx-url", "http://influx:8086/write?db=push"],
    env: { HELIOGRAPH_INFLUX_TOKEN: "canary\u00fc" },
    answer: [
      "HELIOGRAPH_INFLUX_TOKEN: not visible ASCII characters. " +
      "Use up to 1024 visible ASCII characters.",
    ],
  },
  {
    title: "a webhook's secret that can be guessed",
    args: ["serve"],
    env: { HELIOGRAPH_WEBHOOK_SECRET: "canary" },
    answer: [
      "HELIOGRAPH_WEBHOOK_SECRET: under 16 characters. Use 16 to 256 visible characters " +
      "without spaces, such as heliograph keys token prints.",
    ],
  },
  {
    title: "words that are not of the set",
    args: ["serve", "--push-hosts=all", "--webhook-rows=none", "--log-level=trace"],
    answer: [
      '--log-level: not one of the words: "trace". Use debug, info, warn or error.',
      '--push-hosts: not one of the words: "all". Use known or public.',
      '--webhook-rows: not one of the words: "none". Use failures or all.',
    ],
  },
  {
    title: "93 an option that is near one of the same command",
    args: ["send", "--titel", "Hi"],
    answer: ["--titel: unknown option. Did you mean --title?"],
  },
  {
    title: "93 a command's switch at another one",
    args: ["serve", "--watch"],
    answer: ["--watch: not an option of serve. heliograph serve --help lists its options."],
  },
  {
    title: "93 a command without what it is about",
    args: ["devices", "import", "--app", "shop"],
    answer: ["devices import: needs FILE. Write heliograph devices import FILE."],
  },
  {
    title: "an operand that cannot be one",
    args: ["apps", "show", "My Shop"],
    answer: [
      `NAME: not an app's name: "My Shop". Use 1 to 64 lower-case letters, digits, dots, ` +
      "dashes or underscores, first a letter or digit.",
    ],
  },
  {
    title: "a notification without anything",
    args: ["send"],
    answer: [
      "--app: missing. Give the app's name: --app NAME.",
      "send: has nothing to say. Use --title, --body, --data or --payload.",
      "send: needs to know who gets it. " +
      "Use --to-tag, --to-user, --to-device, --to-all or --tokens.",
    ],
  },
  {
    title: "a notification to two audiences",
    args: ["send", "--app=shop", "--title=Hi", "--to-all", "--to-tag=a", "--tokens=f"],
    answer: ["--to-all: given together with --to-tag. Use one of them."],
  },
  {
    title: "recipients from a file under a key",
    args: ["send", "--app=shop", "--title=Hi", "--tokens=f", "--idempotency-key=k"],
    answer: [
      "--idempotency-key: given together with --tokens, whose recipients would be added twice. " +
      "Use one of them.",
    ],
  },
  {
    title: "a time from now under a key",
    args: [
      ...["send", "--app=shop", "--title=Hi", "--to-all", "--at=10m", "--idempotency-key=k"],
    ],
    answer: [
      "--at: a time from now, which is another one at each call with the key. " +
      "Give the time itself, such as 2027-01-31T08:00:00Z.",
    ],
  },
  {
    title: "values of a notification that are none",
    args: [
      ...["send", "--app=shop", "--to-all", "--data={", "--ttl=29d", "--urgency=urgent"],
      ...["--at=tomorrow", "--rate=0", "--record=none", "--payload={dir}/p.json"],
    ],
    files: { "p.json": '{"title":\n1,}' },
    answer: [
      '--ttl: out of range: "29d". Use seconds or a duration such as 45s, 5m, 12h or 30d, ' +
      "from 0s to 28d.",
      '--urgency: not one of the words: "urgent". Use very-low, low, normal or high.',
      '--rate: out of range: "0". Use a whole number from 1 to 1000000.',
      '--record: not one of the words: "none". Use failures or all.',
      '--payload: not JSON at line 2 column 3. Give a JSON file such as {"title":"…",' +
      '"apns":{"aps":{"badge":1}}}.',
      `--data: not JSON at line 1 column 2: "{". Use a JSON object such as '{"key":"value"}'.`,
      '--at: not a time: "tomorrow". Use a time with its zone such as 2027-01-31T08:00:00Z, ' +
      "or a time from now such as 10m or 2h.",
    ],
  },
  {
    title: "an app without credentials",
    args: ["apps", "add", "shop"],
    answer: [
      "apps add: needs credentials. Give those of one platform at least: --apns-key, " +
      "--apns-certificate, --fcm-service-account or --vapid-private-key-file, and what " +
      "belongs to them.",
    ],
  },
  {
    title: "an app with halves of credentials",
    args: [
      ...["apps", "add", "shop", "--apns-key={dir}/none.p8", "--apns-key-id=ABC1234567"],
      ...["--apns-certificate={dir}/c.pem", "--fcm-service-account={dir}/a.json"],
      "--vapid-subject=mailto:a@example.org",
    ],
    files: { "c.pem": "canary", "a.json": "canary" },
    answer: [
      "--apns-team-id: missing although --apns-key is given. Give both.",
      "--apns-topic: missing although --apns-key is given. Give both.",
      "--apns-certificate: given together with --apns-key. Use a signing key or a certificate.",
      '--apns-key: "{dir}/none.p8" does not exist. Give the name of a file.',
      "--fcm-service-account: not JSON. Give the file as Google's console hands it out.",
      "--vapid-private-key-file: missing although --vapid-subject is given. Give both.",
    ],
  },
  {
    title: "104 two listeners on one port",
    args: ["serve", "--device-port", "8082"],
    answer: ["api-port: 8082 is the device-port as well. Give each listener a port."],
  },
];

for (const row of ROWS) {
  Deno.test(`configuration: ${row.title}`, () => {
    const folder = Deno.makeTempDirSync();
    try {
      for (const [name, text] of Object.entries(row.files ?? {})) {
        Deno.writeTextFileSync(join(folder, name), text);
      }
      const inFolder = (text: string) => text.replaceAll("{dir}", folder);
      const env = new Map(
        Object.entries(row.env ?? {}).map(([name, text]) => [name, inFolder(text)]),
      );
      const line = parseCommandLine(row.args.map(inFolder), env, readTextFile);
      assert(line.kind === "usage_error", line.kind);
      assertEquals(
        line.message.split("\n"),
        row.answer.map((text) => `heliograph: ${inFolder(text)}`),
      );
      assert(!line.message.includes("canary"), "a secret in the answer");
      const good = parseCommandLine(["serve", "--data", folder], new Map(), readTextFile);
      assertEquals(good.kind, "run");
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
}
