/**
 * A client certificate for tests of certificate authentication, signed by itself.
 *
 * @module
 */

import { runWell } from "../../support/programs.ts";

/** A certificate and its key. */
export interface CertificateFiles {
  /** The certificate, PEM. */
  readonly certificate: string;
  /** Its private key, PKCS#8 PEM. */
  readonly key: string;
}

/** Makes one in this folder, valid for two days. */
export async function makeClientCertificate(folder: string): Promise<CertificateFiles> {
  const certFile = `${folder}/client.pem`;
  const keyFile = `${folder}/client.key`;
  await runWell("openssl", [
    ...["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=Apple Push Services test"],
    ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ...["-keyout", keyFile, "-out", certFile],
  ]);
  return {
    certificate: await Deno.readTextFile(certFile),
    key: await Deno.readTextFile(keyFile),
  };
}
