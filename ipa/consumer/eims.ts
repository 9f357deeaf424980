// The eIMs of a consumer eUICC, as an SGP.32 eUICC would keep them: AddInitialEim and the eCOs, on the card's memory (SGP.32 §3.5, §5.9.4).
// Pure: memory in, memory and result out.
import { createPublicKey, type KeyObject, verify, X509Certificate } from "node:crypto";
import { concatBytes, equalBytes } from "../../base/bytes.ts";
import { decode, encode, integer } from "../asn1/schema.ts";
import { type AddInitialEimRequest, type AddInitialEimResponse, EimConfigurationData } from "../messages/eim-config.ts";
import type { Eco, EuiccResultData } from "../messages/package.ts";
import { fromBase64, toBase64 } from "../procedures/journal.ts";
import type { CardMemory, StoredEim } from "./memory.ts";

/** Ours; SGP.32 asks for 8388607 at least. */
export const maxCounterValue = 0x7fff_ffff;
export const maxEims = 5;
/** In a configuration: the eIM asks for a token. */
const tokenWanted = -1;

/** Key identifiers of the CIs that this eUICC signs under; the first is its default. */
export type CiKeys = readonly Uint8Array[];

type AddError =
  | "insufficientMemory"
  | "associatedEimAlreadyExists"
  | "ciPKUnknown"
  | "invalidAssociationToken"
  | "counterValueOutOfRange"
  | "commandError";

export function eimOf(card: CardMemory, eimId: string): StoredEim | undefined {
  return card.eims.find((eim) => eim.eimId === eimId);
}

/** As GetEimConfigurationData gives it: with counter and token as they stand. */
export function configurationOf({ configuration, counterValue, associationToken }: StoredEim): EimConfigurationData {
  return { ...decode(EimConfigurationData, fromBase64(configuration)), counterValue, associationToken };
}

/** What signatures of packages end with: 84 and the token, or 84 01 00 without one (SGP.32 §2.11.1.1). */
export function tokenTlv(associationToken: number | undefined): Uint8Array {
  return encode(integer(0x84), associationToken ?? 0);
}

/** Whether `signature` is that eIM's over the package and its token: ECDSA with SHA-256, r and s of 32 octets each (BSI TR-03111). */
export function isSignedBy(eim: StoredEim, euiccPackageSigned: Uint8Array, signature: Uint8Array): boolean {
  const key = publicKeyOf(configurationOf(eim));
  if (key === undefined || signature.length !== 64) return false;
  return verify("sha256", concatBytes(euiccPackageSigned, tokenTlv(eim.associationToken)), { key, dsaEncoding: "ieee-p1363" }, signature);
}

const curves: readonly (string | undefined)[] = ["prime256v1", "brainpoolP256r1"];

/** Undefined when there is none that a package can be signed with. A certificate may be of any CA: only its key counts (SGP.32 §4.3). */
function publicKeyOf({ eimPublicKeyData: data }: EimConfigurationData): KeyObject | undefined {
  if (data === undefined) return undefined;
  try {
    const key =
      data.kind === "eimPublicKey"
        ? createPublicKey({ key: Buffer.from(data.value), format: "der", type: "spki" })
        : new X509Certificate(data.value).publicKey;
    return key.asymmetricKeyType === "ec" && curves.includes(key.asymmetricKeyDetails?.namedCurve) ? key : undefined;
  } catch {
    return undefined;
  }
}

/** ES10b.AddInitialEim (SGP.32 §5.9.4): only while no eIM is associated; all of them or none. */
export function addInitialEims(
  card: CardMemory,
  { eimConfigurationDataList: list }: AddInitialEimRequest,
  ciKeys: CiKeys,
): { readonly card: CardMemory; readonly response: AddInitialEimResponse } {
  const refused = (value: AddError): { readonly card: CardMemory; readonly response: AddInitialEimResponse } => ({
    card,
    response: { kind: "addInitialEimError", value },
  });
  if (card.eims.length > 0) return refused("associatedEimAlreadyExists");
  let after: CardMemory = { ...card, initialised: true };
  const tokens: ({ readonly kind: "associationToken"; readonly value: number } | { readonly kind: "addOk"; readonly value: true })[] = [];
  for (const configuration of list) {
    // Among the first ones a name that comes twice is a fault of the command.
    if (eimOf(after, configuration.eimId) !== undefined) return refused("commandError");
    const added = associated(after, configuration, ciKeys);
    if (typeof added === "string") return refused(added);
    after = added.card;
    tokens.push(added.token === undefined ? { kind: "addOk", value: true } : { kind: "associationToken", value: added.token });
  }
  return { card: after, response: { kind: "addInitialEimOk", value: tokens } };
}

function associated(
  card: CardMemory,
  configuration: EimConfigurationData,
  ciKeys: CiKeys,
): { readonly card: CardMemory; readonly token: number | undefined } | AddError {
  const { eimId, counterValue, associationToken } = configuration;
  if (eimOf(card, eimId) !== undefined) return "associatedEimAlreadyExists";
  if (card.eims.length >= maxEims) return "insufficientMemory";
  if (counterValue === undefined || publicKeyOf(configuration) === undefined) return "commandError";
  if (!isKnownCi(configuration, ciKeys)) return "ciPKUnknown";
  if (associationToken !== undefined && associationToken !== tokenWanted) return "invalidAssociationToken";
  if (!isCounter(counterValue)) return "counterValueOutOfRange";
  const token = associationToken === undefined ? undefined : card.tokenCounter + 1;
  const eim: StoredEim = {
    eimId,
    configuration: stored({
      eimIdType: "eimIdTypeProprietary",
      eimSupportedProtocol: ["eimProprietary"],
      euiccCiPKId: ciKeys[0],
      ...defined(configuration),
    }),
    counterValue: Number(counterValue),
    associationToken: token,
  };
  return { token, card: { ...card, tokenCounter: token ?? card.tokenCounter, eims: [...card.eims, eim] } };
}

export interface EcoOutcome {
  readonly card: CardMemory;
  readonly result: EuiccResultData;
}

/** SGP.32 §3.5.1 to §3.5.4 */
export function runEco(card: CardMemory, eco: Exclude<Eco, { readonly kind: "unknown" }>, ciKeys: CiKeys): EcoOutcome {
  switch (eco.kind) {
    case "addEim": {
      const added = associated(card, eco.value, ciKeys);
      if (typeof added === "string") return { card, result: { kind: "addEimResult", value: { kind: "addEimResultCode", value: added } } };
      const { token } = added;
      return {
        card: added.card,
        result: {
          kind: "addEimResult",
          value: token === undefined ? { kind: "addEimResultCode", value: "ok" } : { kind: "associationToken", value: token },
        },
      };
    }
    case "deleteEim": {
      const { eimId } = eco.value;
      if (eimOf(card, eimId) === undefined) return { card, result: { kind: "deleteEimResult", value: "eimNotFound" } };
      const eims = card.eims.filter((eim) => eim.eimId !== eimId);
      return { card: { ...card, eims }, result: { kind: "deleteEimResult", value: eims.length === 0 ? "lastEimDeleted" : "ok" } };
    }
    case "updateEim":
      return updateEim(card, eco.value, ciKeys);
    case "listEim": {
      const value = card.eims.map((eim) => {
        const { eimIdType } = configurationOf(eim);
        return { eimId: eim.eimId, eimIdType: eimIdType === "eimIdTypeProprietary" ? undefined : eimIdType };
      });
      return { card, result: { kind: "listEimResult", value: { kind: "eimIdList", value } } };
    }
  }
}

/** SGP.32 §3.5.3: what is given takes the place of what was; the token, which names this association, stays. */
function updateEim(card: CardMemory, configuration: EimConfigurationData, ciKeys: CiKeys): EcoOutcome {
  const answer = (value: "ok" | "eimNotFound" | "ciPKUnknown" | "counterValueOutOfRange" | "commandError"): EuiccResultData => ({
    kind: "updateEimResult",
    value,
  });
  const { eimId, counterValue, associationToken, eimPublicKeyData } = configuration;
  const known = eimOf(card, eimId);
  if (known === undefined) return { card, result: answer("eimNotFound") };
  if (associationToken !== undefined) return { card, result: answer("commandError") };
  if (eimPublicKeyData !== undefined && publicKeyOf(configuration) === undefined) return { card, result: answer("commandError") };
  if (!isKnownCi(configuration, ciKeys)) return { card, result: answer("ciPKUnknown") };
  if (counterValue !== undefined && !isCounter(counterValue)) return { card, result: answer("counterValueOutOfRange") };
  const updated: StoredEim = {
    ...known,
    counterValue: counterValue === undefined ? known.counterValue : Number(counterValue),
    configuration: stored({ ...decode(EimConfigurationData, fromBase64(known.configuration)), ...defined(configuration) }),
  };
  return { card: { ...card, eims: card.eims.map((eim) => (eim.eimId === eimId ? updated : eim)) }, result: answer("ok") };
}

function isKnownCi({ euiccCiPKId }: EimConfigurationData, ciKeys: CiKeys): boolean {
  return euiccCiPKId === undefined || ciKeys.some((key) => equalBytes(key, euiccCiPKId));
}

export function isCounter(value: number | bigint): boolean {
  return value >= 0 && value <= maxCounterValue;
}

function stored(configuration: EimConfigurationData): string {
  return toBase64(encode(EimConfigurationData, { ...configuration, counterValue: undefined, associationToken: undefined }));
}

/** Without the fields that are not there, so that a spread does not undo others. */
function defined(configuration: EimConfigurationData): EimConfigurationData {
  return Object.fromEntries(Object.entries(configuration).filter(([, value]) => value !== undefined)) as EimConfigurationData;
}
