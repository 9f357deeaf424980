// The eUICC behind its functions: memory, keys, RSP session, free space. Every function of ES10 is given it.
// `update` is the only way to change what is remembered, and every update is handed out to be kept before the next step.
import { digitsToBcd, equalBytes, toHex } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { decode, encode, type Signed, type Type } from "../../ipa/asn1/schema.ts";
import { StoreMetadataRequest } from "../../ipa/messages/profile-info.ts";
import { type Curve, curveOf, ecdsaSign, inDer } from "../crypto/ecdsa.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { longLengths } from "./dialect.ts";
import { findFile } from "./pe/file-system.ts";
import { type Profile, readProfile } from "./pe/reader.ts";
import type { CardRole } from "./roles.ts";
import type { RspSession } from "./session.ts";
import { type CardState, encodeSnapshot, type StoredProfile } from "./state.ts";
import type { EuiccCapabilities, EuiccFaults, EuiccIdentity } from "./types.ts";

export interface CardIdentity extends EuiccIdentity {
  readonly ciPKId: Uint8Array;
  readonly curve: Curve;
}

export interface CoreOptions {
  readonly eid: string;
  readonly role: CardRole;
  readonly identities: readonly EuiccIdentity[];
  readonly clock: Clock;
  readonly random: Random;
  readonly capabilities: EuiccCapabilities;
  readonly faults: EuiccFaults;
  readonly state: CardState;
  readonly onChange: ((snapshot: Uint8Array) => void) | undefined;
  readonly rulesAuthorisationTable: Uint8Array;
  readonly rootSmdsAddress: string;
  readonly connectivityParameters: Uint8Array | undefined;
}

/** Thrown where the power fails in the middle of a command; only the card itself catches it. */
export class PowerCut extends Error {}

export class EuiccCore {
  readonly eid: string;
  readonly role: CardRole;
  readonly eidBytes: Uint8Array;
  readonly identities: readonly CardIdentity[];
  readonly preferred: CardIdentity;
  readonly clock: Clock;
  readonly random: Random;
  readonly capabilities: EuiccCapabilities;
  readonly faults: EuiccFaults;
  readonly rulesAuthorisationTable: Uint8Array;
  readonly rootSmdsAddress: string;
  readonly connectivityParameters: Uint8Array | undefined;
  /** Gone at every reset. */
  session: RspSession | undefined;
  /** As it was at the last reset or REFRESH. */
  #active: StoredProfile | undefined;
  /** A REFRESH is to be announced. */
  refreshWanted = false;
  #state: CardState;
  readonly #onChange: ((snapshot: Uint8Array) => void) | undefined;
  readonly #profiles = new Map<string, Profile>();

  constructor(options: CoreOptions) {
    this.eid = options.eid;
    this.role = options.role;
    this.eidBytes = digitsToBcd(options.eid);
    this.identities = options.identities.map(cardIdentity);
    const [preferred] = this.identities;
    if (preferred === undefined) throw new SimwardError("SIM_OPTION", { detail: "an eUICC has one identity at least" });
    this.preferred = preferred;
    this.clock = options.clock;
    this.random = options.random;
    this.capabilities = options.capabilities;
    this.faults = options.faults;
    this.rulesAuthorisationTable = options.rulesAuthorisationTable;
    this.rootSmdsAddress = options.rootSmdsAddress;
    this.connectivityParameters = options.connectivityParameters;
    this.#state = options.state;
    this.#onChange = options.onChange;
  }

  get state(): CardState {
    return this.#state;
  }

  /** One step that a power cut leaves wholly done or wholly undone: what could not be kept has not happened. */
  update(change: (state: CardState) => CardState): void {
    const next = change(this.#state);
    this.#onChange?.(encodeSnapshot(next));
    this.#state = next;
    for (const key of this.#profiles.keys()) if (!this.#state.profiles.some((stored) => keyOf(stored) === key)) this.#profiles.delete(key);
  }

  snapshot(): Uint8Array {
    return encodeSnapshot(this.#state);
  }

  // --- keys -----------------------------------------------------------------------------------------------------------------

  /** The identity under that CI, the preferred one when none is named; undefined when the CI is unknown. */
  identity(ciPKId: Uint8Array | undefined): CardIdentity | undefined {
    if (ciPKId === undefined) return this.preferred;
    return this.identities.find((identity) => equalBytes(identity.ciPKId, ciPKId));
  }

  /** The identity to sign with under that CI. */
  signer(ciPKId: Uint8Array | undefined): CardIdentity {
    return this.identity(ciPKId) ?? this.preferred;
  }

  sign(identity: CardIdentity, ...parts: readonly Uint8Array[]): Uint8Array {
    const signature = ecdsaSign(identity.privateKey, ...parts);
    if (this.faults.wrongSignature) signature[63] = (signature[63] ?? 0) ^ 0x01;
    return this.faults.derSignatures ? inDer(signature) : signature;
  }

  /** A part that is to be signed, in the form this card writes. */
  seal<T>(type: Type<T>, value: T): Signed<T> {
    const raw = encode(type, value);
    return { value, raw: this.faults.berLengths ? longLengths(raw) : raw };
  }

  // --- profiles -------------------------------------------------------------------------------------------------------------

  /** The profile as installed, with the files that were updated since. */
  profileOf(stored: StoredProfile): Profile {
    const key = keyOf(stored);
    const known = this.#profiles.get(key);
    if (known !== undefined) return known;
    const profile = readProfile(stored.upp);
    for (const [path, bytes] of Object.entries(stored.updates)) {
      const [, first = "", ...rest] = path.split("/");
      const node = findFile(profile.files, [first, ...rest].join("/"));
      if (node?.kind === "ef") node.data.bytes = bytes.slice();
    }
    this.#profiles.set(key, profile);
    return profile;
  }

  /** After a switch: a REFRESH, if this card uses them. */
  wantRefresh(): void {
    if (this.faults.refreshQualifier !== "none") this.refreshWanted = true;
  }

  /** The profile whose files the terminal sees: the one enabled at the last reset or REFRESH, even if it has been deleted since. */
  get active(): StoredProfile | undefined {
    const active = this.#active;
    return active === undefined ? undefined : (this.#state.profiles.find((profile) => keyOf(profile) === keyOf(active)) ?? active);
  }

  activate(): void {
    this.#active = this.#state.profiles.find((profile) => profile.state === "enabled");
  }

  /** Octets of non-volatile memory that are left. */
  get freeBytes(): number {
    if (this.faults.memoryFull) return 0;
    const used = this.#state.profiles.reduce((sum, stored) => sum + this.profileOf(stored).sizeBytes + stored.metadata.length, 0);
    return Math.max(0, this.capabilities.nonVolatileMemoryBytes - used);
  }
}

function keyOf(stored: StoredProfile): string {
  return toHex(stored.aid) + toHex(stored.iccid);
}

export function metadataOf(stored: StoredProfile): StoreMetadataRequest {
  return decode(StoreMetadataRequest, stored.metadata);
}

function cardIdentity(identity: EuiccIdentity): CardIdentity {
  const ci = parseCertificate(identity.ciCertificate);
  const euicc = parseCertificate(identity.euiccCertificate);
  const curve = curveOf(identity.privateKey);
  if (ci.subjectKeyIdentifier === undefined)
    throw new SimwardError("SIM_OPTION", { detail: "the CI certificate has no subjectKeyIdentifier" });
  if (curve === undefined || euicc.curve !== curve)
    throw new SimwardError("SIM_OPTION", { detail: "the eUICC's key is not on an RSP curve" });
  return { ...identity, ciPKId: ci.subjectKeyIdentifier, curve };
}
