// The virtual SM-DS, by a client of the field: what it tells to whom, every refusal, and its HTTPS.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SystemClock, VirtualClock } from "../../../base/clock.ts";
import { parseCertificate } from "../../../hw-sim/pki/certificate.ts";
import { roles } from "../../../hw-sim/pki/chain.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import type { JsonObject } from "../../../hw-sim/smdp/json.ts";
import { createSmds, type Smds } from "../../../hw-sim/smds/smds.ts";
import { createHttpsClient } from "../../../transports/https/client.ts";
import { authenticate as authenticateWith, b64, type Call, initiate, statusOf, unb64 } from "../smdp/es9-client.ts";
import { TestEuicc } from "../smdp/test-euicc.ts";

const clock = new VirtualClock();
const pki = createPki({ clock });
const { eid } = pki.subjects;
const address = "ds.example.com";
const authenticate = (call: Call, euicc: TestEuicc, initiated: JsonObject, matchingId: string | undefined) =>
  authenticateWith(call, euicc, initiated, matchingId, "dsauth");
let smds: Smds;
let call: Call;

beforeEach(() => {
  smds = createSmds({ clock, pki, address });
  call = (functionName, body) => smds.handle(functionName, body);
});

const entries = async (matchingId: string | undefined): Promise<unknown> => {
  const euicc = new TestEuicc({ pki });
  const answer = await authenticate(call, euicc, await initiate(call, euicc, address), matchingId);
  return answer.eventEntries ?? statusOf(answer);
};

describe("events", () => {
  const one = { eventId: "E1", rspServerAddress: "dp1.example.com" };
  const two = { eventId: "E2", rspServerAddress: "dp2.example.com" };

  test("all of an eUICC's without an event id, that one with it, none of others", async () => {
    expect(await entries("")).toEqual([]);
    smds.registerEvent({ eid, ...one });
    smds.registerEvent({ eid, ...two });
    smds.registerEvent({ eid: "89049032000000000000000000000065", eventId: "E3", rspServerAddress: "dp3.example.com" });
    expect(await entries("")).toEqual([one, two]);
    expect(await entries(undefined)).toEqual([one, two]);
    expect(await entries("E2")).toEqual([two]);
    expect(await entries("E3")).toBe("8.9.5/3.9");
    smds.deleteEvent(eid, "E1");
    expect(await entries("")).toEqual([two]);
  });

  test("its certificate is one of an SM-DS", async () => {
    const initiated = await initiate(call, new TestEuicc({ pki }), address);
    expect(parseCertificate(unb64(initiated.serverCertificate)).policies).toEqual([roles.dsauth.policy]);
  });
});

describe("refusals", () => {
  test("another address, a CI that is not its own, a session that is none or was used, a signature that does not verify", async () => {
    const euicc = new TestEuicc({ pki });
    expect(statusOf(await initiate(call, euicc, "other.example.com"))).toBe("8.8.1/3.8");
    const stranger = new TestEuicc({ pki: createPki({ clock }) });
    expect(statusOf(await initiate(call, stranger, address))).toBe("8.8.2/3.1");
    const initiated = await initiate(call, euicc, address);
    await authenticate(call, euicc, initiated, "");
    expect(statusOf(await authenticate(call, euicc, initiated, ""))).toBe("8.10.1/3.9");
    const again = await initiate(call, euicc, address);
    const spoiled: Call = (functionName, body) => {
      const response = unb64(body.authenticateServerResponse);
      const at = Buffer.from(response).indexOf(Buffer.from("5F3740", "hex")) + 3;
      response[at] = (response[at] ?? 0) ^ 1;
      return call(functionName, { ...body, authenticateServerResponse: b64(response) });
    };
    expect(statusOf(await authenticate(spoiled, euicc, again, ""))).toBe("8.1/6.1");
    await expect(call("getBoundProfilePackage", {})).rejects.toMatchObject({ code: "SIM_REQUEST" });
    expect(statusOf(await call("initiateAuthentication", {}))).toBe("1.6/2.2");
  });
});

describe("over HTTPS", () => {
  const real = new SystemClock();
  const world = createPki({ clock: real });
  let port = 0;

  beforeEach(async () => {
    smds = createSmds({ clock: real, pki: world });
    ({ port } = await smds.start());
  });
  afterEach(async () => {
    await smds.stop();
  });

  test("the functions of ES11 are POSTs; all else is refused", async () => {
    const client = createHttpsClient({ clock: real, timeoutMs: 10_000 });
    const trust = { kind: "certificate", der: world.get("ci").certificate } as const;
    const ask = async (functionName: string, body: string, method: "POST" | "GET" = "POST") => {
      const path = `/gsma/rsp2/es9plus/${functionName}`;
      const request = { method, path, headers: { "Content-Type": "application/json" }, body: new TextEncoder().encode(body) };
      const answer = await client.request({ host: "127.0.0.1", port, serverName: "localhost", trust }, request);
      return { status: answer.status, text: new TextDecoder().decode(answer.body) };
    };
    expect(smds.address).toBe(`localhost:${port}`);
    expect((await ask("getBoundProfilePackage", "{}")).status).toBe(404);
    expect((await ask("initiateAuthentication", "[]")).status).toBe(400);
    expect((await ask("initiateAuthentication", "", "GET")).status).toBe(405);
    const refused = await ask("initiateAuthentication", "{}");
    expect([refused.status, statusOf(JSON.parse(refused.text))]).toEqual([200, "1.6/2.2"]);
    client.close();
  });
});
