// The eIM's way to an SM-DP+ over HTTPS: every way it can fail has its own error.
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { SystemClock, VirtualClock } from "../../../base/clock.ts";
import { createEs9Client } from "../../../hw-sim/eim/es9-client.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";

const clock = new SystemClock();
const pki = createPki({ clock });
const caPem = [pki.get("ci").certificatePem];
const call = createEs9Client({ clock, caPem });

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serving(status: number, body: string, identity = pki.get("dptls"), onRequest?: () => void): Promise<string> {
  const made = createServer({ cert: identity.certificatePem, key: identity.privateKeyPem }, (request, response) => {
    onRequest?.();
    if (onRequest !== undefined) return;
    seen.push(`${request.method} ${request.url} ${request.headers["user-agent"]} ${request.headers["x-admin-protocol"]}`);
    response.writeHead(status);
    response.end(body);
  });
  server = made;
  await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve));
  return `localhost:${(made.address() as AddressInfo).port}`;
}
const seen: string[] = [];

test("a function goes to its path with the headers of ES9+, and 204 is no answer", async () => {
  expect(await call(await serving(200, '{"a":1}'), "initiateAuthentication", {})).toEqual({ a: 1 });
  expect(seen).toEqual(["POST /gsma/rsp2/es9plus/initiateAuthentication gsma-rsp-ipad gsma/rsp/v2.5.0"]);
  server?.close();
  expect(await call(await serving(204, ""), "handleNotification", {})).toBeUndefined();
});

test.each([
  ["an error status", 500, "", "HTTP_STATUS"],
  ["no JSON", 200, "<html>", "RSP_SERVER"],
  ["JSON that is no object", 200, "[]", "RSP_SERVER"],
  ["a body without end", 200, "x".repeat((8 << 20) + 1), "HTTP_TOO_LARGE"],
])("%s", async (_, status, body, code) => {
  await expect(call(await serving(status, body), "x", {})).rejects.toMatchObject({ code });
});

test("a server of another CI, an expired one, one for another host, and none", async () => {
  const nowMs = clock.now();
  const identities = [
    createPki({ clock }).get("dptls"),
    pki.issue("dptls", { notBeforeMs: nowMs - 2_000, notAfterMs: nowMs - 1_000 }),
    pki.issue("dptls", { smdpHosts: ["elsewhere.example"] }),
  ];
  for (const identity of identities) {
    await expect(call(await serving(200, "{}", identity), "x", {})).rejects.toMatchObject({ code: "HTTP_CONNECT" });
    server?.close();
  }
  const address = await serving(200, "{}");
  await new Promise((resolve) => server?.close(resolve));
  await expect(call(address, "x", {})).rejects.toMatchObject({ code: "HTTP_CONNECT" });
});

test("a server that says nothing is given up on time", async () => {
  const virtual = new VirtualClock();
  const waiting = createEs9Client({ clock: virtual, caPem, timeoutMs: 5_000 });
  let asked = (): void => undefined;
  const arrived = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const answer = waiting(await serving(200, "{}", pki.get("dptls"), () => asked()), "x", {}).catch((error: unknown) => error);
  await arrived;
  await virtual.advance(5_000);
  expect(await answer).toMatchObject({ code: "HTTP_TIMEOUT" });
});
