// What an IPA may leave to its eIM in indirect downloads (SGP.32 §3.1.2.3, §3.2.3.2), both ends: only when configured, and announced first.
import { describe, expect, test } from "vitest";
import { decode } from "../../../ipa/asn1/schema.ts";
import { CancelSessionRequestEsipa, GetEimPackageResponse, InitiateAuthenticationRequestEsipa } from "../../../ipa/messages/esipa.ts";
import type { EimFeature } from "../../../ipa/options.ts";
import { c, Vehicle, type VehicleOptions } from "../support/vehicle.ts";

/** The eIM has asked what the IPA can and who the device is. */
async function announced(
  features: readonly EimFeature[],
  options: VehicleOptions = {},
): Promise<{ vehicle: Vehicle; sent: Map<string, Uint8Array> }> {
  const vehicle = new Vehicle({ ...options, ipa: { eimFeatures: features } });
  vehicle.order({ kind: "ipaEuiccData", tags: ["A8", "A9"] });
  await vehicle.poll();
  const sent = new Map<string, Uint8Array>();
  vehicle.intercept = (functionName, body) => {
    sent.set(functionName, body);
    return undefined;
  };
  return { vehicle, sent };
}

const asked = (sent: Map<string, Uint8Array>) =>
  decode(InitiateAuthenticationRequestEsipa, sent.get("initiateAuthentication") ?? new Uint8Array(0));
const cancelReason = (sent: Map<string, Uint8Array>): unknown => {
  const message = sent.get("cancelSession");
  if (message === undefined) return undefined;
  const { cancelSessionResponse } = decode(CancelSessionRequestEsipa, message);
  return cancelSessionResponse.kind === "cancelSessionResponseOk"
    ? cancelSessionResponse.value.euiccCancelSessionSigned.value.reason
    : undefined;
};

describe("eimDownloadDataHandling", () => {
  // shows: e0.eimDownloadDataHandling, bf54.empty, e6.02-initiate
  test("the trigger is empty, the IPA names no SM-DP+, and the profile comes all the same", async () => {
    const { vehicle, sent } = await announced(["eimDownloadDataHandling"]);
    const order = vehicle.download(c);
    await vehicle.poll();
    expect(vehicle.installed()).toContain(c);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    expect(asked(sent).smdpAddress).toBeUndefined();
    expect(asked(sent).eimTransactionId).toHaveLength(16);
    expect(vehicle.events.find(({ kind }) => kind === "download.started")).toEqual(expect.objectContaining({ smdpAddress: undefined }));
  });

  // shows: e0.eimDownloadDataHandling, e6.02-initiate
  test("not configured: the IPA names the SM-DP+", async () => {
    const { vehicle, sent } = await announced([]);
    vehicle.download(c);
    await vehicle.poll();
    expect(asked(sent).smdpAddress).toBe("dp.example.com");
  });

  test("direct download does not take an empty trigger: there is nothing to go to", async () => {
    const { vehicle } = await announced(["eimDownloadDataHandling"], { direct: true, configuration: { indirectProfileDownload: false } });
    vehicle.download(c);
    await vehicle.poll();
    expect(vehicle.installed()).toContain(c);
    expect(vehicle.esipa).toContain("getBoundProfilePackage");
  });
});

describe("eimCtxParams1Generation", () => {
  // shows: e0.eimCtxParams1Generation, d2.bf39-response
  test("the eIM's ctxParams1, with what it knows of the device, goes to the card", async () => {
    const { vehicle } = await announced(["eimCtxParams1Generation"]);
    vehicle.imei = undefined;
    vehicle.download(c);
    await vehicle.poll();
    expect(vehicle.installed()).toContain(c);
    // The device says no IMEI now: the one that goes to the SM-DP+ is the eIM's.
    expect(vehicle.apdus.join("")).toContain("53926011");
  });
});

describe("eimProfileMetadataVerification", () => {
  const ppr2 = { ppr: ["ppr2"] } as const;
  const forbidden = { euicc: { rulesAuthorisationTable: Uint8Array.of(0x30, 0x00) } };

  // shows: e0.eimProfileMetadataVerification, e13.pprNotAllowed, e6.05-rules
  test("the IPA asks the card for no rules; the eIM refuses what it does not allow, and the session ends with pprNotAllowed", async () => {
    const { vehicle, sent } = await announced(["eimProfileMetadataVerification"], { eim: { allowedPolicyRules: [] } });
    const order = vehicle.order({ kind: "download", activationCode: vehicle.offer(c, ppr2 as never) });
    await vehicle.poll();
    expect(vehicle.steps()).not.toContain("ES10b.GetRAT");
    expect(cancelReason(sent)).toBe("pprNotAllowed");
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed" });
    expect(vehicle.installed()).not.toContain(c);
  });

  // shows: e0.eimProfileMetadataVerification, e13.metadataMismatch
  test("a package with other metadata than were shown is held back by the eIM: metadataMismatch", async () => {
    const { vehicle, sent } = await announced(["eimProfileMetadataVerification"]);
    vehicle.smdp.applyFaults({ otherMetadata: true });
    vehicle.download(c);
    await vehicle.poll();
    expect(cancelReason(sent)).toBe("metadataMismatch");
    expect(vehicle.steps()).not.toContain("ES10b.LoadBoundProfilePackage");
  });

  // shows: e6.05-rules, e0.eimProfileMetadataVerification
  test("not configured: the card's table decides", async () => {
    const { vehicle, sent } = await announced([], forbidden);
    vehicle.order({ kind: "download", activationCode: vehicle.offer(c, ppr2 as never) });
    await vehicle.poll();
    expect(vehicle.steps()).toContain("ES10b.GetRAT");
    expect(cancelReason(sent)).toBe("pprNotAllowed");
  });
});

test("an eIM that was told nothing gives whole triggers", async () => {
  const vehicle = new Vehicle();
  let trigger: unknown;
  vehicle.intercept = (functionName, body) => {
    if (functionName !== "getEimPackage") return undefined;
    return vehicle.eim.handle(body).then((answer) => {
      if (answer === "silence") throw new Error("no answer");
      const package_ = decode(GetEimPackageResponse, answer.body);
      if (package_.kind === "profileDownloadTriggerRequest") trigger = package_.value.profileDownloadData?.kind;
      return answer;
    });
  };
  vehicle.download(c);
  await vehicle.poll();
  expect(trigger).toBe("activationCode");
});
