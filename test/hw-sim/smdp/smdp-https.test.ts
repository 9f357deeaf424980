// The virtual SM-DP+ over real HTTPS sockets: TLS under the CI, the HTTP rules of ES9+, and its transport faults.
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { iccidToBytes } from "../../../base/bytes.ts";
import { SystemClock } from "../../../base/clock.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { createSmdp, type Smdp } from "../../../hw-sim/smdp/smdp.ts";
import { b64, download, httpsCall, post, statusOf } from "./es9-client.ts";
import { TestEuicc } from "./test-euicc.ts";

const clock = new SystemClock();
const pki = createPki({ clock });
const ca = pki.get("ci").certificatePem;
const iccid = iccidToBytes("8949000000000000012");
const profile = new Uint8Array(randomBytes(3_000));
const initiatePath = "/gsma/rsp2/es9plus/initiateAuthentication";

let smdp: Smdp;
let port: number;
let address: string;
beforeEach(async () => {
  smdp = createSmdp({
    clock,
    pkis: [pki],
    orders: [
      { matchingId: "TOKEN-1", profile, metadata: { iccid, serviceProviderName: "S", profileName: "P", profileClass: "operational" } },
    ],
  });
  ({ port, address } = await smdp.start());
});
afterEach(() => smdp.stop());

test("a download and its installation result, end to end", async () => {
  const call = httpsCall(port, ca);
  const euicc = new TestEuicc({ pki });
  expect(smdp.activationCode("TOKEN-1")).toBe(`LPA:1$localhost:${port}$TOKEN-1`);
  const bpp = await download(call, euicc, address, "TOKEN-1");
  expect(euicc.openBpp(bpp).upp).toEqual(profile);
  expect(await call("handleNotification", { pendingNotification: b64(euicc.installationResult(address, iccid)) })).toBeUndefined();
  expect(smdp.orders[0]?.state).toBe("installed");
});

test("base64 broken into lines is read", async () => {
  const euicc = new TestEuicc({ pki });
  const lines = (text: string): string => text.replace(/(.{20})/g, "$1\r\n");
  const body = { euiccChallenge: lines(b64(euicc.challenge)), euiccInfo1: lines(b64(euicc.info1())), smdpAddress: address };
  const answer = await post(port, initiatePath, ca, JSON.stringify(body));
  expect(answer.status).toBe(200);
  expect(answer.headers).toMatchObject({ "content-type": "application/json;charset=UTF-8", "x-admin-protocol": "gsma/rsp/v2.5.0" });
  expect(statusOf(JSON.parse(answer.body))).toBe("Executed-Success");
});

describe("what is no ES9+ request gets an HTTP status", () => {
  test.each([
    ["another path", "/gsma/rsp2/es9plus/getEimPackage", "{}", {}, "POST", 404],
    ["a path above", "/", "{}", {}, "POST", 404],
    ["another method", initiatePath, "", {}, "GET", 405],
    ["another content", initiatePath, "{}", { "Content-Type": "text/plain" }, "POST", 415],
    ["another protocol", initiatePath, "{}", { "X-Admin-Protocol": "coffee/v1" }, "POST", 400],
    ["no JSON", initiatePath, "{", {}, "POST", 400],
    ["JSON that is no object", initiatePath, "[]", {}, "POST", 400],
    ["no notification", "/gsma/rsp2/es9plus/handleNotification", "{}", {}, "POST", 400],
    ["a body too long", initiatePath, "x".repeat(200_000), {}, "POST", 413],
  ])("%s", async (_, path, body, headers, method, status) => {
    expect((await post(port, path, ca, body, headers, method)).status).toBe(status);
  });

  test("a function's own failure is 200", async () => {
    const answer = await post(port, initiatePath, ca, "{}");
    expect([answer.status, statusOf(JSON.parse(answer.body))]).toEqual([200, "1.6/2.2"]);
  });
});

test("it shows its certificate of the CI, and no other root verifies it", async () => {
  await expect(post(port, initiatePath, createPki({ clock }).get("ci").certificatePem, "{}")).rejects.toThrow(/certificate|signature/);
});

test("HTTP errors are answered so many times, silence lasts so many requests, and stopping ends what hangs", async () => {
  smdp.applyFaults({ httpStatus: { status: 503, times: 2 } });
  const statuses = [];
  for (let i = 0; i < 3; i++) statuses.push((await post(port, initiatePath, ca, "{}")).status);
  expect(statuses).toEqual([503, 503, 200]);

  smdp.applyFaults({ silentRequests: 1 });
  const hanging = post(port, initiatePath, ca, "{}").then(
    () => "answered",
    () => "closed",
  );
  // A second request gets its answer while the first still waits.
  while (smdp.faults.silentRequests > 0) await new Promise((resolve) => setImmediate(resolve));
  expect((await post(port, initiatePath, ca, "{}")).status).toBe(200);
  await smdp.stop();
  expect(await hanging).toBe("closed");
});

test("a port in use is said at the start", async () => {
  const second = createSmdp({ clock, pkis: [pki], port });
  await expect(second.start()).rejects.toMatchObject({ code: "SIM_OPTION" });
});
