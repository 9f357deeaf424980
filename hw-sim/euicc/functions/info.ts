// What the eUICC tells of itself: EID, EUICCInfo, addresses, certificates, rules, connectivity parameters.
// Functions of ES10 are pure answers here; only SetDefaultDpAddress and IpaeActivation change something.
import { concatBytes, uintToBytes } from "../../../base/bytes.ts";
import { decode, encode, type Infer } from "../../../ipa/asn1/schema.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";
import { RulesAuthorisationTable } from "../../../ipa/messages/common.ts";
import type {
  EuiccConfiguredAddressesResponse,
  GetCertsRequest,
  GetCertsResponse,
  Sgp32SetDefaultDpAddressRequest,
  Sgp32SetDefaultDpAddressResponse,
} from "../../../ipa/messages/eim-config.ts";
import type { GetConnectivityParametersResponse, GetRatResponse } from "../../../ipa/messages/es10.ts";
import {
  type EUICCInfo1,
  type EUICCInfo2,
  GetEuiccDataResponse,
  type IpaeActivationRequest,
  type IpaeActivationResponse,
  ISDRProprietaryApplicationTemplate,
  ISDRProprietaryApplicationTemplateIoT,
} from "../../../ipa/messages/euicc-info.ts";
import type { EuiccCore } from "../core.ts";
import { uiccCapability } from "../pe/support.ts";
import { enabledProfile } from "../registry.ts";

const version = (major: number, minor: number, revision = 0): Uint8Array => Uint8Array.of(major, minor, revision);

/** The version of SGP.22 that the card names: that which SGP.32 v1.2 refers to, or its own. */
const svnOf = ({ role }: EuiccCore): Uint8Array => version(...role.svn);

/** ES10c.GetEID */
export function getEuiccData(core: EuiccCore): Uint8Array {
  return core.faults.omitEid ? writeTlv(0xbf3e) : encode(GetEuiccDataResponse, { eidValue: core.eidBytes });
}

/** ES10b.GetEUICCInfo1 */
export function euiccInfo1(core: EuiccCore): EUICCInfo1 {
  const keyIds = core.identities.map((identity) => identity.ciPKId);
  return { svn: svnOf(core), euiccCiPKIdListForVerification: keyIds, euiccCiPKIdListForSigning: keyIds };
}

/** ES10b.GetEUICCInfo2 */
export function euiccInfo2(core: EuiccCore): EUICCInfo2 {
  const { capabilities, state } = core;
  return {
    profileVersion: version(3, 3, 1),
    svn: svnOf(core),
    euiccFirmwareVer: version(1, 0),
    extCardResource: extendedCardResources(core),
    uiccCapability,
    globalplatformVersion: version(2, 3),
    rspCapability: [
      ...(state.profiles.length < capabilities.maxProfiles ? (["additionalProfile"] as const) : []),
      "crlSupport",
      "testProfileSupport",
    ],
    ...withoutSvn(euiccInfo1(core)),
    ppVersion: version(1, 0),
    sasAcreditationNumber: "simward-virtual-euicc",
    ...(core.role.es10 === "sgp32" ? iotInfo(core) : {}),
  };
}

/** What only an IoT eUICC has in its EUICCInfo2 (SGP.32 §5.9.2). */
function iotInfo({ capabilities, state, faults }: EuiccCore): Pick<EUICCInfo2, "ipaMode" | "iotSpecificInfo"> {
  if (faults.version10) return { ipaMode: "ipad", iotSpecificInfo: { iotVersion: [version(1, 0)] } };
  return {
    ipaMode: state.ipaMode,
    iotSpecificInfo: {
      iotVersion: [version(1, 2)],
      ecallSupported: capabilities.ecall ? true : undefined,
      fallbackSupported: capabilities.fallback ? true : undefined,
    },
  };
}

function withoutSvn({ svn: _, ...lists }: EUICCInfo1): Omit<EUICCInfo1, "svn"> {
  return lists;
}

/** ETSI TS 102 226 §8.2.1.7.2: applications, free non-volatile memory, free volatile memory. */
function extendedCardResources(core: EuiccCore): Uint8Array {
  return concatBytes(
    writeTlv(0x81, uintToBytes(core.state.profiles.length, 1)),
    writeTlv(0x82, uintToBytes(core.freeBytes, 4)),
    writeTlv(0x83, uintToBytes(core.capabilities.volatileMemoryBytes, 4)),
  );
}

/** ES10a.GetEuiccConfiguredAddresses */
export function configuredAddresses(core: EuiccCore): Infer<typeof EuiccConfiguredAddressesResponse> {
  return { defaultDpAddress: core.state.defaultSmdpAddress, rootDsAddress: core.rootSmdsAddress };
}

/** ES10a.SetDefaultDpAddress, and the PSMO of that name. */
export function setDefaultDpAddress(
  core: EuiccCore,
  { defaultDpAddress }: Sgp32SetDefaultDpAddressRequest,
): Sgp32SetDefaultDpAddressResponse {
  core.update((state) => ({ ...state, defaultSmdpAddress: defaultDpAddress }));
  return { setDefaultDpAddressResult: "ok" };
}

/** ES10b.GetCerts */
export function getCerts(core: EuiccCore, { euiccCiPKId }: GetCertsRequest): GetCertsResponse {
  const identity = core.identity(euiccCiPKId);
  if (identity === undefined) return { kind: "getCertsError", value: "invalidCiPKId" };
  return { kind: "certs", value: { eumCertificate: identity.eumCertificate, euiccCertificate: identity.euiccCertificate } };
}

/** ES10b.GetRAT */
export function getRat(core: EuiccCore): GetRatResponse {
  return { rat: decode(RulesAuthorisationTable, core.rulesAuthorisationTable) };
}

/** ES10b.GetConnectivityParameters: those of the enabled profile. */
export function connectivityParameters(core: EuiccCore): GetConnectivityParametersResponse {
  const enabled = enabledProfile(core.state);
  const own = enabled === undefined ? undefined : core.profileOf(enabled).header.connectivityParameters;
  const httpParams = own ?? core.connectivityParameters;
  if (httpParams === undefined) return { kind: "connectivityParametersError", value: "parametersNotAvailable" };
  return { kind: "connectivityParameters", value: { httpParams } };
}

/** ES10b.IpaeActivation; back to IPAd by a reset and TERMINAL CAPABILITY. */
export function ipaeActivation(core: EuiccCore, { ipaeOption }: IpaeActivationRequest): IpaeActivationResponse {
  if (!core.capabilities.ipae) return { ipaeActivationResult: "notSupported" };
  if (ipaeOption.includes("activateIpae")) core.update((state) => ({ ...state, ipaMode: "ipae" }));
  return { ipaeActivationResult: "ok" };
}

/** What the ISD-R says when it is selected (SGP.22 §5.7.1, SGP.32 §3.8.4). */
export function isdrTemplates(core: EuiccCore): Uint8Array {
  if (core.role.es10 === "none") return new Uint8Array(0);
  const sgp22 = encode(ISDRProprietaryApplicationTemplate, { svn: svnOf(core) });
  if (core.role.es10 === "sgp22" || core.faults.version10) return sgp22;
  const enabled = enabledProfile(core.state) !== undefined;
  return concatBytes(
    sgp22,
    encode(ISDRProprietaryApplicationTemplateIoT, {
      euiccConfiguration: [
        ...(core.capabilities.ipae ? (["ipaeSupported"] as const) : []),
        ...(enabled ? (["enabledProfile"] as const) : []),
      ],
    }),
  );
}
