// Changes that the vehicle itself makes (fallback and return, emergency profile, memory reset, a download on the spot): what each eIM is told of them,
// and what an eIM gets for an answer while the emergency profile is enabled.
import { describe, expect, test } from "vitest";
import { toHexUpper } from "../../base/bytes.ts";
import { seededRandom } from "../../base/random.ts";
import { createEim } from "../../hw-sim/eim/eim.ts";
import { createIpa } from "../../ipa/ipa.ts";
import type { LocalSwitchFunction } from "../../ipa/machines/local-switch.ts";
import type { EmergencySource } from "../../ipa/ports.ts";
import { bench, identityOf, factoryProfile as profileOf } from "../hw-sim/euicc/support.ts";
import { a, b, c, clock, eid, factoryProfile, pki, Vehicle } from "../ipa/support/vehicle.ts";
import { cardOf } from "../ipa/support/virtual-card.ts";

/** Two eIMs, a profile to fall back to, one for emergencies. */
function vehicleWithBoth(): { vehicle: Vehicle; heard: string[] } {
  const profiles = [
    factoryProfile(a, true),
    factoryProfile(b, false, { fallbackAllowed: true }),
    factoryProfile(c, false, { ecallIndication: true }),
  ];
  const vehicle = new Vehicle({ profiles, secondEim: true });
  const heard: string[] = [];
  for (const eim of [vehicle.eim, vehicle.eim2])
    eim?.onEvent((event) => void (event.type === "stateChange" && heard.push(`${eim.eimId} ${String(event.cause)}`)));
  vehicle.order({ kind: "euiccPackage", psmos: [{ setFallbackAttribute: { iccid: b } }] });
  return { vehicle, heard };
}

const both = (cause: string): string[] => [`eim.example.com ${cause}`, `eim2 ${cause}`];

describe("each eIM is told once, with its next poll", () => {
  async function switched(...functions: readonly LocalSwitchFunction[]): Promise<{ enabled: string | undefined; heard: string[] }> {
    const { vehicle, heard } = vehicleWithBoth();
    await vehicle.poll();
    for (const fn of functions) {
      heard.length = 0;
      expect(await vehicle.run(vehicle.ipa.switchLocally(fn))).toMatchObject({ outcome: "switched", online: true });
      await vehicle.poll();
      await vehicle.poll();
    }
    return { enabled: vehicle.enabled(), heard };
  }

  // shows: e9.told, e9.effect, e14.fallback, e2.11-state-change, code.StateChangeCause.fallback
  test("of fallback", async () => {
    expect(await switched("executeFallbackMechanism")).toEqual({ enabled: b, heard: both("fallback") });
  });

  // shows: e9.return, e14.fallback
  test("of the return from it", async () => {
    expect(await switched("executeFallbackMechanism", "returnFromFallback")).toEqual({ enabled: a, heard: both("fallback") });
  });

  // shows: e11.told, e11.enable, e14.emergencyProfile, code.StateChangeCause.emergencyProfile
  test("of the emergency profile", async () => {
    expect(await switched("enableEmergencyProfile")).toEqual({ enabled: c, heard: both("emergencyProfile") });
  });

  // shows: e11.told, e11.disable, e14.emergencyProfile
  test("of its end", async () => {
    expect(await switched("enableEmergencyProfile", "disableEmergencyProfile")).toEqual({ enabled: a, heard: both("emergencyProfile") });
  });

  // shows: e14.reset, code.StateChangeCause.reset
  test("of a memory reset", async () => {
    const { vehicle, heard } = vehicleWithBoth();
    await vehicle.poll();
    expect(await vehicle.run(vehicle.ipa.local.memoryReset(["resetDefaultSmdpAddress"]))).toMatchObject({ resetResult: "ok" });
    await vehicle.poll();
    await vehicle.poll();
    expect(heard).toEqual(both("reset"));
  });

  // shows: e14.local, code.StateChangeCause.local
  test("of a profile that was downloaded on the spot", async () => {
    const vehicle = new Vehicle({ direct: true });
    const heard: unknown[] = [];
    vehicle.eim.onEvent((event) => void (event.type === "stateChange" && heard.push(event.cause)));
    await vehicle.poll();
    await vehicle.run(vehicle.ipa.local.download({ activationCode: vehicle.offer(c) }));
    expect(vehicle.installed()).toEqual([a, c]);
    await vehicle.poll();
    await vehicle.poll();
    expect(heard).toEqual(["local"]);
  });
});

describe("while the emergency profile is enabled", () => {
  /** An IPA of its own, with the interlock that the daemon has. */
  async function underEmergency(order: Record<string, unknown>) {
    const eim = createEim({
      clock,
      pki,
      euiccs: [{ eid, euiccCertificate: pki.get("euicc").certificate, eumCertificate: pki.get("eum").certificate }],
    });
    const card = bench({
      profiles: [profileOf("a", { enabled: true }), profileOf("b", { ecallIndication: true })],
      eims: [eim.configurationData({ fqdn: "eim.example" })],
      eid,
      identities: [identityOf(pki)],
      clock,
    });
    const functions: string[] = [];
    const sources = new Set<EmergencySource>();
    const apdus: string[] = [];
    const ways = cardOf(card.euicc);
    const ipa = createIpa({
      card: {
        ...ways,
        open: async (aid, signal) => {
          const channel = await ways.open(aid, signal);
          return {
            ...channel,
            transmit: (apdu, aborted) => {
              apdus.push(toHexUpper(apdu));
              return channel.transmit(apdu, aborted);
            },
          };
        },
      },
      transports: [
        {
          scheme: "coaps",
          exchange: async (_, { functionName, body }) => {
            functions.push(functionName);
            const answer = await eim.handle(body);
            return answer === "silence" ? new Promise(() => undefined) : answer;
          },
        },
      ],
      clock,
      random: seededRandom(1),
      events: { emit: () => undefined },
      gate: { check: () => ({ kind: "allow" }) },
      journal: { load: async () => undefined, save: async () => undefined },
      connectivity: {
        adopt: async () => {
          card.euicc.reset();
          return "online";
        },
      },
      device: () => ({ imei: undefined, rPlmn: undefined }),
      interlock: {
        get sources() {
          return [...sources];
        },
        cardRead: (enabled) => void (enabled ? sources.add("profile") : sources.delete("profile")),
      },
      options: { terminalCapability: "none" },
    });
    await clock.runUntil(ipa.start(), 3_600_000);
    await clock.runUntil(ipa.switchLocally("enableEmergencyProfile"), 3_600_000);
    const id = eim.addOrder({ eid, ...order });
    functions.length = 0;
    apdus.length = 0;
    await clock.runUntil(ipa.pollOnce(), 3_600_000);
    await ipa.close();
    return { order: eim.order(id), functions, apdus, profiles: card.euicc.profiles().length };
  }

  // shows: e11.bars-data, e7.ecall, code.IpaEuiccDataError.ecallActive
  test("a data request is answered ecallActive, and nothing is read from the card for it", async () => {
    const { order, functions, apdus } = await underEmergency({ kind: "ipaEuiccData", tags: ["BF20", "BF22"] });
    expect(order).toMatchObject({ state: "failed", reason: "ecallActive" });
    expect(functions).toEqual(["getEimPackage", "provideEimPackageResult", "getEimPackage"]);
    // Notifications and results that may wait are looked for after a poll, as ever.
    expect(apdus.filter((apdu) => !/^80E2.*BF2B|^00C0/.test(apdu))).toEqual([]);
  });

  // shows: e11.bars-downloads, code.ProfileDownloadError.ecallActive
  test("a download does not begin; the eIM gets profileDownloadError with ecallActive", async () => {
    const { order, functions, profiles } = await underEmergency({ kind: "download", activationCode: "LPA:1$dp.example.com$TOKEN" });
    expect(order).toMatchObject({ state: "failed", reason: "profileDownloadError: ecallActive" });
    expect(functions).not.toContain("initiateAuthentication");
    expect(profiles).toBe(2);
  });

  // shows: e11.bars-packages, c5.ecall, code.EuiccPackageError.ecallActive
  test("a package goes to the card, which refuses it, signed", async () => {
    const { order } = await underEmergency({ kind: "euiccPackage", psmos: [{ getRAT: {} }] });
    expect(order).toMatchObject({ state: "failed", reason: "ecallActive" });
  });
});
