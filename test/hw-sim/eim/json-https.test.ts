// The JSON binding over real HTTPS: the IPA's client on its own transport against the eIM's listener, and what the listener makes of others.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digitsToBcd } from "../../../base/bytes.ts";
import { SystemClock } from "../../../base/clock.ts";
import { createEim, type Eim, type EimAddresses } from "../../../hw-sim/eim/eim.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { EimClient } from "../../../ipa/esipa/client.ts";
import { defaultCompat } from "../../../ipa/options.ts";
import type { EimEndpoint } from "../../../ipa/ports.ts";
import { httpsEsipaTransport } from "../../../transports/esipa.ts";
import { createHttpsClient } from "../../../transports/https/client.ts";

const clock = new SystemClock();
const pki = createPki({ clock });
const { eid } = pki.subjects;
const https = createHttpsClient({ clock, timeoutMs: 10_000 });
const transport = httpsEsipaTransport({ https });
let eim: Eim;
let at: EimAddresses;
let endpoint: EimEndpoint;

beforeAll(async () => {
  eim = createEim({ clock, pki, euiccs: [{ eid }] });
  at = await eim.start();
  const trust = { kind: "certificate", der: pki.get("ci").certificate } as const;
  endpoint = { eimId: eim.eimId, host: "127.0.0.1", port: at.port, serverName: "localhost", trust };
});

afterAll(async () => {
  transport.close();
  await eim.stop();
});

const client = (eidDigits = eid): EimClient =>
  new EimClient({
    eimId: eim.eimId,
    bindings: [{ name: "https-json", endpoint, transport }],
    compat: defaultCompat,
    eid: digitsToBcd(eidDigits),
    clock,
    events: { emit: () => undefined },
    timeoutMs: 10_000,
  });
const nothing = { stateChange: undefined, rPlmn: undefined };

describe("the IPA's client over HTTPS", () => {
  // shows: d4.getEimPackage, d4.provideEimPackageResult
  test("nothing, then a package with the octets that were signed, then its error and the answer to it", async () => {
    expect(await client().getEimPackage(nothing)).toEqual({ kind: "none" });
    const order = eim.addOrder({ eid, kind: "euiccPackage", psmos: [{ getRAT: {} }] });
    const received = await client().getEimPackage({ stateChange: "fallback", rPlmn: Uint8Array.of(0x62, 0xf2, 0x10) });
    if (received.kind !== "euiccPackage") throw new Error(received.kind);
    expect(Buffer.from(received.raw).toString("hex").toUpperCase()).toBe(eim.order(order)?.message);
    const { eimTransactionId } = received.value.euiccPackageSigned.value;
    const answer = client().encodeResult({ kind: "error", eimTransactionId, code: "undefinedError" });
    expect(await client().provideEimPackageResult(answer)).toEqual([]);
    expect(eim.order(order)).toMatchObject({ state: "failed" });
  });

  test("an EID that the eIM does not know, in its status code", async () => {
    const other = "89049032000000000000000000000065";
    await expect(client(other).getEimPackage(nothing)).rejects.toMatchObject({
      code: "ESIPA_REFUSED",
      data: { function: "GetEimPackage" },
    });
  });
});

describe("the eIM's listener", () => {
  const post = async (path: string, body: string, headers: Record<string, string> = {}) => {
    const { host, port, serverName, trust } = endpoint;
    const answer = await https.request(
      { host, port, serverName, trust },
      {
        method: "POST",
        path: `/gsma/rsp2/esipa/${path}`,
        headers: { "Content-Type": "application/json;charset=UTF-8", ...headers },
        body: new TextEncoder().encode(body),
      },
    );
    return { ...answer, text: new TextDecoder().decode(answer.body) };
  };

  // shows: d4.header, d4.paths
  test("writes header, type and status codes as the standard has them", async () => {
    const none = await post("getEimPackage", JSON.stringify({ eidValue: eid }));
    expect(none.status).toBe(200);
    expect(none.headers["content-type"]).toBe("application/json;charset=UTF-8");
    expect(JSON.parse(none.text)).toEqual({ header: { functionExecutionStatus: { status: "Executed-Success" } }, eimPackageError: 1 });
    const missing = JSON.parse((await post("getEimPackage", "{}")).text);
    expect(missing.header.functionExecutionStatus).toEqual({
      status: "Failed",
      statusCodeData: { subjectCode: "8.1.1", reasonCode: "2.2" },
    });
  });

  test.each([
    ["nothing", "{}", {}, 404],
    ["getEimPackage", "[]", {}, 400],
    ["getEimPackage", "{", {}, 400],
    ["provideEimPackageResult", "{}", {}, 400],
    ["authenticateClient", '{"transactionId":"zz","authenticateServerResponse":""}', {}, 400],
    ["getEimPackage", "{}", { "Content-Type": "text/plain" }, 415],
    ["getEimPackage", "{}", { "X-Admin-Protocol": "x" }, 400],
  ])("%s %s %j is answered with %i", async (path, body, headers, status) => {
    expect((await post(path, body, headers)).status).toBe(status);
  });

  test("does not serve it when told so", async () => {
    await eim.applyFaults({ notServed: ["https-json"] });
    expect((await post("getEimPackage", "{}")).status).toBe(501);
    await eim.applyFaults({ notServed: [] });
  });
});
