// simward net tunnel, as a person and a script see it: up, refused, and where there is none.
import { describe, expect, test } from "vitest";
import type { TunnelReport } from "../../../agent/api/tunnel-types.ts";
import { createOutput } from "../../../agent/cli/output.ts";
import type { CliContext } from "../../../agent/cli/verb.ts";
import { netTunnel } from "../../../agent/cli/verbs/net-tunnel.ts";
import { parseConfig } from "../../../agent/config/load.ts";
import { parseReading, problemIn } from "../../../agent/tunnel/reading.ts";
import { noTunnelReport, reportOf } from "../../../agent/tunnel/report.ts";
import { errorReport } from "../../../base/errors.ts";

const { tunnel: config } = parseConfig(
  '[modem]\naddress = "pty:/x"\n[tunnel]\ngateway = "vpn.fleet.example"\nlocal_id = "v.fleet.example"\nremote_id = "vpn.fleet.example"\nca = "/ca"\n' +
    'certificate_credential = "c"\nkey_credential = "k"\n',
);
const certificates = [{ whose: "vehicle", name: "v.fleet.example", from: "c", endMs: Date.UTC(2027, 0, 1) }] as const;
const nothing = { running: true, attempt: { state: "none" }, nameServers: [] } as const;
const up = {
  ...nothing,
  attempt: { state: "done" },
  nameServers: ["10.9.0.53"],
  sa: {
    ...{
      name: "simward-0",
      localAddress: "10.64.3.7",
      remoteAddress: "192.0.2.1",
      localId: "v.fleet.example",
      remoteId: "vpn.fleet.example",
    },
    ...{ isLocal: true, virtualIps: ["10.77.0.7"], establishedSeconds: 90, rekeySeconds: 3_600, algorithms: "AES_GCM_16-256" },
    children: [{ localTs: ["10.77.0.7/32"], remoteTs: ["10.0.0.0/8"], receivedBytes: 20, sentBytes: 10, algorithms: "AES_GCM_16-256" }],
  },
} as const;

const shown = async (report: TunnelReport): Promise<{ readonly text: string; readonly code: number | undefined }> => {
  let text = "";
  const out = createOutput({ json: false, showIds: false, color: false, width: 200, stdout: (more) => (text += more), stderr: () => {} });
  const api = () => ({ call: async () => report });
  const code = await netTunnel.run({ out, api } as unknown as CliContext, { args: [], options: {} });
  return { text, code };
};

describe("simward net tunnel", () => {
  const parts = { config: config ?? (undefined as never), certificates, failures: 0, problem: undefined };

  test("up", async () => {
    const { text, code } = await shown(reportOf({ ...parts, phase: "up", reading: parseReading(up) }));
    expect(code).toBeUndefined();
    for (const part of [
      "up",
      "required",
      "vpn.fleet.example",
      "192.0.2.1",
      "10.77.0.7",
      "DNS 10.9.0.53",
      "10 sent",
      "20 received",
      "until 2027-01-01",
    ])
      expect(text).toContain(part);
  });

  test("refused: why, what next, and an exit code for scripts", async () => {
    const reading = parseReading({
      ...nothing,
      attempt: { state: "failed", code: "TUNNEL_REFUSED", detail: "received AUTHENTICATION_FAILED notify error" },
    });
    const problem = problemIn(reading);
    const { text, code } = await shown(reportOf({ ...parts, phase: "waiting", failures: 3, reading, problem: errorReport(problem) }));
    expect(code).toBe(8);
    for (const part of ["waiting", "TUNNEL_REFUSED", "AUTHENTICATION_FAILED", "3 attempts", "tunnel.local_id"])
      expect(text).toContain(part);
    expect(text).not.toContain("10.77.0.7");
  });

  test("none", async () => {
    expect(await shown(noTunnelReport)).toMatchObject({ text: expect.stringContaining("no section [tunnel]"), code: undefined });
  });
});

describe("what simward-netd tells", () => {
  test.each([
    undefined,
    null,
    {},
    { ...nothing, running: "yes" },
    { ...nothing, attempt: { state: "odd" } },
    { ...up, sa: { ...up.sa, virtualIps: "10.0.0.1" } },
  ])("%j is not believed", (data) => expect(() => parseReading(data)).toThrow(expect.objectContaining({ code: "NETD_FAILED" })));

  test("why there is none", () => {
    const codeOf = (change: object): string | undefined => problemIn(parseReading({ ...nothing, ...change }))?.code;
    expect(codeOf({ running: false })).toBe("TUNNEL_ABSENT");
    expect(codeOf({ attempt: { state: "under-way" } })).toBeUndefined();
    expect(codeOf({ attempt: { state: "done" } })).toBe("TUNNEL_UNREACHABLE");
    expect(codeOf({ attempt: { state: "failed", code: "TUNNEL_PROPOSAL", detail: "" } })).toBe("TUNNEL_PROPOSAL");
    expect(codeOf({ attempt: { state: "failed", code: "constructor", detail: "" } })).toBe("TUNNEL_FAILED");
  });
});
