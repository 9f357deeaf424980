// What the eIM knows of each eUICC: counter, association token, certificates, and the results and notifications it has stored.
import { createHash } from "node:crypto";
import { bcdToDigits, toHex } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import type { DeviceInfo } from "../../ipa/messages/common.ts";
import type { IpaCapabilities } from "../../ipa/messages/esipa.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { type EuiccChain, verifyEuiccChain } from "../pki/chain.ts";
import type { InjectionTarget } from "./inject.ts";

/** What survives a restart of the eIM, as JSON. */
export interface EuiccSettings {
  /** 32 digits. */
  readonly eid: string;
  /** The last one used; the next package has one more. */
  readonly counterValue?: number | undefined;
  readonly associationToken?: number | undefined;
  /** DER. */
  readonly euiccCertificate?: Uint8Array | undefined;
  readonly eumCertificate?: Uint8Array | undefined;
  /** The CI above them, DER, where it is not the eIM's own: believed from now on. */
  readonly ciCertificate?: Uint8Array | undefined;
  /** Where its vehicle takes what is injected. */
  readonly injection?: InjectionTarget | undefined;
}

/** A package result or notification that verified, stored once. */
export interface StoredItem {
  readonly eid: string;
  readonly seqNumber: number;
  readonly atMs: number;
  /** As it came. */
  readonly raw: Uint8Array;
  /** Decoded, as JSON, with its kind. */
  readonly view: Readonly<Record<string, unknown>>;
  /** How often it was delivered. */
  deliveries: number;
}

export class Euicc {
  readonly eid: string;
  counterValue: number;
  associationToken: number | undefined;
  injection: InjectionTarget | undefined;
  chain: EuiccChain | undefined;
  capabilities: IpaCapabilities | undefined;
  deviceInfo: DeviceInfo | undefined;
  /** BF20, for IPAs that leave it out. */
  info1: Uint8Array | undefined;
  /** BF22, of which compact forms leave out all but extCardResource. */
  info2: Uint8Array | undefined;
  readonly results = new Map<string, StoredItem>();
  readonly notifications = new Map<string, StoredItem>();
  /** BF51 and BF54 as they came, until the certificate is known. */
  held: Uint8Array[] = [];

  constructor(settings: EuiccSettings) {
    this.eid = settings.eid;
    this.counterValue = settings.counterValue ?? 0;
    this.associationToken = settings.associationToken;
  }
}

const maxHeld = 50;

export class EuiccRegistry {
  readonly #euiccs = new Map<string, Euicc>();
  readonly #anchors: Uint8Array[];
  readonly #now: () => number;

  constructor(anchors: readonly Uint8Array[], now: () => number) {
    this.#anchors = [...anchors];
    this.#now = now;
  }

  get all(): readonly Euicc[] {
    return [...this.#euiccs.values()];
  }

  find(eid: string): Euicc | undefined {
    return this.#euiccs.get(eid);
  }

  /** Adds it, or changes what is given. Throws SIM_REQUEST, CERTIFICATE. */
  set(settings: EuiccSettings): Euicc {
    if (!/^\d{32}$/.test(settings.eid)) throw new SimwardError("SIM_REQUEST", { detail: "eid is not 32 digits" });
    const euicc = this.#euiccs.get(settings.eid) ?? new Euicc(settings);
    if (settings.counterValue !== undefined) euicc.counterValue = settings.counterValue;
    if (settings.associationToken !== undefined) euicc.associationToken = settings.associationToken;
    if (settings.injection !== undefined) euicc.injection = settings.injection;
    const { euiccCertificate, eumCertificate, ciCertificate } = settings;
    if (ciCertificate !== undefined) this.#anchors.push(parseCertificate(ciCertificate).der);
    if ((euiccCertificate === undefined) !== (eumCertificate === undefined)) {
      throw new SimwardError("SIM_REQUEST", { detail: "euiccCertificate and eumCertificate come together" });
    }
    if (euiccCertificate !== undefined && eumCertificate !== undefined)
      euicc.chain = this.verifiedChain(settings.eid, euiccCertificate, eumCertificate);
    this.#euiccs.set(settings.eid, euicc);
    return euicc;
  }

  /** The chain under one of the eIM's CIs, for that EID. Throws CERTIFICATE. */
  verifiedChain(eid: string | undefined, euiccCertificate: Uint8Array, eumCertificate: Uint8Array): EuiccChain {
    const chain = verifyEuiccChain(euiccCertificate, eumCertificate, { anchors: this.#anchors, atMs: this.#now() });
    if (eid !== undefined && chain.eid !== eid)
      throw new SimwardError("CERTIFICATE", { detail: "the eUICC certificate is for another EID", data: { reason: "eid", role: "euicc" } });
    return chain;
  }
}

/** Two items with one number differ when the eUICC replaced a result after a rollback. */
export const itemKey = (seqNumber: number, raw: Uint8Array): string => `${seqNumber}:${createHash("sha256").update(raw).digest("hex")}`;

export function hold(euicc: Euicc, raw: Uint8Array): void {
  if (euicc.held.some((one) => toHex(one) === toHex(raw))) return;
  euicc.held = [...euicc.held, raw].slice(-maxHeld);
}

/** 32 decimal digits whose remainder by 97 is 1 (GSMA SGP.02 §2.2.2), in 16 octets. */
export function isWellFormedEid(octets: Uint8Array): boolean {
  const digits = toHex(octets);
  return octets.length === 16 && /^\d{32}$/.test(digits) && BigInt(bcdToDigits(octets)) % 97n === 1n;
}
