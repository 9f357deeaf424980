// Profiles at the SM-DP+ from files: metadata out of the package or off the command line, refusals by file, and one of them in use.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bytesToPlmn, swappedBcdToDigits } from "../../../base/bytes.ts";
import { orderOf, parseProfileFile } from "../../../hw-sim/profile-files.ts";
import { makeProfile } from "../../../hw-sim/profiles.ts";
import { inDirectory, mainJob, timeLapse, withAgent } from "../card-socket/fleet.ts";

const plan = { iccid: "8949299000000000105", imsi: "262990000000010", serviceProvider: "Werksnetz", profileName: "Werksnetz test" };
const american = { iccid: "8901998000000000013", imsi: "310998000000001", serviceProvider: "Plains", profileName: "Plains IoT" };

describe("--profile", () => {
  test("says ICCID, provider, name and owner out of the package; the token is the file's name", () =>
    inDirectory(async (dir) => {
      for (const [one, name, plmn] of [
        [plan, "werk 7.der", "26299"],
        [american, "plains.upp.der", "310998"],
      ] as const) {
        writeFileSync(join(dir, name), makeProfile(one).upp);
        const order = orderOf(parseProfileFile(join(dir, name)));
        const { metadata } = order;
        expect({ ...metadata, iccid: swappedBcdToDigits(metadata.iccid), profileOwner: undefined }).toEqual({
          iccid: one.iccid,
          serviceProviderName: one.serviceProvider,
          profileName: one.profileName,
          profileClass: "operational",
        });
        expect(bytesToPlmn(metadata.profileOwner?.mccMnc ?? new Uint8Array(3))).toBe(plmn);
        expect(order.profile).toEqual(new Uint8Array(readFileSync(join(dir, name))));
      }
      expect(parseProfileFile(join(dir, "werk 7.der")).matchingId).toBe("werk-7");
      expect(parseProfileFile("plains.upp.der").matchingId).toBe("plains-upp");
    }));

  test("what the command line says goes before what the package says", () =>
    inDirectory(async (dir) => {
      writeFileSync(join(dir, "x.der"), makeProfile(plan).upp);
      const order = orderOf(parseProfileFile(`${join(dir, "x.der")},matchingId=A-1,name=Fleet,spn=Net,confirmationCode=1234`));
      expect(order).toMatchObject({
        matchingId: "A-1",
        confirmationCode: "1234",
        metadata: { profileName: "Fleet", serviceProviderName: "Net" },
      });
    }));

  test("refuses what is no package, naming file and reason", () =>
    inDirectory(async (dir) => {
      const upp = makeProfile(plan).upp;
      for (const [name, octets, reason] of [
        ["text.der", Buffer.from("hello"), /no profile package/],
        ["empty.der", new Uint8Array(0), /no profile package/],
        ["half.der", upp.subarray(0, upp.length / 2), /no profile package/],
      ] as const) {
        writeFileSync(join(dir, name), octets);
        expect(() => orderOf(parseProfileFile(join(dir, name)))).toThrow(
          expect.objectContaining({ code: "SIM_OPTION", detail: expect.stringMatching(new RegExp(`${name}: ${reason.source}`)) }),
        );
      }
      expect(() => orderOf(parseProfileFile(join(dir, "none.der")))).toThrow(
        expect.objectContaining({ code: "SIM_OPTION", detail: expect.stringContaining("ENOENT") }),
      );
    }));

  test("a profile from a file is downloaded, enabled and used", () =>
    inDirectory(async (dir) => {
      writeFileSync(join(dir, "werk.der"), makeProfile(plan).upp);
      const { clock, stop } = timeLapse();
      const profiles = [parseProfileFile(`${join(dir, "werk.der")},matchingId=WERK-1`)];
      await withAgent(clock, { profiles }, (fleet) => mainJob(fleet, "WERK-1", plan.iccid));
      stop();
    }));
});
