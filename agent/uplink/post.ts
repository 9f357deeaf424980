// The way to the fleet's backend: HTTPS, its certificate judged by a root of the fleet's own, never by the web's.
import { utf8 } from "../../base/bytes.ts";
import { reasonOf, SimwardError } from "../../base/errors.ts";
import { readSmallFile } from "../../base/small-file.ts";
import type { HttpsClient, HttpsPeer } from "../../transports/https/types.ts";
import type { Config } from "../config/schema.ts";
import type { UplinkPost } from "./service.ts";

const pemBlock = /-----BEGIN CERTIFICATE-----([\s\S]+?)-----END CERTIFICATE-----/g;

/** Undefined where none is configured. Throws CONFIG_READ, CONFIG_INVALID. */
export async function uplinkPostOf(
  { url, ca, token_credential }: Config["uplink"],
  https: HttpsClient,
  credential: (name: string) => Promise<string>,
): Promise<UplinkPost | undefined> {
  if (url === undefined || ca === undefined) return undefined;
  const certificates = await uplinkRootsOf(ca);
  const { hostname, port, pathname, search } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const peer: HttpsPeer = { host, port: port === "" ? 443 : Number(port), serverName: host, trust: { kind: "roots", certificates } };
  const token = token_credential === undefined ? undefined : await credential(token_credential);
  return async (report, signal) => {
    const { status } = await https.request(
      peer,
      {
        method: "POST",
        path: `${pathname}${search}`,
        headers: { "content-type": "application/json", ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
        body: utf8(JSON.stringify(report)),
      },
      signal,
    );
    if (status < 200 || status > 299) throw new SimwardError("UPLINK_REFUSED", { detail: `${host} answers ${status}` });
  };
}

/** DER. Throws CONFIG_READ, CONFIG_INVALID. */
export async function uplinkRootsOf(ca: string): Promise<readonly Uint8Array[]> {
  const text = await readSmallFile(ca).catch((error: unknown) => {
    throw new SimwardError("CONFIG_READ", { detail: `uplink.ca ${ca}: ${reasonOf(error)}`, cause: error });
  });
  const certificates = [...text.matchAll(pemBlock)].map((match) => new Uint8Array(Buffer.from(match[1] ?? "", "base64")));
  if (certificates.length === 0) throw new SimwardError("CONFIG_INVALID", { detail: `uplink.ca ${ca} holds no certificate in PEM` });
  return certificates;
}
