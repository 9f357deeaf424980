// What the IPA makes of status words, of answers in JSON, of data requests and of rules: rows that no other test shows by itself.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper, utf8 } from "../../base/bytes.ts";
import { SystemClock, VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { createEim } from "../../hw-sim/eim/eim.ts";
import { decode, encode } from "../../ipa/asn1/schema.ts";
import { EimClient } from "../../ipa/esipa/client.ts";
import { jsonResponse } from "../../ipa/esipa/json.ts";
import { getEid } from "../../ipa/euicc/es10.ts";
import { RulesAuthorisationTable } from "../../ipa/messages/common.ts";
import { GetEimPackageRequest, ProvideEimPackageResult, StateChangeCause } from "../../ipa/messages/esipa.ts";
import { EUICCInfo2 } from "../../ipa/messages/euicc-info.ts";
import { defaultCompat } from "../../ipa/options.ts";
import { openDtls } from "../../transports/dtls/dtls.ts";
import { isdr, scriptedCard, sessionOn } from "../ipa/support/scripted-card.ts";
import { a, b, c, clock, eid, factoryProfile, pki, Vehicle } from "../ipa/support/vehicle.ts";

const eidBytes = fromHex(eid);

/** The IPA's client before that eIM, without a network between them. */
function clientOf(eim: ReturnType<typeof createEim>, look: (body: Uint8Array) => void = () => {}): EimClient {
  return new EimClient({
    eimId: eim.eimId,
    bindings: [
      {
        name: "https",
        endpoint: { eimId: eim.eimId, host: "e.x", port: 443, serverName: "e.x", trust: { kind: "roots", certificates: [] } },
        transport: {
          scheme: "https",
          exchange: async (_, { body }) => {
            look(body);
            const answer = await eim.handle(body);
            if (answer === "silence") throw new SimwardError("ESIPA_UNREACHABLE");
            return answer;
          },
        },
      },
    ],
    compat: defaultCompat,
    eid: eidBytes,
    clock: new VirtualClock(),
    events: { emit: () => undefined },
    timeoutMs: 60_000,
  });
}

describe("status words", () => {
  const command = "> 80E2910006 BF3E035C015A";
  const answer = `BF3E125A10${eid}`;

  // shows: a4.9000, a4.91xx, a4.6881, a4.6985, a4.6a80, a4.6a84, a4.6a86, a4.6a88, a4.6d00, a4.6f00
  test.each([
    ["9000", "done", false],
    ["910B", "done", false],
    ["6881", "APDU_CHANNEL_LOST", true],
    ["6882", "APDU_CHANNEL_LOST", true],
    ["6985", "APDU_STATUS", true],
    ["6A80", "APDU_STATUS", false],
    ["6A84", "APDU_STATUS", false],
    ["6A86", "APDU_STATUS", false],
    ["6A88", "ES10_UNSUPPORTED", false],
    ["6D00", "ES10_UNSUPPORTED", true],
    ["6E00", "ES10_UNSUPPORTED", true],
    ["6F00", "APDU_STATUS", false],
  ] as const)("%s: %s, and whether the channel is opened anew for another try: %s", async (sw, what, again) => {
    const once_ = `${isdr}\n${command}\n< ${what === "done" ? answer : ""} ${sw}\nclose`;
    const { card, done } = scriptedCard(again ? `${once_}\n${once_}` : once_);
    const call = sessionOn(card).session.withEuicc("test", (es10) => es10.call(getEid, { tagList: Uint8Array.of(0x5a) }));
    if (what === "done") expect(toHexUpper((await call).eidValue)).toBe(eid);
    else await expect(call).rejects.toMatchObject({ code: what, data: { sw } });
    expect(done()).toBe(true);
  });
});

describe("answers in JSON", () => {
  const answered = (functionName: string, json: unknown): string => toHexUpper(jsonResponse(functionName, utf8(JSON.stringify(json))));
  const failed = (subjectCode: string, reasonCode: string) => ({
    header: { functionExecutionStatus: { status: "Failed", statusCodeData: { subjectCode, reasonCode } } },
  });

  // shows: d4.InitiateAuthentication-52, d4.InitiateAuthentication-50, d4.InitiateAuthentication-51, d4.AuthenticateClient-50
  // shows: d4.GetBoundProfilePackage-50, d4.GetEimPackage-1, d4.GetEimPackage-2, d4.GetEimPackage-3, d4.GetEimPackage-4
  // shows: d4.other-codes, d4.ProvideEimPackageResult-2, d4.ProvideEimPackageResult-3, d4.ProvideEimPackageResult-4
  test.each([
    ["initiateAuthentication", "8.31.2", "3.10", "BF3903810134"],
    ["initiateAuthentication", "8.8.1", "3.10", "BF3903810132"],
    ["initiateAuthentication", "8.8", "3.10", "BF3903810133"],
    ["initiateAuthentication", "8.8.1", "3.8", "BF3903810101"],
    ["initiateAuthentication", "8.8.3", "3.1", "BF3903810102"],
    ["initiateAuthentication", "8.8.2", "3.1", "BF3903810103"],
    ["initiateAuthentication", "8.8.4", "3.7", "BF3903810103"],
    ["authenticateClient", "8.2.8", "1.2", "BF3B03820132"],
    ["authenticateClient", "8.1.2", "6.1", "BF3B03820101"],
    ["authenticateClient", "8.1.2", "6.3", "BF3B03820102"],
    ["authenticateClient", "8.1.3", "6.1", "BF3B03820103"],
    ["authenticateClient", "8.1.3", "6.3", "BF3B03820104"],
    ["authenticateClient", "8.1", "6.1", "BF3B03820105"],
    ["authenticateClient", "8.2.6", "3.8", "BF3B03820106"],
    ["authenticateClient", "8.1.1", "3.8", "BF3B03820107"],
    ["authenticateClient", "8.2.5", "4.3", "BF3B03820108"],
    ["authenticateClient", "8.11.1", "3.9", "BF3B03820109"],
    ["authenticateClient", "8.10.1", "3.9", "BF3B0382010A"],
    ["authenticateClient", "8.1", "4.8", "BF3B0382010B"],
    ["authenticateClient", "8.9.5", "3.9", "BF3B03820138"],
    ["authenticateClient", "8.2", "1.2", "BF3B0382017F"],
    ["getBoundProfilePackage", "8.2.9", "3.11", "BF3A03810132"],
    ["getBoundProfilePackage", "8.1", "6.1", "BF3A03810101"],
    ["getBoundProfilePackage", "8.2.7", "2.2", "BF3A03810102"],
    ["getBoundProfilePackage", "8.2.7", "3.8", "BF3A03810103"],
    ["getBoundProfilePackage", "8.2.7", "6.4", "BF3A03810104"],
    ["getBoundProfilePackage", "8.2", "3.7", "BF3A03810105"],
    ["getBoundProfilePackage", "8.8.5", "4.10", "BF3A03810106"],
    ["getBoundProfilePackage", "8.10.1", "3.9", "BF3A0381015F"],
    ["cancelSession", "8.10.1", "3.9", "BF4103810101"],
    ["cancelSession", "8.8", "3.10", "BF410381017F"],
    ["getEimPackage", "8.1.1", "3.7", "BF4F03020101"],
    ["getEimPackage", "8.1.1", "3.9", "BF4F03020102"],
    ["getEimPackage", "8.1.1", "2.1", "BF4F03020103"],
    ["getEimPackage", "8.1.1", "2.2", "BF4F03020104"],
    ["provideEimPackageResult", "8.1.1", "3.9", "BF5003020102"],
    ["provideEimPackageResult", "8.1.1", "2.1", "BF5003020103"],
    ["provideEimPackageResult", "8.1.1", "2.2", "BF5003020104"],
  ])("%s: subject %s, reason %s", (functionName, subjectCode, reasonCode, hex) => {
    expect(answered(functionName, failed(subjectCode, reasonCode))).toBe(hex);
  });

  // shows: d4.nothing
  test.each([
    ["eimPackageError 0", { header: { functionExecutionStatus: { status: "Executed-Success" } }, eimPackageError: 0 }],
    ["eimPackageError 1", { header: { functionExecutionStatus: { status: "Executed-Success" } }, eimPackageError: 1 }],
  ])("%s without a package is nothing available", async (_, json) => {
    const eim = new EimClient({
      eimId: "eim1",
      bindings: [
        {
          name: "https-json",
          endpoint: { eimId: "eim1", host: "e.x", port: 443, serverName: "e.x", trust: { kind: "roots", certificates: [] } },
          transport: { scheme: "https", exchange: async () => ({ status: 200, body: utf8(JSON.stringify(json)) }) },
        },
      ],
      compat: defaultCompat,
      eid: eidBytes,
      clock: new VirtualClock(),
      events: { emit: () => undefined },
      timeoutMs: 60_000,
    });
    expect(await eim.getEimPackage({ stateChange: undefined, rPlmn: undefined })).toEqual({ kind: "none" });
  });
});

describe("what the IPA tells of a state change", () => {
  const causes = [
    "otherEim",
    "fallback",
    "emergencyProfile",
    "local",
    "reset",
    "immediateEnableProfile",
    "deviceChange",
    "undefined",
  ] as const;

  // shows: bf4f.state-change, code.StateChangeCause.*
  test.each(causes)("%s reaches the eIM", async (cause) => {
    const eim = createEim({ clock, pki, euiccs: [{ eid }] });
    const heard: unknown[] = [];
    eim.onEvent((event) => void (event.type === "stateChange" && heard.push(event.cause)));
    const client = clientOf(eim, (body) =>
      expect(decode(GetEimPackageRequest, body)).toMatchObject({ notifyStateChange: true, stateChangeCause: cause }),
    );
    expect(await client.getEimPackage({ stateChange: cause, rPlmn: undefined })).toEqual({ kind: "none" });
    expect(heard).toEqual([cause]);
    const { shape } = StateChangeCause;
    expect(shape.kind === "namedInteger" && Object.keys(shape.names)).toEqual(causes);
  });
});

describe("a data request", () => {
  // shows: e7.order
  test("asks the card in one order, whatever the list's", async () => {
    const vehicle = new Vehicle();
    await vehicle.run(vehicle.ipa.start());
    const before = vehicle.steps().length;
    vehicle.order({ kind: "ipaEuiccData", tags: ["A9", "A6", "A5", "A2", "84", "BF22", "BF20", "83", "81", "A0"] });
    await vehicle.poll();
    const steps = vehicle.steps().slice(before);
    expect(steps.slice(1, steps.indexOf("ESipa.ProvideEimPackageResult"))).toEqual([
      "ES10a.GetEuiccConfiguredAddresses",
      "ES10b.GetEUICCInfo1",
      "ES10b.GetEUICCInfo2",
      "ES10b.GetEimConfigurationData",
      "ES10b.GetCerts",
      // Notifications, then package results.
      "ES10b.RetrieveNotificationsList",
      "ES10b.RetrieveNotificationsList",
    ]);
  });

  // shows: e7.ack-off, e7.acknowledged
  test.each([
    [true, 0],
    [false, 1],
  ])("whose acknowledgements are heeded (%s) leaves %i results on the card", async (ackOnDataResponse, left) => {
    const vehicle = new Vehicle({ ipa: { peers: [{ eimId: pki.subjects.eimId, compat: { ackOnDataResponse } }] } });
    vehicle.eim.faults.acknowledge = "none";
    vehicle.order({ kind: "euiccPackage", psmos: [{ getRAT: {} }] });
    await vehicle.poll();
    vehicle.eim.faults.acknowledge = "all";
    vehicle.order({ kind: "ipaEuiccData", tags: ["A2"] });
    await vehicle.poll();
    expect(vehicle.euicc.pending().packageResults).toHaveLength(left);
  });

  // shows: e7.bf22-info2, e7.84-token, e7.bf20-info1
  test("for EUICCInfo2 and the association token of the eIM that asks", async () => {
    const vehicle = new Vehicle({ configuration: { associationToken: -1 } });
    const sent: Uint8Array[] = [];
    vehicle.intercept = (functionName, body) => {
      if (functionName === "provideEimPackageResult") sent.push(body);
      return undefined;
    };
    vehicle.order({ kind: "ipaEuiccData", tags: ["BF20", "BF22", "84"] });
    await vehicle.poll();
    const { eimPackageResult } = decode(ProvideEimPackageResult, sent[0] ?? new Uint8Array(0));
    expect(eimPackageResult).toMatchObject({
      kind: "ipaEuiccDataResponse",
      value: { kind: "ipaEuiccData", value: { associationToken: 1, euiccInfo1: {}, euiccInfo2: { ipaMode: "ipad" } } },
    });
    if (eimPackageResult.kind !== "ipaEuiccDataResponse" || eimPackageResult.value.kind !== "ipaEuiccData") return;
    // In the card's octets.
    const info2 = eimPackageResult.value.value.euiccInfo2;
    expect(info2 !== undefined && toHexUpper(sent[0] ?? new Uint8Array(0)).includes(toHexUpper(encode(EUICCInfo2, info2)))).toBe(true);
  });
});

describe("the virtual eIM", () => {
  const result = "BF5105A203800165";

  // shows: code.esipa-ProvideEimPackageResult.eidNotFound, code.esipa-ProvideEimPackageResult.invalidEid
  // shows: code.esipa-ProvideEimPackageResult.missingEid
  test.each([
    ["eidNotFound", `BF501A5A1089044000000000000000000000000039${result}`],
    ["invalidEid", `BF501A5A1089044000000000000000000000000000${result}`],
    ["missingEid", `BF5008${result}`],
  ])("refuses a result with %s, and the IPA hears that", async (name, message) => {
    const eim = createEim({ clock, pki, euiccs: [{ eid }, { eid: "89049032000000000000000000000007" }] });
    const client = clientOf(eim);
    await expect(client.provideEimPackageResult(fromHex(message))).rejects.toMatchObject({ code: "ESIPA_REFUSED", data: { error: name } });
  });
});

describe("a direct download", () => {
  const owner = { mccMnc: fromHex("62F210") };

  // shows: e5.06-rules, e13.pprNotAllowed
  test("of a profile whose rules the card's table does not allow: pprNotAllowed, told to the SM-DP+ and to the eIM", async () => {
    const vehicle = new Vehicle({
      direct: true,
      configuration: { indirectProfileDownload: false },
      euicc: { rulesAuthorisationTable: encode(RulesAuthorisationTable, []) },
    });
    const id = vehicle.order({
      kind: "download",
      activationCode: vehicle.offer(c, {}, { profileOwner: owner, profilePolicyRules: ["ppr2"] }),
    });
    await vehicle.poll();
    expect(vehicle.es9).toEqual(["initiateAuthentication", "authenticateClient", "cancelSession"].map((name) => `dp.example.com ${name}`));
    expect(vehicle.installed()).toEqual([a]);
    expect(vehicle.eim.order(id)).toMatchObject({ state: "failed" });
    expect(vehicle.steps()).not.toContain("ES10b.PrepareDownload");
  });

  // shows: e13.postponed
  test("that policy puts off once the profile is known: postponed, and it may be ordered again", async () => {
    const vehicle = new Vehicle({ direct: true, configuration: { indirectProfileDownload: false } });
    const reasons: unknown[] = [];
    vehicle.interceptEs9 = (_, functionName, body) => {
      if (functionName === "cancelSession") {
        const { cancelSessionResponse } = body as { cancelSessionResponse: string };
        reasons.push(/8201(..)5F37/.exec(Buffer.from(cancelSessionResponse, "base64").toString("hex").toUpperCase())?.[1]);
      }
      return undefined;
    };
    vehicle.verdict = (gate) =>
      gate === "profileMetadata"
        ? { kind: "refuse", rule: "roaming", reason: "roaming", retryAt: clock.now() + 60_000 }
        : { kind: "allow" };
    vehicle.order({ kind: "download", activationCode: vehicle.offer(c) });
    await vehicle.poll();
    expect([reasons, vehicle.installed()]).toEqual([["01"], [a]]);
    vehicle.verdict = () => ({ kind: "allow" });
    vehicle.order({ kind: "download", activationCode: vehicle.offer(b) });
    await vehicle.poll();
    expect(vehicle.installed()).toContain(b);
  });
});

describe("several operations and their notifications", () => {
  // shows: bf50.with-notifications, e4.04-notifications, e4.05-configuration-only, c1.several
  test("go out with a package for profiles, and not with one for eIMs", async () => {
    const vehicle = new Vehicle({ profiles: [factoryProfile(a, true), factoryProfile(b, false)] });
    const kinds: string[] = [];
    vehicle.intercept = (functionName, body) => {
      if (functionName === "provideEimPackageResult") kinds.push(decode(ProvideEimPackageResult, body).eimPackageResult.kind);
      return undefined;
    };
    vehicle.order({ kind: "euiccPackage", psmos: [{ enable: { iccid: b } }, { delete: { iccid: a } }] });
    vehicle.order({ kind: "euiccPackage", ecos: [{ listEim: {} }] });
    await vehicle.poll();
    expect(kinds).toEqual(["ePRAndNotifications", "euiccPackageResult"]);
    expect(vehicle.eim.results()).toMatchObject([
      {
        commands: [
          { kind: "enableResult", value: "ok" },
          { kind: "deleteResult", value: "ok" },
        ],
      },
      { commands: [{ kind: "listEimResult" }] },
    ]);
  });
});

describe("DTLS", () => {
  // shows: d5.sni
  test("the first ClientHello names the server", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address() as AddressInfo;
    const abort = new AbortController();
    const heard = once(socket, "message");
    const connecting = openDtls()
      .connect({
        host: "127.0.0.1",
        port,
        serverName: "eim.vehicles.example",
        trust: { kind: "roots", certificates: [pki.get("ci").certificate] },
        clock: new SystemClock(),
        signal: abort.signal,
      })
      .catch((error: unknown) => error);
    try {
      const [datagram] = (await heard) as [Buffer];
      // Extension 0, a list of one host name (RFC 6066 §3).
      const name = Buffer.from("eim.vehicles.example");
      const length = name.length;
      const extension = Buffer.concat([Buffer.from([0, 0, 0, length + 5, 0, length + 3, 0, 0, length]), name]);
      expect(datagram.includes(extension)).toBe(true);
    } finally {
      abort.abort(new Error("heard enough"));
      await connecting;
      socket.close();
    }
  });
});
