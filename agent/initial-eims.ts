// The first eIMs of an eUICC as a file or an order brings them: AddInitialEimRequest (BF57) or one EimConfigurationData (SGP.32 §5.9.4).
import { readFile } from "node:fs/promises";
import { fromHex } from "../base/bytes.ts";
import { asSimwardError, reasonOf, SimwardError } from "../base/errors.ts";
import { decode } from "../ipa/asn1/schema.ts";
import { AddInitialEimRequest, EimConfigurationData } from "../ipa/messages/eim-config.ts";

/** Throws ASN1_… */
export function initialEimsOf(der: Uint8Array): AddInitialEimRequest {
  if (der[0] === 0x30) return { eimConfigurationDataList: [decode(EimConfigurationData, der, { name: "EimConfigurationData" })] };
  return decode(AddInitialEimRequest, der, { name: "AddInitialEimRequest" });
}

/** DER, or its hex or base64. Throws CONFIG_READ, CONFIG_INVALID. */
export async function readInitialEims(path: string | undefined): Promise<AddInitialEimRequest | undefined> {
  if (path === undefined) return undefined;
  let file: Uint8Array;
  try {
    file = new Uint8Array(await readFile(path));
  } catch (error) {
    throw new SimwardError("CONFIG_READ", { detail: `eim.consumer_initial_eim ${path}: ${reasonOf(error)}`, cause: error });
  }
  try {
    return initialEimsOf(octetsOf(file));
  } catch (error) {
    const { message } = asSimwardError(error);
    throw new SimwardError("CONFIG_INVALID", { detail: `eim.consumer_initial_eim ${path}: ${message}`, cause: error });
  }
}

function octetsOf(file: Uint8Array): Uint8Array {
  if (file[0] === 0xbf || (file[0] === 0x30 && (file[1] ?? 0) >= 0x80)) return file;
  const text = Buffer.from(file).toString("latin1").replace(/\s+/g, "");
  if (/^([0-9A-Fa-f]{2})+$/.test(text)) return fromHex(text);
  return new Uint8Array(Buffer.from(text, "base64"));
}
