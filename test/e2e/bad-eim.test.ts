// An eIM that is not who it says, or sends what it must not: nothing of it is carried out, the eIM is told, the audit trail knows, the daemon goes on.
import { describe, expect } from "vitest";
import type { ErrorCode } from "../../base/errors.ts";
import { bootstrap, fleet, scenario } from "../support/e2e.ts";

const times = "[eim]\nexchange_timeout_seconds = 20\n";

describe("a package that the eUICC refuses", () => {
  const refusals: readonly {
    readonly title: string;
    readonly faults: object;
    readonly reason: string;
    readonly result: object;
    readonly audit: object;
  }[] = [
    {
      title: "signed with another key: no reason is given to whom it may not be given, and nothing is signed",
      faults: { wrongSigningKey: 1 },
      reason: "euiccPackageErrorUnsigned",
      result: { kind: "euiccPackageErrorUnsigned", verified: false },
      audit: { result: "euiccPackageErrorUnsigned", outcomes: [] },
    },
    {
      title: "signed over another association token",
      faults: { wrongToken: 1 },
      reason: "euiccPackageErrorUnsigned",
      result: { kind: "euiccPackageErrorUnsigned", verified: false },
      audit: { result: "euiccPackageErrorUnsigned", outcomes: [] },
    },
    {
      title: "with the counter of the package before",
      faults: { replayedCounter: 1 },
      reason: "replayError",
      result: { kind: "euiccPackageError", errorCode: "replayError", verified: true },
      audit: { result: "euiccPackageErrorSigned", error: "replayError", outcomes: [] },
    },
    {
      title: "for another EID",
      faults: { wrongEid: 1 },
      reason: "invalidEid",
      result: { kind: "euiccPackageError", errorCode: "invalidEid", verified: true },
      audit: { result: "euiccPackageErrorSigned", error: "invalidEid", outcomes: [] },
    },
    {
      title: "with a counter beyond the eUICC's ceiling",
      faults: { counterValue: 0x80_0000 },
      reason: "counterValueOutOfRange",
      result: { kind: "euiccPackageError", errorCode: "counterValueOutOfRange", verified: true },
      audit: { result: "euiccPackageErrorSigned", error: "counterValueOutOfRange", outcomes: [] },
    },
  ];
  for (const { title, faults, reason, result, audit: recorded } of refusals)
    scenario(title, {
      installed: [fleet],
      async run({ order, enable, poll, fault, enabled, audit, esipa }) {
        const before = order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
        await poll();
        expect(before()).toMatchObject({ state: "done", counterValue: 1 });
        await fault({ eim: faults });
        const refused = enable(fleet, { rollback: true });
        expect(await poll()).toEqual({ packages: 1, code: undefined });
        expect(refused()).toMatchObject({ state: "failed", reason, deliveries: 1, results: [result] });
        expect(enabled()).toBe(bootstrap.iccid);
        expect(await audit.data("package.executed")).toMatchObject(recorded);
        expect(await audit.events("package.", "profile.")).toEqual([
          ...["package.received", "package.executed", "package.reported"],
          ...["package.received", "package.executed", "package.reported"],
        ]);
        expect(esipa().slice(-3)).toEqual(["getEimPackage", "provideEimPackageResult", "getEimPackage"]);
      },
    });
});

describe("a package that is no package", () => {
  const packages: readonly { readonly title: string; readonly hex: string; readonly code: ErrorCode; readonly told: string }[] = [
    { title: "noise", hex: "00112233445566778899", code: "PACKAGE_FORMAT", told: "invalidPackageFormat" },
    { title: "text", hex: Buffer.from("<html>502</html>").toString("hex"), code: "PACKAGE_FORMAT", told: "invalidPackageFormat" },
    { title: "of a kind to come", hex: "BF4F05BF7F028000", code: "PACKAGE_UNKNOWN", told: "unknownPackage" },
    { title: "another message altogether", hex: "BF7F028000", code: "PACKAGE_UNKNOWN", told: "unknownPackage" },
    { title: "cut short", hex: "BF4F35BF513A3033800465696D31", code: "PACKAGE_FORMAT", told: "invalidPackageFormat" },
    { title: "without a package", hex: "BF4F00", code: "PACKAGE_FORMAT", told: "invalidPackageFormat" },
    { title: "with a length that nothing could hold", hex: "BF4F84FFFFFFFF", code: "PACKAGE_FORMAT", told: "invalidPackageFormat" },
  ];
  for (const { title, hex, code, told } of packages)
    scenario(title, {
      async run({ order, poll, enabled, audit, events }) {
        const sent = order({ kind: "raw", hex });
        expect(await poll()).toEqual({ packages: 1, code: undefined });
        expect(sent()).toMatchObject({ state: "failed", results: [{ kind: "eimPackageResultResponseError", code: told }] });
        expect(await audit.events("package.")).toEqual(["package.malformed", "package.reported"]);
        expect(await audit.data("package.malformed")).toMatchObject({ code });
        expect(events().filter(({ name }) => String(name).startsWith("ES10b.Load"))).toEqual([]);
        expect(enabled()).toBe(bootstrap.iccid);
      },
    });

  scenario("an eUICC package that does not decode: refused under its own transaction", {
    async run({ order, poll }) {
      const sent = order({ kind: "raw", hex: "BF4F11BF510E300C800465696D318204AABBCCDD" });
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(sent()).toMatchObject({ results: [{ code: "invalidPackageFormat", eimTransactionId: "AABBCCDD" }] });
    },
  });

  scenario("noise in place of every answer, then silence, then reason", {
    config: times,
    async run({ fault, poll, audit }) {
      await fault({ eim: { garbage: { octets: "DEADBEEF", times: 2 } } });
      expect(await poll()).toMatchObject({ packages: 1, code: "ESIPA_RESPONSE" });
      expect(await audit.events("package.")).toEqual(["package.malformed", "package.unreported"]);
      await fault({ eim: { silentRequests: 3 } });
      expect(await poll()).toMatchObject({ packages: 0, code: "ESIPA_UNREACHABLE" });
      await fault({ eim: { silentRequests: 0 } });
      expect(await poll()).toEqual({ packages: 0, code: undefined });
      expect(await audit.events("package.")).toEqual(["package.malformed", "package.unreported", "package.reported"]);
    },
  });
});

describe("a certificate that must not be believed", () => {
  const certificates = [
    { tlsCertificate: "foreign", code: "TLS_UNTRUSTED" },
    { tlsCertificate: "expired", code: "TLS_EXPIRED" },
    { tlsCertificate: "wrongHost", code: "TLS_HOST_MISMATCH" },
  ] as const;
  for (const binding of ["coaps", "https"] as const)
    for (const { tlsCertificate, code } of certificates)
      scenario(`${tlsCertificate}, ${binding}: refused before anything is said, after a good session too`, {
        binding,
        installed: [fleet],
        config: times,
        async run({ enable, poll, fault, esipa, status, audit, enabled }) {
          expect(await poll()).toEqual({ packages: 0, code: undefined });
          await fault({ eim: { tlsCertificate } });
          const order = enable(fleet, { rollback: true });
          expect(await poll()).toEqual({ packages: 0, code });
          expect(esipa()).toEqual(["getEimPackage"]);
          expect(order()).toMatchObject({ state: "queued", deliveries: 0 });
          expect(await status()).toMatchObject({ eims: [{ lastError: { code, retry: "operator" } }] });
          expect(await audit.data("error")).toMatchObject({ where: "eIM eim.example.com", error: { code } });
          expect(enabled()).toBe(bootstrap.iccid);

          await fault({ eim: { tlsCertificate: "own" } });
          expect(await poll()).toEqual({ packages: 1, code: undefined });
          expect(order()).toMatchObject({ state: "done" });
          expect((await status()).eims[0]?.lastError).toBeUndefined();
        },
      });
});

describe("an eIM that is silent", () => {
  for (const binding of ["coaps", "https"] as const)
    scenario(`before any package, ${binding}: the poll ends by its deadline, and the daemon asks again by itself`, {
      binding,
      installed: [fleet],
      config: times,
      async run({ enable, poll, fault, until, audit, clock }) {
        await fault({ eim: { silentRequests: 1 } });
        const order = enable(fleet, { rollback: true });
        const fromMs = clock.monotonicMs();
        expect(await poll()).toEqual({ packages: 0, code: "ESIPA_UNREACHABLE" });
        expect(clock.monotonicMs() - fromMs).toBeLessThan(30_000);
        expect(await audit.data("error")).toMatchObject({ error: { code: "ESIPA_UNREACHABLE", retry: "online" } });
        await until(order, ({ state }) => state === "done");
      },
    });

  const refusals = [
    { what: "an error status", faults: { httpStatus: { status: 503, times: 1 } }, code: "ESIPA_STATUS" },
    { what: "an error of GetEimPackage", faults: { errors: { getEimPackage: { code: 2, times: 1 } } }, code: "ESIPA_REFUSED" },
  ] as const;
  for (const { what, faults, code } of refusals)
    scenario(`no, but answers ${what}: audited, asked again later`, {
      faults: { eim: faults },
      async run({ poll, audit }) {
        expect(await poll()).toEqual({ packages: 0, code });
        expect(await audit.data("error")).toMatchObject({ error: { code } });
        expect(await poll()).toEqual({ packages: 0, code: undefined });
      },
    });

  scenario("after the execution of a package that changes no profile: the card keeps the result, and it is delivered once", {
    installed: [fleet],
    config: times,
    async run({ order, poll, fault, event, eim, vehicle, audit, until }) {
      const sent = order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
      const polling = poll();
      await event("package.executed");
      await fault({ eim: { silentRequests: 4 } });
      expect(await polling).toEqual({ packages: 1, code: "ESIPA_UNREACHABLE" });
      expect(vehicle.euicc.pending().packageResults).toHaveLength(1);
      expect(eim.results()).toEqual([]);
      await fault({ eim: { silentRequests: 0 } });
      await until(sent, ({ state }) => state === "done");
      expect(eim.results()).toHaveLength(1);
      // The eIM is done a moment before the vehicle has written that down.
      const told = await until(
        () => audit.events("package."),
        (events) => events.includes("package.reported"),
      );
      expect(told).toEqual(["package.received", "package.executed", "package.unreported", "package.reported"]);
    },
  });

  scenario("towards acknowledgements, known to the configuration: its delivered results are removed without", {
    config: `[[eim.peer]]\neim_id = "eim.example.com"\nremove_own_result = true\n`,
    faults: { eim: { acknowledge: "none" } },
    async run({ order, poll, vehicle, eim }) {
      order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(eim.results()).toHaveLength(1);
      expect(vehicle.euicc.pending().packageResults).toEqual([]);
    },
  });
});
