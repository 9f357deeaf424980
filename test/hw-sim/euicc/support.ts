// A virtual eUICC on a bench: keys of its own, profiles, an eIM that signs packages, and the terminal's side of ES10 in a few lines.
// The terminal here is written from the standards, not with the product's own.
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { concatBytes, digitsToBcd, fromHex, iccidToBytes, toHexUpper } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { seededRandom } from "../../../base/random.ts";
import { ecdsaSign } from "../../../hw-sim/crypto/ecdsa.ts";
import { createEuicc } from "../../../hw-sim/euicc/euicc.ts";
import { buildProfilePackage, type ProfileRecipe } from "../../../hw-sim/euicc/pe/builder.ts";
import type { EuiccOptions, FactoryProfile, VirtualEuicc } from "../../../hw-sim/euicc/types.ts";
import { createPki, type Identity, type Pki } from "../../../hw-sim/pki/pki.ts";
import { decode, encode, integer, sealed, signed, type Type } from "../../../ipa/asn1/schema.ts";
import { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import {
  type EuiccPackage,
  EuiccPackageRequest,
  EuiccPackageResult,
  EuiccPackageSigned,
  type EuiccResultData,
} from "../../../ipa/messages/package.ts";
import { StoreMetadataRequest } from "../../../ipa/messages/profile-info.ts";

export const clock = new VirtualClock();
export const pki: Pki = createPki({ clock });
export const eid = pki.subjects.eid;
export const eidBytes = digitsToBcd(eid);
export const eimId = "eim.example.com";

export const iccids = { a: "8949000000000000018", b: "8949000000000000026", c: "8949000000000000034" } as const;
export type ProfileName = keyof typeof iccids;
const imsis = { a: "262011000000001", b: "262021000000002", c: "262031000000003" } as const;
export const iccidBytes = (name: ProfileName): Uint8Array => iccidToBytes(iccids[name]);
export const imsiOf = (name: ProfileName): string => imsis[name];

type Metadata = Parameters<typeof encode<StoreMetadataRequest>>[1];
const allEvents = ["notificationInstall", "notificationEnable", "notificationDisable", "notificationDelete"] as const;

export function recipe(name: ProfileName, more: Partial<ProfileRecipe> = {}): ProfileRecipe {
  return {
    iccid: iccids[name],
    imsi: imsis[name],
    spn: `Operator ${name}`,
    ki: new Uint8Array(16).fill(1),
    opc: new Uint8Array(16).fill(2),
    ...more,
  };
}

export function metadata(name: ProfileName, more: Partial<Metadata> = {}): Uint8Array {
  return encode(StoreMetadataRequest, {
    iccid: iccidBytes(name),
    serviceProviderName: `Operator ${name}`,
    profileName: `Profile ${name}`,
    profileClass: "operational",
    notificationConfigurationInfo: [{ profileManagementOperation: [...allEvents], notificationAddress: "smdp.example.com" }],
    ...more,
  });
}

export function factoryProfile(name: ProfileName, more: Partial<Metadata> & { enabled?: boolean } = {}): FactoryProfile {
  const { enabled = false, ...fields } = more;
  return { upp: buildProfilePackage(recipe(name)), metadata: metadata(name, fields), enabled };
}

export function identityOf(world: Pki) {
  return {
    ciCertificate: world.get("ci").certificate,
    eumCertificate: world.get("eum").certificate,
    euiccCertificate: world.get("euicc").certificate,
    privateKey: world.get("euicc").privateKey,
  };
}

export function eimConfiguration(more: Partial<EimConfigurationData> = {}, identity: Identity = pki.get("eimsign")): EimConfigurationData {
  return {
    eimId,
    eimFqdn: eimId,
    eimIdType: "eimIdTypeFqdn",
    counterValue: 0,
    eimPublicKeyData: { kind: "eimCertificate", value: identity.certificate },
    eimSupportedProtocol: ["eimRetrieveCoaps"],
    euiccCiPKId: pki.get("ci").subjectKeyIdentifier,
    ...more,
  };
}

export interface Bench {
  readonly euicc: VirtualEuicc;
  /** Every snapshot handed out, the last one being what survives. */
  readonly snapshots: Uint8Array[];
  readonly channel: Terminal;
}

/** A card that knows one eIM (unless told otherwise), with profile A enabled and B there. */
export function bench(options: Partial<EuiccOptions> = {}): Bench {
  const snapshots: Uint8Array[] = [];
  const euicc = createEuicc({
    eid,
    identities: [identityOf(pki)],
    clock,
    random: seededRandom(7),
    profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b")],
    eims: [encode(EimConfigurationData, eimConfiguration())],
    onChange: (snapshot) => snapshots.push(snapshot),
    ...options,
  });
  return { euicc, snapshots, channel: openIsdr(euicc) };
}

/** The same card after the power was gone. */
export function restarted(snapshot: Uint8Array, options: Partial<EuiccOptions> = {}): Bench {
  return bench({ ...options, snapshot });
}

export function apdu(euicc: VirtualEuicc, hex: string): string {
  return toHexUpper(euicc.process(fromHex(hex)));
}

/** One logical channel with the ISD-R selected. */
export interface Terminal {
  /** A whole ES10 command; the response's octets and the last status word. */
  send(command: Uint8Array, blockBytes?: number): { readonly data: Uint8Array; readonly sw: number };
  /** In hex, with the status word behind when it is not 9000. */
  sendHex(hex: string): string;
  call<Q, R>(request: Type<Q>, response: Type<R>, value: Q): R;
}

export function openIsdr(euicc: VirtualEuicc): Terminal {
  euicc.process(fromHex("80AA000005A903840101"));
  const opened = euicc.process(fromHex("0070000001"));
  const number = opened[0] ?? 0;
  euicc.process(fromHex(`0${number}A4040410A0000005591010FFFFFFFF8900000100`));
  return terminalOn(euicc, number);
}

export function terminalOn(euicc: VirtualEuicc, channel: number): Terminal {
  const send: Terminal["send"] = (command, blockBytes = 255) => {
    let answer: Uint8Array = new Uint8Array(0);
    for (let at = 0, block = 0; at < command.length; at += blockBytes, block++) {
      const data = command.subarray(at, at + blockBytes);
      const p1 = at + blockBytes >= command.length ? 0x91 : 0x11;
      answer = euicc.process(concatBytes(Uint8Array.of(0x80 | channel, 0xe2, p1, block, data.length), data));
      if (p1 === 0x11 && statusOf(answer) !== 0x9000) return { data: answer.slice(0, -2), sw: statusOf(answer) };
    }
    let data: Uint8Array = answer.slice(0, -2);
    while (statusOf(answer) >> 8 === 0x61) {
      answer = euicc.process(Uint8Array.of(channel, 0xc0, 0x00, 0x00, statusOf(answer) & 0xff));
      data = concatBytes(data, answer.slice(0, -2));
    }
    return { data, sw: statusOf(answer) };
  };
  return {
    send,
    sendHex: (hex) => {
      const { data, sw } = send(fromHex(hex));
      return toHexUpper(data) + (sw === 0x9000 ? "" : sw.toString(16).toUpperCase());
    },
    call: (request, response, value) => {
      const { data, sw } = send(encode(request, value));
      if (sw !== 0x9000 && sw >> 8 !== 0x91) throw new Error(`status ${sw.toString(16)}`);
      return decode(response, data);
    },
  };
}

function statusOf(answer: Uint8Array): number {
  return ((answer.at(-2) ?? 0) << 8) | (answer.at(-1) ?? 0);
}

// --- the eIM ----------------------------------------------------------------------------------------------------------------

export interface PackageOptions {
  readonly counter?: number;
  readonly eidValue?: Uint8Array;
  readonly eimId?: string;
  readonly token?: number;
  readonly key?: KeyObject;
  readonly eimTransactionId?: Uint8Array;
}

export const tokenTlv = (token = 0): Uint8Array => encode(integer(0x84), token);

/** A signed EuiccPackageRequest. */
export function packageOf(euiccPackage: EuiccPackage, options: PackageOptions = {}): Uint8Array {
  const data = sealed(signed(EuiccPackageSigned), {
    eimId: options.eimId ?? eimId,
    eidValue: options.eidValue ?? eidBytes,
    counterValue: options.counter ?? 1,
    eimTransactionId: options.eimTransactionId,
    euiccPackage,
  });
  const key = options.key ?? pki.get("eimsign").privateKey;
  return encode(EuiccPackageRequest, { euiccPackageSigned: data, eimSignature: ecdsaSign(key, data.raw, tokenTlv(options.token)) });
}

/** Sends it, and answers what the eUICC says. */
export function load(terminal: Terminal, request: Uint8Array): EuiccPackageResult {
  return decode(EuiccPackageResult, terminal.send(request).data);
}

/** The result's items as "enableResult ok", its signature checked with node:crypto. */
export function resultsOf(result: EuiccPackageResult, token?: number): string[] {
  if (result.kind !== "euiccPackageResultSigned") return [result.kind];
  const { euiccPackageResultDataSigned: data, euiccSignEPR } = result.value;
  if (!verifiesWithEuicc(euiccSignEPR, data.raw, tokenTlv(token))) return ["bad signature"];
  return data.value.euiccResult.map(itemText);
}

export function itemText(item: EuiccResultData): string {
  const { value } = item;
  if (typeof value === "object" && "kind" in value)
    return `${item.kind} ${value.kind} ${typeof value.value === "object" ? "" : value.value}`.trim();
  return `${item.kind} ${typeof value === "object" ? "" : value}`.trim();
}

export function seqNumberOf(result: EuiccPackageResult): number {
  return result.kind === "euiccPackageResultSigned" ? Number(result.value.euiccPackageResultDataSigned.value.seqNumber) : -1;
}

export function verifiesWithEuicc(signature: Uint8Array, ...parts: readonly Uint8Array[]): boolean {
  const key = createPublicKey(pki.get("euicc").privateKey);
  return verify("sha256", concatBytes(...parts), { key, dsaEncoding: "ieee-p1363" }, signature);
}

export const psmo = {
  enable: (name: ProfileName, rollback = false) => ({
    kind: "enable" as const,
    value: { iccid: iccidBytes(name), rollbackFlag: rollback ? (true as const) : undefined },
  }),
  disable: (name: ProfileName) => ({ kind: "disable" as const, value: { iccid: iccidBytes(name) } }),
  delete: (name: ProfileName) => ({ kind: "delete" as const, value: { iccid: iccidBytes(name) } }),
  list: { kind: "listProfileInfo" as const, value: {} },
  getRat: { kind: "getRAT" as const, value: {} },
  setFallback: (name: ProfileName) => ({ kind: "setFallbackAttribute" as const, value: { iccid: iccidBytes(name) } }),
  unsetFallback: { kind: "unsetFallbackAttribute" as const, value: {} },
};

export function psmoPackage(list: Extract<EuiccPackage, { kind: "psmoList" }>["value"], options: PackageOptions = {}): Uint8Array {
  return packageOf({ kind: "psmoList", value: list }, options);
}

export function ecoPackage(list: Extract<EuiccPackage, { kind: "ecoList" }>["value"], options: PackageOptions = {}): Uint8Array {
  return packageOf({ kind: "ecoList", value: list }, options);
}
