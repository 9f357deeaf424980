// Subscriptions made into profiles: the package and the metadata, for the factory and for the SM-DP+ alike.
import { iccidToBytes, plmnToBytes } from "../base/bytes.ts";
import { type Random, systemRandom } from "../base/random.ts";
import type { StoreMetadataRequest } from "../ipa/messages/profile-info.ts";
import { buildProfilePackage } from "./euicc/pe/builder.ts";
import type { ProfilePlan } from "./scenarios/scenario.ts";

export interface MadeProfile {
  /** Unprotected Profile Package. */
  readonly upp: Uint8Array;
  readonly metadata: StoreMetadataRequest;
}

/** E-UTRAN, 3GPP TS 31.102 §4.2.5. */
const eutran = 0x4000;

/** Its keys are new each time: no network of the virtual world asks for them. */
export function makeProfile(plan: ProfilePlan, random: Random = systemRandom): MadeProfile {
  const mncDigits = /^(310|311)/.test(plan.imsi) ? 3 : 2;
  const plmn = plan.imsi.slice(0, 3 + mncDigits);
  return {
    upp: buildProfilePackage({
      iccid: plan.iccid,
      imsi: plan.imsi,
      mncDigits,
      spn: plan.serviceProvider,
      ki: random.bytes(16),
      opc: random.bytes(16),
      profileType: plan.profileName,
      ehplmns: [plmn],
      hplmnWithAct: [{ plmn, act: eutran }],
    }),
    metadata: {
      iccid: iccidToBytes(plan.iccid),
      serviceProviderName: plan.serviceProvider,
      profileName: plan.profileName,
      profileClass: plan.profileClass ?? "operational",
      profileOwner: { mccMnc: plmnToBytes(plmn) },
      ...(plan.fallbackAllowed === true ? { fallbackAllowed: true } : {}),
      ...(plan.ecallIndication === true ? { ecallIndication: true } : {}),
    },
  };
}
