// Which binding carries ESipa: the whole main job in JSON, the choice, falling back from one to the next, what is remembered and for how long.
import { describe, expect, test } from "vitest";
import { c, clock, Vehicle } from "../support/vehicle.ts";

const both = ["coaps", "https"] as const;
const peer = (binding: "coaps" | "https" | "https-json") => ({ peers: [{ eimId: "eim.example.com", binding }] });

describe("the JSON binding", () => {
  test.each([
    ["as most write it", {}],
    ["with bare signatures and key identifiers, base64 in lines", { bareValues: true, lineBreaks: true }],
  ])("download, enable, report, notifications: %s", async (_, faults) => {
    const vehicle = new Vehicle({ schemes: both, ipa: peer("https-json"), eim: { faults } });
    const download = vehicle.download(c);
    const enable = vehicle.enable(c);
    const data = vehicle.order({ kind: "ipaEuiccData", tags: ["BF20", "BF22", "A5", "A6", "A8"] });
    expect(await vehicle.poll()).toMatchObject({ kind: "done", packages: 3, error: undefined });
    expect(vehicle.enabled()).toBe(c);
    await vehicle.deliver();
    for (const order of [download, enable, data]) expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    expect(vehicle.euicc.pending()).toEqual({ notifications: [], packageResults: [] });
    expect(new Set(vehicle.esipaBindings)).toEqual(new Set(["https json"]));
  });

  // shows: d4.header, d4.cancelSession
  test("a refusal by status code is the same refusal as by INTEGER, and the session is cancelled", async () => {
    const vehicle = new Vehicle({ schemes: both, ipa: peer("https-json") });
    const order = vehicle.download(c);
    await vehicle.eim.applyFaults({ errors: { getBoundProfilePackage: { code: 2, times: 1 } } });
    await vehicle.poll();
    expect(vehicle.installed()).not.toContain(c);
    const failed = vehicle.events.find(({ kind }) => kind === "download.failed");
    expect(failed).toMatchObject({ error: { message: expect.stringContaining("confirmationCodeMissing") } });
    expect(vehicle.esipa).toContain("cancelSession");
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed" });
  });
});

describe("the choice", () => {
  // shows: d6.preference
  test("coaps first where both are offered, https where it is preferred, one alone where configured", async () => {
    const used = async (options: ConstructorParameters<typeof Vehicle>[0]): Promise<string[]> => {
      const vehicle = new Vehicle({ schemes: both, ...options });
      await vehicle.poll();
      return vehicle.esipaBindings;
    };
    expect(await used({})).toEqual(["coaps asn1"]);
    expect(await used({ ipa: { preferBinding: "https" } })).toEqual(["https asn1"]);
    expect(await used({ ipa: { preferBinding: "https-json" } })).toEqual(["https json"]);
    expect(await used({ configuration: { protocols: ["eimRetrieveHttps"] } })).toEqual(["https asn1"]);
    expect(await used({ ipa: peer("https") })).toEqual(["https asn1"]);
  });

  // shows: d6.preference
  test("where coaps cannot connect, https: remembered over a restart, forgotten after a day", async () => {
    const vehicle = new Vehicle({ schemes: both });
    vehicle.blocked.add("coaps");
    expect(await vehicle.poll()).toMatchObject({ kind: "nothing", error: undefined });
    expect(vehicle.ipa.status().eims).toMatchObject([{ binding: "https", port: 443 }]);
    vehicle.blocked.clear();
    vehicle.restart();
    await vehicle.poll();
    expect(vehicle.esipaBindings).toEqual(["https asn1", "https asn1"]);
    await clock.runUntil(clock.sleep(25 * 3_600_000), 26 * 3_600_000);
    await vehicle.poll();
    expect(vehicle.esipaBindings.at(-1)).toBe("coaps asn1");
  });

  // shows: d6.preference
  test("an eIM that serves no ASN.1 over HTTPS is spoken to in JSON", async () => {
    const vehicle = new Vehicle({ schemes: ["https"], eim: { faults: { notServed: ["https"] } } });
    const order = vehicle.download(c);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", error: undefined });
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    expect(vehicle.esipaBindings.slice(0, 3)).toEqual(["https asn1", "https json", "https json"]);
  });

  test("one binding alone is configured: the other is not tried", async () => {
    const vehicle = new Vehicle({ schemes: both, ipa: peer("coaps") });
    vehicle.blocked.add("coaps");
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", error: { code: "DTLS_TIMEOUT" } });
    expect(vehicle.esipaBindings).toEqual([]);
  });

  test("nothing connects: the error is that of what was preferred; a refusal of the eIM's is not asked again elsewhere", async () => {
    const vehicle = new Vehicle({ schemes: both });
    vehicle.blocked.add("coaps").add("https");
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", error: { code: "DTLS_TIMEOUT" } });
    vehicle.blocked.clear();
    await vehicle.eim.applyFaults({ httpStatus: { status: 503, times: 1 } });
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", error: { code: "ESIPA_STATUS" } });
    expect(vehicle.esipaBindings).toEqual(["coaps asn1"]);
  });
});
