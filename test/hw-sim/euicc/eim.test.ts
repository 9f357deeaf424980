// The first eIMs put in by the assistant, reading them back, certificates, addresses and what else the card tells of itself, with the
// vectors of the reference where they are.
import { describe, expect, it } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import {
  AddInitialEimRequest,
  AddInitialEimResponse,
  type EimConfigurationData,
  GetCertsRequest,
  GetCertsResponse,
  GetEimConfigurationDataRequest,
  GetEimConfigurationDataResponse,
} from "../../../ipa/messages/eim-config.ts";
import { EUICCInfo1, EUICCInfo2, GetEuiccInfo1Request, GetEuiccInfo2Request } from "../../../ipa/messages/euicc-info.ts";
import { bench, clock, eid, eimConfiguration, factoryProfile, identityOf, pki } from "./support.ts";

const unassociated = () => bench({ eims: [] });
const all = { eimConfigurationDataList: [] };

describe("AddInitialEim", () => {
  const add = (terminal: ReturnType<typeof bench>["channel"], list: readonly EimConfigurationData[]) =>
    terminal.call(AddInitialEimRequest, AddInitialEimResponse, { eimConfigurationDataList: list });

  // shows: b8.order, b8.token
  it("associates eIMs, in the order given, with tokens for those that ask", () => {
    const { euicc, channel } = unassociated();
    const list = [
      eimConfiguration(),
      eimConfiguration({ eimId: "two", associationToken: -1 }),
      eimConfiguration({ eimId: "three", associationToken: -1 }),
    ];
    expect(channel.sendHex(toHexUpper(encode(AddInitialEimRequest, { eimConfigurationDataList: list })))).toBe(
      "BF570AA0080500840101840102",
    );
    expect(euicc.eims()).toEqual(["eim.example.com", "two", "three"]);
  });

  // shows: b8.defaults
  it("fills in what is not said: proprietary name, proprietary protocol, the first CI", () => {
    const { channel } = unassociated();
    add(channel, [{ eimId: "bare", counterValue: 3, eimPublicKeyData: eimConfiguration().eimPublicKeyData }]);
    const { eimConfigurationDataList } = channel.call(GetEimConfigurationDataRequest, GetEimConfigurationDataResponse, {});
    expect(eimConfigurationDataList).toMatchObject([
      {
        eimId: "bare",
        eimIdType: "eimIdTypeProprietary",
        counterValue: 3,
        eimSupportedProtocol: ["eimProprietary"],
        euiccCiPKId: pki.get("ci").subjectKeyIdentifier,
      },
    ]);
  });

  // shows: b8.only-without, code.AddInitialEim.associatedEimAlreadyExists
  it("works once", () => {
    const { channel } = bench();
    expect(add(channel, [eimConfiguration({ eimId: "late" })])).toEqual({
      kind: "addInitialEimError",
      value: "associatedEimAlreadyExists",
    });
  });

  // shows: b8.mandatory, b8.names-once, b8.token, b8.all-or-nothing, code.AddInitialEim.commandError, code.AddInitialEim.ciPKUnknown
  // shows: code.AddInitialEim.invalidAssociationToken, code.AddInitialEim.counterValueOutOfRange
  it.each<[string, Partial<EimConfigurationData>]>([
    ["commandError", { counterValue: undefined }],
    ["commandError", { eimPublicKeyData: undefined }],
    ["commandError", { eimId: "eim.example.com" }],
    ["ciPKUnknown", { euiccCiPKId: fromHex("0102") }],
    ["invalidAssociationToken", { associationToken: 1 }],
    ["counterValueOutOfRange", { counterValue: 0x800000 }],
  ])("answers %s, and then associates none of them", (code, more) => {
    const { euicc, channel } = unassociated();
    expect(add(channel, [eimConfiguration(), eimConfiguration({ eimId: "two", ...more })])).toEqual({
      kind: "addInitialEimError",
      value: code,
    });
    expect(euicc.eims()).toEqual([]);
    expect(add(channel, [eimConfiguration({ associationToken: -1 })])).toMatchObject({ value: [{ kind: "associationToken", value: 1 }] });
  });

  // shows: code.AddInitialEim.insufficientMemory
  it("answers insufficientMemory when there is no room", () => {
    const { channel } = bench({ eims: [], capabilities: { maxEims: 1 } });
    expect(add(channel, [eimConfiguration(), eimConfiguration({ eimId: "two" })])).toEqual({
      kind: "addInitialEimError",
      value: "insufficientMemory",
    });
  });
});

describe("GetEimConfigurationData", () => {
  // shows: b2.eim-list
  it("gives all of them, or the one asked for, or an empty list", () => {
    const { channel } = bench();
    expect(channel.call(GetEimConfigurationDataRequest, GetEimConfigurationDataResponse, {}).eimConfigurationDataList).toEqual([
      eimConfiguration(),
    ]);
    expect(channel.sendHex("BF5508A006800465696D31")).toBe("BF5502A000");
    expect(unassociated().channel.call(GetEimConfigurationDataRequest, GetEimConfigurationDataResponse, {})).toEqual(all);
  });
});

describe("GetCerts", () => {
  // shows: b2.certs, code.GetCerts.invalidCiPKId
  it("gives the chain for a CI, the first one without it, and an error for another", () => {
    const { channel } = bench();
    const certs = { kind: "certs", value: { eumCertificate: pki.get("eum").certificate, euiccCertificate: pki.get("euicc").certificate } };
    expect(channel.call(GetCertsRequest, GetCertsResponse, {})).toEqual(certs);
    expect(channel.call(GetCertsRequest, GetCertsResponse, { euiccCiPKId: pki.get("ci").subjectKeyIdentifier })).toEqual(certs);
    expect(channel.sendHex("BF56068004F54172BD")).toBe("BF5603810101");
  });

  it("chooses between two CIs", () => {
    const second = createPki({ clock, curve: "brainpoolP256r1" });
    const { channel } = bench({ identities: [identityOf(pki), identityOf(second)] });
    const certs = channel.call(GetCertsRequest, GetCertsResponse, { euiccCiPKId: second.get("ci").subjectKeyIdentifier });
    expect(certs).toMatchObject({ value: { euiccCertificate: second.get("euicc").certificate } });
    const { euiccCiPKIdListForSigning } = channel.call(GetEuiccInfo1Request, EUICCInfo1, {});
    expect(euiccCiPKIdListForSigning).toEqual([pki.get("ci").subjectKeyIdentifier, second.get("ci").subjectKeyIdentifier]);
  });
});

describe("what the card tells of itself", () => {
  // shows: a5.info2-iot, b2.info1
  it("is its EID, its version of SGP.22 and SGP.32, and its CIs", () => {
    const { channel } = bench();
    expect(channel.sendHex("BF3E035C015A")).toBe(`BF3E125A10${eid}`);
    const info1 = channel.call(GetEuiccInfo1Request, EUICCInfo1, {});
    const info2 = channel.call(GetEuiccInfo2Request, EUICCInfo2, {});
    expect(info1.euiccCiPKIdListForVerification).toEqual([pki.get("ci").subjectKeyIdentifier]);
    expect(info2).toMatchObject({
      svn: fromHex("020500"),
      ipaMode: "ipad",
      iotSpecificInfo: { iotVersion: [fromHex("010200")], ecallSupported: true, fallbackSupported: true },
      euiccCiPKIdListForSigning: info1.euiccCiPKIdListForSigning,
    });
    expect(info2.rspCapability).toContain("additionalProfile");
    expect(info2.uiccCapability).toContain("akaMilenage");
  });

  it("is how much memory is left, less for each profile, nothing when it is full", () => {
    const free = (options: Parameters<typeof bench>[0]): number => {
      const { extCardResource } = bench(options).channel.call(GetEuiccInfo2Request, EUICCInfo2, {});
      return Number.parseInt(toHexUpper(extCardResource.subarray(5, 9)), 16);
    };
    const empty = free({ profiles: [] });
    const one = free({ profiles: [factoryProfile("a")] });
    expect(empty).toBe(512 * 1024);
    expect(one).toBeLessThan(empty);
    expect(empty - free({ profiles: [factoryProfile("a"), factoryProfile("b")] })).toBe(2 * (empty - one));
    expect(free({ eims: [], faults: { memoryFull: true } })).toBe(0);
    const { rspCapability } = bench({ capabilities: { maxProfiles: 2 } }).channel.call(GetEuiccInfo2Request, EUICCInfo2, {});
    expect(rspCapability).not.toContain("additionalProfile");
  });

  // shows: b2.addresses
  it("is its addresses, which may be set", () => {
    const { channel } = bench({ rootSmdsAddress: "lpa.ds.example", defaultSmdpAddress: "a.b" });
    expect(channel.sendHex("BF3C00")).toBe("BF3C158003612E62810E6C70612E64732E6578616D706C65");
    expect(channel.sendHex("BF65058003632E64")).toBe("BF6503800100");
    expect(channel.sendHex("BF3F058003652E66")).toBe("BF3F03800100");
    expect(channel.sendHex("BF3C00")).toContain("8003652E66");
  });

  // shows: b2.rat, b2.connectivity, code.GetConnectivityParameters.parametersNotAvailable, code.IpaeActivation.notSupported
  it("is its rules, its connectivity parameters if it has any, and that it has no IPA of its own", () => {
    const { channel } = bench();
    expect(channel.sendHex("BF4300")).toBe("BF4318A016301480020560A10B30098003EEEEEE81008200820100");
    expect(channel.sendHex("BF5F00")).toBe("BF5F03810101");
    expect(bench({ connectivityParameters: fromHex("AABB") }).channel.sendHex("BF5F00")).toBe("BF5F06A0048102AABB");
    expect(channel.sendHex("BF420480020780")).toBe("BF4203800101");
  });

  // shows: a5.ipae-activation, a5.ipae-back, a5.info2-ipa-mode, code.IpaeActivation.ok
  it("is, where it has an IPA of its own, which of both is active; a reset and the terminal's word bring the device's back", () => {
    const { euicc, channel } = bench({ capabilities: { ipae: true } });
    expect(channel.sendHex("BF420480020780")).toBe("BF4203800100");
    const mode = (): unknown =>
      bench({ snapshot: euicc.snapshot(), capabilities: { ipae: true } }).channel.call(GetEuiccInfo2Request, EUICCInfo2, {}).ipaMode;
    expect(decode(EUICCInfo2, channel.send(fromHex("BF2200")).data).ipaMode).toBe("ipae");
    expect(mode()).toBe("ipad");
  });
});
