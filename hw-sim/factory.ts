// Where the built-in eUICC comes from: with the scenario's bootstrap profile, under certificates made here or somebody else's, with its memory.
import type { Clock } from "../base/clock.ts";
import { systemRandom } from "../base/random.ts";
import { encode } from "../ipa/asn1/schema.ts";
import { StoreMetadataRequest } from "../ipa/messages/profile-info.ts";
import { createEuicc } from "./euicc/euicc.ts";
import { type CardRoleName, cardRoles } from "./euicc/roles.ts";
import type { EuiccOptions, VirtualEuicc } from "./euicc/types.ts";
import type { CardIdentityFiles } from "./identity.ts";
import type { Pki } from "./pki/pki.ts";
import { makeProfile } from "./profiles.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import type { VehicleState } from "./state.ts";

export interface EuiccFactory {
  readonly clock: Clock;
  readonly identity: CardIdentityFiles;
  readonly state: VehicleState;
  readonly scenario: Scenario;
  /** sgp32 by default. */
  readonly role?: CardRoleName;
  /** EimConfigurationData, DER, associated at the factory where the card can know one. */
  readonly eims: readonly Uint8Array[];
  /** Where there is a vehicle with servers around it. */
  readonly addresses?: Pick<EuiccOptions, "defaultSmdpAddress" | "rootSmdsAddress">;
  /** What a test wants otherwise. */
  readonly euicc?: Partial<Pick<EuiccOptions, "capabilities" | "faults" | "profiles" | "eims">>;
}

/** Throws SIM_OPTION, PROFILE_PACKAGE. */
export function makeEuicc({ clock, identity, state, scenario, eims, addresses, euicc, role = "sgp32" }: EuiccFactory): VirtualEuicc {
  // An M2M eUICC is sold with an operator's profile besides: the SM-SR goes over to it when the time has come.
  const plans = [scenario.bootstrap, ...(scenario.installed ?? []), ...(cardRoles[role].overTheAir ? scenario.offers.slice(0, 1) : [])];
  const profiles = plans.map((plan, index) => {
    const { upp, metadata } = makeProfile(plan);
    return { upp, metadata: encode(StoreMetadataRequest, metadata), enabled: index === 0 };
  });
  return createEuicc({
    ...identity,
    role,
    clock,
    random: systemRandom,
    profiles,
    ...addresses,
    eims: cardRoles[role].es10 === "sgp32" ? eims : [],
    onChange: (snapshot) => state.saveSnapshot(snapshot),
    ...(state.snapshot === undefined ? {} : { snapshot: state.snapshot }),
    ...euicc,
  });
}

/** The eUICC that the virtual world's own EUM has made. */
export function identityOf(pki: Pki): CardIdentityFiles {
  const { certificate: euiccCertificate, privateKey } = pki.get("euicc");
  const identity = { ciCertificate: pki.get("ci").certificate, eumCertificate: pki.get("eum").certificate, euiccCertificate, privateKey };
  return { eid: pki.subjects.eid, identities: [identity] };
}
