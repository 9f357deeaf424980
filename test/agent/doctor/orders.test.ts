// Vehicles whose orders came to nothing: doctor says why the last download failed, and why the eUICC did not carry the last package out.
import { describe, expect, test } from "vitest";
import { downloadMeanings, meaningOf, packageMeanings } from "../../../agent/doctor/refusals.ts";
import { broken } from "../../support/broken.ts";
import { type FaultsByTarget, fleet, type Given, type World } from "../../support/e2e.ts";

const download =
  (faults: FaultsByTarget = {}) =>
  async ({ fault, download: order, poll }: World): Promise<void> => {
    await fault(faults);
    order(fleet);
    await poll();
  };

function failed(title: string, faults: FaultsByTarget, cause: RegExp, mend: RegExp, given: Omit<Given, "run"> = {}): void {
  broken(title, { ...given, breakIt: download(faults), check: "last-download", level: "warn", cause, mend, silent: ["eim-contact"] });
}

const withoutCode = async ({ order, vehicle, poll }: World): Promise<void> => {
  order({ kind: "download", activationCode: `${vehicle.activationCode(fleet.matchingId)}$$1` });
  await poll();
};

describe("why the last download failed", () => {
  const status = (subjectCode: string, reasonCode: string, name = "authenticateClient") => ({
    smdp: { status: { [name]: { subjectCode, reasonCode, times: 9 } } },
  });
  failed("the eUICC's memory is full", { euicc: { memoryFull: true } }, /memory is full.*insufficientMemory/i, /simward card info/);
  failed("the SM-DP+ is silent, and simward asks it itself", { smdp: { silentRequests: 99 } }, /SM-DP\+ does not answer/, /net probe/, {
    direct: true,
  });
  failed("the SM-DP+ is silent, and the eIM asks it", { smdp: { silentRequests: 99 } }, /eIM got no answer/, /eIM's operator/);
  failed("the SM-DP+ is of a foreign CI", { smdp: { certificates: "foreign" } }, /of a CI that does not count/, /simward card certs/);
  failed("the certificate of the SM-DP+ has expired", { smdp: { certificates: "expired" } }, /not accepted/, /date -u/);
  failed("the SM-DP+ signs wrongly", { smdp: { wrongSignature: "serverSignature1" } }, /does not verify/, /keys and certificates/);
  failed("the activation code is used up", status("8.2.6", "3.8"), /does not take the activation code/, /new activation code/);
  failed("the same with simward asking itself", status("8.2.6", "3.8"), /activation code.*8\.2\.6\/3\.8/, /new activation code/, {
    direct: true,
  });
  failed("the eUICC refuses a segment", { euicc: { refuseSegment: { segment: 4, sw: 0x6985 } } }, /SW 6985/, /simward trace es10/);
  failed("other metadata than announced", { smdp: { otherMetadata: true } }, /not the one that the SM-DP\+ announced/, /package last/);
  const asked = (subjectCode: string, reasonCode: string) => status(subjectCode, reasonCode, "getBoundProfilePackage");
  failed("a wrong confirmation code", asked("8.2.7", "3.8"), /does not take the confirmation code/, /confirmation_code_credential/);
  failed("a wrong one too often", asked("8.2.7", "6.4"), /wrong confirmation code too often/, /new activation code/);
  failed("the order has expired", asked("8.8.5", "4.10"), /let the order of this profile expire/, /release the order again/);
  failed("the package is cut off", { smdp: { truncateBppAt: 900 } }, /cut off or malformed/, /simward trace esipa/);
  failed("the profile is on the eUICC already", {}, /on the eUICC already/, /simward profile list/, { installed: [fleet] });
  broken("a confirmation code is wanted, and there is none", {
    ...{ breakIt: withoutCode, check: "last-download", level: "warn", cause: /wants a confirmation code/ },
    mend: /rsp\.confirmation_code_credential/,
  });

  test("without rsp.ci_dir the setting is named", () => {
    for (const detail of [
      "DOWNLOAD_REFUSED rsp.ci_dir names no GSMA CI certificates",
      "DOWNLOAD_REFUSED none of the GSMA CI certificates in rsp.ci_dir is of a CI",
    ])
      expect(meaningOf(downloadMeanings, detail)?.mend).toContain("rsp.ci_dir");
  });
});

describe("why the eUICC did not carry a package out", () => {
  const list = { kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] };
  broken("the eIM's counter has come out of step", {
    breakIt: async ({ fault, order, poll }) => {
      await fault({ eim: { counterValue: 1 } });
      order(list);
      await poll();
      order(list);
      await poll();
    },
    ...{ check: "last-package", level: "warn", cause: /counter is not above the eUICC's.*replayError/, mend: /simward eim show/ },
  });
  broken("the eIM signs with another key", {
    breakIt: async ({ fault, order, poll }) => {
      await fault({ eim: { wrongSigningKey: 9 } });
      order(list);
      await poll();
    },
    ...{ check: "last-package", level: "warn", cause: /cannot verify it/, mend: /eimPublicKeyData/ },
  });
  broken("the eIM enables a profile that is not there", {
    breakIt: async ({ order, poll }) => {
      order({ kind: "euiccPackage", psmos: [{ enable: { iccid: fleet.iccid, rollback: true } }] });
      await poll();
    },
    ...{ check: "last-package", level: "warn", cause: /not on the eUICC \(enable: iccidOrAidNotFound\)/, mend: /simward profile list/ },
  });
  broken("the profile that was enabled has no network, and was rolled back", {
    installed: [fleet],
    breakIt: async ({ fault, enable, poll }) => {
      await fault({ vehicle: { "no-coverage": fleet.iccid } });
      enable(fleet, { rollback: true });
      await poll();
    },
    ...{ check: "last-package", level: "warn", cause: /found no network, and the former one/, mend: /simward net apn test/ },
  });

  test("what no row knows is told as the eUICC said it", () => {
    expect(meaningOf(packageMeanings, "euiccPackageErrorSigned undefinedError")).toBeUndefined();
  });
});
