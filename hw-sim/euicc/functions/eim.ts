// The eIMs associated with the eUICC: reading them, the first ones put in locally, and the eCOs that add, change and remove them
// (SGP.32 §3.5, §5.9.4, §5.9.18).
import { type KeyObject, X509Certificate } from "node:crypto";
import { SimwardError } from "../../../base/errors.ts";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import {
  type AddInitialEimRequest,
  type AddInitialEimResponse,
  EimConfigurationData,
  type GetEimConfigurationDataRequest,
  type GetEimConfigurationDataResponse,
} from "../../../ipa/messages/eim-config.ts";
import type { EuiccResultData } from "../../../ipa/messages/package.ts";
import { curveOf, publicKeyOfSpki } from "../../crypto/ecdsa.ts";
import type { EuiccCore } from "../core.ts";
import type { CardState, StoredEim } from "../state.ts";
import type { Outcome } from "./switching.ts";

type AddError =
  | "insufficientMemory"
  | "associatedEimAlreadyExists"
  | "ciPKUnknown"
  | "invalidAssociationToken"
  | "counterValueOutOfRange"
  | "commandError";

/** In a configuration: the eIM asks for a token. */
const tokenWanted = -1;

export function eimOf(state: CardState, eimId: string): StoredEim | undefined {
  return state.eims.find((eim) => eim.eimId === eimId);
}

/** The key that eUICC packages of this eIM are signed with. Throws CERTIFICATE when there is none that can be used. */
export function eimPublicKey({ eimPublicKeyData: data }: EimConfigurationData): KeyObject {
  if (data === undefined) throw new SimwardError("CERTIFICATE", { detail: "eimPublicKeyData is missing" });
  const key = data.kind === "eimPublicKey" ? publicKeyOfSpki(data.value) : certifiedKey(data.value);
  if (curveOf(key) === undefined) throw new SimwardError("CERTIFICATE", { detail: "eimPublicKeyData holds a key of another kind" });
  return key;
}

/** The configuration as it stands now, with counter and token. */
function presentConfiguration(eim: StoredEim): EimConfigurationData {
  return { ...decode(EimConfigurationData, eim.configuration), counterValue: eim.counterValue, associationToken: eim.associationToken };
}

/** ES10b.GetEimConfigurationData */
export function getEimConfigurationData(core: EuiccCore, request: GetEimConfigurationDataRequest): GetEimConfigurationDataResponse {
  // In v1.0 there was nothing to ask for.
  const wanted = core.faults.version10 ? undefined : request.searchCriteria?.value;
  const eims = core.state.eims.filter((eim) => wanted === undefined || eim.eimId === wanted);
  return { eimConfigurationDataList: eims.map(presentConfiguration) };
}

/** ES10b.AddInitialEim: only while no eIM is associated; all of them or none. */
export function addInitialEim(core: EuiccCore, { eimConfigurationDataList: list }: AddInitialEimRequest): AddInitialEimResponse {
  if (core.state.eims.length > 0) return { kind: "addInitialEimError", value: "associatedEimAlreadyExists" };
  let state = core.state;
  const answers: { kind: "associationToken" | "addOk"; value: number | true }[] = [];
  for (const configuration of list) {
    // Among the first ones a name that comes twice is a fault of the command, not of the memory.
    if (eimOf(state, configuration.eimId) !== undefined) return { kind: "addInitialEimError", value: "commandError" };
    const added = associated(core, state, configuration);
    if (typeof added === "string") return { kind: "addInitialEimError", value: added };
    state = added.state;
    answers.push(added.token === undefined ? { kind: "addOk", value: true } : { kind: "associationToken", value: added.token });
  }
  core.update(() => state);
  return { kind: "addInitialEimOk", value: answers as Extract<AddInitialEimResponse, { kind: "addInitialEimOk" }>["value"] };
}

/** The memory with one eIM more, or why not. */
export function associated(
  core: EuiccCore,
  state: CardState,
  configuration: EimConfigurationData,
): { readonly state: CardState; readonly token: number | undefined } | AddError {
  const { eimId, counterValue, associationToken } = configuration;
  if (eimOf(state, eimId) !== undefined) return "associatedEimAlreadyExists";
  if (state.eims.length >= core.capabilities.maxEims || core.faults.memoryFull) return "insufficientMemory";
  if (counterValue === undefined || !hasUsableKey(configuration)) return "commandError";
  if (core.identity(configuration.euiccCiPKId) === undefined) return "ciPKUnknown";
  if (associationToken !== undefined && associationToken !== tokenWanted) return "invalidAssociationToken";
  const counter = counterInRange(core, counterValue);
  if (counter === undefined) return "counterValueOutOfRange";
  const token = associationToken === undefined ? undefined : state.tokenCounter + 1;
  const eim: StoredEim = {
    eimId,
    configuration: stored({
      eimIdType: "eimIdTypeProprietary",
      eimSupportedProtocol: ["eimProprietary"],
      euiccCiPKId: core.identities[0]?.ciPKId,
      ...defined(configuration),
    }),
    counterValue: counter,
    ...(token === undefined ? {} : { associationToken: token }),
  };
  return { token, state: { ...state, tokenCounter: token ?? state.tokenCounter, eims: [...state.eims, eim] } };
}

// --- eCOs -------------------------------------------------------------------------------------------------------------------

/** SGP.32 §3.5.1 */
export function addEim(core: EuiccCore, configuration: EimConfigurationData): Outcome<EuiccResultData> {
  const added = associated(core, core.state, configuration);
  if (typeof added === "string") return { result: { kind: "addEimResult", value: { kind: "addEimResultCode", value: added } } };
  const { state, token } = added;
  return {
    result: {
      kind: "addEimResult",
      value: token === undefined ? { kind: "addEimResultCode", value: "ok" } : { kind: "associationToken", value: token },
    },
    change: (now) => ({ ...now, eims: state.eims, tokenCounter: state.tokenCounter }),
  };
}

/** SGP.32 §3.5.2 */
export function deleteEim(core: EuiccCore, { eimId }: { readonly eimId: string }): Outcome<EuiccResultData> {
  if (eimOf(core.state, eimId) === undefined) return { result: { kind: "deleteEimResult", value: "eimNotFound" } };
  const last = core.state.eims.length === 1;
  return {
    result: { kind: "deleteEimResult", value: last ? "lastEimDeleted" : "ok" },
    change: (state) => ({ ...state, eims: state.eims.filter((eim) => eim.eimId !== eimId) }),
  };
}

/** SGP.32 §3.5.3: what is given takes the place of what was. The token stays; it names this association. */
export function updateEim(core: EuiccCore, configuration: EimConfigurationData): Outcome<EuiccResultData> {
  const refused = (value: "eimNotFound" | "ciPKUnknown" | "counterValueOutOfRange" | "commandError"): Outcome<EuiccResultData> => ({
    result: { kind: "updateEimResult", value },
  });
  const { eimId, counterValue, associationToken, eimPublicKeyData } = configuration;
  const known = eimOf(core.state, eimId);
  if (known === undefined) return refused("eimNotFound");
  if (associationToken !== undefined) return refused("commandError");
  if (eimPublicKeyData !== undefined && !hasUsableKey(configuration)) return refused("commandError");
  if (core.identity(configuration.euiccCiPKId) === undefined) return refused("ciPKUnknown");
  const counter = counterValue === undefined ? known.counterValue : counterInRange(core, counterValue);
  if (counter === undefined) return refused("counterValueOutOfRange");
  return {
    result: { kind: "updateEimResult", value: "ok" },
    change: (state) => ({
      ...state,
      eims: state.eims.map((eim) => {
        if (eim.eimId !== eimId) return eim;
        return {
          ...eim,
          counterValue: counter,
          configuration: stored({ ...decode(EimConfigurationData, eim.configuration), ...defined(configuration) }),
        };
      }),
    }),
  };
}

/** SGP.32 §3.5.4 */
export function listEim(core: EuiccCore): Outcome<EuiccResultData> {
  const value = core.state.eims.map((eim) => {
    const { eimIdType } = decode(EimConfigurationData, eim.configuration);
    return { eimId: eim.eimId, eimIdType: eimIdType === "eimIdTypeProprietary" ? undefined : eimIdType };
  });
  return { result: { kind: "listEimResult", value: { kind: "eimIdList", value } } };
}

/** An eIM's certificate may be of any CA: only its key is looked at (SGP.32 §4.3). */
function certifiedKey(certificate: Uint8Array): KeyObject {
  try {
    return new X509Certificate(certificate).publicKey;
  } catch (error) {
    throw new SimwardError("CERTIFICATE", { detail: "eimCertificate is no certificate", cause: error });
  }
}

// --- details ----------------------------------------------------------------------------------------------------------------

function stored(configuration: EimConfigurationData): Uint8Array {
  return encode(EimConfigurationData, { ...configuration, counterValue: undefined, associationToken: undefined });
}

/** Without the fields that are not there, so that a spread does not undo others. */
function defined(configuration: EimConfigurationData): EimConfigurationData {
  return Object.fromEntries(Object.entries(configuration).filter(([, value]) => value !== undefined)) as EimConfigurationData;
}

function counterInRange(core: EuiccCore, value: number | bigint): number | undefined {
  const counter = Number(value);
  return counter >= 0 && counter <= core.capabilities.maxCounterValue ? counter : undefined;
}

function hasUsableKey(configuration: EimConfigurationData): boolean {
  try {
    eimPublicKey(configuration);
    return true;
  } catch {
    return false;
  }
}
