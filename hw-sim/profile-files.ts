// Profiles at the SM-DP+ that come as files: unprotected profile packages of anybody's making, with the metadata that they say themselves
// or that the command line says for them.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { iccidToBytes, plmnToBytes } from "../base/bytes.ts";
import { SimwardError } from "../base/errors.ts";
import { findFile } from "./euicc/pe/file-system.ts";
import { iccidOf, imsiOf, type Profile, readProfile } from "./euicc/pe/reader.ts";
import type { DownloadOrderInput } from "./smdp/orders.ts";

export interface ProfileFile {
  readonly path: string;
  /** The activation code's token; the file's name by default. */
  readonly matchingId: string;
  /** Of the metadata, where the package is not to say it. */
  readonly name: string | undefined;
  readonly spn: string | undefined;
  readonly confirmationCode: string | undefined;
}

const keys = ["matchingId", "name", "spn", "confirmationCode"] as const;
type Key = (typeof keys)[number];
/** SGP.22 §4.1.1 */
const matchingIdPattern = /^[0-9A-Za-z-]+$/;

function refuse(text: string, reason: string, cause?: unknown): never {
  throw new SimwardError("SIM_OPTION", { detail: `--profile ${text}: ${reason}`, cause });
}

/** "x.der,matchingId=TOKEN,name=Fleet". Throws SIM_OPTION. */
export function parseProfileFile(text: string): ProfileFile {
  const [path = "", ...settings] = text.split(",");
  if (path === "") refuse(text, "names no file");
  const given: Partial<Record<Key, string>> = {};
  for (const setting of settings) {
    const [, key, value = ""] = /^([A-Za-z]+)=(.+)$/.exec(setting) ?? [];
    const known =
      keys.find((name) => name === key) ??
      refuse(text, `${JSON.stringify(setting)} is none of ${keys.map((name) => `${name}=…`).join(", ")}`);
    given[known] = value;
  }
  const {
    matchingId = basename(path)
      .replace(/\.[^.]*$/, "")
      .replace(/[^0-9A-Za-z-]/g, "-"),
    name,
    spn,
    confirmationCode,
  } = given;
  if (!matchingIdPattern.test(matchingId)) refuse(text, `the matchingId ${JSON.stringify(matchingId)} is not of letters, digits and "-"`);
  return { path, matchingId, name, spn, confirmationCode };
}

/** What the SM-DP+ offers of it. Throws SIM_OPTION, naming the file and what is wrong with it. */
export function orderOf(file: ProfileFile): DownloadOrderInput {
  let upp: Uint8Array;
  try {
    upp = new Uint8Array(readFileSync(file.path));
  } catch (error) {
    return refuse(file.path, error instanceof Error ? error.message : "not readable", error);
  }
  let profile: Profile;
  try {
    profile = readProfile(upp);
  } catch (error) {
    const reason = error instanceof SimwardError ? (error.detail ?? error.message) : error instanceof Error ? error.message : String(error);
    return refuse(file.path, `no profile package: ${reason}`, error);
  }
  const { header, files } = profile;
  // What the module will read; the header says the same (TCA §8.1).
  const iccid = iccidOf(files) ?? refuse(file.path, "has no EF.ICCID");
  const imsi = imsiOf(files);
  const { matchingId, confirmationCode } = file;
  return {
    matchingId,
    profile: upp,
    metadata: {
      iccid: iccidToBytes(iccid),
      serviceProviderName: cut(file.spn ?? serviceProviderOf(profile) ?? "unknown", 32),
      profileName: cut(file.name ?? header.profileType ?? matchingId, 64),
      profileClass: "operational",
      ...(imsi === undefined ? {} : { profileOwner: { mccMnc: plmnToBytes(homePlmn(imsi, profile)) } }),
    },
    ...(confirmationCode === undefined ? {} : { confirmationCode }),
  };
}

/** EF.SPN (3GPP TS 31.102 §4.2.12): display condition, then the name, filled up with FF. */
function serviceProviderOf({ files }: Profile): string | undefined {
  const file = findFile(files, "7FFF/6F46");
  if (file?.kind !== "ef") return undefined;
  const octets = file.data.bytes.subarray(1);
  const end = octets.indexOf(0xff);
  const name = octets.subarray(0, end < 0 ? octets.length : end);
  // A first octet of 80 or more begins one of the codings in UCS2, which is left to whoever gives spn=.
  if (name.length === 0 || name.some((octet) => octet >= 0x80)) return undefined;
  return Buffer.from(name).toString("latin1");
}

/** EF.AD says how long the MNC is (3GPP TS 31.102 §4.2.18). */
function homePlmn(imsi: string, { files }: Profile): string {
  const file = findFile(files, "7FFF/6FAD");
  const digits = file?.kind === "ef" ? (file.data.bytes[3] ?? 2) & 0x0f : 2;
  return imsi.slice(0, digits === 3 ? 6 : 5);
}

/** At most so many octets of UTF-8, whole characters. */
function cut(text: string, octets: number): string {
  let out = "";
  for (const character of text) {
    if (Buffer.byteLength(out + character) > octets) break;
    out += character;
  }
  return out;
}
