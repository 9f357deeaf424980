// Every error of ES9+ that the SM-DP+ can be told to answer, by name and by codes, on each function; and that a download goes on behind it.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { iccidToBytes } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { parseFault } from "../../../hw-sim/faults.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { readEs9Errors } from "../../../hw-sim/smdp/faults.ts";
import type { JsonObject } from "../../../hw-sim/smdp/json.ts";
import { createSmdp, type Smdp } from "../../../hw-sim/smdp/smdp.ts";
import { es9Functions, es9Statuses, esipaErrorOf } from "../../../hw-sim/smdp/status.ts";
import { createVehicle } from "../../../hw-sim/vehicle.ts";
import { authenticate, type Call, getBpp, initiate, statusOf } from "./es9-client.ts";
import { TestEuicc } from "./test-euicc.ts";

const clock = new VirtualClock();
const pki = createPki({ clock });
const iccid = iccidToBytes("8949000000000000012");
const metadata = { iccid, serviceProviderName: "SPN", profileName: "Profile A", profileClass: "operational" } as const;

function setUp(): { smdp: Smdp; call: Call; euicc: TestEuicc } {
  const orders = [{ matchingId: "TOKEN-1", profile: new Uint8Array(randomBytes(500)), metadata }];
  const smdp = createSmdp({ clock, pkis: [pki], address: "dp.example.com", orders });
  return { smdp, call: (name, body) => smdp.handle(name, body), euicc: new TestEuicc({ pki }) };
}

type DownloadFunction = "initiateAuthentication" | "authenticateClient" | "getBoundProfilePackage";

/** The statuses of a download's steps, up to the first that is no success. */
async function steps(call: Call, euicc: TestEuicc): Promise<string[]> {
  const out: string[] = [];
  const step = async (asked: Promise<JsonObject>): Promise<JsonObject | undefined> => {
    const answer = await asked;
    out.push(statusOf(answer));
    return statusOf(answer) === "Executed-Success" ? answer : undefined;
  };
  const initiated = await step(initiate(call, euicc, "dp.example.com"));
  const authenticated = initiated === undefined ? undefined : await step(authenticate(call, euicc, initiated, "TOKEN-1"));
  if (authenticated !== undefined) await step(getBpp(call, euicc, authenticated));
  return out;
}

const downloadFunctions: readonly DownloadFunction[] = ["initiateAuthentication", "authenticateClient", "getBoundProfilePackage"];
const ok = "Executed-Success";
const success = [ok, ok, ok];

/** Subject and reason as SGP.22 §5.2.6 numbers them, with the ESipa error that an eIM has for it where it has one. */
const known: readonly (readonly [codes: string, functionName: DownloadFunction | "cancelSession", esipa: string])[] = [
  ["8.8.1/3.8", "initiateAuthentication", "invalidDpAddress"],
  ["8.8.3/3.1", "initiateAuthentication", "euiccVersionNotSupportedByDp"],
  ["8.8.2/3.1", "initiateAuthentication", "ciPKIdNotSupported"],
  ["8.8.4/3.7", "initiateAuthentication", "ciPKIdNotSupported"],
  ["8.1.2/6.1", "authenticateClient", "eumCertificateInvalid"],
  ["8.1.2/6.3", "authenticateClient", "eumCertificateExpired"],
  ["8.1.3/6.1", "authenticateClient", "euiccCertificateInvalid"],
  ["8.1.3/6.3", "authenticateClient", "euiccCertificateExpired"],
  ["8.1/6.1", "authenticateClient", "euiccSignatureInvalid"],
  ["8.1/6.1", "getBoundProfilePackage", "euiccSignatureInvalid"],
  ["8.2.6/3.8", "authenticateClient", "matchingIdRefused"],
  ["8.1.1/3.8", "authenticateClient", "eidMismatch"],
  ["8.2.5/4.3", "authenticateClient", "noEligibleProfile"],
  ["8.11.1/3.9", "authenticateClient", "ciPKUnknown"],
  ["8.10.1/3.9", "authenticateClient", "invalidTransactionId"],
  ["8.10.1/3.9", "getBoundProfilePackage", "invalidTransactionId"],
  ["8.10.1/3.9", "cancelSession", "invalidTransactionId"],
  ["8.1/4.8", "authenticateClient", "insufficientMemory"],
  ["8.2/1.2", "authenticateClient", "undefinedError"],
  ["8.2.7/2.2", "getBoundProfilePackage", "confirmationCodeMissing"],
  ["8.2.7/3.8", "getBoundProfilePackage", "confirmationCodeRefused"],
  ["8.2.7/6.4", "getBoundProfilePackage", "confirmationCodeRetriesExceeded"],
  ["8.2/3.7", "getBoundProfilePackage", "bppRebindingRefused"],
  ["8.8.5/4.10", "getBoundProfilePackage", "downloadOrderExpired"],
  ["8.8/3.10", "cancelSession", "undefinedError"],
  ["8.9.5/3.9", "authenticateClient", "eventIdUnknown"],
];

describe("the table of statuses", () => {
  test.each(known)("%s of %s is there, and an eIM makes %s of it", (codes, functionName, esipa) => {
    const rows = Object.values(es9Statuses).filter(({ subjectCode, reasonCode }) => `${subjectCode}/${reasonCode}` === codes);
    expect(rows).toHaveLength(1);
    const [subjectCode = "", reasonCode = ""] = codes.split("/");
    expect(esipaErrorOf(functionName, subjectCode, reasonCode)).toBe(esipa);
  });

  test("has no pair of codes twice", () => {
    const codes = Object.values(es9Statuses).map(({ subjectCode, reasonCode }) => `${subjectCode}/${reasonCode}`);
    expect(new Set(codes).size).toBe(codes.length);
  });
});

describe.each(downloadFunctions)("%s answers as told", (functionName) => {
  const before = success.slice(0, downloadFunctions.indexOf(functionName));

  test.each(Object.entries(es9Statuses))("%s", async (status, { subjectCode, reasonCode }) => {
    const { smdp, call, euicc } = setUp();
    smdp.applyFaults({ status: { [functionName]: { status, times: 1 } } });
    expect(await steps(call, euicc)).toEqual([...before, `${subjectCode}/${reasonCode}`]);
    smdp.applyFaults({ status: { [functionName]: { subjectCode, reasonCode, times: 1 } } });
    expect(await steps(call, new TestEuicc({ pki }))).toEqual([...before, `${subjectCode}/${reasonCode}`]);
    // What was refused for no fault of its own is there for the next one.
    expect(await steps(call, new TestEuicc({ pki }))).toEqual(success);
  });
});

describe("codes", () => {
  test("that no table has are answered all the same, as often as asked", async () => {
    const { smdp, call, euicc } = setUp();
    smdp.applyFaults({ status: { initiateAuthentication: { subjectCode: "9.9", reasonCode: "12.34", times: 2 } } });
    for (const expected of [["9.9/12.34"], ["9.9/12.34"], success]) expect(await steps(call, euicc)).toEqual(expected);
  });

  test("come with an execution status of their own; Executed-WithWarning ends nothing", async () => {
    const { smdp, call, euicc } = setUp();
    const told = { subjectCode: "8.2", reasonCode: "1.2", times: 1 };
    smdp.applyFaults({ status: { initiateAuthentication: { ...told, execution: "Expired" } } });
    expect(await initiate(call, euicc, "dp.example.com")).toMatchObject({ header: { functionExecutionStatus: { status: "Expired" } } });
    smdp.applyFaults({ status: { initiateAuthentication: { ...told, execution: "Executed-WithWarning" } } });
    const warned = await initiate(call, euicc, "dp.example.com");
    expect(warned.header).toEqual({
      functionExecutionStatus: {
        status: "Executed-WithWarning",
        statusCodeData: { subjectCode: "8.2", reasonCode: "1.2", message: "The profile has not yet been released" },
      },
    });
    expect(statusOf(await authenticate(call, euicc, warned, "TOKEN-1"))).toBe(ok);
  });

  test("that are none are refused, and nothing is changed", () => {
    const { smdp } = setUp();
    const bad = [
      { subjectCode: "8.2", times: 1 },
      { subjectCode: "x", reasonCode: "1.2", times: 1 },
      { status: "noSuchStatus", times: 1 },
    ];
    for (const one of bad)
      expect(() => smdp.applyFaults({ status: { cancelSession: one } })).toThrow(expect.objectContaining({ code: "SIM_REQUEST" }));
    expect(smdp.faults.status).toEqual({});
  });
});

describe("--fault es9-error", () => {
  test("is written function:subject/reason, with how often, for several functions", () => {
    expect(readEs9Errors("getBoundProfilePackage:8.2.7/3.8:2,cancelSession:8.10.1/3.9")).toEqual({
      getBoundProfilePackage: { subjectCode: "8.2.7", reasonCode: "3.8", times: 2 },
      cancelSession: { subjectCode: "8.10.1", reasonCode: "3.9", times: Number.MAX_SAFE_INTEGER },
    });
    for (const text of [
      "",
      "cancelSession",
      "cancelSession:8/1:0",
      "noFunction:8/1",
      "cancelSession:8.1",
      "cancelSession:8/1,cancelSession:8/2",
    ])
      expect(() => parseFault(`es9-error=${text}`)).toThrow(/FUNCTION:SUBJECT\/REASON/);
  });

  test("reads what it would be written as, and nothing else", () => {
    const part = fc.integer({ min: 0, max: 99 });
    const code = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("."));
    const item = fc.tuple(fc.constantFrom(...es9Functions), code, code, fc.integer({ min: 1, max: 999 }));
    fc.assert(
      fc.property(item, ([name, subjectCode, reasonCode, times]) => {
        expect(readEs9Errors(`${name}:${subjectCode}/${reasonCode}:${times}`)).toEqual({ [name]: { subjectCode, reasonCode, times } });
      }),
      { seed: 9, numRuns: 200 },
    );
  });

  test("is obeyed by the vehicle's SM-DP+ from the start, and no more once it is cleared", async () => {
    const vehicle = await createVehicle({ faults: [{ name: "es9-error", value: "initiateAuthentication:8.8.1/3.8" }] });
    try {
      const ask = async () => statusOf(await vehicle.smdp.handle("initiateAuthentication", {}));
      expect(await ask()).toBe("8.8.1/3.8");
      vehicle.faults.set("es9-error", "initiateAuthentication:8.8.3/3.1");
      expect(await ask()).toBe("8.8.3/3.1");
      vehicle.faults.clear("es9-error");
      expect(await ask()).toBe("1.6/2.2");
    } finally {
      await vehicle.close();
    }
  });
});
