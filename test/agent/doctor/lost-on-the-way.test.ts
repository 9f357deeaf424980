// What passes when it is small and is lost when it is large, and name servers that are dead while all else lives: each is named as what it is.
import { expect, test } from "vitest";
import { judged } from "../../../agent/doctor/checks/eim.ts";
import { pathChecks } from "../../../agent/doctor/checks/path.ts";
import type { DoctorContext } from "../../../agent/doctor/context.ts";
import { type ErrorCode, errorReport, SimwardError } from "../../../base/errors.ts";

const tested = {
  eimId: "eim.example",
  binding: "coaps",
  host: "eim.example",
  port: 5684,
  serverName: "eim.example",
  trust: "certificate",
} as const;
const timeout = (datagrams: number, firstAfterMs = 200) =>
  judged(
    {
      ...{ ...tested, outcome: "failed", tookMs: 15_000 },
      error: errorReport(
        new SimwardError("DTLS_TIMEOUT", {
          detail: `192.0.2.7:5684: ${datagrams === 0 ? "not one datagram" : `${datagrams} datagrams, the first after ${firstAfterMs} ms, but no end of the handshake`} within 15000 ms`,
        }),
      ),
    } as Parameters<typeof judged>[0],
    "DTLS",
  );

test("a handshake that begins and does not end: the path's MTU, and a way around it; one without any answer is another matter", () => {
  expect(timeout(1)).toMatchObject({
    level: "fail",
    cause: expect.stringMatching(/MTU/),
    mend: expect.stringMatching(/net\.mtu_bytes.*https/),
  });
  expect(timeout(0)?.cause).not.toMatch(/MTU/);
});

test("what answers and speaks another protocol is at the wrong address, and no path of small packets", () => {
  const of = (code: ErrorCode, detail: string, protocol: string) =>
    judged(
      { ...{ ...tested, outcome: "failed", tookMs: 9 }, error: errorReport(new SimwardError(code, { detail })) } as Parameters<
        typeof judged
      >[0],
      protocol,
    );
  for (const said of [
    of("DTLS_TIMEOUT", "192.0.2.7:5684: 5 datagrams that are no DTLS within 15000 ms", "DTLS"),
    of("HTTP_CONNECT", "eim.example:5684: ERR_SSL_WRONG_VERSION_NUMBER", "TLS"),
  ])
    expect(said).toMatchObject({
      level: "fail",
      cause: expect.stringMatching(/speaks no D?TLS/),
      mend: expect.stringMatching(/address and port/),
    });
});

test("a handshake whose first answer took long is slow, and nothing is said of its size", () => {
  expect(timeout(3, 9_012)).toMatchObject({
    level: "warn",
    cause: expect.stringMatching(/the way is slow, its first answer took 9\.0 s/),
    mend: expect.stringMatching(/simward eim poll.*eim\.retransmit_initial_ms/),
  });
});

const probed = (answers: readonly (readonly [string, boolean])[], mode = "ecm") =>
  pathChecks
    .find(({ name }) => name === "data-path")
    ?.run(
      {
        running: { net: { mode } },
        probe: async () => ({
          path: { verdict: "alive" },
          answers: answers.map(([target, answered]) => ({ target, answered, roundTripMs: 9 })),
        }),
        net: async () => ({ path: { dns: ["10.0.0.53"] } }),
      } as unknown as DoctorContext,
      new AbortController().signal,
    );

test("name servers that are silent while an eIM answers are named; one that answers is enough", async () => {
  expect(
    await probed([
      ["dns 10.0.0.53", false],
      ["dns 10.0.1.53", false],
      ["eim eim.example:5684", true],
    ]),
  ).toMatchObject({
    level: "warn",
    cause: expect.stringMatching(/no name server of the network answers: dns 10\.0\.0\.53, dns 10\.0\.1\.53/),
  });
  expect(
    await probed([
      ["dns 10.0.0.53", false],
      ["dns 10.0.1.53", true],
      ["eim eim.example:5684", true],
    ]),
  ).toMatchObject({ level: "pass" });
  // The platform's names are the platform's.
  const byPlatform = await probed(
    [
      ["dns 10.0.0.53", false],
      ["eim eim.example:5684", true],
    ],
    "none",
  );
  expect(byPlatform).toMatchObject({ level: "pass" });
});
