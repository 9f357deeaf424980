// Puts a virtual eUICC together: from the factory, or from the memory of one that ran before.
// `createEuicc` is all that the rest of the virtual vehicle needs to know.
import { iccidToBytes, swappedBcdToDigits, toHexUpper } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { decode, encode } from "../../ipa/asn1/schema.ts";
import { RulesAuthorisationTable } from "../../ipa/messages/common.ts";
import { EimConfigurationData } from "../../ipa/messages/eim-config.ts";
import { StoreMetadataRequest } from "../../ipa/messages/profile-info.ts";
import { Card } from "./card.ts";
import { EuiccCore, metadataOf } from "./core.ts";
import { associated } from "./functions/eim.ts";
import { enableOverTheAir } from "./over-the-air.ts";
import { iccidOf, imsiOf, readProfile } from "./pe/reader.ts";
import { freeIsdpAid } from "./registry.ts";
import { cardRoles } from "./roles.ts";
import { type CardState, decodeSnapshot } from "./state.ts";
import { defaultCapabilities, defaultFaults, type EuiccOptions, type FactoryProfile, type VirtualEuicc } from "./types.ts";

/** Every operator may use both rules, without asking. */
const openTable = encode(RulesAuthorisationTable, [
  {
    pprIds: ["ppr1", "ppr2"],
    allowedOperators: [{ mccMnc: Uint8Array.of(0xee, 0xee, 0xee), gid1: new Uint8Array(0), gid2: new Uint8Array(0) }],
    pprFlags: [],
  },
]);

/**
 * Keeps its memory through `onChange`, synchronously, whole, at every step that must survive a power cut; the last snapshot given out,
 * passed in again, is the same card after the power came back. Throws SIM_OPTION, PROFILE_PACKAGE for factory contents that cannot be.
 */
export function createEuicc(options: EuiccOptions): VirtualEuicc {
  if (!/^\d{32}$/.test(options.eid)) throw new SimwardError("SIM_OPTION", { detail: "an EID has 32 digits" });
  const faults = { ...defaultFaults(), ...options.faults };
  const { role: roleName = "sgp32" } = options;
  const role = cardRoles[roleName];
  const core = new EuiccCore({
    eid: options.eid,
    role,
    identities: options.identities,
    clock: options.clock,
    random: options.random,
    capabilities: { ...defaultCapabilities, ...role.capabilities, ...options.capabilities },
    faults,
    state: options.snapshot === undefined ? blankState(options) : decodeSnapshot(options.snapshot, options.eid, roleName),
    onChange: options.onChange,
    rulesAuthorisationTable: options.rulesAuthorisationTable ?? openTable,
    rootSmdsAddress: options.rootSmdsAddress ?? "testrootsmds.example.com",
    connectivityParameters: options.connectivityParameters,
  });
  if (options.snapshot === undefined) core.update((state) => personalised(core, state, options));
  const card = new Card(core);
  return {
    eid: options.eid,
    role: roleName,
    faults,
    process: (apdu) => card.process(apdu),
    reset: () => card.reset(),
    readFile: (path) => card.readFile(path),
    get iccid() {
      return card.iccid;
    },
    get imsi() {
      return card.imsi;
    },
    onRefresh: (fn) => card.onRefresh(fn),
    orderOverTheAir: (iccid) => orderOverTheAir(core, iccid),
    snapshot: () => core.snapshot(),
    profiles: () =>
      core.state.profiles.map((profile) => {
        const { profileName, serviceProviderName } = metadataOf(profile);
        return {
          iccid: swappedBcdToDigits(profile.iccid),
          imsi: imsiOf(core.profileOf(profile).files),
          aid: toHexUpper(profile.aid),
          state: profile.state,
          profileName,
          serviceProviderName,
          fallbackAttribute: profile.fallbackAttribute,
        };
      }),
    pending: () => ({
      notifications: core.state.notifications.map((entry) => entry.seqNumber),
      packageResults: core.state.packageResults.map((entry) => entry.seqNumber),
    }),
    eims: () => core.state.eims.map((eim) => eim.eimId),
  };
}

function orderOverTheAir({ state }: EuiccCore, iccid: string): Uint8Array {
  const { overTheAir } = state;
  const profile = state.profiles.find((one) => swappedBcdToDigits(one.iccid) === iccid);
  if (overTheAir === undefined) throw new SimwardError("SIM_OPTION", { detail: "the card takes no orders over the air" });
  if (profile === undefined) throw new SimwardError("SIM_OPTION", { detail: `the card has no profile ${iccid}` });
  return enableOverTheAir({ ...overTheAir, counter: overTheAir.counter + 1 }, profile.aid);
}

function blankState({ eid, defaultSmdpAddress, role = "sgp32" }: EuiccOptions): CardState {
  return {
    version: 1,
    eid,
    role,
    profiles: [],
    eims: [],
    tokenCounter: 0,
    seqCounter: 0,
    notifications: [],
    packageResults: [],
    ipaMode: cardRoles[role].ipaMode,
    ...(cardRoles[role].overTheAir ? { overTheAir: { kid: systemRandom.bytes(16), counter: 0 } } : {}),
    ...(defaultSmdpAddress === undefined ? {} : { defaultSmdpAddress }),
  };
}

function personalised(core: EuiccCore, blank: CardState, { profiles = [], eims = [] }: EuiccOptions): CardState {
  const withProfiles = profiles.reduce((state, profile) => withFactoryProfile(core, state, profile), blank);
  return eims.reduce((state, der) => {
    const added = associated(core, state, decode(EimConfigurationData, der));
    if (typeof added === "string") throw new SimwardError("SIM_OPTION", { detail: `eIM at the factory: ${added}` });
    return added.state;
  }, withProfiles);
}

function withFactoryProfile(core: EuiccCore, state: CardState, { upp, metadata, enabled = false }: FactoryProfile): CardState {
  const { iccid } = decode(StoreMetadataRequest, metadata);
  const own = iccidOf(readProfile(upp).files);
  const digits = swappedBcdToDigits(iccid);
  if (own !== digits) throw new SimwardError("PROFILE_PACKAGE", { detail: "EF.ICCID is not that of the metadata" });
  if (state.profiles.some((profile) => swappedBcdToDigits(profile.iccid) === digits))
    throw new SimwardError("PROFILE_PACKAGE", { detail: "two profiles with one ICCID" });
  if (enabled && state.profiles.some((profile) => profile.state === "enabled"))
    throw new SimwardError("SIM_OPTION", { detail: "two profiles enabled at the factory" });
  const profile = {
    aid: freeIsdpAid(state),
    iccid: iccidToBytes(digits),
    state: enabled ? ("enabled" as const) : ("disabled" as const),
    metadata,
    upp,
    updates: {},
    fallbackAttribute: false,
    preloaded: true,
    ciPKId: core.preferred.ciPKId,
  };
  return { ...state, profiles: [...state.profiles, profile] };
}
