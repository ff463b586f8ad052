/**
 * A private certificate authority for one test: the root and one server certificate for loopback.
 *
 * @module
 */

import { runWell } from "./programs.ts";

/** File names of a private authority and of the server certificate it signed. */
export interface Certificates {
  /** The root certificate, PEM. */
  readonly caFile: string;
  /** The root certificate itself, PEM. */
  readonly caPem: string;
  /** The server's certificate for `localhost` and `127.0.0.1`, PEM. */
  readonly certFile: string;
  /** The server's private key, PEM. */
  readonly keyFile: string;
}

const CONFIG = `[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,IP:127.0.0.1
`;

/** What `openssl ca` needs to sign for a time that is over; `req` signs from now on only. */
const SIGNING = `[signing]
database = FOLDER/index.txt
new_certs_dir = FOLDER
default_md = sha256
policy = any_name
rand_serial = yes
[any_name]
commonName = supplied
`;

/** Makes the authority and the server's certificate in this folder, valid for two days. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const config = `${folder}/openssl.cnf`;
  await Deno.writeTextFile(config, CONFIG);
  const caFile = `${folder}/ca.pem`;
  const caKey = `${folder}/ca.key`;
  const certFile = `${folder}/server.pem`;
  const keyFile = `${folder}/server.key`;
  const common = ["req", "-x509", "-config", config, "-days", "2", "-nodes"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const ca = ["-subj", "/CN=Heliograph test authority", "-extensions", "ca"];
  await runWell("openssl", [...common, ...curve, ...ca, "-keyout", caKey, "-out", caFile]);
  const server = [
    "-subj",
    "/CN=localhost",
    "-extensions",
    "server",
    "-CA",
    caFile,
    "-CAkey",
    caKey,
  ];
  await runWell("openssl", [...common, ...curve, ...server, "-keyout", keyFile, "-out", certFile]);
  return { caFile, caPem: await Deno.readTextFile(caFile), certFile, keyFile };
}

/** Makes a certificate of the authority in this folder for the same names, over since 2020. */
export async function makeExpiredCertificate(
  folder: string,
): Promise<Pick<Certificates, "certFile" | "keyFile">> {
  const certFile = `${folder}/expired.pem`;
  const keyFile = `${folder}/expired.key`;
  const config = `${folder}/signing.cnf`;
  const request = `${folder}/expired.csr`;
  // Paths in it are those of the folder: `openssl ca` keeps a list of what it signed.
  await Deno.writeTextFile(config, CONFIG + SIGNING.replaceAll("FOLDER", folder));
  await Deno.writeTextFile(`${folder}/index.txt`, "");
  await runWell("openssl", [
    ...["req", "-new", "-config", config, "-nodes", "-subj", "/CN=localhost"],
    ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ...["-keyout", keyFile, "-out", request],
  ]);
  await runWell("openssl", [
    ...["ca", "-batch", "-notext", "-config", config, "-name", "signing"],
    ...["-extensions", "server"],
    ...["-cert", `${folder}/ca.pem`, "-keyfile", `${folder}/ca.key`],
    ...["-startdate", "200101000000Z", "-enddate", "200102000000Z"],
    ...["-in", request, "-out", certFile],
  ]);
  return { certFile, keyFile };
}
