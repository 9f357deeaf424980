// minimizeEsipaBytes (SGP.32 §2.11.2.2, §5.14), both ends: how much it saves, that each message is built again octet for octet, and that the full form is sent
// wherever a compact one cannot be.
import { describe, expect, test } from "vitest";
import { decode } from "../../../ipa/asn1/schema.ts";
import { childOf, childrenOf, readOnlyTlv } from "../../../ipa/asn1/tlv.ts";
import { IpaEuiccDataResponse } from "../../../ipa/messages/esipa.ts";
import { indirectDownloadOctets, savedShare } from "../../bench/minimized-download.ts";
import { a, b, c, factoryProfile, Vehicle, type VehicleOptions } from "../support/vehicle.ts";

const eimId = "eim.example.com";

interface Sent {
  readonly name: string;
  readonly body: Uint8Array;
  status?: number;
}

/** The eIM has asked what compact forms are built from, unless `told` says what it asked for instead. */
async function minimizing(options: VehicleOptions = {}, told: readonly string[] = ["A5", "A6", "BF20", "BF22", "A8"]) {
  const vehicle = new Vehicle({
    ...options,
    ipa: { eimFeatures: ["minimizeEsipaBytes"], peers: [{ eimId, compat: { minimizeEsipaBytes: true } }], ...options.ipa },
  });
  if (told.length > 0) {
    vehicle.order({ kind: "ipaEuiccData", tags: told });
    await vehicle.poll();
  }
  const sent: Sent[] = [];
  vehicle.intercept = (name, body) => {
    const one: Sent = { name, body };
    sent.push(one);
    return vehicle.eim.handle(body).then((answer) => {
      if (answer === "silence") throw new Error("no answer");
      one.status = answer.status;
      return answer;
    });
  };
  const forms = (): string[] =>
    sent.filter(({ name }) => name !== "getEimPackage").map(({ name, body }) => `${name} ${formOf(name, body)}`);
  return { vehicle, sent, forms };
}

/** Which alternative of the card's answer a message carries: A0 full, A1 an error, A2 compact. */
function formOf(name: string, body: Uint8Array): string {
  const message = readOnlyTlv(body);
  const inside = (tag: number): string => {
    const found = childOf(message, tag);
    const [form] = found === undefined ? [] : childrenOf(found);
    return form === undefined ? "nothing" : form.tag.toString(16);
  };
  switch (name) {
    case "initiateAuthentication":
      return childOf(message, 0xbf20) === undefined && childOf(message, 0x83) === undefined ? "compact" : "full";
    case "authenticateClient":
      return inside(0xbf38);
    case "getBoundProfilePackage":
      return inside(0xbf21);
    case "cancelSession":
      return inside(0xa1);
    case "handleNotification":
      return inside(0xa0);
    default:
      return "";
  }
}

/** Tags in the CompactEuiccSigned2 of a BF3A. */
function compactSigned2(body: Uint8Array): number[] {
  const response = childOf(readOnlyTlv(body), 0xbf21);
  const [compact] = response === undefined ? [] : childrenOf(response);
  const [signed2] = compact === undefined ? [] : childrenOf(compact);
  return signed2 === undefined ? [] : childrenOf(signed2).map(({ tag }) => tag);
}

const allCompact = ["initiateAuthentication compact", "authenticateClient a2", "getBoundProfilePackage a2", "handleNotification a0"];
const allFull = ["initiateAuthentication full", "authenticateClient a0", "getBoundProfilePackage a0", "handleNotification bf37"];

test("an indirect download needs at least 35 % fewer octets, in ASN.1 and in JSON", async () => {
  const rows = await indirectDownloadOctets();
  expect(savedShare(rows, "asn1")).toBeGreaterThanOrEqual(0.35);
  expect(savedShare(rows, "json")).toBeGreaterThanOrEqual(0.35);
});

describe("a download in compact forms", () => {
  // shows: compact.initiate-authentication, compact.authenticate-client, compact.get-bound-profile-package, compact.installation-result
  test("every message is one, the SM-DP+ gets the full ones, the profile is installed and the result verified", async () => {
    const { vehicle, forms, sent } = await minimizing();
    const order = vehicle.download(c);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", packages: 1, error: undefined, unfinished: false });
    expect(forms()).toEqual(allCompact);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done", results: [{ kind: "profileInstallationResult", verified: true }] });
    expect(vehicle.smdp.notifications).toMatchObject([{ kind: "profileInstallationResult", verified: true, installed: true }]);
    expect(vehicle.installed()).toContain(c);
    // What the eIM leaves out: the transaction of both sides is the signed one.
    expect(sent.every(({ status }) => status === 200 || status === 204)).toBe(true);
  });

  test("a confirmation code that came from the eIM is not sent back to it", async () => {
    const { vehicle, sent, forms } = await minimizing();
    const order = vehicle.order({
      kind: "download",
      activationCode: vehicle.offer(c, { confirmationCode: "4711" } as never),
      confirmationCode: "4711",
    });
    await vehicle.poll();
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    expect(forms()).toEqual(allCompact);
    const bf3a = sent.find(({ name }) => name === "getBoundProfilePackage")?.body ?? new Uint8Array(0);
    expect(compactSigned2(bf3a)).toEqual([0x5f49]);
  });

  // shows: compact.get-bound-profile-package
  test("a one-time key that the SM-DP+ asked for again is not sent back to it", async () => {
    const { vehicle, sent } = await minimizing();
    const order = vehicle.download(c);
    // The package is lost on its way: the next attempt is bound to the same key.
    let lost = 1;
    const through = vehicle.intercept;
    vehicle.intercept = (name, body) => {
      const answer = through?.(name, body);
      return name === "getBoundProfilePackage" && lost-- > 0 ? answer?.then(() => ({ status: 503, body: new Uint8Array(0) })) : answer;
    };
    for (let polls = 0; polls < 3 && vehicle.eim.order(order)?.state !== "done"; polls++) await vehicle.poll();
    expect(vehicle.installed()).toContain(c);
    const parts = sent
      .filter(({ name }) => name === "getBoundProfilePackage")
      .map(({ body }) => compactSigned2(body).map((tag) => tag.toString(16)));
    expect(parts).toEqual([["5f49"], []]);
  });

  // shows: compact.certificates, compact.authenticate-client
  test("ctxParams1 that the eIM wrote is not sent back to it", async () => {
    const { vehicle, sent } = await minimizing({ ipa: { eimFeatures: ["minimizeEsipaBytes", "eimCtxParams1Generation"] } }, [
      ..."A5 A6 BF20 BF22 A8 A9".split(" "),
    ]);
    const order = vehicle.download(c);
    await vehicle.poll();
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    const bf3b = sent.find(({ name }) => name === "authenticateClient");
    const [, bf38] = bf3b === undefined ? [] : childrenOf(readOnlyTlv(bf3b.body));
    const [compact] = bf38 === undefined ? [] : childrenOf(bf38);
    const parts = compact === undefined ? [] : childrenOf(compact);
    expect(parts.map(({ tag }) => tag.toString(16))).toEqual(["a0", "5f37"]);
    expect(parts[0] === undefined ? [] : childrenOf(parts[0]).map(({ tag }) => tag)).toEqual([0x84]);
  });

  test("a second download, when extCardResource has changed with the first", async () => {
    const { vehicle, forms } = await minimizing({ profiles: [factoryProfile(a, true)] });
    vehicle.download(b);
    vehicle.download(c);
    expect(await vehicle.poll()).toMatchObject({ packages: 2, error: undefined });
    expect(forms()).toEqual([...allCompact, ...allCompact]);
    expect(vehicle.installed()).toEqual([a, b, c]);
  });

  test("a failed installation: error and its simaResponse are built again", async () => {
    const { vehicle, forms } = await minimizing();
    const order = vehicle.download(c);
    vehicle.smdp.applyFaults({ flipBppOctet: 900 });
    await vehicle.poll();
    expect(vehicle.eim.order(order)).toMatchObject({
      state: "failed",
      results: [{ verified: true, finalResult: { kind: "errorResult" } }],
    });
    expect(forms().slice(0, 4)).toEqual(allCompact);
    expect(vehicle.smdp.notifications).toMatchObject([{ verified: true, installed: false }]);
  });

  // shows: compact.cancel-session
  test("a cancelled session: the reason is all that is sent", async () => {
    const { vehicle, forms } = await minimizing({ euicc: { rulesAuthorisationTable: Uint8Array.of(0x30, 0x00) } });
    const order = vehicle.order({ kind: "download", activationCode: vehicle.offer(c, { ppr: ["ppr2"] } as never) });
    await vehicle.poll();
    expect(forms()).toContain("cancelSession a2");
    expect(forms()).not.toContain("cancelSession a0");
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed", reason: "cancelled: pprNotAllowed" });
  });

  test("the card's errors go as they are", async () => {
    const { vehicle, forms } = await minimizing();
    const order = vehicle.download(c);
    vehicle.smdp.applyFaults({ wrongSignature: "serverSignature1" });
    await vehicle.poll();
    expect(forms().slice(0, 2)).toEqual(["initiateAuthentication compact", "authenticateClient a1"]);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed" });
  });

  test("a refusal of the SM-DP+ is not asked for twice", async () => {
    const { vehicle, forms } = await minimizing();
    vehicle.order({ kind: "download", activationCode: "LPA:1$dp.example.com$NOBODY" });
    await vehicle.poll();
    expect(forms().filter((one) => one.startsWith("authenticateClient"))).toEqual(["authenticateClient a2"]);
  });
});

describe("notifications", () => {
  // shows: compact.other-notification
  test("without the certificates in a package's report, and alone; the SM-DP+ gets them with", async () => {
    const { vehicle, sent, forms } = await minimizing({ profiles: [factoryProfile(a, true), factoryProfile(b, false)] });
    const order = vehicle.enable(b);
    await vehicle.poll();
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    const report = sent.find(({ name }) => name === "provideEimPackageResult");
    const both = report === undefined ? undefined : childOf(readOnlyTlv(report.body), 0x30);
    const [, list] = both === undefined ? [] : childrenOf(both);
    expect(list === undefined ? [] : childrenOf(list).map(({ tag }) => tag)).toEqual([0xa1, 0xa1]);
    expect(vehicle.smdp.notifications.map(({ kind, verified }) => [kind, verified])).toEqual([
      ["otherSignedNotification", true],
      ["otherSignedNotification", true],
    ]);
    expect(vehicle.euicc.pending().notifications).toEqual([]);

    vehicle.download(c);
    await vehicle.poll();
    await vehicle.deliver();
    // The install notification of the profile's own configuration has no session: it says whose it is.
    expect(forms().at(-1)).toBe("handleNotification a1");
    expect(vehicle.smdp.notifications.at(-1)).toMatchObject({ event: "install", verified: true });
  });
});

describe("notifications to an eIM that has lost the certificates", () => {
  test("what it could not read in a report is not acknowledged; alone it is refused, and goes in full", async () => {
    const { vehicle, forms } = await minimizing({ profiles: [factoryProfile(a, true), factoryProfile(b, false)] });
    const [euicc] = vehicle.eim.euiccs;
    if (euicc === undefined) throw new Error("no eUICC");
    Object.assign(euicc, { chain: undefined, info1: undefined, info2: undefined });
    const order = vehicle.enable(b);
    await vehicle.poll();
    // The eIM has asked for the certificates by now, and takes compact forms again.
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    Object.assign(euicc, { chain: undefined });
    await vehicle.deliver();
    expect(forms().slice(-3)).toEqual(["handleNotification a1", "handleNotification 30", "handleNotification 30"]);
    expect(vehicle.smdp.notifications.map(({ event, verified }) => [event, verified])).toEqual([
      ["disable", true],
      ["enable", true],
    ]);
    expect(vehicle.euicc.pending().notifications).toEqual([]);
  });
});

describe("the full form", () => {
  test("to an eIM that was told nothing, which then asks; the next download is compact", async () => {
    const { vehicle, forms } = await minimizing({}, []);
    vehicle.download(b);
    await vehicle.poll();
    expect(forms()).toEqual(["initiateAuthentication full", "authenticateClient a0", "getBoundProfilePackage a2", "handleNotification a0"]);
    vehicle.order({ kind: "ipaEuiccData", tags: ["A8"] });
    vehicle.download(c);
    await vehicle.poll();
    expect(forms().slice(4)).toEqual(["provideEimPackageResult ", "provideEimPackageResult ", ...allCompact]);
  });

  test("to an eIM that has lost what it was told, in the same session; it asks again, and then gets compact forms", async () => {
    const { vehicle, forms } = await minimizing();
    const [euicc] = vehicle.eim.euiccs;
    if (euicc === undefined) throw new Error("no eUICC");
    Object.assign(euicc, { chain: undefined, info1: undefined, info2: undefined, capabilities: undefined });
    const order = vehicle.download(b);
    await vehicle.poll();
    expect(vehicle.installed()).toContain(b);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    expect(forms().slice(0, 3)).toEqual(["initiateAuthentication compact", "initiateAuthentication full", "authenticateClient a0"]);
    const before = forms().length;
    vehicle.download(c);
    await vehicle.poll();
    expect(forms().slice(before)).toEqual(allCompact);
  });

  test("to an eIM whose certificates are gone between two messages", async () => {
    const { vehicle, forms } = await minimizing();
    const [euicc] = vehicle.eim.euiccs;
    const order = vehicle.download(c);
    const through = vehicle.intercept;
    vehicle.intercept = (name, body) => {
      if (name === "authenticateClient" && euicc !== undefined && !forms().some((one) => one.startsWith("authenticateClient")))
        euicc.chain = undefined;
      return through?.(name, body);
    };
    await vehicle.poll();
    expect(forms().slice(0, 3)).toEqual(["initiateAuthentication compact", "authenticateClient a2", "authenticateClient a0"]);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
  });

  // shows: compact.only-announced
  test("to an eIM that takes no compact forms, whatever the configuration says of it", async () => {
    const { vehicle, forms } = await minimizing({ eim: { compactForms: false } });
    vehicle.download(c);
    await vehicle.poll();
    expect(vehicle.installed()).toContain(c);
    expect(forms().filter((one) => one.startsWith("authenticateClient"))).toEqual(["authenticateClient a2", "authenticateClient a0"]);
    expect(forms()).toContain("handleNotification bf37");
  });

  test("of an installation result whose session neither side remembers", async () => {
    const { vehicle, forms } = await minimizing();
    vehicle.download(c);
    const through = vehicle.intercept;
    vehicle.intercept = (name, body) =>
      name === "handleNotification" ? Promise.resolve({ status: 503, body: new Uint8Array(0) }) : through?.(name, body);
    await vehicle.poll();
    vehicle.intercept = through;
    vehicle.restart();
    await vehicle.poll();
    expect(forms().at(-1)).toBe("handleNotification bf37");
    expect(vehicle.smdp.notifications).toMatchObject([{ verified: true }]);
  });

  // shows: compact.only-announced
  test.each<readonly [string, VehicleOptions["ipa"] & object]>([
    ["not configured", { eimFeatures: [] }],
    ["of an eIM not known to understand them", { peers: [{ eimId, compat: {} }] }],
    ["of an eIM of v1.0", { peers: [{ eimId, compat: { minimizeEsipaBytes: true, esipaVersion: "1.0" } }] }],
  ])("%s", async (_, ipa) => {
    const { vehicle, forms } = await minimizing({ ipa });
    vehicle.download(c);
    await vehicle.poll();
    expect(forms()).toEqual(allFull);
    expect(vehicle.installed()).toContain(c);
  });
});

// shows: e0.minimizeEsipaBytes, compact.only-announced
test("announced only when configured", async () => {
  const features = async (ipa: VehicleOptions["ipa"] & object): Promise<unknown> => {
    const { vehicle, sent } = await minimizing({ ipa }, []);
    vehicle.order({ kind: "ipaEuiccData", tags: ["A8"] });
    await vehicle.poll();
    const body = sent.find(({ name }) => name === "provideEimPackageResult")?.body ?? new Uint8Array(0);
    const bf52 = childOf(readOnlyTlv(body), 0xbf52);
    if (bf52 === undefined) throw new Error("no BF52");
    const response = decode(IpaEuiccDataResponse, body.slice(bf52.start, bf52.end));
    return response.kind === "ipaEuiccData" ? response.value.ipaCapabilities?.ipaFeatures : response;
  };
  expect(await features({})).toContain("minimizeEsipaBytes");
  expect(await features({ eimFeatures: [] })).not.toContain("minimizeEsipaBytes");
});
