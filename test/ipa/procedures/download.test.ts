// How an indirect download ends when it does not end well, and what the other side is told each time (SGP.32 §3.2.3.2, SGP.22 §5.7.14).
import { describe, expect, test } from "vitest";
import { fromHex } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import { encode } from "../../../ipa/asn1/schema.ts";
import { childrenOf, contentOf, readOnlyTlv, writeTlv } from "../../../ipa/asn1/tlv.ts";
import { RulesAuthorisationTable } from "../../../ipa/messages/common.ts";
import { ProfileDownloadTriggerRequest } from "../../../ipa/messages/esipa.ts";
import { a, c, factoryProfile, pki, Vehicle } from "../support/vehicle.ts";

/** Reasons of CancelSession as the card signed them. */
function cancelled(vehicle: Vehicle): string[] {
  return vehicle.events.flatMap((event) => (event.kind === "download.cancelled" ? [event.reason] : []));
}

function failed(vehicle: Vehicle): string[] {
  return vehicle.events.flatMap((event) => (event.kind === "download.failed" ? [event.step] : []));
}

const owner = { mccMnc: fromHex("62F210") };

describe("an indirect download", () => {
  // shows: bf54.default-smdp
  test("by default SM-DP+ and by EID instead of an activation code", async () => {
    const vehicle = new Vehicle();
    vehicle.offer(c, { matchingId: "", eid: pki.subjects.eid } as never);
    const id = vehicle.order({ kind: "download", trigger: "contactDefaultSmdp" });
    expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
    expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
    expect(vehicle.installed()).toEqual([a, c]);
  });

  // shows: es8.ReplaceSessionKeys
  test("of a profile protected with keys of its own", async () => {
    const vehicle = new Vehicle();
    vehicle.smdp.faults.ppk = true;
    vehicle.download(c);
    await vehicle.poll();
    expect(vehicle.installed()).toEqual([a, c]);
  });

  // shows: d2.bf3b-dp, e6.06-prepare
  test("with a confirmation code that the eIM knows", async () => {
    const vehicle = new Vehicle();
    const activationCode = vehicle.offer(c, { confirmationCode: "1234" } as never);
    const id = vehicle.order({ kind: "download", activationCode, confirmationCode: "1234" });
    await vehicle.poll();
    expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
    expect(vehicle.installed()).toEqual([a, c]);
  });

  // shows: e13.undefinedReason
  test("with a confirmation code that nobody knows: cancelled, reported", async () => {
    const vehicle = new Vehicle();
    const id = vehicle.order({ kind: "download", activationCode: vehicle.offer(c, { confirmationCode: "1234" } as never) });
    await vehicle.poll();
    expect(cancelled(vehicle)).toEqual(["undefinedReason"]);
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
  });

  // shows: e6.09-immediate, e10.told, e14.immediateEnableProfile
  test("enabled at once where that is configured, and every eIM is told why", async () => {
    const vehicle = new Vehicle({ secondEim: true, ipa: { immediateEnable: true } });
    vehicle.order({
      kind: "euiccPackage",
      psmos: [{ configureImmediateEnable: { immediateEnable: true, defaultSmdpOid: "2.999.10", defaultSmdpAddress: "dp.example.com" } }],
    });
    await vehicle.poll();
    vehicle.download(c);
    const changes: unknown[] = [];
    for (const eim of [vehicle.eim, vehicle.eim2]) eim?.onEvent((event) => event.type === "stateChange" && changes.push(event.cause));
    expect(await vehicle.poll()).toMatchObject({ unfinished: false });
    expect([vehicle.enabled(), vehicle.adopted]).toEqual([c, [c]]);
    expect(changes).toEqual(["immediateEnableProfile", "immediateEnableProfile"]);
  });
});

describe("an SM-DS", () => {
  const leadsOn = (trigger: Uint8Array) => (body: Uint8Array) => {
    // BF3B {80 transaction, …}: its answer names the same transaction and the server to go to.
    const transactionId = contentOf(childrenOf(readOnlyTlv(body))[0] ?? readOnlyTlv(body));
    return { status: 200, body: writeTlv(0xbf3b, writeTlv(0xa1, writeTlv(0x80, transactionId), trigger)) };
  };

  // shows: e6.smds, d2.bf3b-ds
  test("names the SM-DP+: the download goes on there", async () => {
    const vehicle = new Vehicle();
    const id = vehicle.download(c);
    const answer = leadsOn(
      encode(ProfileDownloadTriggerRequest, {
        profileDownloadData: { kind: "activationCode", value: vehicle.smdp.activationCode("TOKEN-038") },
      }),
    );
    let redirected = 0;
    vehicle.intercept = (functionName, body) => {
      if (functionName !== "authenticateClient" || redirected > 0) return undefined;
      redirected++;
      return Promise.resolve(answer(body));
    };
    await vehicle.poll();
    expect(vehicle.installed()).toEqual([a, c]);
    expect(vehicle.esipa.filter((name) => name === "initiateAuthentication")).toHaveLength(2);
    // The second session has no order behind it at this eIM; its result still reaches the SM-DP+.
    expect(vehicle.smdp.notifications.map(({ kind }) => kind)).toContain("profileInstallationResult");
    expect(vehicle.eim.order(id)).toBeDefined();
  });

  // shows: e6.smds
  test("has no event for this eUICC, or leads on and on: it ends with a report", async () => {
    for (const trigger of [
      new Uint8Array(0),
      encode(ProfileDownloadTriggerRequest, { profileDownloadData: { kind: "contactDefaultSmdp", value: true } }),
    ]) {
      const vehicle = new Vehicle();
      const id = vehicle.download(c);
      vehicle.intercept = (functionName, body) =>
        functionName === "authenticateClient" ? Promise.resolve(leadsOn(trigger)(body)) : undefined;
      expect(await vehicle.poll()).toMatchObject({ unfinished: false });
      expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
      expect(vehicle.installed()).toEqual([a]);
    }
  });
});

describe("the SM-DP+ or the eIM refuses", () => {
  // shows: e6.refused-initiate, e6.refused-authenticate, e6.refused-package, e13.undefinedReason, e13.loadBppExecutionError
  test.each([
    ["initiateAuthentication", "invalidSmdpAddress", []],
    ["authenticateClient", "matchingIdRefused", ["undefinedReason"]],
    ["getBoundProfilePackage", "orderExpired", ["loadBppExecutionError"]],
  ] as const)("%s: the card's session is cancelled where there is one, and the eIM has a report", async (name, status, reasons) => {
    const vehicle = new Vehicle();
    vehicle.smdp.faults.status = { [name]: { status, times: 1 } };
    const id = vehicle.download(c);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
    expect(vehicle.installed()).toEqual([a]);
    expect(vehicle.steps().filter((step) => step === "ES10b.CancelSession")).toHaveLength(reasons.length);
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
    expect(failed(vehicle)).toHaveLength(1);
    expect(vehicle.told().at(-1)).toBe("package.reported");
  });

  test("the eIM's own errors end it the same way", async () => {
    for (const name of ["initiateAuthentication", "authenticateClient", "getBoundProfilePackage"] as const) {
      const vehicle = new Vehicle();
      vehicle.eim.faults.errors = { [name]: { code: 127, times: 1 } };
      const id = vehicle.download(c);
      await vehicle.poll();
      expect([name, vehicle.installed(), vehicle.eim.order(id)?.state]).toEqual([name, [a], "failed"]);
    }
  });

  test("a server in a bad moment: the download waits for the next poll, and then succeeds", async () => {
    const vehicle = new Vehicle();
    const id = vehicle.download(c);
    let failures = 0;
    vehicle.intercept = (functionName) => {
      if (functionName !== "getBoundProfilePackage" || failures > 0) return undefined;
      failures++;
      return Promise.resolve({ status: 503, body: new Uint8Array(0) });
    };
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", unfinished: true, error: { code: "ESIPA_STATUS" } });
    expect(cancelled(vehicle)).toEqual([]);
    expect(vehicle.ipa.status().operation).toMatchObject({ kind: "profileDownload", phase: "received" });
    expect(await vehicle.poll()).toMatchObject({ unfinished: false });
    expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
    expect(vehicle.installed()).toEqual([a, c]);
  });

  test("no path at any of three attempts: it ends, the report waits for the path, and nothing new is asked for before", async () => {
    const vehicle = new Vehicle();
    const id = vehicle.download(c);
    let down = true;
    vehicle.intercept = (functionName) => {
      if (!down || functionName === "getEimPackage") return undefined;
      throw new SimwardError("COAP_TIMEOUT");
    };
    for (let i = 0; i < 3; i++)
      expect(await vehicle.poll()).toMatchObject({ kind: "failed", unfinished: true, error: { retry: "online" } });
    expect(vehicle.ipa.status().operation).toBeUndefined();
    expect(vehicle.events.filter(({ kind }) => kind === "download.started")).toHaveLength(3);
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", unfinished: true });
    expect(vehicle.esipa.filter((name) => name === "getEimPackage")).toHaveLength(1);
    down = false;
    expect(await vehicle.poll()).toMatchObject({ kind: "nothing", unfinished: false });
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
  });
});

describe("a module that is away for a while", () => {
  test("right after the profile was installed: what the card made of it is found later, and nothing is downloaded twice", async () => {
    const vehicle = new Vehicle();
    const id = vehicle.download(c);
    let away = false;
    vehicle.line = (response) => {
      away ||= vehicle.installed().includes(c);
      if (away) throw new SimwardError("PORT_CLOSED");
      return response;
    };
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", unfinished: true, error: { code: "PORT_CLOSED" } });
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", unfinished: true });
    vehicle.line = undefined;
    // As the module does when it starts.
    vehicle.euicc.reset();
    expect(await vehicle.poll()).toMatchObject({ unfinished: false, error: undefined });
    expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
    expect(vehicle.esipa.filter((name) => name === "initiateAuthentication")).toHaveLength(1);
    await vehicle.deliver();
    expect(vehicle.euicc.pending().notifications).toEqual([]);
  });

  test("a failure that could not be reported: the eIM is asked for nothing more before it has the report", async () => {
    const vehicle = new Vehicle();
    const id = vehicle.download(c);
    vehicle.euicc.faults.statusWords = { 48942: 0x6985 };
    vehicle.intercept = (functionName) => {
      if (functionName === "provideEimPackageResult") throw new SimwardError("COAP_TIMEOUT");
      return undefined;
    };
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", unfinished: true, error: { code: "COAP_TIMEOUT" } });
    expect(vehicle.esipa).toEqual(["getEimPackage", "provideEimPackageResult"]);
    vehicle.intercept = undefined;
    vehicle.euicc.faults.statusWords = {};
    expect(await vehicle.poll()).toMatchObject({ kind: "nothing", unfinished: false });
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
  });
});

describe("the eUICC refuses", () => {
  // shows: e6.card-refuses
  test.each(["serverSignature1", "smdpSignature2"] as const)(
    "a wrong %s: the server gets the card's word, the eIM its report",
    async (wrongSignature) => {
      const vehicle = new Vehicle();
      vehicle.smdp.faults.wrongSignature = wrongSignature;
      const id = vehicle.download(c);
      expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
      expect(vehicle.installed()).toEqual([a]);
      const wanted = wrongSignature === "serverSignature1" ? "authenticateClient" : "getBoundProfilePackage";
      expect(vehicle.esipa).toContain(wanted);
      expect(vehicle.esipa).not.toContain("cancelSession");
      expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
    },
  );

  // shows: e6.10-notification, b4.install-error
  test.each([
    ["a wrong signature in the package", { wrongSignature: "smdpSign" }, "invalidSignature"],
    ["an altered octet deep in the package", { flipBppOctet: 1_500 }, "scp03tSecurityError"],
  ] as const)("%s: the card's result goes to the SM-DP+ by way of the eIM, then off the card", async (_name, faults, reason) => {
    const vehicle = new Vehicle();
    Object.assign(vehicle.smdp.faults, faults);
    const id = vehicle.download(c);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
    expect(vehicle.installed()).toEqual([a]);
    expect(vehicle.events).toContainEqual(
      expect.objectContaining({ kind: "download.failed", error: expect.objectContaining({ message: expect.stringContaining(reason) }) }),
    );
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
    expect(vehicle.euicc.pending().notifications).toEqual([]);
  });

  test("a package cut short: refused before the card sees any of it, session cancelled", async () => {
    const vehicle = new Vehicle();
    vehicle.smdp.faults.truncateBppAt = 1_000;
    const id = vehicle.download(c);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
    expect(cancelled(vehicle)).toEqual(["loadBppExecutionError"]);
    expect(vehicle.steps()).not.toContain("ES10b.LoadBoundProfilePackage");
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
  });

  test("an octet altered anywhere in the package: an end with a report, never an installed profile, never a stuck daemon", async () => {
    for (const flipBppOctet of [0, 3, 10, 40, 187, 200, 220, 260, 300, 500, 1_400, 1_900]) {
      const vehicle = new Vehicle();
      vehicle.smdp.faults.flipBppOctet = flipBppOctet;
      const id = vehicle.download(c);
      const outcome = await vehicle.poll();
      expect([flipBppOctet, outcome.unfinished, vehicle.installed(), vehicle.eim.order(id)?.state]).toEqual([
        flipBppOctet,
        false,
        [a],
        "failed",
      ]);
    }
  });

  // shows: e13.loadBppExecutionError
  test.each([1, 2, 4, 7])(
    "segment %i with a status word: nothing more is sent, session cancelled with loadBppExecutionError",
    async (segment) => {
      const vehicle = new Vehicle();
      vehicle.euicc.faults.refuseSegment = { segment, sw: 0x6a80 };
      const id = vehicle.download(c);
      expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
      expect(vehicle.events.filter(({ kind }) => kind === "segment")).toHaveLength(segment - 1);
      expect(cancelled(vehicle)).toEqual(["loadBppExecutionError"]);
      expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
      expect(vehicle.installed()).toEqual([a]);
    },
  );

  test("a profile that is there already, and a card that is full", async () => {
    const twice = new Vehicle({ profiles: [factoryProfile(a, true), factoryProfile(c, false)] });
    const first = twice.download(c);
    await twice.poll();
    expect(twice.eim.order(first)).toMatchObject({ state: "failed" });
    const full = new Vehicle();
    full.euicc.faults.memoryFull = true;
    const second = full.download(c);
    await full.poll();
    expect(full.eim.order(second)).toMatchObject({ state: "failed" });
    expect([twice.installed(), full.installed()]).toEqual([[a, c], [a]]);
  });
});

describe("the IPA refuses", () => {
  // shows: e5.03-check
  test("another server than the one asked for", async () => {
    const vehicle = new Vehicle();
    const { smdp } = vehicle;
    const activationCode = vehicle.offer(c).replace(smdp.address, "DP.example.com");
    vehicle.order({ kind: "download", activationCode });
    await vehicle.poll();
    // Names are compared without regard to case.
    expect(vehicle.installed()).toEqual([a, c]);
    const oid = new Vehicle();
    const id = oid.order({ kind: "download", activationCode: `${oid.offer(c)}$2.999.99` });
    await oid.poll();
    expect(oid.eim.order(id)).toMatchObject({ state: "failed" });
    expect(oid.steps()).not.toContain("ES10b.AuthenticateServer");
  });

  test("a server that answers for another challenge", async () => {
    const vehicle = new Vehicle();
    const id = vehicle.download(c);
    vehicle.intercept = (functionName, body) => {
      if (functionName !== "initiateAuthentication") return undefined;
      // 81 10: the challenge is altered on its way out, so what comes back is about another.
      const altered = body.slice();
      const at = Buffer.from(altered).indexOf(Buffer.from("8110", "hex"));
      altered[at + 4] = (altered[at + 4] ?? 0) ^ 0xff;
      return vehicle.eim.handle(altered).then((answer) => (answer === "silence" ? { status: 504, body: new Uint8Array(0) } : answer));
    };
    await vehicle.poll();
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
    expect(vehicle.steps()).not.toContain("ES10b.AuthenticateServer");
  });

  // shows: e13.metadataMismatch, e5.09-compare
  test("other metadata in the package than was shown: metadataMismatch", async () => {
    const vehicle = new Vehicle();
    vehicle.smdp.faults.otherMetadata = true;
    const id = vehicle.download(c);
    await vehicle.poll();
    expect(cancelled(vehicle)).toEqual(["metadataMismatch"]);
    expect(vehicle.steps()).not.toContain("ES10b.LoadBoundProfilePackage");
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
  });

  // shows: e13.endUserRejection
  test("our policy, once the profile is known: endUserRejection", async () => {
    const vehicle = new Vehicle();
    const seen: unknown[] = [];
    vehicle.verdict = (gate, facts) => {
      if (gate !== "profileMetadata") return { kind: "allow" };
      seen.push(facts);
      return { kind: "refuse", rule: "swap", reason: "not in this country", retryAt: undefined };
    };
    vehicle.order({ kind: "download", activationCode: vehicle.offer(c, {}, { profileOwner: owner }) });
    await vehicle.poll();
    expect(cancelled(vehicle)).toEqual(["endUserRejection"]);
    expect(seen).toEqual([
      {
        eimId: vehicle.eim.eimId,
        iccid: c,
        serviceProviderName: "Operator 3",
        profileName: "Profile 3",
        profileClass: "operational",
        profilePolicyRules: [],
        ownerPlmn: "26201",
      },
    ]);
  });

  const consent = encode(RulesAuthorisationTable, [{ pprIds: ["ppr2"], allowedOperators: [owner], pprFlags: ["consentRequired"] }]);
  const forbidden = encode(RulesAuthorisationTable, []);

  // shows: e13.pprNotAllowed, e13.endUserRejection, e6.05-rules, e12.consent
  test.each([
    ["a rule the card's table does not allow", forbidden, {}, ["pprNotAllowed"]],
    ["a rule that wants an end user's consent", consent, {}, ["endUserRejection"]],
    ["the same where the fleet consents", consent, { pprConsent: "allow" }, []],
  ] as const)("%s", async (_name, rulesAuthorisationTable, ipa, reasons) => {
    const vehicle = new Vehicle({ euicc: { rulesAuthorisationTable }, ipa });
    vehicle.order({ kind: "download", activationCode: vehicle.offer(c, {}, { profileOwner: owner, profilePolicyRules: ["ppr2"] }) });
    await vehicle.poll();
    expect(cancelled(vehicle)).toEqual(reasons);
    expect(vehicle.installed()).toEqual(reasons.length === 0 ? [a, c] : [a]);
  });

  test("an activation code that is none: reported, with nothing of it in any event", async () => {
    const vehicle = new Vehicle();
    const id = vehicle.order({ kind: "download", activationCode: "LPA:2$dp.example.com$SECRET" });
    await vehicle.poll();
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
    expect(JSON.stringify(vehicle.events)).not.toContain("SECRET");
  });

  test("matching ids are in no event of a download that succeeds", async () => {
    const vehicle = new Vehicle();
    vehicle.download(c);
    await vehicle.poll();
    expect(JSON.stringify(vehicle.events)).not.toContain("TOKEN");
  });
});
