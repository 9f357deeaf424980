// Faults set and cleared as POST /v1/faults does it: null puts the default back, whatever type the fault has.
import { describe, expect, it } from "vitest";
import { applyCardFaults } from "../../hw-sim/card-faults.ts";
import { applyEimFaults, defaultEimFaults } from "../../hw-sim/eim/faults.ts";
import { defaultFaults } from "../../hw-sim/euicc/types.ts";
import { applySmdpFaults, defaultSmdpFaults } from "../../hw-sim/smdp/faults.ts";

const targets = {
  eim: {
    make: defaultEimFaults,
    apply: applyEimFaults,
    set: {
      wrongSigningKey: 1,
      counterValue: 7,
      acknowledge: "none",
      tlsCertificate: "expired",
      notificationOk: true,
      httpStatus: { status: 503, times: 1 },
      errors: { getEimPackage: { code: 127, times: 1 } },
    },
  },
  smdp: {
    make: defaultSmdpFaults,
    apply: applySmdpFaults,
    set: {
      wrongSignature: "smdpSign",
      certificates: "foreign",
      ppk: true,
      flipBppOctet: 40,
      status: { cancelSession: { status: "insufficientMemory", times: 1 } },
    },
  },
  euicc: {
    make: defaultFaults,
    apply: applyCardFaults,
    set: {
      refreshQualifier: "none",
      catBusyTimes: 2,
      wrongSignature: true,
      refuseSegment: { segment: 1, sw: "6985" },
      statusWords: { BF22: "6A88" },
    },
  },
} as const;

describe.each(["eim", "smdp", "euicc"] as const)("faults of %s", (name) => {
  const { make, set } = targets[name];
  const apply: (faults: object, settings: unknown) => void = targets[name].apply as (faults: object, settings: unknown) => void;

  it("are all cleared by null", () => {
    const faults = make();
    apply(faults, set);
    for (const field of Object.keys(set)) expect(faults, field).not.toHaveProperty(field, Reflect.get(make(), field));
    apply(faults, Object.fromEntries(Object.keys(set).map((field) => [field, null])));
    expect(faults).toEqual(make());
  });

  it("leave what is not named, and change nothing when one is wrong", () => {
    const faults = make();
    apply(faults, set);
    const before = structuredClone(faults);
    const [first] = Object.keys(set);
    expect(() => apply(faults, { [String(first)]: null, nonsense: null })).toThrow(expect.objectContaining({ code: "SIM_REQUEST" }));
    expect(() => apply(faults, [null])).toThrow(expect.objectContaining({ code: "SIM_REQUEST" }));
    expect(() => apply(faults, null)).toThrow(expect.objectContaining({ code: "SIM_REQUEST" }));
    expect(faults).toEqual(before);
  });
});
