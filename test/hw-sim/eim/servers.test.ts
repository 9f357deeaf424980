// The eIM over real sockets: ESipa in CoAP over DTLS and in HTTPS, certificates that change while it runs, and the order API over HTTP.
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { emptyBytes, fromHex, toHexUpper } from "../../../base/bytes.ts";
import { SystemClock } from "../../../base/clock.ts";
import { seededRandom } from "../../../base/random.ts";
import { createEim, type Eim, type EimAddresses } from "../../../hw-sim/eim/eim.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { createSmdp } from "../../../hw-sim/smdp/smdp.ts";
import { contentOf, readOnlyTlv } from "../../../ipa/asn1/tlv.ts";
import { createCoapClient } from "../../../transports/coap/client.ts";
import type { CoapResponse } from "../../../transports/coap/types.ts";
import { openDtls } from "../../../transports/dtls/dtls.ts";
import { TestEuicc, testTlv } from "../smdp/test-euicc.ts";

const { tlv } = testTlv;
const clock = new SystemClock();
const pki = createPki({ clock });
const { eid } = pki.subjects;
const dtls = openDtls();
const euicc = new TestEuicc({ pki });
const getEimPackage = tlv(0xbf4f, tlv(0x5a, euicc.eidBytes));
const iccid = "8949000000000000012";
const enable = { eid, kind: "euiccPackage", psmos: [{ enable: { iccid } }] };

let eim: Eim;
let at: EimAddresses;
beforeEach(async () => {
  eim = createEim({
    clock,
    pki,
    dtls,
    euiccs: [{ eid, euiccCertificate: pki.get("euicc").certificate, eumCertificate: pki.get("eum").certificate }],
  });
  at = await eim.start();
});
afterEach(() => eim.stop());

/** One CoAPs exchange on an association of its own. */
async function coaps(
  payload: Uint8Array,
  options: { readonly path?: string; readonly method?: "GET" | "POST"; readonly signal?: AbortSignal } = {},
): Promise<CoapResponse> {
  const trust = { kind: "certificate", der: pki.get("ci").certificate } as const;
  const link = await dtls.connect({ host: "127.0.0.1", port: at.port, serverName: "localhost", trust, clock, handshakeTimeoutMs: 10_000 });
  const client = createCoapClient({ link, clock, random: seededRandom(1) });
  try {
    return await client.request({ method: options.method ?? "POST", path: options.path ?? "gsma/rsp2/asn1", payload }, options.signal);
  } finally {
    client.close();
    link.close();
  }
}

test("a small vehicle that has none but CoAP's mandatory cipher suite is served; one that has the choice gets a longer tag", async () => {
  const trust = { kind: "certificate", der: pki.get("ci").certificate } as const;
  const to = { host: "127.0.0.1", port: at.port, serverName: "localhost", trust, clock } as const;
  for (const [cipherSuites, chosen] of [
    [["ECDHE-ECDSA-AES128-CCM8"], "ECDHE-ECDSA-AES128-CCM8"],
    [["ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDHE-ECDSA-AES128-GCM-SHA256"],
  ] as const) {
    const link = await dtls.connect({ ...to, cipherSuites });
    expect(link.cipherSuite).toBe(chosen);
    const client = createCoapClient({ link, clock, random: seededRandom(1) });
    expect((await client.request({ method: "POST", path: "gsma/rsp2/asn1", payload: getEimPackage })).code).toBe("2.04");
    client.close();
    link.close();
  }
});

test("a vehicle that asks for Connection ID gets it, and one poll after another at whatever address", async () => {
  const trust = { kind: "certificate", der: pki.get("ci").certificate } as const;
  const to = { host: "127.0.0.1", port: at.port, serverName: "localhost", trust, clock } as const;
  for (const connectionId of [true, false]) {
    const link = await dtls.connect({ ...to, connectionId });
    const client = createCoapClient({ link, clock, random: seededRandom(2), ackTimeoutMs: 300 });
    for (let i = 0; i < 3; i++) {
      expect(await client.request({ method: "POST", path: "gsma/rsp2/asn1", payload: getEimPackage })).toMatchObject({ code: "2.04" });
      if (connectionId) link.rebind?.();
    }
    expect(link.survivesRebinding).toBe(connectionId);
    client.close();
    link.close();
  }
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

function https(
  body: Uint8Array,
  options: { readonly path?: string; readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  const headers = {
    "Content-Type": "application/x-gsma-rsp-asn1",
    "X-Admin-Protocol": "gsma/rsp/v2.1.0",
    "User-Agent": "gsma-rsp-ipad",
    ...options.headers,
  };
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      {
        host: "127.0.0.1",
        port: at.port,
        servername: "localhost",
        ca: pki.get("ci").certificatePem,
        path: options.path ?? "/gsma/rsp2/asn1",
        method: options.method ?? "POST",
        headers,
      },
      (response) => {
        const chunks: Uint8Array[] = [];
        response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: new Uint8Array(Buffer.concat(chunks)) }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

async function api(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly json: unknown }> {
  const response = await fetch(`${at.api}${path}`, {
    method,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: text === "" ? undefined : JSON.parse(text) };
}

describe("both bindings on one port", () => {
  test("its addresses", () => {
    expect(at).toEqual({
      id: "eim.example.com",
      coaps: `coaps://localhost:${at.port}`,
      https: `https://localhost:${at.port}`,
      api: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      fqdn: `localhost:${at.port}`,
      port: at.port,
    });
  });

  // shows: d5.codes, d5.notification
  test("CoAPs: 2.04 with the answer, and empty for a notification", async () => {
    const answer = await coaps(getEimPackage);
    expect([answer.code, toHexUpper(answer.payload)]).toEqual(["2.04", "BF4F03020101"]);
    const notification = tlv(0xbf3d, tlv(0xa0, euicc.notification(1, "localhost:1", new Uint8Array(10))));
    expect(await coaps(notification)).toMatchObject({ code: "2.04", payload: emptyBytes });
  });

  // shows: d5.block1, d5.block2
  test("CoAPs: a package and its result travel in blocks", async () => {
    eim.addOrder({ eid, kind: "euiccPackage", psmos: Array.from({ length: 200 }, () => ({ disable: { iccid } })) });
    const bf51 = contentOf(readOnlyTlv((await coaps(getEimPackage)).payload));
    expect(bf51.length).toBeGreaterThan(2_000);
    const txId = readOnlyTlv(bf51);
    expect(txId.tag).toBe(0xbf51);
    const result = euicc.packageResult(
      { eimId: "eim.example.com", counter: 1, seq: 300 },
      ...Array.from({ length: 900 }, () => tlv(0x84, Uint8Array.of(0))),
    );
    const answer = await coaps(tlv(0xbf50, tlv(0x5a, euicc.eidBytes), result));
    expect(toHexUpper(answer.payload)).toBe("BF5007BF53048002012C");
    expect(eim.results()).toHaveLength(1);
  });

  test("CoAPs: what is no ESipa gets an error code", async () => {
    expect((await coaps(fromHex("00"))).code).toBe("4.00");
    expect((await coaps(getEimPackage, { path: "other" })).code).toBe("4.04");
    expect((await coaps(getEimPackage, { path: "gsma/rsp2/esipa/getEimPackage" })).code).toBe("5.01");
    expect((await coaps(emptyBytes, { method: "GET" })).code).toBe("4.05");
    await eim.applyFaults({ httpStatus: { status: 503, times: 1 } });
    expect((await coaps(getEimPackage)).code).toBe("5.03");
  });

  // shows: d3.200, d3.204, d3.content-type
  test("HTTPS: 200 with the answer, 204 for a notification, the headers of the binding", async () => {
    const answer = await https(getEimPackage);
    expect([answer.status, toHexUpper(answer.body)]).toEqual([200, "BF4F03020101"]);
    expect(answer.headers).toMatchObject({ "content-type": "application/x-gsma-rsp-asn1", "x-admin-protocol": "gsma/rsp/v2.1.0" });
    const notification = tlv(0xbf3d, tlv(0xa0, euicc.notification(1, "localhost:1", new Uint8Array(10))));
    expect(await https(notification)).toMatchObject({ status: 204, body: emptyBytes });
  });

  test.each([
    ["another path", { path: "/gsma/rsp2/es9plus/x" }, 404],
    ["the JSON binding, but not JSON", { path: "/gsma/rsp2/esipa/getEimPackage" }, 415],
    ["another method", { method: "PUT" }, 405],
    ["another content", { headers: { "Content-Type": "application/json" } }, 415],
    ["another protocol", { headers: { "X-Admin-Protocol": "x" } }, 400],
    ["a protocol of a later version", { headers: { "X-Admin-Protocol": "gsma/rsp/v1.3.0" } }, 200],
  ])("HTTPS: %s", async (_, options, status) => {
    expect((await https(getEimPackage, options)).status).toBe(status);
  });

  test("silence leaves both without an answer; the next request has one", async () => {
    await eim.applyFaults({ silentRequests: 2 });
    const abort = new AbortController();
    const overCoap = coaps(getEimPackage, { signal: abort.signal }).catch((error: unknown) => error);
    while (eim.faults.silentRequests > 1) await new Promise((resolve) => setImmediate(resolve));
    abort.abort(new Error("waited long enough"));
    expect(await overCoap).toMatchObject({ message: "waited long enough" });
    const overHttps = https(getEimPackage).catch(() => "closed");
    while (eim.faults.silentRequests > 0) await new Promise((resolve) => setImmediate(resolve));
    expect((await https(getEimPackage)).status).toBe(200);
    expect((await coaps(getEimPackage)).code).toBe("2.04");
    await eim.stop();
    expect(await overHttps).toBe("closed");
  });

  test("two eIMs run side by side", async () => {
    const second = createEim({ clock, pki, dtls, eimId: "second-eim", euiccs: [{ eid }] });
    const other = await second.start();
    try {
      expect(other.port).not.toBe(at.port);
      second.addOrder({ eid, kind: "raw", hex: "0102" });
      expect(toHexUpper((await https(getEimPackage)).body)).toBe("BF4F03020101");
    } finally {
      await second.stop();
    }
  });

  test("a port in use is said", async () => {
    const second = createEim({ clock, pki, dtls, port: at.port });
    await expect(second.start()).rejects.toMatchObject({ code: "SIM_OPTION" });
  });
});

describe("the certificate it shows", () => {
  test.each([
    ["foreign", "TLS_UNTRUSTED", /certificate|signature/],
    ["expired", "TLS_EXPIRED", /expired/],
    ["wrongHost", "TLS_HOST_MISMATCH", /altnames|does not match/],
  ] as const)("%s is refused by both, and its own taken again afterwards", async (tlsCertificate, code, message) => {
    await eim.applyFaults({ tlsCertificate });
    await expect(coaps(getEimPackage)).rejects.toMatchObject({ code });
    await expect(https(getEimPackage)).rejects.toThrow(message);
    await eim.applyFaults({ tlsCertificate: "own" });
    expect((await coaps(getEimPackage)).code).toBe("2.04");
    expect((await https(getEimPackage)).status).toBe(200);
  });
});

describe("the order API", () => {
  test("an order, from queued to done", async () => {
    const { status, json } = await api("POST", "/v1/orders", enable);
    expect(status).toBe(201);
    const { orderId } = json as { orderId: string };
    const order = async (): Promise<unknown> => (await api("GET", `/v1/orders/${orderId}`)).json;
    expect(await order()).toMatchObject({ orderId, eid, kind: "euiccPackage", state: "queued", deliveries: 0, results: [] });
    await https(getEimPackage);
    const fetched = (await order()) as { counterValue: number; eimTransactionId: string; message: string };
    expect(fetched).toMatchObject({ state: "fetched", deliveries: 1, counterValue: 1, message: expect.stringMatching(/^BF51/) });
    const result = euicc.packageResult(
      { eimId: "eim.example.com", counter: 1, txId: fromHex(fetched.eimTransactionId), seq: 1 },
      tlv(0x83, Uint8Array.of(0)),
    );
    await https(tlv(0xbf50, tlv(0x5a, euicc.eidBytes), result));
    expect(await order()).toMatchObject({
      state: "done",
      results: [{ verified: true, seqNumber: 1, commands: [{ kind: "enableResult", value: "ok" }] }],
    });
    expect((await api("GET", "/v1/orders")).json).toHaveLength(1);
    expect((await api("GET", `/v1/results?eid=${eid}`)).json).toMatchObject([
      { eid, kind: "euiccPackageResult", deliveries: 1, raw: toHexUpper(result) },
    ]);
    expect((await api("GET", "/v1/results?eid=0")).json).toEqual([]);
    expect((await api("GET", "/v1/notifications")).json).toEqual([]);
  });

  test("what is wrong with an order is said with 400", async () => {
    const answer = await api("POST", "/v1/orders", { eid, kind: "euiccPackage", psmos: [{ enable: {} }] });
    expect(answer).toMatchObject({
      status: 400,
      json: { error: { code: "SIM_REQUEST", message: expect.stringContaining("psmos.0.enable.iccid") } },
    });
    expect((await api("POST", "/v1/orders", "{")).status).toBe(400);
    for (const [method, path, status, said] of [
      ["GET", "/v1/orders/none", 404, "order none"],
      ["GET", "/v1/none", 404, "/v1/orders/{id}"],
      ["PUT", "/v1/orders", 405, "POST, GET only"],
    ] as const)
      expect(await api(method, path)).toMatchObject({
        status,
        json: {
          error: { code: "SIM_REQUEST", message: expect.stringContaining(said), next: expect.stringContaining("docs/hw-sim-api.md") },
        },
      });
    expect((await api("POST", "/v1/events", {})).status).toBe(405);
    expect((await api("GET", "/v1/events?after=x")).status).toBe(400);
  });

  test("an eUICC is made known with its certificates, and looked at", async () => {
    const other = "89049032000000000000000000000007";
    const sister = pki.issue("euicc", { eid: other });
    const body = {
      eid: other,
      counterValue: 5,
      associationToken: 2,
      euiccCertificate: sister.certificatePem,
      eumCertificate: pki.get("eum").certificatePem,
    };
    expect(await api("POST", "/v1/euiccs", body)).toEqual({
      status: 201,
      json: { eid: other, counterValue: 5, associationToken: 2, certificate: true },
    });
    expect((await api("GET", `/v1/euiccs/${other}`)).json).toMatchObject({ counterValue: 5, certificate: true });
    expect(await api("POST", "/v1/euiccs", { ...body, eid })).toMatchObject({ status: 400, json: { error: { code: "CERTIFICATE" } } });
    const world = createPki({ clock, eid: other });
    const foreign = { eid: other, euiccCertificate: world.get("euicc").certificatePem, eumCertificate: world.get("eum").certificatePem };
    expect((await api("POST", "/v1/euiccs", foreign)).status).toBe(400);
    expect((await api("POST", "/v1/euiccs", { ...foreign, ciCertificate: world.get("ci").certificatePem })).status).toBe(201);
    expect((await api("POST", "/v1/euiccs", { eid, euiccCertificate: "hello", eumCertificate: "x" })).status).toBe(400);
  });

  test("faults are set and shown, and told from each other by target", async () => {
    expect((await api("POST", "/v1/faults", { eim: { silentRequests: 0, acknowledge: "partial" } })).json).toMatchObject({
      eim: { acknowledge: "partial" },
    });
    expect((await api("GET", "/v1/faults")).json).toMatchObject({ eim: { acknowledge: "partial", tlsCertificate: "own" } });
    expect(await api("POST", "/v1/faults", { radio: {} })).toMatchObject({
      status: 400,
      json: { error: { message: expect.stringContaining("radio is none of eim") } },
    });
    expect((await api("POST", "/v1/faults", { eim: { nonsense: 1 } })).status).toBe(400);
    expect((await api("POST", "/v1/faults", [])).status).toBe(400);
  });

  test("faults of an SM-DP+ beside it go through the same door", async () => {
    const smdp = createSmdp({ clock, pkis: [pki] });
    const both = createEim({
      clock,
      pki,
      dtls,
      faultTargets: { smdp: { apply: (settings) => smdp.applyFaults(settings), show: () => smdp.faults } },
    });
    const addresses = await both.start();
    try {
      const response = await fetch(`${addresses.api}/v1/faults`, { method: "POST", body: JSON.stringify({ smdp: { ppk: true } }) });
      expect([response.status, smdp.faults.ppk]).toEqual([200, true]);
    } finally {
      await both.stop();
    }
  });

  test("events come live, one JSON object a line, after those kept", async () => {
    eim.addOrder(enable);
    const lines: { n: number; type: string; state?: string; function?: string }[] = [];
    const seen = new Promise<void>((resolve, reject) => {
      const outgoing = httpRequest(`${at.api}/v1/events`, (response) => {
        let rest = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          const parts = (rest + chunk).split("\n");
          rest = parts.pop() ?? "";
          for (const part of parts) lines.push(JSON.parse(part));
          if (lines.some(({ type }) => type === "order") && lines.length === 2) void https(getEimPackage);
          if (!lines.some(({ type }) => type === "esipa")) return;
          outgoing.destroy();
          resolve();
        });
      });
      outgoing.on("error", reject);
      outgoing.end();
    });
    await seen;
    expect(lines.map(({ type, state, function: name }) => [type, state ?? name])).toEqual([
      ["euicc", undefined],
      ["order", "queued"],
      ["order", "fetched"],
      ["esipa", "getEimPackage"],
    ]);
    expect(lines.map(({ n }) => n)).toEqual([1, 2, 3, 4]);
  });

  test("events after a number, and none but new ones", async () => {
    eim.addOrder(enable);
    for (const [after, expected] of [
      ["1", "order"],
      ["now", "esipa"],
    ]) {
      const controller = new AbortController();
      const response = await fetch(`${at.api}/v1/events?after=${after}`, { signal: controller.signal });
      if (after === "now") await eim.handle(fromHex("00"));
      const first = await response.body?.getReader().read();
      expect(JSON.parse(new TextDecoder().decode(first?.value).split("\n")[0] ?? "")).toMatchObject({ type: expected });
      controller.abort();
    }
  });
});
