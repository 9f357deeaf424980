// DTLS client and server of ours against each other: suites, trust, echo.
import { expect, test } from "vitest";
import { SystemClock } from "../../../base/clock.ts";
import { openDtls } from "../../../transports/dtls/dtls.ts";
import { makePki } from "../../support/test-pki.ts";

const clock = new SystemClock();
const dtls = openDtls();

test("smoke", async () => {
  const { root, server } = makePki();
  const s = await dtls.listen({
    host: "127.0.0.1",
    port: 0,
    clock,
    identity: { certificateChainPem: server.chainPem, privateKeyPem: server.privateKeyPem },
  });
  s.onLink((link) => link.onDatagram((d) => link.send(d)));
  const a = await dtls.connect({
    host: "127.0.0.1",
    port: s.port,
    serverName: "eim.example.test",
    clock,
    trust: { kind: "roots", certificates: [root.der] },
  });
  const got = new Promise((resolve) => a.onDatagram(resolve));
  a.send(new TextEncoder().encode("hello"));
  expect(await got).toEqual(new TextEncoder().encode("hello"));
  a.close();
  await s.close();
});
