// A profile download that is cut, altered, refused or interrupted anywhere: nothing is installed, the SM-DP+ and the eIM are told, the next one works.
import { describe, expect } from "vitest";
import type { ErrorCode } from "../../base/errors.ts";
import { seededRandom } from "../../base/random.ts";
import { bppSegments } from "../../ipa/euicc/bpp.ts";
import { bootstrap, fleet, scenario, type World } from "../support/e2e.ts";

const times = "[eim]\nexchange_timeout_seconds = 20\n";

interface Alteration {
  readonly name: string;
  readonly alter: (bpp: Uint8Array, at: number) => Uint8Array;
}

const inverted: Alteration = {
  name: "inverted",
  alter: (bpp, at) => {
    const out = bpp.slice();
    out[at] = (out[at] ?? 0) ^ 0xff;
    return out;
  },
};
const cut: Alteration = { name: "cut off there", alter: (bpp, at) => bpp.slice(0, at) };
const doubled: Alteration = {
  name: "sent twice",
  alter: (bpp, at) => Uint8Array.from([...bpp.subarray(0, at + 1), ...bpp.subarray(at)]),
};

/** What must come of a download that fails, whatever made it fail; answers why, as the audit trail has it. */
async function fails(world: World, what: string): Promise<{ readonly code: ErrorCode; readonly message: string }> {
  const { download, poll, enabled, installed, vehicle, audit } = world;
  const before = (await audit.records()).length;
  const order = download(fleet);
  expect(await poll(), what).toEqual({ packages: 1, code: undefined });
  expect(order().state, what).toBe("failed");
  expect([enabled(), installed()], what).toEqual([bootstrap.iccid, [bootstrap.iccid]]);
  expect(vehicle.euicc.pending(), what).toEqual({ notifications: [], packageResults: [] });
  const records = (await audit.records()).slice(before);
  const names = records.map(({ event }) => event);
  expect(names, what).toContain("download.failed");
  // By the eUICC's own result to the SM-DP+, which the eIM relays, or by the IPA's report to the eIM.
  expect(names.includes("notification.delivered") || names.includes("package.reported"), what).toBe(true);
  return records.find(({ event }) => event === "download.failed")?.data?.error as unknown as { code: ErrorCode; message: string };
}

describe("a Bound Profile Package that is not what the SM-DP+ made", () => {
  const forms = [
    { form: "", ppk: false, segments: [0, 1, 2, 3, 4, 5, 6], tags: ["bf", "a0", "a1", "88", "a3", "86"] },
    // What is new in it: ReplaceSessionKeys, and the elements under the profile's own keys.
    { form: ", with profile protection keys", ppk: true, segments: [4, 6], tags: ["a2", "86"] },
  ];
  for (const { form, ppk, segments, tags } of forms)
    scenario(`first, middle and last octet of every segment inverted, cut off, sent twice${form}`, {
      config: times,
      async run(world) {
        const { vehicle, poll, download } = world;
        vehicle.smdp.faults.ppk = ppk;
        const codes = new Set<ErrorCode>();
        const seen = new Set<string>();
        for (const segment of segments)
          for (const where of [0, 0.5, 1])
            for (const { name, alter } of [inverted, cut, doubled]) {
              vehicle.smdp.faults.transformBpp = (bpp) => {
                const parts = bppSegments(bpp);
                const length = parts[segment]?.length ?? 0;
                const start = parts.slice(0, segment).reduce((sum, one) => sum + one.length, 0);
                seen.add(Buffer.from(parts[segment]?.subarray(0, 1) ?? []).toString("hex"));
                return alter(bpp, start + Math.min(length - 1, Math.floor(length * where)));
              };
              codes.add((await fails(world, `segment ${segment + 1}, at ${where}, ${name}`)).code);
            }
        expect([...seen]).toEqual(tags);
        expect([...codes].sort()).toEqual(["DOWNLOAD_FAILED", "ESIPA_RESPONSE", "PACKAGE_FORMAT"]);
        vehicle.smdp.faults.transformBpp = undefined;
        const good = download(fleet);
        await poll();
        expect(good()).toMatchObject({ state: "done" });
      },
    });

  scenario("any octet altered in any way", {
    config: times,
    async run(world) {
      const random = seededRandom(32);
      for (let i = 0; i < 40; i++) {
        const [where, value] = [random.unit(), Math.floor(random.unit() * 255) + 1];
        let at = 0;
        world.vehicle.smdp.faults.transformBpp = (bpp) => {
          const out = bpp.slice();
          at = Math.floor(where * bpp.length);
          out[at] = (out[at] ?? 0) ^ value;
          return out;
        };
        await fails(world, `octet ${at} ^ ${value}`);
      }
      world.vehicle.smdp.faults.transformBpp = undefined;
    },
  });
});

describe("a segment that the eUICC refuses", () => {
  scenario("each of them: the session is cancelled at eUICC, eIM and SM-DP+, and the next download works", {
    config: times,
    async run(world) {
      for (let segment = 1; segment <= 7; segment++) {
        await world.fault({ euicc: { refuseSegment: { segment, sw: 0x6985 } } });
        const { code, message } = await fails(world, `segment ${segment}`);
        expect(code).toBe("APDU_STATUS");
        expect(message).toMatch(/LoadBoundProfilePackage: STORE DATA block \d of \d: SW 6985/);
        expect(await world.audit.data("download.cancelled")).toMatchObject({ reason: "loadBppExecutionError" });
      }
      await world.fault({ euicc: { refuseSegment: undefined } });
      const good = world.download(fleet);
      await world.poll();
      expect(good()).toMatchObject({ state: "done" });
    },
  });
});

describe("a step before the package", () => {
  const steps: readonly {
    readonly what: string;
    readonly faults: Parameters<World["fault"]>[0];
    readonly code: ErrorCode;
    readonly words: RegExp;
  }[] = [
    {
      what: "an SM-DP+ with an expired certificate",
      faults: { smdp: { certificates: "expired" } },
      code: "ES10_REFUSED",
      words: /AuthenticateServer: invalidCertificate/,
    },
    {
      what: "an SM-DP+ under a foreign CI",
      faults: { smdp: { certificates: "foreign" } },
      code: "DOWNLOAD_REFUSED",
      words: /not under the CI/,
    },
    {
      what: "serverSignature1",
      faults: { smdp: { wrongSignature: "serverSignature1" } },
      code: "ES10_REFUSED",
      words: /AuthenticateServer: invalidSignature/,
    },
    {
      what: "smdpSignature2",
      faults: { smdp: { wrongSignature: "smdpSignature2" } },
      code: "ES10_REFUSED",
      words: /PrepareDownload: invalidSignature/,
    },
    {
      what: "smdpSign",
      faults: { smdp: { wrongSignature: "smdpSign" } },
      code: "DOWNLOAD_FAILED",
      words: /initialiseSecureChannel: invalidSignature/,
    },
    { what: "other metadata than the package's", faults: { smdp: { otherMetadata: true } }, code: "DOWNLOAD_REFUSED", words: /metadata/ },
    { what: "an eUICC without room", faults: { euicc: { memoryFull: true } }, code: "ESIPA_REFUSED", words: /insufficientMemory/ },
    {
      what: "an eUICC that signs wrongly",
      faults: { euicc: { wrongSignature: true } },
      code: "ESIPA_REFUSED",
      words: /euiccSignatureInvalid/,
    },
    {
      what: "InitiateAuthentication refused",
      faults: { eim: { errors: { initiateAuthentication: { code: 127, times: 1 } } } },
      code: "ESIPA_REFUSED",
      words: /InitiateAuthentication: undefinedError/,
    },
    {
      what: "AuthenticateClient refused",
      faults: { eim: { errors: { authenticateClient: { code: 127, times: 1 } } } },
      code: "ESIPA_REFUSED",
      words: /AuthenticateClient: undefinedError/,
    },
    {
      what: "GetBoundProfilePackage refused",
      faults: { eim: { errors: { getBoundProfilePackage: { code: 127, times: 1 } } } },
      code: "ESIPA_REFUSED",
      words: /GetBoundProfilePackage: undefinedError/,
    },
    {
      what: "an eUICC that knows no AuthenticateServer",
      faults: { euicc: { statusWords: { 48952: 0x6a88 } } },
      code: "ES10_UNSUPPORTED",
      words: /AuthenticateServer.*6A88/,
    },
    {
      what: "an eUICC that fails at PrepareDownload",
      faults: { euicc: { statusWords: { 48929: 0x6f00 } } },
      code: "APDU_STATUS",
      words: /PrepareDownload.*6F00/,
    },
    {
      what: "an SM-DP+ that answers 500",
      faults: { smdp: { httpStatus: { status: 500, times: 1 } } },
      code: "ESIPA_REFUSED",
      words: /InitiateAuthentication/,
    },
  ];
  const none: Parameters<World["fault"]>[0] = {
    smdp: { certificates: "own", wrongSignature: "none", otherMetadata: false, httpStatus: null },
    euicc: { memoryFull: false, wrongSignature: false, statusWords: {} },
    eim: { errors: {} },
  };
  for (const { what, faults, code, words } of steps)
    scenario(`${what}: ${code}`, {
      config: times,
      async run(world) {
        await world.fault(faults);
        const error = await fails(world, what);
        expect(error).toMatchObject({ code, message: expect.stringMatching(words) });
        await world.fault(none);
        const good = world.download(fleet);
        await world.poll();
        expect(good()).toMatchObject({ state: "done" });
      },
    });

  scenario("an SM-DP+ that is silent: unreachable, begun anew by itself, installed once", {
    config: times,
    faults: { smdp: { silentRequests: 1 } },
    async run({ download, poll, until, audit, notified }) {
      const order = download(fleet);
      expect(await poll()).toEqual({ packages: 1, code: "ESIPA_UNREACHABLE" });
      await until(order, ({ state }) => state === "done");
      const told = await until(
        () => audit.events("download.f"),
        (events) => events.length > 0,
      );
      expect(told).toEqual(["download.finished"]);
      await notified("install");
    },
  });
});
